//! StarCoder 2: biases and layer norms as GPT-2 has them, rotary positions and windows as Mistral has them.
//!
//! Source: transformers `models/starcoder2`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;

/// StarCoder 2.
pub const FAMILY: Family = Family {
    name: "starcoder2",
    model_types: &["starcoder2"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["Starcoder2"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["use_bias"])?;
    let defaults = Defaults::new(49_152, 3072, 12_288, 30, 24).kv(2).tied();
    let mut model = Dense::read(fields, &defaults)?;
    let bias = fields.flag_or("use_bias", true)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.network = Network::Plain(["c_fc", "c_proj"]);
    model.network_bias = bias;
    model.frame.norm = Some(("norm", true));
    model.norm_bias = true;
    let window = dense::window(fields, None)?;
    let reaches = dense::reaches(fields, model.layers, window, |_| true)?;
    model.add(b, fields, place, reaches)
}
