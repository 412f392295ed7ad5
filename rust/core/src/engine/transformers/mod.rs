//! transformers: what its cache classes hold, beside PyTorch's own memory.
//!
//! `generate()` with a dynamic cache: the whole prompt goes through at once, the cache grows by concatenation, and only
//! the last token of each sequence gets logits. Sequences are taken to be alike in length, so that none is padded.

mod activations;
mod cache;
mod classes;
mod layout;
mod plan;
mod quantized;

use super::{Answer, CachePlan, Engine, Entry, Rank, Reads, Used, Version, step};
use crate::architecture::config::Assumption;
use crate::architecture::layer::{Layer, Mixer, Reach, Stack};
use crate::checkpoint::Role;
use crate::deployment::{Deployment, FitError, Reason, Settings, Share};
use crate::hardware::{Gpu, Vendor};
use crate::memory::allocation;
use crate::memory::forward;
use crate::memory::fused::{self, Fusing};
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::split::Split;
use crate::memory::store::{Need, Store};
use crate::memory::torch;
use crate::memory::weights::WeightRules;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use activations::{Moment, Pass};
use cache::{Classes, Held};
use classes::Otherwise;
use plan::Plan;
use quantized::Quantized;
use std::sync::Arc;

/// The row of the table.
pub const ENTRY: Entry = Entry {
    name: "transformers",
    aliases: &["hf"],
    oldest: "4.57",
    newest: "5.23",
    summary: "generate() of transformers: dynamic cache, memory by PyTorch's allocator",
    make: |version| Arc::new(Transformers { version }),
};

const GENERATE: &str = "transformers 5.23.0, generation/utils.py:GenerationMixin._sample";
const LAYERS: &str = "transformers 5.23.0, models/llama/modeling_llama.py and integrations/moe.py";
const MASKS: &str = "transformers 5.23.0, masking_utils.py:sdpa_mask";
const CACHES: &str = "transformers 5.23.0, cache_utils.py";

/// transformers at a version.
#[derive(Debug)]
struct Transformers {
    version: Version,
}

impl Engine for Transformers {
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
        layout::check(subject, deployment, notes)?;
        let context = subject.context(deployment, notes)?;
        let (model, model_bytes) = self.dtype(subject, deployment, notes);
        let plain = CacheFormat::named(model).map_err(|why| FitError::new(Reason::Cache, why))?;
        let cache = match deployment.cache {
            Some(format) if format.name != plain.name => {
                Quantized::of(format, &subject.architecture, &self.version)?.format(model_bytes)
            }
            _ => plain,
        };
        let gpu = &deployment.gpu;
        if !is_host(gpu) && gpu.context_bytes.is_none() {
            notes.push(Assumption::new(
                "cuda_context",
                gpu.cuda_context().0.to_string(),
                "nothing was measured on this GPU; that of an H100 is taken",
            ));
        }
        let recurs = subject.architecture.decoder().any(|layer| {
            layer
                .mixers
                .iter()
                .any(|mixer| matches!(mixer, Mixer::State { .. }))
        });
        if recurs {
            notes.push(Assumption::new(
                "kernels",
                "installed",
                "the kernels of recurrent layers (mamba-ssm, causal-conv1d, flash-linear-attention) are taken to be there; without them PyTorch holds many times as much",
            ));
        }
        if deployment.concurrency > 1 {
            notes.push(Assumption::new(
                "concurrency",
                deployment.concurrency.to_string(),
                "sequences of one batch are taken to be alike in length, so that none is padded",
            ));
        }
        Ok(Settings {
            context,
            concurrency: deployment.concurrency,
            memory_utilization: deployment.options.memory_utilization.unwrap_or(Share::ONE),
            batched_tokens: deployment
                .options
                .batched_tokens
                .unwrap_or(context)
                .min(context),
            sequences: deployment
                .options
                .sequences
                .unwrap_or(deployment.concurrency),
            block: 1,
            cache,
            model_bytes,
            prefix_caching: false,
            encoder_tokens: encoder_tokens(subject, context, notes),
        })
    }

    fn need(&self, rank: &Rank<'_>, store: &Store, context: u64) -> Need {
        self.classes(rank).need(store, context, &rank.kept)
    }

    fn weight_rules(&self) -> WeightRules {
        WeightRules {
            vocabulary_multiple: 1,
            // `_keys_to_ignore_on_load_unexpected` of the classes.
            loads_prediction: false,
            host_tables: false,
            towers_everywhere: false,
        }
    }

    fn loaded(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        whole_tables(rank, ledger);
        self.rounding(rank, ledger);
        if rank.architecture().rope.is_some()
            && let Some(dim) = rotary_dim(rank)
        {
            let bytes = allocation::counted(dim.div_ceil(2).saturating_mul(4)).saturating_mul(2);
            ledger.add(
                "rotary frequencies",
                bytes,
                Origin::Exact,
                "transformers 5.23.0, models/llama/modeling_llama.py:LlamaRotaryEmbedding",
                &|| format!("2 buffers of {} numbers x 4 B, in blocks of 512 B", dim / 2),
            );
        }
    }

    fn activations(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let pass = self.pass(rank);
        let held = self.held_by(rank);
        let sequences = pass.sequences;
        let behind = held
            .iter()
            .map(|held| held.behind_slices(pass.context, pass.step))
            .fold(0_u64, u64::saturating_add)
            .saturating_mul(sequences);
        let masks = masks(rank, &pass);
        let mask_bytes = pass.mask().saturating_mul(masks);
        let encoded = encoder_output(rank, &pass);
        let widest = widest(rank, &pass);
        let prefill = widest
            .bytes
            .saturating_add(behind)
            .saturating_add(mask_bytes)
            .saturating_add(encoded);
        let lengthened = held
            .iter()
            .map(|held| held.lengthened(pass.context))
            .max()
            .unwrap_or(0)
            .saturating_mul(sequences);
        if lengthened > prefill {
            ledger.add(
                "cache while it is lengthened",
                lengthened,
                Origin::Mechanism,
                CACHES,
                &|| {
                    format!(
                        "keys or values of one layer, old and new: {lengthened} B more while one token is added"
                    )
                },
            );
            return;
        }
        ledger.add(
            widest.name,
            widest.bytes,
            Origin::Mechanism,
            if widest.name == "logits" {
                GENERATE
            } else {
                LAYERS
            },
            &|| widest.formula.clone(),
        );
        ledger.add(
            "attention masks",
            mask_bytes,
            Origin::Mechanism,
            MASKS,
            &|| format!("{masks} masks of {} x {} tokens", pass.step, pass.context),
        );
        ledger.add(
            "prompt behind windows",
            behind,
            Origin::Exact,
            "transformers 5.23.0, cache_utils.py:DynamicSlidingWindowLayer",
            &|| {
                format!(
                    "{sequences} sequences x what slices of {} tokens hold beside what they show",
                    pass.step
                )
            },
        );
        ledger.add("encoder output", encoded, Origin::Exact, GENERATE, &|| {
            format!(
                "{sequences} sequences x {} tokens x {} hidden x {} B",
                rank.kept.encoder_tokens, pass.hidden, pass.model_bytes
            )
        });
    }

    fn overhead(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        let gpu = &rank.deployment.gpu;
        if is_host(gpu) {
            return;
        }
        let workspace = torch::workspace(gpu.compute_capability);
        ledger.add(
            "cuBLAS workspace",
            workspace,
            Origin::Mechanism,
            torch::WORKSPACE,
            &|| match gpu.compute_capability {
                Some((9, 0)) => "32 MiB on Hopper".to_owned(),
                _ => "2 x 4 MiB + 8 x 16 KiB".to_owned(),
            },
        );
        let segments = torch::SMALL_SEGMENT + torch::LARGE_SEGMENT;
        ledger.add(
            "segments that are not full",
            segments,
            Origin::Mechanism,
            torch::ALLOCATOR,
            &|| "one of 2 MiB for small and one of 20 MiB for large tensors".to_owned(),
        );
    }

    fn context(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        if !is_host(&rank.deployment.gpu) {
            step::driver(rank, ledger);
        }
    }

    fn graphs(&self, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}

    fn room(&self, rank: &Rank<'_>, used: &Used) -> i128 {
        let usable = rank
            .settings
            .memory_utilization
            .of(rank.deployment.gpu.usable_bytes);
        i128::from(usable) - i128::from(used.total())
    }

    fn held(&self, _rank: &Rank<'_>, used: &Used) -> super::Held {
        super::Held {
            least: 0,
            beside: Some(used.total()),
        }
    }

    fn reads(&self, answer: Answer, _subject: &Subject) -> Reads {
        let kept = Reads::CACHE | Reads::MODEL_BYTES | Reads::ENCODER_TOKENS;
        match answer {
            Answer::Settings => {
                Reads::GPU
                    | Reads::WEIGHTS
                    | Reads::CACHE
                    | Reads::CONTEXT
                    | Reads::CONCURRENCY
                    | Reads::UTILIZATION
                    | Reads::BATCHED_TOKENS
                    | Reads::SEQUENCES
            }
            Answer::Loaded => Reads::WEIGHTS | Reads::GPU,
            Answer::Activations => {
                kept | Reads::CONTEXT | Reads::CONCURRENCY | Reads::BATCHED_TOKENS
            }
            Answer::Overhead | Answer::Context => Reads::GPU,
            Answer::Graphs => Reads::NONE,
            Answer::Reserved => kept,
            Answer::Pool => kept | Reads::CONTEXT | Reads::CONCURRENCY,
        }
    }

    fn cache(&self, ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        Ok(Box::new(Plan::of(ranks, |rank| self.classes(rank))))
    }
}

impl Transformers {
    /// What the allocator counts for tensors beyond their bytes. From version 5 on the experts of a layer lie in two
    /// (`core_model_loading.py`, `conversion_mapping.py`).
    fn rounding(&self, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
        if is_host(&rank.deployment.gpu) {
            return;
        }
        let fusing = if self.version.at_least(&[5]) {
            Fusing::Experts
        } else {
            Fusing::Nothing
        };
        let (over, count) = fused::rounding(&fused::tensors(
            &rank.subject.held(rank.deployment),
            rank.architecture(),
            rank.stage,
            rank.deployment.options.parallel,
            self.weight_rules(),
            fusing,
        ));
        ledger.add(
            "rounding of the allocator",
            over,
            Origin::Mechanism,
            "c10/cuda/CUDACachingAllocator.cpp, measured on an H100 with torch 2.11",
            &|| format!("what {count} tensors are counted for beyond their bytes"),
        );
    }

    /// The dtype that a model runs in: its name among cache formats, and its bytes.
    fn dtype(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> (&'static str, u64) {
        let scheme = deployment.weights.as_deref().map(|scheme| &*scheme.name);
        let stated = subject.architecture.dtype.as_deref();
        // A scheme of whole numbers is a dtype, and goes before what the config states.
        let stated = stated.filter(|_| !matches!(scheme, Some("fp32" | "fp16" | "bf16")));
        let (name, bytes) = match (scheme, stated) {
            (Some("fp32"), _) | (_, Some("float32" | "torch.float32")) => ("fp32", 4),
            (Some("fp16"), _) | (_, Some("float16" | "torch.float16")) => ("fp16", 2),
            (Some("bf16"), _) | (_, Some("bfloat16" | "torch.bfloat16")) => ("bf16", 2),
            _ if subject.storage == "fp32" => ("fp32", 4),
            _ => {
                notes.push(Assumption::new(
                    "dtype",
                    "bfloat16",
                    "the config states none that is known",
                ));
                ("bf16", 2)
            }
        };
        if !self.version.at_least(&[5]) {
            notes.push(Assumption::new(
                "dtype",
                "auto",
                "before version 5, from_pretrained loads in float32 unless dtype is given; \"auto\" is taken to be",
            ));
        }
        (name, bytes)
    }

    fn classes(&self, rank: &Rank<'_>) -> Classes {
        let architecture = rank.architecture();
        // What was settled is either the model's own dtype or a way of quantizing.
        let quantized = Quantized::of(rank.settings.cache, architecture, &self.version).ok();
        Classes::of(architecture, &self.version, quantized)
    }

    fn held_by<'a>(&self, rank: &'a Rank<'_>) -> Vec<Held<'a>> {
        let classes = self.classes(rank);
        rank.layers
            .iter()
            .zip(rank.stores.iter())
            .map(|(layer, stores)| Held::new(layer, stores, rank.kept, classes))
            .collect()
    }

    fn pass(&self, rank: &Rank<'_>) -> Pass {
        let architecture = rank.architecture();
        let model_bytes = rank.settings.model_bytes;
        let mut scores = None;
        let mut weighed = 4;
        for does in classes::of(&architecture.model_type, &self.version) {
            match does {
                Otherwise::Scores => scores = Some(model_bytes.saturating_mul(2).saturating_add(4)),
                Otherwise::ScoresWithSinks => scores = Some(model_bytes.saturating_mul(3)),
                Otherwise::NarrowWeights => weighed = model_bytes,
                _ => {}
            }
        }
        let local = |layer: &&&Layer| {
            let reaches = layer.mixers.iter().filter_map(reach);
            reaches.into_iter().any(|reach| reach != Reach::Full)
        };
        let locals = rank.layers.iter().filter(local).count();
        let mixed = locals > 0 && locals < rank.layers.len();
        Pass {
            sequences: rank.settings.concurrency,
            step: rank.settings.batched_tokens,
            context: rank.settings.context,
            hidden: architecture.hidden_size.unwrap_or(0),
            model_bytes,
            grouped: self.version.at_least(&[5]),
            scores,
            weighed,
            tables: rotary_dim(rank)
                .filter(|_| architecture.rope.is_some())
                .unwrap_or(0)
                .saturating_mul(if mixed { 4 } else { 2 }),
            latent: self.version.at_least(&[5, 15]),
        }
    }
}

/// The moment at which the layers of a stage, and the head on the last, hold the most.
fn widest(rank: &Rank<'_>, pass: &Pass) -> Moment {
    let architecture = rank.architecture();
    let ranks = rank.deployment.options.parallel.tensor;
    let mut widest = pass.norm();
    let mut seen = Vec::new();
    for layer in &rank.layers {
        let masked = layer
            .mixers
            .iter()
            .filter_map(reach)
            .any(|reach| pass.has_mask(reach));
        for block in forward::blocks(architecture, layer, ranks) {
            // Most layers are like others.
            if !seen.contains(&(block, masked)) {
                widest = widest.larger(pass.of(&block, masked));
                seen.push((block, masked));
            }
        }
    }
    if rank.stage.is_last() {
        widest = widest.larger(pass.head(architecture.vocab_size.unwrap_or(0), ranks));
    }
    widest
}

fn is_host(gpu: &Gpu) -> bool {
    matches!(gpu.vendor, Vendor::Cpu | Vendor::Apple)
}

const fn reach(mixer: &Mixer) -> Option<Reach> {
    match *mixer {
        Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => Some(reach),
        Mixer::Compressed { window, .. } => Some(Reach::Sliding(window)),
        Mixer::State { .. } | Mixer::Cross { .. } | Mixer::Stateless => None,
    }
}

/// How many masks are made: one for each reach of the layers here, where a kernel needs one.
fn masks(rank: &Rank<'_>, pass: &Pass) -> u64 {
    let mut reaches: Vec<Reach> = Vec::new();
    for reach in rank
        .layers
        .iter()
        .flat_map(|layer| &layer.mixers)
        .filter_map(reach)
    {
        if pass.has_mask(reach) && !reaches.contains(&reach) {
            reaches.push(reach);
        }
    }
    reaches.len() as u64
}

/// Tokens that an encoder gives: as many as fit the context, where the model does not fix it.
fn encoder_tokens(subject: &Subject, context: u64, notes: &mut Vec<Assumption>) -> u64 {
    let open = subject.architecture.decoder().any(|layer| {
        layer
            .mixers
            .iter()
            .any(|mixer| matches!(mixer, Mixer::Cross { tokens: None, .. }))
    });
    if !open {
        return 0;
    }
    notes.push(Assumption::new(
        "encoder_tokens",
        context.to_string(),
        "the encoder is taken to read as many tokens as the decoder writes",
    ));
    context
}

/// Bytes of what an encoder gave, which is kept as long as the decoder writes.
fn encoder_output(rank: &Rank<'_>, pass: &Pass) -> u64 {
    let has_encoder = rank
        .architecture()
        .layers
        .iter()
        .any(|layer| layer.stack == Stack::Encoder);
    if !has_encoder {
        return 0;
    }
    pass.sequences
        .saturating_mul(rank.kept.encoder_tokens)
        .saturating_mul(pass.hidden)
        .saturating_mul(pass.model_bytes)
}

fn rotary_dim(rank: &Rank<'_>) -> Option<u64> {
    rank.layers
        .iter()
        .flat_map(|layer| &layer.mixers)
        .find_map(|mixer| match *mixer {
            Mixer::Attention { key_dim, .. } => Some(key_dim),
            Mixer::Latent { rope_dim, .. } => Some(rope_dim),
            _ => None,
        })
}

/// Plans cut no tables of embeddings: every rank looks tokens up by itself.
fn whole_tables(rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    let parallel = rank.deployment.options.parallel;
    if parallel.tensor <= 1 {
        return;
    }
    let pieces = rank.subject.pieces(rank.deployment.weights.as_deref());
    let rest = pieces
        .iter()
        .filter(|piece| piece.role == Role::Embedding)
        .map(|piece| {
            let shared = Split::of(piece).bytes(piece, None, parallel, 1);
            let whole = piece.each.saturating_mul(piece.bytes);
            whole
                .saturating_sub(shared)
                .saturating_mul(piece.total() / whole.max(1))
        })
        .fold(0_u64, u64::saturating_add);
    ledger.add(
        "tables that every rank has whole",
        rest,
        Origin::Exact,
        "transformers 5.23.0, models/llama/configuration_llama.py:base_model_tp_plan",
        &|| {
            format!(
                "{} of {} shares of the tables of embeddings",
                parallel.tensor - 1,
                parallel.tensor
            )
        },
    );
}
