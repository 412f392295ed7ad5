//! What an engine settles for every context of a sweep: runs of contexts that settle alike.

use super::hot::Contexts;
use crate::deployment::{Reason, Settings};

/// Settings, or why there are none. Of a run, those of its first context.
pub(super) type Outcome = Result<Settings, Reason>;

/// Runs that are told apart at the most. Most engines settle a few; where one settles every context by itself, there are as
/// many as contexts, and to look for their ends would take longer than to ask it each time.
const MOST_RUNS: usize = 64;

/// Runs over contexts in ascending order. Beyond the last of them nothing is known.
#[derive(Clone, Debug, Default)]
pub(super) struct Runs(Vec<Run>);

/// Contexts that settle alike.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Run {
    /// The last of them.
    last: u64,
    /// What they settle to, the context aside.
    outcome: Outcome,
}

/// Whether two settle alike, the context aside.
fn alike(one: &Outcome, other: &Outcome) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let context = one.context;
            *one == Settings { context, ..*other }
        }
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

impl Runs {
    /// Of these contexts, in ascending order. Between two that settle alike none is asked: that is what engines promise.
    /// Runs of another deployment may be given: where they end is tried first.
    pub fn of(
        contexts: &Contexts,
        like: Option<&Self>,
        mut settle: impl FnMut(u64) -> Outcome,
    ) -> Self {
        let mut runs = Self::default();
        let last = contexts.count().saturating_sub(1);
        let (Some(begin), Some(finish)) = (contexts.at(0), contexts.at(last)) else {
            return runs;
        };
        let context = |place| contexts.at(place).unwrap_or(finish);
        let ends = like.map_or(&[][..], |like| &like.0).iter();
        let ends: Vec<u64> = ends.map(|run| contexts.up_to(run.last)).collect();
        let mut from = 0;
        let mut first = settle(begin);
        let end = settle(finish);
        while !alike(&first, &end) {
            if runs.0.len() == MOST_RUNS {
                return runs;
            }
            // What settles as the first of this run does is found by halving: all up to `low` do, and `high` does not.
            let (mut low, mut high) = (from, last);
            let mut next = end;
            let mut ends = ends
                .iter()
                .flat_map(|&after| [after.saturating_sub(1), after]);
            while high - low > 1 {
                let within = |place: &u64| low < *place && *place < high;
                let middle = ends.find(within).unwrap_or(low + (high - low) / 2);
                let outcome = settle(context(middle));
                if alike(&first, &outcome) {
                    low = middle;
                } else {
                    high = middle;
                    next = outcome;
                }
            }
            runs.0.push(Run {
                last: context(low),
                outcome: first,
            });
            (from, first) = (high, next);
        }
        runs.0.push(Run {
            last: finish,
            outcome: first,
        });
        runs
    }

    /// The contexts of a run: from one to another, both within it.
    pub fn contexts(&self, run: usize) -> Option<(u64, u64)> {
        let before = run.checked_sub(1).and_then(|before| self.0.get(before));
        let first = before.map_or(0, |before| before.last.saturating_add(1));
        Some((first, self.0.get(run)?.last))
    }

    /// The run of a context, and what it settles to.
    pub fn at(&self, context: u64) -> Option<(usize, &Outcome)> {
        let run = self.0.partition_point(|run| run.last < context);
        Some((run, &self.0.get(run)?.outcome))
    }
}

#[cfg(test)]
mod tests {
    use super::{Contexts, MOST_RUNS, Runs};
    use crate::deployment::{Reason, Settings, Share};
    use crate::request;

    #[test]
    fn where_every_context_is_its_own_run_few_are_looked_for() {
        let mut asked = 0;
        let cache = request::cache_format("bf16").unwrap();
        let runs = Runs::of(&Contexts::Between(0, 1 << 40), None, |context| {
            asked += 1;
            Ok(Settings {
                context,
                concurrency: 1,
                memory_utilization: Share(900_000),
                batched_tokens: context,
                sequences: 1,
                block: 16,
                cache,
                model_bytes: 2,
                prefix_caching: false,
                encoder_tokens: 0,
            })
        });
        assert_eq!(runs.0.len(), MOST_RUNS);
        assert!(asked < 50 * MOST_RUNS);
        for context in 0..MOST_RUNS as u64 {
            let (_, outcome) = runs.at(context).unwrap();
            assert_eq!(outcome.unwrap().batched_tokens, context);
        }
        assert_eq!(runs.at(MOST_RUNS as u64), None);
    }

    #[test]
    fn runs_end_where_the_outcome_changes() {
        for borders in [vec![], vec![3], vec![1, 2], vec![5, 9], vec![1, 4, 7]] {
            let reasons = [Reason::Value, Reason::Gpus, Reason::Heads, Reason::Width];
            let of = |at: u64| Err(reasons[borders.iter().filter(|&&border| border <= at).count()]);
            for contexts in [Contexts::List((0..10).collect()), Contexts::Between(0, 9)] {
                let runs = Runs::of(&contexts, None, of);
                let other = Runs::of(&contexts, None, |at| of((at + 3) % 10));
                for like in [&runs, &other] {
                    assert_eq!(Runs::of(&contexts, Some(like), of).0, runs.0);
                }
                assert_eq!(runs.0.len(), borders.len() + 1);
                for at in 0..10 {
                    let (run, outcome) = runs.at(at).unwrap();
                    assert_eq!(*outcome, of(at));
                    let (first, last) = runs.contexts(run).unwrap();
                    assert!(first <= at && at <= last);
                    assert_eq!((of(first), of(last)), (of(at), of(at)));
                }
            }
        }
        assert!(
            Runs::of(&Contexts::default(), None, |_| unreachable!())
                .at(0)
                .is_none()
        );
    }
}
