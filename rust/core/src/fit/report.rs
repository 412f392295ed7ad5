//! An estimate as JSON, schema `pondera.fit/1`: what Python calls an attribute is a field here. Bytes are whole numbers.

use super::{Component, Fit, OnStage};
use crate::architecture::config::Assumption;
use crate::deployment::Settings;
use crate::hardware::Usable;
use crate::members::Members;
use crate::memory::layout::Parallel;
use crate::memory::ledger::{Origin, Part};
use crate::solve::Bound;
use serde::Serialize;

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.fit/1";

/// The same of several estimates side by side.
pub const SEVERAL_SCHEMA: &str = "pondera.fits/1";

#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    model: &'a str,
    storage: &'a str,
    engine: String,
    gpu: GpuShown<'a>,
    gpus: u64,
    /// Requests at one time, over all replicas; those of one are in the settings.
    concurrency: u64,
    parallel: Parallel,
    settings: SettingsShown,
    fits: bool,
    binds: Option<&'static str>,
    limit: Option<String>,
    weights: u64,
    cache: u64,
    activations: u64,
    overhead: u64,
    cuda_context: u64,
    cuda_graphs: u64,
    total: u64,
    usable: u64,
    headroom: i128,
    cache_needed: u64,
    cache_reserved: u64,
    cache_pool: u64,
    cache_tokens: u64,
    blocks: Option<u64>,
    max_concurrency: Option<f64>,
    max_concurrency_exact: Option<(u64, u64)>,
    parts: Members<&'static str, Members<&'static str, u64>>,
    band: Members<&'static str, Option<(u64, u64)>>,
    reasons: Vec<ReasonShown>,
    stages: Vec<StageShown>,
    fullest_stage: usize,
    warnings: &'a [String],
    assumptions: &'a [Assumption],
}

#[derive(Serialize)]
struct GpuShown<'a> {
    name: &'a str,
    nominal_bytes: u64,
    usable_bytes: u64,
    usable_is: &'static str,
    usable_from: &'a str,
}

#[derive(Serialize)]
struct SettingsShown {
    context: u64,
    concurrency: u64,
    gpu_memory_utilization: f64,
    max_batched_tokens: u64,
    max_sequences: u64,
    block_size: u64,
    cache: &'static str,
    model_bytes: u64,
    prefix_caching: bool,
    encoder_tokens: u64,
    eager: bool,
    cache_memory: Option<u64>,
}

#[derive(Serialize)]
struct ReasonShown {
    component: &'static str,
    #[serde(flatten)]
    part: Part,
}

#[derive(Serialize)]
struct StageShown {
    stage: u64,
    layers: (u64, u64),
    weights: u64,
    cache: u64,
    activations: u64,
    overhead: u64,
    cuda_context: u64,
    cuda_graphs: u64,
    total: u64,
    headroom: i128,
    cache_needed: u64,
    cache_pool: u64,
    held: u64,
}

impl Fit {
    /// The estimate as JSON text, schema `pondera.fit/1`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let stage = self.on_fullest();
        let shown = Shown {
            schema: SCHEMA,
            model: &self.name,
            storage: &self.label,
            engine: self.engine(),
            gpu: self.gpu(),
            gpus: self.gpus,
            concurrency: self.deployment.concurrency,
            parallel: self.deployment.options.parallel,
            settings: self.settings(),
            fits: self.fits(),
            binds: self.binds().as_ref().map(Bound::name),
            limit: self.binds().map(|bound| bound.to_string()),
            weights: stage.bytes(Component::Weights),
            cache: stage.bytes(Component::Cache),
            activations: stage.bytes(Component::Activations),
            overhead: stage.bytes(Component::Overhead),
            cuda_context: stage.bytes(Component::CudaContext),
            cuda_graphs: stage.bytes(Component::CudaGraphs),
            total: stage.total(),
            usable: self.usable,
            headroom: self.headroom,
            cache_needed: stage.needed,
            cache_reserved: stage.reserved,
            cache_pool: self.cache_pool,
            cache_tokens: self.pool.tokens,
            blocks: self.pool.blocks,
            max_concurrency: self.max_concurrency(),
            max_concurrency_exact: self.pool.concurrency,
            parts: self.parts(),
            band: Members(self.bands()),
            reasons: self.reasons(),
            stages: self
                .stages
                .iter()
                .map(|stage| self.stage_shown(stage))
                .collect(),
            fullest_stage: self.fullest,
            warnings: &self.warnings,
            assumptions: &self.assumptions,
        };
        // Every part is plain data with text keys.
        serde_json::to_string(&shown).unwrap_or_default()
    }

    /// The engine with its version, as one would ask for it.
    #[must_use]
    pub fn engine(&self) -> String {
        let engine = &*self.deployment.engine;
        format!("{}=={}", engine.name(), engine.version())
    }

    /// Requests of the full context that the cache holds at once, as engines print it.
    #[must_use]
    pub fn max_concurrency(&self) -> Option<f64> {
        let (held, one) = self.pool.concurrency.filter(|&(_, one)| one > 0)?;
        #[expect(
            clippy::cast_precision_loss,
            reason = "printed with two decimals; the exact pair is there too"
        )]
        Some(held as f64 / one as f64)
    }

    /// The band of every component, and of the cache that the engine has.
    #[must_use]
    pub fn bands(&self) -> Vec<(&'static str, Option<(u64, u64)>)> {
        Component::ALL
            .into_iter()
            .map(|component| (component.name(), self.band(component)))
            .chain([("cache_pool", self.pool_band())])
            .collect()
    }

    fn parts(&self) -> Members<&'static str, Members<&'static str, u64>> {
        let stage = self.on_fullest();
        let of = |component| {
            // Parts of one name are shown as one.
            let mut sums: Vec<(&'static str, u64)> = Vec::new();
            for part in stage.parts(component) {
                match sums.iter_mut().find(|(name, _)| *name == part.name) {
                    Some((_, bytes)) => *bytes = bytes.saturating_add(part.bytes),
                    None => sums.push((part.name, part.bytes)),
                }
            }
            Members(sums)
        };
        Members(
            Component::ALL
                .into_iter()
                .map(|component| (component.name(), of(component)))
                .collect(),
        )
    }

    fn reasons(&self) -> Vec<ReasonShown> {
        let stage = self.on_fullest();
        Component::ALL
            .into_iter()
            .flat_map(|component| {
                stage
                    .parts(component)
                    .into_iter()
                    .map(move |part| ReasonShown {
                        component: component.name(),
                        part,
                    })
            })
            .collect()
    }

    fn gpu(&self) -> GpuShown<'_> {
        let gpu = &*self.deployment.gpu;
        let (usable_is, usable_from) = match &gpu.usable {
            Usable::Measured { source } => ("measured", source.as_str()),
            Usable::Derived { how } => ("derived", how.as_str()),
            Usable::Given => ("given", "as given"),
        };
        GpuShown {
            name: &gpu.name,
            nominal_bytes: gpu.nominal_bytes,
            usable_bytes: gpu.usable_bytes,
            usable_is,
            usable_from,
        }
    }

    fn settings(&self) -> SettingsShown {
        let Settings {
            context,
            concurrency,
            memory_utilization,
            batched_tokens,
            sequences,
            block,
            cache,
            model_bytes,
            prefix_caching,
            encoder_tokens,
        } = self.settings;
        SettingsShown {
            context,
            concurrency,
            gpu_memory_utilization: memory_utilization.ratio(),
            max_batched_tokens: batched_tokens,
            max_sequences: sequences,
            block_size: block,
            cache: cache.name,
            model_bytes,
            prefix_caching,
            encoder_tokens,
            eager: self.deployment.options.eager,
            cache_memory: self.deployment.options.cache_memory,
        }
    }

    fn stage_shown(&self, stage: &OnStage) -> StageShown {
        StageShown {
            stage: stage.stage.index,
            layers: (stage.stage.layers.start, stage.stage.layers.end),
            weights: stage.bytes(Component::Weights),
            cache: stage.bytes(Component::Cache),
            activations: stage.bytes(Component::Activations),
            overhead: stage.bytes(Component::Overhead),
            cuda_context: stage.bytes(Component::CudaContext),
            cuda_graphs: stage.bytes(Component::CudaGraphs),
            total: stage.total(),
            headroom: stage.headroom(self.usable),
            cache_needed: stage.needed,
            cache_pool: u64::try_from(stage.room.max(0)).unwrap_or(u64::MAX),
            held: stage.held,
        }
    }
}

impl Origin {
    /// Its name in data.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::Mechanism => "mechanism",
            Self::Measured => "measured",
            Self::Fitted => "fitted",
        }
    }
}
