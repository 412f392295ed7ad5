//! Qwen-VL from the second generation on: a tower that sees, and the language model that the same generation has by
//! itself.
//!
//! Sources: transformers `models/qwen2_vl`, `models/qwen2_5_vl`, `models/qwen3_vl`, `models/qwen3_vl_moe`,
//! `models/qwen3_5`, `models/qwen3_5_moe` and `models/qwen4_exp`. Its version 5 puts the parts of Qwen2-VL and
//! Qwen2.5-VL under `model.`, but saves the published names.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::vision::qwen::{self, qwen};

/// Qwen-VL.
pub const FAMILY: Family = Family {
    name: "qwen-vl",
    model_types: &[
        "qwen2_5_vl",
        "qwen2_vl",
        "qwen3_5",
        "qwen3_5_moe",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen4_exp",
    ],
    lower,
    text: None,
};

/// In what the generations differ.
struct Kin {
    model_type: &'static str,
    class: &'static str,
    /// The model type of the text model.
    text: &'static str,
    tower: &'static qwen::Kin,
    tied: Tied,
    /// Where the language model and the tower lie.
    prefixes: [&'static str; 2],
}

/// The third generation, and where it has its parts.
const THIRD: Kin = Kin {
    model_type: "qwen3_vl",
    class: "Qwen3VLForConditionalGeneration",
    text: "qwen3_vl_text",
    tower: &qwen::THIRD,
    tied: Tied::Outer(false),
    prefixes: ["model.language_model.", "model.visual."],
};

const KIN: &[Kin] = &[
    Kin {
        model_type: "qwen2_vl",
        class: "Qwen2VLForConditionalGeneration",
        text: "qwen2_vl_text",
        tower: &qwen::SECOND,
        tied: Tied::Either,
        prefixes: ["model.", "visual."],
    },
    Kin {
        model_type: "qwen2_5_vl",
        class: "Qwen2_5_VLForConditionalGeneration",
        text: "qwen2_5_vl_text",
        tower: &qwen::SECOND_HALF,
        tied: Tied::Either,
        prefixes: ["model.", "visual."],
    },
    THIRD,
    Kin {
        model_type: "qwen3_vl_moe",
        class: "Qwen3VLMoeForConditionalGeneration",
        text: "qwen3_vl_moe_text",
        ..THIRD
    },
    Kin {
        model_type: "qwen3_5",
        class: "Qwen3_5ForConditionalGeneration",
        text: "qwen3_5_text",
        tower: &qwen::SHALLOW,
        ..THIRD
    },
    Kin {
        model_type: "qwen3_5_moe",
        class: "Qwen3_5MoeForConditionalGeneration",
        text: "qwen3_5_moe_text",
        tower: &qwen::SHALLOW,
        ..THIRD
    },
    Kin {
        model_type: "qwen4_exp",
        class: "Qwen4ExpForConditionalGeneration",
        text: "qwen4_exp_text",
        tower: &qwen::SHALLOW,
        ..THIRD
    },
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let kin = KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .unwrap_or(&THIRD);
    known_class(fields, &[kin.class])?;
    let vision = fields.object("vision_config")?;
    let [model, visual] = kin.prefixes;
    let language = Language {
        flat: kin.tied == Tied::Either,
        tied: kin.tied,
        ..Language::new(kin.text, model, false)
    };
    language.add(b, fields)?;
    b.scope(visual, |b| qwen(b, &vision, kin.tower))?;
    Ok(())
}
