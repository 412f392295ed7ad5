//! Tensor templates: one name pattern, role and shape for all tensors that differ only in the numbers of their names.
//!
//! The list of templates is the single source of every count. Nothing is counted by a second formula.

use super::layer::Stack;
use crate::checkpoint::Role;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::sync::Arc;

/// The numbers that stand in one place of a name pattern.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Numbers {
    /// All from 0 up to, but not with, this one.
    Below(u32),
    /// These, ascending.
    Listed(Arc<[u32]>),
}

impl Numbers {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Below(end) => *end as usize,
            Self::Listed(numbers) => numbers.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let listed = match self {
            Self::Below(_) => None,
            Self::Listed(numbers) => Some(numbers),
        };
        (0..self.len()).map(move |at| match listed {
            Some(numbers) => numbers[at],
            // The length came from a u32.
            None => u32::try_from(at).unwrap_or(u32::MAX),
        })
    }

    /// Whether this number is one of them.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        match self {
            Self::Below(end) => number < *end,
            Self::Listed(numbers) => {
                let (Some(&first), Some(&last)) = (numbers.first(), numbers.last()) else {
                    return false;
                };
                // Most lists leave nothing out between their ends.
                let is_whole = last.saturating_sub(first) as usize + 1 == numbers.len();
                (first..=last).contains(&number)
                    && (is_whole || numbers.binary_search(&number).is_ok())
            }
        }
    }
}

/// Which part of a tensor one token goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Routing {
    /// All of it.
    #[default]
    Always,
    /// What belongs to the experts a router chooses: so many of so many.
    Routed {
        /// Experts chosen for each token.
        chosen: u64,
        /// All experts.
        of: u64,
    },
    /// One row of it: the table of an embedding.
    Lookup,
}

/// All tensors of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// The name, with `*` where numbers stand.
    pub pattern: String,
    /// The numbers for each `*`, in order. In a layer the first is the layer's.
    pub numbers: Vec<Numbers>,
    /// What the tensors are for.
    pub role: Role,
    /// The shape as stored without quantization; empty for a scalar.
    pub shape: Vec<u64>,
    /// Which part of it a token goes through.
    pub routing: Routing,
    /// Whether it belongs to a layer, so that the first number is the layer's.
    pub in_layer: bool,
    /// The stack whose layers it belongs to; nothing outside layers.
    pub part: Option<Stack>,
    /// Whether the model's code registers it as a buffer: it is stored and counted, but no optimizer updates it.
    pub buffer: bool,
}

impl Template {
    /// How many tensors there are. `None` if the number does not fit 64 bits.
    #[must_use]
    pub fn count(&self) -> Option<u64> {
        self.numbers.iter().try_fold(1_u64, |count, numbers| {
            count.checked_mul(numbers.len() as u64)
        })
    }

    /// Elements of one tensor: the product over the shape. `None` if it does not fit 64 bits.
    #[must_use]
    pub fn elements(&self) -> Option<u64> {
        self.shape
            .iter()
            .try_fold(1_u64, |product, &side| product.checked_mul(side))
    }

    /// Elements of all tensors.
    #[must_use]
    pub fn total(&self) -> Option<u64> {
        self.count()?.checked_mul(self.elements()?)
    }

    /// Elements of all tensors that one token goes through, a looked-up table in full. Layers that predict further tokens
    /// are no part of its way.
    ///
    /// Experts of one layer have one shape, so the chosen ones take `chosen / of` of the elements exactly.
    #[must_use]
    pub fn active(&self) -> Option<u64> {
        let total = self.total()?;
        if self.role == Role::Mtp {
            return Some(0);
        }
        match self.routing {
            Routing::Always | Routing::Lookup => Some(total),
            Routing::Routed { of: 0, .. } => Some(0),
            Routing::Routed { chosen, of } => {
                u64::try_from(u128::from(total) * u128::from(chosen.min(of)) / u128::from(of)).ok()
            }
        }
    }

    /// The stack its layers are numbered in, as `model.layers`; nothing outside layers.
    #[must_use]
    pub fn stack(&self) -> Option<&str> {
        let prefix = self.pattern.split('*').next().filter(|_| self.in_layer)?;
        Some(prefix.strip_suffix('.').unwrap_or(prefix))
    }

    /// Calls `visit` with every name, in the order of the numbers, and the layer it lies in.
    pub fn names(&self, mut visit: impl FnMut(&str, Option<u32>)) {
        let pieces: Vec<&str> = self.pattern.split('*').collect();
        let mut name = String::with_capacity(self.pattern.len() + 8);
        self.extend(&pieces, 0, None, &mut name, &mut visit);
    }

    fn extend(
        &self,
        pieces: &[&str],
        depth: usize,
        layer: Option<u32>,
        name: &mut String,
        visit: &mut impl FnMut(&str, Option<u32>),
    ) {
        let before = name.len();
        name.push_str(pieces[depth]);
        match self.numbers.get(depth) {
            None => visit(name, layer),
            Some(numbers) => {
                let length = name.len();
                for number in numbers.iter() {
                    name.truncate(length);
                    // Writing to a String cannot fail.
                    let _ = write!(name, "{number}");
                    let layer = if depth == 0 && self.in_layer {
                        Some(number)
                    } else {
                        layer
                    };
                    self.extend(pieces, depth + 1, layer, name, visit);
                }
            }
        }
        name.truncate(before);
    }
}
