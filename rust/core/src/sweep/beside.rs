//! What lies beside caches where that, or what is settled, changes with the requests: for all numbers of requests of one
//! context at a time, so that what many deployments have in common is worked out once.

use super::hot::Place;
use super::laid::Laid;
use super::memo::{COMPONENTS, Memo, OnStage, Open, Source};
use super::settled::{Outcome, Runs};
use crate::deployment::{Deployment, Reason, Settings};
use crate::engine::{Answer, Rank, Reads, Used};
use crate::fit::room;
use std::ops::Range;
use std::sync::Arc;

/// Stands for as many sequences as there are requests.
const AS_MANY: u64 = u64::MAX;

/// Numbers of requests, as places in the list of a sweep, that are settled alike.
#[derive(Debug)]
pub(super) struct Stretch {
    /// The places.
    pub requests: Range<usize>,
    /// What lies on the GPUs, or why they cannot run.
    pub beside: Result<Beside, Reason>,
}

/// What lies on the GPUs of a deployment at one context.
#[derive(Debug)]
pub(super) struct Beside {
    /// By stage, for each number of requests.
    pub stages: Vec<Vec<OnStage>>,
    /// What sets the cache aside.
    pub laid: Arc<Laid>,
    /// Tokens of the longest request.
    pub context: u64,
}

/// What was settled for one number of requests, of those that are settled alike.
fn settled(settings: &Settings, requests: u64) -> Settings {
    Settings {
        concurrency: requests,
        sequences: match settings.sequences {
            AS_MANY => requests,
            sequences => sequences,
        },
        ..*settings
    }
}

/// What is settled, whatever it is of it that follows the requests.
fn settle(open: &Open, context: Option<u64>, concurrency: u64) -> Outcome {
    let settings = open.settle(context, concurrency)?;
    let requests = open.requests_of(concurrency);
    Ok(Settings {
        concurrency: 0,
        sequences: if settings.sequences == requests {
            AS_MANY
        } else {
            settings.sequences
        },
        ..settings
    })
}

impl Memo {
    /// What lies beside the cache of a deployment at a context, for numbers of requests one after another, which rise.
    pub fn beside(
        &mut self,
        source: &Source,
        open: &Open,
        place: Place,
        requests: Range<usize>,
    ) -> Vec<Stretch> {
        let list = &source.hot.concurrency;
        let runs = self.runs_of_requests(source, open, place);
        let mut all = Vec::new();
        let mut from = requests.start;
        while from < requests.end {
            let rest = &list[from..requests.end];
            let (outcome, count) = if let Some(runs) = &runs {
                match runs.at(list[from]) {
                    Some((at, outcome)) => {
                        let end = runs.contexts(at).map_or(u64::MAX, |(_, end)| end);
                        (*outcome, rest.partition_point(|&number| number <= end))
                    }
                    // There are too many runs to tell.
                    None => (settle(open, place.said(), list[from]), 1),
                }
            } else {
                let outcome = self.settings(source, open, place, 1);
                let outcome = outcome.map(|settings| Settings {
                    concurrency: 0,
                    ..settings
                });
                (outcome, rest.len())
            };
            let to = from + count.max(1);
            match outcome {
                Err(reason) => all.push(Stretch {
                    requests: from..to,
                    beside: Err(reason),
                }),
                Ok(settings) => {
                    // Those that run at one time come first.
                    let each = &open.requests[from..to];
                    let running = from + each.partition_point(|&each| settings.runs(each));
                    if from < running {
                        all.push(Stretch {
                            requests: from..running,
                            beside: self.stretch(source, open, place, &settings, from..running),
                        });
                    }
                    if running < to {
                        all.push(Stretch {
                            requests: running..to,
                            beside: Err(Reason::Value),
                        });
                    }
                }
            }
            from = to;
        }
        all
    }

    /// What is settled for every number of requests; nothing where they do not change it.
    fn runs_of_requests(
        &mut self,
        source: &Source,
        open: &Open,
        place: Place,
    ) -> Option<Arc<Runs>> {
        let reads = open.reads(Answer::Settings);
        if !reads.has(Reads::CONCURRENCY) {
            return None;
        }
        self.bound_settled();
        let context = place.said();
        let key = open.key.at(context, 0).read(reads);
        let runs = self.settled.entry(key).or_insert_with(|| {
            let settle = |concurrency| settle(open, context, concurrency);
            Arc::new(Runs::of(&source.hot.requests, None, settle))
        });
        Some(Arc::clone(runs))
    }

    fn stretch(
        &mut self,
        source: &Source,
        open: &Open,
        place: Place,
        settings: &Settings,
        requests: Range<usize>,
    ) -> Result<Beside, Reason> {
        let context = place.said();
        let asked = |at: usize| {
            let deployment = Deployment {
                context,
                concurrency: source.hot.concurrency[at],
                ..open.deployment.clone()
            };
            (deployment, settled(settings, open.requests[at]))
        };
        let (deployment, first) = asked(requests.start);
        let ranks = open.spread.ranks(&open.subject, &deployment, &first);
        let format = self.format(settings.cache);
        let key = open.key.at(context, 0).settled(settings, format);
        let laid = self.laid(open, &key, || Laid::plan(&ranks))?;
        let mut components = Vec::with_capacity(COMPONENTS.len());
        for answer in COMPONENTS {
            let mut reads = open.reads(answer);
            if answer == Answer::Loaded {
                // Tensors lie beside what is loaded with them.
                reads = reads | Reads::WEIGHTS;
            }
            let end = if reads.has(Reads::CONCURRENCY) {
                requests.end
            } else {
                requests.start + 1
            };
            let key = (answer, key.read(reads), requests.start, end);
            if let Some(known) = self.crowds.get(&key) {
                components.push(Arc::clone(known));
                continue;
            }
            let mut lists = vec![Vec::with_capacity(end - requests.start); ranks.len()];
            for at in requests.start..end {
                let (deployment, settings) = asked(at);
                let ranks: Vec<Rank<'_>> = ranks
                    .iter()
                    .map(|rank| rank.with(&deployment, &settings))
                    .collect();
                let bytes = open.spread.component(answer, &ranks);
                for (list, bytes) in lists.iter_mut().zip(bytes) {
                    list.push(bytes);
                }
            }
            let lists = Arc::new(lists);
            self.remember((end - requests.start).saturating_mul(ranks.len()));
            self.crowds.insert(key, Arc::clone(&lists));
            components.push(lists);
        }
        let stages = ranks
            .iter()
            .enumerate()
            .map(|(stage, rank)| {
                let lists = components.iter().map(|lists| lists[stage].as_slice());
                let lists: Vec<&[u64]> = lists.collect();
                on_stage(rank, &lists, requests.len())
            })
            .collect();
        Ok(Beside {
            stages,
            laid,
            context: first.context,
        })
    }
}

/// What lies on a stage for so many numbers of requests. A component that is the same for all has one number.
fn on_stage(rank: &Rank<'_>, components: &[&[u64]], count: usize) -> Vec<OnStage> {
    let mut stages: Vec<OnStage> = Vec::with_capacity(count);
    for at in 0..count {
        let of = |component: usize| {
            let list = components.get(component).copied().unwrap_or_default();
            list.get(at).or(list.first()).copied().unwrap_or(0)
        };
        let used = Used {
            weights: of(0),
            activations: of(1),
            overhead: of(2),
            context: of(3),
            graphs: of(4),
        };
        let stage = match stages.last() {
            Some(last) if last.used == used => *last,
            _ => OnStage {
                used,
                room: room(rank, &used),
                held: rank.deployment.engine.held(rank, &used),
            },
        };
        stages.push(stage);
    }
    stages
}
