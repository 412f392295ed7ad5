//! What vLLM takes for what a deployment leaves open: defaults by version and GPU.

use super::block::{self, Align, Hybrid};
use super::kinds::Kinds;
use super::rules::Rules;
use super::spec::{self, Basis};
use super::states::{self, Mode};
use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::hardware::{Gpu, Vendor};
use crate::memory::store::Store;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use serde_json::Value;

/// Where a default is noted.
type Notes = Vec<Assumption>;

fn note(notes: &mut Notes, field: &str, value: &dyn ToString, reason: &str) {
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
    refuse_vendor(deployment.gpu.vendor)?;
    refuse_experts(deployment)?;
    let gpu = &*deployment.gpu;
    let stores = super::kinds::stores(&subject.architecture, deployment.parallel.tensor);
    let kinds = Kinds::of(&stores);
    refuse_context_parallel(subject, deployment, kinds)?;
    let context = context(subject, deployment, notes)?;
    let model_bytes = model_bytes(subject, deployment, notes);
    let cache = cache(rules, subject, deployment, kinds, model_bytes, notes)?;
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
    let memory_utilization = deployment.memory_utilization.unwrap_or_else(|| {
        let reason = "vLLM's default (config/cache.py)";
        note(notes, "gpu_memory_utilization", &rules.utilization, reason);
        rules.utilization
    });
    Ok(Settings {
        context,
        concurrency: deployment
            .concurrency
            .div_ceil(deployment.parallel.data.max(1)),
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

fn refuse_vendor(vendor: Vendor) -> Result<(), FitError> {
    match vendor {
        Vendor::Nvidia | Vendor::Amd | Vendor::Intel | Vendor::Any | Vendor::Other => Ok(()),
        Vendor::Apple | Vendor::Amazon | Vendor::Cpu | Vendor::Google => Err(FitError::new(
            Reason::Engine,
            format!(
                "vllm is described for GPUs of NVIDIA, AMD and Intel, not for {vendor}; choose another engine"
            ),
        )),
    }
}

/// Experts are either cut like the rest, or dealt out over all ranks of all replicas (vLLM 0.19,
/// `layers/fused_moe/config.py:FusedMoEParallelConfig.make`).
fn refuse_experts(deployment: &Deployment) -> Result<(), FitError> {
    let parallel = deployment.parallel;
    let all = parallel.expert_ranks();
    if parallel.expert == 1 || parallel.expert == all {
        return Ok(());
    }
    Err(FitError::new(
        Reason::Experts,
        format!(
            "expert_parallel is {}, but vLLM deals experts out over all ranks or none: use 1 or tensor_parallel times \
             data_parallel, {all}",
            parallel.expert
        ),
    ))
}

/// Decode context parallelism lies within tensor parallelism (vLLM 0.19,
/// `config/model.py:verify_with_parallel_config`, `config/parallel.py`).
fn refuse_context_parallel(
    subject: &Subject,
    deployment: &Deployment,
    kinds: Kinds,
) -> Result<(), FitError> {
    let parallel = deployment.parallel;
    let (ranks, over) = (parallel.tensor, parallel.context);
    if over == 1 {
        return Ok(());
    }
    let refuse = |reason, message| Err(FitError::new(reason, message));
    if !ranks.is_multiple_of(over) {
        return refuse(
            Reason::Value,
            format!(
                "context_parallel is {over}, but vLLM deals tokens out within tensor_parallel, {ranks}, which does not \
                 divide by it"
            ),
        );
    }
    if kinds.windows || kinds.states {
        return refuse(
            Reason::Engine,
            "context_parallel must be 1 in vLLM for models with windows or states".to_owned(),
        );
    }
    if kinds.latent {
        return Ok(());
    }
    let heads = kv_heads(subject).unwrap_or(1).max(1);
    if ranks <= heads || over > ranks / heads {
        return refuse(
            Reason::KvHeads,
            format!(
                "context_parallel is {over}, but with {heads} heads of keys and values and tensor_parallel {ranks} \
                 vLLM has {} ranks with the same heads to deal tokens out to",
                ranks / heads
            ),
        );
    }
    Ok(())
}

fn kv_heads(subject: &Subject) -> Option<u64> {
    super::kinds::stores(&subject.architecture, 1)
        .iter()
        .flatten()
        .filter_map(|store| match *store {
            Store::KeyValue { heads, .. } => Some(heads),
            _ => None,
        })
        .max()
}

/// The longest context vLLM allows, and what it takes by default (vLLM 0.19, `config/model.py:_get_and_verify_max_len`).
fn context(subject: &Subject, deployment: &Deployment, notes: &mut Notes) -> Result<u64, FitError> {
    let Some(stated) = subject.architecture.context else {
        return subject.context(deployment, notes);
    };
    let rope = subject.architecture.rope.as_ref();
    let kind = rope.map_or("default", |rope| rope.kind.as_str());
    let longest = match rope {
        // Gemma 3 states its context with the stretch already in it.
        Some(rope)
            if !matches!(kind, "su" | "longrope" | "llama3")
                && !subject.architecture.model_type.contains("gemma3") =>
        {
            let begin = match (kind, rope.original_context) {
                ("yarn", Some(original)) => original,
                _ => stated,
            };
            stretch(begin, rope.factor.unwrap_or(1.0))
        }
        _ => stated,
    };
    match deployment.context {
        Some(context) if context > longest => Err(FitError::new(
            Reason::Context,
            format!(
                "context is {context}, but {} allows {longest}; vLLM refuses more",
                subject.name
            ),
        )),
        Some(context) => Ok(context),
        None => {
            // With rotations for long contexts vLLM stays at the short one unless told.
            let short = rope
                .filter(|_| matches!(kind, "su" | "longrope"))
                .and_then(|rope| rope.original_context);
            let context = short.unwrap_or(longest);
            note(
                notes,
                "context",
                &context,
                "none was said; vLLM takes what the config allows",
            );
            Ok(context)
        }
    }
}

/// Tokens times a factor, rounded down, as Python's `int` does.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a context of tokens far below 2^53 times a factor that configs write as a fraction; never bytes"
)]
fn stretch(tokens: u64, factor: f64) -> u64 {
    if factor.is_finite() && factor > 0.0 {
        (tokens as f64 * factor) as u64
    } else {
        tokens
    }
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

/// How keys and values are kept.
fn cache(
    rules: &Rules,
    subject: &Subject,
    deployment: &Deployment,
    kinds: Kinds,
    model_bytes: u64,
    notes: &mut Notes,
) -> Result<CacheFormat, FitError> {
    let named = |name| {
        CacheFormat::named(name).map_err(|error: String| FitError::new(Reason::Cache, error))
    };
    let Some(asked) = deployment.cache else {
        let twelve = matches!(deployment.gpu.compute_capability, Some((12, _)));
        if kinds.sparse && (rules.sparse_fp8 || (rules.sparse_fp8_on_12 && twelve)) {
            let reason = "this version keeps sparse latent attention in 8 bits here unless told";
            note(notes, "cache", &"fp8", reason);
            return named("fp8");
        }
        if checkpoint_asks_for_fp8(rules, &subject.config) {
            let reason = "the checkpoint's quantization_config asks for it, and vLLM follows";
            note(notes, "cache", &"fp8", reason);
            return named("fp8");
        }
        let name = if model_bytes == 4 { "fp32" } else { "bf16" };
        let reason = "vLLM keeps keys and values in the dtype of the model (kv_cache_dtype auto)";
        note(notes, "cache", &name, reason);
        return named(name);
    };
    let known = match asked.name {
        "bf16" | "fp16" | "fp8" => true,
        "fp32" => model_bytes == 4,
        "int8" | "fp8_per_token_head" | "nvfp4" => rules.scaled_cache && !kinds.latent,
        "int4" => rules.int4_cache && !kinds.latent,
        _ => false,
    };
    if known {
        return Ok(asked);
    }
    if asked.name == "fp32" {
        return Err(FitError::new(
            Reason::Cache,
            "cache is fp32, which vLLM keeps only where it runs in 32 bits: ask for weights in fp32 too",
        ));
    }
    let scaled = if rules.scaled_cache && !kinds.latent {
        ", int8, fp8_per_token_head and nvfp4"
    } else {
        ""
    };
    Err(FitError::new(
        Reason::Cache,
        format!(
            "cache is {}, which this version of vLLM does not keep for this model; use bf16, fp16 or fp8{scaled}",
            asked.name
        ),
    ))
}

/// Whether a checkpoint names an 8-bit cache in a way that this version follows.
fn checkpoint_asks_for_fp8(rules: &Rules, config: &Value) -> bool {
    let stated = |object: &Value| {
        ["quantization_config", "compression_config"]
            .iter()
            .find_map(|name| object.get(name).filter(|value| value.is_object()).cloned())
    };
    let Some(quantization) = stated(config).or_else(|| stated(config.get("text_config")?)) else {
        return false;
    };
    let scheme = |object: &Value| object.get("kv_cache_scheme").cloned();
    let method = quantization.get("quant_method").and_then(Value::as_str);
    match method {
        Some("compressed-tensors") => {
            rules.compressed_cache && scheme(&quantization).is_some_and(|scheme| !scheme.is_null())
        }
        Some(method) if method.starts_with("modelopt") && rules.modelopt_cache => {
            let inner = quantization.get("quantization").unwrap_or(&quantization);
            let eight_bits = |value: &Value| match value {
                Value::String(name) => name.eq_ignore_ascii_case("fp8"),
                Value::Object(scheme) => {
                    scheme.get("dynamic") == Some(&Value::Bool(false))
                        && scheme.get("num_bits").and_then(Value::as_u64) == Some(8)
                        && scheme.get("type").and_then(Value::as_str) == Some("float")
                }
                _ => false,
            };
            ["kv_cache_scheme", "kv_cache_quant_algo"]
                .iter()
                .filter_map(|name| inner.get(name).or_else(|| quantization.get(name)))
                .find(|value| !value.is_null())
                .is_some_and(eight_bits)
        }
        _ => false,
    }
}

fn prefix_caching(rules: &Rules, deployment: &Deployment, kinds: Kinds, notes: &mut Notes) -> bool {
    let possible = !kinds.states || states::can_keep_prefixes(rules, kinds);
    match deployment.prefix_caching {
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

fn encoder_tokens(stores: &[Vec<Store>], context: u64, notes: &mut Notes) -> u64 {
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
    stores: &[Vec<Store>],
    mode: Mode,
    notes: &mut Notes,
) -> Result<u64, FitError> {
    let (rules, gpu) = (basis.rules, basis.gpu);
    let kinds = Kinds::of(stores);
    if let Some(asked) = deployment.block
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
    let begin = block::attention(rules, kinds, deployment.block, gpu, basis.cache);
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
    if deployment.block != Some(block) {
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
/// `_set_default_max_num_seqs_and_batched_tokens_args`, for the server).
fn batch(rules: &Rules, deployment: &Deployment, context: u64, notes: &mut Notes) -> (u64, u64) {
    let (tokens, sequences) = batch_defaults(rules, &deployment.gpu);
    let reason = "vLLM's default for a server on this GPU";
    let batched = deployment.batched_tokens.unwrap_or_else(|| {
        let most = deployment
            .sequences
            .unwrap_or(sequences)
            .saturating_mul(context);
        let batched = tokens.min(most);
        note(notes, "max_batched_tokens", &batched, reason);
        batched
    });
    let sequences = deployment.sequences.unwrap_or_else(|| {
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
