//! llama.cpp: its server with all layers on GPUs.
//!
//! Not described: layers or experts left on the host, splitting by rows or tensors over GPUs, drafts, several models.

mod build;
mod cells;
mod compute;

use super::{Answer, CachePlan, Engine, Entry, Held, Rank, Reads, Used, Version};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::{Mixer, Recurrence};
use crate::checkpoint::Role;
use crate::deployment::{Deployment, FitError, Reason, Settings, Share};
use crate::hardware::Vendor;
use crate::memory::body::Piece;
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use build::Build;
use cells::{Kept, Plan, Rules};
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "llama.cpp",
    aliases: &["llamacpp", "llama-cpp"],
    oldest: "b6000",
    newest: "b10864",
    summary: "llama-server with all layers on the GPUs: cells, windows and states by build, compute buffers",
    make: |version| {
        Arc::new(LlamaCpp {
            build: Build::of(&version),
            version,
        })
    },
};

/// Formats that its caches can have (`common/arg.cpp:kv_cache_types`).
const FORMATS: &[&str] = &[
    "fp32", "fp16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1",
];

/// Tokens of one step (`common/common.h`, `n_ubatch`).
const STEP: u64 = 512;

/// What was measured of the driver beside what llama.cpp allocates, on a card of 8 GB.
const CONTEXT: u64 = 153 << 20;

/// llama.cpp at a build.
#[derive(Debug)]
struct LlamaCpp {
    version: Version,
    build: Build,
}

fn refuse<T>(reason: Reason, message: impl Into<String>) -> Result<T, FitError> {
    Err(FitError::new(reason, message))
}

/// Mixers that remember keys and values, with their widths per head and the heads: (keys, values, heads of each).
fn widths(architecture: &Architecture) -> impl Iterator<Item = (u64, u64, u64)> {
    architecture
        .decoder()
        .flat_map(|layer| &layer.mixers)
        .filter_map(|mixer| match *mixer {
            Mixer::Attention {
                key_dim,
                value_dim,
                kv_heads,
                ..
            } => Some((key_dim, value_dim, kv_heads)),
            Mixer::Latent { rank, rope_dim, .. } => Some((rank.saturating_add(rope_dim), rank, 1)),
            _ => None,
        })
}

/// Whether there is a kernel of flash attention for every layer
/// (`ggml-cuda/fattn.cu:ggml_cuda_get_best_fattn_kernel`).
fn has_kernels(architecture: &Architecture) -> bool {
    widths(architecture).all(|(key, value, _)| {
        matches!(key, 40 | 64 | 72 | 80 | 96 | 112 | 128 | 256 | 512) && key == value
            || matches!((key, value), (192, 128) | (320, 256) | (576, 512))
    })
}

/// Whether windows are kept as such: where only some layers have one. Families in which every layer has one are read as
/// if none had (`src/models/llama.cpp` sets no window; `phi3.cpp` switches it off).
fn keeps_windows(architecture: &Architecture) -> bool {
    architecture
        .decoder()
        .flat_map(|layer| &layer.mixers)
        .any(|mixer| match mixer {
            Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => {
                reach.saturates().is_none()
            }
            _ => false,
        })
}

impl LlamaCpp {
    fn rules(&self, architecture: &Architecture, deployment: &Deployment) -> Rules {
        Rules {
            build: self.build,
            flash: self.build.flash && has_kernels(architecture),
            asked: deployment.options.sequences,
            step: deployment.options.batched_tokens.unwrap_or(STEP),
        }
    }

    fn layout(deployment: &Deployment) -> Result<(), FitError> {
        let parallel = deployment.options.parallel;
        for (name, degree) in [
            ("tensor_parallel", parallel.tensor),
            ("expert_parallel", parallel.expert),
            ("data_parallel", parallel.data),
            ("context_parallel", parallel.context),
        ] {
            if degree > 1 {
                return refuse(
                    Reason::Engine,
                    format!(
                        "{name} is {degree}, but of llama.cpp only the split by layers is described; use pipeline_parallel"
                    ),
                );
            }
        }
        let said = [
            (
                "gpu_memory_utilization",
                deployment.options.memory_utilization.is_some(),
            ),
            ("block_size", deployment.options.block.is_some()),
            ("kv_cache_memory", deployment.options.cache_memory.is_some()),
        ];
        match said.iter().find(|(_, said)| *said) {
            Some((name, _)) => refuse(
                Reason::Engine,
                format!("llama.cpp has no {name}: it takes what the context needs; leave it out"),
            ),
            None => Ok(()),
        }
    }

    fn model(architecture: &Architecture) -> Result<(), FitError> {
        let what = architecture
            .decoder()
            .flat_map(|layer| &layer.mixers)
            .find_map(|mixer| match mixer {
                Mixer::Compressed { .. } => Some("attention over entries for several tokens"),
                Mixer::Cross { .. } => Some("attention over the output of an encoder"),
                Mixer::State {
                    recurrence: Recurrence::Rglru | Recurrence::Xlstm,
                    ..
                } => Some("such a recurrent mixer"),
                _ => None,
            });
        match what {
            Some(what) => refuse(
                Reason::Engine,
                format!("{what} is not described of llama.cpp; choose another engine"),
            ),
            None => Ok(()),
        }
    }

    fn cache_format(
        architecture: &Architecture,
        deployment: &Deployment,
        flash: bool,
        notes: &mut Vec<Assumption>,
    ) -> Result<CacheFormat, FitError> {
        let Some(format) = deployment.cache else {
            notes.push(Assumption::new(
                "cache",
                "fp16",
                "llama.cpp keeps keys and values so, whatever the model has (common/common.h, cache_type_k and cache_type_v)",
            ));
            return CacheFormat::named("fp16").map_err(|error| FitError::new(Reason::Cache, error));
        };
        if !FORMATS.contains(&format.name) {
            return refuse(
                Reason::Cache,
                format!(
                    "llama.cpp keeps no cache in {}; it has {}",
                    format.name,
                    FORMATS.join(", ")
                ),
            );
        }
        if format.numbers == 1 {
            return Ok(format);
        }
        if !flash {
            return refuse(
                Reason::Cache,
                format!(
                    "a cache in {} needs flash attention, which this build or the widths of the heads leave off; use fp16",
                    format.name
                ),
            );
        }
        let uneven = widths(architecture)
            .flat_map(|(key, value, _)| [key, value])
            .find(|width| !width.is_multiple_of(format.numbers));
        match uneven {
            Some(width) => refuse(
                Reason::Cache,
                format!(
                    "a cache in {} has blocks of {} numbers, which heads of {width} do not divide into; use fp16",
                    format.name, format.numbers
                ),
            ),
            None => Ok(format),
        }
    }

    fn notes(
        subject: &Subject,
        deployment: &Deployment,
        rules: &Rules,
        slots: (u64, bool),
        notes: &mut Vec<Assumption>,
    ) {
        if deployment.weights.is_none() {
            notes.push(Assumption::new(
                "weights",
                subject.label.clone(),
                "llama.cpp loads GGUF only: the file is taken to be converted as the checkpoint is stored, with vectors, norms and routers in 32 bits (conversion/base.py)",
            ));
        }
        notes.push(Assumption::new(
            "layers",
            "all on the GPU",
            "the table of embeddings, the output buffer and what a step reads stay in the memory of the host, and count for no GPU (llama-model.cpp, dev_input)",
        ));
        if deployment.options.sequences.is_none() {
            let (slots, shared) = slots;
            notes.push(Assumption::new(
                "max_sequences",
                slots.to_string(),
                if shared {
                    "the server's own number of slots, which share one cache (tools/server/server.cpp)"
                } else {
                    "a slot for each request, with a cache of its own"
                },
            ));
        }
        notes.push(Assumption::new(
            "flash_attention",
            if rules.flash { "on" } else { "off" },
            "as this build takes it for heads of these widths",
        ));
        if deployment.options.batched_tokens.is_none() {
            notes.push(Assumption::new(
                "max_batched_tokens",
                STEP.to_string(),
                "the default of --ubatch-size (common/common.h)",
            ));
        }
        if deployment.options.parallel.pipeline > 1 {
            notes.push(Assumption::new(
                "pipeline",
                "even",
                "llama.cpp deals layers out by free memory; here as evenly as they go",
            ));
        }
    }
}

/// Whether the converter writes it in 32 bits whatever the rest has (`conversion/base.py:prepare_tensors`).
fn is_float(piece: &Piece) -> bool {
    piece.shape.len() < 2
        || matches!(piece.role, Role::Norm | Role::Router)
        || piece.pattern.contains("conv1d")
}

impl Engine for LlamaCpp {
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
        let rules = self.rules(architecture, deployment);
        let cache = Self::cache_format(architecture, deployment, rules.flash, notes)?;
        let most = self.build.most_sequences;
        if let Some(asked) = deployment.options.sequences.filter(|&asked| asked > most) {
            return refuse(
                Reason::Value,
                format!(
                    "max_sequences is {asked}, more than the {most} that this build of llama.cpp has room for"
                ),
            );
        }
        let slots = rules.slots(deployment.concurrency);
        Self::notes(subject, deployment, &rules, slots, notes);
        let cells = rules.cells(context, deployment.concurrency);
        Ok(Settings {
            context,
            concurrency: deployment.concurrency,
            memory_utilization: Share::ONE,
            batched_tokens: cells.step,
            sequences: deployment
                .options
                .sequences
                .unwrap_or(cells.sequences.min(most)),
            block: 1,
            cache,
            model_bytes: 4,
            prefix_caching: deployment.options.prefix_caching.unwrap_or(true),
            encoder_tokens: 0,
        })
    }

    fn weight_rules(&self) -> WeightRules {
        WeightRules {
            vocabulary_multiple: 1,
            loads_prediction: false,
            host_tables: true,
            towers_everywhere: false,
        }
    }

    fn loaded(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        // Schemes of GGUF have these in 32 bits already.
        let scheme = rank.deployment.weights.as_deref();
        if scheme.is_some_and(|scheme| !matches!(scheme.name.as_str(), "bf16" | "fp16")) {
            return;
        }
        let pieces = rank.subject.pieces(scheme);
        let more = pieces
            .iter()
            .filter(|piece| is_float(piece) && piece.bytes == piece.elements.saturating_mul(2))
            .filter(|piece| !matches!(piece.role, Role::Embedding | Role::Position | Role::Mtp))
            .fold(0_u64, |sum, piece| {
                let times = rank.stage.times(piece, false);
                let all = piece.each.saturating_mul(piece.bytes);
                sum.saturating_add(times.saturating_mul(all))
            });
        ledger.add(
            "vectors in 32 bits",
            more,
            Origin::Exact,
            "llama.cpp, conversion/base.py:prepare_tensors",
            &|| {
                "2 bytes more of each number of vectors, norms, routers and convolutions".to_owned()
            },
        );
    }

    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let rules = self.rules(rank.architecture(), rank.deployment);
        let cells = rules.cells(rank.settings.context, rank.settings.concurrency);
        let windowed = keeps_windows(rank.architecture());
        compute::note(rank, &rules, cells, windowed, ledger);
    }

    /// Pools of kernels, which grow with what they run, are not described; the cache in 16 bits is among activations.
    fn overhead(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let gpu = &rank.deployment.gpu;
        if !matches!(gpu.vendor, Vendor::Nvidia | Vendor::Any) {
            return;
        }
        ledger.add(
            "CUDA context",
            CONTEXT,
            Origin::Measured,
            "what a card of 8 GB held beside the buffers that llama.cpp prints",
            &|| {
                "153 MiB, measured on another card; 0.15 to 0.75 GiB were seen elsewhere".to_owned()
            },
        );
    }

    fn graphs(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        i128::from(rank.deployment.gpu.usable_bytes) - i128::from(used.total())
    }

    fn held(&self, _rank: &Rank<'_>, used: &Used) -> Held {
        Held {
            least: 0,
            beside: Some(used.total()),
        }
    }

    fn reads(&self, answer: Answer, _subject: &Subject) -> Reads {
        let cells = Reads::CACHE | Reads::BATCHED_TOKENS | Reads::SEQUENCES;
        let asked = Reads::CONTEXT | Reads::CONCURRENCY;
        match answer {
            Answer::Settings => {
                cells
                    | asked
                    | Reads::UTILIZATION
                    | Reads::BLOCK
                    | Reads::PREFIX_CACHING
                    | Reads::CACHE_MEMORY
            }
            Answer::Loaded => Reads::WEIGHTS,
            Answer::Activations | Answer::Pool => cells | asked,
            Answer::Reserved => cells,
            Answer::Overhead | Answer::Graphs => Reads::NONE,
            Answer::Context => Reads::GPU,
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let Some(first) = ranks.first() else {
            return refuse(Reason::Layers, "there are no stages to lay a cache out on");
        };
        let architecture = first.architecture();
        let rules = self.rules(architecture, first.deployment);
        let windowed = keeps_windows(architecture);
        // Without flash attention values lie transposed, in tensors that are all as wide as the widest.
        let values = if rules.flash {
            None
        } else {
            widths(architecture)
                .map(|(_, value, heads)| value.saturating_mul(heads))
                .max()
        };
        Ok(Box::new(Plan {
            rules,
            stages: ranks
                .iter()
                .map(|rank| Kept::of(rank, self.build, values, windowed))
                .collect(),
        }))
    }
}

#[cfg(test)]
mod tests;
