//! What a change of a mind does to memory, weights and compute, in a few words each.

use super::memory::{DTYPE, length};
use super::words::{SAME, bytes, change, parameters, ratio};
use crate::architecture::Architecture;
use crate::map::{Sums, planned};
use crate::model::CONTEXTS;
use serde_json::Value;

/// A mind with the config that determines it.
#[derive(Clone, Copy, Debug)]
pub struct Side<'m> {
    /// The mind.
    pub mind: &'m Architecture,
    /// Its config.
    pub config: &'m Value,
}

/// What differs from one mind to another, in the order cache, weights, compute; nothing where all three are the same.
#[must_use]
pub fn effects(before: Side<'_>, after: Side<'_>) -> Vec<String> {
    let mut found: Vec<String> = cache(before.mind, after.mind).into_iter().collect();
    let weights = weights(before, after);
    let changes_weights = weights.is_some();
    found.extend(weights);
    match compute(before.mind, after.mind) {
        Some(text) => found.push(text),
        // What grows without more work is worth a word.
        None if changes_weights => found.push(format!("compute for each token {SAME}")),
        None => {}
    }
    found
}

/// What differs of cache and compute from one mind to another, where weights are told elsewhere.
#[must_use]
pub fn of_layers(before: &Architecture, after: &Architecture) -> Vec<String> {
    let longest = lengths(&[before, after]).last().copied();
    let compute = longest.and_then(|tokens| {
        let flops = |mind: &Architecture| mind.flops_per_token(tokens, 0).map(i128::from);
        let (old, new) = flops(before).zip(flops(after))?;
        let text = || {
            let at = length(tokens);
            format!("compute for a token after {at} {}", ratio(old, new))
        };
        (old > 0 && new > 0 && old != new).then(text)
    });
    cache(before, after).into_iter().chain(compute).collect()
}

/// How the cache differs: at all lengths if it does so in one ratio, or else at the longest that both allow.
pub fn cache(before: &Architecture, after: &Architecture) -> Option<String> {
    // A state is there from the first token on: with one length alone, a ratio would seem to be that of all.
    let lengths = std::iter::once(1).chain(lengths(&[before, after]));
    let sizes: Vec<(u64, i128, i128)> = lengths
        .filter_map(|tokens| {
            let size = |mind: &Architecture| mind.cache_bytes(tokens, 0, 1, DTYPE).ok();
            Some((tokens, size(before)?.into(), size(after)?.into()))
        })
        .collect();
    let &(tokens, old, new) = sizes.last()?;
    let everywhere = sizes
        .iter()
        .all(|&(_, one, other)| product(one, new) == product(other, old));
    if old == 0 || new == 0 || (old == new && everywhere) {
        return None;
    }
    if everywhere {
        return Some(format!("cache {}", ratio(old, new)));
    }
    Some(format!("cache at {} {}", length(tokens), ratio(old, new)))
}

/// The product of two sizes, which are of 64 bits each.
const fn product(one: i128, other: i128) -> u128 {
    one.unsigned_abs().saturating_mul(other.unsigned_abs())
}

/// The lengths at which caches are held against each other: the usual ones that all minds allow, or else the shortest
/// context.
#[must_use]
pub fn lengths(minds: &[&Architecture]) -> Vec<u64> {
    let longest = minds.iter().filter_map(|mind| mind.context).min();
    let usual: Vec<u64> = CONTEXTS
        .iter()
        .copied()
        .filter(|tokens| longest.is_none_or(|longest| *tokens <= longest))
        .collect();
    match longest {
        Some(longest) if usual.is_empty() => vec![longest],
        _ => usual,
    }
}

/// How the weights differ, in bytes as the config stores them.
fn weights(before: Side<'_>, after: Side<'_>) -> Option<String> {
    let (old, new) = (before.mind.total(), after.mind.total());
    let more = i128::from(new.parameters) - i128::from(old.parameters);
    let size = |side: Side<'_>| {
        let (pieces, storage) = planned(side.config, side.mind, &mut Vec::new());
        let total = Sums::of_pieces(&pieces).total();
        storage.ok().map(|_| i128::from(total.bytes))
    };
    let sizes = size(before).zip(size(after));
    if more == 0 && sizes.is_none_or(|(old, new)| old == new) {
        return None;
    }
    Some(match sizes {
        Some((old, new)) if old > 0 && old != new => {
            format!("weights {}", change(old, new, &bytes(new - old)))
        }
        _ => format!("{} in parameters", parameters(more)),
    })
}

/// How the operations of a token differ: of every one if it is the same at all lengths, or else of the first and of one at
/// the longest usual length.
fn compute(before: &Architecture, after: &Architecture) -> Option<String> {
    let at = |tokens: u64| {
        let flops = |mind: &Architecture| mind.flops_per_token(tokens, 0).map(i128::from);
        let (old, new) = flops(before).zip(flops(after))?;
        (old > 0 && new > 0).then(|| ratio(old, new))
    };
    let first = at(0)?;
    let later: Vec<(u64, String)> = lengths(&[before, after])
        .into_iter()
        .filter_map(|tokens| Some((tokens, at(tokens)?)))
        .collect();
    let all_same = later.iter().all(|(_, words)| *words == first);
    match later.last() {
        Some((tokens, words)) if !all_same => Some(format!(
            "compute for the first token {first}, after {} {words}",
            length(*tokens)
        )),
        _ => (first != SAME).then(|| format!("compute for each token {first}")),
    }
}
