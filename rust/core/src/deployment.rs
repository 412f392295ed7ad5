//! How one would run a model: GPU, engine, precision, parallelism, context and users. What is left open here is settled
//! by the engine, which notes what it took.

use crate::engine::Engine;
use crate::hardware::Gpu;
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// Parts per million: a ratio such as a utilisation, exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Share(pub u32);

impl Share {
    /// All.
    pub const ONE: Self = Self(1_000_000);

    /// The share of a number, rounded up.
    #[must_use]
    pub fn of(self, whole: u64) -> u64 {
        // Divisions in 128 bits are many times slower, and searches make many.
        if let Some(product) = whole.checked_mul(u64::from(self.0)) {
            return product.div_ceil(1_000_000);
        }
        let product = u128::from(whole) * u128::from(self.0);
        u64::try_from(product.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }

    /// The share of a number that may be negative, rounded down.
    #[must_use]
    pub fn of_signed(self, whole: i128) -> i128 {
        let product = whole * i128::from(self.0);
        match i64::try_from(product) {
            Ok(product) => i128::from(product.div_euclid(1_000_000)),
            Err(_) => product.div_euclid(1_000_000),
        }
    }

    /// As a float, which is how data and engines write it.
    #[must_use]
    pub fn ratio(self) -> f64 {
        f64::from(self.0) / f64::from(Self::ONE.0)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1_000_000, self.0 % 1_000_000);
        let digits = format!("{rest:06}");
        let digits = digits.trim_end_matches('0');
        if digits.is_empty() {
            write!(f, "{whole}")
        } else {
            write!(f, "{whole}.{digits}")
        }
    }
}

/// What one may say to an engine in numbers alone. The default is one GPU, and everything else as the engine would have it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Options {
    /// How many GPUs there are; what the parallel layout makes, if not said.
    pub gpus: Option<u64>,
    /// How the model is spread over them.
    pub parallel: Parallel,
    /// What share of a GPU's memory the engine may take.
    pub memory_utilization: Option<Share>,
    /// Tokens of one step.
    pub batched_tokens: Option<u64>,
    /// Sequences of one step.
    pub sequences: Option<u64>,
    /// Tokens of a block of the cache.
    pub block: Option<u64>,
    /// Whether blocks are kept for requests that begin alike.
    pub prefix_caching: Option<bool>,
    /// Whether it runs without captured graphs.
    pub eager: bool,
    /// Bytes given to the cache on each GPU, whatever is free (vLLM's `--kv-cache-memory-bytes`).
    pub cache_memory: Option<u64>,
}

/// How one would run a model.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The GPU, of which all are alike.
    pub gpu: Arc<Gpu>,
    /// What runs it.
    pub engine: Arc<dyn Engine>,
    /// How weights are stored; as they are, if not said.
    pub weights: Option<Arc<Scheme>>,
    /// How keys and values are kept; as the engine would, if not said.
    pub cache: Option<CacheFormat>,
    /// Tokens of the longest request, answer included; what the model allows, if not said.
    pub context: Option<u64>,
    /// Requests at one time, over all replicas.
    pub concurrency: u64,
    /// How it is spread, and what the engine is told.
    pub options: Options,
}

impl Deployment {
    /// Requests at one time in one replica.
    #[must_use]
    pub const fn requests(&self) -> u64 {
        self.requests_of(self.concurrency)
    }

    /// Requests in one replica of so many at one time.
    #[must_use]
    pub const fn requests_of(&self, concurrency: u64) -> u64 {
        let replicas = self.options.parallel.data;
        concurrency.div_ceil(if replicas == 0 { 1 } else { replicas })
    }
}

/// What an engine settled for everything that a deployment left open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Tokens of the longest request.
    pub context: u64,
    /// Requests at one time in one replica.
    pub concurrency: u64,
    /// What share of a GPU's memory the engine may take.
    pub memory_utilization: Share,
    /// Tokens of one step.
    pub batched_tokens: u64,
    /// Sequences of one step.
    pub sequences: u64,
    /// Tokens of a block of the cache.
    pub block: u64,
    /// How keys and values are kept.
    pub cache: CacheFormat,
    /// Bytes of a number of the dtype the model runs in.
    pub model_bytes: u64,
    /// Whether blocks are kept for requests that begin alike.
    pub prefix_caching: bool,
    /// Tokens that an encoder gives, where the model does not fix it.
    pub encoder_tokens: u64,
}

impl Settings {
    /// Whether so many requests run at one time in a replica, and none of them waits.
    #[must_use]
    pub const fn runs(&self, requests: u64) -> bool {
        requests <= self.sequences
    }
}

/// Why a deployment cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A number is out of its range.
    Value,
    /// The number of GPUs is not that of the layout.
    Gpus,
    /// Query heads do not divide by the ranks.
    Heads,
    /// Heads of keys and values neither divide by the ranks nor the ranks by them.
    KvHeads,
    /// An inner width does not divide by the ranks.
    Width,
    /// There are more ranks than experts, or none to deal out.
    Experts,
    /// There are more stages than layers.
    Layers,
    /// The vocabulary does not divide by the ranks.
    Vocabulary,
    /// The context is longer than the model's or the engine's.
    Context,
    /// The engine cannot do it.
    Engine,
    /// The cache cannot be kept so.
    Cache,
    /// The model is not known well enough.
    Model,
}

impl Reason {
    /// Whether another layout may be without it.
    #[must_use]
    pub const fn is_of_layout(self) -> bool {
        match self {
            Self::Value
            | Self::Gpus
            | Self::Heads
            | Self::KvHeads
            | Self::Width
            | Self::Experts
            | Self::Layers
            | Self::Vocabulary => true,
            Self::Context | Self::Engine | Self::Cache | Self::Model => false,
        }
    }
}

/// A deployment that cannot be, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FitError {
    /// What kind of reason.
    pub reason: Reason,
    /// What, where, and what to do.
    pub message: String,
}

impl FitError {
    /// An error of a kind.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }
}

impl fmt::Display for FitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for FitError {}

#[cfg(test)]
mod tests {
    use super::Share;

    #[test]
    fn shares_are_exact_and_round_up() {
        assert_eq!(Share(950_000).of(100), 95);
        assert_eq!(Share(950_000).of(101), 96);
        assert_eq!(Share::ONE.of(u64::MAX), u64::MAX);
        let most = u64::MAX / 950_000;
        for whole in [most, most + 1] {
            let exact = (u128::from(whole) * 950_000).div_ceil(1_000_000);
            assert_eq!(u128::from(Share(950_000).of(whole)), exact);
        }
        assert_eq!(Share(950_000).of_signed(101), 95);
        assert_eq!(Share(950_000).of_signed(-101), -96);
        assert_eq!(Share(500_000).of_signed(-3 << 64), -3 << 63);
        assert_eq!(Share(950_000).to_string(), "0.95");
        assert_eq!(Share::ONE.to_string(), "1");
    }
}
