//! Nemotron H Omni: a Nemotron H that sees through C-RADIO, a vision transformer in the names of timm.
//!
//! Source: transformers `models/nemotron_h_omni` and `models/radio`, whose `conversion_mapping.py` gives the published
//! names. Transformers stores scales of layers that C-RADIO itself does not have.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Nemotron H Omni.
pub const FAMILY: Family = Family {
    name: "nemotron-h-omni",
    model_types: &["nemotron_h_omni"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(
        fields,
        &[
            "NemotronH_Omni_Reasoning_V3",
            "NemotronHOmniForConditionalGeneration",
        ],
    )?;
    for name in ["audio_config", "sound_config"] {
        if fields.has(name) {
            return Err(fields.error(name, "what hears is not known for this model"));
        }
    }
    let vision = fields.object("vision_config")?;
    let object = if fields.has("text_config") {
        "text_config"
    } else {
        "llm_config"
    };
    let language = Language {
        object,
        model: "language_model.backbone.",
        ..Language::whole("nemotron_h", Tied::Inner)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    b.scope("vision_model.radio_model.", |b| {
        b.all_as(Role::Vision, |b| radio(b, fields, &vision))
    })?;
    // The class takes the width of the tower from the outer config.
    let seen = fields.size_or("vision_hidden_size|vit_hidden_size", 1280)?;
    let ratio = fields.ratio_or("downsample_ratio", 0.5)?;
    #[expect(
        clippy::float_cmp,
        reason = "only the inverse of a whole number is exact, and that is asked"
    )]
    let side = (1..=64_u32).find(|&side| ratio * f64::from(side) == 1.0);
    let Some(side) = side else {
        return Err(fields.error("downsample_ratio", "is not one part of a whole"));
    };
    let inputs = seen * u64::from(side) * u64::from(side);
    let inner = fields.size_or("projector_hidden_size", 4096)?;
    b.scope("mlp1.", |b| {
        b.all_as(Role::Projector, |b| {
            b.norm("0", inputs, false);
            b.linear("1", Role::Projector, inner, inputs, false);
            b.linear("3", Role::Projector, hidden, inner, false);
        });
    });
    Ok(())
}

/// Adds C-RADIO.
fn radio(b: &mut Builder, outer: &Fields<'_>, fields: &Fields<'_>) -> Result<()> {
    if fields.has("args") && !fields.has("hidden_size") {
        return Err(fields.error(
            "args",
            "describes the tower in the words of its own code, which are not known",
        ));
    }
    let hidden = fields.size_or("hidden_size", 1280)?;
    let layers = fields.repeats_or("num_hidden_layers", 32)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.scale("mlp_ratio", hidden, fields.ratio_or("mlp_ratio", 4.0)?)?;
    let bias = fields.flag_or("qkv_bias", true)?;
    if fields.flag_or("use_swiglu_ffn", false)? {
        return Err(fields.error("use_swiglu_ffn", "is not known for this tower"));
    }
    let channels = fields.size_or("num_channels", 3)?;
    let patch = fields.size_or("patch_size", 16)?;
    let image = fields.size_or("max_img_size", 2048)?;
    let tokens = fields.size_or("num_cls_tokens", 3)? + fields.count_or("num_registers", 7)?;
    let frames = match fields.opt_size("video_temporal_patch_size")? {
        Some(frames) => Some(frames),
        None => outer.opt_size("video_temporal_patch_size")?,
    };
    let summaries = match fields.opt_list("summary_idxs")? {
        Some(list) => list.len() as u64,
        None => 2,
    };
    let side = image / patch;
    let pixels = patch
        .checked_mul(patch)
        .and_then(|pixels| pixels.checked_mul(channels));
    let (Some(pixels), 1..=SIZE_LIMIT) = (pixels, side) else {
        return Err(fields.error("patch_size", "does not fit the image"));
    };
    let Some(moving) = pixels.checked_mul(frames.unwrap_or(0)) else {
        return Err(fields.error("video_temporal_patch_size", "is larger than any model's"));
    };
    let role = Role::Vision;
    b.buffer("summary_idxs", role, &[summaries]);
    b.scope("model.", |b| {
        b.scope("patch_generator.", |b| {
            b.linear("embedder", role, hidden, pixels, false);
            if moving > 0 {
                b.linear("video_embedder", role, hidden, moving, false);
            }
            b.tensor("pos_embed", role, &[1, side * side, hidden]);
            b.tensor("cls_token.token", role, &[tokens, hidden]);
        });
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        let scaled = fields.has("layerscale_value");
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.scope("attn.", |b| {
                let names = ["qkv", "", "", "proj"];
                Attention {
                    fused: true,
                    output_bias: true,
                    ..Attention::of_heads(names, hidden, heads, head_dim, bias)
                }
                .add(b);
            });
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], role, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("norm1", hidden, true);
            b.norm("norm2", hidden, true);
            if scaled {
                b.tensor("layer_scale1.lambda1", role, &[hidden]);
                b.tensor("layer_scale2.lambda1", role, &[hidden]);
            }
        });
    });
    Ok(())
}
