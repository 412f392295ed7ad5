//! What limits a deployment: what does not fit, or what would be the first not to.

use super::Fit;
use std::fmt;

/// What limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binds {
    /// The weights alone are more than a GPU has.
    Weights,
    /// Weights, activations and overhead leave nothing for the cache.
    Beside,
    /// The cache that is left is the limit.
    Cache,
    /// What the engine takes in all, beside what it plans with, is the limit.
    Memory,
}

impl Binds {
    /// Its name in data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Beside => "beside_cache",
            Self::Cache => "cache",
            Self::Memory => "memory",
        }
    }
}

impl fmt::Display for Binds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Weights => "the weights alone",
            Self::Beside => "weights, activations and overhead, which leave no room for a cache",
            Self::Cache => "the room that is left for the cache",
            Self::Memory => "the memory of the GPU, which the engine fills beside its cache",
        })
    }
}

impl Fit {
    /// What limits it on the fullest GPU.
    #[must_use]
    pub fn binds(&self) -> Binds {
        let stage = self.on_fullest();
        let cache = stage.room - i128::from(stage.reserved);
        let memory = i128::from(self.usable) - i128::from(stage.held);
        if stage.used.weights > self.usable {
            Binds::Weights
        } else if stage.room < 0 {
            Binds::Beside
        } else if memory < cache {
            Binds::Memory
        } else {
            Binds::Cache
        }
    }
}
