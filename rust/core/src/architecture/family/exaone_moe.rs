//! K-EXAONE: windows in three of four layers, experts after the first layer, one shared expert.
//!
//! Source: transformers `models/exaone_moe`; the layers that predict ahead from vLLM `models/exaone_moe_mtp.py`,
//! which reads the published names.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::architecture::prediction;

/// K-EXAONE.
pub const FAMILY: Family = Family {
    name: "exaone-moe",
    model_types: &["exaone_moe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, None, Some(32))?;
    attention.norm = HeadNorm::PerHead;
    let width = fields.size_or("moe_intermediate_size", 1024)?;
    let shared = fields.repeats_or("num_shared_experts", 1)?;
    let experts = Experts {
        correction: Some("e_score_correction_bias"),
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 64)?,
            fields.size_or("num_experts_per_tok", 8)?,
            width,
        )
    };
    let mixture = Mixture::new(attention, experts, Some(fields.size("intermediate_size")?));
    let layers = fields.repeats("num_hidden_layers")?;
    let first = fields.count_or("first_k_dense_replace", 1)?;
    let sparse = sparse_layers(fields, layers, |layer| layer >= first)?;
    let window = fields.size_or("sliding_window", 4096)?;
    let full = full_layers(fields)?;
    let reaches = reaches(fields, layers, Some(window), |layer| {
        if full(layer) {
            Reach::Full
        } else {
            Reach::Sliding(window)
        }
    })?;
    mixture.add(b, fields, place, &frame, reaches.into_iter().zip(sparse))?;
    prediction::add_apart(b, fields, hidden, |b| {
        mixture.block(b, fields, Reach::Full, false)
    })
}

/// Which layers see everything by `sliding_window_pattern`: one in so many, or those marked G in a text like `LLLG`.
fn full_layers<'c>(fields: &Fields<'c>) -> Result<Box<dyn Fn(u64) -> bool + 'c>> {
    const NAME: &str = "sliding_window_pattern";
    if !fields.value(NAME).is_some_and(serde_json::Value::is_string) {
        let every = fields.size_or(NAME, 4)?;
        return Ok(Box::new(move |layer| (layer + 1).is_multiple_of(every)));
    }
    let pattern = fields.opt_text(NAME)?.unwrap_or_default().as_bytes();
    if pattern.is_empty() || pattern.iter().any(|kind| !matches!(kind, b'L' | b'G')) {
        return Err(fields.error(NAME, "must be a number, or a text of L and G"));
    }
    Ok(Box::new(move |layer| {
        let at = layer % pattern.len() as u64;
        usize::try_from(at).is_ok_and(|at| pattern.get(at) == Some(&b'G'))
    }))
}
