//! Rules for sums: parameters, bytes, operations, and what fits.

use super::Pair;
use crate::checkpoint::Role;
use crate::compare::seen::Seen;
use crate::compare::words::{bytes, change, parameters, ratio, short};
use crate::size::format_bytes;

pub fn total(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    Some(change(before, after, &parameters(after - before)))
}

pub fn active(pair: &Pair<'_>) -> Option<String> {
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
    Some(format!("{text}; {own}, in the first {first}"))
}

pub fn stored(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let difference = format!("{} to store", bytes(after - before));
    Some(change(before, after, &difference))
}

/// Bits for each weight, to the hundredth.
pub fn storage(pair: &Pair<'_>) -> Option<String> {
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

/// A role that both have: what only one has needs no word.
pub fn role(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    Some(change(before, after, &parameters(after - before)))
}

pub fn per_sequence(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    let difference = format!("{} for each sequence", bytes(after - before));
    Some(change(before, after, &difference))
}

pub fn operations(pair: &Pair<'_>) -> Option<String> {
    let (before, after) = pair.numbers()?;
    Some(ratio(before, after))
}

/// What fits where the first model does not, and how many more requests.
pub fn fit(pair: &Pair<'_>) -> Option<String> {
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

/// What layers beside the text model weigh.
pub fn tower(pair: &Pair<'_>) -> Option<String> {
    let role = match pair.row.key.as_str() {
        "pattern.vision" => Role::Vision,
        "pattern.audio" => Role::Audio,
        _ => Role::Mtp,
    };
    let told = |one: &Seen<'_>| {
        let roles = one.weighed.sums.roles();
        let sum = roles.get(&role)?;
        let size = one.bytes().map_or_else(String::new, |_| {
            format!(", {} to store", format_bytes(sum.bytes))
        });
        Some(format!("{}{size}", short(sum.parameters.into())))
    };
    match (told(pair.base), told(pair.other)) {
        (Some(before), Some(after)) => Some(format!("{after}; in the first {before}")),
        (None, Some(text)) => Some(text),
        (Some(text), None) => Some(format!("none; in the first {text}")),
        (None, None) => None,
    }
}
