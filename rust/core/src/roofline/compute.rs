//! What a deployment computes in.

use crate::deployment::Deployment;
use crate::hardware::Flops;
use crate::quantization::scheme::SCHEMES;
use crate::subject::Subject;
use serde::Serialize;

/// Numbers that matrices are multiplied in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Number {
    /// 32-bit floats, on the matrix units (with 19 bits) where there are any.
    Fp32,
    /// 16-bit brain floats.
    Bf16,
    /// 16-bit floats.
    Fp16,
    /// 8-bit floats.
    Fp8,
    /// 8-bit integers.
    Int8,
    /// 4-bit floats.
    Fp4,
}

impl Number {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Bf16 => "bf16",
            Self::Fp16 => "fp16",
            Self::Fp8 => "fp8",
            Self::Int8 => "int8",
            Self::Fp4 => "fp4",
        }
    }

    /// Operations per second in it.
    fn rate(self, flops: &Flops) -> Option<u64> {
        match self {
            Self::Fp32 => flops.tf32.max(flops.fp32),
            Self::Bf16 => flops.bf16,
            Self::Fp16 => flops.fp16,
            Self::Fp8 => flops.fp8,
            Self::Int8 => flops.int8,
            Self::Fp4 => flops.fp4,
        }
        .filter(|&rate| rate > 0)
    }
}

/// What a deployment computes in, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compute {
    /// The numbers.
    pub number: Number,
    /// Dense operations per second of one GPU.
    pub per_second: u64,
}

/// Schemes that multiply in narrow numbers where the hardware has them; all others unpack to the model's dtype.
///
/// Of compressed-tensors W8A8, of vLLM's fp8 and mxfp8 and of `ModelOpt`'s NVFP4 the activations are quantized too (vLLM
/// 0.19, `quantization/compressed_tensors/schemes`, `fp8.py`, `modelopt.py`); LLM.int8 multiplies bytes (bitsandbytes
/// 0.48.1, `autograd/_functions.py:MatMul8bitLt`). That MXFP4 runs in 4 bits is the best that hardware allows, and so a
/// bound.
const NARROW: &[(&str, Number)] = &[
    ("int8", Number::Int8),
    ("fp8-channel", Number::Fp8),
    ("fp8-block", Number::Fp8),
    ("fp8", Number::Fp8),
    ("mxfp8", Number::Fp8),
    ("int8-bnb", Number::Int8),
    ("nvfp4", Number::Fp4),
    ("mxfp4", Number::Fp4),
];

/// The library whose mixes are multiplied in bytes, activations quantized on the way (llama.cpp in llama-cpp-python 0.3.16,
/// `ggml-cuda/mmq.cu`).
const MIXES: &str = "llama.cpp";

/// What a deployment computes in: the narrowest numbers that its weights and the hardware allow.
///
/// # Errors
/// If the catalogue has no rate for them; the message says so.
pub(super) fn of(subject: &Subject, deployment: &Deployment) -> Result<Compute, String> {
    let gpu = &deployment.gpu;
    let scheme = deployment
        .weights
        .as_ref()
        .map_or(subject.storage.as_str(), |scheme| &scheme.name);
    let plain = match (scheme, subject.architecture.dtype.as_deref()) {
        ("fp32", _) => [Number::Fp32, Number::Fp32],
        ("fp16", _) | (_, Some("float16" | "torch.float16")) => [Number::Fp16, Number::Bf16],
        _ => [Number::Bf16, Number::Fp16],
    };
    let mut candidates = narrow(scheme).into_iter().chain(plain);
    candidates
        .find_map(|number| {
            let per_second = number.rate(&gpu.flops)?;
            Some(Compute { number, per_second })
        })
        .ok_or_else(|| {
            format!(
                "operations per second of {} in {} are not known, so operations bound nothing",
                gpu.name,
                plain[0].name()
            )
        })
}

/// The narrow numbers of a scheme, if it has any.
fn narrow(scheme: &str) -> Option<Number> {
    let listed = NARROW.iter().find(|(name, _)| *name == scheme);
    let mix = || {
        SCHEMES
            .iter()
            .any(|row| row.name == scheme && row.library == MIXES)
    };
    match listed {
        Some((_, number)) => Some(*number),
        None if mix() => Some(Number::Int8),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{NARROW, SCHEMES};

    #[test]
    fn every_narrow_scheme_is_one_of_the_table() {
        for (name, _) in NARROW {
            assert!(SCHEMES.iter().any(|row| row.name == *name), "{name}");
        }
    }
}
