//! Activations at their peak, as vLLM profiles them.

use super::rules::Rules;
use crate::engine::Rank;
use crate::memory::ledger::{Ledger, Origin};

/// Adds them.
pub fn add(_rules: &Rules, rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    let (Some(vocabulary), true) = (rank.architecture().vocab_size, rank.stage.is_last()) else {
        return;
    };
    let settings = rank.settings;
    // Logits in the model's dtype, and in the sampler copies of 32 bits: of logits, of probabilities, of noise.
    let each = settings.model_bytes + 12;
    let bytes = settings
        .sequences
        .saturating_mul(vocabulary)
        .saturating_mul(each);
    ledger.add(
        "logits",
        bytes,
        Origin::Mechanism,
        "vLLM 0.19, v1/worker/gpu_model_runner.py:_dummy_sampler_run and v1/sample/sampler.py",
        &|| {
            format!(
                "{} sequences x {vocabulary} entries x {each}",
                settings.sequences
            )
        },
    );
}
