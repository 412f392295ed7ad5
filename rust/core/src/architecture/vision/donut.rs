//! Donut's Swin transformer: stages of attention within windows, each half as high and wide and twice as deep as the
//! one before.
//!
//! Source: transformers `models/donut/modeling_donut_swin.py`. The index of relative positions is a buffer that is
//! stored.

use super::Patches;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

/// Adds the tower (`donut-swin`), and returns the width of its last stage.
///
/// # Errors
/// If a field is wrong.
pub fn donut(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let first = fields.size_or("embed_dim", 96)?;
    let depths = fields
        .opt_counts("depths")?
        .unwrap_or_else(|| vec![2, 2, 6, 2]);
    let heads = fields
        .opt_counts("num_heads")?
        .unwrap_or_else(|| vec![3, 6, 12, 24]);
    if depths.len() != heads.len() || depths.is_empty() || depths.len() > 8 {
        return Err(fields.error(
            "num_heads",
            format!("has {} numbers for {} stages", heads.len(), depths.len()),
        ));
    }
    if depths.iter().any(|&depth| depth > 1024) {
        return Err(fields.error("depths", "has a stage of more than 1024 blocks"));
    }
    let window = fields.size_or("window_size", 7)?;
    let ratio = fields.ratio_or("mlp_ratio", 4.0)?;
    let bias = fields.flag_or("qkv_bias", true)?;
    let absolute = fields.flag_or("use_absolute_embeddings", false)?;
    let patches = Patches::read(fields, 224, 4)?;
    let last = depths.len() - 1;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embeddings.projection", first, true);
            b.norm("norm", first, true);
            if absolute {
                let shape = [1, patches.count + 1, first];
                b.tensor("position_embeddings", Role::Vision, &shape);
            }
        });
        let mut hidden = first;
        for (number, (&depth, &heads)) in depths.iter().zip(&heads).enumerate() {
            let stage = Stage {
                hidden,
                depth,
                heads,
                head_dim: fields.divide("embed_dim", hidden, "num_heads", heads)?,
                width: inner(fields, hidden, ratio)?,
                window,
                bias,
            };
            let numbers = Numbers::Listed(Arc::from([u32::try_from(number).unwrap_or(u32::MAX)]));
            b.layers(Stack::Vision, "encoder.layers", &numbers, |b| {
                stage.add(b);
                if number < last {
                    // Four neighbours become one.
                    b.scope("downsample.", |b| {
                        b.linear("reduction", Role::Vision, 2 * hidden, 4 * hidden, false);
                        b.norm("norm", 4 * hidden, true);
                    });
                }
            });
            if number < last {
                hidden *= 2;
            }
            if hidden > SIZE_LIMIT {
                return Err(fields.error("embed_dim", "makes the last stage absurdly wide"));
            }
        }
        Ok(hidden)
    })
}

/// The inner width of the feed-forward network, `hidden * mlp_ratio` cut off to a whole number.
fn inner(fields: &Fields<'_>, hidden: u64, ratio: f64) -> Result<u64> {
    #[expect(
        clippy::cast_precision_loss,
        reason = "widths are at most 2^21, which a float holds exactly"
    )]
    let width = (hidden as f64 * ratio).floor();
    if !(1.0..=1e7).contains(&width) {
        return Err(fields.error("mlp_ratio", format!("{ratio} gives a width of {width}")));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and between 1 and ten million"
    )]
    Ok(width as u64)
}

struct Stage {
    hidden: u64,
    depth: u64,
    heads: u64,
    head_dim: u64,
    width: u64,
    window: u64,
    bias: bool,
}

impl Stage {
    /// Adds the blocks of the stage. The layer at hand is the stage, so it is told of all of them.
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            width,
            window,
            ..
        } = *self;
        let attention = Multihead {
            bias: [self.bias, self.bias, self.bias, true],
            ..Multihead::new(
                ["self.query", "self.key", "self.value", "output.dense"],
                hidden,
                self.heads,
                self.head_dim,
                self.bias,
            )
        };
        let blocks = Numbers::Below(u32::try_from(self.depth).unwrap_or(u32::MAX));
        b.each("blocks", blocks, |b| {
            b.norm("layernorm_before", hidden, true);
            b.scope("attention.", |b| {
                attention.tensors(b);
                let (span, inside) = (2 * window - 1, window * window);
                let table = [span * span, self.heads];
                b.tensor("self.relative_position_bias_table", Role::Vision, &table);
                let index = [inside, inside];
                b.buffer("self.relative_position_index", Role::Vision, &index);
            });
            b.norm("layernorm_after", hidden, true);
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
        });
        for _ in 0..self.depth {
            b.mixer(Mixer::Attention {
                heads: self.heads,
                kv_heads: self.heads,
                key_dim: self.head_dim,
                value_dim: self.head_dim,
                reach: Reach::Chunked(window * window),
                indexer_dim: 0,
                shared_with: None,
            });
            b.feed_forward(FeedForward::Dense { width });
        }
    }
}
