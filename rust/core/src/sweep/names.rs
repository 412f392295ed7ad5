//! What a sweep asks for by name, looked up once.

use crate::deployment::{Deployment, Reason, Share};
use crate::engine::{self, Engine};
use crate::hardware::{Found, Gpu};
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use crate::request;
use std::sync::Arc;

/// GPUs, engines, schemes and formats by number. What is not known has its reason.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    gpus: Vec<Arc<Gpu>>,
    engines: Vec<Result<Arc<dyn Engine>, Reason>>,
    weights: Vec<Result<Option<Arc<Scheme>>, Reason>>,
    caches: Vec<Result<Option<CacheFormat>, Reason>>,
}

/// A place in a list.
fn place<T>(list: &mut Vec<T>, item: T) -> u32 {
    list.push(item);
    u32::try_from(list.len() - 1).unwrap_or(u32::MAX)
}

impl Names {
    /// The number of a GPU.
    pub fn gpu(&mut self, found: &Found) -> u32 {
        place(&mut self.gpus, Arc::new(found.gpu.clone()))
    }

    /// The number of an engine.
    pub fn engine(&mut self, text: &str) -> u32 {
        let found = engine::find(text, &mut Vec::new()).map_err(|error| error.reason);
        place(&mut self.engines, found)
    }

    /// The number of a scheme.
    pub fn weights(&mut self, name: Option<&str>) -> u32 {
        let found = name.map(request::scheme).transpose();
        place(&mut self.weights, found.map_err(|error| error.reason))
    }

    /// The number of a format.
    pub fn cache(&mut self, name: Option<&str>) -> u32 {
        let found = name.map(request::cache_format).transpose();
        place(&mut self.caches, found.map_err(|error| error.reason))
    }

    /// The GPU of a number.
    pub fn gpu_at(&self, number: u32) -> Option<&Arc<Gpu>> {
        self.gpus.get(number as usize)
    }
}

/// A deployment with numbers for names: everything but the context and the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The model.
    pub subject: u64,
    /// The GPU.
    pub gpu: u32,
    /// The engine.
    pub engine: u32,
    /// The scheme of the weights.
    pub weights: u32,
    /// The format of the cache.
    pub cache: u32,
    /// How many GPUs there are.
    pub gpus: Option<u64>,
    /// How it is spread.
    pub parallel: Parallel,
    /// The share of memory, in millionths.
    pub utilization: Option<u32>,
    /// Tokens of one step.
    pub batched_tokens: Option<u64>,
    /// Sequences of one step.
    pub sequences: Option<u64>,
    /// Tokens of a block.
    pub block: Option<u64>,
    /// Whether prefixes are kept.
    pub prefix_caching: Option<bool>,
    /// Whether graphs are left out.
    pub eager: bool,
    /// Bytes of the cache.
    pub cache_memory: Option<u64>,
}

impl Asked {
    /// The deployment, of one request of an open context.
    ///
    /// # Errors
    /// If something is not known, in the order in which [`Request::deployment`](crate::request::Request::deployment)
    /// looks.
    pub fn deployment(&self, names: &Names) -> Result<Deployment, Reason> {
        let at = |number: u32| number as usize;
        let gpu = names.gpu_at(self.gpu).ok_or(Reason::Value)?;
        let engine = names.engines.get(at(self.engine)).ok_or(Reason::Engine)?;
        let engine = Arc::clone(engine.as_ref().map_err(|reason| *reason)?);
        let weights = names.weights.get(at(self.weights)).ok_or(Reason::Value)?;
        let cache = names.caches.get(at(self.cache)).ok_or(Reason::Cache)?;
        Ok(Deployment {
            gpu: Arc::clone(gpu),
            gpus: self.gpus,
            engine,
            weights: weights.clone()?,
            cache: (*cache)?,
            context: None,
            concurrency: 1,
            parallel: request::layout(self.gpus, self.parallel, &mut Vec::new()),
            memory_utilization: self.utilization.map(Share),
            batched_tokens: self.batched_tokens,
            sequences: self.sequences,
            block: self.block,
            prefix_caching: self.prefix_caching,
            eager: self.eager,
            cache_memory: self.cache_memory,
        })
    }
}
