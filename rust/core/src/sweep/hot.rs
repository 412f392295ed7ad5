//! The contexts and numbers of requests of a sweep, which the inner loops run over.

use crate::engine::MOST;

/// Where a context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is this one.
    At(u64),
    /// None was said.
    Open,
    /// No engine takes such a number.
    Out,
}

/// The lists, as they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Hot {
    /// Contexts.
    pub contexts: Vec<Option<u64>>,
    /// Where each of them stands.
    pub places: Vec<Place>,
    /// Those that may be, each once, in ascending order.
    pub sorted: Vec<u64>,
    /// Numbers of requests.
    pub concurrency: Vec<u64>,
}

/// Whether every engine takes the number.
pub(super) const fn may_be(number: u64) -> bool {
    number >= 1 && number <= MOST
}

impl Hot {
    /// Of contexts alone, which are asked for one by one.
    pub fn only(contexts: Vec<Option<u64>>) -> Self {
        let said = contexts.into_iter().flatten();
        let mut sorted: Vec<u64> = said.filter(|&context| may_be(context)).collect();
        sorted.sort_unstable();
        sorted.dedup();
        Self {
            sorted,
            ..Self::default()
        }
    }

    /// Where a context stands.
    pub const fn place(context: Option<u64>) -> Place {
        match context {
            None => Place::Open,
            Some(context) if may_be(context) => Place::At(context),
            Some(_) => Place::Out,
        }
    }

    /// Of these lists.
    pub fn of(contexts: Vec<Option<u64>>, concurrency: Vec<u64>) -> Self {
        Self {
            places: contexts.iter().copied().map(Self::place).collect(),
            concurrency,
            contexts: contexts.clone(),
            ..Self::only(contexts)
        }
    }
}
