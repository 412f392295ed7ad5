//! BitNet b1.58: Llama with a norm inside attention and one inside the network, each before its last matrix.
//!
//! Source: transformers `models/bitnet`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, refuse_foreign};
use crate::architecture::place::Place;

/// BitNet b1.58.
pub const FAMILY: Family = Family {
    name: "bitnet",
    model_types: &["bitnet"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["BitNet"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &Defaults::new(128_256, 2560, 6912, 30, 20).kv(5))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.add_with(b, fields, place, model.full(), |b| {
        b.norm("self_attn.attn_sub_norm", model.frame.hidden, false);
        b.norm("mlp.ffn_sub_norm", model.width, false);
    })
}
