//! JetMoE: experts in the feed-forward network and in the attention, whose queries and outputs are chosen alike.
//!
//! Source: transformers `models/jetmoe`; the older names of fields from the first published configs.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{FeedForward, Mixer, Reach};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// JetMoE.
pub const FAMILY: Family = Family {
    name: "jetmoe",
    model_types: &["jetmoe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let experts = fields.repeats_or("num_local_experts|moe_num_experts", 8)?;
    let chosen = fields.size_or("num_experts_per_tok|moe_top_k", 2)?;
    let width = fields.size_or("intermediate_size|ffn_hidden_size", 5632)?;
    let kv_heads = fields.size_or("num_key_value_heads", 16)?;
    let head_dim = fields.size_or("kv_channels|head_dim", 128)?;
    let keys = kv_heads * head_dim;
    let layers = fields.repeats("num_hidden_layers|num_layers")?;
    // Two matrices per expert, a router, and a bias of the sum over the chosen experts.
    let add = |b: &mut Builder, inner: u64, outputs: u64| {
        b.linear("router.layer", Role::Router, experts, hidden, false);
        b.routed(chosen, experts, |b| {
            b.tensor(
                "input_linear.weight",
                Role::Expert,
                &[experts, inner, hidden],
            );
            b.tensor(
                "output_linear.weight",
                Role::Expert,
                &[experts, hidden, outputs],
            );
        });
        b.tensor("bias", Role::Expert, &[hidden]);
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.scope("self_attention.", |b| {
            b.linear("kv_proj", Role::Attention, 2 * keys, hidden, false);
            b.scope("experts.", |b| add(b, keys, keys));
        });
        b.mixer(Mixer::Attention {
            heads: kv_heads * chosen,
            kv_heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        });
        b.scope("mlp.", |b| add(b, 2 * width, width));
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}
