//! Laguna: a gate over the heads of attention, of which layers may have different numbers, and a shared expert.
//!
//! Source: transformers `models/laguna`, saved under the published names.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use serde_json::Value;

/// Laguna.
pub const FAMILY: Family = Family {
    name: "laguna",
    model_types: &["laguna"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(128), Some(8))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    let experts = Experts {
        correction: Some("experts.e_score_correction_bias"),
        correction_learned: true,
        shared: Some((
            fields.size_or("shared_expert_intermediate_size", 512)?,
            "shared_expert.",
        )),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 256)?,
            fields.size_or("num_experts_per_tok", 8)?,
            fields.size_or("moe_intermediate_size", 512)?,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let sparse = sparse_layers(fields, layers, |layer| layer > 0)?;
    let window = fields.size_or("sliding_window", 512)?;
    let reaches = reaches(fields, layers, Some(window), |_| Reach::Full)?;
    let heads = heads(fields, layers, attention.heads)?;
    let by_head = gates_heads(fields)?;
    let mixture = Mixture::new(attention, experts, Some(fields.size("intermediate_size")?));
    let plans = reaches.into_iter().zip(sparse).zip(heads);
    frame.add(b, fields, place, plans, |b, &((reach, sparse), heads)| {
        let outputs = if by_head {
            heads
        } else {
            heads * mixture.attention.head_dim
        };
        let attention = Attention {
            heads,
            reach,
            gate: Some(("g_proj", outputs)),
            ..mixture.attention.clone()
        };
        mixture.block_with(b, fields, &attention, sparse)
    })
}

/// The query heads of every layer.
fn heads(fields: &Fields<'_>, layers: u64, default: u64) -> Result<Vec<u64>> {
    const NAME: &str = "num_attention_heads_per_layer";
    let count = usize::try_from(layers).unwrap_or(usize::MAX);
    let Some(mut heads) = fields.opt_counts(NAME)? else {
        return Ok(vec![default; count]);
    };
    if heads.len() < count {
        let given = heads.len();
        return Err(fields.error(NAME, format!("has {given} items for {layers} layers")));
    }
    heads.truncate(count);
    let limit = crate::architecture::config::SIZE_LIMIT;
    match heads.iter().find(|&&heads| heads == 0 || heads > limit) {
        Some(wrong) => {
            Err(fields.error(NAME, format!("an item is {wrong}, which no layer can have")))
        }
        None => Ok(heads),
    }
}

/// Whether each head has one gate, and not each of its numbers.
fn gates_heads(fields: &Fields<'_>) -> Result<bool> {
    const NAME: &str = "gating";
    match fields.value(NAME) {
        Some(Value::String(kind)) => Ok(kind == "per-head"),
        _ => fields.flag_or(NAME, true),
    }
}
