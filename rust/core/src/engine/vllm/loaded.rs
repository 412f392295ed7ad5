//! What is loaded beside the tensors of the files: tables of rotations, padding.

use super::rules::Rules;
use crate::engine::Rank;
use crate::memory::ledger::Ledger;

/// Adds it.
pub fn add(_rules: &Rules, _rank: &Rank<'_>, _ledger: &mut dyn Ledger) {}
