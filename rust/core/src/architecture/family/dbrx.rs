//! DBRX: fused queries, keys and values, and the matrices of all experts below one another.
//!
//! Source: transformers `models/dbrx`, whose names are the published ones.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::place::Place;

/// DBRX.
pub const FAMILY: Family = Family {
    name: "dbrx",
    model_types: &["dbrx"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "transformer.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("d_model|hidden_size")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "wte",
        stack: "blocks",
        norm: Some(("norm_f", false)),
        head: "lm_head",
        head_bias: false,
        tied: false,
    };
    let kv_heads = match fields.opt_object("attn_config")? {
        Some(attention) => attention.size_or("kv_n_heads", 1)?,
        None => fields.size_or("num_key_value_heads", 1)?,
    };
    let mut attention = Attention::read(fields, hidden)?;
    fields.divide(
        "n_heads",
        attention.heads,
        "attn_config.kv_n_heads",
        kv_heads,
    )?;
    attention.kv_heads = kv_heads;
    attention.names = ["Wqkv", "", "", "out_proj"];
    attention.fused = true;
    let network = fields.object("ffn_config")?;
    let experts = Experts {
        router: "router.layer",
        prefix: "experts.mlp",
        layout: Layout::Stacked(["w1", "v1", "w2"]),
        ..Experts::new(
            hidden,
            network.repeats_or("moe_num_experts", 4)?,
            network.size_or("moe_top_k", 1)?,
            network.size_or("ffn_hidden_size", 3584)?,
        )
    };
    let layers = fields.repeats("n_layers|num_hidden_layers")?;
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.scope("norm_attn_norm.", |b| {
            b.norm("norm_1", hidden, false);
            b.scope("attn.", |b| attention.add(b));
            b.norm("norm_2", hidden, false);
        });
        b.scope("ffn.", |b| experts.add(b));
        Ok(())
    })
}
