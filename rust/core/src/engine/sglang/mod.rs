//! SGLang: its server with the defaults of a single node.
//!
//! Not described: drafts, split prefill and decode, hierarchical and unified pools, context parallelism, offloading.

mod defaults;
mod pools;

use super::links::{self, Links};
use super::{Answer, CachePlan, Engine, Entry, Held, Rank, Reads, Used, Version};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::deployment::{Deployment, FitError, Reason, Settings, Share};
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::store::{Need, Store, scaled_key};
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use defaults::{Graphs, Machine};
use pools::{Kept, Plan, States};
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "sglang",
    aliases: &[],
    oldest: "0.5.3",
    newest: "0.5.23",
    summary: "the server of SGLang: share of memory by default, pools of tokens, windows and states",
    make: |version| {
        Arc::new(Sglang {
            newer: version.at_least(&[0, 5, 4]),
            version,
        })
    },
};

/// Classes with a pool of their own for tokens within a window (0.5.23, `configs/model_config.py:is_hybrid_swa_model`).
const WINDOWED: &[&str] = &[
    "BeamForCausalLM",
    "GptOssForCausalLM",
    "GraniteSWAForCausalLM",
    "GraniteMoeSWAForCausalLM",
    "Gemma4ForCausalLM",
    "Gemma4ForConditionalGeneration",
    "Gemma4UnifiedForConditionalGeneration",
    "InklingForConditionalGeneration",
    "IQuestQ1ForCausalLM",
    "LagunaForCausalLM",
    "Llama4ForConditionalGeneration",
    "MellumForCausalLM",
    "MiMoV2FlashForCausalLM",
    "MiMoV2ForCausalLM",
    "MuseGlimmerForCausalLM",
    "MuseGlimmerForConditionalGeneration",
    "Step3p5ForCausalLM",
    "Step3p7ForConditionalGeneration",
    "UnlimitedOCRForCausalLM",
];

/// Parts of the names of such classes before (0.5.3: those models that define `get_attention_sliding_window_size`).
const WINDOWED_BEFORE: &[&str] = &["Gemma2", "Gemma3", "GptOss"];

/// Formats of the cache (`server_args.py`, `--kv-cache-dtype`).
const FORMATS: &[&str] = &["bf16", "fp16", "fp8"];

const MIB: u64 = 1 << 20;
/// What joining the ranks takes where switches join the GPUs: 2.01 GiB with eight H200 (sgl-project/sglang, pull request
/// 11716).
const SWITCHED: u64 = 2058 * MIB;
/// What captured graphs took: 1.00 to 1.04 GiB on two GPUs with 36 sizes (pull request 12978), 1.44 GiB with 52 sizes
/// (11830), 0.93 GiB with 13 sizes on four.
const GRAPHS: u64 = 1024 * MIB;
/// Requests that the table of tokens has rows for, at the least (`resolve_max_num_reqs`).
const ROWS: u64 = 2048;

/// SGLang at a version.
#[derive(Debug)]
struct Sglang {
    version: Version,
    newer: bool,
}

/// Ranks that are joined into one group.
fn joined_ranks(deployment: &Deployment) -> u64 {
    let parallel = deployment.options.parallel;
    parallel.expert_ranks().saturating_mul(parallel.pipeline)
}

fn refuse<T>(reason: Reason, message: impl Into<String>) -> Result<T, FitError> {
    Err(FitError::new(reason, message))
}

fn has_experts(architecture: &Architecture) -> bool {
    architecture
        .decoder()
        .flat_map(|layer| &layer.feed_forward)
        .any(|network| matches!(network, FeedForward::Experts { .. }))
}

fn any_mixer(architecture: &Architecture, of: impl Fn(&Mixer) -> bool) -> bool {
    architecture
        .decoder()
        .flat_map(|layer| &layer.mixers)
        .any(of)
}

fn sees(architecture: &Architecture) -> bool {
    architecture
        .layers
        .iter()
        .any(|layer| matches!(layer.stack, Stack::Vision | Stack::Audio))
}

/// Whether layers have an indexer (DSA).
fn indexed(architecture: &Architecture) -> bool {
    any_mixer(
        architecture,
        |mixer| matches!(mixer, Mixer::Latent { indexer_dim, .. } if *indexer_dim > 0),
    )
}

impl Sglang {
    fn windows(&self, architecture: &Architecture) -> bool {
        let Some(class) = architecture.class.as_deref() else {
            return false;
        };
        if self.newer {
            WINDOWED.contains(&class)
        } else {
            WINDOWED_BEFORE.iter().any(|part| class.starts_with(part))
        }
    }

    fn machine(&self, deployment: &Deployment, architecture: &Architecture) -> Machine {
        let parallel = deployment.options.parallel;
        // Replicas of a mixture share its experts: data-parallel attention. Those of others know nothing of each other.
        let groups = if has_experts(architecture) {
            parallel.data
        } else {
            1
        };
        Machine {
            memory: deployment.gpu.usable_bytes / MIB,
            tensor: parallel.tensor.saturating_mul(groups),
            pipeline: parallel.pipeline,
            attention_groups: groups,
            newer: self.newer,
        }
    }

    /// Tokens of a chunk, and what graphs are captured for.
    fn steps(&self, deployment: &Deployment, architecture: &Architecture) -> (u64, Graphs) {
        let machine = self.machine(deployment, architecture);
        let (chunk, decode) = machine.chunk_and_decode();
        let chunk = deployment.options.batched_tokens.unwrap_or(chunk);
        let decode = match deployment.options.sequences {
            Some(sequences) if self.newer => decode.min(sequences),
            _ => decode,
        };
        let latent = any_mixer(architecture, |mixer| matches!(mixer, Mixer::Latent { .. }));
        let captured = self.newer && machine.pipeline == 1 && !sees(architecture);
        let graphs = if deployment.options.eager {
            Graphs {
                decode: 0,
                prefill: None,
            }
        } else {
            let longest = if latent { chunk.min(8192) } else { chunk };
            Graphs {
                decode,
                prefill: captured.then(|| (defaults::prefill_sizes(longest), latent)),
            }
        };
        (chunk, graphs)
    }

    fn share(&self, subject: &Subject, deployment: &Deployment) -> Share {
        let architecture = &subject.architecture;
        if !self.newer && indexed(architecture) {
            // `_handle_model_specific_adjustments` of 0.5.3.
            return Share(800_000);
        }
        let machine = self.machine(deployment, architecture);
        let (chunk, graphs) = self.steps(deployment, architecture);
        let share = machine.share(machine.reserved_twice(chunk, graphs));
        if sees(architecture) {
            defaults::beside_tower(share, &subject.config)
        } else {
            share
        }
    }

    fn page(&self, architecture: &Architecture, deployment: &Deployment) -> u64 {
        let blackwell = matches!(deployment.gpu.compute_capability, Some((10, _)));
        deployment.options.block.unwrap_or({
            if indexed(architecture) || (self.newer && blackwell) {
                64
            } else {
                1
            }
        })
    }

    fn model(architecture: &Architecture) -> Result<(), FitError> {
        if any_mixer(architecture, |mixer| {
            matches!(mixer, Mixer::Compressed { .. } | Mixer::Cross { .. })
        }) {
            return refuse(
                Reason::Engine,
                "attention over compressed entries or over the output of an encoder is not described of SGLang; choose another engine",
            );
        }
        Ok(())
    }

    fn layout(deployment: &Deployment) -> Result<(), FitError> {
        if deployment.options.parallel.context > 1 {
            return refuse(
                Reason::Engine,
                "context_parallel is not described of SGLang; use tensor_parallel",
            );
        }
        if deployment.options.cache_memory.is_some() {
            return refuse(
                Reason::Engine,
                "SGLang takes no number of bytes for its cache; say gpu_memory_utilization, its --mem-fraction-static",
            );
        }
        Ok(())
    }

    fn cache_format(
        &self,
        architecture: &Architecture,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<CacheFormat, FitError> {
        let named =
            |name| CacheFormat::named(name).map_err(|error| FitError::new(Reason::Cache, error));
        if let Some(format) = deployment.cache {
            if FORMATS.contains(&format.name) {
                return Ok(format);
            }
            return refuse(
                Reason::Cache,
                format!(
                    "a cache of SGLang in {} is not described; there are {}",
                    format.name,
                    FORMATS.join(", ")
                ),
            );
        }
        let blackwell = matches!(deployment.gpu.compute_capability, Some((10.., _)));
        let (name, why) = if self.newer && indexed(architecture) && blackwell {
            (
                "fp8",
                "layers with an indexer take it on this GPU (_dsa_kv_cache_dtype_default)",
            )
        } else {
            (
                match architecture.dtype.as_deref() {
                    Some("float16" | "float32") => "fp16",
                    _ => "bf16",
                },
                "the dtype of the model (--kv-cache-dtype auto)",
            )
        };
        notes.push(Assumption::new("cache", name, why));
        named(name)
    }

    fn notes(
        &self,
        deployment: &Deployment,
        settings: &Settings,
        machine: Machine,
        notes: &mut Vec<Assumption>,
    ) {
        let read = ["0.5.3", "0.5.23"].map(Version::parse);
        if !read.iter().flatten().any(|known| *known == self.version) {
            notes.push(Assumption::new(
                "engine",
                self.version.to_string(),
                "of 0.5 the sources of 0.5.3 and 0.5.23 were read; the rules of 0.5.23 are taken",
            ));
        }
        if deployment.options.memory_utilization.is_none() {
            notes.push(Assumption::new(
                "gpu_memory_utilization",
                settings.memory_utilization.to_string(),
                format!(
                    "mem_fraction_static by default, of {} MiB as CUDA reports them; nvidia-smi, which SGLang asks, reports a little more",
                    machine.memory
                ),
            ));
        }
        if deployment.options.batched_tokens.is_none() {
            notes.push(Assumption::new(
                "max_batched_tokens",
                settings.batched_tokens.to_string(),
                "chunked_prefill_size by default for this much memory",
            ));
        }
        if deployment.options.sequences.is_none() {
            notes.push(Assumption::new(
                "max_sequences",
                ROWS.to_string(),
                "max_running_requests is between 2048 and 4096 by default, more with a large pool (resolve_max_num_reqs)",
            ));
        }
        if machine.attention_groups > 1 {
            notes.push(Assumption::new(
                "data_parallel",
                machine.attention_groups.to_string(),
                "data-parallel attention, with experts over all ranks (--enable-dp-attention)",
            ));
        }
    }

    fn states(&self, rank: &Rank<'_>) -> States {
        let deployment = rank.deployment;
        if !self.newer {
            // `ModelRunner.initialize`: no prefixes are kept, and 512 states.
            return States::Fixed(deployment.options.sequences.unwrap_or(512));
        }
        match (rank.settings.prefix_caching, deployment.options.sequences) {
            (false, Some(sequences)) => States::Fixed(sequences),
            (false, None) => States::Share { each: 1 },
            // `_calculate_mamba_ratio`: three, and two that follow the steps that overlap.
            (true, _) => States::Share { each: 5 },
        }
    }

    /// Bytes that joining the ranks takes.
    fn joined(rank: &Rank<'_>) -> u64 {
        Links::of(&rank.deployment.gpu).joining(joined_ranks(rank.deployment), SWITCHED)
    }

    /// Bytes of what holds which token of a request lies where.
    fn table(rank: &Rank<'_>) -> u64 {
        let columns = rank.settings.context.saturating_add(4);
        let rows = rank.settings.sequences.max(rank.settings.concurrency);
        rows.saturating_mul(columns).saturating_mul(4)
    }
}

/// `avail_after_load - avail_before_load · (1 - mem_fraction_static)`: the ranks are joined before, and the table,
/// activations and graphs come after. What is left beside is rounded up, and so the share down.
fn pool(before: i128, weights: u64, share: Share) -> i128 {
    share.of_signed(before) - i128::from(weights)
}

impl Engine for Sglang {
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
        Self::layout(deployment)?;
        Self::model(architecture)?;
        let context = subject.context(deployment, notes)?;
        let cache = self.cache_format(architecture, deployment, notes)?;
        let machine = self.machine(deployment, architecture);
        let (chunk, _) = self.steps(deployment, architecture);
        let settings = Settings {
            context,
            concurrency: deployment.requests(),
            memory_utilization: deployment
                .options
                .memory_utilization
                .unwrap_or_else(|| self.share(subject, deployment)),
            // Data-parallel attention divides the chunk (`_handle_data_parallelism`).
            batched_tokens: (chunk / machine.attention_groups).max(1),
            sequences: deployment.options.sequences.unwrap_or(ROWS),
            block: self.page(architecture, deployment),
            cache,
            model_bytes: 2,
            prefix_caching: deployment.options.prefix_caching.unwrap_or(true),
            encoder_tokens: 0,
        };
        self.notes(deployment, &settings, machine, notes);
        links::note(&deployment.gpu, joined_ranks(deployment), notes);
        Ok(settings)
    }

    fn need(&self, rank: &Rank<'_>, store: &Store, context: u64) -> Need {
        let need = store.need(context, &rank.kept);
        match *store {
            Store::Indexer { width, .. } => Need {
                row: scaled_key(width),
                ..need
            },
            _ => need,
        }
    }

    fn weight_rules(&self) -> WeightRules {
        WeightRules {
            vocabulary_multiple: 64,
            loads_prediction: false,
            host_tables: false,
            towers_everywhere: false,
        }
    }

    fn loaded(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let (_, graphs) = self.steps(rank.deployment, rank.architecture());
        let rows = rank.settings.concurrency.min(graphs.decode.max(1));
        super::step::note(rank, rank.settings.batched_tokens, rows, ledger);
    }

    fn overhead(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let parallel = rank.deployment.options.parallel;
        ledger.add(
            "joined ranks",
            Self::joined(rank),
            Origin::Measured,
            "SGLang's logs of \"Init torch distributed\": eight H200, and four cards on PCIe",
            &|| {
                format!(
                    "buffers of NCCL and of the engine with {} ranks",
                    parallel.expert_ranks().saturating_mul(parallel.pipeline)
                )
            },
        );
        let settings = rank.settings;
        ledger.add(
            "table of requests",
            Self::table(rank),
            Origin::Exact,
            "SGLang 0.5.23, mem_cache/memory_pool.py:ReqToTokenPool",
            &|| {
                format!(
                    "{} rows of {} + 4 tokens in 4 bytes",
                    settings.sequences.max(settings.concurrency),
                    settings.context
                )
            },
        );
    }

    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        super::step::driver(rank, ledger);
    }

    fn graphs(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let (_, graphs) = self.steps(rank.deployment, rank.architecture());
        if graphs.decode == 0 {
            return;
        }
        ledger.add(
            "captured graphs",
            GRAPHS,
            Origin::Measured,
            "SGLang's logs of \"Capture cuda graph end\": 0.93 to 1.44 GiB",
            &|| format!("1 GiB for steps of up to {} sequences", graphs.decode),
        );
    }

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        let before = i128::from(rank.deployment.gpu.usable_bytes)
            - i128::from(used.context)
            - i128::from(Self::joined(rank));
        // `mm_runtime_reservation_gb`: what encoders gave is kept.
        let kept = if self.newer && sees(rank.architecture()) {
            100 * i128::from(MIB)
        } else {
            0
        };
        pool(before, used.weights, rank.settings.memory_utilization) - kept
    }

    fn held(&self, rank: &Rank<'_>, used: &Used) -> Held {
        let room = u64::try_from(self.room(rank, used).max(0)).unwrap_or(u64::MAX);
        Held {
            least: used.total().saturating_add(room),
            beside: Some(used.total()),
        }
    }

    fn reads(&self, answer: Answer, _subject: &Subject) -> Reads {
        let steps = Reads::GPU | Reads::BATCHED_TOKENS | Reads::SEQUENCES | Reads::EAGER;
        let kept = Reads::GPU
            | Reads::CACHE
            | Reads::MODEL_BYTES
            | Reads::ENCODER_TOKENS
            | Reads::PREFIX_CACHING
            | Reads::SEQUENCES
            | Reads::BLOCK
            | Reads::BATCHED_TOKENS;
        match answer {
            Answer::Settings => Reads::ALL.without(Reads::CONCURRENCY),
            Answer::Loaded => Reads::NONE,
            Answer::Activations => steps | Reads::CONCURRENCY,
            // No more requests run than sequences, so that the rows of the table are those.
            Answer::Overhead => Reads::GPU | Reads::CONTEXT | Reads::SEQUENCES,
            Answer::Context => Reads::GPU,
            Answer::Graphs => steps,
            Answer::Reserved => kept,
            Answer::Pool => kept | Reads::CONTEXT,
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let Some(first) = ranks.first() else {
            return refuse(Reason::Layers, "there are no stages to lay a cache out on");
        };
        let windows = self.windows(first.architecture());
        Ok(Box::new(Plan {
            stages: ranks.iter().map(|rank| Kept::of(rank, windows)).collect(),
            states: self.states(first),
            page: first.settings.block,
            chunk: first.settings.batched_tokens,
        }))
    }
}

#[cfg(test)]
mod tests;
