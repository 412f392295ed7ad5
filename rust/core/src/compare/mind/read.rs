//! Reads facts off the layers and tensors of a mind.

use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Reach, Stack};
use crate::architecture::rope::Rope;
use crate::compare::row::Cell;
use crate::map::ties_head;
use crate::wording::{counted, grouped};

/// The layers that make up the text model: those that write, or all of a model that only reads.
pub fn main(mind: &Architecture) -> Vec<&Layer> {
    let decoder: Vec<&Layer> = mind.decoder().collect();
    if decoder.is_empty() {
        return mind.layers.iter().collect();
    }
    decoder
}

/// A fact that a class may have by itself where its config does not state it.
pub fn stated<T>(fact: Option<&T>, read: impl Fn(&T) -> Cell) -> Cell {
    fact.map_or_else(|| Cell::Missing("the config states none".to_owned()), read)
}

pub fn of_rope(mind: &Architecture, read: impl Fn(&Rope) -> Cell) -> Cell {
    stated(mind.rope.as_ref(), read)
}

pub fn pattern(mind: &Architecture, stack: Stack) -> Cell {
    if mind.layers.iter().any(|layer| layer.stack == stack) {
        Cell::Text(mind.pattern(stack))
    } else {
        Cell::None
    }
}

pub fn count(number: usize) -> Cell {
    Cell::Number(i128::try_from(number).unwrap_or(i128::MAX))
}

/// A number of layers; none of a kind is no such thing.
pub fn some(number: usize) -> Cell {
    if number == 0 {
        Cell::None
    } else {
        count(number)
    }
}

pub fn layers_with(mind: &Architecture, of: impl Fn(&Mixer) -> bool) -> Cell {
    let has = |layer: &&&Layer| layer.mixers.iter().any(&of);
    some(main(mind).iter().filter(has).count())
}

pub fn of_mixers(mind: &Architecture, read: impl Fn(&Mixer) -> Option<u64>) -> Cell {
    let layers = main(mind);
    spread(
        layers
            .iter()
            .filter_map(|layer| layer.mixers.iter().find_map(&read)),
    )
}

pub fn of_networks(mind: &Architecture, read: impl Fn(&FeedForward) -> Option<u64>) -> Cell {
    let layers = main(mind);
    spread(
        layers
            .iter()
            .filter_map(|layer| layer.feed_forward.iter().find_map(&read)),
    )
}

/// The number that all layers have; where they differ, how many have which, in the order of the first of each.
pub fn spread(numbers: impl Iterator<Item = u64>) -> Cell {
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

pub const fn heads(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { heads, .. }
        | Mixer::Latent { heads, .. }
        | Mixer::Compressed { heads, .. } => Some(heads),
        Mixer::State { .. } | Mixer::Cross { .. } | Mixer::Stateless => None,
    }
}

pub const fn kv_heads(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { kv_heads, .. } => Some(kv_heads),
        Mixer::Compressed { .. } => Some(1),
        _ => None,
    }
}

pub const fn head_dim(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { key_dim, .. } | Mixer::Compressed { key_dim, .. } => Some(key_dim),
        Mixer::Latent {
            nope_dim, rope_dim, ..
        } => Some(nope_dim.saturating_add(rope_dim)),
        _ => None,
    }
}

pub fn value_dim(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::Attention { value_dim, .. } | Mixer::Latent { value_dim, .. } => {
            Some(value_dim).filter(|&dim| head_dim(mixer) != Some(dim))
        }
        _ => None,
    }
}

pub const fn latent(mixer: &Mixer) -> Option<(u64, u64)> {
    match *mixer {
        Mixer::Latent { rank, rope_dim, .. } => Some((rank, rope_dim)),
        _ => None,
    }
}

pub const fn state(mixer: &Mixer) -> Option<u64> {
    match *mixer {
        Mixer::State {
            convolution,
            recurrent,
            ..
        } => Some(convolution.kept().saturating_add(recurrent)),
        _ => None,
    }
}

/// How far an attention layer looks back. Nothing for other mixers.
pub const fn looks(mixer: &Mixer) -> Option<Reach> {
    match *mixer {
        Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => Some(reach),
        Mixer::Compressed {
            ratio: 0, window, ..
        } => Some(Reach::Sliding(window)),
        Mixer::Compressed { .. } => Some(Reach::Full),
        _ => None,
    }
}

/// Whether a mixer has a cache of its own, where it looks at one, and not that of another layer.
#[must_use]
pub const fn keeps(mixer: &Mixer) -> bool {
    !matches!(
        mixer,
        Mixer::Attention {
            shared_with: Some(_),
            ..
        }
    )
}

/// The window of an attention layer that has one.
#[must_use]
pub fn window(mixer: &Mixer) -> Option<u64> {
    looks(mixer).and_then(Reach::saturates)
}

/// How many experts, how many of them for a token, the width of one, and that of what every token visits beside them.
pub const fn experts(part: &FeedForward) -> Option<[u64; 4]> {
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

pub fn head(mind: &Architecture) -> Cell {
    let word = match (mind.has_head(), mind.is_bare()) {
        (true, _) => "its own",
        (false, false) if ties_head(mind) => "tied to the embedding",
        _ => return Cell::None,
    };
    Cell::Text(word.to_owned())
}

/// A number of a config that may have decimals.
pub fn real(number: Option<f64>) -> Cell {
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
