//! gpt-oss: sliding and full attention in turn, with sinks and biases, and all experts of a layer in two tensors.
//!
//! Source: transformers `models/gpt_oss`. The published files hold the experts in MXFP4, as `NAME_blocks` and
//! `NAME_scales`; shapes here are those of the matrices that these stand for.

use super::Family;
use crate::architecture::attention::{Attention, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// gpt-oss.
pub const FAMILY: Family = Family {
    name: "gpt-oss",
    model_types: &["gpt_oss"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(64), Some(8))?;
    let bias = fields.flag_or("attention_bias", true)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.sinks = true;
    let experts = Experts {
        router: "router",
        router_bias: true,
        layout: Layout::FusedTransposed(["gate_up_proj", "down_proj"]),
        bias: true,
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts|num_experts", 128)?,
            fields.size_or("num_experts_per_tok|experts_per_token", 4)?,
            fields.size("intermediate_size")?,
        )
    };
    let window = fields.size_or("sliding_window", 128)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let reaches = reaches(fields, layers, Some(window), |layer| {
        if layer.is_multiple_of(2) {
            Reach::Sliding(window)
        } else {
            Reach::Full
        }
    })?;
    let plans = reaches.into_iter().map(|reach| (reach, true));
    Mixture::new(attention, experts, None).add(b, fields, place, &frame, plans)
}
