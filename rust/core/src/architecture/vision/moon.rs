//! MoonViT: the tower of Kimi-VL and Kimi K2.5, with a table of positions for each row and column.
//!
//! Sources: the header of the published Kimi-K2.5, the index of LocateAnything-3B, and transformers
//! `models/kimi_k25`, whose names differ.

use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// What comes out: its width, and how many neighbouring patches a projector joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The width.
    pub hidden: u64,
    /// Patches that are joined.
    pub merged: u64,
}

/// Adds the tower, as what `vision_tower.` holds.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn moon(b: &mut Builder, fields: &Fields<'_>) -> Result<Seen> {
    let hidden = fields.size_or("vt_hidden_size|hidden_size", 1152)?;
    let width = fields.size_or("vt_intermediate_size|intermediate_size", 4304)?;
    let layers = fields.repeats_or("vt_num_hidden_layers|num_hidden_layers", 27)?;
    let heads = fields.size_or("vt_num_attention_heads|num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let rows = fields.size_or("init_pos_emb_height|pos_emb_height", 64)?;
    let columns = fields.size_or("init_pos_emb_width|pos_emb_width", 64)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    let merge = sides(fields, "merge_kernel_size", 2)?;
    let attention = Attention {
        fused: true,
        ..Attention::of_heads(["wqkv", "", "", "wo"], hidden, heads, head_dim, true)
    };
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("patch_embed.", |b| {
            b.weight_and_bias("proj", role, &[hidden, 3, height, across], hidden, true);
            b.tensor("pos_emb.weight", role, &[rows, columns, hidden]);
        });
        b.scope("encoder.", |b| {
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
            b.layers(Stack::Vision, "blocks", &numbers, |b| {
                b.norm("norm0", hidden, true);
                attention.add(b);
                b.norm("norm1", hidden, true);
                b.scope("mlp.", |b| {
                    plain(b, ["fc0", "fc1"], role, hidden, width, true);
                });
                b.feed_forward(FeedForward::Dense { width });
            });
            b.norm("final_layernorm", hidden, true);
        });
    });
    Ok(Seen {
        hidden,
        merged: merge.0 * merge.1,
    })
}
