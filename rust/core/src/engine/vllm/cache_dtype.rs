//! How keys and values are kept: as asked, as the checkpoint asks, or in the dtype of the model.

use super::kinds::Kinds;
use super::rules::Rules;
use super::settle::{Notes, note};
use crate::deployment::{Deployment, FitError, Reason};
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use serde_json::Value;

/// How keys and values are kept.
///
/// # Errors
/// If the version has no such cache.
pub fn settle(
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
        if kinds.compressed {
            let reason =
                "compressed attention is kept in 8 bits (fp8_ds_mla); vLLM wants to be told";
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
        "fp8" => true,
        _ if kinds.compressed => false,
        "bf16" | "fp16" => true,
        "fp32" => model_bytes == 4,
        "int8" | "fp8_per_token_head" | "nvfp4" => rules.scaled_cache && !kinds.latent,
        "int4" => rules.int4_cache && !kinds.latent,
        _ => false,
    };
    if known {
        let native = deployment.gpu.compute_capability;
        if asked.name == "fp8" && native.is_some_and(|capability| capability < (8, 9)) {
            let reason = "GPUs before compute capability 8.9 do not compute in 8-bit floats; by vLLM 0.19's \
                          v1/attention/backends its kernels of Triton, and from 7.5 on of FlashInfer, take such a cache all \
                          the same, of which no log was there";
            note(notes, "cache", &"fp8", reason);
        }
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
