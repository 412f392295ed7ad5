//! Llama and what is built like it: gated feed-forward, grouped-query attention, two norms before.
//!
//! Source: transformers `models/llama/modeling_llama.py` and those of the model types listed.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reach_of};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::Reach;
use crate::architecture::place::Place;

/// Llama and its kin.
pub const FAMILY: Family = Family {
    name: "llama",
    model_types: &["llama", "mistral", "qwen2", "qwen3"],
    lower,
    text: Some(text),
};

/// In what the kin of Llama differ.
struct Kin {
    /// Whether queries, keys and values have biases, and the output, where `attention_bias` does not say.
    bias: (bool, bool),
    /// Norms of queries and keys.
    norm: HeadNorm,
    /// Whether every layer slides if the config has a window.
    slides: bool,
}

fn kin(model_type: &str) -> Kin {
    let plain = Kin {
        bias: (false, false),
        norm: HeadNorm::None,
        slides: false,
    };
    match model_type {
        "mistral" => Kin {
            slides: true,
            ..plain
        },
        "qwen2" => Kin {
            bias: (true, false),
            ..plain
        },
        "qwen3" => Kin {
            norm: HeadNorm::PerHead,
            ..plain
        },
        _ => plain,
    }
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("llama");
    let kin = kin(model_type);
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    attention.norm = kin.norm;
    (attention.bias, attention.output_bias) = match fields.opt_flag("attention_bias")? {
        Some(bias) if model_type != "qwen2" => (bias, bias),
        _ => kin.bias,
    };
    let width = fields.size("intermediate_size")?;
    let mlp_bias = fields.opt_flag("mlp_bias")?.unwrap_or(false);
    let layers = fields.repeats("num_hidden_layers")?;
    let window = window(fields)?;
    let reaches: Vec<Reach> = match fields.opt_layer_texts("layer_types", layers)? {
        Some(types) => types
            .into_iter()
            .map(|kind| reach_of(fields, kind, window))
            .collect::<Result<_>>()?,
        None => (0..layers)
            .map(|layer| match window {
                Some(window) if kin.slides || layer >= max_window_layers(fields, layers) => {
                    Reach::Sliding(window)
                }
                _ => Reach::Full,
            })
            .collect(),
    };
    frame.add(b, fields, place, reaches, |b, &reach| {
        b.scope("self_attn.", |b| {
            Attention {
                reach,
                ..attention.clone()
            }
            .add(b)
        });
        dense(b, "mlp.", hidden, width, mlp_bias);
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}

/// The window, unless `use_sliding_window` turns it off.
fn window(fields: &Fields<'_>) -> Result<Option<u64>> {
    Ok(match fields.opt_flag("use_sliding_window")? {
        Some(false) => None,
        _ => fields
            .opt_count("sliding_window")?
            .filter(|&window| window > 0),
    })
}

/// Qwen slides from this layer on.
fn max_window_layers(fields: &Fields<'_>, layers: u64) -> u64 {
    fields
        .opt_count("max_window_layers")
        .ok()
        .flatten()
        .unwrap_or(layers)
}
