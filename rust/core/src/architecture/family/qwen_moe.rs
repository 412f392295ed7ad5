//! Qwen with experts: Qwen2-MoE, with a shared expert behind a gate, and Qwen3-MoE, without.
//!
//! Source: transformers `models/qwen2_moe` and `models/qwen3_moe`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::place::Place;

/// Qwen with experts.
pub const FAMILY: Family = Family {
    name: "qwen-moe",
    model_types: &["qwen2_moe", "qwen3_moe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("qwen2_moe");
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    if second {
        attention.bias = fields.flag_or("qkv_bias", true)?;
    } else {
        attention.norm = HeadNorm::PerHead;
        let bias = fields.flag_or("attention_bias", false)?;
        (attention.bias, attention.output_bias) = (bias, bias);
    }
    let experts = Experts {
        shared: if second {
            Some((
                fields.size("shared_expert_intermediate_size")?,
                "shared_expert.",
            ))
        } else {
            None
        },
        shared_gate: second.then_some("shared_expert_gate"),
        ..Experts::new(
            hidden,
            fields.repeats_or(
                "num_experts|num_local_experts",
                if second { 60 } else { 128 },
            )?,
            fields.size("num_experts_per_tok")?,
            fields.size("moe_intermediate_size")?,
        )
    };
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let step = fields.size_or("decoder_sparse_step", 1)?;
    let dense_layers = fields.opt_counts("mlp_only_layers")?.unwrap_or_default();
    let sparse = (0..layers).map(|layer| {
        experts.experts > 0 && !dense_layers.contains(&layer) && (layer + 1).is_multiple_of(step)
    });
    frame.add(b, fields, place, sparse, |b, &sparse| {
        b.scope("self_attn.", |b| attention.add(b));
        if sparse {
            b.scope("mlp.", |b| experts.add(b));
        } else {
            dense(b, "mlp.", hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}
