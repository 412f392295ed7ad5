//! LFM3-VL: the text model of LFM3 behind a tower that is built like it, with convolutions in two dimensions.
//!
//! Source: transformers `models/lfm3_vl`, whose `conversion_mapping.py` gives the published names.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::gated;
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::projector::{Ends, lfm3};
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// LFM3-VL.
pub const FAMILY: Family = Family {
    name: "lfm3-vl",
    model_types: &["lfm3_vl"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Lfm3VlForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("lfm3", "model.language_model.", true)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_tower.", |b| {
            b.all_as(Role::Vision, |b| tower(b, &vision))
        })?;
        let ends = Ends {
            fields,
            vision: &vision,
            seen,
            hidden,
        };
        b.scope("multi_modal_projector.", |b| lfm3(b, &ends))
    })
}

/// Adds the tower and returns its width.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("intermediate_size", 2560)?;
    let layers = fields.repeats_or("num_hidden_layers", 14)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let kv_heads = fields.size_or("num_key_value_heads", 8)?;
    fields.divide(
        "num_attention_heads",
        heads,
        "num_key_value_heads",
        kv_heads,
    )?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let channels = fields.size_or("in_channels", 3)?;
    let kernel = fields.size_or("conv_kernel_size", 3)?;
    let (height, across) = sides(fields, "patch_size", 16)?;
    let (frames, _) = sides(fields, "temporal_patch_size", 2)?;
    let Some(pixels) = channels
        .checked_mul(frames)
        .and_then(|pixels| pixels.checked_mul(height)?.checked_mul(across))
    else {
        return Err(fields.error("patch_size", "is larger than any model's"));
    };
    let role = Role::Vision;
    b.linear("patchifier", role, hidden, pixels, false);
    let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
    let attention = Attention {
        kv_heads,
        norm: HeadNorm::PerHead,
        norm_names: ["q_layernorm", "k_layernorm"],
        ..Attention::of_heads(names, hidden, heads, head_dim, false)
    };
    for (convolves, numbers) in group(convolutions(fields, layers)?) {
        b.layers(Stack::Vision, "layers", &numbers, |b| {
            if convolves {
                b.scope("conv.", |b| {
                    b.linear("in_proj", role, 3 * hidden, hidden, false);
                    let shape = [hidden, 1, kernel, kernel];
                    b.tensor("spatial_conv.weight", role, &shape);
                    b.linear("out_proj", role, hidden, hidden, false);
                });
                b.mixer(Mixer::Stateless);
            } else {
                b.scope("self_attn.", |b| attention.add(b));
            }
            b.scope("feed_forward.", |b| {
                gated(b, ["w1", "w3", "w2"], role, hidden, width, false);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("operator_norm", hidden, false);
            b.norm("ffn_norm", hidden, false);
        });
    }
    b.norm("embedding_norm", hidden, false);
    Ok(hidden)
}

/// Which layers convolve: those that `layer_types` says, or the first two and then every second.
fn convolutions(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    let Some(kinds) = fields.opt_layer_texts("layer_types", layers)? else {
        return Ok((0..layers)
            .map(|layer| layer < 2 || !layer.is_multiple_of(2))
            .collect());
    };
    kinds
        .into_iter()
        .map(|kind| match kind {
            "conv" => Ok(true),
            "full_attention" => Ok(false),
            other => Err(fields.error(
                "layer_types",
                format!("{other:?} is not a kind of layer this tower has"),
            )),
        })
        .collect()
}
