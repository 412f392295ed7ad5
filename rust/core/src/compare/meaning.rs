//! What a difference buys and costs: one line for a row and a model, worked out from the facts of the two.
//!
//! ```text
//!  key of a row ─ RULES, or a fact of the mind ─► rule(first model, other model) ─► a line, or nothing
//! ```
//!
//! A rule tells what a difference does on its own, where that can be worked out, and what is the case in sum where it
//! cannot. It never tells what a kind of model is known for.

use super::alone::alone;
use super::body::ROLE;
use super::effect::{Side, effects, lengths};
use super::fits::{FIT, Tried};
use super::memory::{AT, DTYPE, FLOPS_AT, length};
use super::mind::{FACTS, Fact, looks};
use super::row::{Cell, Row};
use super::seen::Seen;
use super::words::{bytes, change, parameters, ratio, short};
use crate::architecture::Architecture;
use crate::architecture::layer::{Mixer, Reach};
use crate::checkpoint::Role;
use crate::size::format_bytes;
use crate::wording::{counted, grouped};

/// The first model, another one, and their values in a row.
struct Pair<'a> {
    base: &'a Seen<'a>,
    other: &'a Seen<'a>,
    row: &'a Row,
    at: usize,
    tried: &'a [Tried],
}

/// A rule; nothing where it has nothing to say.
type Rule = fn(&Pair<'_>) -> Option<String>;

/// The rules by the key of the row, or by what it begins with where that ends in a dot.
const RULES: &[(&str, Rule)] = &[
    ("parameters", total),
    ("active", active),
    ("bytes", stored),
    ("storage", storage),
    (ROLE, role),
    ("latent_rank", latent),
    ("window", window),
    ("window_layers", window),
    ("state_layers", state),
    ("experts", experts),
    ("experts_per_token", only_alone),
    ("head", only_alone),
    ("context", context),
    ("cache_per_token", per_token),
    ("cache_per_token_late", per_token),
    (AT, cache_at),
    ("cache_whole", per_sequence),
    ("state", per_sequence),
    ("flops", operations),
    (FLOPS_AT, operations),
    (FIT, fit),
];

/// What each model's difference from the first means.
pub fn of_row(seen: &[Seen<'_>], tried: &[Tried], row: &Row) -> Vec<Option<String>> {
    let Some((base, others)) = seen.split_first() else {
        return Vec::new();
    };
    let of = |(before, other)| {
        let pair = Pair {
            base,
            other,
            row,
            at: before + 1,
            tried,
        };
        pair.differs().then(|| rule(&row.key)(&pair)).flatten()
    };
    std::iter::once(None)
        .chain(others.iter().enumerate().map(of))
        .collect()
}

/// The rule of a row. A fact of the mind without one of its own is told by what it does alone.
fn rule(key: &str) -> Rule {
    let found = RULES
        .iter()
        .find(|(known, _)| *known == key || known.ends_with('.') && key.starts_with(known));
    found.map_or(only_alone, |(_, rule)| *rule)
}

impl Pair<'_> {
    fn cells(&self) -> Option<(&Cell, &Cell)> {
        Some((self.row.values.first()?, self.row.values.get(self.at)?))
    }

    /// Whether the two have different values, as far as both are known.
    fn differs(&self) -> bool {
        self.cells().is_some_and(|(one, other)| {
            let missing = |cell: &Cell| matches!(cell, Cell::Missing(_));
            one != other && !missing(one) && !missing(other)
        })
    }

    /// Both numbers, where both are above 0.
    fn numbers(&self) -> Option<(i128, i128)> {
        let (one, other) = self.cells()?;
        let numbers = one.number().zip(other.number())?;
        (numbers.0 > 0 && numbers.1 > 0).then_some(numbers)
    }

    fn minds(&self) -> Option<(&Architecture, &Architecture)> {
        Some((
            *self.base.mind.as_ref().ok()?,
            *self.other.mind.as_ref().ok()?,
        ))
    }
}

/// What a difference does on its own: the first model's config derived again with that one fact changed.
fn only_alone(pair: &Pair<'_>) -> Option<String> {
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

fn total(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    Some(change(before, after, &parameters(after - before)))
}

fn active(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let difference = format!("{} for each token", parameters(after - before));
    let text = change(before, after, &difference);
    let share = |one: &Seen<'_>| match (one.total.active, one.total.parameters) {
        (active, all) if active == all => "all".to_owned(),
        (active, all) => format!("{} of {}", short(active.into()), short(all.into())),
    };
    let (own, first) = (share(pair.other), share(pair.base));
    if own == first {
        return Some(text);
    }
    Some(format!(
        "{text}; of its weights it goes through {own}, in the first through {first}"
    ))
}

fn stored(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let difference = format!("{} to store and to load", bytes(after - before));
    Some(change(before, after, &difference))
}

/// Bits for each weight, to the hundredth.
fn storage(pair: &Pair<'_>) -> Option<String> {
    let bits = |one: &Seen<'_>| {
        let (size, weights) = (u128::from(one.bytes()?), u128::from(one.total.parameters));
        let hundredths = (1600 * size + weights) / (2 * weights.max(1));
        (weights > 0).then(|| format!("{}.{:02}", hundredths / 100, hundredths % 100))
    };
    Some(format!(
        "{} bits for each weight against {}, scales included",
        bits(pair.other)?,
        bits(pair.base)?
    ))
}

fn role(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.cells()?;
    let number = |cell: &Cell| cell.number().unwrap_or(0);
    let (before, after) = (number(one), number(other));
    let difference = parameters(after - before);
    if before > 0 && after > 0 {
        return Some(change(before, after, &difference));
    }
    Some(difference)
}

/// What the latent vector saves against keys and values of every head, in the model that has one.
fn latent(pair: &Pair<'_>) -> Option<String> {
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
            if let Mixer::Attention { reach, .. } | Mixer::Latent { reach, .. } = mixer {
                *reach = Reach::Full;
            }
        }
        layer.mixers = mixers.into();
    }
    let size = |mind: &Architecture| mind.cache_bytes(tokens, 0, 1, DTYPE).ok();
    size(&open)?.checked_sub(size(mind)?)
}

fn window(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.minds()?;
    let tokens = *lengths(&[one, other]).last()?;
    let told = |mind: &Architecture| {
        let windows: Vec<u64> = mind
            .decoder()
            .filter_map(|layer| layer.mixers.iter().find_map(looks).flatten())
            .collect();
        let longest = *windows.iter().max()?;
        let saves = saved(mind, tokens)?;
        Some(format!(
            "the cache of {} stops growing at {}, which saves {} at {}",
            counted(windows.len() as u64, "layer"),
            counted(longest, "token"),
            format_bytes(saves),
            length(tokens)
        ))
    };
    match (told(one), told(other)) {
        (_, Some(text)) => Some(text),
        (Some(text), None) => Some(format!("no window; in the first {text}")),
        (None, None) => None,
    }
}

/// What recurrent states take for a sequence of any length.
fn state(pair: &Pair<'_>) -> Option<String> {
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
fn experts(pair: &Pair<'_>) -> Option<String> {
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

fn context(pair: &Pair<'_>) -> Option<String> {
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

fn per_token(pair: &Pair<'_>) -> Option<String> {
    cache(pair, "for each token")
}

fn per_sequence(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let difference = format!("{} for each sequence", bytes(after - before));
    Some(change(before, after, &difference))
}

fn cache_at(pair: &Pair<'_>) -> Option<String> {
    cache(pair, "for each sequence")
}

fn cache(pair: &Pair<'_>, of: &str) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let (one, other) = pair.minds()?;
    let difference = format!("{} {of}", bytes(after - before));
    let text = change(before, after, &difference);
    Some(match factors(one, other) {
        Some(why) => format!("{text}; {why}"),
        None => text,
    })
}

/// Why caches differ, where they are products of the same numbers: layers, KV heads and the width of a key and its
/// value. Nothing where any layer keeps anything else.
fn factors(one: &Architecture, other: &Architecture) -> Option<String> {
    let (before, after) = (product(one)?, product(other)?);
    let names = ["layers", "KV heads", "numbers per key and value"];
    let parts: Vec<String> = names
        .iter()
        .zip(before.iter().zip(after))
        .filter(|(_, (before, after))| **before != *after)
        .map(|(name, (before, after))| format!("{name} {}/{}", grouped(after), grouped(*before)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" x "))
}

/// Layers, KV heads, and the width of a key and its value, whose product is what a token keeps.
fn product(mind: &Architecture) -> Option<[u64; 3]> {
    let mut found: Option<(u64, u64)> = None;
    let mut layers = 0;
    for layer in mind.decoder() {
        let [
            Mixer::Attention {
                kv_heads,
                key_dim,
                value_dim,
                reach: Reach::Full,
                indexer_dim: 0,
                shared_with: None,
                ..
            },
        ] = &layer.mixers[..]
        else {
            return None;
        };
        let own = (*kv_heads, key_dim.checked_add(*value_dim)?);
        if found.is_some_and(|known| known != own) {
            return None;
        }
        found = Some(own);
        layers += 1;
    }
    let (kv_heads, width) = found?;
    Some([layers, kv_heads, width])
}

fn operations(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    Some(ratio(before, after))
}

/// What fits where the first model does not, and how many more requests.
fn fit(pair: &Pair<'_>) -> Option<String> {
    let gpu = pair.row.group.as_deref()?;
    let tried = pair.tried.iter().find(|one| one.gpu == gpu)?;
    let (before, after) = (tried.of(0)?, tried.of(pair.at)?);
    let end = pair.row.key.rsplit('.').next()?;
    match end {
        "fits" => {
            let (one, other) = (before.on_fullest().total(), after.on_fullest().total());
            Some(format!(
                "it takes {} of the fullest GPU than the first",
                bytes(i128::from(other) - i128::from(one))
            ))
        }
        "headroom" => Some(format!(
            "{} to spare",
            bytes(after.headroom - before.headroom)
        )),
        "total" => {
            let (one, other) = pair.numbers()?;
            Some(ratio(one, other))
        }
        _ => {
            let (one, other) = pair.numbers()?;
            Some(format!("{} as many requests", ratio(one, other)))
        }
    }
}
