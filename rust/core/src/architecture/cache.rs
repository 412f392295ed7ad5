//! What a layer remembers, in exact bytes: what requests need, not what an engine reserves.
//!
//! Sources: `formulas.md` of the design, after vLLM's `v1/kv_cache_interface.py` and
//! `layers/mamba/mamba_utils.py:MambaStateShapeCalculator`. A window layer needs `min(tokens, window)` entries, a
//! convolution of width k keeps its last k - 1 inputs.

use super::layer::{Layer, Mixer, Reach, Stack, StateDtype};
use crate::dtype::Dtype;
use serde::{Deserialize, Serialize};

/// What one mixer keeps for one sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Cache {
    /// Nothing.
    None,
    /// Keys and values: numbers per token, as far back as the layer reaches.
    KeyValue {
        /// Numbers per token: `kv_heads` (`key_dim` + `value_dim`).
        width: u64,
        /// How far back.
        reach: Reach,
    },
    /// A compressed vector and a rotary key: `rank + rope_dim` numbers per token.
    Latent {
        /// Numbers per token.
        width: u64,
        /// How far back.
        reach: Reach,
    },
    /// One entry for several tokens, and a window of single ones.
    Compressed {
        /// Numbers per entry.
        width: u64,
        /// Tokens per entry; 0 for the window only.
        ratio: u64,
        /// Single entries at the end.
        window: u64,
    },
    /// The keys of an indexer that picks what the layer looks at.
    Indexer {
        /// Numbers per token or entry.
        width: u64,
        /// Tokens per entry.
        ratio: u64,
    },
    /// A state of fixed size.
    State {
        /// Numbers in the dtype of the cache: the last inputs of a convolution.
        convolution: u64,
        /// Numbers of the recurrent state.
        recurrent: u64,
        /// How the recurrent state is kept.
        dtype: StateDtype,
    },
    /// Keys and values of what an encoder gave.
    Cross {
        /// Numbers per token of the encoder.
        width: u64,
        /// How many tokens it gives, if that is fixed.
        tokens: Option<u64>,
    },
    /// The cache of an earlier layer.
    Shared {
        /// That layer.
        layer: u32,
    },
}

impl Reach {
    /// How many of the last `tokens` tokens are still of use to the next one.
    #[must_use]
    pub const fn kept(self, tokens: u64) -> u64 {
        match self {
            Self::Full => tokens,
            Self::Sliding(window) | Self::Chunked(window) => {
                if tokens < window {
                    tokens
                } else {
                    window
                }
            }
        }
    }

    /// The number of tokens from which on no more is kept.
    #[must_use]
    pub const fn saturates(self) -> Option<u64> {
        match self {
            Self::Full => None,
            Self::Sliding(window) | Self::Chunked(window) => Some(window),
        }
    }
}

impl Cache {
    /// One word for it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::KeyValue { reach, .. } => match reach {
                Reach::Full => "full",
                Reach::Sliding(_) => "sliding",
                Reach::Chunked(_) => "chunked",
            },
            Self::Latent { .. } => "latent",
            Self::Compressed { .. } => "compressed",
            Self::Indexer { .. } => "indexer",
            Self::State { .. } => "state",
            Self::Cross { .. } => "cross",
            Self::Shared { .. } => "shared",
        }
    }

    /// Numbers kept after `tokens` tokens: those in the dtype of the cache, and those always in 32 bits.
    ///
    /// `encoder_tokens` stands for the length of an encoder's output where the model does not fix it. `None` if a
    /// number does not fit 64 bits.
    #[must_use]
    pub fn numbers(&self, tokens: u64, encoder_tokens: u64) -> Option<(u64, u64)> {
        Some(match *self {
            Self::None | Self::Shared { .. } => (0, 0),
            Self::KeyValue { width, reach } | Self::Latent { width, reach } => {
                (width.checked_mul(reach.kept(tokens))?, 0)
            }
            Self::Compressed {
                width,
                ratio,
                window,
            } => {
                let entries = tokens.checked_div(ratio).unwrap_or(0);
                (
                    width.checked_mul(entries.checked_add(tokens.min(window))?)?,
                    0,
                )
            }
            Self::Indexer { width, ratio } => (width.checked_mul(tokens.checked_div(ratio)?)?, 0),
            Self::State {
                convolution,
                recurrent,
                dtype,
            } => match dtype {
                StateDtype::Cache => (convolution.checked_add(recurrent)?, 0),
                StateDtype::Float32 => (convolution, recurrent),
            },
            Self::Cross { width, tokens } => {
                (width.checked_mul(tokens.unwrap_or(encoder_tokens))?, 0)
            }
        })
    }

    /// Bytes kept for one sequence after `tokens` tokens. `None` if they do not fit 64 bits.
    #[must_use]
    pub fn bytes(&self, tokens: u64, encoder_tokens: u64, dtype: Dtype) -> Option<u64> {
        let (numbers, floats) = self.numbers(tokens, encoder_tokens)?;
        // Sub-byte caches round up per layer, as rows are packed.
        let bits = numbers.checked_mul(dtype.bits())?;
        bits.div_ceil(8).checked_add(floats.checked_mul(4)?)
    }
}

impl Mixer {
    /// What it keeps while tokens are written.
    #[must_use]
    pub fn caches(&self) -> Vec<Cache> {
        let indexer =
            |width: u64, ratio: u64| (width > 0).then_some(Cache::Indexer { width, ratio });
        match *self {
            Self::Attention {
                shared_with: Some(layer),
                ..
            } => vec![Cache::Shared { layer }],
            Self::Attention {
                kv_heads,
                key_dim,
                value_dim,
                reach,
                indexer_dim,
                ..
            } => {
                let width = kv_heads.saturating_mul(key_dim.saturating_add(value_dim));
                let mut caches = vec![Cache::KeyValue { width, reach }];
                caches.extend(indexer(indexer_dim, 1));
                caches
            }
            Self::Latent {
                rank,
                rope_dim,
                reach,
                indexer_dim,
                indexer_ratio,
                ..
            } => {
                let width = rank.saturating_add(rope_dim);
                let mut caches = vec![Cache::Latent { width, reach }];
                caches.extend(indexer(indexer_dim, indexer_ratio));
                caches
            }
            Self::Compressed {
                key_dim,
                ratio,
                window,
                indexer_dim,
                ..
            } => {
                let mut caches = vec![Cache::Compressed {
                    width: key_dim,
                    ratio,
                    window,
                }];
                if ratio > 0 {
                    caches.extend(indexer(indexer_dim, ratio));
                }
                caches
            }
            Self::State {
                convolution,
                recurrent,
                dtype,
                ..
            } => {
                vec![Cache::State {
                    convolution: convolution.kept(),
                    recurrent,
                    dtype,
                }]
            }
            Self::Cross {
                kv_heads,
                head_dim,
                tokens,
                ..
            } => {
                let width = kv_heads.saturating_mul(head_dim).saturating_mul(2);
                vec![Cache::Cross { width, tokens }]
            }
            Self::Stateless => vec![],
        }
    }
}

impl Layer {
    /// What it keeps while tokens are written. Only layers of a decoder keep anything.
    #[must_use]
    pub fn caches(&self) -> Vec<Cache> {
        if self.stack == Stack::Decoder {
            self.mixers.iter().flat_map(Mixer::caches).collect()
        } else {
            Vec::new()
        }
    }

    /// Bytes it keeps for one sequence after `tokens` tokens. `None` if they do not fit 64 bits.
    #[must_use]
    pub fn cache_bytes(&self, tokens: u64, encoder_tokens: u64, dtype: Dtype) -> Option<u64> {
        self.caches().iter().try_fold(0_u64, |sum, cache| {
            sum.checked_add(cache.bytes(tokens, encoder_tokens, dtype)?)
        })
    }
}
