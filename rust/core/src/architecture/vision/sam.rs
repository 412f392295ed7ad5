//! The image encoder of Segment Anything: windows with relative positions, a few blocks that see everything, and a
//! neck of convolutions.
//!
//! Source: transformers `models/sam` and `models/got_ocr2`.

use super::sides;
use crate::architecture::attention::Attention;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
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

/// Adds the encoder to the scope that is open.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn sam(b: &mut Builder, fields: &Fields<'_>, names: &Names) -> Result<Widths> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let output = fields.size_or("output_channels", 256)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let channels = fields.size_or("num_channels", 3)?;
    let image = sides(fields, "image_size", 1024)?;
    let patch = sides(fields, "patch_size", 16)?;
    let width = match fields.opt_size("mlp_dim")? {
        Some(width) => width,
        None => fields.scale("mlp_ratio", hidden, fields.ratio_or("mlp_ratio", 4.0)?)?,
    };
    let window = fields.count_or("window_size", 14)?;
    let everywhere = fields
        .opt_counts("global_attn_indexes")?
        .unwrap_or_else(|| vec![2, 5, 8, 11]);
    let absolute = fields.flag_or("use_abs_pos", true)?;
    let relative = fields.flag_or("use_rel_pos", true)?;
    let attention = Attention {
        fused: true,
        bias: fields.flag_or("qkv_bias", true)?,
        ..Attention::of_heads(["qkv", "", "", "proj"], hidden, heads, head_dim, true)
    };
    let grid = (image.0 / patch.0, image.1 / patch.1);
    if grid.0 == 0 || grid.1 == 0 {
        return Err(fields.error("patch_size", "is larger than the image"));
    }
    let role = Role::Vision;
    b.all_as(role, |b| {
        let shape = [hidden, channels, patch.0, patch.1];
        b.weight_and_bias(names.patch, role, &shape, hidden, true);
        if absolute {
            b.tensor("pos_embed", role, &[1, grid.0, grid.1, hidden]);
        }
        // A window of 0 is one of the whole image.
        let plans = (0..layers).map(|layer| window == 0 || everywhere.contains(&layer));
        for (whole, numbers) in group(plans) {
            let (rows, columns) = if whole { grid } else { (window, window) };
            b.layers(Stack::Vision, names.blocks, &numbers, |b| {
                b.scope("attn.", |b| {
                    attention.add(b);
                    if relative {
                        b.tensor("rel_pos_h", role, &[2 * rows - 1, head_dim]);
                        b.tensor("rel_pos_w", role, &[2 * columns - 1, head_dim]);
                    }
                });
                b.scope("mlp.", |b| {
                    plain(b, ["lin1", "lin2"], role, hidden, width, true)
                });
                b.feed_forward(FeedForward::Dense { width });
                for norm in names.norms {
                    b.norm(norm, hidden, true);
                }
            });
        }
        b.scope("neck.", |b| neck(b, names, hidden, output));
    });
    Ok(Widths { hidden, output })
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
