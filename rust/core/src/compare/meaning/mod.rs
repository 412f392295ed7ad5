//! What a difference buys and costs: one line for a row and a model, worked out from the facts of the two.
//!
//! ```text
//!  key of a row ─ RULES, or a fact of the mind ─► rule(first model, other model) ─► a line, or nothing
//! ```
//!
//! A rule tells what a difference does on its own, where that can be worked out, and what is the case in sum where it
//! cannot. It never tells what a kind of model is known for.

mod caches;
mod minds;
mod sums;

use super::body::ROLE;
use super::fits::{FIT, Tried};
use super::memory::{AT, FLOPS_AT, LATE, START, WHOLE};
use super::row::{Cell, Row};
use super::seen::Seen;
use crate::architecture::Architecture;

/// The first model, another one, and their values in a row.
pub struct Pair<'a> {
    pub base: &'a Seen<'a>,
    pub other: &'a Seen<'a>,
    pub row: &'a Row,
    pub at: usize,
    pub tried: &'a [Tried],
}

/// A rule; nothing where it has nothing to say.
pub(super) type Rule = fn(&Pair<'_>) -> Option<String>;

/// The rules by the key of the row, or by what it begins with where that ends in a dot.
pub(super) const RULES: &[(&str, Rule)] = &[
    ("parameters", sums::total),
    ("active", sums::active),
    ("bytes", sums::stored),
    ("storage", sums::storage),
    (ROLE, sums::role),
    ("pattern", minds::layers),
    ("pattern.vision", sums::tower),
    ("pattern.audio", sums::tower),
    ("pattern.prediction", sums::tower),
    ("kv_heads", minds::keys),
    ("head_dim", minds::keys),
    ("latent_rank", minds::latent),
    ("window", minds::window),
    ("state_layers", minds::state),
    ("experts", minds::experts),
    ("context", minds::context),
    ("rope_base", minds::rope_base),
    (START, caches::cache),
    (LATE, caches::cache),
    (AT, caches::cache),
    (WHOLE, sums::per_sequence),
    ("state", sums::per_sequence),
    ("flops", sums::operations),
    (FLOPS_AT, sums::operations),
    (FIT, sums::fit),
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
    found.map_or(minds::only_alone, |(_, rule)| *rule)
}

impl Pair<'_> {
    pub fn cells(&self) -> Option<(&Cell, &Cell)> {
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
    pub fn numbers(&self) -> Option<(i128, i128)> {
        let (one, other) = self.cells()?;
        let numbers = one.number().zip(other.number())?;
        (numbers.0 > 0 && numbers.1 > 0).then_some(numbers)
    }

    pub fn minds(&self) -> Option<(&Architecture, &Architecture)> {
        Some((
            *self.base.mind.as_ref().ok()?,
            *self.other.mind.as_ref().ok()?,
        ))
    }
}
