//! GLM-4 and GLM-4-0414 in the names of transformers: a fused gate and up matrix, biases of queries, keys and values,
//! and in the later one norms after attention and network too. The text models of GLM-4.1V and GLM-OCR are like the
//! later one.
//!
//! Source: transformers `models/glm`, `models/glm4`, `models/glm4v` and `models/glm_ocr`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Flag, Network, PRE_NORMS, refuse_foreign};
use crate::architecture::place::Place;

/// GLM-4 and GLM-4-0414.
pub const FAMILY: Family = Family {
    name: "glm",
    model_types: &["glm", "glm4", "glm4v_text", "glm_ocr_text"],
    lower,
    text: Some(text),
};

/// In what they differ.
struct Kin {
    model_type: &'static str,
    stem: &'static str,
    defaults: Defaults,
    /// Biases of queries, keys and values.
    bias: Flag,
    norms: &'static [&'static str],
}

/// The norms of the later ones.
const NORMS: &[&str] = &[
    "input_layernorm",
    "post_attention_layernorm",
    "post_self_attn_layernorm",
    "post_mlp_layernorm",
];

const GLM: Kin = Kin {
    model_type: "glm",
    stem: "Glm",
    defaults: Defaults::new(151_552, 4096, 13_696, 40, 32).kv(2).dim(128),
    bias: Flag::Read("attention_bias", true),
    norms: PRE_NORMS,
};

const KIN: &[Kin] = &[
    GLM,
    Kin {
        model_type: "glm4",
        stem: "Glm4",
        norms: NORMS,
        ..GLM
    },
    Kin {
        model_type: "glm4v_text",
        stem: "Glm4vText",
        defaults: Defaults::new(151_552, 4096, 13_696, 40, 32).kv(2),
        bias: Flag::Is(true),
        norms: NORMS,
    },
    Kin {
        model_type: "glm_ocr_text",
        stem: "GlmOcrText",
        defaults: Defaults::new(59_392, 1024, 4096, 16, 16).kv(8),
        bias: Flag::Is(false),
        norms: NORMS,
    },
];

fn kin(fields: &Fields<'_>) -> Result<&'static Kin> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("glm");
    Ok(KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .unwrap_or(&GLM))
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stems = [kin(fields)?.stem];
    text(
        b,
        fields,
        &Place::of_class(fields, &stems, "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields)?;
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &kin.defaults)?;
    model.attention.bias = kin.bias.get(fields)?;
    model.network = Network::FusedGated(["gate_up_proj", "down_proj"]);
    model.norms = kin.norms;
    model.add(b, fields, place, model.full())
}
