//! Hunyuan-VL and HunyuanOCR: a vision transformer with a merger of convolutions, and Hunyuan's dense text model.
//!
//! Source: transformers `models/hunyuan_vl`, under the published names. Published configs are flat: the fields of the
//! text model are those of the whole.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::checkpoint::Role;

/// Hunyuan-VL.
pub const FAMILY: Family = Family {
    name: "hunyuan-vl",
    model_types: &["hunyuan_vl"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["HunYuanVLForConditionalGeneration"])?;
    let language = Language {
        flat: true,
        tied: Tied::Outer(true),
        ..Language::new("hunyuan_vl_text", "model.", true)
    };
    let vision = fields.object("vision_config")?;
    let text = language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", 4096)?;
    b.scope("vit.", |b| tower(b, &vision, hidden))
}

fn tower(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1152)?;
    let width = fields.size_or("intermediate_size", 4304)?;
    let layers = fields.repeats_or("num_hidden_layers", 27)?;
    let heads = fields.size_or("num_attention_heads|attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let patch = fields.size_or("patch_size", 16)?;
    let channels = fields.size_or("num_channels", 3)?;
    let merged = fields.size_or("spatial_merge_size", 2)?;
    let edge = fields.size_or("max_image_size", 2048)? / patch;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            let shape = [hidden, channels, patch, patch];
            b.weight_and_bias("patch_embedding", role, &shape, hidden, true);
            b.embedding("position_embedding", role, edge * edge + 1, hidden);
        });
        b.layers(Stack::Vision, "layers", &all(layers), |b| {
            b.scope("self_attn.", |b| {
                let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
                Attention::of_heads(names, hidden, heads, head_dim, true).add(b);
            });
            b.scope("mlp.", |b| {
                let names = ["dense_h_to_4h", "dense_4h_to_h"];
                plain(b, names, Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("input_layernorm", hidden, true);
            b.norm("post_attention_layernorm", hidden, true);
        });
        b.scope("perceive.", |b| {
            b.norm("before_rms", hidden, false);
            let shape = [2 * hidden, hidden, merged, merged];
            b.weight_and_bias("proj.0", role, &shape, 2 * hidden, true);
            let shape = [4 * hidden, 2 * hidden, 1, 1];
            b.weight_and_bias("proj.2", role, &shape, 4 * hidden, true);
            b.linear("mlp", role, text, 4 * hidden, true);
            b.tensor("image_newline", role, &[4 * hidden]);
            for name in ["image_begin", "image_end", "image_sep"] {
                b.tensor(name, role, &[text]);
            }
            b.norm("after_rms", text, false);
        });
    });
    Ok(())
}
