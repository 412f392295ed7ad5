//! What the cache classes of transformers hold, to the byte.
//!
//! Sources: transformers 5.23.0 and 4.57.1, `cache_utils.py` (`DynamicLayer`, `DynamicSlidingWindowLayer`,
//! `DynamicIndexedLayer`, `LinearAttentionLayer`) and the classes of single models; `tests/cache_classes.rs` holds this
//! against caches of models that were run.

use super::Version;
use super::classes::{self, Otherwise};
use super::quantized::Quantized;
use crate::architecture::Architecture;
use crate::architecture::layer::{Convolution, Layer, Mixer, Reach, StateDtype};
use crate::memory::store::{Kept, Need, Store};

/// Which latent attention caches its compressed vectors, and not keys and values of every head. Read in the classes of
/// 5.14, 5.15, 5.17 and 5.18.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latent {
    /// None.
    Expanded,
    /// That without an indexer (from 5.15 on).
    Plain,
    /// All (from 5.18 on).
    All,
}

/// How the classes of a version hold what layers remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes {
    /// What latent attention keeps.
    latent: Latent,
    /// Keys and values are cached for all query heads.
    broadcast: bool,
    /// The layer that keeps positions, and how many of 64 bits for each token.
    positions: Option<(u32, u64)>,
    /// Recurrent states are kept in the model's dtype.
    model_states: bool,
    /// The convolution for which layers without one make room too.
    everywhere: Option<Convolution>,
    /// How keys and values are quantized, if they are.
    quantized: Option<Quantized>,
}

/// What one layer holds for one sequence, and what it holds beside whatever the number of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held<'a> {
    layer: &'a Layer,
    stores: &'a [Store],
    kept: Kept,
    classes: Classes,
}

impl Classes {
    /// Those of a version for a model.
    #[must_use]
    pub fn of(
        architecture: &Architecture,
        version: &Version,
        quantized: Option<Quantized>,
    ) -> Self {
        let mut broadcast = false;
        let mut positions = None;
        let mut model_states = false;
        let mut everywhere = None;
        for does in classes::of(&architecture.model_type, version) {
            match does {
                Otherwise::Broadcast => broadcast = true,
                Otherwise::Positions(each) => {
                    positions = architecture
                        .decoder()
                        .find(|layer| has_indexer(layer))
                        .map(|layer| (layer.number, each));
                }
                Otherwise::ModelStates => model_states = true,
                Otherwise::EmptyConvolutions => {
                    everywhere = architecture
                        .decoder()
                        .flat_map(|layer| &layer.mixers)
                        .find_map(convolution);
                }
                Otherwise::Scores | Otherwise::ScoresWithSinks | Otherwise::NarrowWeights => {}
            }
        }
        Self {
            latent: if version.at_least(&[5, 18]) {
                Latent::All
            } else if version.at_least(&[5, 15]) {
                Latent::Plain
            } else {
                Latent::Expanded
            },
            broadcast,
            positions,
            model_states,
            everywhere,
            quantized,
        }
    }

    /// What a sequence needs of a store: of a window one token less than elsewhere, for the next one is not cached yet
    /// when it sees itself, and states in the dtype that the class keeps them in.
    #[must_use]
    pub fn need(&self, store: &Store, tokens: u64, kept: &Kept) -> Need {
        let need = store.need(tokens, kept);
        match *store {
            Store::KeyValue { reach, .. } | Store::Latent { reach, .. } => Need {
                entries: entries(reach, tokens).min(need.entries),
                ..need
            },
            Store::State {
                convolution,
                recurrent,
                ..
            } if self.model_states => Need {
                row: convolution
                    .kept()
                    .saturating_add(recurrent)
                    .saturating_mul(kept.model_bytes),
                ..need
            },
            _ => need,
        }
    }
}

const fn convolution(mixer: &Mixer) -> Option<Convolution> {
    match *mixer {
        Mixer::State { convolution, .. } => Some(convolution),
        _ => None,
    }
}

fn has_indexer(layer: &Layer) -> bool {
    layer.mixers.iter().any(|mixer| {
        matches!(
            *mixer,
            Mixer::Attention { indexer_dim, .. }
            | Mixer::Latent { indexer_dim, .. }
            | Mixer::Compressed { indexer_dim, .. } if indexer_dim > 0
        )
    })
}

/// Entries that a layer keeps: one less than its window, for the next token sees itself too. A window of one is not cut
/// at all, for the slice from `-1 + 1` on is everything.
const fn entries(reach: Reach, tokens: u64) -> u64 {
    match reach {
        Reach::Full | Reach::Sliding(0 | 1) | Reach::Chunked(0 | 1) => tokens,
        Reach::Sliding(window) | Reach::Chunked(window) => {
            if tokens < window {
                tokens
            } else {
                window - 1
            }
        }
    }
}

impl<'a> Held<'a> {
    /// What a layer holds, whose stores are those of a rank.
    #[must_use]
    pub const fn new(layer: &'a Layer, stores: &'a [Store], kept: Kept, classes: Classes) -> Self {
        Self {
            layer,
            stores,
            kept,
            classes,
        }
    }

    /// Bytes for one sequence of exactly so many tokens.
    #[must_use]
    pub fn at(&self, tokens: u64) -> u64 {
        let stores = self.stores.iter().map(|store| self.store(store, tokens));
        stores
            .fold(0, u64::saturating_add)
            .saturating_add(self.positions(tokens))
            .saturating_add(self.empty())
    }

    /// The most bytes for one sequence on its way to so many tokens: entries for several tokens wait in a buffer until
    /// they are complete, and that may be larger than the entry.
    #[must_use]
    pub fn most(&self, tokens: u64) -> u64 {
        let ratios = self.stores.iter().filter_map(|store| match *store {
            Store::Compressed { ratio, .. } if ratio > 1 => Some(ratio),
            _ => None,
        });
        ratios
            .filter_map(|ratio| (tokens / ratio * ratio).checked_sub(1))
            .map(|before| self.at(before))
            .fold(self.at(tokens), u64::max)
    }

    /// Bytes of one sequence's prompt that stay behind the slices of it that are kept, until the next token replaces
    /// them: a slice holds the memory of the whole. `step` is how many tokens are read at a time.
    #[must_use]
    pub fn behind_slices(&self, tokens: u64, step: u64) -> u64 {
        self.stores.iter().fold(0_u64, |sum, store| {
            let (reach, row) = match *store {
                Store::KeyValue { reach, .. } => (reach, self.row(store)),
                Store::Compressed { window, ratio, .. } => {
                    let times = if ratio == 0 { 2 } else { 1 };
                    (
                        Reach::Sliding(window),
                        self.row(store).saturating_mul(times),
                    )
                }
                _ => return sum,
            };
            let kept = entries(reach, tokens);
            let whole = entries(reach, tokens.saturating_sub(step)).saturating_add(step);
            let behind = whole.min(tokens).saturating_sub(kept);
            sum.saturating_add(behind.saturating_mul(row))
        })
    }

    /// Bytes that do not grow with sequences or tokens.
    #[must_use]
    pub fn fixed(&self) -> u64 {
        match self.classes.quantized {
            Some(quantized) => {
                let layers = self.stores.iter().filter(|store| is_plain(store)).count() as u64;
                layers.saturating_mul(quantized.per_layer())
            }
            None => 0,
        }
    }

    /// Bytes of the larger of keys and values for one sequence: both old and new ones live while one is lengthened.
    #[must_use]
    pub fn lengthened(&self, tokens: u64) -> u64 {
        let each = self.stores.iter().map(|store| match *store {
            Store::KeyValue {
                heads,
                key_dim,
                value_dim,
                reach,
            } => {
                let width = self
                    .heads(heads)
                    .saturating_mul(key_dim.max(value_dim))
                    .saturating_mul(self.kept.model_bytes);
                width.saturating_mul(entries(reach, tokens))
            }
            Store::Latent { .. } | Store::Compressed { .. } | Store::Indexer { .. } => {
                self.store(store, tokens)
            }
            Store::State { .. } | Store::Cross { .. } => 0,
        });
        each.max().unwrap_or(0)
    }

    /// Room for a convolution that the layer does not have.
    fn empty(&self) -> u64 {
        let has_own = self.layer.mixers.iter().any(|m| convolution(m).is_some());
        match self.classes.everywhere {
            Some(convolution) if !has_own => self.state(convolution, 0, StateDtype::Cache),
            _ => 0,
        }
    }

    fn positions(&self, tokens: u64) -> u64 {
        match self.classes.positions {
            Some((layer, each)) if layer == self.layer.number => {
                tokens.saturating_mul(each).saturating_mul(8)
            }
            _ => 0,
        }
    }

    /// Heads that are cached, of those that keys and values have.
    fn heads(&self, own: u64) -> u64 {
        let queries = self.layer.mixers.iter().find_map(|mixer| match *mixer {
            Mixer::Attention {
                heads, kv_heads, ..
            } => Some((heads, kv_heads)),
            _ => None,
        });
        match queries {
            Some((heads, kv_heads)) if self.classes.broadcast && kv_heads > 1 => {
                own.saturating_mul(heads) / kv_heads
            }
            _ => own,
        }
    }

    /// Whether latent attention keeps its compressed vectors.
    fn keeps_latent(&self) -> bool {
        let indexed = self
            .stores
            .iter()
            .any(|store| matches!(store, Store::Indexer { .. }));
        match self.classes.latent {
            Latent::Expanded => false,
            Latent::Plain => !indexed,
            Latent::All => true,
        }
    }

    /// Bytes of one entry in the model's dtype.
    fn row(&self, store: &Store) -> u64 {
        let numbers = match *store {
            Store::KeyValue {
                heads,
                key_dim,
                value_dim,
                ..
            } => self
                .heads(heads)
                .saturating_mul(key_dim.saturating_add(value_dim)),
            Store::Latent {
                rank,
                rope_dim,
                expanded: (heads, nope_dim, value_dim),
                ..
            } => {
                if self.keeps_latent() {
                    rank.saturating_add(rope_dim)
                } else {
                    heads
                        .saturating_mul(nope_dim.saturating_add(rope_dim).saturating_add(value_dim))
                }
            }
            Store::Compressed { width, .. } | Store::Indexer { width, .. } => width,
            Store::Cross {
                heads, head_dim, ..
            } => heads.saturating_mul(2).saturating_mul(head_dim),
            Store::State { .. } => 0,
        };
        numbers.saturating_mul(self.kept.model_bytes)
    }

    fn store(&self, store: &Store, tokens: u64) -> u64 {
        let row = self.row(store);
        match *store {
            Store::KeyValue { reach, .. } => match self.classes.quantized {
                Some(quantized) => quantized.bytes(row, self.kept.model_bytes, tokens),
                None => row.saturating_mul(entries(reach, tokens)),
            },
            Store::Latent { reach, .. } => row.saturating_mul(entries(reach, tokens)),
            // One key for every token, whatever share of them the indexer looks at.
            Store::Indexer { .. } if !self.is_compressed() => row.saturating_mul(tokens),
            Store::Indexer { width, ratio } => self.gathered(width, ratio, true, tokens),
            Store::Compressed {
                width,
                ratio,
                window,
            } => {
                let overlaps = self
                    .stores
                    .iter()
                    .any(|store| matches!(store, Store::Indexer { .. }));
                // Where nothing is gathered the layer is of the plain class, which keeps keys and values apart; else both
                // are the same memory.
                let times = if ratio == 0 { 2 } else { 1 };
                row.saturating_mul(times)
                    .saturating_mul(entries(Reach::Sliding(window), tokens))
                    .saturating_add(self.gathered(width, ratio, overlaps, tokens))
            }
            Store::Cross {
                tokens: encoded, ..
            } => row.saturating_mul(encoded.unwrap_or(self.kept.encoder_tokens)),
            Store::State {
                convolution,
                recurrent,
                dtype,
                ..
            } => self.state(convolution, recurrent, dtype),
        }
    }

    fn is_compressed(&self) -> bool {
        self.stores
            .iter()
            .any(|store| matches!(store, Store::Compressed { .. }))
    }

    /// Entries that stand for several tokens each, and what waits to become one: projections and gates of the tokens
    /// since the last. Where entries overlap, both are twice as wide, and half of those of the last entry's tokens is kept
    /// beside (5.23, `models/deepseek_v4/modeling_deepseek_v4.py:DeepseekV4HCACache`, `DeepseekV4CSACache`).
    fn gathered(&self, width: u64, ratio: u64, overlaps: bool, tokens: u64) -> u64 {
        let (Some(complete), Some(waiting)) =
            (tokens.checked_div(ratio), tokens.checked_rem(ratio))
        else {
            return 0;
        };
        let (wide, beside) = if overlaps {
            // Projections and gates of the tokens of the last entry.
            let last = if complete > 0 { ratio } else { 0 };
            (4, last.saturating_mul(2))
        } else {
            (2, 0)
        };
        complete
            .saturating_add(waiting.saturating_mul(wide))
            .saturating_add(beside)
            .saturating_mul(width)
            .saturating_mul(self.kept.model_bytes)
    }

    fn state(&self, convolution: Convolution, recurrent: u64, dtype: StateDtype) -> u64 {
        let model = self.kept.model_bytes;
        let inputs = if convolution.tight {
            convolution.kept()
        } else {
            convolution.channels.saturating_mul(convolution.width)
        };
        let input = if convolution.float32 { 4 } else { model };
        let number = match dtype {
            StateDtype::Cache => model,
            StateDtype::Float32 if self.classes.model_states => model,
            StateDtype::Float32 => 4,
        };
        inputs
            .saturating_mul(input)
            .saturating_add(recurrent.saturating_mul(number))
    }
}

const fn is_plain(store: &Store) -> bool {
    matches!(store, Store::KeyValue { .. })
}

#[cfg(test)]
mod tests {
    use super::entries;
    use crate::architecture::layer::Reach;

    #[test]
    fn a_window_keeps_one_less_than_it_spans() {
        let kept = |tokens| entries(Reach::Sliding(32), tokens);
        assert_eq!([1, 31, 32, 33, 80].map(kept), [1, 31, 31, 31, 31]);
        assert_eq!(entries(Reach::Sliding(1), 80), 80);
        assert_eq!(entries(Reach::Full, 80), 80);
    }
}
