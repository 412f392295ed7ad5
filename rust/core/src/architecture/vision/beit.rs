//! BEiT and the vision side of data2vec: ViT with distances between patches in tables, and what a layer adds scaled.
//!
//! Sources: transformers `models/beit`, `models/data2vec` (vision), under the published names.

use super::Patches;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::saved_before;
use crate::checkpoint::Role;

const NAMES: [&str; 4] = [
    "attention.query",
    "attention.key",
    "attention.value",
    "output.dense",
];

/// Adds the tower, as what `beit.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn beit(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let patches = Patches::read(fields, 224, 16)?;
    let mask = fields.flag_or("use_mask_token", false)?;
    let absolute = fields.flag_or("use_absolute_position_embeddings", false)?;
    let each = fields.flag_or("use_relative_position_bias", false)?;
    let shared = fields.flag_or("use_shared_relative_position_bias", false)?;
    let scaled = fields.ratio_or("layer_scale_init_value", 0.1)? > 0.0;
    let mean = fields.flag_or("use_mean_pooling", true)?;
    let table = Table::read(fields, heads, each || shared)?;
    // Keys have no bias.
    let attention = Multihead {
        bias: [true, false, true, true],
        ..Multihead::new(NAMES, hidden, heads, head_dim, true)
    };
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("cls_token", Role::Vision, &[1, 1, hidden]);
            if mask {
                b.tensor("mask_token", Role::Vision, &[1, 1, hidden]);
            }
            if absolute {
                let shape = [1, patches.count + 1, hidden];
                b.tensor("position_embeddings", Role::Vision, &shape);
            }
            patches.convolution(b, "patch_embeddings.projection", hidden, true);
        });
        if shared {
            b.scope("encoder.relative_position_bias.", |b| table.add(b));
        }
        b.layers(Stack::Vision, "encoder.layer", &all(layers), |b| {
            b.scope("attention.", |b| {
                attention.attend(b);
                if each {
                    b.scope("attention.relative_position_bias.", |b| table.add(b));
                }
            });
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.feed_forward(FeedForward::Dense { width });
            b.norm("layernorm_before", hidden, true);
            b.norm("layernorm_after", hidden, true);
            if scaled {
                b.tensor("lambda_1", Role::Norm, &[hidden]);
                b.tensor("lambda_2", Role::Norm, &[hidden]);
            }
        });
        if !mean {
            b.norm("layernorm", hidden, true);
        }
    });
    Ok(hidden)
}

/// A table of distances between patches.
#[derive(Clone, Copy)]
struct Table {
    /// Distances, and three more for the class token.
    rows: u64,
    heads: u64,
    /// Tokens, if the index into the table is stored.
    index: Option<u64>,
}

impl Table {
    fn read(fields: &Fields<'_>, heads: u64, used: bool) -> Result<Self> {
        let (image, patch) = (
            super::sides(fields, "image_size", 224)?,
            super::sides(fields, "patch_size", 16)?,
        );
        let (rows, columns) = (image.0 / patch.0, image.1 / patch.1);
        Ok(Self {
            rows: (2 * rows).saturating_sub(1) * (2 * columns).saturating_sub(1) + 3,
            heads,
            index: (used && saved_before(fields, 4, 28)?).then_some(rows * columns + 1),
        })
    }

    fn add(&self, b: &mut Builder) {
        let shape = [self.rows, self.heads];
        b.tensor("relative_position_bias_table", Role::Vision, &shape);
        if let Some(tokens) = self.index {
            b.buffer("relative_position_index", Role::Vision, &[tokens, tokens]);
        }
    }
}
