//! How the numbers of a cache are kept: blocks of so many numbers in so many bytes, and scales beside them.

use super::format::{self, Format};
use crate::wording::distance;
use serde::Serialize;
use std::cmp::Ordering;

/// A format of cached keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct CacheFormat {
    /// Its name.
    pub name: &'static str,
    /// Other names for it.
    #[serde(skip)]
    pub aliases: &'static [&'static str],
    /// Numbers in a block.
    pub numbers: u64,
    /// Bytes of a block.
    pub bytes: u64,
    /// Bytes of scales and zero points per token and head, for keys and for values each.
    pub per_head: u64,
    /// Where the layout is from.
    #[serde(skip)]
    pub source: &'static str,
}

impl CacheFormat {
    /// Bytes of the key, or value, of one head. A last block that is not full takes its whole size.
    #[must_use]
    pub const fn row(self, numbers: u64) -> u64 {
        numbers
            .div_ceil(self.numbers)
            .saturating_mul(self.bytes)
            .saturating_add(self.per_head)
    }

    /// How its bits compare to those of another, scales of heads aside.
    #[must_use]
    pub fn bits_against(&self, other: &Self) -> Ordering {
        let cross = |one: &Self, other: &Self| u128::from(one.bytes) * u128::from(other.numbers);
        cross(self, other).cmp(&cross(other, self))
    }

    /// The format of this name, in any case.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let plain = name.to_ascii_lowercase();
        FORMATS
            .iter()
            .find(|format| format.name == plain || format.aliases.contains(&plain.as_str()))
            .copied()
            .ok_or_else(|| {
                let known: Vec<_> = FORMATS.iter().map(|format| format.name).collect();
                let close = known
                    .iter()
                    .filter(|known| distance(known, &plain) <= 1)
                    .copied()
                    .collect::<Vec<_>>();
                let hint = if close.is_empty() {
                    String::new()
                } else {
                    format!(" (did you mean {}?)", close.join(" or "))
                };
                format!(
                    "cache format {name:?} is not known{hint}; there are {}",
                    known.join(", ")
                )
            })
    }
}

const fn plain(name: &'static str, aliases: &'static [&'static str], bytes: u64) -> CacheFormat {
    CacheFormat {
        name,
        aliases,
        numbers: 1,
        bytes,
        per_head: 0,
        source: "one number after another",
    }
}

const VLLM: &str = "vLLM 0.21, v1/kv_cache_interface.py:FullAttentionSpec";
const GGML: &str = "ggml-common.h, the static assertions on block sizes";

const fn ggml(name: &'static str, format: Format) -> CacheFormat {
    CacheFormat {
        name,
        aliases: &[],
        numbers: format.weights,
        bytes: format.bytes,
        per_head: 0,
        source: GGML,
    }
}

/// Every format, the plain ones first.
pub const FORMATS: &[CacheFormat] = &[
    plain("fp32", &["float32", "f32"], 4),
    plain("bf16", &["bfloat16"], 2),
    plain("fp16", &["float16", "half", "f16"], 2),
    // One scale per layer, which is a tensor of the checkpoint.
    plain("fp8", &["fp8_e4m3", "fp8_e5m2", "fp8_inc"], 1),
    CacheFormat {
        name: "int8",
        aliases: &["int8_per_token_head"],
        numbers: 1,
        bytes: 1,
        per_head: 4,
        source: VLLM,
    },
    CacheFormat {
        name: "fp8_per_token_head",
        aliases: &[],
        numbers: 1,
        bytes: 1,
        per_head: 4,
        source: VLLM,
    },
    CacheFormat {
        name: "int4",
        aliases: &["int4_per_token_head"],
        numbers: 2,
        bytes: 1,
        per_head: 4,
        source: VLLM,
    },
    CacheFormat {
        name: "nvfp4",
        aliases: &[],
        numbers: 16,
        bytes: 9,
        per_head: 0,
        source: VLLM,
    },
    ggml("q8_0", format::Q8_0),
    ggml("q5_1", format::Q5_1),
    ggml("q5_0", format::Q5_0),
    ggml("q4_1", format::Q4_1),
    ggml("q4_0", format::Q4_0),
    ggml("iq4_nl", format::IQ4_NL),
];
