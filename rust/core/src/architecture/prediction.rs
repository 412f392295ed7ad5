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
    add_with(b, fields, place, frame, layers, Copies::Stored, block)
}

/// Whether a layer that predicts ahead stores the embedding and the head of the model once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// It does.
    Stored,
    /// It does not: the model's own are used.
    Omitted,
}

/// As [`add`], for files that may leave out the copies.
///
/// # Errors
/// If the field is wrong, or `block` fails.
pub fn add_with(
    b: &mut Builder,
    fields: &Fields<'_>,
    place: &Place<'_>,
    frame: &Frame<'_>,
    layers: u64,
    copies: Copies,
    block: impl FnOnce(&mut Builder) -> Result<()>,
) -> Result<()> {
    let count = count(fields)?;
    if count == 0 {
        return Ok(());
    }
    let reason = "published files hold these layers; files that transformers has saved do not";
    fields.assume("num_nextn_predict_layers", count, reason);
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
                if copies == Copies::Stored {
                    b.embedding("embed_tokens", Role::Mtp, vocabulary, hidden);
                }
                b.norm("enorm", hidden, false);
                b.norm("hnorm", hidden, false);
                b.linear("eh_proj", Role::Mtp, hidden, 2 * hidden, false);
                block(b)?;
                b.norm("shared_head.norm", hidden, false);
                if copies == Copies::Stored {
                    b.linear("shared_head.head", Role::Mtp, vocabulary, hidden, false);
                }
                Ok(())
            })
        })
    })
}

/// Adds `num_nextn_predict_layers` layers as `mtp.layers.N`, each around what `block` adds, with one projection that
/// joins two states before the first and one norm behind the last. Embedding and head are those of the model.
///
/// # Errors
/// If the field is wrong, or `block` fails.
pub fn add_apart(
    b: &mut Builder,
    fields: &Fields<'_>,
    hidden: u64,
    block: impl FnOnce(&mut Builder) -> Result<()>,
) -> Result<()> {
    let count = count(fields)?;
    if count == 0 {
        return Ok(());
    }
    let numbers = Numbers::Below(u32::try_from(count).unwrap_or(u32::MAX));
    b.scope("mtp.", |b| {
        b.all_as(Role::Mtp, |b| {
            b.linear("fc", Role::Mtp, hidden, 2 * hidden, false);
            b.norm("pre_fc_norm_embedding", hidden, false);
            b.norm("pre_fc_norm_hidden", hidden, false);
            b.layers(Stack::Prediction, "layers", &numbers, block)?;
            b.norm("norm", hidden, false);
            Ok(())
        })
    })
}

/// How many such layers the config states.
///
/// # Errors
/// If the field is wrong or absurd.
pub fn count(fields: &Fields<'_>) -> Result<u64> {
    const NAME: &str = "num_nextn_predict_layers|num_mtp_layers";
    let count = fields.opt_count(NAME)?.unwrap_or(0);
    if count > LIMIT {
        return Err(fields.error(NAME, format!("{count} is more than any model's ({LIMIT})")));
    }
    Ok(count)
}

/// Says that layers which predict ahead are left out, as how this model type stores them is not known.
///
/// # Errors
/// If the field is wrong or absurd.
pub fn left_out(fields: &Fields<'_>) -> Result<()> {
    if count(fields)? > 0 {
        fields.assume(
            "num_nextn_predict_layers",
            0,
            "how this model type stores layers that predict ahead is not known, so they are left out",
        );
    }
    Ok(())
}

/// The most such layers that are derived; models have up to three.
const LIMIT: u64 = 64;
