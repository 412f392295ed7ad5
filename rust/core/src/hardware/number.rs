//! What matrices are multiplied in.

use super::Flops;
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

    /// Dense operations per second in it; nothing where no source states them.
    #[must_use]
    pub fn rate(self, flops: &Flops) -> Option<u64> {
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
