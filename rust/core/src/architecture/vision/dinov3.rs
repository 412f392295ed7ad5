//! The vision transformer of DINOv3: rotary positions, registers, and layers whose every bias can be turned off.
//!
//! Source: transformers `models/dinov3_vit`.

use super::Patches;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Stack};
use crate::checkpoint::Role;

/// Adds the tower (`dinov3_vit`), and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn dinov3(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 384)?;
    let width = fields.size_or("intermediate_size", 1536)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let heads = fields.size_or("num_attention_heads", 6)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let registers = fields.repeats_or("num_register_tokens", 0)?;
    let patches = Patches::read(fields, 224, 16)?;
    let attention = Multihead {
        bias: [
            fields.flag_or("query_bias", true)?,
            fields.flag_or("key_bias", false)?,
            fields.flag_or("value_bias", true)?,
            fields.flag_or("proj_bias", true)?,
        ],
        ..Multihead::new(
            ["q_proj", "k_proj", "v_proj", "o_proj"],
            hidden,
            heads,
            head_dim,
            true,
        )
    };
    let bias = fields.flag_or("mlp_bias", true)?;
    let gated = fields.flag_or("use_gated_mlp", false)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("cls_token", Role::Vision, &[1, 1, hidden]);
            b.tensor("mask_token", Role::Vision, &[1, 1, hidden]);
            b.tensor("register_tokens", Role::Vision, &[1, registers, hidden]);
            patches.convolution(b, "patch_embeddings", hidden, true);
        });
        b.layers(Stack::Vision, "layer", &all(layers), |b| {
            b.norm("norm1", hidden, true);
            b.scope("attention.", |b| attention.attend(b));
            b.tensor("layer_scale1.lambda1", Role::Norm, &[hidden]);
            b.norm("norm2", hidden, true);
            b.scope("mlp.", |b| {
                if gated {
                    b.linear("gate_proj", Role::Mlp, width, hidden, bias);
                }
                b.linear("up_proj", Role::Mlp, width, hidden, bias);
                b.linear("down_proj", Role::Mlp, hidden, width, bias);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.tensor("layer_scale2.lambda1", Role::Norm, &[hidden]);
        });
        b.norm("norm", hidden, true);
    });
    Ok(hidden)
}
