//! States of recurrent layers: what they are kept in, and how many a request has.
//!
//! Sources: vLLM 0.19, `layers/mamba/mamba_utils.py:MambaStateDtypeCalculator` and `models/config.py`.

use super::kinds::Kinds;
use super::rules::{Rules, StatePrefix};
use crate::architecture::layer::Recurrence;
use crate::hardware::{Gpu, Vendor};
use crate::memory::store::Store;
use crate::subject::Subject;
use serde_json::Value;

/// How many states a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The current one.
    Current,
    /// So many.
    Several(u64),
    /// One for each block of tokens.
    PerBlock,
}

impl Mode {
    /// By the rules of a version and whether prefixes are kept.
    #[must_use]
    pub fn of(rules: &Rules, kinds: Kinds, prefix_caching: bool, gpu: &Gpu) -> Self {
        if !prefix_caching || !kinds.states {
            return Self::Current;
        }
        match rules.state_prefix {
            StatePrefix::AllOrNever | StatePrefix::AllOrAlign if !kinds.other_states => {
                Self::PerBlock
            }
            StatePrefix::AllOrAlign | StatePrefix::Align => {
                Self::Several(2 + u64::from(checkpoints(rules, kinds, gpu)))
            }
            StatePrefix::Never | StatePrefix::AllOrNever => Self::Current,
        }
    }
}

/// Whether prefixes can be kept in a model with states.
#[must_use]
pub fn can_keep_prefixes(rules: &Rules, kinds: Kinds) -> bool {
    match rules.state_prefix {
        StatePrefix::Never => false,
        StatePrefix::AllOrNever => !kinds.other_states,
        StatePrefix::AllOrAlign | StatePrefix::Align => true,
    }
}

/// Whether a state is given out in the middle of a prompt: gated delta nets where `FlashInfer` computes them, which is on
/// Hopper and Blackwell (vLLM 0.33, `layers/mamba/gdn/qwen_gdn_linear_attn.py:_resolve_gdn_prefill_backend`, with CUDA 13).
#[must_use]
pub fn checkpoints(rules: &Rules, kinds: Kinds, gpu: &Gpu) -> bool {
    rules.prefill_checkpoints
        && kinds.delta_only
        && gpu.vendor == Vendor::Nvidia
        && matches!(gpu.compute_capability, Some((9 | 10 | 12, _)))
}

/// Bytes of a state, for those that vLLM knows.
#[must_use]
pub fn bytes(store: &Store, subject: &Subject, rules: &Rules, model_bytes: u64) -> Option<u64> {
    let Store::State {
        recurrence,
        convolution,
        recurrent,
        ..
    } = *store
    else {
        return None;
    };
    let each = match recurrence {
        Recurrence::KimiDelta => 4,
        Recurrence::Lightning | Recurrence::ShortConvolution => model_bytes,
        Recurrence::Mamba1 | Recurrence::Mamba2 | Recurrence::GatedDelta => {
            recurrent_bytes(subject, rules, model_bytes)
        }
        Recurrence::Rwkv | Recurrence::Rglru | Recurrence::Xlstm => return None,
    };
    Some(
        convolution
            .kept()
            .saturating_mul(model_bytes)
            .saturating_add(recurrent.saturating_mul(each)),
    )
}

/// Bytes of a number of a recurrent state: the model's dtype unless the class of the model says otherwise.
fn recurrent_bytes(subject: &Subject, rules: &Rules, model_bytes: u64) -> u64 {
    let class = subject.architecture.class.as_deref().unwrap_or_default();
    if class.starts_with("NemotronH")
        && let Some(default) = rules.nemotron_state
    {
        return stated(&subject.config, "mamba_ssm_cache_dtype").unwrap_or(default);
    }
    if class.starts_with("Qwen3_5") && rules.qwen_state {
        return stated(&subject.config, "mamba_ssm_dtype").unwrap_or(model_bytes);
    }
    model_bytes
}

/// Bytes of the dtype that a config or that of its text model states in a field.
fn stated(config: &Value, field: &str) -> Option<u64> {
    let inner = ["text_config", "llm_config", "language_config"]
        .iter()
        .filter_map(|name| config.get(name));
    match std::iter::once(config)
        .chain(inner)
        .find_map(|object| object.get(field)?.as_str())?
    {
        "float32" => Some(4),
        "float16" | "bfloat16" => Some(2),
        _ => None,
    }
}
