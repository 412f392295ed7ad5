//! The compute buffer of llama.cpp: where the numbers of one step lie while its graph runs.
//!
//! The allocator (`ggml-alloc.c`) reuses memory as soon as nothing reads it any more, so that the buffer is as large as
//! the fullest moment of the graph. Two moments are counted: the logits at the end, and the fullest layer, with the masks
//! that all layers read. Numbers are in 32 bits.

use super::cells::{Cells, Rules};
use crate::architecture::layer::{FeedForward, Layer, Mixer};
use crate::engine::Rank;
use crate::memory::ledger::{Ledger, Origin};

const SOURCE: &str =
    "llama.cpp, llama-context.cpp:graph_reserve and llama-graph.cpp; the moment by ggml-alloc.c";
/// Copies of what a graph reads where it runs over several GPUs (`ggml-backend.cpp:GGML_SCHED_MAX_COPIES`).
const COPIES: u64 = 4;
const FLOAT: u64 = 4;
const HALVES: &str = "keys and values of one layer, for the kernel of flash attention";

/// What takes part in a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    /// Masks of attention.
    pub(super) masks: u64,
    /// Scores of all heads, without flash attention.
    pub(super) scores: u64,
    /// What the layer makes.
    pub(super) layer: u64,
    /// Keys and values of one layer in 16 bits, for kernels that read no other.
    pub(super) halves: u64,
}

impl Moment {
    const fn total(self) -> u64 {
        self.masks
            .saturating_add(self.scores)
            .saturating_add(self.layer)
            .saturating_add(self.halves)
    }
}

fn product(factors: &[u64]) -> u64 {
    factors
        .iter()
        .fold(1, |product: u64, &factor| product.saturating_mul(factor))
}

/// Bytes of the logits and of what they are made from.
pub(super) fn logits(rank: &Rank<'_>, rules: &Rules, cells: Cells) -> (u64, u64) {
    let architecture = rank.architecture();
    let rows = if rules.build.few_logits {
        cells.sequences.min(cells.step)
    } else {
        cells.step
    };
    let vocabulary = architecture.vocab_size.unwrap_or(0);
    let hidden = architecture.hidden_size.unwrap_or(0);
    (
        product(&[FLOAT, rows, vocabulary]),
        product(&[FLOAT, cells.step, hidden]),
    )
}

/// The fullest layer of a rank. Where keys and values in 16 bits lie beside the buffer, all layers share the largest.
pub(super) fn fullest(rank: &Rank<'_>, rules: &Rules, cells: Cells, windowed: bool) -> Moment {
    let masks = masks(rank, rules, cells, windowed);
    let moments: Vec<_> = rank
        .layers
        .iter()
        .flat_map(|layer| moments(rank, rules, cells, windowed, layer))
        .map(|moment| Moment { masks, ..moment })
        .collect();
    if rules.build.halves_in_graph {
        return moments
            .into_iter()
            .max_by_key(|moment| moment.total())
            .unwrap_or_default();
    }
    let halves = moments.iter().map(|moment| moment.halves).max();
    moments
        .iter()
        .map(|moment| Moment {
            halves: halves.unwrap_or(0),
            ..*moment
        })
        .max_by_key(|moment| moment.total())
        .unwrap_or_default()
}

/// A mask for layers that see everything, and one for those that see a window.
fn masks(rank: &Rank<'_>, rules: &Rules, cells: Cells, windowed: bool) -> u64 {
    let mut widths: Vec<u64> = attention(rank)
        .map(|reach| seen(rules, cells, windowed, reach))
        .collect();
    widths.sort_unstable();
    widths.dedup();
    let bytes = match (rules.flash, rules.build.halves_in_graph) {
        (true, true) => 2,
        (true, false) => 4 + 2,
        (false, _) => 4,
    };
    let copies = if rank.stage.of > 1 { COPIES } else { 1 };
    widths.iter().fold(0, |sum: u64, &width| {
        sum.saturating_add(product(&[bytes, copies, width, cells.step]))
    })
}

/// How far back the attention of each layer here sees.
fn attention(rank: &Rank<'_>) -> impl Iterator<Item = Option<u64>> {
    rank.layers
        .iter()
        .flat_map(|layer| &layer.mixers)
        .filter_map(|mixer| match mixer {
            Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => Some(reach.saturates()),
            _ => None,
        })
}

fn seen(rules: &Rules, cells: Cells, windowed: bool, window: Option<u64>) -> u64 {
    match window.filter(|_| windowed) {
        Some(window) => rules.window(cells, window),
        None => cells.each,
    }
}

/// What each part of a layer holds at once, beside the residual stream and its normed copy.
fn moments(
    rank: &Rank<'_>,
    rules: &Rules,
    cells: Cells,
    windowed: bool,
    layer: &Layer,
) -> Vec<Moment> {
    let hidden = rank.architecture().hidden_size.unwrap_or(0);
    let step = cells.step;
    let scratch = |numbers: u64| {
        product(&[
            FLOAT,
            step,
            numbers.saturating_add(hidden.saturating_mul(2)),
        ])
    };
    let mixers =
        layer.mixers.iter().map(|mixer| match *mixer {
            Mixer::Attention {
                heads,
                kv_heads,
                key_dim,
                value_dim,
                reach,
                ..
            } => {
                let width = seen(rules, cells, windowed, reach.saturates());
                let both = key_dim.saturating_add(value_dim);
                let queries = heads.saturating_mul(key_dim);
                let rest = if rules.flash {
                    let values = heads.saturating_mul(value_dim);
                    values.saturating_add(kv_heads.saturating_mul(both))
                } else {
                    hidden
                };
                Moment {
                    scores: scores(rules, heads, step, width),
                    halves: halves(rank, rules, &[width, cells.streams, kv_heads, both]),
                    layer: scratch(queries.saturating_add(rest)),
                    masks: 0,
                }
            }
            Mixer::Latent {
                heads,
                rank: latent,
                rope_dim,
                nope_dim,
                value_dim,
                reach,
                ..
            } => {
                let width = seen(rules, cells, windowed, reach.saturates());
                let both = latent.saturating_add(rope_dim);
                // Queries before and after they are carried over to the latent space, and what comes back from it.
                let each = nope_dim
                    .saturating_add(rope_dim)
                    .saturating_add(both)
                    .saturating_add(latent)
                    .saturating_add(value_dim);
                Moment {
                    scores: scores(rules, heads, step, width),
                    halves: halves(rank, rules, &[width, cells.streams, both]),
                    layer: scratch(heads.saturating_mul(each).saturating_add(both)),
                    masks: 0,
                }
            }
            Mixer::State {
                convolution,
                recurrent,
                ..
            } => {
                Moment {
                    // What goes into the convolution, what comes out, and the gate; the states before and after the step.
                    layer: scratch(convolution.channels.saturating_mul(3))
                        .saturating_add(product(&[2, FLOAT, cells.sequences, recurrent])),
                    ..Moment::default()
                }
            }
            Mixer::Compressed { .. } | Mixer::Cross { .. } | Mixer::Stateless => Moment::default(),
        });
    let networks = layer.feed_forward.iter().map(|network| {
        let numbers = match *network {
            // Gate, up, and their product.
            FeedForward::Dense { width } => width.saturating_mul(3),
            FeedForward::Experts {
                experts,
                chosen,
                width,
                ..
            } => {
                let inner = width.saturating_mul(3);
                let outer = width.saturating_add(hidden);
                chosen
                    .saturating_mul(inner.max(outer))
                    .saturating_add(experts)
            }
        };
        Moment {
            layer: scratch(numbers),
            ..Moment::default()
        }
    });
    mixers.chain(networks).collect()
}

fn scores(rules: &Rules, heads: u64, step: u64, width: u64) -> u64 {
    if rules.flash {
        0
    } else {
        product(&[FLOAT, heads, step, width])
    }
}

/// Kernels of flash attention for more than a few tokens read 16-bit floats
/// (`ggml-cuda/fattn-common.cuh:ggml_cuda_flash_attn_ext_get_f16_extra_data`).
fn halves(rank: &Rank<'_>, rules: &Rules, numbers: &[u64]) -> u64 {
    if rules.flash && rank.settings.cache.name != "fp16" {
        product(numbers).saturating_mul(2)
    } else {
        0
    }
}

/// Notes the fuller of the two moments.
pub(super) fn note(
    rank: &Rank<'_>,
    rules: &Rules,
    cells: Cells,
    windowed: bool,
    ledger: &mut dyn Ledger,
) {
    let layer = fullest(rank, rules, cells, windowed);
    let (made, from) = logits(rank, rules, cells);
    let step = cells.step;
    let mut add = |name, bytes, formula: &dyn Fn() -> String| {
        ledger.add(name, bytes, Origin::Mechanism, SOURCE, formula);
    };
    let beside = if rules.build.halves_in_graph {
        0
    } else {
        layer.halves
    };
    if rank.stage.is_last() && made.saturating_add(from) >= layer.total() - beside {
        add("logits", made, &|| {
            format!(
                "4 bytes of each entry of the vocabulary for each output of a step of {step} tokens"
            )
        });
        add("last hidden state", from, &|| {
            format!("4 bytes of each of the hidden numbers of {step} tokens")
        });
        add("cache in 16 bits", beside, &|| HALVES.to_owned());
        return;
    }
    add("attention masks", layer.masks, &|| {
        format!(
            "{step} tokens of a step times the cells that each kind of layer sees, of {} in a stream",
            cells.each
        )
    });
    add("attention scores", layer.scores, &|| {
        format!(
            "4 bytes times heads, {step} tokens and the cells they see, without flash attention"
        )
    });
    add("cache in 16 bits", layer.halves, &|| HALVES.to_owned());
    add("fullest layer", layer.layer, &|| {
        format!("4 bytes times {step} tokens and what one part of a layer holds at once")
    });
}
