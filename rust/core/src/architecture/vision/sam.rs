//! The image encoder of Segment Anything: windows with relative positions, a few blocks that see everything, and a
//! neck of convolutions.
//!
//! Source: transformers `models/sam` and `models/got_ocr2`.

use super::sides;
use crate::architecture::attention::Attention;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::checkpoint::Role;

/// What goes out of the encoder and of its neck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Width of the blocks.
    pub hidden: u64,
    /// Channels behind the neck.
    pub output: u64,
}

/// The names of its parts.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// The embedding of patches.
    pub patch: &'static str,
    /// The stack of blocks.
    pub blocks: &'static str,
    /// The two norms of a block.
    pub norms: [&'static str; 2],
    /// Convolution, norm, convolution and norm of a neck.
    pub neck: [&'static str; 4],
}

/// The names in transformers.
pub const NAMES: Names = Names {
    patch: "patch_embed.projection",
    blocks: "layers",
    norms: ["layer_norm1", "layer_norm2"],
    neck: ["conv1", "layer_norm1", "conv2", "layer_norm2"],
};

/// The names of the original.
pub const ORIGINAL: Names = Names {
    patch: "patch_embed.proj",
    blocks: "blocks",
    norms: ["norm1", "norm2"],
    neck: ["0", "1", "2", "3"],
};

/// The sizes of the encoder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Width of the blocks.
    pub hidden: u64,
    /// Inner width of their networks.
    pub width: u64,
    /// How many blocks.
    pub layers: u64,
    /// Heads of the attention.
    pub heads: u64,
    /// Channels behind the neck.
    pub output: u64,
    /// Channels of the image.
    pub channels: u64,
    /// Height and width of the image.
    pub image: (u64, u64),
    /// Height and width of a patch.
    pub patch: (u64, u64),
    /// The side of a window; 0 for none.
    pub window: u64,
    /// The blocks that see everything.
    pub everywhere: Vec<u64>,
    /// Whether there is a table of positions.
    pub absolute: bool,
    /// Whether blocks have tables of relative positions.
    pub relative: bool,
    /// Whether queries, keys and values have biases.
    pub bias: bool,
}

impl Sizes {
    /// The smallest of the published encoders.
    #[must_use]
    pub fn base() -> Self {
        Self {
            hidden: 768,
            width: 3072,
            layers: 12,
            heads: 12,
            output: 256,
            channels: 3,
            image: (1024, 1024),
            patch: (16, 16),
            window: 14,
            everywhere: vec![2, 5, 8, 11],
            absolute: true,
            relative: true,
            bias: true,
        }
    }
}

/// Adds the encoder to the scope that is open.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn sam(b: &mut Builder, fields: &Fields<'_>, names: &Names) -> Result<Widths> {
    let base = Sizes::base();
    let hidden = fields.size_or("hidden_size", base.hidden)?;
    let sizes = Sizes {
        hidden,
        width: match fields.opt_size("mlp_dim")? {
            Some(width) => width,
            None => fields.scale("mlp_ratio", hidden, fields.ratio_or("mlp_ratio", 4.0)?)?,
        },
        layers: fields.repeats_or("num_hidden_layers", base.layers)?,
        heads: fields.size_or("num_attention_heads", base.heads)?,
        output: fields.size_or("output_channels", base.output)?,
        channels: fields.size_or("num_channels", base.channels)?,
        image: sides(fields, "image_size", base.image.0)?,
        patch: sides(fields, "patch_size", base.patch.0)?,
        window: match fields.count_or("window_size", base.window)? {
            window if window > SIZE_LIMIT => {
                return Err(fields.error("window_size", "is larger than any image"));
            }
            window => window,
        },
        everywhere: fields
            .opt_counts("global_attn_indexes")?
            .unwrap_or(base.everywhere),
        absolute: fields.flag_or("use_abs_pos", base.absolute)?,
        relative: fields.flag_or("use_rel_pos", base.relative)?,
        bias: fields.flag_or("qkv_bias", base.bias)?,
    };
    sam_with(b, fields, &sizes, names)?;
    Ok(Widths {
        hidden,
        output: sizes.output,
    })
}

/// As [`sam`], with sizes that were read elsewhere.
///
/// # Errors
/// If heads do not divide, or patches are larger than the image.
pub fn sam_with(b: &mut Builder, fields: &Fields<'_>, sizes: &Sizes, names: &Names) -> Result<()> {
    let Sizes {
        hidden,
        width,
        heads,
        window,
        image,
        patch,
        ..
    } = *sizes;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let attention = Attention {
        fused: true,
        bias: sizes.bias,
        ..Attention::of_heads(["qkv", "", "", "proj"], hidden, heads, head_dim, true)
    };
    let grid = (image.0 / patch.0, image.1 / patch.1);
    if grid.0 == 0 || grid.1 == 0 {
        return Err(fields.error("patch_size", "is larger than the image"));
    }
    let role = Role::Vision;
    b.all_as(role, |b| {
        let shape = [hidden, sizes.channels, patch.0, patch.1];
        b.weight_and_bias(names.patch, role, &shape, hidden, true);
        if sizes.absolute {
            b.tensor("pos_embed", role, &[1, grid.0, grid.1, hidden]);
        }
        // A window of 0 is one of the whole image.
        let plans = (0..sizes.layers).map(|layer| window == 0 || sizes.everywhere.contains(&layer));
        for (whole, numbers) in group(plans) {
            let (rows, columns) = if whole { grid } else { (window, window) };
            b.layers(Stack::Vision, names.blocks, &numbers, |b| {
                b.scope("attn.", |b| {
                    attention.add(b);
                    if sizes.relative {
                        b.tensor("rel_pos_h", role, &[2 * rows - 1, head_dim]);
                        b.tensor("rel_pos_w", role, &[2 * columns - 1, head_dim]);
                    }
                });
                b.scope("mlp.", |b| {
                    plain(b, ["lin1", "lin2"], role, hidden, width, true);
                });
                b.feed_forward(FeedForward::Dense { width });
                for norm in names.norms {
                    b.norm(norm, hidden, true);
                }
            });
        }
        b.scope("neck.", |b| neck(b, names, hidden, sizes.output));
    });
    Ok(())
}

/// Adds a neck to the scope that is open: two convolutions without biases, a norm behind each.
pub fn neck(b: &mut Builder, names: &Names, hidden: u64, output: u64) {
    let [first, first_norm, second, second_norm] = names.neck;
    let role = Role::Vision;
    b.weight_and_bias(first, role, &[output, hidden, 1, 1], output, false);
    b.norm(first_norm, output, true);
    b.weight_and_bias(second, role, &[output, output, 3, 3], output, false);
    b.norm(second_norm, output, true);
}
