//! How a model is spread over GPUs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Degrees of parallelism.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Parallel {
    /// Ranks that share every layer.
    pub tensor: u64,
    /// Stages that each hold some of the layers.
    pub pipeline: u64,
    /// Ranks that experts are dealt out to; 1 if every expert is cut like the rest.
    pub expert: u64,
    /// Replicas that take requests of their own.
    pub data: u64,
    /// Ranks that the tokens of one sequence are dealt out to.
    pub context: u64,
}

impl Default for Parallel {
    fn default() -> Self {
        Self {
            tensor: 1,
            pipeline: 1,
            expert: 1,
            data: 1,
            context: 1,
        }
    }
}

impl fmt::Display for Parallel {
    /// Every degree beyond 1, each with its name: `tensor_parallel 4, data_parallel 2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (name, degree) in [
            ("tensor_parallel", self.tensor),
            ("pipeline_parallel", self.pipeline),
            ("expert_parallel", self.expert),
            ("data_parallel", self.data),
            ("context_parallel", self.context),
        ] {
            if degree > 1 {
                write!(f, "{between}{name} {degree}")?;
                between = ", ";
            }
        }
        Ok(())
    }
}

impl Parallel {
    /// Ranks that a layer's experts are spread over, whichever way: those of all replicas.
    #[must_use]
    pub const fn expert_ranks(self) -> u64 {
        self.tensor.saturating_mul(self.data)
    }
}
