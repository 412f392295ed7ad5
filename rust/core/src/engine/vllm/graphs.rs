//! Captured graphs: up to 0.19 they come on top of what vLLM may take, from 0.20 on an estimate is taken from the cache.

use super::fitted::{GRAPHS_ESTIMATE, GRAPHS_TAKE};
use crate::architecture::layer::FeedForward;
use crate::engine::Rank;
use crate::memory::ledger::{Ledger, Origin};

/// Adds what captured graphs take, or what vLLM takes them to.
pub fn add(rank: &Rank<'_>, within: bool, ledger: &mut dyn Ledger) {
    if rank.deployment.eager {
        return;
    }
    let layers = rank.layers.len() as u64;
    let experts = rank
        .layers
        .iter()
        .flat_map(|layer| &layer.feed_forward)
        .any(|network| matches!(network, FeedForward::Experts { .. }));
    let (law, what) = if within {
        (GRAPHS_ESTIMATE, "what vLLM estimates that graphs take")
    } else {
        (GRAPHS_TAKE, "what graphs take")
    };
    ledger.add(
        "graphs",
        law.bytes(layers, experts),
        Origin::Fitted,
        "fitted to published logs of vLLM 0.19 on H100s, for the default sizes: see engine/vllm/fitted.rs for the rows",
        &|| format!("{what}: {}", law.formula(layers, experts)),
    );
}
