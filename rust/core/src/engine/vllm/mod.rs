//! vLLM, its V1 engine: pages of blocks that groups of layers share, a share of the GPU taken whatever is asked.
//!
//! ```text
//!  settle ─ defaults, block ─► Settings         (rules: what a version changed)
//!  layers ─ spec ─► pages ─ groups ─► Plan ─ reserved, pool
//! ```
//!
//! What this does not do: speculative decoding, connectors, offloading, prefill context parallelism, hidden-state caches.

mod activations;
mod block;
mod cache_dtype;
mod compressed;
mod context;
mod device;
mod fitted;
mod graphs;
mod groups;
mod kinds;
mod loaded;
mod media;
mod numbers;
mod overhead;
mod plan;
mod refuse;
mod rope;
mod rules;
mod settle;
mod spec;
mod spill;
mod start;
mod states;
#[cfg(test)]
mod tests;

use super::{Answer, CachePlan, Engine, Entry, Held, Rank, Reads, Used, Version};
use crate::architecture::config::Assumption;
use crate::architecture::layer::FeedForward;
use crate::deployment::{Deployment, FitError, Settings};
use crate::memory::ledger::Ledger;
use crate::memory::store::{Need, Store, scaled_key};
use crate::memory::weights::WeightRules;
use crate::subject::Subject;
pub use fitted::ALL as CONSTANTS;
use groups::Placed;
use kinds::Kinds;
use plan::Plan;
use rules::{Packing, Rules};
use spec::{Basis, Blocks, Hold, Request};
use start::Start;
use states::Mode;
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "vllm",
    aliases: &[],
    oldest: "0.11.0",
    newest: "0.33.0",
    summary: "vLLM's V1 engine: blocks, groups and states of its cache, its profile of memory, what it prints",
    make: |version| {
        Arc::new(Vllm {
            rules: Rules::of(&version),
            start: Start::of(&version),
            version,
        })
    },
};

/// vLLM at a version.
#[derive(Debug)]
struct Vllm {
    version: Version,
    rules: Rules,
    start: Start,
}

impl Vllm {
    /// Bytes that vLLM takes of a GPU beside its context, whatever is asked (`worker/utils.py:request_memory`).
    fn requested(rank: &Rank<'_>) -> u64 {
        rank.settings
            .memory_utilization
            .of(rank.deployment.gpu.usable_bytes)
    }

    /// Bytes that are measured while it profiles, and so are taken from the cache.
    const fn profiled(&self, used: &Used) -> u64 {
        let graphs = if self.rules.graphs_within {
            used.graphs
        } else {
            0
        };
        used.weights
            .saturating_add(used.activations)
            .saturating_add(used.overhead)
            .saturating_add(graphs)
    }

    /// Batches that may be on their way at once (`config/vllm.py:max_concurrent_batches`, with asynchronous scheduling).
    fn batches(&self, rank: &Rank<'_>, kinds: Kinds) -> u64 {
        if !self.rules.in_flight {
            return 1;
        }
        let stages = rank.deployment.options.parallel.pipeline;
        let experts = rank
            .architecture()
            .decoder()
            .flat_map(|layer| &layer.feed_forward)
            .any(|network| matches!(network, FeedForward::Experts { .. }));
        let (dense, all) = self.rules.second_runner;
        if all || (dense && !experts && !kinds.states) {
            stages.saturating_add(1)
        } else {
            stages.max(2)
        }
    }
}

impl Engine for Vllm {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn gpus(&self, deployment: &Deployment) -> u64 {
        // Ranks that the tokens of a sequence are dealt out to lie among those of tensor parallelism.
        let parallel = deployment.options.parallel;
        parallel
            .tensor
            .saturating_mul(parallel.pipeline)
            .saturating_mul(parallel.data)
    }

    fn settle(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<Settings, FitError> {
        media::note(subject, notes);
        device::note(deployment, self.start, notes);
        overhead::note(subject, deployment, notes);
        settle::settle(&self.rules, subject, deployment, notes)
    }

    fn need(&self, rank: &Rank<'_>, store: &Store, context: u64) -> Need {
        let need = store.need(context, &rank.kept);
        let row = match *store {
            Store::Indexer { width, .. } => Some(scaled_key(width)),
            _ => states::bytes(store, rank.subject, &self.rules, rank.settings.model_bytes),
        };
        row.map_or(need, |row| Need { row, ..need })
    }

    fn weight_rules(&self) -> WeightRules {
        // vLLM 0.19, layers/vocab_parallel_embedding.py:DEFAULT_VOCAB_PADDING_SIZE. Further tokens are predicted only if
        // asked.
        WeightRules {
            vocabulary_multiple: 64,
            loads_prediction: false,
            host_tables: false,
            // 0.19, `model_executor/models/qwen2_5_vl.py` and the others build their towers whatever the stage.
            towers_everywhere: true,
        }
    }

    fn halves_floats(&self) -> bool {
        // vLLM 0.19, config/model.py:_resolve_auto_dtype.
        true
    }

    fn loaded(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        loaded::add(rank, self.start, self.weight_rules(), ledger);
    }

    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        activations::add(rank, self.start, ledger);
    }

    fn overhead(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        overhead::add(rank, self.start, ledger);
    }

    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        overhead::context(rank, ledger);
    }

    fn graphs(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        graphs::add(rank, &self.version, self.rules.graphs_within, ledger);
    }

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        i128::from(Self::requested(rank)) - i128::from(self.profiled(used))
    }

    fn reads(&self, answer: Answer, subject: &Subject) -> Reads {
        let kept = Reads::GPU
            | Reads::CACHE
            | Reads::BATCHED_TOKENS
            | Reads::BLOCK
            | Reads::PREFIX_CACHING
            | Reads::MODEL_BYTES
            | Reads::ENCODER_TOKENS;
        match answer {
            Answer::Settings => {
                Reads::GPU
                    | Reads::WEIGHTS
                    | Reads::CACHE
                    | Reads::CONTEXT
                    | Reads::UTILIZATION
                    | Reads::BATCHED_TOKENS
                    | Reads::SEQUENCES
                    | Reads::BLOCK
                    | Reads::PREFIX_CACHING
            }
            Answer::Loaded => Reads::WEIGHTS | Reads::MODEL_BYTES,
            Answer::Activations => {
                let step = Reads::GPU
                    | Reads::WEIGHTS
                    | Reads::BATCHED_TOKENS
                    | Reads::SEQUENCES
                    | Reads::EAGER
                    | Reads::MODEL_BYTES;
                if activations::read_context(subject) {
                    step | Reads::CONTEXT | Reads::BLOCK
                } else {
                    step
                }
            }
            Answer::Overhead => Reads::GPU | Reads::SEQUENCES | Reads::EAGER,
            Answer::Context => Reads::GPU,
            Answer::Graphs => Reads::GPU | Reads::EAGER | Reads::SEQUENCES | Reads::BATCHED_TOKENS,
            Answer::Reserved => kept,
            Answer::Pool => kept | Reads::CONTEXT,
        }
    }

    fn held(&self, rank: &Rank<'_>, used: &Used) -> Held {
        // Whatever is asked, the cache fills what was requested, or has the bytes it was given. What was taken before, by
        // the driver and by NCCL, must have left that much free (`worker/utils.py:request_memory`), or vLLM does not start.
        let inside = match rank.deployment.options.cache_memory {
            Some(bytes) => bytes.saturating_add(self.profiled(used)),
            None => Self::requested(rank).max(self.profiled(used)),
        };
        let graphs = if self.rules.graphs_within {
            0
        } else {
            used.graphs
        };
        Held {
            least: inside.saturating_add(used.context).saturating_add(graphs),
            beside: None,
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let Some(first) = ranks.first() else {
            return Ok(Box::new(Plan::empty()));
        };
        let (subject, settings, deployment) = (first.subject, first.settings, first.deployment);
        let stores = kinds::stores(&subject.architecture, deployment.options.parallel.tensor);
        let kinds = Kinds::of(&stores);
        let mode = Mode::of(&self.rules, kinds, settings.prefix_caching, &deployment.gpu);
        let basis = Basis {
            rules: &self.rules,
            cache: settings.cache,
            model_bytes: settings.model_bytes,
            encoder_tokens: settings.encoder_tokens,
            expanded: spec::expands(&subject.architecture.model_type),
            sparse: kinds.sparse,
            gpu: &deployment.gpu,
        };
        let blocks = Blocks {
            attention: settings.block,
            state: match mode {
                Mode::Current => settings.context,
                Mode::Several(_) | Mode::PerBlock => settings.block,
            },
            state_page: block::Hybrid::of(&stores, subject, &basis)
                .filter(|_| kinds.hybrid())
                .map(|hybrid| hybrid.token.saturating_mul(settings.block)),
        };
        let mut layers = Vec::new();
        for (stage, rank) in ranks.iter().enumerate() {
            for store in rank.stores.iter().flatten() {
                let compressed = compressed::specs(store).filter(|_| kinds.compressed);
                match compressed {
                    Some(specs) => {
                        layers.extend(specs.into_iter().map(|spec| Placed { stage, spec }));
                    }
                    None => layers.push(Placed {
                        stage,
                        spec: spec::of(store, subject, &basis, blocks)?,
                    }),
                }
            }
        }
        let windows = layers
            .iter()
            .any(|layer| matches!(layer.spec.hold, Hold::Sliding(_) | Hold::Chunked(_)));
        let packing = self.rules.compressed.filter(|_| kinds.compressed);
        let groups = match packing {
            Some(packing) => compressed::groups(layers, packing),
            None => groups::of(layers, &self.rules)?,
        };
        Ok(Box::new(Plan {
            groups,
            stages: ranks.len(),
            packing: packing.unwrap_or(Packing::Widest),
            request: Request {
                tokens: 0,
                in_flight: if windows {
                    settings
                        .batched_tokens
                        .saturating_mul(self.batches(first, kinds))
                } else {
                    0
                },
                context_parallel: deployment.options.parallel.context,
                mode,
            },
            tokens_by_concurrency: self.rules.tokens_by_concurrency,
            null_block: self.rules.null_block,
            known: std::sync::OnceLock::new(),
        }))
    }
}
