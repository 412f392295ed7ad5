//! What a sweep varies: parts of a request, and fields of a config.

use crate::deployment::{FitError, Options, Reason, Share};
use crate::engine;
use crate::hardware::Found;
use crate::request::{self, Request};
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value as Json};
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
    /// The whole number that it is.
    pub(super) const fn count(&self) -> Option<u64> {
        match self {
            Self::Count(count) => Some(*count),
            _ => None,
        }
    }

    /// The yes or no that it is.
    const fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The ratio that it is.
    const fn share(&self) -> Option<Share> {
        match self {
            Self::Share(share) => Some(*share),
            _ => None,
        }
    }

    /// The name that it is.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// As a number for conditions, answers and columns: counts, flags as 0 and 1, ratios in millionths, whole numbers of a
    /// config, however they are written.
    #[must_use]
    pub fn number(&self) -> Option<i128> {
        match self.size() {
            Size::Whole(number) => Some(number),
            Size::Open | Size::Name | Size::Other => None,
        }
    }

    fn size(&self) -> Size {
        match self {
            Self::Open => Size::Open,
            Self::Count(count) => Size::Whole((*count).into()),
            Self::Flag(flag) => Size::Whole((*flag).into()),
            Self::Share(share) => Size::Whole(share.0.into()),
            Self::Json(text) => match serde_json::from_str(text) {
                Ok(Json::Null) => Size::Open,
                Ok(Json::Bool(flag)) => Size::Whole(flag.into()),
                Ok(Json::Number(number)) => whole(&number).map_or(Size::Other, Size::Whole),
                _ => Size::Name,
            },
            Self::Gpu(_) | Self::Text(_) => Size::Name,
        }
    }
}

/// How a value compares with others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    /// It does not: nothing is said.
    Open,
    /// By its name alone.
    Name,
    /// As a whole number.
    Whole(i128),
    /// It is a number, but no whole one, or a float beyond 2^53.
    Other,
}

/// The whole number that a number of a config is: `1e6` and `1000000.0` are whole. Floats beyond 2^53 are not, since one
/// stands for several whole numbers there.
fn whole(number: &Number) -> Option<i128> {
    const MOST: f64 = 9_007_199_254_740_992.0;
    number.as_i128().or_else(|| {
        let float = number.as_f64()?;
        let is_whole = float.fract() == 0.0 && float.abs() <= MOST;
        // The digits of a whole float are exact.
        is_whole.then(|| format!("{float:.0}").parse().ok())?
    })
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

    /// Its values as numbers; nothing for what is left open.
    pub(super) fn numbers(&self) -> Vec<Option<i128>> {
        self.values.iter().map(Value::number).collect()
    }

    /// Its values as counts; nothing for what is left open.
    pub(super) fn all_counts(&self) -> Vec<Option<u64>> {
        self.values.iter().map(Value::count).collect()
    }

    /// Whether nothing is said by any of its values.
    pub(super) fn is_open(&self) -> bool {
        self.values.iter().all(|value| value.size() == Size::Open)
    }

    /// Whether some values are names, and no value is a number.
    fn is_of_names(&self) -> bool {
        match self.what.kind() {
            Kind::Gpu | Kind::Name => true,
            Kind::OptionalName => !self.is_open(),
            Kind::Json => {
                let sizes = || self.values.iter().map(Value::size);
                sizes().all(|size| matches!(size, Size::Name | Size::Open))
                    && sizes().any(|size| size == Size::Name)
            }
            _ => false,
        }
    }

    /// Why its values do not compare as numbers, if they do not. Where some of them do and others are left open, they do.
    pub(super) fn why_no_numbers(&self) -> Option<String> {
        if self.is_of_names() {
            return Some(no_order(&self.what));
        }
        if self.is_open() {
            return Some(left_open(&self.what));
        }
        if self.what.kind() != Kind::Json {
            return None;
        }
        let mut values = self.values.iter();
        let bad = values.find(|value| matches!(value.size(), Size::Name | Size::Other))?;
        Some(format!(
            "{} has the value {bad}, and whole numbers alone are compared and ranked; give such numbers alone",
            self.what.name()
        ))
    }

    /// Why none of its values is the largest, if that is so. Names count by their places.
    pub(super) fn why_no_largest(&self) -> Option<String> {
        if self.is_of_names() || self.is_open() {
            return None;
        }
        if self.values.iter().any(|value| value.size() == Size::Open) {
            return Some(format!(
                "{} is left open (None) beside numbers, so that which value is the largest is not said; give numbers alone",
                self.what.name()
            ));
        }
        self.why_no_numbers()
    }
}

/// That names do not compare as numbers.
pub(super) fn no_order(what: &What) -> String {
    format!(
        "{} is a name and no number; compare it with a text by == or !=, and rank by numbers",
        what.name()
    )
}

/// That nothing compares with what is left open.
pub(super) fn left_open(what: &What) -> String {
    format!(
        "{} is left open for all points, so that nothing compares with it; give it",
        what.name()
    )
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
    match what {
        What::Gpu => {
            if let Value::Gpu(found) = value {
                request.gpu = (**found).clone();
            }
        }
        What::Engine => value
            .text()
            .unwrap_or_default()
            .clone_into(&mut request.engine),
        What::Weights => request.weights = value.text().map(str::to_owned),
        What::Cache => request.cache = value.text().map(str::to_owned),
        What::Context => request.context = value.count(),
        What::Concurrency => request.concurrency = value.count().unwrap_or(1),
        _ => set_option(&mut request.options, what, value),
    }
}

/// Sets what an axis varies in options. What is not of them is for whoever holds them.
pub(super) fn set_option(options: &mut Options, what: &What, value: &Value) {
    let (count, flag) = (value.count(), value.flag());
    let one = count.unwrap_or(1);
    match what {
        What::Target
        | What::Mind(_)
        | What::Gpu
        | What::Engine
        | What::Weights
        | What::Cache
        | What::Context
        | What::Concurrency => {}
        What::Gpus => options.gpus = count,
        What::TensorParallel => options.parallel.tensor = one,
        What::PipelineParallel => options.parallel.pipeline = one,
        What::ExpertParallel => options.parallel.expert = one,
        What::DataParallel => options.parallel.data = one,
        What::ContextParallel => options.parallel.context = one,
        What::MaxBatchedTokens => options.batched_tokens = count,
        What::MaxSequences => options.sequences = count,
        What::BlockSize => options.block = count,
        What::GpuMemoryUtilization => options.memory_utilization = value.share(),
        What::PrefixCaching => options.prefix_caching = flag,
        What::Eager => options.eager = flag.unwrap_or(false),
        What::CacheMemory => options.cache_memory = count,
    }
}

#[cfg(test)]
mod tests {
    use super::super::names::{Asked, Names};
    use super::{Value, What, allows, set};
    use crate::deployment::Share;
    use crate::hardware::Catalogue;
    use crate::request::Request;

    /// So that a part that is new is not left out of what sets them.
    #[test]
    fn every_part_of_a_request_is_set() {
        let catalogue = Catalogue::built_in();
        let request = Request::new(catalogue.find("H200").unwrap(), "vllm");
        let base = Asked::of(&request, &mut Names::default());
        let values = [
            Value::Gpu(Box::new(catalogue.find("L4").unwrap())),
            Value::Text("fp8".to_owned()),
            Value::Count(7),
            Value::Share(Share(500_000)),
            Value::Flag(true),
        ];
        for what in What::REQUEST {
            let value = values.iter().find(|value| allows(&what, value)).unwrap();
            let (mut changed, mut asked) = (request.clone(), base);
            set(&mut changed, &what, value);
            asked.set(&what, value, Some(7));
            assert_ne!(changed, request, "{}", what.name());
            assert_eq!(asked == base, what.is_hot(), "{}", what.name());
        }
    }
}
