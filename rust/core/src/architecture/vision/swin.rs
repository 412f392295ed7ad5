//! The stages of the Swin transformers: attention within windows, each stage half as high and wide and twice as deep as
//! the one before.
//!
//! Sources: transformers `models/swin`, `models/swinv2`, `models/donut`, and `models/clap`, which hears with them.

use super::Patches;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use std::sync::Arc;

/// How the heads know how far patches are from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distances {
    /// By a table.
    Table {
        /// Whether the index into it is stored, too.
        index: bool,
    },
    /// By a small network over distances (Swin 2), whose norms then come behind.
    Network,
}

/// All stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Stages {
    /// Width of the first.
    pub first: u64,
    /// How many blocks each has.
    pub depths: Vec<u64>,
    /// How many heads each has.
    pub heads: Vec<u64>,
    /// The side of a window.
    pub window: u64,
    /// Inner widths of the networks, in widths of the stage.
    pub ratio: f64,
    /// Whether queries and values, and but for Swin 2 keys, have biases.
    pub bias: bool,
    /// How the heads know distances.
    pub distances: Distances,
}

impl Stages {
    /// Reads the usual fields.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>, distances: Distances) -> Result<Self> {
        let stages = Self {
            first: fields.size_or("embed_dim", 96)?,
            depths: depths(fields, &[2, 2, 6, 2])?,
            heads: fields
                .opt_counts("num_heads")?
                .unwrap_or_else(|| vec![3, 6, 12, 24]),
            window: fields.size_or("window_size", 7)?,
            ratio: fields.ratio_or("mlp_ratio", 4.0)?,
            bias: fields.flag_or("qkv_bias", true)?,
            distances,
        };
        stages.check(fields, "num_heads")?;
        Ok(stages)
    }

    /// Whether the lists agree.
    ///
    /// # Errors
    /// If they do not; `heads_name` is the field of the heads.
    pub fn check(&self, fields: &Fields<'_>, heads_name: &str) -> Result<()> {
        if self.depths.len() == self.heads.len() {
            return Ok(());
        }
        let (heads, depths) = (self.heads.len(), self.depths.len());
        Err(fields.error(
            heads_name,
            format!("has {heads} numbers for {depths} stages"),
        ))
    }

    /// Adds them as `layers.N` in this stack, and returns the width of the last one.
    ///
    /// # Errors
    /// If a width is absurd, or heads do not divide it.
    pub fn add(&self, b: &mut Builder, fields: &Fields<'_>, stack: Stack) -> Result<u64> {
        let last = self.depths.len().saturating_sub(1);
        let mut hidden = self.first;
        for (number, (&depth, &heads)) in self.depths.iter().zip(&self.heads).enumerate() {
            let stage = Stage {
                hidden,
                depth,
                heads,
                head_dim: fields.divide("embed_dim", hidden, "num_heads", heads)?,
                width: inner(fields, hidden, self.ratio)?,
                window: self.window,
                bias: self.bias,
                distances: self.distances,
            };
            let numbers = Numbers::Listed(Arc::from([u32::try_from(number).unwrap_or(u32::MAX)]));
            b.layers(stack, "layers", &numbers, |b| {
                stage.add(b);
                if number < last {
                    // Four neighbours become one.
                    b.scope("downsample.", |b| {
                        b.linear("reduction", Role::Vision, 2 * hidden, 4 * hidden, false);
                        let normed = match self.distances {
                            Distances::Table { .. } => 4 * hidden,
                            Distances::Network => 2 * hidden,
                        };
                        b.norm("norm", normed, true);
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
    }
}

/// How many blocks each stage has.
///
/// # Errors
/// If the list is empty, or has absurdly many stages or blocks.
pub fn depths(fields: &Fields<'_>, default: &[u64]) -> Result<Vec<u64>> {
    let depths = fields.opt_counts("depths")?.unwrap_or_else(|| {
        let reason = "not in the config; the default of its model class";
        fields.assume("depths", format!("{default:?}"), reason);
        default.to_vec()
    });
    if depths.is_empty() || depths.len() > 8 {
        let message = format!("must be a list of 1 to 8 stages, not {}", depths.len());
        return Err(fields.error("depths", message));
    }
    if depths.iter().any(|&depth| depth > 1024) {
        return Err(fields.error("depths", "has a stage of more than 1024 blocks"));
    }
    Ok(depths)
}

/// Adds a whole Swin transformer, but for the norm behind it, and returns the width of its last stage. `mask` says
/// whether it has a token that stands for hidden patches.
///
/// # Errors
/// If a field is wrong.
pub fn swin(b: &mut Builder, fields: &Fields<'_>, distances: Distances, mask: bool) -> Result<u64> {
    let stages = Stages::read(fields, distances)?;
    let first = stages.first;
    let absolute = fields.flag_or("use_absolute_embeddings", false)?;
    let patches = Patches::read(fields, 224, 4)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embeddings.projection", first, true);
            b.norm("norm", first, true);
            if absolute {
                // There is a row too many until the version that no longer stores the index.
                let spare = distances != Distances::Table { index: false };
                let shape = [1, patches.count + u64::from(spare), first];
                b.tensor("position_embeddings", Role::Vision, &shape);
            }
            if mask {
                b.tensor("mask_token", Role::Vision, &[1, 1, first]);
            }
        });
        b.scope("encoder.", |b| stages.add(b, fields, Stack::Vision))
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

/// The width of the network over distances, which the class of Swin 2 fixes.
const DISTANCES: u64 = 512;

struct Stage {
    hidden: u64,
    depth: u64,
    heads: u64,
    head_dim: u64,
    width: u64,
    window: u64,
    bias: bool,
    distances: Distances,
}

impl Stage {
    /// Adds the blocks of the stage. The layer at hand is the stage, so it is told of all of them.
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            heads,
            width,
            window,
            bias,
            ..
        } = *self;
        let keys = bias && self.distances != Distances::Network;
        let attention = Multihead {
            bias: [bias, keys, bias, true],
            ..Multihead::new(
                ["self.query", "self.key", "self.value", "output.dense"],
                hidden,
                heads,
                self.head_dim,
                bias,
            )
        };
        let blocks = Numbers::Below(u32::try_from(self.depth).unwrap_or(u32::MAX));
        b.each("blocks", blocks, |b| {
            b.norm("layernorm_before", hidden, true);
            b.scope("attention.", |b| {
                attention.tensors(b);
                b.scope("self.", |b| self.distances(b));
            });
            b.norm("layernorm_after", hidden, true);
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
        });
        for _ in 0..self.depth {
            b.mixer(Mixer::Attention {
                heads,
                kv_heads: heads,
                key_dim: self.head_dim,
                value_dim: self.head_dim,
                reach: Reach::Chunked(window * window),
                indexer_dim: 0,
                shared_with: None,
            });
            b.feed_forward(FeedForward::Dense { width });
        }
    }

    fn distances(&self, b: &mut Builder) {
        let Self { heads, window, .. } = *self;
        match self.distances {
            Distances::Table { index } => {
                let (span, inside) = (2 * window - 1, window * window);
                let table = [span * span, heads];
                b.tensor("relative_position_bias_table", Role::Vision, &table);
                if index {
                    let index = [inside, inside];
                    b.buffer("relative_position_index", Role::Vision, &index);
                }
            }
            Distances::Network => {
                b.tensor("logit_scale", Role::Vision, &[heads, 1, 1]);
                b.scope("continuous_position_bias_mlp.", |b| {
                    b.linear("0", Role::Vision, DISTANCES, 2, true);
                    b.linear("2", Role::Vision, heads, DISTANCES, false);
                });
            }
        }
    }
}
