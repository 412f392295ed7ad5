//! The tower of BLIP: CLIP's layers with queries, keys and values in one tensor, and no norm before them.
//!
//! Sources: transformers `models/blip`, `models/blip_2`, `models/instructblip`.

use super::Patches;
use super::clip::Encoder;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Adds the tower, as what `vision_model.` holds, and returns its width and how many tokens it gives. `default` and the
/// sides of image and patch are those of the tower's class.
///
/// # Errors
/// If a field is wrong.
pub fn blip(
    b: &mut Builder,
    fields: &Fields<'_>,
    default: Encoder,
    image: u64,
    patch: u64,
) -> Result<(u64, u64)> {
    let Encoder {
        hidden,
        width,
        layers,
        heads,
    } = Encoder::read(fields, default)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let bias = fields.opt_flag("qkv_bias")?.unwrap_or(true);
    let patches = Patches::read(fields, image, patch)?;
    let tokens = patches.count + 1;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", Role::Vision, &[1, 1, hidden]);
            patches.convolution(b, "patch_embedding", hidden, true);
            b.tensor("position_embedding", Role::Vision, &[1, tokens, hidden]);
        });
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "encoder.layers", &numbers, |b| {
            b.scope("self_attn.", |b| {
                let names = ["qkv", "", "", "projection"];
                Attention {
                    fused: true,
                    output_bias: true,
                    ..Attention::of_heads(names, hidden, heads, head_dim, bias)
                }
                .add(b);
            });
            b.norm("layer_norm1", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("layer_norm2", hidden, true);
        });
        b.norm("post_layernorm", hidden, true);
    });
    Ok((hidden, tokens))
}
