//! Gemma 3n with its towers: a `MobileNetV5` that sees and a conformer that hears, each with a table for tokens of its
//! own kind.
//!
//! Source: transformers `models/gemma3n`, and timm for the `MobileNetV5`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::architecture::vision::mobilenet::{WIDTH, mobilenet};
use crate::checkpoint::Role;
use serde_json::Value;

/// Gemma 3n with its towers.
pub const FAMILY: Family = Family {
    name: "gemma3n-multimodal",
    model_types: &["gemma3n"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Gemma3nForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let audio = fields.object("audio_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("gemma3n_text", "model.language_model.", true)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    let known = "mobilenetv5_300m_enc";
    let stated = vision.text_or("architecture", known)?;
    if stated != known {
        return Err(vision.error("architecture", format!("{stated:?} is not known")));
    }
    if let Some(arguments) = vision.opt_object("model_args")? {
        // What is not a rounding or an activation would change the shapes.
        if let Some(other) = arguments.names().find(|name| *name != "act_layer") {
            return Err(arguments.error(other, "is not known to change the tower"));
        }
    }
    let seen = vision.size_or("hidden_size", WIDTH)?;
    if seen != WIDTH {
        return Err(vision.error(
            "hidden_size",
            format!("{seen} is not the {WIDTH} of {known}"),
        ));
    }
    b.scope("model.", |b| {
        b.scope("vision_tower.timm_model.", mobilenet);
        let heard = b.scope("audio_tower.", |b| {
            b.all_as(Role::Audio, |b| conformer(b, &audio))
        })?;
        embed(b, "embed_vision.", &vision, seen, hidden)?;
        embed(b, "embed_audio.", &audio, heard, hidden)
    })
}

/// Adds the table of a kind's own tokens and the way into the text model.
fn embed(b: &mut Builder, name: &str, fields: &Fields<'_>, width: u64, hidden: u64) -> Result<()> {
    let vocabulary = fields.size_or("vocab_size", 128)?;
    let role = Role::Projector;
    b.scope(name, |b| {
        b.all_as(role, |b| {
            b.embedding("embedding", role, vocabulary, width);
            b.norm("hard_embedding_norm", width, false);
            b.norm("soft_embedding_norm", width, false);
            b.linear("embedding_projection", role, hidden, width, false);
        });
    });
    Ok(())
}

/// Two numbers for each of the two convolutions: `[[3, 3], [3, 3]]`.
fn pairs(fields: &Fields<'_>, name: &str, default: u64) -> Result<[(u64, u64); 2]> {
    let Some(list) = fields.opt_list(name)? else {
        fields.assume(
            name,
            default,
            "not in the config; the default of its model class",
        );
        return Ok([(default, default); 2]);
    };
    let pair = |value: &Value| -> Option<(u64, u64)> {
        let [first, second] = value.as_array()?.as_slice() else {
            return None;
        };
        let side = |value: &Value| value.as_u64().filter(|side| (1..=1024).contains(side));
        Some((side(first)?, side(second)?))
    };
    match list {
        [first, second] => pair(first)
            .zip(pair(second))
            .map(|(one, other)| [one, other]),
        _ => None,
    }
    .ok_or_else(|| fields.error(name, "must be two pairs of numbers"))
}

/// Adds what hears and returns its width.
fn conformer(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1536)?;
    let heads = fields.size_or("conf_num_attention_heads", 8)?;
    let head_dim = fields.divide("hidden_size", hidden, "conf_num_attention_heads", heads)?;
    let layers = fields.repeats_or("conf_num_hidden_layers", 12)?;
    let kernel = fields.size_or("conf_conv_kernel_size", 5)?;
    let context = fields.size_or("conf_attention_context_left", 13)?;
    let bands = fields.size_or("input_feat_size", 128)?;
    let kernels = pairs(fields, "sscp_conv_kernel_size", 3)?;
    let strides = pairs(fields, "sscp_conv_stride_size", 2)?;
    let channels = match fields.opt_counts("sscp_conv_channel_size")?.as_deref() {
        None => [128, 32],
        Some(&[first, second]) if first <= SIZE_LIMIT && second <= SIZE_LIMIT => [first, second],
        Some(_) => {
            return Err(fields.error("sscp_conv_channel_size", "must be two numbers of channels"));
        }
    };
    let role = Role::Audio;
    b.scope("subsample_conv_projection.", |b| -> Result<()> {
        let (mut inputs, mut left) = (1, bands);
        for (number, ((outputs, kernel), stride)) in
            channels.into_iter().zip(kernels).zip(strides).enumerate()
        {
            b.scope(&format!("conv_{number}."), |b| {
                let shape = [outputs, inputs, kernel.0, kernel.1];
                b.tensor("conv.weight", role, &shape);
                b.norm("norm", outputs, false);
            });
            // One column is added on each side.
            let Some(rest) = (left + 2).checked_sub(kernel.1) else {
                return Err(
                    fields.error("sscp_conv_kernel_size", "is wider than what it convolves")
                );
            };
            (inputs, left) = (outputs, rest / stride.1 + 1);
        }
        b.linear("input_proj_linear", role, hidden, inputs * left, false);
        Ok(())
    })?;
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Audio, "conformer", &numbers, |b| {
        for name in ["ffw_layer_start.", "ffw_layer_end."] {
            b.scope(name, |b| {
                b.norm("pre_layer_norm", hidden, false);
                b.linear("ffw_layer_1", role, 4 * hidden, hidden, false);
                b.linear("ffw_layer_2", role, hidden, 4 * hidden, false);
                b.norm("post_layer_norm", hidden, false);
            });
            b.feed_forward(FeedForward::Dense { width: 4 * hidden });
        }
        b.scope("attention.", |b| {
            b.norm("pre_attn_norm", hidden, false);
            for name in ["attn.q_proj", "attn.k_proj", "attn.v_proj", "post"] {
                b.linear(name, role, hidden, hidden, false);
            }
            let name = "attn.relative_position_embedding.pos_proj";
            b.linear(name, role, hidden, hidden, false);
            b.tensor("attn.per_dim_scale", role, &[head_dim]);
            b.norm("post_norm", hidden, false);
        });
        b.mixer(Mixer::Attention {
            heads,
            kv_heads: heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach: Reach::Sliding(context),
            indexer_dim: 0,
            shared_with: None,
        });
        b.scope("lconv1d.", |b| {
            b.norm("pre_layer_norm", hidden, false);
            b.linear("linear_start", role, 2 * hidden, hidden, false);
            b.tensor("depthwise_conv1d.weight", role, &[hidden, 1, kernel]);
            b.norm("conv_norm", hidden, false);
            b.linear("linear_end", role, hidden, hidden, false);
        });
        b.norm("norm", hidden, false);
    });
    Ok(hidden)
}
