//! What a search found.

use super::bound::Bound;
use crate::fit::Fit;
use serde::Serialize;

/// What a search found: a number that fits and whose neighbour does not, or that none fits.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The best that fits.
    Found(Box<Limit>),
    /// Nothing fits.
    Nothing(Box<Nothing>),
}

impl Answer {
    /// The best that fits, if anything does.
    #[must_use]
    pub fn limit(&self) -> Option<&Limit> {
        match self {
            Self::Found(limit) => Some(limit),
            Self::Nothing(_) => None,
        }
    }

    /// What stops the next one, or any.
    #[must_use]
    pub const fn binds(&self) -> &Bound {
        match self {
            Self::Found(limit) => &limit.binds,
            Self::Nothing(nothing) => &nothing.binds,
        }
    }

    /// The estimate at the best that fits, or at the least that does not.
    #[must_use]
    pub const fn fit(&self) -> &Fit {
        match self {
            Self::Found(limit) => &limit.fit,
            Self::Nothing(nothing) => &nothing.fit,
        }
    }
}

/// The best that fits.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The number: tokens, requests or GPUs.
    pub value: u64,
    /// The estimate there.
    pub fit: Fit,
    /// What stops the next one.
    pub binds: Bound,
    /// What memory alone would hold.
    pub memory: Memory,
}

/// That nothing fits.
#[derive(Clone, Debug)]
pub struct Nothing {
    /// The estimate that came closest: for one token, one request, or the layout with the least that is missing.
    pub fit: Fit,
    /// What is in the way.
    pub binds: Bound,
}

/// The number that memory alone would hold, if nothing else were in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Memory {
    /// So many.
    Holds(u64),
    /// Any number that is counted: more of them take no more.
    Endless,
    /// The engine does not say, since it refuses more.
    Unknown,
}
