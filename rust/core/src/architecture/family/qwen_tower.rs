//! EXAONE 4.5 and HyperCLOVA X vision: language models of their own behind the tower of Qwen2.5-VL.
//!
//! Source: transformers `models/exaone4_5` and `models/hyperclovax_vision_v2`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, known_class};
use crate::architecture::place::saved_by;
use crate::architecture::vision::qwen::{EXAONE, SECOND_HALF, qwen};
use crate::checkpoint::Role;

/// EXAONE 4.5 and HyperCLOVA X vision.
pub const FAMILY: Family = Family {
    name: "qwen-tower",
    model_types: &["exaone4_5", "hyperclovax_vision_v2"],
    lower,
    text: None,
};

const LANGUAGE: &str = "model.language_model.";

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let vision = fields.object("vision_config")?;
    if fields.opt_text("model_type")? == Some("exaone4_5") {
        known_class(fields, &["Exaone4_5_ForConditionalGeneration"])?;
        Language::new("exaone4", LANGUAGE, false).add(b, fields)?;
        b.scope("model.visual.", |b| qwen(b, &vision, &EXAONE))?;
        return Ok(());
    }
    known_class(fields, &["HyperCLOVAXVisionV2ForConditionalGeneration"])?;
    // transformers 5 saves the text model without the `model.` in the middle, but the head where it was.
    let language = Language {
        model: if saved_by(fields)?.is_some_and(|major| major >= 5) {
            LANGUAGE
        } else {
            "model.language_model.model."
        },
        head: LANGUAGE,
        ..Language::new("hyperclovax", LANGUAGE, true)
    };
    let text = language.add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_model.", |b| qwen(b, &vision, &SECOND_HALF))?;
        b.linear("vision_projector", Role::Projector, hidden, seen, true);
        Ok(())
    })
}
