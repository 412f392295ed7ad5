//! Jamba: attention, Mamba and experts, each in every so many layers.
//!
//! Source: transformers `models/jamba`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::hybrid::{Kind, periodic};
use crate::architecture::mamba::{Mamba1, time_step_rank};
use crate::architecture::place::Place;

/// Jamba.
pub const FAMILY: Family = Family {
    name: "jamba",
    model_types: &["jamba"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        norm: Some(("final_layernorm", false)),
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let attention = Attention::read(fields, hidden)?;
    let mixer = Mamba1 {
        hidden,
        inner: hidden * fields.size_or("mamba_expand", 2)?,
        state: fields.size_or("mamba_d_state", 16)?,
        rank: time_step_rank(fields, "mamba_dt_rank", hidden)?,
        kernel: fields.size_or("mamba_d_conv", 4)?,
        convolution_bias: fields.flag_or("mamba_conv_bias", true)?,
        bias: fields.flag_or("mamba_proj_bias", false)?,
        norms: true,
    };
    let width = fields.size("intermediate_size")?;
    let experts = Experts {
        router: "router",
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts|num_local_experts", 16)?,
            fields.size_or("num_experts_per_tok", 2)?,
            width,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let period = fields.size_or("attn_layer_period", 8)?;
    let offset = fields.count_or("attn_layer_offset", 4)?;
    let kinds = periodic(fields, layers, (period, offset))?;
    let expert_period = fields.size_or("expert_layer_period", 2)?;
    let expert_offset = fields.count_or("expert_layer_offset", 1)?;
    if expert_offset >= expert_period {
        return Err(fields.error(
            "expert_layer_offset",
            format!("{expert_offset} must be smaller than expert_layer_period {expert_period}"),
        ));
    }
    let plans = (0_u64..).zip(kinds).map(|(layer, kind)| {
        let sparse = experts.experts > 1 && layer % expert_period == expert_offset;
        (kind, sparse)
    });
    frame.add(b, fields, place, plans, |b, &(kind, sparse)| {
        match kind {
            Kind::Attention => b.scope("self_attn.", |b| attention.add(b)),
            Kind::State => b.scope("mamba.", |b| mixer.add(b)),
        }
        if sparse {
            b.scope("feed_forward.", |b| experts.add(b));
        } else {
            dense(b, "feed_forward.", hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("pre_ff_layernorm", hidden, false);
        Ok(())
    })
}
