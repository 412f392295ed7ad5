//! StableLM: layer norms with biases, and in later models a norm for each head and one norm for two parallel parts.
//!
//! Source: transformers `models/stablelm`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, per_head, refuse_foreign};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// StableLM and StableLM 2.
pub const FAMILY: Family = Family {
    name: "stablelm",
    model_types: &["stablelm"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["StableLm"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["qk_layernorm"])?;
    let defaults = Defaults::new(50_304, 2560, 6912, 32, 32).kv(32);
    let mut model = Dense::read(fields, &defaults)?;
    let attention = &mut model.attention;
    let head_dim = per_head(fields, attention.hidden, attention.heads)?;
    (attention.head_dim, attention.value_dim) = (head_dim, head_dim);
    attention.bias = fields.flag_or("use_qkv_bias", false)?;
    model.frame.norm = Some(("norm", true));
    model.norm_bias = true;
    if fields.flag_or("use_parallel_residual", false)? {
        model.norms = &["input_layernorm"];
    }
    let head_norms = fields.flag_or("qk_layernorm", false)?;
    let sides = [
        ("self_attn.q_layernorm.norms", model.attention.heads),
        ("self_attn.k_layernorm.norms", model.attention.kv_heads),
    ];
    model.add_with(b, fields, place, model.full(), |b| {
        for (name, heads) in sides.iter().filter(|_| head_norms) {
            // `SIZE_LIMIT` bounds the heads.
            let numbers = Numbers::Below(u32::try_from(*heads).unwrap_or(u32::MAX));
            b.each(name, numbers, |b| {
                b.tensor("weight", Role::Norm, &[head_dim]);
            });
        }
    })
}
