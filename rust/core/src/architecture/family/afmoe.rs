//! Trinity (AFMoE): a gate over the output of attention, four norms, windows in three of four layers.
//!
//! Source: transformers `models/afmoe`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// Trinity.
pub const FAMILY: Family = Family {
    name: "afmoe",
    model_types: &["afmoe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with_head_dim(fields, hidden, Some(128))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    attention.gate = Some(("gate_proj", attention.heads * attention.head_dim));
    let width = fields.size_or("moe_intermediate_size", 1408)?;
    let shared = fields.repeats_or("num_shared_experts", 2)?;
    let experts = Experts {
        router: "router.gate",
        correction: Some("expert_bias"),
        correction_learned: true,
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 64)?,
            fields.size_or("num_experts_per_tok", 6)?,
            width,
        )
    };
    let mixture = Mixture {
        norms: &[
            "input_layernorm",
            "post_attention_layernorm",
            "pre_mlp_layernorm",
            "post_mlp_layernorm",
        ],
        ..Mixture::new(attention, experts, Some(fields.size("intermediate_size")?))
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let first = fields.count_or("num_dense_layers", 1)?;
    let window = fields.size_or("sliding_window", 1024)?;
    let every = fields.size_or("global_attn_every_n_layers", 4)?;
    let reaches = reaches(fields, layers, Some(window), |layer| {
        if (layer + 1).is_multiple_of(every) {
            Reach::Full
        } else {
            Reach::Sliding(window)
        }
    })?;
    let plans = reaches
        .into_iter()
        .zip((0..layers).map(|layer| layer >= first));
    mixture.add(b, fields, place, &frame, plans)
}
