//! The tower of Pixtral: a Llama that sees, with rotary positions and no table of them.
//!
//! Source: transformers `models/pixtral`.

use super::sides;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::Stack;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Adds the tower (`pixtral`), as what `vision_tower.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn pixtral(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("intermediate_size", 4096)?;
    let layers = fields.repeats_or("num_hidden_layers", 24)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    // The class takes the width of a head from these two and ignores a stated one.
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let channels = fields.size_or("num_channels", 3)?;
    let (height, across) = sides(fields, "patch_size", 16)?;
    b.all_as(Role::Vision, |b| {
        b.tensor(
            "patch_conv.weight",
            Role::Vision,
            &[hidden, channels, height, across],
        );
        b.norm("ln_pre", hidden, false);
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "transformer.layers", &numbers, |b| {
            b.scope("attention.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
                Attention::of_heads(names, hidden, heads, head_dim, false).add(b);
            });
            b.norm("attention_norm", hidden, false);
            dense(b, "feed_forward.", hidden, width, false);
            b.norm("ffn_norm", hidden, false);
        });
    });
    Ok(hidden)
}
