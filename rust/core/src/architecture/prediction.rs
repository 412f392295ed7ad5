//! Layers that predict more than one token ahead, numbered on after the last layer of the model.
//!
//! Source: DeepSeek-V3 (arXiv 2412.19437, section 2.2) and the published checkpoints of it and of GLM-4.5, whose
//! layer after the last is one more block between `eh_proj`, which joins two states, and a head of its own.
//! transformers reads none of it, so checkpoints that it saved anew have the field and lack the layer.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::decoder::Frame;
use super::layer::Stack;
use super::place::Place;
use super::template::Numbers;
use crate::checkpoint::Role;

/// Adds `num_nextn_predict_layers` layers behind `layers` of them, each around what `block` adds.
///
/// # Errors
/// If the field is wrong, or `block` fails.
pub fn add(
    b: &mut Builder,
    fields: &Fields<'_>,
    place: &Place<'_>,
    frame: &Frame<'_>,
    layers: u64,
    block: impl FnOnce(&mut Builder) -> Result<()>,
) -> Result<()> {
    let Some(count) = fields.opt_count("num_nextn_predict_layers")? else {
        return Ok(());
    };
    if count == 0 {
        return Ok(());
    }
    if count > LIMIT {
        return Err(fields.error(
            "num_nextn_predict_layers",
            format!("{count} is more than any model's ({LIMIT})"),
        ));
    }
    // `COUNT_LIMIT` bounds the layers.
    let numbers = (layers..layers + count)
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
        .collect();
    let numbers = Numbers::Listed(numbers);
    let Frame {
        hidden, vocabulary, ..
    } = *frame;
    b.scope(place.model, |b| {
        b.all_as(Role::Mtp, |b| {
            b.layers(Stack::Prediction, frame.stack, &numbers, |b| {
                b.embedding("embed_tokens", Role::Mtp, vocabulary, hidden);
                b.norm("enorm", hidden, false);
                b.norm("hnorm", hidden, false);
                b.linear("eh_proj", Role::Mtp, hidden, 2 * hidden, false);
                block(b)?;
                b.norm("shared_head.norm", hidden, false);
                b.linear("shared_head.head", Role::Mtp, vocabulary, hidden, false);
                Ok(())
            })
        })
    })
}

/// The most such layers that are derived; models have up to three.
const LIMIT: u64 = 64;
