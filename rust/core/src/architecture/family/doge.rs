//! Doge: attention with a mask that depends on the values, weighed residuals and, in some models, very many experts
//! of one row each beside the network.
//!
//! Source: transformers `models/doge`. Experts are addressed by the pair of their row and column, so the router has
//! two scores for each side of a square of them.

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, refuse_foreign};
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Doge.
pub const FAMILY: Family = Family {
    name: "doge",
    model_types: &["doge"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["Doge"], "model.", "model.")?,
    )
}

/// Experts of one row.
struct Rows {
    experts: u64,
    chosen: u64,
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias", "mlp_bias", "num_experts"])?;
    let mut model = Dense::read(fields, &Defaults::new(32_768, 1024, 2048, 32, 8))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.attention.norm = HeadNorm::PerHead;
    model.network_bias = fields.flag_or("mlp_bias", false)?;
    let rows = if fields.flag_or("is_moe", false)? {
        Some(Rows {
            experts: fields.size_or("num_experts", 16_384)?,
            chosen: fields.size_or("num_experts_per_tok", 64)?,
        })
    } else {
        None
    };
    let window = dense::window(fields, None)?;
    let reaches = dense::reaches(fields, model.layers, window, |_| true)?;
    let hidden = model.frame.hidden;
    let (kv_heads, keys) = (
        model.attention.kv_heads,
        model.attention.kv_heads * model.attention.head_dim,
    );
    model.add_with(b, fields, place, reaches, |b| {
        b.scope("self_attn.", |b| {
            b.tensor("A", Role::Attention, &[kv_heads]);
            b.linear("dt_proj", Role::Attention, kv_heads, keys, bias);
        });
        b.tensor("input_residual", Role::Norm, &[hidden]);
        b.tensor("post_attention_residual", Role::Norm, &[hidden]);
        if let Some(Rows { experts, chosen }) = rows {
            b.scope("mlp.", |b| {
                let sides = 2 * experts.isqrt();
                b.linear("router_gate", Role::Router, sides, hidden, false);
                b.routed(chosen, experts, |b| {
                    b.tensor("down_embed.weight", Role::Expert, &[experts, hidden]);
                    b.tensor("up_embed.weight", Role::Expert, &[experts, hidden]);
                });
            });
            b.feed_forward(FeedForward::Experts {
                experts,
                chosen,
                width: 1,
                shared_width: 0,
            });
        }
    })
}
