//! nanochat: no norm has parameters, and the network has no gate.
//!
//! Source: transformers `models/nanochat`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;

/// nanochat.
pub const FAMILY: Family = Family {
    name: "nanochat",
    model_types: &["nanochat"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["NanoChat"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &Defaults::new(50_304, 768, 8192, 12, 6))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.network = Network::Plain(["fc1", "fc2"]);
    model.norms = &[];
    model.frame.norm = None;
    model.add(b, fields, place, model.full())
}
