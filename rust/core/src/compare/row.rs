//! A row of a comparison: one fact of several models.

use serde::{Serialize, Serializer};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Section {
    /// Parameters and bytes.
    Body,
    /// What the config determines of the layers.
    Mind,
    /// What is kept of a text.
    Memory,
    /// Operations.
    Compute,
    /// Where they fit.
    Fit,
}

impl Section {
    /// Every section, in order.
    pub const ALL: [Self; 5] = [
        Self::Body,
        Self::Mind,
        Self::Memory,
        Self::Compute,
        Self::Fit,
    ];
}

/// What the numbers of a row count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Weights.
    Parameters,
    /// Bytes.
    Bytes,
    /// Tokens.
    Tokens,
    /// Floating-point operations.
    Flops,
    /// Anything else.
    Count,
    /// Nothing: the values are words.
    Text,
}

/// A fact of one model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// It has no such thing.
    None,
    /// There is no number, and this is why.
    Missing(String),
    /// A whole number.
    Number(i128),
    /// A few words.
    Text(String),
}

impl Cell {
    /// A number that may not be there at all.
    #[must_use]
    pub fn maybe(number: Option<u64>) -> Self {
        number.map_or(Self::None, |number| Self::Number(number.into()))
    }

    /// The number, where it is one.
    #[must_use]
    pub const fn number(&self) -> Option<i128> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl Serialize for Cell {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None | Self::Missing(_) => serializer.serialize_none(),
            Self::Number(number) => serializer.serialize_i128(*number),
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

/// One fact of all models that are compared.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name in data.
    pub key: String,
    /// What people call it.
    pub label: String,
    /// Rows of one group stand in one line, where there is room: the GPU, of rows that tell what fits.
    pub group: Option<String>,
    /// What its numbers count.
    pub unit: Unit,
    /// A value per model; null where there is none.
    pub values: Vec<Cell>,
    /// Why there is none; null where the model has no such thing.
    pub why: Vec<Option<String>>,
    /// Whether all have the same.
    pub same: bool,
    /// What the difference from the first model buys and costs, per model; null where nothing is to be said.
    pub meaning: Vec<Option<String>>,
}

impl Row {
    /// A row whose meaning is not worked out yet.
    #[must_use]
    pub fn new(
        key: impl Into<String>,
        label: impl Into<String>,
        unit: Unit,
        values: Vec<Cell>,
    ) -> Self {
        let why: Vec<Option<String>> = values
            .iter()
            .map(|cell| match cell {
                Cell::Missing(why) => Some(why.clone()),
                _ => None,
            })
            .collect();
        let known = why.iter().all(Option::is_none);
        Self {
            key: key.into(),
            label: label.into(),
            group: None,
            unit,
            same: known && values.windows(2).all(|two| two[0] == two[1]),
            meaning: vec![None; values.len()],
            values,
            why,
        }
    }

    /// Whether any model has a value.
    #[must_use]
    pub fn is_worth_it(&self) -> bool {
        let has = |cell: &Cell| matches!(cell, Cell::Number(_) | Cell::Text(_));
        self.values.iter().any(has)
    }
}
