//! Rows of the mind: what the config determines of the layers, one fact a row.

use super::row::{Cell, Row, Unit};
use super::seen::Seen;
use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Reach, Stack};
use crate::architecture::rope::Rope;
use crate::checkpoint::Role;
use crate::map::ties_head;
use crate::wording::{counted, grouped};

/// One fact of a mind.
#[derive(Debug)]
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
        read,
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
        "value dimension, where it is another",
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
        |mind| layers_with(mind, |mixer| looks(mixer) == Some(None)),
    ),
    following(
        "window_layers",
        "layers with a window",
        "layers with a window",
        |mind| layers_with(mind, |mixer| matches!(looks(mixer), Some(Some(_)))),
    ),
    tokens("window", "window", "tokens of window", |mind| {
        of_mixers(mind, |mixer| looks(mixer).flatten())
    }),
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
    tokens("context", "context", "tokens of context", |mind| {
        stated(mind.context.as_ref(), |&context| {
            Cell::Number(context.into())
        })
    }),
    words("rope", "rope", false, |mind| {
        of_rope(mind, |rope| Cell::Text(rope.kind.clone()))
    }),
    fact("rope_base", "rope base", "rope base", |mind| {
        of_rope(mind, |rope| real(rope.base))
    }),
    fact(
        "rope_factor",
        "rope stretched by",
        "times stretched",
        |mind| of_rope(mind, |rope| real(rope.factor)),
    ),
    tokens(
        "rope_original",
        "context before stretching",
        "tokens before stretching",
        |mind| of_rope(mind, |rope| Cell::maybe(rope.original_context)),
    ),
];

/// The rows, in order.
pub fn rows(seen: &[Seen<'_>]) -> Vec<Row> {
    FACTS
        .iter()
        .map(|fact| {
            let cells = seen.iter().map(|one| one.of_mind(fact.read)).collect();
            Row::new(fact.key, fact.label, fact.unit, cells)
        })
        .collect()
}

/// The layers that make up the text model: those that write, or all of a model that only reads.
fn main(mind: &Architecture) -> Vec<&Layer> {
    let decoder: Vec<&Layer> = mind.decoder().collect();
    if decoder.is_empty() {
        return mind.layers.iter().collect();
    }
    decoder
}

/// A fact that a class may have by itself where its config does not state it.
fn stated<T>(fact: Option<&T>, read: impl Fn(&T) -> Cell) -> Cell {
    fact.map_or_else(|| Cell::Missing("the config states none".to_owned()), read)
}

fn of_rope(mind: &Architecture, read: impl Fn(&Rope) -> Cell) -> Cell {
    stated(mind.rope.as_ref(), read)
}

fn pattern(mind: &Architecture, stack: Stack) -> Cell {
    if mind.layers.iter().any(|layer| layer.stack == stack) {
        Cell::Text(mind.pattern(stack))
    } else {
        Cell::None
    }
}

fn count(number: usize) -> Cell {
    Cell::Number(i128::try_from(number).unwrap_or(i128::MAX))
}

/// A number of layers; none of a kind is no such thing.
fn some(number: usize) -> Cell {
    if number == 0 {
        Cell::None
    } else {
        count(number)
    }
}

fn layers_with(mind: &Architecture, of: impl Fn(&Mixer) -> bool) -> Cell {
    let has = |layer: &&&Layer| layer.mixers.iter().any(&of);
    some(main(mind).iter().filter(has).count())
}

fn of_mixers(mind: &Architecture, read: impl Fn(&Mixer) -> Option<u64>) -> Cell {
    let layers = main(mind);
    spread(
        layers
            .iter()
            .flat_map(|layer| layer.mixers.iter().find_map(&read)),
    )
}

fn of_networks(mind: &Architecture, read: impl Fn(&FeedForward) -> Option<u64>) -> Cell {
    let layers = main(mind);
    spread(
        layers
            .iter()
            .flat_map(|layer| layer.feed_forward.iter().find_map(&read)),
    )
}

/// The number that all layers have; where they differ, how many have which, in the order of the first of each.
fn spread(numbers: impl Iterator<Item = u64>) -> Cell {
    let mut kinds: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match kinds.iter_mut().find(|(known, _)| *known == number) {
            Some((_, layers)) => *layers += 1,
            None => kinds.push((number, 1)),
        }
    }
    match kinds.as_slice() {
        [] => Cell::None,
        [(number, _)] => Cell::Number((*number).into()),
        several => {
            let words: Vec<String> = several
                .iter()
                .map(|(number, layers)| {
                    format!("{} in {}", grouped(*number), counted(*layers, "layer"))
                })
                .collect();
            Cell::Text(words.join(", "))
        }
    }
}

const fn heads(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { heads, .. }
        | Mixer::Latent { heads, .. }
        | Mixer::Compressed { heads, .. } => Some(heads),
        Mixer::State { .. } | Mixer::Cross { .. } | Mixer::Stateless => None,
    }
}

const fn kv_heads(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { kv_heads, .. } => Some(kv_heads),
        Mixer::Compressed { .. } => Some(1),
        _ => None,
    }
}

const fn head_dim(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { key_dim, .. } | Mixer::Compressed { key_dim, .. } => Some(key_dim),
        Mixer::Latent {
            nope_dim, rope_dim, ..
        } => Some(nope_dim.saturating_add(rope_dim)),
        _ => None,
    }
}

fn value_dim(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { value_dim, .. } | Mixer::Latent { value_dim, .. } => {
            Some(value_dim).filter(|&dim| head_dim(mixer) != Some(dim))
        }
        _ => None,
    }
}

const fn latent(mixer: &Mixer) -> Option<(u64, u64)> {
    match *mixer {
        Mixer::Latent { rank, rope_dim, .. } => Some((rank, rope_dim)),
        _ => None,
    }
}

const fn state(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::State {
            convolution,
            recurrent,
            ..
        } => Some(convolution.kept().saturating_add(recurrent)),
        _ => None,
    }
}

/// What an attention layer looks at: everything, or a window of so many tokens. Nothing for other mixers.
#[must_use]
pub const fn looks(mixer: &Mixer) -> Option<Option<u64>> {
    match *mixer {
        Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => match reach {
            Reach::Full => Some(None),
            Reach::Sliding(window) | Reach::Chunked(window) => Some(Some(window)),
        },
        Mixer::Compressed {
            ratio: 0, window, ..
        } => Some(Some(window)),
        Mixer::Compressed { .. } => Some(None),
        _ => None,
    }
}

/// How many experts, how many of them for a token, the width of one, and that of what every token visits beside them.
const fn experts(part: &FeedForward) -> Option<[u64; 4]> {
    match *part {
        FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width,
        } => Some([experts, chosen, width, shared_width]),
        FeedForward::Dense { .. } => None,
    }
}

fn head(mind: &Architecture) -> Cell {
    let has = mind
        .templates
        .iter()
        .any(|template| template.role == Role::Head);
    let word = match (has, mind.is_bare()) {
        (true, _) => "its own",
        (false, false) if ties_head(mind) => "tied to the embedding",
        _ => return Cell::None,
    };
    Cell::Text(word.to_owned())
}

/// A number of a config that may have decimals.
fn real(number: Option<f64>) -> Cell {
    /// Up to here every whole number is one of 64-bit floating point.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number {
        None => Cell::None,
        #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^53")]
        Some(number) if number.fract() == 0.0 && number.abs() <= EXACT => {
            Cell::Number(number as i128)
        }
        Some(number) => Cell::Text(number.to_string()),
    }
}
