//! What a sweep asks for by name, looked up once.

use super::axis::{Axis, Value, What, set_option};
use crate::deployment::{Deployment, Options, Reason};
use crate::engine::{self, Engine};
use crate::hardware::{Found, Gpu};
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use crate::request::{self, Request};
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

    /// The numbers of what the values of an axis name; none, if it varies no names.
    pub fn of(&mut self, axis: &Axis) -> Vec<u32> {
        let values = axis.values.iter();
        values
            .filter_map(|value| match (&axis.what, value) {
                (What::Gpu, Value::Gpu(found)) => Some(self.gpu(found)),
                (What::Engine, _) => Some(self.engine(value.text().unwrap_or_default())),
                (What::Weights, _) => Some(self.weights(value.text())),
                (What::Cache, _) => Some(self.cache(value.text())),
                _ => None,
            })
            .collect()
    }

    /// The engines that are known.
    pub fn engines(&self) -> impl Iterator<Item = &dyn Engine> {
        self.engines.iter().flatten().map(|engine| &**engine)
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
    /// How it is spread, and what the engine is told.
    pub options: Options,
}

impl Asked {
    /// What a request asks, of the first of some models.
    pub fn of(request: &Request, names: &mut Names) -> Self {
        Self {
            subject: 0,
            gpu: names.gpu(&request.gpu),
            engine: names.engine(&request.engine),
            weights: names.weights(request.weights.as_deref()),
            cache: names.cache(request.cache.as_deref()),
            options: request.options,
        }
    }

    /// Sets what an axis varies. What its value names goes by its number.
    pub fn set(&mut self, what: &What, value: &Value, number: Option<u32>) {
        let number = number.unwrap_or(u32::MAX);
        match what {
            What::Gpu => self.gpu = number,
            What::Engine => self.engine = number,
            What::Weights => self.weights = number,
            What::Cache => self.cache = number,
            _ => set_option(&mut self.options, what, value),
        }
    }

    /// The deployment, of one request of an open context.
    ///
    /// # Errors
    /// If something is not known, in the order in which [`Request::deployment`] looks.
    pub fn deployment(&self, names: &Names) -> Result<Deployment, Reason> {
        let at = |number: u32| number as usize;
        let gpu = names.gpu_at(self.gpu).ok_or(Reason::Value)?;
        let engine = names.engines.get(at(self.engine)).ok_or(Reason::Engine)?;
        let engine = Arc::clone(engine.as_ref().map_err(|reason| *reason)?);
        let weights = names.weights.get(at(self.weights)).ok_or(Reason::Value)?;
        let cache = names.caches.get(at(self.cache)).ok_or(Reason::Cache)?;
        Ok(Deployment {
            gpu: Arc::clone(gpu),
            engine,
            weights: weights.clone()?,
            cache: (*cache)?,
            context: None,
            concurrency: 1,
            options: request::laid_out(self.options, &mut Vec::new()),
        })
    }
}
