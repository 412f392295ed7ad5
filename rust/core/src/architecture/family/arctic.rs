//! Arctic: experts as in Mixtral, and in the same layers a dense network beside them as wide as the residual stream.
//!
//! Source: the published names as vLLM `models/arctic.py` reads them.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout, gated};
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Arctic.
pub const FAMILY: Family = Family {
    name: "arctic",
    model_types: &["arctic"],
    lower,
    text: Some(text),
};

const NAMES: [&str; 3] = ["w1", "w3", "w2"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let attention = Attention::read(fields, hidden)?;
    let width = fields.size("intermediate_size")?;
    let experts = Experts {
        layout: Layout::Each(NAMES),
        ..Experts::new(
            hidden,
            fields.repeats("num_local_experts")?,
            fields.size_or("num_experts_per_tok", 1)?,
            width,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let every = fields.size_or("moe_layer_frequency", 2)?;
    let beside = match fields.opt_flag("parallel_attn_mlp_res")? {
        Some(beside) => beside,
        None => fields.flag_or("use_residual", false)?,
    };
    let sparse = (1..=layers).map(|number| number.is_multiple_of(every));
    frame.add(b, fields, place, sparse, |b, &sparse| {
        b.scope("self_attn.", |b| attention.add(b));
        if sparse {
            b.scope("block_sparse_moe.", |b| experts.add(b));
        } else {
            b.scope("block_sparse_moe.mlp.", |b| {
                gated(b, NAMES, Role::Mlp, hidden, width, false);
            });
            b.feed_forward(FeedForward::Dense { width });
        }
        if sparse && beside {
            b.norm("residual_layernorm", hidden, false);
            b.scope("residual_mlp.", |b| {
                gated(b, NAMES, Role::Mlp, hidden, hidden, false);
            });
            b.feed_forward(FeedForward::Dense { width: hidden });
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}
