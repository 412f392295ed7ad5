//! `QuantizedCache` of transformers: keys and values in fewer bits.
//!
//! Sources: transformers 5.23.0 and 4.57.1, `cache_utils.py` (`QuantoQuantizedLayer`, `Fp8QuantizedLayer`);
//! optimum-quanto 0.2.7, `tensor/optimizers/max_optimizer.py` and `tensor/grouped.py`. HQQ's and the 2-bit form of
//! quanto's are not described.

use super::Version;
use crate::architecture::Architecture;
use crate::architecture::layer::{Mixer, Reach};
use crate::deployment::{FitError, Reason};
use crate::quantization::cache_format::CacheFormat;

/// Numbers that share a scale and a zero point (`q_group_size`).
const GROUP: u64 = 64;
/// Tokens that are kept as they are until they are quantized together (`residual_length`): always fewer.
const RESIDUAL: u64 = 128;

/// How keys and values are quantized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantized {
    /// 4-bit integers by optimum-quanto, 64 of them with one scale and one shift in the model's dtype.
    Quanto,
    /// 8-bit floats with one scale for all keys and one for all values of a layer.
    Fp8,
}

impl Quantized {
    /// The way of a format.
    ///
    /// # Errors
    /// If transformers has none at this version, or none for the layers of this model.
    pub fn of(
        format: CacheFormat,
        architecture: &Architecture,
        version: &Version,
    ) -> Result<Self, FitError> {
        let refuse = |why: String| Err(FitError::new(Reason::Cache, why));
        let found = match format.name {
            "int4" => Self::Quanto,
            "fp8" if version.at_least(&[5, 22]) => Self::Fp8,
            "fp8" => {
                return refuse(format!(
                    "transformers {version} has no cache in fp8, which came with 5.22; take a newer version or leave the cache as it is"
                ));
            }
            name => {
                return refuse(format!(
                    "transformers keeps its cache in the model's dtype, in fp8 or in int4 by optimum-quanto, not in {name}"
                ));
            }
        };
        for layer in architecture.decoder() {
            for mixer in &layer.mixers {
                let Mixer::Attention {
                    kv_heads,
                    key_dim,
                    value_dim,
                    reach: Reach::Full,
                    indexer_dim: 0,
                    shared_with: None,
                    ..
                } = *mixer
                else {
                    return refuse(format!(
                        "transformers quantizes only caches of full attention, and layer {} has none; leave the cache as it is",
                        layer.number
                    ));
                };
                let odd = [key_dim, value_dim]
                    .iter()
                    .any(|dim| !kv_heads.saturating_mul(*dim).is_multiple_of(GROUP));
                if found == Self::Quanto && odd {
                    return refuse(format!(
                        "quanto quantizes {GROUP} numbers together, and the keys and values of layer {} do not divide by that; leave the cache as it is",
                        layer.number
                    ));
                }
            }
        }
        Ok(found)
    }

    /// The format, with the layout that it has here.
    #[must_use]
    pub const fn format(self, model_bytes: u64) -> CacheFormat {
        match self {
            // In 32 bits 64 numbers take 32 + 8 bytes, in 16 bits 32 + 4.
            Self::Quanto => CacheFormat {
                name: "int4",
                aliases: &[],
                numbers: if model_bytes == 4 { 8 } else { 16 },
                bytes: if model_bytes == 4 { 5 } else { 9 },
                per_head: 0,
                source: "optimum-quanto 0.2.7, tensor/optimizers/max_optimizer.py and tensor/grouped.py",
            },
            Self::Fp8 => CacheFormat {
                name: "fp8",
                aliases: &[],
                numbers: 1,
                bytes: 1,
                per_head: 0,
                source: "transformers 5.23.0, cache_utils.py:Fp8QuantizedLayer",
            },
        }
    }

    /// The most bytes of one sequence on its way to so many tokens, each of which takes `row` bytes as it is.
    ///
    /// A prompt is quantized whole; what follows waits as it is until there are 128 tokens.
    #[must_use]
    pub const fn bytes(self, row: u64, model_bytes: u64, tokens: u64) -> u64 {
        let Some(numbers) = row.checked_div(model_bytes) else {
            return 0;
        };
        match self {
            Self::Fp8 => numbers.saturating_mul(tokens),
            Self::Quanto => {
                let most = tokens.saturating_sub(1);
                let waiting = if most < RESIDUAL { most } else { RESIDUAL - 1 };
                let packed = numbers
                    .saturating_mul(tokens - waiting)
                    .div_ceil(GROUP)
                    .saturating_mul(GROUP / 2 + 2 * model_bytes);
                packed.saturating_add(waiting.saturating_mul(row))
            }
        }
    }

    /// Bytes of a layer that do not grow: the scales of fp8, one for keys and one for values.
    #[must_use]
    pub const fn per_layer(self) -> u64 {
        match self {
            Self::Quanto => 0,
            Self::Fp8 => 8,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Quantized;

    #[test]
    fn tokens_wait_until_they_are_quantized() {
        // 8 heads of 128 in bf16, keys and values: 4096 bytes a token, 1152 quantized.
        let at = |tokens| Quantized::Quanto.bytes(4096, 2, tokens);
        assert_eq!(at(1), 1152);
        assert_eq!(at(2), 1152 + 4096);
        assert_eq!(at(1000), 873 * 1152 + 127 * 4096);
        assert_eq!(Quantized::Fp8.bytes(4096, 2, 1000), 2048 * 1000);
    }
}
