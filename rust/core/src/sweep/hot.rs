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

impl Place {
    /// The context, if one was said that may be.
    pub const fn said(self) -> Option<u64> {
        match self {
            Self::At(context) => Some(context),
            Self::Open | Self::Out => None,
        }
    }
}

/// Contexts, or numbers of requests, that engines take, in ascending order, each once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Contexts {
    /// These.
    List(Vec<u64>),
    /// All from the first to the last.
    Between(u64, u64),
}

impl Default for Contexts {
    fn default() -> Self {
        Self::List(Vec::new())
    }
}

impl Contexts {
    /// How many there are.
    pub fn count(&self) -> u64 {
        match self {
            Self::List(list) => list.len() as u64,
            Self::Between(first, last) => last - first + 1,
        }
    }

    /// How many are not beyond this one.
    pub fn up_to(&self, context: u64) -> u64 {
        match self {
            Self::List(list) => list.partition_point(|&known| known <= context) as u64,
            Self::Between(first, last) => (context.min(*last) + 1).saturating_sub(*first),
        }
    }

    /// The one at a place.
    pub fn at(&self, place: u64) -> Option<u64> {
        match self {
            Self::List(list) => list.get(usize::try_from(place).ok()?).copied(),
            Self::Between(first, last) => {
                let context = first.checked_add(place)?;
                (context <= *last).then_some(context)
            }
        }
    }
}

/// The lists, as they were given.
#[derive(Clone, Debug, Default)]
pub(super) struct Hot {
    /// Contexts.
    pub contexts: Vec<Option<u64>>,
    /// Where each of them stands.
    pub places: Vec<Place>,
    /// Those that may be, each once, in ascending order.
    pub sorted: Contexts,
    /// Numbers of requests.
    pub concurrency: Vec<u64>,
    /// Those that may be, in ascending order, each once.
    pub requests: Contexts,
    /// Whether all may be, and never become fewer in the order of the list.
    pub is_rising: bool,
}

/// Whether every engine takes the number.
pub(super) const fn may_be(number: u64) -> bool {
    number >= 1 && number <= MOST
}

impl Hot {
    /// Of contexts alone, which are asked for one by one: all between the shortest and the longest that may be.
    pub fn between(contexts: impl Iterator<Item = u64>) -> Self {
        let may_be = contexts.filter(|&context| may_be(context));
        let ends = may_be.fold(None, |ends: Option<(u64, u64)>, context| {
            let (first, last) = ends.unwrap_or((context, context));
            Some((first.min(context), last.max(context)))
        });
        Self {
            sorted: ends.map_or_else(Contexts::default, |(first, last)| {
                Contexts::Between(first, last)
            }),
            ..Self::default()
        }
    }

    /// Whether contexts and requests are asked for one by one, and hardly ever again.
    pub const fn is_fleeting(&self) -> bool {
        matches!(self.sorted, Contexts::Between(..))
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
        let said = contexts.iter().flatten().copied();
        let sorted = |numbers: &mut dyn Iterator<Item = u64>| {
            let mut sorted: Vec<u64> = numbers.filter(|&number| may_be(number)).collect();
            sorted.sort_unstable();
            sorted.dedup();
            Contexts::List(sorted)
        };
        Self {
            places: contexts.iter().copied().map(Self::place).collect(),
            sorted: sorted(&mut said.into_iter()),
            requests: sorted(&mut concurrency.iter().copied()),
            is_rising: concurrency.is_sorted() && concurrency.iter().all(|&one| may_be(one)),
            concurrency,
            contexts,
        }
    }
}
