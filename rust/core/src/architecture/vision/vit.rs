//! The vision transformer (ViT), and what its kin share: BERT's names for attention and feed-forward.
//!
//! Source: transformers `models/vit`. Since its version 5 the classes have shorter names inside; the published files,
//! and those it saves, keep the old ones.

use super::Patches;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// What a ViT has beside its layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// A token that stands for hidden patches.
    pub mask_token: bool,
    /// A pooler over the class token.
    pub pooler: bool,
    /// A second class token that learns from a teacher (DeiT).
    pub distilled: bool,
}

/// Adds a vision transformer (`vit`), as what `vit.` holds, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn vit(b: &mut Builder, fields: &Fields<'_>, parts: Parts) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let bias = fields.flag_or("qkv_bias", true)?;
    let patches = Patches::read(fields, 224, 16)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("cls_token", Role::Vision, &[1, 1, hidden]);
            if parts.mask_token {
                b.tensor("mask_token", Role::Vision, &[1, 1, hidden]);
            }
            if parts.distilled {
                b.tensor("distillation_token", Role::Vision, &[1, 1, hidden]);
            }
            let tokens = patches.count + 1 + u64::from(parts.distilled);
            b.tensor("position_embeddings", Role::Vision, &[1, tokens, hidden]);
            patches.convolution(b, "patch_embeddings.projection", hidden, true);
        });
        let layer = Layer {
            hidden,
            width,
            heads,
            head_dim,
            bias,
        };
        layer.add(b, Stack::Vision, "encoder.layer", layers);
        b.norm("layernorm", hidden, true);
    });
    // A pooler makes the answer of a whole model, and is a head unless the model is a tower in a larger one.
    if parts.pooler {
        let pooled = fields.size_from(
            "pooler_output_size",
            hidden,
            "not in the config: hidden_size",
        )?;
        b.linear("pooler.dense", Role::Head, pooled, hidden, true);
    }
    Ok(hidden)
}

/// The measures of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Inner width of the network.
    pub width: u64,
    /// Heads of the attention.
    pub heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
    /// Whether queries, keys and values have biases.
    pub bias: bool,
}

impl Layer {
    /// Adds so many of them as `prefix.N`.
    pub fn add(&self, b: &mut Builder, stack: Stack, prefix: &str, layers: u64) {
        let Self {
            hidden,
            width,
            heads,
            head_dim,
            bias,
        } = *self;
        // `repeats` bounds their number.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(stack, prefix, &numbers, |b| {
            attention(b, hidden, heads, head_dim, bias);
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.feed_forward(FeedForward::Dense { width });
            b.norm("layernorm_before", hidden, true);
            b.norm("layernorm_after", hidden, true);
        });
    }
}

/// Adds the attention of a layer, `attention.attention.query` and so on; only its output always has a bias.
pub fn attention(b: &mut Builder, hidden: u64, heads: u64, head_dim: u64, bias: bool) {
    b.scope("attention.", |b| {
        let names = [
            "attention.query",
            "attention.key",
            "attention.value",
            "output.dense",
        ];
        Attention {
            output_bias: true,
            ..Attention::of_heads(names, hidden, heads, head_dim, bias)
        }
        .add(b);
    });
}
