//! The audio tower that Qwen3-Omni and Qwen3-ASR hear through: three convolutions over frequency and time, and layers
//! of BART.
//!
//! Sources: transformers `models/qwen3_asr`, `models/qwen3_omni_moe`.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Side};
use crate::architecture::layer::Stack;
use crate::checkpoint::Role;

/// Adds the tower without what projects its output, and returns its width. The defaults are those of
/// `qwen3_asr_encoder`.
///
/// # Errors
/// If a field is wrong.
pub fn qwen3(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let side = Side {
        layers: 24,
        heads: 16,
        width: 4096,
    };
    qwen3_with(b, fields, 1024, &side)
}

/// As [`qwen3`], with the width and the layers that hold where the config does not say.
///
/// # Errors
/// If a field is wrong.
pub fn qwen3_with(b: &mut Builder, fields: &Fields<'_>, hidden: u64, side: &Side) -> Result<u64> {
    let hidden = fields.size_or("d_model|hidden_size", hidden)?;
    let side = Side {
        layers: fields.repeats_or("encoder_layers|num_hidden_layers", side.layers)?,
        heads: fields.size_or("encoder_attention_heads|num_attention_heads", side.heads)?,
        width: fields.size_or("encoder_ffn_dim|intermediate_size", side.width)?,
    };
    let channels = fields.size_or("downsample_hidden_size", 480)?;
    let bins = fields.size_or("num_mel_bins", 128)?;
    let left = bins.div_ceil(2).div_ceil(2).div_ceil(2);
    b.all_as(Role::Audio, |b| {
        for (name, inputs) in [("conv2d1", 1), ("conv2d2", channels), ("conv2d3", channels)] {
            let shape = [channels, inputs, 3, 3];
            b.weight_and_bias(name, Role::Audio, &shape, channels, true);
        }
        b.linear("conv_out", Role::Audio, hidden, channels * left, false);
        Block::BART.encoder(b, fields, Stack::Audio, hidden, &side)?;
        b.norm("ln_post", hidden, true);
        Ok(hidden)
    })
}
