//! DINOv2, with or without register tokens.
//!
//! Sources: transformers `models/dinov2` and `models/dinov2_with_registers`.

use super::Patches;
use super::vit::attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Adds the tower (`dinov2`, `dinov2_with_registers`), as what `dinov2.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn dinov2(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    // With registers there is always a mask token, and the class's default for a patch is another.
    let (registers, patch, mask_token) =
        if fields.opt_text("model_type")? == Some("dinov2_with_registers") {
            (fields.count_or("num_register_tokens", 4)?, 16, true)
        } else {
            (0, 14, fields.flag_or("use_mask_token", true)?)
        };
    let hidden = fields.size_or("hidden_size", 768)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let bias = fields.flag_or("qkv_bias", true)?;
    let gated = fields.flag_or("use_swiglu_ffn", false)?;
    let width = width(fields, hidden, gated)?;
    let patches = Patches::read(fields, 224, patch)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("cls_token", Role::Vision, &[1, 1, hidden]);
            if mask_token {
                b.tensor("mask_token", Role::Vision, &[1, hidden]);
            }
            if registers > 0 {
                b.tensor("register_tokens", Role::Vision, &[1, registers, hidden]);
            }
            b.tensor(
                "position_embeddings",
                Role::Vision,
                &[1, patches.count + 1, hidden],
            );
            patches.convolution(b, "patch_embeddings.projection", hidden, true);
        });
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "encoder.layer", &numbers, |b| {
            b.norm("norm1", hidden, true);
            attention(b, hidden, heads, head_dim, bias);
            b.tensor("layer_scale1.lambda1", Role::Norm, &[hidden]);
            b.norm("norm2", hidden, true);
            b.scope("mlp.", |b| {
                if gated {
                    b.linear("weights_in", Role::Mlp, 2 * width, hidden, true);
                    b.linear("weights_out", Role::Mlp, hidden, width, true);
                } else {
                    plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
                }
            });
            b.feed_forward(FeedForward::Dense { width });
            b.tensor("layer_scale2.lambda1", Role::Norm, &[hidden]);
        });
        b.norm("layernorm", hidden, true);
    });
    Ok(hidden)
}

/// The inner width: `mlp_ratio` times the outer one; in a gated network two thirds of that, rounded up to eights.
fn width(fields: &Fields<'_>, hidden: u64, gated: bool) -> Result<u64> {
    let ratio = fields.size_or("mlp_ratio", 4)?;
    let width = hidden * ratio;
    Ok(if gated {
        (width * 2 / 3).next_multiple_of(8)
    } else {
        width
    })
}
