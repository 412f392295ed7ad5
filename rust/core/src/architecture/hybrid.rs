//! Which layers of a hybrid attend and which keep a state, by the names that configs have for them.

use super::config::{Fields, Result};

/// How a layer of a hybrid moves information between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// By attention to all tokens.
    Attention,
    /// By a state.
    State,
}

/// The kind of a layer by its name in the list `field`: the names of transformers 5, and those before.
///
/// # Errors
/// If the name is of neither kind.
pub fn kind(fields: &Fields<'_>, field: &str, name: &str) -> Result<Kind> {
    match name {
        "full_attention" | "attention" => Ok(Kind::Attention),
        "linear_attention" | "mamba" | "mamba2" | "recurrent" | "conv" => Ok(Kind::State),
        other => Err(fields.error(
            field,
            format!("{other:?} is not a kind of layer this family has"),
        )),
    }
}

/// The kinds of all layers by the list `field` or, without it, by `otherwise`, which is given the layer's number.
///
/// # Errors
/// If the list is wrong.
pub fn kinds(
    fields: &Fields<'_>,
    field: &str,
    layers: u64,
    otherwise: impl Fn(u64) -> Kind,
) -> Result<Vec<Kind>> {
    match fields.opt_layer_texts(field, layers)? {
        Some(names) => names
            .into_iter()
            .map(|name| kind(fields, field, name))
            .collect(),
        None => Ok((0..layers).map(otherwise).collect()),
    }
}

/// The kinds of all layers where each one at `offset` of every `period` attends.
///
/// # Errors
/// If the offset is not within the period.
pub fn periodic(
    fields: &Fields<'_>,
    layers: u64,
    (period, offset): (u64, u64),
) -> Result<Vec<Kind>> {
    if offset >= period {
        return Err(fields.error(
            "attn_layer_offset",
            format!("{offset} must be smaller than attn_layer_period {period}"),
        ));
    }
    Ok((0..layers)
        .map(|layer| attends_if(layer % period == offset))
        .collect())
}

/// Attention if so, else a state.
#[must_use]
pub const fn attends_if(attends: bool) -> Kind {
    if attends {
        Kind::Attention
    } else {
        Kind::State
    }
}
