//! What the answers of an engine change with, so that a sweep asks again only where an answer may differ.
//!
//! An engine states for each [`Answer`] a set of [`Reads`]. Whatever is not in the set never changes the answer, the model
//! and the layout being the same; a test changes everything else and compares. To state more than is read is slow, never
//! wrong; to state less is a mistake that the tests of sweeps find.

use std::ops::BitOr;

/// One thing that an engine is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    /// [`settle`](super::Engine::settle), the requests of a replica aside.
    Settings,
    /// [`loaded`](super::Engine::loaded).
    Loaded,
    /// [`activations`](super::Engine::activations).
    Activations,
    /// [`overhead`](super::Engine::overhead).
    Overhead,
    /// [`context`](super::Engine::context).
    Context,
    /// [`graphs`](super::Engine::graphs).
    Graphs,
    /// [`reserved`](super::CachePlan::reserved) of the plan of [`cache`](super::Engine::cache), or why there is none.
    Reserved,
    /// [`pool`](super::CachePlan::pool) of that plan, for so many bytes: whether it changes with the context and the
    /// requests. All else is of the plan.
    Pool,
}

impl Answer {
    /// Every answer.
    pub const ALL: [Self; 8] = [
        Self::Settings,
        Self::Loaded,
        Self::Activations,
        Self::Overhead,
        Self::Context,
        Self::Graphs,
        Self::Reserved,
        Self::Pool,
    ];
}

/// A set of what deployments say. Of all answers but the settings, each stands for what was said as well as for what was
/// settled for it. Sequences that are settled as many as there are requests count as requests. No answer
/// is about more requests than run at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reads(u16);

impl Reads {
    /// Nothing.
    pub const NONE: Self = Self(0);
    /// The GPU.
    pub const GPU: Self = Self(1);
    /// How weights are stored.
    pub const WEIGHTS: Self = Self(1 << 1);
    /// How the cache is kept.
    pub const CACHE: Self = Self(1 << 2);
    /// Tokens of the longest request.
    pub const CONTEXT: Self = Self(1 << 3);
    /// Requests at one time.
    pub const CONCURRENCY: Self = Self(1 << 4);
    /// The share of a GPU's memory.
    pub const UTILIZATION: Self = Self(1 << 5);
    /// Tokens of one step.
    pub const BATCHED_TOKENS: Self = Self(1 << 6);
    /// Sequences of one step.
    pub const SEQUENCES: Self = Self(1 << 7);
    /// Tokens of a block.
    pub const BLOCK: Self = Self(1 << 8);
    /// Whether prefixes are kept.
    pub const PREFIX_CACHING: Self = Self(1 << 9);
    /// Whether graphs are left out.
    pub const EAGER: Self = Self(1 << 10);
    /// Bytes given to the cache.
    pub const CACHE_MEMORY: Self = Self(1 << 11);
    /// Bytes of a number of the dtype the model runs in, which is settled.
    pub const MODEL_BYTES: Self = Self(1 << 12);
    /// Tokens of an encoder, which are settled.
    pub const ENCODER_TOKENS: Self = Self(1 << 13);
    /// Everything.
    pub const ALL: Self = Self((1 << 14) - 1);

    /// How many there may be.
    pub const COUNT: usize = 14;

    /// Whether all of another set is in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// All but those of another set.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether the one at a place is in it, in the order in which they are declared.
    #[must_use]
    pub const fn has_at(self, place: usize) -> bool {
        place < Self::COUNT && self.0 & (1 << place) != 0
    }
}

impl BitOr for Reads {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}
