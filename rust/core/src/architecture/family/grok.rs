//! Grok-1 in the form that circulates for transformers: norms before and behind every block, eight experts.
//!
//! Source: the published names as vLLM `models/grok1.py` reads them.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Grok-1.
pub const FAMILY: Family = Family {
    name: "grok",
    model_types: &["grok-1"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        norm: None,
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let attention = Attention::read(fields, hidden)?;
    let experts = Experts {
        layout: Layout::Each(["linear", "linear_v", "linear_1"]),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts|num_local_experts", 8)?,
            fields.size_or("num_experts_per_tok", 2)?,
            fields.size("intermediate_size")?,
        )
    };
    if fields.opt_flag("residual_moe")? == Some(true) {
        return Err(fields.error(
            "residual_moe",
            "is of a later generation, whose names are not known",
        ));
    }
    let layers = fields.repeats("num_hidden_layers")?;
    let norm = |b: &mut Builder, name: &str| b.tensor(name, Role::Norm, &[hidden]);
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.scope("attn.", |b| attention.add(b));
        b.scope("moe_block.", |b| experts.add(b));
        for name in [
            "pre_attn_norm.scale",
            "post_attn_norm.scale",
            "pre_moe_norm.scale",
            "post_moe_norm.scale",
        ] {
            norm(b, name);
        }
        Ok(())
    })?;
    b.scope(place.model, |b| norm(b, "norm.scale"));
    Ok(())
}
