//! GLM-4.5 and kin: experts after a few dense layers, a correction of the router's scores, a shared expert.
//!
//! Source: transformers `models/glm4_moe`, `models/solar_open`, `models/dots1` and `models/exaone_moe`; the layer
//! that predicts ahead from the published header of GLM-4.5-FP8.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::architecture::prediction;

/// GLM-4.5 and its kin.
pub const FAMILY: Family = Family {
    name: "glm-moe",
    model_types: &["dots1", "glm4_moe", "glm4v_moe_text", "solar_open"],
    lower,
    text: Some(text),
};

/// In what they differ.
struct Kin {
    /// Layers without experts at the start, where the config does not say; nothing where the field does not count.
    dense_layers: Option<u64>,
    /// Numbers per head, where the config does not say and it is not `hidden_size / num_attention_heads`.
    head_dim: Option<u64>,
    /// Heads of keys and values, where the config does not say.
    kv_heads: u64,
    /// Routed and shared experts and how many are chosen, where the config does not say.
    experts: Option<[u64; 3]>,
    /// Whether queries and keys have norms: always, or if `use_qk_norm` says so.
    norm: Option<bool>,
    /// Whether queries, keys and values have biases, where the config does not say.
    bias: bool,
    /// Whether `attention_bias` counts for the output too.
    output_bias: bool,
    /// Whether `sliding_window` and `layer_types` count.
    slides: bool,
}

const GLM: Kin = Kin {
    dense_layers: Some(1),
    head_dim: None,
    kv_heads: 8,
    experts: Some([128, 1, 8]),
    norm: None,
    bias: false,
    output_bias: false,
    slides: false,
};

fn kin(model_type: &str) -> Kin {
    match model_type {
        "dots1" => Kin {
            dense_layers: Some(0),
            kv_heads: 32,
            experts: None,
            norm: Some(true),
            output_bias: true,
            slides: true,
            ..GLM
        },
        "glm4v_moe_text" => Kin {
            norm: Some(false),
            bias: true,
            ..GLM
        },
        "solar_open" => Kin {
            dense_layers: None,
            head_dim: Some(128),
            norm: Some(false),
            ..GLM
        },
        _ => GLM,
    }
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields.opt_text("model_type")?.unwrap_or("glm4_moe"));
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, kin.head_dim, Some(kin.kv_heads))?;
    let normed = match kin.norm {
        Some(normed) => normed,
        None => fields.flag_or("use_qk_norm", false)?,
    };
    if normed {
        attention.norm = HeadNorm::PerHead;
    }
    attention.bias = fields.flag_or("attention_bias", kin.bias)?;
    attention.output_bias = attention.bias && kin.output_bias;
    let layers = fields.repeats("num_hidden_layers")?;
    let mixture = Mixture::new(
        attention,
        experts(fields, hidden, kin.experts)?,
        fields.opt_size("intermediate_size")?,
    );
    let dense_layers = match kin.dense_layers {
        Some(default) => fields.count_or("first_k_dense_replace", default)?,
        None => 0,
    };
    let sparse = sparse_layers(fields, layers, |layer| layer >= dense_layers)?;
    let reaches = if kin.slides {
        let window = fields.opt_size("sliding_window")?;
        let from = fields.count_or("max_window_layers", 62)?;
        reaches(fields, layers, window, |layer| match window {
            Some(window) if layer >= from => Reach::Sliding(window),
            _ => Reach::Full,
        })?
    } else {
        vec![Reach::Full; sparse.len()]
    };
    mixture.add(b, fields, place, &frame, reaches.into_iter().zip(sparse))?;
    prediction::add(b, fields, place, &frame, layers, |b| {
        mixture.block(b, fields, Reach::Full, true)
    })
}

/// The experts in the words of DeepSeek: `n_routed_experts`, `n_shared_experts`, `moe_intermediate_size`.
fn experts(
    fields: &Fields<'_>,
    hidden: u64,
    defaults: Option<[u64; 3]>,
) -> Result<Experts<'static>> {
    let width = fields.size("moe_intermediate_size")?;
    let (routed, shared, chosen) = match defaults {
        Some([routed, shared, chosen]) => (
            fields.repeats_or("n_routed_experts|num_local_experts", routed)?,
            fields.repeats_or("n_shared_experts", shared)?,
            fields.size_or("num_experts_per_tok", chosen)?,
        ),
        None => (
            fields.repeats("n_routed_experts|num_local_experts")?,
            fields.repeats("n_shared_experts")?,
            fields.size("num_experts_per_tok")?,
        ),
    };
    Ok(Experts {
        correction: Some("gate.e_score_correction_bias"),
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        ..Experts::new(hidden, routed, chosen, width)
    })
}
