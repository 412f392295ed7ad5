//! TensorRT-LLM: its PyTorch backend, which is the default since 1.0.
//!
//! No release carries its sources; read were stored versions of `NVIDIA/TensorRT-LLM`, of 2025 and of 2026 (commit
//! 00043967 among them): `tensorrt_llm/_torch/pyexecutor/_util.py:KvCacheCreator`, `llmapi/llm_args.py:KvCacheConfig`,
//! `_torch/pyexecutor/resource_manager.py:KVCacheManager`, and the page `reference/memory` of its documentation. Which of
//! their details came with which version was not told.
//!
//! Not described: engines built ahead of time, the second manager of caches, drafts, context parallelism, indexers,
//! captured graphs, of which no measurement was found.

use super::{
    Answer, CachePlan, Engine, Entry, Held, Pool, Rank, Reads, Used, Version, links, step,
};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::{FeedForward, Mixer};
use crate::deployment::{Deployment, FitError, Reason, Settings, Share};
use crate::hardware::Vendor;
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::store::Store;
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "tensorrt-llm",
    aliases: &["trtllm", "tensorrtllm"],
    oldest: "1.0",
    newest: "1.3",
    summary: "the PyTorch backend of TensorRT-LLM: a share of what a profile leaves free, in blocks",
    make: |version| Arc::new(TensorRtLlm { version }),
};

/// `KvCacheConfig.free_gpu_memory_fraction`.
const SHARE: Share = Share(900_000);
/// `KvCacheConfig.tokens_per_block`.
const BLOCK: u64 = 32;
/// `max_num_tokens`, and `max_batch_size`.
const TOKENS: u64 = 8192;
const SEQUENCES: u64 = 2048;

/// Formats of the cache (`resource_manager.py:get_cache_bytes_per_token`).
const FORMATS: &[&str] = &["bf16", "fp16", "fp8", "nvfp4"];

/// TensorRT-LLM at a version.
#[derive(Debug)]
struct TensorRtLlm {
    version: Version,
}

fn refuse<T>(reason: Reason, message: impl Into<String>) -> Result<T, FitError> {
    Err(FitError::new(reason, message))
}

fn mixers(architecture: &Architecture) -> impl Iterator<Item = &Mixer> {
    architecture.decoder().flat_map(|layer| &layer.mixers)
}

fn layout(architecture: &Architecture, deployment: &Deployment) -> Result<(), FitError> {
    let gpu = &deployment.gpu;
    if !matches!(gpu.vendor, Vendor::Nvidia | Vendor::Any | Vendor::Other) {
        return refuse(
            Reason::Engine,
            format!(
                "TensorRT-LLM runs on GPUs of NVIDIA, and {} is none",
                gpu.name
            ),
        );
    }
    if deployment.options.parallel.context > 1 {
        return refuse(
            Reason::Engine,
            "context_parallel is not described of TensorRT-LLM, whose profile leaves it out; use tensor_parallel",
        );
    }
    if let Some(block) = deployment.options.block
        && !block.is_power_of_two()
    {
        return refuse(
            Reason::Value,
            format!(
                "block_size is {block}, but TensorRT-LLM takes powers of two; the default is {BLOCK}"
            ),
        );
    }
    let what = mixers(architecture).find_map(|mixer| match mixer {
        Mixer::Compressed { .. } => Some("attention over entries for several tokens"),
        Mixer::Cross { .. } => Some("attention over the output of an encoder"),
        Mixer::Attention {
            indexer_dim: 1.., ..
        }
        | Mixer::Latent {
            indexer_dim: 1.., ..
        } => Some("attention with an indexer"),
        _ => None,
    });
    match what {
        Some(what) => refuse(
            Reason::Engine,
            format!("{what} is not described of TensorRT-LLM; choose another engine"),
        ),
        None => Ok(()),
    }
}

fn cache_format(
    architecture: &Architecture,
    deployment: &Deployment,
    notes: &mut Vec<Assumption>,
) -> Result<CacheFormat, FitError> {
    if let Some(format) = deployment.cache {
        if FORMATS.contains(&format.name) {
            return Ok(format);
        }
        return refuse(
            Reason::Cache,
            format!(
                "TensorRT-LLM keeps no cache in {}; it has {}",
                format.name,
                FORMATS.join(", ")
            ),
        );
    }
    let name = match architecture.dtype.as_deref() {
        Some("float16") => "fp16",
        _ => "bf16",
    };
    notes.push(Assumption::new(
        "cache",
        name,
        "the dtype of the model (KvCacheConfig.dtype auto); a checkpoint that states a format for its cache has that",
    ));
    CacheFormat::named(name).map_err(|error| FitError::new(Reason::Cache, error))
}

fn settled(deployment: &Deployment, settings: &Settings, groups: u64, notes: &mut Vec<Assumption>) {
    let taken = [
        (
            deployment.options.memory_utilization.is_none(),
            "gpu_memory_utilization",
            settings.memory_utilization.to_string(),
            "free_gpu_memory_fraction by default: of what is free after a profile, not of all",
        ),
        (
            deployment.options.block.is_none(),
            "block_size",
            settings.block.to_string(),
            "tokens_per_block by default (llmapi/llm_args.py)",
        ),
        (
            deployment.options.batched_tokens.is_none(),
            "max_batched_tokens",
            settings.batched_tokens.to_string(),
            "max_num_tokens by default (llmapi/llm_args.py)",
        ),
        (
            deployment.options.sequences.is_none(),
            "max_sequences",
            settings.sequences.to_string(),
            "max_batch_size by default (llmapi/llm_args.py); states of recurrent layers are kept for as many",
        ),
        (
            groups > 1,
            "data_parallel",
            groups.to_string(),
            "data-parallel attention, with experts over all ranks (enable_attention_dp)",
        ),
    ];
    for (_, field, value, reason) in taken.into_iter().filter(|taken| taken.0) {
        notes.push(Assumption::new(field, value, reason));
    }
}

/// Ranks that work on one step together.
fn together(rank: &Rank<'_>) -> u64 {
    let parallel = rank.deployment.options.parallel;
    let experts = rank
        .architecture()
        .decoder()
        .flat_map(|layer| &layer.feed_forward)
        .any(|network| matches!(network, FeedForward::Experts { .. }));
    if experts {
        parallel.expert_ranks()
    } else {
        parallel.tensor
    }
}

impl Engine for TensorRtLlm {
    fn name(&self) -> &'static str {
        ENTRY.name
    }

    fn version(&self) -> &Version {
        &self.version
    }

    fn settle(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<Settings, FitError> {
        let architecture = &subject.architecture;
        layout(architecture, deployment)?;
        let context = subject.context(deployment, notes)?;
        let cache = cache_format(architecture, deployment, notes)?;
        let groups = deployment.options.parallel.data;
        let settings = Settings {
            context,
            concurrency: deployment.requests(),
            memory_utilization: deployment.options.memory_utilization.unwrap_or(SHARE),
            batched_tokens: deployment.options.batched_tokens.unwrap_or(TOKENS),
            sequences: deployment.options.sequences.unwrap_or(SEQUENCES),
            block: deployment.options.block.unwrap_or(BLOCK),
            cache,
            model_bytes: 2,
            prefix_caching: deployment.options.prefix_caching.unwrap_or(true),
            encoder_tokens: 0,
        };
        settled(deployment, &settings, groups, notes);
        let windowed = mixers(architecture).any(
            |mixer| matches!(mixer, Mixer::Attention { reach, .. } if reach.saturates().is_some()),
        );
        if windowed {
            notes.push(Assumption::new(
                "max_attention_window",
                "none",
                "not set by default, so that layers with a window keep all tokens",
            ));
        }
        Ok(settings)
    }

    fn weight_rules(&self) -> WeightRules {
        WeightRules {
            vocabulary_multiple: 1,
            loads_prediction: false,
            host_tables: false,
            towers_everywhere: false,
        }
    }

    fn loaded(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    /// The profile runs prompts of the longest length that together have `max_num_tokens`
    /// (`KvCacheCreator._create_dummy_context_requests`).
    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let tokens = rank.settings.batched_tokens;
        let prompts = tokens.div_ceil(rank.settings.context.saturating_sub(1).max(1));
        step::note(rank, tokens, prompts.min(rank.settings.sequences), ledger);
    }

    fn overhead(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let ranks = together(rank).saturating_mul(rank.deployment.options.parallel.pipeline);
        ledger.add(
            "NCCL",
            links::nccl(ranks),
            Origin::Measured,
            "aiconfigurator, its files of systems, misc.nccl_mem: 342 MiB of two GPUs, 392 MiB of four and of eight",
            &|| format!("buffers between {ranks} ranks"),
        );
    }

    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        step::driver(rank, ledger);
    }

    fn graphs(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    /// `(total - peak) · free_gpu_memory_fraction`, where the peak is that of the profile, what is outside PyTorch with it
    /// (`KvCacheCreator._cal_max_memory`).
    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        let free = i128::from(rank.deployment.gpu.usable_bytes) - i128::from(used.total());
        rank.settings.memory_utilization.of_signed(free)
    }

    fn reads(&self, answer: Answer, _subject: &Subject) -> Reads {
        let kept = Reads::CACHE | Reads::MODEL_BYTES | Reads::ENCODER_TOKENS;
        match answer {
            Answer::Settings => Reads::ALL.without(Reads::CONCURRENCY),
            Answer::Loaded | Answer::Graphs => Reads::NONE,
            Answer::Activations => Reads::BATCHED_TOKENS | Reads::CONTEXT | Reads::SEQUENCES,
            Answer::Overhead | Answer::Context => Reads::GPU,
            Answer::Reserved => kept | Reads::BLOCK | Reads::SEQUENCES,
            Answer::Pool => kept | Reads::BLOCK | Reads::SEQUENCES | Reads::CONTEXT,
        }
    }

    fn held(&self, rank: &Rank<'_>, used: &Used) -> Held {
        let room = match rank.deployment.options.cache_memory {
            Some(bytes) => i128::from(bytes),
            None => self.room(rank, used),
        };
        let room = u64::try_from(room.max(0)).unwrap_or(u64::MAX);
        Held {
            least: used.total().saturating_add(room),
            beside: Some(used.total()),
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let Some(first) = ranks.first() else {
            return refuse(Reason::Layers, "there are no stages to lay a cache out on");
        };
        Ok(Box::new(Plan {
            stages: ranks.iter().map(Kept::of).collect(),
            block: first.settings.block,
            sequences: first.settings.sequences,
        }))
    }
}

/// Bytes that the layers of a stage keep.
#[derive(Clone, Copy, Debug, Default)]
struct Kept {
    /// Per token.
    token: u64,
    /// Of the states of a sequence.
    state: u64,
}

impl Kept {
    fn of(rank: &Rank<'_>) -> Self {
        let mut kept = Self::default();
        for store in rank.stores.iter().flatten() {
            let (sum, bytes) = match store {
                Store::State { .. } => (&mut kept.state, store.needed(1, &rank.kept)),
                _ => (&mut kept.token, store.row(&rank.kept)),
            };
            *sum = sum.saturating_add(bytes);
        }
        kept
    }
}

/// Blocks of tokens for all layers, and a state for each sequence.
#[derive(Debug)]
struct Plan {
    stages: Vec<Kept>,
    block: u64,
    sequences: u64,
}

impl CachePlan for Plan {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        let tokens = context
            .div_ceil(self.block)
            .saturating_mul(self.block)
            .saturating_mul(concurrency);
        let slots = self.sequences.max(concurrency);
        self.stages
            .iter()
            .map(|kept| {
                let states = slots.saturating_mul(kept.state);
                tokens.saturating_mul(kept.token).saturating_add(states)
            })
            .collect()
    }

    /// The stage with the fewest blocks decides. Without anything that grows with the tokens, the sequences do.
    fn pool(&self, bytes: &[u64], context: u64, _concurrency: u64) -> Pool {
        let blocks = self
            .stages
            .iter()
            .zip(bytes)
            .filter(|(kept, _)| kept.token > 0)
            .map(|(kept, &bytes)| {
                let rest = bytes.saturating_sub(self.sequences.saturating_mul(kept.state));
                rest / kept.token.saturating_mul(self.block).max(1)
            })
            .min();
        let each = context.div_ceil(self.block).max(1);
        match blocks {
            Some(blocks) => Pool {
                tokens: blocks.saturating_mul(self.block),
                blocks: Some(blocks),
                concurrency: Some((blocks, each)),
            },
            None => Pool {
                tokens: self.sequences.saturating_mul(context),
                blocks: None,
                concurrency: Some((self.sequences, 1)),
            },
        }
    }
}

#[cfg(test)]
mod tests;
