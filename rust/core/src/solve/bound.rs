//! What stops the next token, request or smaller layout.

use crate::deployment::FitError;
use crate::fit::{Fit, OnStage, Probe};
use serde::Serialize;
use std::fmt;

/// What stops the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// Room for the weights.
    Weights,
    /// Room for what the engine and its libraries take beside.
    Overhead,
    /// Room for what the driver takes for a process.
    CudaContext,
    /// Room for activations.
    Activations,
    /// Room for captured graphs.
    CudaGraphs,
    /// Room for the cache.
    Cache,
    /// The memory of the GPU: the engine's budget would suffice, but it holds more than its budget.
    Memory,
    /// The context that the model allows.
    ModelContext,
    /// The sequences that the engine runs at once; more requests wait.
    Sequences,
    /// The model or the engine refuses the next one.
    Refused(FitError),
    /// Nothing: there is no smaller one.
    Least,
    /// Nothing: all numbers that are counted fit.
    Numbers,
}

impl Bound {
    /// Its name in data.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Overhead => "overhead",
            Self::CudaContext => "cuda_context",
            Self::Activations => "activations",
            Self::CudaGraphs => "cuda_graphs",
            Self::Cache => "cache",
            Self::Memory => "memory",
            Self::ModelContext => "model_context",
            Self::Sequences => "sequences",
            Self::Refused(_) => "refused",
            Self::Least => "least",
            Self::Numbers => "numbers",
        }
    }

    /// Whether it is bytes that are missing.
    #[must_use]
    pub const fn is_bytes(&self) -> bool {
        matches!(
            self,
            Self::Weights
                | Self::Overhead
                | Self::CudaContext
                | Self::Activations
                | Self::CudaGraphs
                | Self::Cache
                | Self::Memory
        )
    }

    /// What grew most from a probe that fits to one that does not, on the stage that is then the fullest.
    pub(super) fn of_growth(last: &Probe, next: &Probe, usable: u64) -> Self {
        let (Some(before), Some(after)) =
            (last.stages.get(next.fullest), next.stages.get(next.fullest))
        else {
            return Self::of_shortage(next, usable);
        };
        if lacks_memory_only(after) {
            return Self::Memory;
        }
        let grown = components(after)
            .into_iter()
            .zip(components(before))
            .map(|((bound, after), (_, before))| (after.saturating_sub(before), bound))
            // The last of several: the cache, which is what was asked for.
            .max_by_key(|(bytes, _)| *bytes);
        grown.map_or(Self::Cache, |(_, bound)| bound)
    }

    /// What does not fit in any more, when a GPU is filled in the order in which an engine takes its memory.
    pub(super) fn of_shortage(next: &Probe, usable: u64) -> Self {
        next.stages
            .get(next.fullest)
            .map_or(Self::Memory, |stage| Self::of_stage(stage, usable))
    }

    /// What does not fit in any more; nothing where everything fits.
    #[must_use]
    pub fn of_fit(fit: &Fit) -> Option<Self> {
        (!fit.fits()).then(|| Self::of_stage(fit.on_fullest(), fit.usable))
    }

    fn of_stage(stage: &OnStage, usable: u64) -> Self {
        let fixed = stage.room.saturating_add(i128::from(stage.used.total()));
        // What the engine may take, where its room follows from what is used; else what there is.
        let budget = if lacks_memory_only(stage) {
            i128::from(usable)
        } else {
            fixed.min(i128::from(usable))
        };
        let mut sum = 0_i128;
        for (bound, bytes) in components(stage) {
            sum += i128::from(bytes);
            if sum > budget {
                return bound;
            }
        }
        Self::Memory
    }
}

/// Whether the cache fits in the room that the engine gives it, so that only the GPU's memory is short.
fn lacks_memory_only(stage: &OnStage) -> bool {
    stage.room >= i128::from(stage.reserved)
}

/// Bytes by component, in the order in which an engine takes them.
fn components(stage: &OnStage) -> [(Bound, u64); 6] {
    let used = &stage.used;
    [
        (Bound::CudaContext, used.context),
        (Bound::Weights, used.weights),
        (Bound::Overhead, used.overhead),
        (Bound::Activations, used.activations),
        (Bound::CudaGraphs, used.graphs),
        (Bound::Cache, stage.reserved),
    ]
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "room for the weights",
            Self::Overhead => "room for what the engine takes beside",
            Self::CudaContext => "room for what the driver takes",
            Self::Activations => "room for activations",
            Self::CudaGraphs => "room for captured graphs",
            Self::Cache => "room for the cache",
            Self::Memory => "the memory of the GPU, of which the engine holds more than its budget",
            Self::ModelContext => "the context that the model allows",
            Self::Sequences => "the sequences that the engine runs at once",
            Self::Refused(error) => return error.fmt(f),
            Self::Least => "nothing: there is no smaller one",
            Self::Numbers => "nothing: all numbers that are counted fit",
        })
    }
}
