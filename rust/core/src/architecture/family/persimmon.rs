//! Persimmon, the language model of Fuyu too: norms of queries and keys, biases everywhere.
//!
//! Source: transformers `models/persimmon`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Persimmon.
pub const FAMILY: Family = Family {
    name: "persimmon",
    model_types: &["persimmon"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let attention = Attention {
        fused: true,
        bias: true,
        output_bias: true,
        norm: if fields.flag_or("qk_layernorm", true)? {
            HeadNorm::PerHead
        } else {
            HeadNorm::None
        },
        norm_names: ["q_layernorm", "k_layernorm"],
        norm_bias: true,
        ..Attention::of_heads(
            ["query_key_value", "", "", "dense"],
            hidden,
            heads,
            head_dim,
            false,
        )
    };
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let frame = Frame {
        norm: Some(("final_layernorm", true)),
        ..Frame::llama(fields)?
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.norm("input_layernorm", hidden, true);
        b.norm("post_attention_layernorm", hidden, true);
        b.scope("self_attn.", |b| attention.add(b));
        let names = ["dense_h_to_4h", "dense_4h_to_h"];
        b.scope("mlp.", |b| {
            plain(b, names, Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
