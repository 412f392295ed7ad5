//! The fewest GPUs, and how the model is laid out on them.

use super::answer::{Answer, Limit, Memory, Nothing};
use super::bound::Bound;
use crate::architecture::layer::FeedForward;
use crate::deployment::{Deployment, FitError};
use crate::fit::{Fit, OnStage, Probe, Spread};
use crate::memory::body::Piece;
use crate::memory::layout::Parallel;
use crate::subject::Subject;

/// The most GPUs that are looked at, if nothing else is said.
pub const MOST_GPUS: u64 = 1024;

/// GPUs of a node where the catalogue states no number: as many as usual servers of NVIDIA and AMD have.
const USUAL_NODE: u64 = 8;

/// The fewest GPUs on which the deployment fits, at most `most`, and the layout with the least bytes on the fullest of
/// them; among equals, the one with the fewest stages, and then with the fewest replicas.
///
/// Looked at are all tensor-parallel ranks within a node, stages of a pipeline and replicas that multiply to so many GPUs,
/// and in models with experts each of these also with the experts dealt out to all ranks. Replicas hold all weights once
/// more, but share the requests: a model whose weights fit on one GPU may need them for its cache where heads do not
/// divide. Ranks that share the tokens of a sequence stay as many as the deployment says; its other degrees are not
/// looked at.
///
/// # Errors
/// If the deployment cannot be, in whatever layout.
pub fn min_gpus(subject: &Subject, deployment: &Deployment, most: u64) -> Result<Answer, FitError> {
    let pieces = subject.held(deployment);
    let search = Search {
        subject,
        deployment,
        pieces: &pieces,
        layouts: Layouts::of(subject, deployment),
    };
    let usable = deployment.gpu.usable_bytes.max(1);
    let alone = Parallel {
        context: deployment.options.parallel.context,
        ..Parallel::default()
    };
    let whole = search.laid_out(alone);
    let spread = Spread::with(subject, &whole, &pieces)?;
    let bytes = spread.weights().fold(0_u64, u64::saturating_add);
    let cache = match spread.probe(subject, &whole) {
        Ok(probe) => probe.stages.iter().fold(0_u64, |sum, stage| {
            sum.saturating_add(stage.needed.min(stage.reserved))
        }),
        Err(error) if error.reason.is_of_layout() => 0,
        Err(error) => return Err(error),
    };
    // Every layout holds all tensors at least once, and what the requests need: shares are rounded up and copies only add.
    // So the fullest of n GPUs has at least an n-th of their bytes.
    let by_weights = bytes.div_ceil(usable).max(1);
    let from = bytes.saturating_add(cache).div_ceil(usable).max(1);
    let mut refused: Option<FitError> = None;
    let mut closest: Option<(i128, Deployment)> = None;
    for gpus in from..=most {
        let refused_fewer = refused.clone();
        if let Some(found) = search.best(gpus, &mut closest, &mut refused) {
            let binds = match &closest {
                Some((_, fewer)) => search.shortage(fewer)?,
                None if gpus > 1 && gpus == by_weights => Bound::Weights,
                None if gpus > 1 && gpus == from => Bound::Cache,
                None => refused_fewer.map_or(Bound::Least, Bound::Refused),
            };
            let fit = Spread::with(subject, &found, &pieces)?.fit(subject, &found)?;
            return Ok(Answer::Found(Box::new(Limit {
                value: gpus,
                fit,
                binds,
                memory: Memory::Holds(gpus),
            })));
        }
    }
    let nearest = match (closest, refused) {
        (Some((_, nearest)), _) => nearest,
        (None, Some(error)) => return Err(error),
        (None, None) => search.laid_out(alone),
    };
    Ok(Answer::Nothing(Box::new(Nothing {
        fit: Spread::with(subject, &nearest, &pieces)?.fit(subject, &nearest)?,
        binds: search.shortage(&nearest)?,
    })))
}

/// The best layout on so many GPUs, if the deployment fits in any; what is looked at and what is best is as for
/// [`min_gpus`].
///
/// # Errors
/// If the deployment cannot be in the layout that was found.
pub fn best_layout(
    subject: &Subject,
    deployment: &Deployment,
    gpus: u64,
) -> Result<Option<Fit>, FitError> {
    let pieces = subject.held(deployment);
    let search = Search {
        subject,
        deployment,
        pieces: &pieces,
        layouts: Layouts::of(subject, deployment),
    };
    search
        .best(gpus, &mut None, &mut None)
        .map(|found| Spread::with(subject, &found, &pieces)?.fit(subject, &found))
        .transpose()
}

/// What makes one layout better than another of as many GPUs: less is better.
type Rank = (u64, u64, u64, u64);

fn rank_of(probe: &Probe, parallel: Parallel) -> Rank {
    let fullest = probe.stages.iter().map(OnStage::total).max();
    (
        fullest.unwrap_or(0),
        parallel.pipeline,
        parallel.data,
        parallel.expert,
    )
}

struct Search<'a> {
    subject: &'a Subject,
    deployment: &'a Deployment,
    pieces: &'a [Piece],
    layouts: Layouts,
}

impl Search<'_> {
    fn laid_out(&self, parallel: Parallel) -> Deployment {
        let mut deployment = self.deployment.clone();
        deployment.options.parallel = parallel;
        deployment.options.gpus = None;
        deployment
    }

    fn probe(&self, deployment: &Deployment) -> Result<Probe, FitError> {
        Spread::with(self.subject, deployment, self.pieces)?.probe(self.subject, deployment)
    }

    /// The best layout of so many GPUs that fits. Of those that do not, the one that comes closest is kept, and of those
    /// that cannot be, the reason.
    fn best(
        &self,
        gpus: u64,
        closest: &mut Option<(i128, Deployment)>,
        refused: &mut Option<FitError>,
    ) -> Option<Deployment> {
        let mut best: Option<(Rank, Deployment)> = None;
        for parallel in self.layouts.with(gpus) {
            let candidate = self.laid_out(parallel);
            if self.deployment.engine.gpus(&candidate) != gpus {
                continue;
            }
            let probe = match self.probe(&candidate) {
                Ok(probe) => probe,
                Err(error) => {
                    *refused = Some(error);
                    continue;
                }
            };
            if probe.fits() {
                let rank = rank_of(&probe, parallel);
                if best.as_ref().is_none_or(|(known, _)| rank < *known) {
                    best = Some((rank, candidate));
                }
            } else if closest
                .as_ref()
                .is_none_or(|(known, _)| probe.headroom > *known)
            {
                *closest = Some((probe.headroom, candidate));
            }
        }
        best.map(|(_, found)| found)
    }

    fn shortage(&self, deployment: &Deployment) -> Result<Bound, FitError> {
        let probe = self.probe(deployment)?;
        Ok(Bound::of_shortage(&probe, deployment.gpu.usable_bytes))
    }
}

/// The layouts that are looked at.
struct Layouts {
    node: u64,
    layers: u64,
    experts: bool,
    context: u64,
}

impl Layouts {
    fn of(subject: &Subject, deployment: &Deployment) -> Self {
        let architecture = &subject.architecture;
        Self {
            node: match deployment.gpu.per_node {
                0 | 1 => USUAL_NODE,
                stated => stated,
            },
            layers: (architecture.decoder().count() as u64).max(1),
            experts: architecture
                .decoder()
                .flat_map(|layer| &layer.feed_forward)
                .any(|network| matches!(network, FeedForward::Experts { .. })),
            context: deployment.options.parallel.context.max(1),
        }
    }

    /// Those of so many GPUs, whether the model allows them or not, and whether the ranks that share the tokens of a
    /// sequence are GPUs of their own or, as in vLLM, among the tensor-parallel ones.
    fn with(&self, gpus: u64) -> Vec<Parallel> {
        let mut layouts = Vec::new();
        let mut counts = vec![gpus];
        if self.context > 1 && gpus.is_multiple_of(self.context) {
            counts.push(gpus / self.context);
        }
        for count in counts {
            for tensor in divisors(count, self.node) {
                for pipeline in divisors(count / tensor, self.layers) {
                    self.add(tensor, pipeline, count / tensor / pipeline, &mut layouts);
                }
            }
        }
        layouts
    }

    fn add(&self, tensor: u64, pipeline: u64, data: u64, layouts: &mut Vec<Parallel>) {
        let cut = Parallel {
            tensor,
            pipeline,
            expert: 1,
            data,
            context: self.context,
        };
        layouts.push(cut);
        let ranks = cut.expert_ranks();
        if self.experts && ranks > 1 {
            layouts.push(Parallel {
                expert: ranks,
                ..cut
            });
        }
    }
}

fn divisors(of: u64, most: u64) -> impl Iterator<Item = u64> {
    (1..=of.min(most)).filter(move |&divisor| of.is_multiple_of(divisor))
}
