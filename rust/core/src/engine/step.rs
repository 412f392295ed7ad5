//! One step of an engine on PyTorch, as far as no profile of the engine is known: what its widest layer makes of each
//! token, and the logits.

use super::Rank;
use crate::memory::forward;
use crate::memory::ledger::{Ledger, Origin};

/// Notes what the widest layer makes of so many tokens in 16 bits, and the logits of so many rows with what a sampler
/// makes of them: 2 bytes as they come, 4 as they are scaled, 4 as probabilities.
pub fn note(rank: &Rank<'_>, tokens: u64, rows: u64, ledger: &mut dyn Ledger) {
    let architecture = rank.architecture();
    let hidden = architecture.hidden_size.unwrap_or(0);
    let ranks = rank.deployment.options.parallel.tensor;
    let widest = rank
        .layers
        .iter()
        .flat_map(|layer| forward::blocks(architecture, layer, ranks))
        .map(|block| block.plain(hidden))
        .max()
        .unwrap_or(0);
    let layer = tokens.saturating_mul(widest).saturating_mul(2);
    ledger.add(
        "widest layer",
        layer,
        Origin::Mechanism,
        "what one layer must hold at once; kernels may hold more",
        &|| format!("{tokens} tokens x {widest} numbers x 2 bytes"),
    );
    if !rank.stage.is_last() {
        return;
    }
    let vocabulary = architecture.vocab_size.unwrap_or(0);
    ledger.add(
        "logits",
        rows.saturating_mul(vocabulary).saturating_mul(10),
        Origin::Mechanism,
        "logits, scaled logits and probabilities of a decoding step",
        &|| format!("{rows} sequences x {vocabulary} entries x (2 + 4 + 4) bytes"),
    );
}

/// Notes what the driver takes for a process: as measured on the GPU, or else on another.
pub fn driver(rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    let (bytes, source) = rank.deployment.gpu.cuda_context();
    ledger.add("CUDA context", bytes, Origin::Measured, source, &|| {
        format!("{bytes} bytes for the process")
    });
}
