//! Rules for facts of the mind: what one of them does on its own, and what it is for where nothing can be changed alone.

use super::Pair;
use crate::architecture::Architecture;
use crate::architecture::layer::{Mixer, Reach};
use crate::checkpoint::Role;
use crate::compare::alone::alone;
use crate::compare::effect::{Side, cache, effects, lengths, of_layers};
use crate::compare::memory::{DTYPE, length};
use crate::compare::mind::{self, FACTS, Fact};
use crate::compare::row::Cell;
use crate::compare::seen::Seen;
use crate::compare::words::{ratio, short};
use crate::size::format_bytes;
use crate::wording::{counted, grouped};

/// What a difference does on its own: the first model's config derived again with that one fact changed.
pub fn only_alone(pair: &Pair<'_>) -> Option<String> {
    let is_it = |fact: &&Fact| fact.key == pair.row.key && !fact.follows;
    let fact = FACTS.iter().find(is_it)?;
    let (from, to) = pair.cells()?;
    let mind = *pair.base.mind.as_ref().ok()?;
    let config = pair.base.entry.model.config.as_ref()?;
    let changed = alone(mind, config, pair.base.entry.assume.as_deref(), fact, to)?;
    let before = Side { mind, config };
    let after = Side {
        mind: &changed.mind,
        config: &changed.config,
    };
    let mut found = effects(before, after);
    if found.is_empty() {
        found.push("no change of cache, weights or compute".to_owned());
    }
    let with: Vec<String> = changed
        .with
        .iter()
        .map(|other| format!("{} {}", other.label, words_of(&(other.read)(&changed.mind))))
        .collect();
    let with = if with.is_empty() {
        String::new()
    } else {
        format!(" (and with it {})", with.join(" and "))
    };
    Some(format!(
        "{}: on its own{with} {}",
        versus(fact, from, to),
        found.join(", ")
    ))
}

/// `8 KV heads against 32`.
fn versus(fact: &Fact, from: &Cell, to: &Cell) -> String {
    match (from, to) {
        (Cell::Number(from), Cell::Number(to)) if fact.noun.starts_with("rope") => {
            format!("{} {} against {}", fact.noun, signed(*to), signed(*from))
        }
        (Cell::Number(from), Cell::Number(to)) => {
            format!("{} {} against {}", signed(*to), fact.noun, signed(*from))
        }
        _ => format!("{} {} and not {}", fact.label, words_of(to), words_of(from)),
    }
}

fn words_of(cell: &Cell) -> String {
    match cell {
        Cell::Number(number) => signed(*number),
        Cell::Text(text) => text.clone(),
        Cell::None | Cell::Missing(_) => "none".to_owned(),
    }
}

fn signed(number: i128) -> String {
    let sign = if number < 0 { "-" } else { "" };
    format!("{sign}{}", grouped(number.unsigned_abs()))
}

/// What all layers do together: of their order nothing can be told apart.
pub fn layers(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.minds()?;
    let found = of_layers(one, other);
    (!found.is_empty()).then(|| format!("in sum {}", found.join(", ")))
}

/// Keys and values: on their own, or else together with all else that is kept.
pub fn keys(pair: &Pair<'_>) -> Option<String> {
    only_alone(pair).or_else(|| {
        let (one, other) = pair.minds()?;
        // Told once: of widths alone where the heads are as many.
        let heads = FACTS.iter().find(|fact| fact.key == "kv_heads")?;
        if pair.row.key != heads.key && (heads.read)(one) != (heads.read)(other) {
            return None;
        }
        cache(one, other).map(|text| format!("in sum {text}"))
    })
}

/// What the latent vector saves against keys and values of every head, in the model that has one.
pub fn latent(pair: &Pair<'_>) -> Option<String> {
    let own = only_alone(pair);
    if own.is_some() {
        return own;
    }
    let (one, other) = pair.minds()?;
    let told = |mind: &Architecture| {
        mind.decoder()
            .flat_map(|layer| layer.mixers.iter())
            .find_map(|mixer| match *mixer {
                Mixer::Latent {
                    heads,
                    rank,
                    rope_dim,
                    nope_dim,
                    value_dim,
                    ..
                } => {
                    let kept = rank.checked_add(rope_dim)?;
                    let each = nope_dim.checked_add(rope_dim)?.checked_add(value_dim)?;
                    let expanded = heads.checked_mul(each)?;
                    (kept > 0 && expanded > 0).then(|| {
                        format!(
                            "a layer keeps {} for each token, {} of the {} that keys and values of {} would be",
                            counted(kept, "number"),
                            ratio(expanded.into(), kept.into()),
                            grouped(expanded),
                            counted(heads, "head")
                        )
                    })
                }
                _ => None,
            })
    };
    told(other).or_else(|| told(one).map(|text| format!("the first has a latent vector: {text}")))
}

/// What windows save of the cache at a length, in bytes: the cache without them, less the one there is.
fn saved(mind: &Architecture, tokens: u64) -> Option<u64> {
    let mut open = mind.clone();
    for layer in &mut open.layers {
        let mut mixers: Vec<Mixer> = layer.mixers.iter().cloned().collect();
        for mixer in &mut mixers {
            match mixer {
                Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } => {
                    *reach = Reach::Full;
                }
                Mixer::Compressed {
                    ratio: 0, window, ..
                } => *window = tokens.max(*window),
                _ => {}
            }
        }
        layer.mixers = mixers.into();
    }
    let size = |mind: &Architecture| mind.cache_bytes(tokens, 0, 1, DTYPE).ok();
    size(&open)?.checked_sub(size(mind)?)
}

pub fn window(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.minds()?;
    let tokens = *lengths(&[one, other]).last()?;
    let told = |mind: &Architecture| {
        let windows: Vec<u64> = mind
            .decoder()
            .filter_map(|layer| {
                layer
                    .mixers
                    .iter()
                    .filter(|mixer| mind::keeps(mixer))
                    .find_map(mind::window)
            })
            .collect();
        let longest = *windows.iter().max()?;
        let saves = match saved(mind, tokens)? {
            0 => "nothing".to_owned(),
            saves => format_bytes(saves),
        };
        Some(format!(
            "the cache of {} stops growing at {}, which saves {saves} at {} against no window",
            counted(windows.len() as u64, "layer"),
            counted(longest, "token"),
            length(tokens)
        ))
    };
    match (told(one), told(other)) {
        // What a window saves tells little beside another one.
        (Some(_), Some(text)) => only_alone(pair).or(Some(text)),
        (None, Some(text)) => Some(text),
        (Some(text), None) => Some(format!("no window; in the first {text}")),
        (None, None) => None,
    }
}

/// What recurrent states take for a sequence of any length.
pub fn state(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.minds()?;
    let told = |mind: &Architecture| {
        let is_state = |mixer: &Mixer| matches!(mixer, Mixer::State { .. });
        let layers = mind
            .decoder()
            .filter(|layer| layer.mixers.iter().any(is_state))
            .count() as u64;
        let size = mind.state_bytes(DTYPE).ok()?;
        (layers > 0).then(|| {
            format!(
                "{} of {} keep {} for a sequence, however long it is",
                grouped(layers),
                counted(mind.decoder().count() as u64, "layer"),
                format_bytes(size)
            )
        })
    };
    match (told(one), told(other)) {
        (_, Some(text)) => Some(text),
        (Some(text), None) => Some(format!("no states; in the first {text}")),
        (None, None) => None,
    }
}

/// More or fewer experts, or experts against none.
pub fn experts(pair: &Pair<'_>) -> Option<String> {
    let own = only_alone(pair);
    if own.is_some() {
        return own;
    }
    let told = |one: &Seen<'_>| {
        let roles = one.weighed.sums.roles();
        let sum = roles.get(&Role::Expert)?;
        Some(format!(
            "experts hold {}, of which a token goes through {}",
            short(sum.parameters.into()),
            short(sum.active.into())
        ))
    };
    match (told(pair.base), told(pair.other)) {
        (Some(before), Some(after)) => Some(format!("{after}; in the first {before}")),
        (None, Some(text)) => Some(text),
        (Some(text), None) => Some(format!("no experts; in the first {text}")),
        (None, None) => None,
    }
}

/// After how many tokens the slowest pair of numbers has turned once: 2 pi base^((d - 2) / d) with d numbers that are turned
/// (Su et al. 2021, section 3.2.2). Nothing where layers turn in several ways, or the config states a share of the heads; a
/// share that only the class has is not known here, and so the sentence says that it is of whole heads.
fn slowest_turn(mind: &Architecture) -> Option<i128> {
    let [turn] = &mind.turns[..] else {
        return None;
    };
    let base = mind.rope.as_ref()?.base?;
    let of = |mixer: &Mixer| match *mixer {
        Mixer::Attention { key_dim, .. } if turn.share.is_none() => Some(key_dim),
        Mixer::Latent { rope_dim, .. } => Some(rope_dim),
        _ => None,
    };
    let mixers = || mind.decoder().flat_map(|layer| layer.mixers.iter());
    let turned = mixers().find_map(of)?;
    let alike = mixers().filter_map(of).all(|other| other == turned);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a head is a few hundred numbers wide"
    )]
    let width = turned as f64;
    let tokens = std::f64::consts::TAU * base.powf((width - 2.0) / width);
    #[expect(clippy::cast_possible_truncation, reason = "it is below 10^15")]
    (alike && (1.0..1e15).contains(&tokens)).then_some(tokens as i128)
}

/// A base on its own, and how far apart it lets positions be told apart at all.
pub fn rope_base(pair: &Pair<'_>) -> Option<String> {
    let own = only_alone(pair);
    let (one, other) = pair.minds()?;
    let slow = slowest_turn(one).zip(slowest_turn(other)).map(|(before, after)| {
        format!(
            "if whole heads turn, before any stretching, the slowest rotation takes about {} tokens against {}",
            short(after),
            short(before)
        )
    });
    let found: Vec<String> = own.into_iter().chain(slow).collect();
    (!found.is_empty()).then(|| found.join("; "))
}

pub fn context(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let (_, mind) = pair.minds()?;
    let whole = u64::try_from(after).ok()?;
    let reach = format!("reaches {} as far", ratio(before, after));
    let reach = reach
        .replace("more as far", "farther")
        .replace("less as far", "less far");
    let size = mind.cache_bytes(whole, 0, 1, DTYPE).ok()?;
    if size == 0 {
        return Some(reach);
    }
    Some(format!(
        "{reach}; a sequence of that length takes {} of cache",
        format_bytes(size)
    ))
}
