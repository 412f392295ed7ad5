//! Captured graphs.

use super::rules::Rules;
use crate::engine::Rank;
use crate::memory::ledger::Ledger;

/// Adds them.
pub fn add(_rules: &Rules, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    if rank.deployment.eager {
        return;
    }
    let _ = ledger;
}
