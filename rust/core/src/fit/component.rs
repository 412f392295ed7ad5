//! The components of an estimate.

use super::{Fit, OnStage};
use crate::memory::ledger::{Origin, Part};
use crate::residual::{self, Conditions};

/// One component of what a GPU holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// Weights, and what is loaded with them.
    Weights,
    /// The cache that the engine sets aside for the asked requests.
    Cache,
    /// Activations at their peak.
    Activations,
    /// What the engine and its libraries take beside.
    Overhead,
    /// What the driver takes for a process.
    CudaContext,
    /// Captured graphs.
    CudaGraphs,
}

impl Component {
    /// Every component, in the order of display.
    pub const ALL: [Self; 6] = [
        Self::Weights,
        Self::Cache,
        Self::Activations,
        Self::Overhead,
        Self::CudaContext,
        Self::CudaGraphs,
    ];

    /// Its name in data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Cache => "cache",
            Self::Activations => "activations",
            Self::Overhead => "overhead",
            Self::CudaContext => "cuda_context",
            Self::CudaGraphs => "cuda_graphs",
        }
    }

    /// What it is, in a line.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Weights => "weights, and the tables and padding that are loaded with them",
            Self::Cache => {
                "what the engine sets aside of its cache for the asked requests and context"
            }
            Self::Activations => "intermediate results at their peak",
            Self::Overhead => "what the engine and its libraries take beside",
            Self::CudaContext => "what the driver takes for a process",
            Self::CudaGraphs => "captured graphs",
        }
    }
}

impl OnStage {
    /// Bytes of a component.
    #[must_use]
    pub const fn bytes(&self, component: Component) -> u64 {
        match component {
            Component::Weights => self.used.weights,
            Component::Cache => self.reserved,
            Component::Activations => self.used.activations,
            Component::Overhead => self.used.overhead,
            Component::CudaContext => self.used.context,
            Component::CudaGraphs => self.used.graphs,
        }
    }

    /// The parts of a component, which sum up to it.
    #[must_use]
    pub fn parts(&self, component: Component) -> Vec<Part> {
        match component {
            Component::Weights => self.parts.weights.clone(),
            Component::Cache => self.cache_parts(),
            Component::Activations => self.parts.activations.clone(),
            Component::Overhead => self.parts.overhead.clone(),
            Component::CudaContext => self.parts.cuda_context.clone(),
            Component::CudaGraphs => self.parts.cuda_graphs.clone(),
        }
    }

    /// What requests need, and what the engine adds; one part where it keeps less than that.
    fn cache_parts(&self) -> Vec<Part> {
        let part = |name, bytes, formula| Part {
            name,
            bytes,
            formula,
            source: "the engine's rules for its cache",
            origin: Origin::Exact,
        };
        match self.reserved.checked_sub(self.needed) {
            _ if self.reserved == 0 => Vec::new(),
            Some(0) => self.parts.needed.clone(),
            Some(more) => {
                let formula = format!("{} reserved - {} needed", self.reserved, self.needed);
                let mut parts = self.parts.needed.clone();
                parts.push(part("blocks and padding", more, formula));
                parts
            }
            None => vec![part(
                "kept by the engine",
                self.reserved,
                format!("less than the {} that requests may look at", self.needed),
            )],
        }
    }
}

impl Fit {
    /// What measurements may be of the same as this estimate.
    fn conditions(&self) -> Conditions<'_> {
        let engine = &*self.deployment.engine;
        Conditions {
            engine: engine.name(),
            version: engine.version(),
            gpu: &self.deployment.gpu.name,
            parallel: self.deployment.options.parallel,
            storage: &self.storage,
        }
    }

    /// The band of a component on the fullest GPU, low and high: what measurements of the same engine, version, GPU,
    /// layout and storage say, or else the value itself if all of it is counted and no measurement of the engine tells
    /// how far a count may be off. `None` where neither is so.
    #[must_use]
    pub fn band(&self, component: Component) -> Option<(u64, u64)> {
        let stage = self.on_fullest();
        let bytes = stage.bytes(component);
        let parts = stage.parts(component);
        // Of what has no parts it is not known whether there are none.
        if component != Component::Cache && parts.is_empty() {
            return None;
        }
        let conditions = self.conditions();
        if let Some(measured) = residual::of(conditions, component.name()) {
            return Some(measured.band(bytes));
        }
        let counted = parts.iter().all(|part| part.origin == Origin::Exact);
        let trusted = !residual::is_measured(conditions.engine, component.name());
        (counted && trusted).then_some((bytes, bytes))
    }

    /// The band of the cache that the engine has: what was given to it, or what measurements say.
    #[must_use]
    pub fn pool_band(&self) -> Option<(u64, u64)> {
        if self.deployment.options.cache_memory.is_some() {
            return Some((self.cache_pool, self.cache_pool));
        }
        residual::of(self.conditions(), "cache_pool").map(|measured| measured.band(self.cache_pool))
    }
}
