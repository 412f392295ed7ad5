//! Counts over whole planes of contexts and requests: for each context how many requests fit is found near where it was for
//! the context before, so that most points are never looked at.

use super::hot::Place;
use super::memo::{Cell, Memo};
use super::{Sweep, Tally};
use crate::engine::CachePlan;
use std::ops::Range;

/// Numbers of a plane at the most: 8 MiB of them.
const MOST: usize = 1 << 20;

/// Bytes that a plan sets aside on each stage, for every context and every number of requests of a sweep. More requests, in
/// the order of the list, never take less.
#[derive(Debug)]
pub(super) struct Plane {
    requests: usize,
    stages: Vec<Vec<u64>>,
}

impl Plane {
    /// Of these contexts and requests; none where there are too many, or more requests may take less.
    pub fn of(
        plan: &dyn CachePlan,
        contexts: &[Place],
        each: &[u64],
        stages: usize,
    ) -> Option<Self> {
        let size = contexts.len().checked_mul(each.len())?;
        if size.checked_mul(stages)? > MOST {
            return None;
        }
        let mut lists = vec![Vec::with_capacity(size); stages];
        for place in contexts {
            let Place::At(context) = *place else {
                return None;
            };
            plan.reserved_each(context, each, &mut lists);
        }
        let is_rising = |list: &Vec<u64>| list.chunks(each.len().max(1)).all(<[u64]>::is_sorted);
        let is_whole = lists
            .iter()
            .all(|list| list.len() == size && is_rising(list));
        is_whole.then_some(Self {
            requests: each.len(),
            stages: lists,
        })
    }

    /// How many numbers it has.
    pub fn numbers(&self) -> usize {
        self.stages.iter().map(Vec::len).sum()
    }

    /// What is set aside on a stage for a context, for every number of requests.
    fn row(&self, stage: usize, context: usize) -> &[u64] {
        let from = context * self.requests;
        &self.stages[stage][from..from + self.requests]
    }
}

/// How many numbers of an ascending list are not above one, searched from a place near which that is.
fn partition_near(list: &[u64], most: u64, near: usize) -> usize {
    let between =
        |low: usize, high: usize| low + list[low..high].partition_point(|&one| one <= most);
    let mut step = 1;
    if list.get(near).is_some_and(|&one| one <= most) {
        let mut low = near + 1;
        loop {
            let high = low + step;
            match list.get(high) {
                None => return between(low, list.len()),
                Some(&one) if one <= most => low = high + 1,
                Some(_) => return between(low, high),
            }
            step *= 2;
        }
    }
    let mut high = near.min(list.len());
    loop {
        let low = high.saturating_sub(step);
        if high == 0 || list[low] <= most {
            return between(low, high);
        }
        high = low;
        step *= 2;
    }
}

impl Sweep {
    /// Counts the points of a range of the work order, plane by plane: `add` takes the digits of the first point of some
    /// that are alike but for context and requests, and how many of these fit. Gives the ranges that cannot be counted so.
    pub(super) fn planes(
        &self,
        memo: &mut Memo,
        range: Range<u64>,
        mut add: impl FnMut(&[u64], Tally),
    ) -> Vec<Range<u64>> {
        let order = &self.grid.work;
        let is = |digit: usize, axis: Option<usize>| {
            axis.is_some_and(|axis| self.grid.digits[digit].axes == [axis])
        };
        // One number of requests never moves, and is not the last digit.
        let outer = match order[..] {
            [.., outer, inner] if is(outer, self.context) && is(inner, self.concurrency) => outer,
            [.., inner] if is(inner, self.context) && self.source.hot.concurrency.len() == 1 => {
                inner
            }
            _ => return Vec::from([range]),
        };
        let rows = self.grid.digits[outer].radix;
        let columns = self.source.hot.concurrency.len() as u64;
        let Some(from) = range.start.checked_next_multiple_of(columns) else {
            return Vec::from([range]);
        };
        let to = range.end - range.end % columns;
        if from >= to || !self.requests_may_be {
            return Vec::from([range]);
        }
        let mut left = Vec::from([range.start..from, to..range.end]);
        let mut at = vec![0; self.grid.digits.len()];
        let mut place = from;
        while place < to {
            self.grid.decode(order, place, &mut at);
            let count = (rows - at[outer]).min((to - place) / columns);
            let first = usize::try_from(at[outer]).unwrap_or(usize::MAX);
            let end = place + count * columns;
            let contexts = first..first + usize::try_from(count).unwrap_or(usize::MAX);
            match self.plane(memo, &at, contexts) {
                Some(tally) => add(&at, tally),
                None => left.push(place..end),
            }
            place = end;
        }
        left.retain(|range| !range.is_empty());
        left
    }

    /// How many points of some contexts and all requests fit.
    fn plane(&self, memo: &mut Memo, at: &[u64], contexts: Range<usize>) -> Option<Tally> {
        let mut tally = Tally {
            points: contexts.len() as u64 * self.source.hot.concurrency.len() as u64,
            ..Tally::default()
        };
        let open = match self.cell(memo, at) {
            Cell::Unknown(_) | Cell::Refused(_) => return Some(tally),
            Cell::Open(open) => open,
        };
        if open.reads_requests() || !open.is_rising {
            return None;
        }
        let hot = &self.source.hot;
        let mut from = contexts.start;
        while from < contexts.end {
            let Place::At(context) = hot.places[from] else {
                return None;
            };
            let (first, last, placed) = memo.placed_between(&self.source, &open, context);
            let is_alike =
                |place: &Place| matches!(place, Place::At(one) if first <= *one && *one <= last);
            let alike = hot.places[from..contexts.end]
                .iter()
                .take_while(|place| is_alike(place));
            // The first is alike itself.
            let run = from..from + alike.count().max(1);
            from = run.end;
            let Ok(placed) = placed else { continue };
            let Ok(body) = &placed.body else { continue };
            // Those that run at one time come first.
            let running = open
                .requests
                .partition_point(|&each| placed.settings.runs(each));
            let plane = memo.plane(&self.source, &open, body)?;
            let most = body.stages.iter().map(|stage| stage.most(open.usable()));
            // Where one stage has no room nothing fits.
            let most: Option<Vec<u64>> = most.collect();
            tally.possible += run.len() as u64 * running as u64;
            let Some(most) = most else { continue };
            let mut near = vec![0; most.len()];
            for context in run {
                let mut fits = running;
                for (stage, (&most, near)) in most.iter().zip(&mut near).enumerate() {
                    *near = partition_near(plane.row(stage, context), most, *near);
                    fits = fits.min(*near);
                }
                tally.fits += fits as u64;
            }
        }
        Some(tally)
    }
}

#[cfg(test)]
mod tests {
    use super::partition_near;
    use crate::parallel::Control;
    use crate::request::Request;
    use crate::sweep::answer::add;
    use crate::sweep::tests::{gpu, models, number, run, whole};
    use crate::sweep::{Axis, By, Partial, Question, Sweep, Tally, Target, Value, What};

    #[test]
    fn a_search_finds_the_same_wherever_it_begins() {
        for list in [&[][..], &[5], &[1, 1, 2, 3, 5, 8, 13, 21, 21, 34], &[7; 20]] {
            for most in 0..40 {
                let found = list.partition_point(|&one| one <= most);
                for near in 0..25 {
                    let near = partition_near(list, most, near);
                    assert_eq!(near, found, "{list:?} {most}");
                }
            }
        }
    }

    /// Planes of every model: contexts that rise, fall and repeat, and more of both than any engine takes.
    fn sweep(engine: &str, requests: &[u64]) -> Sweep {
        let targets = models().into_iter().map(|one| Target::new(one, None));
        let gpus = ["L4", "H100-SXM-80GB"].map(|name| Value::Gpu(Box::new(gpu(name))));
        let counts = |what, list: &[u64]| Axis::counts(what, list.iter().copied()).unwrap();
        let axes = vec![
            Axis::new(What::Gpu, gpus.to_vec()).unwrap(),
            counts(What::Context, &[9, 4097, 1 << 17, 1 << 23, 1000, 1000, 1]),
            counts(What::PipelineParallel, &[1, 2]),
            counts(What::Concurrency, requests),
            counts(What::TensorParallel, &[1, 3]),
        ];
        let request = Request::new(gpu("L4"), engine);
        Sweep::new(targets.collect(), request, axes, &[]).unwrap()
    }

    #[test]
    fn planes_count_what_their_rows_say() {
        for (engine, requests) in [
            ("vllm==0.19.0", &[1, 2, 2, 40, 300, 4096][..]),
            ("vllm", &[3]),
            ("sglang", &[1, 7, 400]),
            ("llama.cpp", &[1, 2, 2, 40, 300, 4096]),
            ("transformers", &[2, 3]),
        ] {
            let sweep = sweep(engine, requests);
            let table = whole(&sweep, 2, None);
            let rows = 0..table.rows();
            let of = |name: &str, wanted: i128| {
                rows.clone()
                    .filter(|&row| number(&table, name, row) == wanted)
                    .count() as u64
            };
            for (chunk, by) in [
                (None, "gpu"),
                (None, "context"),
                (Some(17), "target"),
                (Some(500), "tensor_parallel"),
            ] {
                let control = Control::default();
                let ask = |by: Vec<By>| {
                    let question = Question::Count { by };
                    let all = 0..sweep.points();
                    match sweep.answer(&question, None, all, run(2, chunk, &control)) {
                        Ok(Partial::Count(tallies)) => tallies,
                        other => panic!("{other:?}"),
                    }
                };
                let all = ask(Vec::new())[0];
                assert_eq!(all.points, sweep.points());
                assert_eq!(all.possible, of("reason", 0), "{engine} {chunk:?}");
                assert_eq!(all.fits, of("fits", 1), "{engine} {chunk:?}");
                let mut sum = Tally::default();
                for one in ask(vec![By::values(by)]) {
                    add(&mut sum, one);
                }
                assert_eq!(sum, all, "{engine} {chunk:?} {by}");
            }
        }
    }
}
