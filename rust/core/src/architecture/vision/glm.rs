//! The towers of GLM-V and GLM-OCR: blocks with a gated network, a convolution that joins neighbouring patches, and a
//! gated merger, which is a projector.
//!
//! Source: transformers `models/glm4v`, `models/glm4v_moe` and `models/glm_ocr`.

use super::sides;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// In what the towers differ.
#[derive(Clone, Copy, Debug)]
pub struct Kin {
    /// Width, inner width, heads and the width of the output, where the config does not say.
    pub defaults: [u64; 4],
    /// Whether blocks have biases where the config does not say.
    pub bias: bool,
    /// Whether those biases are in all matrices of a block and its heads are normed, as in GLM-OCR. In GLM-V the
    /// output and the network have none, there is a table of positions with a norm behind, the network of a block is
    /// as wide as the output, and the inner width is the merger's.
    pub reader: bool,
}

/// GLM-4.1V and its successors.
pub const GLM_V: Kin = Kin {
    defaults: [1536, 13_696, 12, 4096],
    bias: false,
    reader: false,
};

/// GLM-OCR.
pub const OCR: Kin = Kin {
    defaults: [1024, 4096, 16, 1536],
    bias: true,
    reader: true,
};

/// Adds the tower, as what `visual.` holds.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn glm(b: &mut Builder, fields: &Fields<'_>, kin: &Kin) -> Result<()> {
    let [hidden, inner, heads, output] = kin.defaults;
    let hidden = fields.size_or("hidden_size", hidden)?;
    let inner = fields.size_or("intermediate_size", inner)?;
    let heads = fields.size_or("num_heads|num_attention_heads", heads)?;
    let output = fields.size_or("out_hidden_size", output)?;
    let depth = fields.repeats_or("depth|num_hidden_layers", 24)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
    let bias = fields.flag_or("attention_bias", kin.bias)?;
    let channels = fields.size_or("in_channels|num_channels", 3)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    let frames = fields.size_or("temporal_patch_size", 2)?;
    let merge = fields.size_or("spatial_merge_size", 2)?;
    let (width, merged, norm) = if kin.reader {
        (inner, output * channels, HeadNorm::PerHead)
    } else {
        (output, inner, HeadNorm::None)
    };
    let positions = if kin.reader {
        None
    } else {
        let side = fields.size_or("image_size", 336)?;
        fields.divide("image_size", side, "patch_size", height)?;
        Some((side / height) * (side / height))
    };
    let attention = Attention {
        fused: true,
        bias,
        output_bias: bias && kin.reader,
        norm,
        ..Attention::of_heads(["qkv", "", "", "proj"], hidden, heads, head_dim, bias)
    };
    let role = Role::Vision;
    b.all_as(role, |b| {
        if let Some(positions) = positions {
            b.embedding("embeddings.position_embedding", role, positions, hidden);
            b.norm("post_conv_layernorm", hidden, false);
        }
        let patch = [hidden, channels, frames, height, across];
        b.weight_and_bias("patch_embed.proj", role, &patch, hidden, true);
        // `COUNT_LIMIT` bounds their number.
        let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.norm("norm1", hidden, false);
            b.scope("attn.", |b| attention.add(b));
            b.norm("norm2", hidden, false);
            let bias = bias && kin.reader;
            b.scope("mlp.", |b| gated(b, GATED, role, hidden, width, bias));
            b.feed_forward(FeedForward::Dense { width });
        });
        b.norm("post_layernorm", hidden, false);
        let shape = [output, hidden, merge, merge];
        b.weight_and_bias("downsample", role, &shape, output, true);
    });
    let role = Role::Projector;
    b.all_as(role, |b| {
        b.scope("merger.", |b| {
            b.linear("proj", role, output, output, false);
            b.norm("post_projection_norm", output, true);
            gated(b, GATED, role, output, merged, false);
        });
    });
    Ok(())
}
