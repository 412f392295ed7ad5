//! Phi 1 and 2, with attention and network side by side and biases everywhere; Phi 3 and 4, which are Llama with
//! fused matrices; and Phi 3 small, with a network of two halves and sparse blocks of attention.
//!
//! Source: transformers `models/phi` and `models/phi3`; `modeling_phi3_small.py` beside the published checkpoints of
//! Phi 3 small. Its sparse layers see every head's own stripes of the past, so all of it is kept.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;

/// Phi 1 to 4.
pub const FAMILY: Family = Family {
    name: "phi",
    model_types: &["phi", "phi3", "phi3small"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stem = match fields.opt_text("model_type")? {
        Some("phi3") => "Phi3",
        Some("phi3small") => "Phi3Small",
        _ => "Phi",
    };
    text(
        b,
        fields,
        &Place::of_class(fields, &[stem], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    match fields.opt_text("model_type")? {
        Some("phi3") => third(b, fields, place),
        Some("phi3small") => small(b, fields, place),
        _ => first(b, fields, place),
    }
}

/// Phi 1, 1.5 and 2.
fn first(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["qk_layernorm", "attention_bias", "mlp_bias"])?;
    let mut model = Dense::read(fields, &Defaults::new(51_200, 2048, 8192, 24, 32))?;
    model.frame.norm = Some(("final_layernorm", true));
    model.frame.head_bias = true;
    model.attention = Attention {
        names: ["q_proj", "k_proj", "v_proj", "dense"],
        bias: true,
        output_bias: true,
        norm_names: ["q_layernorm", "k_layernorm"],
        norm_bias: true,
        ..model.attention
    };
    if fields.flag_or("qk_layernorm", false)? {
        model.attention.norm = HeadNorm::PerHead;
    }
    model.network = Network::Plain(["fc1", "fc2"]);
    model.network_bias = true;
    model.norms = &["input_layernorm"];
    model.norm_bias = true;
    model.add(b, fields, place, model.full())
}

/// Phi 3, 3.5 and 4.
fn third(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &[])?;
    let mut model = Dense::read(fields, &Defaults::new(32_064, 3072, 8192, 32, 32))?;
    model.attention = Attention {
        names: ["qkv_proj", "", "", "o_proj"],
        fused: true,
        ..model.attention
    };
    model.network = Network::FusedGated(["gate_up_proj", "down_proj"]);
    let window = dense::window(fields, None)?;
    let reaches = dense::reaches(fields, model.layers, window, |_| true)?;
    model.add(b, fields, place, reaches)
}

/// Phi 3 small.
fn small(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let defaults = Defaults::new(100_352, 4096, 14_336, 32, 32).kv(8).tied();
    if fields.value("ff_dim_multiplier").is_some() {
        return Err(fields.error(
            "ff_dim_multiplier",
            "is no part of the published models; only ff_intermediate_size is known",
        ));
    }
    let mut model = Dense::read(fields, &defaults)?;
    model.frame.norm = Some(("final_layernorm", true));
    model.attention = Attention {
        names: ["query_key_value", "", "", "dense"],
        fused: true,
        bias: true,
        output_bias: true,
        ..model.attention
    };
    model.network = Network::FusedGated(["up_proj", "down_proj"]);
    model.network_bias = true;
    model.norm_bias = true;
    model.add(b, fields, place, model.full())
}
