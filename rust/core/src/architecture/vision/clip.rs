//! The towers of CLIP, SigLIP and SigLIP 2, and the encoder layers that their text models share with them.
//!
//! Sources: transformers `models/clip`, `models/siglip` and `models/siglip2`.

use super::Patches;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// The sizes of a stack of CLIP's layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoder {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Inner width of the feed-forward network.
    pub width: u64,
    /// How many layers.
    pub layers: u64,
    /// Heads of the attention.
    pub heads: u64,
}

impl Encoder {
    /// Reads the usual four fields; `default` says what holds for those that are missing.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>, default: Self) -> Result<Self> {
        Ok(Self {
            hidden: fields.size_or("hidden_size|embed_dim", default.hidden)?,
            width: fields.size_or("intermediate_size", default.width)?,
            layers: fields.repeats_or("num_hidden_layers", default.layers)?,
            heads: fields.size_or("num_attention_heads", default.heads)?,
        })
    }

    /// Adds the layers as `encoder.layers.N`.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn add(&self, b: &mut Builder, fields: &Fields<'_>, stack: Stack) -> Result<()> {
        let Self {
            hidden,
            width,
            layers,
            heads,
        } = *self;
        let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
        // `repeats_or` bounds their number.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(stack, "encoder.layers", &numbers, |b| {
            b.scope("self_attn.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
                Attention::of_heads(names, hidden, heads, head_dim, true).add(b);
            });
            b.norm("layer_norm1", hidden, true);
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("layer_norm2", hidden, true);
        });
        Ok(())
    }
}

/// What a missing field means in the vision towers of all three.
pub const TOWER: Encoder = Encoder {
    hidden: 768,
    width: 3072,
    layers: 12,
    heads: 12,
};

/// Adds the vision tower of CLIP (`clip_vision_model`), as what `vision_model.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn clip(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    clip_like(b, fields, TOWER, 32)
}

/// As [`clip`], for a class that takes other sizes and another side of a patch where the config gives none.
///
/// # Errors
/// If a field is wrong.
pub fn clip_like(
    b: &mut Builder,
    fields: &Fields<'_>,
    default: Encoder,
    patch: u64,
) -> Result<u64> {
    let encoder = Encoder::read(fields, default)?;
    let hidden = encoder.hidden;
    let patches = Patches::read(fields, 224, patch)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", Role::Vision, &[hidden]);
            patches.convolution(b, "patch_embedding", hidden, false);
            b.embedding(
                "position_embedding",
                Role::Vision,
                patches.count + 1,
                hidden,
            );
        });
        // The name is misspelt in the original, too.
        b.norm("pre_layrnorm", hidden, true);
        encoder.add(b, fields, Stack::Vision)?;
        b.norm("post_layernorm", hidden, true);
        Ok(hidden)
    })
}

/// Adds the vision tower of SigLIP (`siglip_vision_model`), as what `vision_model.` holds, and returns its width.
///
/// `head` says whether there is a pooling head where `vision_use_head` does not: SigLIP itself has one, models that
/// only look through its eyes mostly do not.
///
/// # Errors
/// If a field is wrong.
pub fn siglip(b: &mut Builder, fields: &Fields<'_>, head: bool) -> Result<u64> {
    let encoder = Encoder::read(fields, TOWER)?;
    let hidden = encoder.hidden;
    let patches = Patches::read(fields, 224, 16)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embedding", hidden, true);
            b.embedding("position_embedding", Role::Vision, patches.count, hidden);
        });
        siglip_rest(b, fields, &encoder, head)
    })
}

/// Adds the vision tower of SigLIP 2 (`siglip2_vision_model`), whose patches are flattened before they come and whose
/// table of positions has `num_patches` entries.
///
/// # Errors
/// If a field is wrong.
pub fn siglip2(b: &mut Builder, fields: &Fields<'_>, head: bool) -> Result<u64> {
    let encoder = Encoder::read(fields, TOWER)?;
    let hidden = encoder.hidden;
    let channels = fields.size_or("num_channels", 3)?;
    let side = fields.size_or("patch_size", 16)?;
    let positions = fields.size_or("num_patches", 256)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.linear(
                "patch_embedding",
                Role::Vision,
                hidden,
                channels * side * side,
                true,
            );
            b.embedding("position_embedding", Role::Vision, positions, hidden);
        });
        siglip_rest(b, fields, &encoder, head)
    })
}

/// What SigLIP and SigLIP 2 have in common: the layers, the last norm, and a head that pools by attention.
fn siglip_rest(b: &mut Builder, fields: &Fields<'_>, encoder: &Encoder, head: bool) -> Result<u64> {
    let hidden = encoder.hidden;
    encoder.add(b, fields, Stack::Vision)?;
    b.norm("post_layernorm", hidden, true);
    if fields.flag_or("vision_use_head", head)? {
        pooling_head(b, hidden, encoder.width);
    }
    Ok(hidden)
}

/// Adds the head of SigLIP, which pools by attention, as `head.`.
pub fn pooling_head(b: &mut Builder, hidden: u64, width: u64) {
    let role = Role::Vision;
    b.scope("head.", |b| {
        b.tensor("probe", role, &[1, 1, hidden]);
        b.tensor("attention.in_proj_weight", role, &[3 * hidden, hidden]);
        b.tensor("attention.in_proj_bias", role, &[3 * hidden]);
        b.linear("attention.out_proj", role, hidden, hidden, true);
        b.norm("layernorm", hidden, true);
        b.scope("mlp.", |b| {
            plain(b, ["fc1", "fc2"], role, hidden, width, true);
        });
    });
}
