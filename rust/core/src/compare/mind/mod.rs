//! Rows of the mind: what the config determines of the layers, one fact a row.

mod read;

pub use read::{keeps, window};

use super::row::{Cell, Row, Unit};
use super::seen::Seen;
use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Reach, Stack};
use crate::architecture::rope::Rope;
use crate::wording::{counted, grouped};
use read::{
    count, experts, head, head_dim, heads, kv_heads, latent, layers_with, looks, main, of_mixers,
    of_networks, of_rope, pattern, real, some, state, stated, value_dim,
};

/// One fact of a mind.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    /// The key of its row.
    pub key: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What stands behind its number in a sentence.
    pub noun: &'static str,
    /// What its number counts.
    pub unit: Unit,
    /// Whether it counts layers or sums up what other facts say.
    pub follows: bool,
    /// Whether layers or tensors are made by it, which those of positions are not.
    pub shapes: bool,
    /// Reads it.
    pub read: fn(&Architecture) -> Cell,
}

const fn fact(
    key: &'static str,
    label: &'static str,
    noun: &'static str,
    read: fn(&Architecture) -> Cell,
) -> Fact {
    Fact {
        key,
        label,
        noun,
        unit: Unit::Count,
        follows: false,
        shapes: true,
        read,
    }
}

/// A fact of positions: it is told of them, and shapes no layer and no tensor.
const fn of_positions(fact: Fact) -> Fact {
    Fact {
        shapes: false,
        ..fact
    }
}

const fn following(
    key: &'static str,
    label: &'static str,
    noun: &'static str,
    read: fn(&Architecture) -> Cell,
) -> Fact {
    Fact {
        follows: true,
        ..fact(key, label, noun, read)
    }
}

const fn words(
    key: &'static str,
    label: &'static str,
    follows: bool,
    read: fn(&Architecture) -> Cell,
) -> Fact {
    Fact {
        unit: Unit::Text,
        follows,
        ..fact(key, label, "", read)
    }
}

const fn tokens(
    key: &'static str,
    label: &'static str,
    noun: &'static str,
    read: fn(&Architecture) -> Cell,
) -> Fact {
    Fact {
        unit: Unit::Tokens,
        ..fact(key, label, noun, read)
    }
}

/// Every fact, in the order of display.
pub const FACTS: &[Fact] = &[
    words("pattern", "layers in order", true, |mind| {
        pattern(mind, Stack::Decoder)
    }),
    words("pattern.encoder", "encoder", true, |mind| {
        pattern(mind, Stack::Encoder)
    }),
    words("pattern.vision", "vision tower", true, |mind| {
        pattern(mind, Stack::Vision)
    }),
    words("pattern.audio", "audio tower", true, |mind| {
        pattern(mind, Stack::Audio)
    }),
    words(
        "pattern.prediction",
        "layers that predict ahead",
        true,
        |mind| pattern(mind, Stack::Prediction),
    ),
    words("pattern.other", "other layers", true, |mind| {
        pattern(mind, Stack::Other)
    }),
    fact("layers", "layers", "layers", |mind| count(main(mind).len())),
    fact("hidden_size", "width", "wide", |mind| {
        Cell::maybe(mind.hidden_size)
    }),
    fact("heads", "heads", "heads", |mind| of_mixers(mind, heads)),
    fact("kv_heads", "KV heads", "KV heads", |mind| {
        of_mixers(mind, kv_heads)
    }),
    fact("head_dim", "head dimension", "numbers per head", |mind| {
        of_mixers(mind, head_dim)
    }),
    fact(
        "value_dim",
        "value dimension",
        "numbers per value head",
        |mind| of_mixers(mind, value_dim),
    ),
    fact(
        "latent_rank",
        "latent vector",
        "numbers in the latent vector",
        |mind| of_mixers(mind, |mixer| latent(mixer).map(|(rank, _)| rank)),
    ),
    fact(
        "latent_rope_dim",
        "rotary key beside it",
        "numbers in the rotary key",
        |mind| of_mixers(mind, |mixer| latent(mixer).map(|(_, rope)| rope)),
    ),
    following(
        "full_layers",
        "layers that look at everything",
        "layers that look at everything",
        |mind| layers_with(mind, |mixer| looks(mixer) == Some(Reach::Full)),
    ),
    following(
        "window_layers",
        "layers with a window",
        "layers with a window",
        |mind| layers_with(mind, |mixer| window(mixer).is_some()),
    ),
    tokens("window", "window", "tokens of window", |mind| {
        of_mixers(mind, window)
    }),
    following(
        "shared_layers",
        "layers that use another's cache",
        "layers that use another's cache",
        |mind| layers_with(mind, |mixer| !keeps(mixer)),
    ),
    following(
        "state_layers",
        "layers with a state",
        "layers with a state",
        |mind| layers_with(mind, |mixer| matches!(mixer, Mixer::State { .. })),
    ),
    fact(
        "state_numbers",
        "numbers of a layer's state",
        "numbers of state",
        |mind| of_mixers(mind, state),
    ),
    following(
        "cross_layers",
        "layers that look at an encoder",
        "layers that look at an encoder",
        |mind| layers_with(mind, |mixer| matches!(mixer, Mixer::Cross { .. })),
    ),
    following(
        "expert_layers",
        "layers with experts",
        "layers with experts",
        |mind| {
            let has = |layer: &&&Layer| {
                layer
                    .feed_forward
                    .iter()
                    .any(|part| experts(part).is_some())
            };
            some(main(mind).iter().filter(has).count())
        },
    ),
    fact("experts", "experts", "experts", |mind| {
        of_networks(mind, |part| experts(part).map(|one| one[0]))
    }),
    fact(
        "experts_per_token",
        "experts per token",
        "experts per token",
        |mind| of_networks(mind, |part| experts(part).map(|one| one[1])),
    ),
    fact("expert_width", "expert width", "wide experts", |mind| {
        of_networks(mind, |part| experts(part).map(|one| one[2]))
    }),
    fact(
        "shared_expert_width",
        "shared expert width",
        "wide shared experts",
        |mind| {
            of_networks(mind, |part| {
                experts(part).map(|one| one[3]).filter(|&width| width > 0)
            })
        },
    ),
    fact(
        "feed_forward",
        "feed-forward width",
        "wide feed-forward",
        |mind| {
            of_networks(mind, |part| match *part {
                FeedForward::Dense { width } => Some(width),
                FeedForward::Experts { .. } => None,
            })
        },
    ),
    fact(
        "vocab_size",
        "vocabulary",
        "entries in the vocabulary",
        |mind| Cell::maybe(mind.vocab_size),
    ),
    words("head", "head", false, head),
    of_positions(tokens("context", "context", "tokens of context", |mind| {
        stated(mind.context.as_ref(), |&context| {
            Cell::Number(context.into())
        })
    })),
    of_positions(words("rope", "rope", false, |mind| {
        of_rope(mind, |rope| Cell::Text(rope.kind.clone()))
    })),
    of_positions(fact("rope_base", "rope base", "rope base", |mind| {
        of_rope(mind, |rope| real(rope.base))
    })),
    of_positions(fact(
        "rope_factor",
        "rope stretched by",
        "times stretched",
        |mind| of_rope(mind, |rope| real(rope.factor)),
    )),
    of_positions(tokens(
        "rope_original",
        "context before stretching",
        "tokens before stretching",
        |mind| of_rope(mind, |rope| Cell::maybe(rope.original_context)),
    )),
];

/// The rows, in order.
pub fn rows(seen: &[Seen<'_>]) -> Vec<Row> {
    let mut rows: Vec<Row> = FACTS
        .iter()
        .map(|fact| {
            let cells = seen.iter().map(|one| one.of_mind(fact.read)).collect();
            Row::new(fact.key, fact.label, fact.unit, cells)
        })
        .collect();
    // Where all layers of all models look at everything, their number is told already.
    let cells = |key: &str| {
        rows.iter()
            .find(|row| row.key == key)
            .map(|row| row.values.clone())
    };
    if cells("layers") == cells("full_layers") {
        rows.retain(|row| row.key != "full_layers");
    }
    fold_rope(seen, &mut rows);
    rows
}

/// Where a model does not state its rope, one row tells that, with all that the others have.
fn fold_rope(seen: &[Seen<'_>], rows: &mut Vec<Row>) {
    let is_silent = |one: &Seen<'_>| one.mind.as_ref().is_ok_and(|mind| mind.rope.is_none());
    if !seen.iter().any(is_silent) {
        return;
    }
    let cells = seen
        .iter()
        .map(|one| one.of_mind(|mind| of_rope(mind, |rope| Cell::Text(rope_words(rope)))));
    let folded = Row::new("rope", "rope", Unit::Text, cells.collect());
    rows.retain(|row| row.key == "rope" || !row.key.starts_with("rope_"));
    if let Some(row) = rows.iter_mut().find(|row| row.key == "rope") {
        *row = folded;
    }
}

/// A rope in a few words: `llama3, base 500,000, stretched 8 times from 8,192 tokens`.
fn rope_words(rope: &Rope) -> String {
    let number = |cell: Cell| match cell {
        Cell::Number(number) => Some(grouped(number.unsigned_abs())),
        Cell::Text(text) => Some(text),
        Cell::None | Cell::Missing(_) => None,
    };
    let factor = number(real(rope.factor)).map(|times| format!("stretched {times} times"));
    let from = rope
        .original_context
        .map(|tokens| format!("from {}", counted(tokens, "token")));
    let stretched: Vec<String> = factor.into_iter().chain(from).collect();
    let base = number(real(rope.base)).map(|base| format!("base {base}"));
    let words = std::iter::once(rope.kind.clone()).chain(base);
    let stretched = Some(stretched.join(" ")).filter(|text| !text.is_empty());
    words.chain(stretched).collect::<Vec<String>>().join(", ")
}
