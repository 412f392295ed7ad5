//! The text model of Aria: experts in two tensors per layer, transposed, beside shared ones.
//!
//! Source: transformers `models/aria`. Version 5 renames the experts, and saves them under the published names.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// The text model of Aria.
pub const FAMILY: Family = Family {
    name: "aria-text",
    model_types: &["aria_text", "aria_moe_lm"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let width = fields.size_or("intermediate_size|moe_intermediate_size", 4096)?;
    let shared = fields.repeats_or("moe_num_shared_experts", 2)?;
    let experts = Experts {
        router: "router",
        layout: Layout::FusedTransposed(["fc1.weight", "fc2.weight"]),
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        shared_bias: fields.flag_or("mlp_bias", false)?,
        ..Experts::new(
            hidden,
            fields.repeats_or("moe_num_experts", 8)?,
            fields.size_or("moe_topk", 2)?,
            width,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = (0..layers).map(|_| (Reach::Full, true));
    Mixture::new(attention, experts, None).add(b, fields, place, &frame, plans)
}
