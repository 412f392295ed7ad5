//! What a sweep varies: parts of a request, and fields of a config.

use crate::deployment::{FitError, Reason, Share};
use crate::engine;
use crate::hardware::Found;
use crate::request::{self, Request};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;
use std::fmt;

/// What an axis varies.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum What {
    /// The model. Every sweep has this axis, before all others; it is made of its targets.
    Target,
    /// The GPU.
    Gpu,
    /// How many there are.
    Gpus,
    /// The engine.
    Engine,
    /// How weights are stored.
    Weights,
    /// How keys and values are kept.
    Cache,
    /// Tokens of the longest request.
    Context,
    /// Requests at one time.
    Concurrency,
    /// Ranks that share every layer.
    TensorParallel,
    /// Stages of layers.
    PipelineParallel,
    /// Ranks that experts are dealt out to.
    ExpertParallel,
    /// Replicas.
    DataParallel,
    /// Ranks that tokens are dealt out to.
    ContextParallel,
    /// Tokens of one step.
    MaxBatchedTokens,
    /// Sequences of one step.
    MaxSequences,
    /// Tokens of a block of the cache.
    BlockSize,
    /// The share of a GPU's memory that the engine may take.
    GpuMemoryUtilization,
    /// Whether blocks are kept for requests that begin alike.
    PrefixCaching,
    /// Whether it runs without captured graphs.
    Eager,
    /// Bytes given to the cache.
    CacheMemory,
    /// A field of the config, as [`WhatIf`](crate::architecture::WhatIf) names it.
    Mind(String),
}

impl What {
    /// Every part of a request, in the order of `fit`'s parameters.
    pub const REQUEST: [Self; 19] = [
        Self::Gpu,
        Self::Gpus,
        Self::Engine,
        Self::Weights,
        Self::Cache,
        Self::Context,
        Self::Concurrency,
        Self::TensorParallel,
        Self::PipelineParallel,
        Self::ExpertParallel,
        Self::DataParallel,
        Self::ContextParallel,
        Self::MaxBatchedTokens,
        Self::MaxSequences,
        Self::BlockSize,
        Self::GpuMemoryUtilization,
        Self::PrefixCaching,
        Self::Eager,
        Self::CacheMemory,
    ];

    /// Its name, which is that of `fit`'s parameter, or of the field.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Target => "target",
            Self::Gpu => "gpu",
            Self::Gpus => "gpus",
            Self::Engine => "engine",
            Self::Weights => "weights",
            Self::Cache => "cache",
            Self::Context => "context",
            Self::Concurrency => "concurrency",
            Self::TensorParallel => "tensor_parallel",
            Self::PipelineParallel => "pipeline_parallel",
            Self::ExpertParallel => "expert_parallel",
            Self::DataParallel => "data_parallel",
            Self::ContextParallel => "context_parallel",
            Self::MaxBatchedTokens => "max_batched_tokens",
            Self::MaxSequences => "max_sequences",
            Self::BlockSize => "block_size",
            Self::GpuMemoryUtilization => "gpu_memory_utilization",
            Self::PrefixCaching => "prefix_caching",
            Self::Eager => "eager",
            Self::CacheMemory => "cache_memory",
            Self::Mind(field) => field,
        }
    }

    /// The part of a request of this name; none is a field of a config.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::REQUEST.into_iter().find(|what| what.name() == name)
    }

    /// What its values are.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Target | Self::Engine => Kind::Name,
            Self::Weights | Self::Cache => Kind::OptionalName,
            Self::Gpu => Kind::Gpu,
            Self::Concurrency
            | Self::TensorParallel
            | Self::PipelineParallel
            | Self::ExpertParallel
            | Self::DataParallel
            | Self::ContextParallel => Kind::Count,
            Self::Gpus
            | Self::Context
            | Self::MaxBatchedTokens
            | Self::MaxSequences
            | Self::BlockSize => Kind::OptionalCount,
            Self::CacheMemory => Kind::OptionalBytes,
            Self::GpuMemoryUtilization => Kind::OptionalShare,
            Self::PrefixCaching => Kind::OptionalFlag,
            Self::Eager => Kind::Flag,
            Self::Mind(_) => Kind::Json,
        }
    }

    /// A value by its name: that of an engine, a scheme or a format.
    ///
    /// # Errors
    /// If it is not known.
    pub fn name_value(&self, text: &str) -> Result<Value, FitError> {
        match self {
            Self::Engine => engine::find(text, &mut Vec::new()).map(drop),
            Self::Weights => request::scheme(text).map(drop),
            Self::Cache => request::cache_format(text).map(drop),
            _ => Ok(()),
        }?;
        Ok(Value::Text(text.to_owned()))
    }

    /// Whether it is the context or the number of requests, which the inner loops run over.
    pub(super) const fn is_hot(&self) -> bool {
        matches!(self, Self::Context | Self::Concurrency)
    }

    /// Whether it decides which model it is.
    pub(super) const fn is_of_model(&self) -> bool {
        matches!(self, Self::Target | Self::Mind(_))
    }
}

/// What the values of an axis are. What is optional may be left open, as `None` is for `fit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A GPU.
    Gpu,
    /// A name.
    Name,
    /// A name, or nothing.
    OptionalName,
    /// A whole number.
    Count,
    /// A whole number, or nothing.
    OptionalCount,
    /// Bytes, or nothing.
    OptionalBytes,
    /// A ratio, or nothing.
    OptionalShare,
    /// Yes or no.
    Flag,
    /// Yes, no or nothing.
    OptionalFlag,
    /// A value of a config's field.
    Json,
}

impl Kind {
    /// Whether it may be left open.
    #[must_use]
    pub const fn is_optional(self) -> bool {
        matches!(
            self,
            Self::OptionalName
                | Self::OptionalCount
                | Self::OptionalBytes
                | Self::OptionalShare
                | Self::OptionalFlag
        )
    }
}

/// One value of an axis.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// Left open, as `None` is for `fit`.
    Open,
    /// A GPU.
    Gpu(Box<Found>),
    /// An engine, a scheme, a format.
    Text(String),
    /// A whole number.
    Count(u64),
    /// A ratio.
    Share(Share),
    /// Yes or no.
    Flag(bool),
    /// A value of a config's field, as JSON text.
    Json(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("default"),
            Self::Gpu(found) => f.write_str(&found.gpu.name),
            Self::Text(text) | Self::Json(text) => f.write_str(text),
            Self::Count(count) => count.fmt(f),
            Self::Share(share) => share.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
        }
    }
}

impl Value {
    /// As a number for expressions and columns: counts, flags as 0 and 1, ratios in millionths, whole numbers of a config.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            Self::Flag(flag) => Some(u64::from(*flag)),
            Self::Share(share) => Some(u64::from(share.0)),
            Self::Json(text) => match serde_json::from_str::<Json>(text).ok()? {
                Json::Number(number) => number.as_u64(),
                Json::Bool(flag) => Some(u64::from(flag)),
                _ => None,
            },
            Self::Open | Self::Gpu(_) | Self::Text(_) => None,
        }
    }
}

/// What varies, and the values it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// What varies.
    pub what: What,
    /// The values, in order.
    pub values: Vec<Value>,
}

impl Axis {
    /// An axis.
    ///
    /// # Errors
    /// If it has no values, or one that is not of its kind.
    pub fn new(what: What, values: Vec<Value>) -> Result<Self, FitError> {
        let refuse = |why: String| {
            Err(FitError::new(
                Reason::Value,
                format!("{}: {why}", what.name()),
            ))
        };
        if values.is_empty() {
            return refuse("an axis has at least one value".to_owned());
        }
        if let Some(bad) = values.iter().find(|value| !allows(&what, value)) {
            return refuse(format!("{bad} cannot be a value of this axis"));
        }
        Ok(Self { what, values })
    }

    /// An axis of whole numbers.
    ///
    /// # Errors
    /// As for [`Axis::new`].
    pub fn counts(what: What, values: impl IntoIterator<Item = u64>) -> Result<Self, FitError> {
        Self::new(what, values.into_iter().map(Value::Count).collect())
    }

    /// An axis of names.
    ///
    /// # Errors
    /// As for [`Axis::new`].
    pub fn texts(what: What, values: &[&str]) -> Result<Self, FitError> {
        let text = |text: &&str| Value::Text((*text).to_owned());
        Self::new(what, values.iter().map(text).collect())
    }
}

fn allows(what: &What, value: &Value) -> bool {
    let kind = what.kind();
    match value {
        Value::Open => kind.is_optional(),
        Value::Gpu(_) => kind == Kind::Gpu,
        Value::Text(_) => matches!(kind, Kind::Name | Kind::OptionalName),
        Value::Count(_) => matches!(
            kind,
            Kind::Count | Kind::OptionalCount | Kind::OptionalBytes
        ),
        Value::Share(_) => kind == Kind::OptionalShare,
        Value::Flag(_) => matches!(kind, Kind::Flag | Kind::OptionalFlag),
        Value::Json(text) => kind == Kind::Json && serde_json::from_str::<Json>(text).is_ok(),
    }
}

/// Sets what an axis varies in a request. What is of the model is not of the request.
pub fn set(request: &mut Request, what: &What, value: &Value) {
    let count = match value {
        Value::Count(count) => Some(*count),
        _ => None,
    };
    let flag = match value {
        Value::Flag(flag) => Some(*flag),
        _ => None,
    };
    let text = match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let one = count.unwrap_or(1);
    match what {
        What::Target | What::Mind(_) => {}
        What::Gpu => {
            if let Value::Gpu(found) = value {
                request.gpu = (**found).clone();
            }
        }
        What::Gpus => request.gpus = count,
        What::Engine => request.engine = text.unwrap_or_default(),
        What::Weights => request.weights = text,
        What::Cache => request.cache = text,
        What::Context => request.context = count,
        What::Concurrency => request.concurrency = one,
        What::TensorParallel => request.parallel.tensor = one,
        What::PipelineParallel => request.parallel.pipeline = one,
        What::ExpertParallel => request.parallel.expert = one,
        What::DataParallel => request.parallel.data = one,
        What::ContextParallel => request.parallel.context = one,
        What::MaxBatchedTokens => request.batched_tokens = count,
        What::MaxSequences => request.sequences = count,
        What::BlockSize => request.block = count,
        What::GpuMemoryUtilization => {
            request.memory_utilization = match value {
                Value::Share(share) => Some(*share),
                _ => None,
            }
        }
        What::PrefixCaching => request.prefix_caching = flag,
        What::Eager => request.eager = flag.unwrap_or(false),
        What::CacheMemory => request.cache_memory = count,
    }
}
