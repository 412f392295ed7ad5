//! DiffLlama: Llama whose attention is the difference of two, weighed by four learned vectors.
//!
//! Source: transformers `models/diffllama`; its group norm has no parameters.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, refuse_foreign};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// DiffLlama.
pub const FAMILY: Family = Family {
    name: "diffllama",
    model_types: &["diffllama"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["DiffLlama"], "model.", "transformer.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &Defaults::new(32_000, 2048, 8192, 16, 32))?;
    let attention = &mut model.attention;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    if !attention.kv_heads.is_multiple_of(2) {
        return Err(fields.error(
            "num_key_value_heads",
            "must be even: half of the heads are subtracted from the other half",
        ));
    }
    let head_dim = attention.head_dim;
    model.add_with(b, fields, place, model.full(), |b| {
        for name in ["lambda_q1", "lambda_k1", "lambda_q2", "lambda_k2"] {
            b.scope("self_attn.", |b| {
                b.tensor(name, Role::Attention, &[head_dim]);
            });
        }
    })
}
