//! What tensor-parallel ranks share and what each of them holds whole.
//!
//! Megatron's scheme, as vLLM, `SGLang` and `TensorRT-LLM` have it: projections into heads or into the inner width of a
//! feed-forward network are cut by rows, those out of it by columns, tables of a vocabulary by entries; norms, routers
//! and down-projections of latent attention are copied.

use super::body::Piece;
use super::layout::Parallel;
use crate::architecture::layer::{Layer, Mixer};
use crate::architecture::template::Routing;
use crate::checkpoint::Role;

/// How the ranks share a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Every rank has all of it.
    Whole,
    /// Each rank has its share.
    Ranks,
    /// By heads of keys and values, which are copied where ranks outnumber them.
    KeyValue,
    /// Queries, keys and values in one tensor.
    QueryKeyValue,
    /// By entries of the vocabulary.
    Vocabulary,
    /// One of many experts.
    Experts,
}

/// How tensors of attention are shared, by a part of the last words of their names; the first that fits.
const ATTENTION: &[(&str, Split)] = &[
    // The down-projections of latent attention, and those of indexers.
    ("q_a_proj", Split::Whole),
    ("wq_a", Split::Whole),
    ("kv_a_proj", Split::Whole),
    ("wkv", Split::Whole),
    ("compressor", Split::Whole),
    ("indexer", Split::Whole),
    ("kv_b_proj", Split::Ranks),
    ("qkv", Split::QueryKeyValue),
    ("query_key_value", Split::QueryKeyValue),
    ("c_attn", Split::QueryKeyValue),
    ("k_proj", Split::KeyValue),
    ("v_proj", Split::KeyValue),
    (".key.", Split::KeyValue),
    (".value.", Split::KeyValue),
];

/// Parts of the names of tensors of towers that every rank holds whole: they cut pixels or sound into patches.
const STEMS: &[&str] = &["patch", "conv", "position", "pos_emb", "class_emb", "cls"];

/// Ends of the names of biases behind projections out of heads or an inner width, which one addition takes whole.
const OUT_BIASES: &[&str] = &[
    "o_proj.bias",
    "out_proj.bias",
    "dense.bias",
    "down_proj.bias",
    "c_proj.bias",
    "fc2.bias",
    "wo.bias",
];

impl Split {
    /// How ranks share the tensors of a piece.
    #[must_use]
    pub fn of(piece: &Piece) -> Self {
        let name = &*piece.pattern;
        if OUT_BIASES.iter().any(|end| name.ends_with(end)) {
            return Self::Whole;
        }
        match piece.role {
            Role::Embedding | Role::Head => Self::Vocabulary,
            Role::Norm | Role::Router | Role::Position | Role::Adapter | Role::Other => Self::Whole,
            Role::Expert => Self::Experts,
            Role::Attention => ATTENTION
                .iter()
                .find(|(word, _)| name.contains(word))
                .map_or(Self::Ranks, |(_, split)| *split),
            Role::Vision | Role::Audio | Role::Projector => {
                let stem = STEMS.iter().any(|word| name.contains(word));
                if piece.shape.len() < 2 || stem {
                    Self::Whole
                } else {
                    Self::Ranks
                }
            }
            Role::State | Role::Mlp | Role::SharedExpert | Role::Mtp => match piece.routing {
                Routing::Routed { .. } => Self::Experts,
                _ => Self::Ranks,
            },
        }
    }

    /// Bytes that one rank holds of all tensors of the piece in one layer, or in all outside layers.
    ///
    /// `layer` gives the heads; `vocabulary` is the number that entries are padded to a multiple of.
    #[must_use]
    pub fn bytes(
        self,
        piece: &Piece,
        layer: Option<&Layer>,
        parallel: Parallel,
        vocabulary: u64,
    ) -> u64 {
        let all = piece.each.saturating_mul(piece.bytes);
        let ranks = parallel.tensor.max(1);
        match self {
            Self::Whole => all,
            Self::Ranks => all.div_ceil(ranks),
            Self::KeyValue => portion(
                all,
                heads(layer).map(|(_, kv)| (local(kv, ranks), kv)),
                ranks,
            ),
            Self::QueryKeyValue => portion(
                all,
                heads(layer).map(|(q, kv)| {
                    let mine = q
                        .div_ceil(ranks)
                        .saturating_add(local(kv, ranks).saturating_mul(2));
                    (mine, q.saturating_add(kv.saturating_mul(2)))
                }),
                ranks,
            ),
            Self::Vocabulary => {
                let entries = piece.shape.first().copied().unwrap_or(0);
                let multiple = vocabulary.max(1);
                let padded = entries.div_ceil(multiple).saturating_mul(multiple);
                portion(all, Some((padded.div_ceil(ranks), entries)), ranks)
            }
            Self::Experts => {
                // Dealt out whole, or cut like the rest; what dealing leaves to cut, is cut.
                let dealt = parallel.expert.max(1);
                let cut = (parallel.expert_ranks().max(1) / dealt).max(1);
                let experts = match piece.routing {
                    Routing::Routed { of, .. } if of > 0 => of,
                    _ => return all.div_ceil(ranks),
                };
                portion(all, Some((experts.div_ceil(dealt), experts)), 1).div_ceil(cut)
            }
        }
    }
}

/// `all · of / whole`, rounded up; a plain share where heads are not known.
fn portion(all: u64, part: Option<(u64, u64)>, ranks: u64) -> u64 {
    match part {
        Some((mine, whole)) if whole > 0 => {
            let product = u128::from(all) * u128::from(mine);
            u64::try_from(product.div_ceil(u128::from(whole))).unwrap_or(u64::MAX)
        }
        _ => all.div_ceil(ranks),
    }
}

const fn local(heads: u64, ranks: u64) -> u64 {
    super::store::local_heads(heads, ranks)
}

/// Heads of queries, and of keys and values, of a layer with attention.
fn heads(layer: Option<&Layer>) -> Option<(u64, u64)> {
    layer?.mixers.iter().find_map(|mixer| match *mixer {
        Mixer::Attention {
            heads, kv_heads, ..
        }
        | Mixer::Cross {
            heads, kv_heads, ..
        } => Some((heads, kv_heads)),
        _ => None,
    })
}
