//! Several models side by side: body, mind, memory, compute and what fits, and what each difference buys and costs. JSON
//! of the schema `pondera.compare/1`.
//!
//! ```text
//!  models ─► Seen ─ body, mind, memory, compute ─► rows ─┐
//!  fits per GPU ─ fits ─► rows ──────────────────────────┼─► Comparison
//!  Seen, rows ─ meaning: first model against each ───────┘
//! ```
//!
//! No number here is new: each is one that `show`, `map` and `fit` give. What a difference means is worked out again for
//! these very models, and what cannot be told apart is told in sum.

mod alone;
mod body;
mod effect;
mod fits;
mod meaning;
mod memory;
mod mind;
mod row;
mod seen;
mod words;

pub use fits::{Placed, Tried};
pub use row::{Cell, Row, Section, Unit};

use crate::architecture::{Change, WhatIf};
use crate::model::{Model, Severity};
use seen::Seen;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.compare/1";

/// More models stand in no row that people can read.
pub const MOST: usize = 16;

/// A model that is compared.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The model.
    pub model: Arc<Model>,
    /// The model type that was taken where that of its config is not known.
    pub assume: Option<String>,
    /// Where it is the first one with fields of its config changed: what that means for the weights.
    pub variant: Option<Arc<WhatIf>>,
}

/// Why models cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompareError {
    /// There are too few or too many.
    Count(usize),
}

impl fmt::Display for CompareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => {
                write!(f, "2 to {MOST} models can be compared, not {count}")
            }
        }
    }
}

impl std::error::Error for CompareError {}

/// Models side by side.
#[derive(Debug, Serialize)]
pub struct Comparison {
    schema: &'static str,
    /// The models, in the order given. The first is the one that all others are held against.
    models: Vec<Compared>,
    /// The rows by what they are about.
    sections: Vec<Titled>,
}

/// A model, as a heading tells of it.
#[derive(Debug, Serialize)]
struct Compared {
    name: String,
    /// `checkpoint` where its sums are those of files, `config` where they are worked out.
    source: &'static str,
    model_type: Option<String>,
    class: Option<String>,
    /// Why its mind is not known.
    unknown: Option<String>,
    /// Whether weights and config disagree in more than a note.
    disagrees: bool,
    /// What was changed, where it is a variant of the first.
    variant: Option<Variant>,
}

/// The first model with another mind.
#[derive(Debug, Serialize)]
struct Variant {
    /// Whether the same weights can wear it, with all fields changed together.
    same_body: bool,
    /// Field by field.
    changes: Vec<Change>,
}

#[derive(Debug, Serialize)]
struct Titled {
    section: Section,
    rows: Vec<Row>,
}

impl Comparison {
    /// Compares models with each other, and where each of them was tried.
    ///
    /// # Errors
    /// If there are fewer than two models, or too many.
    pub fn of(entries: &[Entry], tried: &[Tried]) -> Result<Self, CompareError> {
        if !(2..=MOST).contains(&entries.len()) {
            return Err(CompareError::Count(entries.len()));
        }
        let first = entries[0].model.name.as_str();
        let seen: Vec<Seen<'_>> = entries.iter().map(|one| Seen::of(one, first)).collect();
        let sections = Section::ALL
            .into_iter()
            .map(|section| {
                let mut rows = match section {
                    Section::Body => body::rows(&seen),
                    Section::Mind => mind::rows(&seen),
                    Section::Memory => memory::rows(&seen),
                    Section::Compute => memory::compute_rows(&seen),
                    Section::Fit => fits::rows(tried),
                };
                // A GPU that refuses all is told of with its reason.
                rows.retain(|row| row.group.is_some() || row.is_worth_it());
                for row in &mut rows {
                    row.meaning = meaning::of_row(&seen, tried, row);
                }
                Titled { section, rows }
            })
            .filter(|titled| !titled.rows.is_empty())
            .collect();
        Ok(Self {
            schema: SCHEMA,
            models: seen.iter().map(Compared::of).collect(),
            sections,
        })
    }

    /// Every row, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.sections.iter().flat_map(|titled| &titled.rows)
    }

    /// The row of this key.
    #[must_use]
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows().find(|row| row.key == key)
    }

    /// All of it as JSON text, schema `pondera.compare/1`.
    #[must_use]
    pub fn to_json(&self) -> String {
        // Every part is plain data with text keys.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Compared {
    fn of(seen: &Seen<'_>) -> Self {
        let model = &seen.entry.model;
        let mind = seen.mind.as_ref().ok();
        let variant = seen.entry.variant.as_deref();
        // What a variant disagrees in is told field by field.
        let disagrees = variant.is_none()
            && model
                .disagreements
                .iter()
                .any(|one| one.severity != Severity::Info);
        Self {
            name: seen.name.clone(),
            source: if model.checkpoint.is_some() {
                "checkpoint"
            } else {
                "config"
            },
            model_type: mind.map(|mind| mind.model_type.clone()),
            class: mind.and_then(|mind| mind.class.clone()),
            unknown: seen.mind.as_ref().err().cloned(),
            disagrees,
            variant: variant.map(|what_if| Variant {
                same_body: what_if.same_body,
                changes: what_if.changes.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
