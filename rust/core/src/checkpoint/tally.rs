//! Sums: how many tensors, parameters and bytes.

use serde::{Deserialize, Serialize};
use std::iter::Sum;
use std::ops::AddAssign;

/// A sum over tensors. Sums are 128 bits wide: even a hostile header cannot overflow them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tally {
    /// How many tensors.
    pub tensors: u64,
    /// Logical parameters: packed weights count as what they stand for, scales and buffers not at all.
    pub parameters: u128,
    /// Bytes of tensor data as stored.
    pub bytes: u128,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.tensors += other.tensors;
        self.parameters += other.parameters;
        self.bytes += other.bytes;
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}
