//! The towers of Llama 3.2 Vision, with tiles and a second stack that sees them all together, and of Llama 4.
//!
//! Source: transformers `models/mllama` and `models/llama4`.

use super::Patches;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// A stack of layers, which both have alike but for biases and gates.
struct Layers {
    hidden: u64,
    width: u64,
    heads: u64,
    head_dim: u64,
    bias: bool,
}

impl Layers {
    fn add(&self, b: &mut Builder, prefix: &str, layers: u64, gated: bool) {
        let Self {
            hidden,
            width,
            heads,
            head_dim,
            bias,
        } = *self;
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, prefix, &numbers, |b| {
            b.scope("self_attn.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
                Attention::of_heads(names, hidden, heads, head_dim, bias).add(b);
            });
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("input_layernorm", hidden, true);
            b.norm("post_attention_layernorm", hidden, true);
            if gated {
                b.tensor("gate_attn", Role::Vision, &[1]);
                b.tensor("gate_ffn", Role::Vision, &[1]);
            }
        });
    }
}

/// Adds the tower of Llama 3.2 Vision (`mllama_vision_model`), as what `vision_model.` holds, and returns the width of
/// what it gives.
///
/// # Errors
/// If a field is wrong.
pub fn mllama(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1280)?;
    let heads = fields.size_or("attention_heads|num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "attention_heads", heads)?;
    let layers = Layers {
        hidden,
        width: fields.size_or("intermediate_size", 5120)?,
        heads,
        head_dim,
        bias: false,
    };
    let first = fields.repeats_or("num_hidden_layers", 32)?;
    let second = fields.repeats_or("num_global_layers", 8)?;
    let patches = Patches::read(fields, 448, 14)?;
    let positions = patches.count + 1;
    let tiles = fields.size_or("max_num_tiles", 4)?;
    // One entry is for no image.
    let ratios = 1 + match fields.opt_list("supported_aspect_ratios")? {
        Some(ratios) => ratios.len() as u64,
        None => 8,
    };
    let spread = tiles
        .checked_mul(hidden)
        .and_then(|wide| Some((wide, wide.checked_mul(positions)?)));
    let Some((wide, widest)) = spread else {
        return Err(fields.error("max_num_tiles", "is larger than any model's"));
    };
    let outputs = fields.size_or("vision_output_dim", 7680)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.tensor("class_embedding", role, &[hidden]);
        patches.convolution(b, "patch_embedding", hidden, false);
        b.scope("gated_positional_embedding.", |b| {
            b.tensor("embedding", role, &[positions, hidden]);
            b.tensor("gate", role, &[1]);
            b.embedding("tile_embedding", role, ratios, widest);
        });
        for name in [
            "pre_tile_positional_embedding.",
            "post_tile_positional_embedding.",
        ] {
            b.scope(name, |b| {
                b.embedding("embedding", role, ratios, wide);
                b.tensor("gate", role, &[1]);
            });
        }
        b.norm("layernorm_pre", hidden, true);
        b.norm("layernorm_post", hidden, true);
        layers.add(b, "transformer.layers", first, false);
        layers.add(b, "global_transformer.layers", second, true);
    });
    Ok(outputs)
}

/// Adds the tower of Llama 4 (`llama4_vision_model`) with its adapter, as what `vision_model.` holds, and returns the
/// width of what it gives.
///
/// # Errors
/// If a field is wrong.
pub fn llama4(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.size_or("intermediate_size", 5632)?;
    let layers = Layers {
        hidden,
        width,
        heads,
        head_dim,
        bias: true,
    };
    let count = fields.repeats_or("num_hidden_layers", 34)?;
    let patches = Patches::read(fields, 448, 14)?;
    let (height, across) = patches.sides;
    let inner = fields.size_or("projector_input_dim", 4096)?;
    let adapted = fields.size_or("projector_output_dim", 4096)?;
    let outputs = fields.size_or("vision_output_dim", 7680)?;
    let Some(pixels) = patches
        .channels
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(across))
    else {
        return Err(fields.error("patch_size", "is larger than any model's"));
    };
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.tensor("class_embedding", role, &[hidden]);
        b.linear("patch_embedding.linear", role, hidden, pixels, false);
        let positions = [patches.count + 1, hidden];
        b.tensor("positional_embedding_vlm", role, &positions);
        b.norm("layernorm_pre", hidden, true);
        b.norm("layernorm_post", hidden, true);
        layers.add(b, "model.layers", count, false);
    });
    b.scope("vision_adapter.mlp.", |b| {
        b.linear("fc1", Role::Projector, inner, width, false);
        b.linear("fc2", Role::Projector, adapted, adapted, false);
    });
    Ok(outputs)
}
