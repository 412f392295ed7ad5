//! Rules for caches: by how much they differ, and why where they are products of a few numbers.

use super::Pair;
use crate::architecture::Architecture;
use crate::architecture::layer::{Layer, Mixer};
use crate::compare::memory::{AT, DTYPE};
use crate::compare::words::{bytes, change};
use crate::wording::grouped;

/// How caches differ, and why where they are products of the same few numbers.
pub fn cache(pair: &Pair<'_>) -> Option<String> {
    let (one, other) = pair.cells()?;
    let (before, after) = one.number().zip(other.number())?;
    let of = if pair.row.key.starts_with(AT) {
        "for each sequence"
    } else {
        "for each token"
    };
    let difference = format!("{} {of}", bytes(after - before));
    if before == 0 || after == 0 {
        return Some(difference);
    }
    let text = change(before, after, &difference);
    Some(match factors(pair, before, after) {
        Some(why) => format!("{text}; {why}"),
        None => text,
    })
}

/// Why caches differ: the numbers whose product they are, as far as these differ. Nothing where either is no such
/// product.
fn factors(pair: &Pair<'_>, before: i128, after: i128) -> Option<String> {
    let (one, other) = pair.minds()?;
    let tokens = match pair.row.key.strip_prefix(AT) {
        Some(tokens) => tokens.parse().ok()?,
        None => 1,
    };
    let (old, new) = (
        Product::of(one, tokens, before)?,
        Product::of(other, tokens, after)?,
    );
    let parts: Vec<String> = old
        .against(&new)
        .into_iter()
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| format!("{name} {}/{}", grouped(after), grouped(before)))
        .collect();
    (!parts.is_empty()).then(|| parts.join(" x "))
}

/// What a token keeps in all layers that keep something for it, where they are alike.
struct Product {
    layers: u64,
    /// Numbers of a layer.
    width: u64,
    /// KV heads, and numbers of a key with its value, where that is what they are.
    heads: Option<(u64, u64)>,
}

impl Product {
    /// The product that so many bytes are, in a 16-bit cache of so many tokens. Nothing, if they are none.
    fn of(mind: &Architecture, tokens: u64, bytes: i128) -> Option<Self> {
        let kept = |layer: &Layer| match &layer.mixers[..] {
            [
                Mixer::Attention {
                    kv_heads,
                    key_dim,
                    value_dim,
                    ..
                },
            ] => {
                let each = key_dim.checked_add(*value_dim)?;
                Some((kv_heads.checked_mul(each)?, Some((*kv_heads, each))))
            }
            [Mixer::Latent { rank, rope_dim, .. }] => Some((rank.checked_add(*rope_dim)?, None)),
            _ => None,
        };
        let all: Vec<_> = mind.decoder().filter_map(kept).collect();
        let &(width, heads) = all.first()?;
        if all.iter().any(|&one| one != (width, heads)) {
            return None;
        }
        let layers = all.len() as u64;
        // Layers that are not alike, or keep something else, do not add up to it.
        let numbers = u128::from(layers) * u128::from(width) * u128::from(tokens);
        let all = numbers.checked_mul(u128::from(DTYPE.bits() / 8))?;
        (u128::try_from(bytes).ok()? == all).then_some(Self {
            layers,
            width,
            heads,
        })
    }

    /// The factors of two products under their names.
    fn against(&self, other: &Self) -> Vec<(&'static str, u64, u64)> {
        let mut factors = vec![("layers that keep tokens", self.layers, other.layers)];
        match (self.heads, other.heads) {
            (Some(one), Some(other)) => {
                factors.push(("KV heads", one.0, other.0));
                factors.push(("numbers of a key and its value", one.1, other.1));
            }
            _ => factors.push(("numbers of a layer", self.width, other.width)),
        }
        factors
    }
}
