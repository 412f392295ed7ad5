//! Granite with experts: `GraniteMoe`, with a shared expert (`GraniteMoeShared`), and with windows and sinks as well.
//!
//! Source: transformers `models/granitemoe`, `models/granitemoeshared` and `models/granitemoe_swa`. Version 5 renames
//! the experts of the first two, and saves them under the published names.

use super::Family;
use crate::architecture::attention::{Attention, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// Granite with experts.
pub const FAMILY: Family = Family {
    name: "granite-moe",
    model_types: &["granitemoe", "granitemoe_swa", "granitemoeshared"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("granitemoe");
    let slides = model_type == "granitemoe_swa";
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.sinks = slides;
    let (router, prefix, layout) = if slides {
        (
            "block_sparse_moe.router",
            "block_sparse_moe.experts",
            Layout::Fused(["gate_up_proj", "down_proj"]),
        )
    } else {
        (
            "block_sparse_moe.router.layer",
            "block_sparse_moe",
            Layout::Fused(["input_linear.weight", "output_linear.weight"]),
        )
    };
    let shared = match model_type {
        "granitemoe" => 0,
        _ => fields.count_or("shared_intermediate_size", 0)?,
    };
    let experts = Experts {
        router,
        prefix,
        layout,
        shared: (shared > 0).then_some((shared, "shared_mlp.")),
        shared_fused: Some(["input_linear", "output_linear"]),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts", 8)?,
            fields.size_or("num_experts_per_tok", 2)?,
            fields.size("intermediate_size")?,
        )
    };
    let mixture = Mixture {
        experts_prefix: "",
        ..Mixture::new(attention, experts, None)
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let reaches = if slides {
        let window = fields.size_or("sliding_window", 128)?;
        reaches(fields, layers, Some(window), |layer| {
            if layer.is_multiple_of(4) {
                Reach::Full
            } else {
                Reach::Sliding(window)
            }
        })?
    } else {
        (0..layers).map(|_| Reach::Full).collect()
    };
    let plans = reaches.into_iter().map(|reach| (reach, true));
    mixture.add(b, fields, place, &frame, plans)
}
