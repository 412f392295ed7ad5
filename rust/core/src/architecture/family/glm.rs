//! GLM-4 and GLM-4-0414 in the names of transformers: a fused gate and up matrix, biases of queries, keys and values,
//! and in the later one norms after attention and network too.
//!
//! Source: transformers `models/glm` and `models/glm4`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;

/// GLM-4 and GLM-4-0414.
pub const FAMILY: Family = Family {
    name: "glm",
    model_types: &["glm", "glm4"],
    lower,
    text: Some(text),
};

const DEFAULTS: Defaults = Defaults::new(151_552, 4096, 13_696, 40, 32).kv(2).dim(128);

fn later(fields: &Fields<'_>) -> Result<bool> {
    Ok(fields.opt_text("model_type")? == Some("glm4"))
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stem = if later(fields)? { "Glm4" } else { "Glm" };
    text(
        b,
        fields,
        &Place::of_class(fields, &[stem], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &DEFAULTS)?;
    model.attention.bias = fields.flag_or("attention_bias", true)?;
    model.network = Network::FusedGated(["gate_up_proj", "down_proj"]);
    if later(fields)? {
        model.norms = &[
            "input_layernorm",
            "post_attention_layernorm",
            "post_self_attn_layernorm",
            "post_mlp_layernorm",
        ];
    }
    model.add(b, fields, place, model.full())
}
