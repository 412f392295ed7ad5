//! What a layer remembers on one rank, with heads kept apart, so that engines can round, pad and scale it.

use crate::architecture::layer::{Convolution, Layer, Mixer, Reach, Recurrence, Stack, StateDtype};
use crate::architecture::shared::Shared;
use crate::quantization::cache_format::CacheFormat;

/// One thing a layer remembers of a sequence, on one tensor-parallel rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Store {
    /// Keys and values.
    KeyValue {
        /// Heads on this rank: at least one, so that heads are copied where ranks outnumber them.
        heads: u64,
        /// Numbers per key.
        key_dim: u64,
        /// Numbers per value.
        value_dim: u64,
        /// How far back.
        reach: Reach,
    },
    /// A compressed vector and a rotary key. Every rank has all of it.
    Latent {
        /// Numbers of the compressed vector.
        rank: u64,
        /// Numbers of the rotary key.
        rope_dim: u64,
        /// How far back.
        reach: Reach,
        /// What the heads are where an engine keeps them expanded: query heads on this rank, numbers per head of keys
        /// without the rotary part, numbers per value.
        expanded: (u64, u64, u64),
    },
    /// One entry for several tokens, and a window of single ones. Every rank has all of it.
    Compressed {
        /// Numbers per entry.
        width: u64,
        /// Tokens per entry; 0 for the window only.
        ratio: u64,
        /// Single entries at the end.
        window: u64,
    },
    /// The keys of an indexer. Every rank has all of them.
    Indexer {
        /// Numbers per token or entry.
        width: u64,
        /// Tokens per entry.
        ratio: u64,
    },
    /// A state of fixed size.
    State {
        /// What recurs.
        recurrence: Recurrence,
        /// The convolution, with the channels of this rank.
        convolution: Convolution,
        /// Numbers of the recurrent state on this rank.
        recurrent: u64,
        /// How the recurrent state is kept.
        dtype: StateDtype,
    },
    /// Keys and values of what an encoder gave.
    Cross {
        /// Heads on this rank.
        heads: u64,
        /// Numbers per key and per value.
        head_dim: u64,
        /// How many tokens it gives, if that is fixed.
        tokens: Option<u64>,
    },
}

/// How numbers of a cache are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Keys and values.
    pub format: CacheFormat,
    /// Bytes of a number of the model's own dtype, in which convolutions and most states are kept.
    pub model_bytes: u64,
    /// Tokens that an encoder gives, where the model does not fix it.
    pub encoder_tokens: u64,
}

/// What a sequence needs of one thing that a layer remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// Tokens or entries; one, of a state.
    pub entries: u64,
    /// Bytes of each.
    pub row: u64,
}

impl Need {
    /// All of it.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        self.entries.saturating_mul(self.row)
    }
}

/// Bytes of an indexer's key in 8 bits, with a 32-bit scale for each 128 numbers, as engines keep it whatever the cache is
/// kept in (vLLM 0.19, `models/deepseek_v2.py:Indexer`; SGLang 0.5.23, `mem_cache/memory_pool.py`).
#[must_use]
pub const fn scaled_key(width: u64) -> u64 {
    width.saturating_add((width / 128).saturating_mul(4))
}

/// `value` dealt out to so many ranks, rounded up.
const fn share(value: u64, ranks: u64) -> u64 {
    if ranks == 0 {
        value
    } else {
        value.div_ceil(ranks)
    }
}

/// Heads of keys and values on one of so many ranks: copied where ranks outnumber heads.
#[must_use]
pub const fn local_heads(heads: u64, ranks: u64) -> u64 {
    let local = share(heads, ranks);
    if heads > 0 && local == 0 { 1 } else { local }
}

impl Store {
    /// What a layer remembers on one of so many tensor-parallel ranks. Nothing, if it has no cache or uses another's.
    #[must_use]
    pub fn of(layer: &Layer, ranks: u64) -> Vec<Self> {
        if layer.stack != Stack::Decoder {
            return Vec::new();
        }
        layer
            .mixers
            .iter()
            .flat_map(|mixer| Self::of_mixer(mixer, ranks))
            .flatten()
            .collect()
    }

    /// What each of some layers remembers. Layers one after another that are made of the same have it in common.
    #[must_use]
    pub fn of_each<'a>(layers: impl Iterator<Item = &'a Layer>, ranks: u64) -> Vec<Shared<Self>> {
        let mut last: Option<(&Layer, Shared<Self>)> = None;
        layers
            .map(|layer| {
                let same = |(known, _): &&(&Layer, _)| {
                    known.stack == layer.stack && known.mixers.is(&layer.mixers)
                };
                let stores = match last.as_ref().filter(same) {
                    Some((_, stores)) => stores.clone(),
                    None => Self::of(layer, ranks).into(),
                };
                last = Some((layer, stores.clone()));
                stores
            })
            .collect()
    }

    /// At most two: what is kept of tokens, and the keys of an indexer beside it.
    fn of_mixer(mixer: &Mixer, ranks: u64) -> [Option<Self>; 2] {
        let indexer =
            |width: u64, ratio: u64| (width > 0).then_some(Self::Indexer { width, ratio });
        match *mixer {
            Mixer::Attention {
                shared_with: Some(_),
                ..
            }
            | Mixer::Stateless => [None, None],
            Mixer::Attention {
                kv_heads,
                key_dim,
                value_dim,
                reach,
                indexer_dim,
                ..
            } => [
                Some(Self::KeyValue {
                    heads: local_heads(kv_heads, ranks),
                    key_dim,
                    value_dim,
                    reach,
                }),
                indexer(indexer_dim, 1),
            ],
            Mixer::Latent {
                heads,
                rank,
                rope_dim,
                nope_dim,
                value_dim,
                reach,
                indexer_dim,
                indexer_ratio,
            } => [
                Some(Self::Latent {
                    rank,
                    rope_dim,
                    reach,
                    expanded: (local_heads(heads, ranks), nope_dim, value_dim),
                }),
                indexer(indexer_dim, indexer_ratio),
            ],
            Mixer::Compressed {
                key_dim,
                ratio,
                window,
                indexer_dim,
                ..
            } => [
                Some(Self::Compressed {
                    width: key_dim,
                    ratio,
                    window,
                }),
                indexer(indexer_dim, ratio).filter(|_| ratio > 0),
            ],
            Mixer::State {
                recurrence,
                convolution,
                recurrent,
                dtype,
                ..
            } => [
                Some(Self::State {
                    recurrence,
                    convolution: convolution.on_rank(ranks),
                    recurrent: share(recurrent, ranks),
                    dtype,
                }),
                None,
            ],
            Mixer::Cross {
                kv_heads,
                head_dim,
                tokens,
                ..
            } => [
                Some(Self::Cross {
                    heads: local_heads(kv_heads, ranks),
                    head_dim,
                    tokens,
                }),
                None,
            ],
        }
    }

    /// Bytes that one more token costs where all tokens are kept; of an entry, where one stands for several.
    #[must_use]
    pub fn row(&self, kept: &Kept) -> u64 {
        match *self {
            Self::KeyValue {
                heads,
                key_dim,
                value_dim,
                ..
            } => heads.saturating_mul(
                kept.format
                    .row(key_dim)
                    .saturating_add(kept.format.row(value_dim)),
            ),
            Self::Latent { rank, rope_dim, .. } => kept.format.row(rank.saturating_add(rope_dim)),
            Self::Compressed { width, .. } | Self::Indexer { width, .. } => kept.format.row(width),
            Self::Cross {
                heads, head_dim, ..
            } => heads
                .saturating_mul(2)
                .saturating_mul(kept.format.row(head_dim)),
            Self::State { .. } => 0,
        }
    }

    /// What a sequence of so many tokens needs: what is still of use to the next token.
    ///
    /// The formulas are those of [`crate::architecture::cache`]. A window counts whole: the next token sees itself too.
    #[must_use]
    pub fn need(&self, tokens: u64, kept: &Kept) -> Need {
        let entries = match *self {
            Self::KeyValue { reach, .. } | Self::Latent { reach, .. } => reach.kept(tokens),
            Self::Compressed { ratio, window, .. } => tokens
                .checked_div(ratio)
                .unwrap_or(0)
                .saturating_add(tokens.min(window)),
            Self::Indexer { ratio, .. } => tokens.checked_div(ratio).unwrap_or(0),
            Self::Cross { tokens, .. } => tokens.unwrap_or(kept.encoder_tokens),
            Self::State {
                convolution,
                recurrent,
                dtype,
                ..
            } => {
                let each = match dtype {
                    StateDtype::Cache => kept.model_bytes,
                    StateDtype::Float32 => 4,
                };
                let bytes = convolution
                    .kept()
                    .saturating_mul(kept.model_bytes)
                    .saturating_add(recurrent.saturating_mul(each));
                return Need {
                    entries: 1,
                    row: bytes,
                };
            }
        };
        Need {
            entries,
            row: self.row(kept),
        }
    }

    /// Bytes of [`Self::need`].
    #[must_use]
    pub fn needed(&self, tokens: u64, kept: &Kept) -> u64 {
        self.need(tokens, kept).bytes()
    }
}

impl Convolution {
    /// The channels on one of so many tensor-parallel ranks. Groups that do not divide by the ranks are copied, one to
    /// each (vLLM 0.19, `layers/mamba/mamba_utils.py:MambaStateShapeCalculator`, `extra_groups_for_head_shards`).
    #[must_use]
    pub const fn on_rank(self, ranks: u64) -> Self {
        if ranks <= 1 {
            return self;
        }
        let own = share(self.channels.saturating_sub(self.grouped), ranks);
        let (grouped, groups) = if self.groups == 0 || self.groups.is_multiple_of(ranks) {
            (share(self.grouped, ranks), share(self.groups, ranks))
        } else {
            (self.grouped / self.groups, 1)
        };
        Self {
            channels: own.saturating_add(grouped),
            width: self.width,
            grouped,
            groups,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::local_heads;
    use crate::architecture::layer::Convolution;

    #[test]
    fn heads_are_copied_where_ranks_outnumber_them() {
        assert_eq!(
            [1, 2, 4, 8, 16].map(|ranks| local_heads(8, ranks)),
            [8, 4, 2, 1, 1]
        );
        assert_eq!(local_heads(0, 4), 0);
    }

    #[test]
    fn groups_that_do_not_divide_are_copied() {
        // Mamba 2 with 64 heads of 64, one group, a state of 128: 4096 + 256 channels.
        let one = Convolution {
            channels: 4352,
            width: 4,
            grouped: 256,
            groups: 1,
            ..Convolution::default()
        };
        assert_eq!(one.on_rank(4).channels, 1024 + 256);
        let eight = Convolution {
            channels: 4096 + 2048,
            width: 4,
            grouped: 2048,
            groups: 8,
            ..Convolution::default()
        };
        assert_eq!(eight.on_rank(4).channels, 1024 + 512);
    }
}
