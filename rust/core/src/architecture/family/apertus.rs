//! Apertus: Llama without a gate, with norms of queries and keys, and with an activation that has parameters.
//!
//! Source: transformers `models/apertus` and the `XIELUActivation` of its `activations.py`.

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Apertus.
pub const FAMILY: Family = Family {
    name: "apertus",
    model_types: &["apertus"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["Apertus"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias", "qk_norm"])?;
    let mut model = Dense::read(fields, &Defaults::new(131_072, 4096, 14_336, 32, 32))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.attention.norm = HeadNorm::PerHead;
    model.network = Network::Plain(["up_proj", "down_proj"]);
    model.norms = &["attention_layernorm", "feedforward_layernorm"];
    let learned = fields.text_or("hidden_act", "xielu")? == "xielu";
    model.add_with(b, fields, place, model.full(), |b| {
        if learned {
            b.scope("mlp.act_fn.", |b| {
                b.tensor("alpha_p", Role::Mlp, &[1]);
                b.tensor("alpha_n", Role::Mlp, &[1]);
                b.buffer("beta", Role::Mlp, &[]);
                b.buffer("eps", Role::Mlp, &[]);
            });
        }
    })
}
