//! What vLLM takes for what a deployment leaves open: defaults by version and GPU.

use super::block::{self, Align, Hybrid};
use super::kinds::Kinds;
use super::rules::Rules;
use super::spec::{self, Basis};
use super::states::{self, Mode};
use super::{cache_dtype, context, refuse};
use crate::architecture::config::Assumption;
use crate::architecture::shared::Shared;
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::hardware::Gpu;
use crate::memory::store::Store;
use crate::subject::Subject;
use serde_json::Value;

/// Where a default is noted.
pub type Notes = Vec<Assumption>;

/// Notes what was taken for something that was not said.
pub fn note(notes: &mut Notes, field: &str, value: &dyn ToString, reason: &str) {
    notes.push(Assumption::new(field, value.to_string(), reason));
}

/// Settles everything.
///
/// # Errors
/// If vLLM cannot run it so.
pub fn settle(
    rules: &Rules,
    subject: &Subject,
    deployment: &Deployment,
    notes: &mut Notes,
) -> Result<Settings, FitError> {
    refuse::vendor(deployment.gpu.vendor)?;
    refuse::experts(deployment)?;
    let gpu = &*deployment.gpu;
    let stores = super::kinds::stores(&subject.architecture, deployment.options.parallel.tensor);
    let kinds = Kinds::of(&stores);
    refuse::context_parallel(subject, deployment, kinds)?;
    refuse::compressed(rules, deployment, kinds)?;
    let context = context::settle(subject, deployment, notes)?;
    let model_bytes = model_bytes(subject, deployment, notes);
    let cache = cache_dtype::settle(rules, subject, deployment, kinds, model_bytes, notes)?;
    let prefix_caching = prefix_caching(rules, deployment, kinds, notes);
    let encoder_tokens = encoder_tokens(&stores, context, notes);
    let basis = Basis {
        rules,
        cache,
        model_bytes,
        encoder_tokens,
        expanded: spec::expands(&subject.architecture.model_type),
        sparse: kinds.sparse,
        gpu,
    };
    let mode = Mode::of(rules, kinds, prefix_caching, gpu);
    let block = self::block(&basis, subject, deployment, &stores, mode, notes)?;
    let (batched_tokens, sequences) = batch(rules, deployment, context, notes);
    let memory_utilization = deployment.options.memory_utilization.unwrap_or_else(|| {
        let reason = "vLLM's default (config/cache.py)";
        note(notes, "gpu_memory_utilization", &rules.utilization, reason);
        rules.utilization
    });
    Ok(Settings {
        context,
        concurrency: deployment.requests(),
        memory_utilization,
        batched_tokens,
        sequences,
        block,
        cache,
        model_bytes,
        prefix_caching,
        encoder_tokens,
    })
}

/// Bytes of a number of the dtype the model runs in: 16 bits, unless weights are asked for in 32 (vLLM 0.19,
/// `config/model.py:_resolve_auto_dtype` runs checkpoints of 32 bits in 16).
fn model_bytes(subject: &Subject, deployment: &Deployment, notes: &mut Notes) -> u64 {
    let asked = deployment.weights.as_ref().map(|scheme| &*scheme.name);
    if asked == Some("fp32") {
        return 4;
    }
    if asked.is_none() && subject.architecture.dtype.as_deref() == Some("float32") {
        let reason = "the config says float32, which vLLM runs in 16 bits; ask for weights in fp32 to keep it";
        note(notes, "dtype", &"bf16", reason);
    }
    2
}

fn prefix_caching(rules: &Rules, deployment: &Deployment, kinds: Kinds, notes: &mut Notes) -> bool {
    let possible = !kinds.states || states::can_keep_prefixes(rules, kinds);
    match deployment.options.prefix_caching {
        Some(true) if !possible => {
            let reason = "this version of vLLM switches it off for this kind of state";
            note(notes, "prefix_caching", &false, reason);
            false
        }
        Some(asked) => asked,
        None => {
            let by_default = if kinds.hybrid() {
                possible && rules.hybrid_prefix
            } else {
                !kinds.states && !kinds.cross
            };
            note(notes, "prefix_caching", &by_default, "vLLM's default");
            by_default
        }
    }
}

fn encoder_tokens(stores: &[Shared<Store>], context: u64, notes: &mut Notes) -> u64 {
    let open = stores
        .iter()
        .flatten()
        .any(|store| matches!(store, Store::Cross { tokens: None, .. }));
    if open {
        let reason =
            "the model does not fix what its encoder gives; as many as the context are taken";
        note(notes, "encoder_tokens", &context, reason);
        context
    } else {
        0
    }
}

/// Tokens of a block of attention.
fn block(
    basis: &Basis<'_>,
    subject: &Subject,
    deployment: &Deployment,
    stores: &[Shared<Store>],
    mode: Mode,
    notes: &mut Notes,
) -> Result<u64, FitError> {
    let (rules, gpu) = (basis.rules, basis.gpu);
    let kinds = Kinds::of(stores);
    if let Some(asked) = deployment.options.block
        && !asked.is_multiple_of(block::KERNEL)
    {
        return Err(FitError::new(
            Reason::Value,
            format!(
                "block_size is {asked}, but vLLM's kernels take multiples of {}",
                block::KERNEL
            ),
        ));
    }
    let begin = block::attention(rules, kinds, deployment.options.block, gpu, basis.cache);
    let block = match Hybrid::of(stores, subject, basis).filter(|_| kinds.hybrid()) {
        Some(hybrid) => {
            let wide = stores
                .iter()
                .flatten()
                .any(|store| matches!(store, Store::KeyValue { key_dim: 256, .. }));
            let align = Align::of(rules, kinds, begin, gpu, wide);
            hybrid.block(begin, chunk(&subject.config, mode, notes), mode, align)
        }
        None => begin,
    };
    if deployment.options.block != Some(block) {
        let reason = if block == begin {
            "vLLM's default for this kind of attention and GPU"
        } else {
            "vLLM raises it until a page of attention holds a state"
        };
        note(notes, "block_size", &block, reason);
    }
    Ok(block)
}

/// Tokens of a chunk of a scan, with which a state per block ends (vLLM 0.19, `config/model.py:get_mamba_chunk_size`).
fn chunk(config: &Value, mode: Mode, notes: &mut Notes) -> u64 {
    let text = config.get("text_config").unwrap_or(config);
    let stated = ["mamba_chunk_size", "chunk_size"]
        .iter()
        .find_map(|name| text.get(name)?.as_u64());
    stated.unwrap_or_else(|| {
        if mode == Mode::PerBlock {
            let reason = "the config states none, where vLLM takes this";
            note(notes, "chunk_size", &2048, reason);
        }
        2048
    })
}

/// Tokens and sequences of a step (vLLM 0.19, `engine/arg_utils.py:get_batch_defaults` and
/// `_set_default_max_num_seqs_and_batched_tokens_args`, for the server; 0.11, `_set_default_args`, has no cap).
fn batch(rules: &Rules, deployment: &Deployment, context: u64, notes: &mut Notes) -> (u64, u64) {
    let (tokens, sequences) = batch_defaults(rules, &deployment.gpu);
    let reason = "vLLM's default for a server on this GPU";
    let batched = deployment.options.batched_tokens.unwrap_or_else(|| {
        let most = deployment
            .options
            .sequences
            .unwrap_or(sequences)
            .saturating_mul(context);
        let batched = if rules.capped_batches {
            tokens.min(most)
        } else {
            tokens
        };
        note(notes, "max_batched_tokens", &batched, reason);
        batched
    });
    let sequences = deployment.options.sequences.unwrap_or_else(|| {
        let sequences = sequences.min(batched);
        note(notes, "max_sequences", &sequences, reason);
        sequences
    });
    (batched, sequences)
}

fn batch_defaults(rules: &Rules, gpu: &Gpu) -> (u64, u64) {
    const GIB: u64 = 1 << 30;
    let name = gpu.name.to_ascii_lowercase();
    // DGX Spark has the memory but not the compute (0.33, the same function).
    let slow =
        name.contains("a100") || (rules.large_batches && gpu.compute_capability == Some((12, 1)));
    if rules.large_batches && gpu.usable_bytes >= 160 * GIB {
        (16384, 1024)
    } else if gpu.usable_bytes >= 70 * GIB && !slow {
        (8192, 1024)
    } else {
        (2048, 256)
    }
}
