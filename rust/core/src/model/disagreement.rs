//! What a disagreement between body and mind is.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The weights do not fit the config.
    Error,
    /// There is something the config does not account for.
    Warning,
    /// Usual, and harmless.
    Info,
}

impl Severity {
    /// `error`, `warning` or `info`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// In what body and mind differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The config asks for tensors that are not there.
    Missing,
    /// There are tensors the config does not ask for.
    Unexpected,
    /// Tensors have another shape.
    Shape,
    /// Tensors go by another name.
    Name,
    /// Tensors are stored in another way.
    Storage,
}

impl Kind {
    /// One word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unexpected => "unexpected",
            Self::Shape => "shape",
            Self::Name => "name",
            Self::Storage => "storage",
        }
    }
}

/// Tensors of one kind in which body and mind differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disagreement {
    /// How bad it is.
    pub severity: Severity,
    /// In what they differ.
    pub kind: Kind,
    /// The names, with `*` for numbers.
    pub pattern: String,
    /// How many tensors.
    pub count: u64,
    /// One of them.
    pub example: String,
    /// The shape that the config asks for.
    pub expected: Option<Vec<u64>>,
    /// The shape that is there.
    pub found: Option<Vec<u64>>,
    /// The likely cause.
    pub cause: String,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            pattern,
            count,
            cause,
            ..
        } = self;
        write!(f, "{} {count} x {pattern}", kind.name())?;
        if let (Some(expected), Some(found)) = (&self.expected, &self.found) {
            write!(f, " (the config asks for {expected:?}, there is {found:?})")?;
        }
        write!(f, ": {cause}")
    }
}
