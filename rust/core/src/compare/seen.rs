//! What is known of one of the models that are compared.

use super::Entry;
use super::row::Cell;
use crate::architecture::{Architecture, WhatIf};
use crate::map::{Sum, Weighed};

/// A model with its sums.
#[derive(Debug)]
pub struct Seen<'m> {
    /// What was given.
    pub entry: &'m Entry,
    /// What it is called; a variant by what was changed.
    pub name: String,
    /// Its mind, or why that is not known.
    pub mind: Result<&'m Architecture, String>,
    /// What it weighs.
    pub weighed: Weighed,
    /// The sum of that.
    pub total: Sum,
}

impl<'m> Seen<'m> {
    /// Weighs a model. A variant is called by the first one's name, and by what was changed.
    #[must_use]
    pub fn of(entry: &'m Entry, first: &str) -> Self {
        let model = &entry.model;
        let weighed = model.weighed();
        let name = match &entry.variant {
            Some(what_if) => format!("{first} with {}", changed(what_if)),
            None => model.name.clone(),
        };
        Self {
            entry,
            name,
            mind: model.architecture.as_deref().map_err(ToString::to_string),
            total: weighed.sums.total(),
            weighed,
        }
    }

    /// Its bytes, if they are known.
    #[must_use]
    pub fn bytes(&self) -> Option<u64> {
        self.weighed
            .bytes_unknown
            .is_none()
            .then_some(self.total.bytes)
    }

    /// A fact of its mind.
    pub fn of_mind(&self, read: impl Fn(&Architecture) -> Cell) -> Cell {
        match &self.mind {
            Ok(mind) => read(mind),
            Err(why) => Cell::Missing(why.clone()),
        }
    }
}

/// What was changed, as it is typed.
fn changed(what_if: &WhatIf) -> String {
    let fields: Vec<String> = what_if
        .changes
        .iter()
        .map(|change| format!("{}={}", change.field, change.to))
        .collect();
    fields.join(", ")
}
