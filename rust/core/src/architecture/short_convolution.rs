//! Gated short convolutions: the mixers of LFM2 and LFM3.
//!
//! Source: transformers `models/lfm2`, `models/lfm2_moe` and `models/lfm3`.

use super::builder::Builder;
use super::layer::{Convolution, Mixer, Recurrence, StateDtype};
use super::mamba::convolution;
use crate::checkpoint::Role;

/// Adds one to the scope that is open, which ends in a dot, and tells the layer of it.
pub fn add(b: &mut Builder, hidden: u64, kernel: u64, bias: bool) {
    convolution(b, "conv", hidden, kernel, bias);
    b.linear("in_proj", Role::State, 3 * hidden, hidden, bias);
    b.linear("out_proj", Role::State, hidden, hidden, bias);
    b.mixer(mixer(Convolution::new(hidden, kernel)));
}

/// What a layer is told of a convolution and nothing else.
#[must_use]
pub const fn mixer(convolution: Convolution) -> Mixer {
    Mixer::State {
        recurrence: Recurrence::ShortConvolution,
        heads: 0,
        convolution,
        recurrent: 0,
        dtype: StateDtype::Cache,
    }
}
