//! Running one function over many items on a few threads, with cancellation.
//!
//! Not a scheduler: items are taken in order from a shared counter, results come back in item order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How a long job is watched and stopped from outside.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Control {
    /// Asks the job to stop; it does so before its next item.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Files done and files known so far.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (
            self.done.load(Ordering::Relaxed),
            self.total.load(Ordering::Relaxed),
        )
    }

    pub(crate) fn expect(&self, items: usize) {
        self.total.fetch_add(items, Ordering::Relaxed);
    }

    pub(crate) fn finish_one(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number of threads to use when the user names none: one per available core.
#[must_use]
pub fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Calls `work` for every number below a count, in no order that could be relied on; nothing is kept of it. Each thread
/// makes one state with `start` and keeps it from number to number. False if it was cancelled.
pub fn each<S>(
    count: u64,
    threads: usize,
    control: &Control,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, u64) + Sync,
) -> bool {
    let threads = threads.clamp(1, usize::try_from(count.max(1)).unwrap_or(usize::MAX));
    let next = AtomicU64::new(0);
    let run = || {
        let mut state = start();
        while !control.is_cancelled() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            work(&mut state, number);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    !control.is_cancelled()
}

/// Applies `work` to every item. Each thread makes one state with `start` and keeps it from item to item.
///
/// Results come in item order. If cancelled, items not yet begun have no result.
pub fn map<I, S, R>(
    items: &[I],
    threads: usize,
    control: &Control,
    start: impl Fn() -> S + Sync,
    work: impl Fn(&mut S, &I) -> R + Sync,
) -> Vec<Option<R>>
where
    I: Sync,
    R: Send,
{
    let threads = threads.clamp(1, items.len().max(1));
    let next = AtomicUsize::new(0);
    let finished = Mutex::new(Vec::with_capacity(threads));
    let run = || {
        let mut state = start();
        let mut results = Vec::new();
        while !control.is_cancelled() {
            let ordinal = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(ordinal) else {
                break;
            };
            results.push((ordinal, work(&mut state, item)));
        }
        finished
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(results);
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(run);
        }
        run();
    });
    let mut ordered: Vec<Option<R>> = items.iter().map(|_| None).collect();
    let finished = finished
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (ordinal, result) in finished.into_iter().flatten() {
        ordered[ordinal] = Some(result);
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::{Control, each, map};
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn results_come_in_item_order_for_any_number_of_threads() {
        let items: Vec<u64> = (0..1000).collect();
        for threads in [0, 1, 2, 7, 5000] {
            let squares = map(&items, threads, &Control::default(), || (), |(), n| n * n);
            assert!(squares.iter().zip(&items).all(|(s, n)| *s == Some(n * n)));
        }
    }

    #[test]
    fn every_number_comes_once_and_none_after_a_stop() {
        for threads in [0, 1, 3] {
            let (sum, control) = (AtomicU64::new(0), Control::default());
            let add = |(): &mut (), number| {
                sum.fetch_add(number + 1, Ordering::Relaxed);
            };
            assert!(each(1000, threads, &control, || (), add));
            assert_eq!(sum.into_inner(), 500_500);
        }
        let (begun, control) = (AtomicU64::new(0), Control::default());
        let stop = |(): &mut (), number| {
            begun.fetch_add(1, Ordering::Relaxed);
            if number == 9 {
                control.cancel();
            }
        };
        assert!(!each(u64::MAX, 1, &control, || (), stop));
        assert_eq!(begun.into_inner(), 10);
    }

    #[test]
    fn a_cancelled_job_begins_nothing_more() {
        let control = Control::default();
        let results = map(
            &[0; 100],
            1,
            &control,
            || 0,
            |done, _| {
                *done += 1;
                if *done == 10 {
                    control.cancel();
                }
            },
        );
        assert_eq!(results.iter().flatten().count(), 10);
    }
}
