//! GLM-V from 4.1 on, and GLM-OCR: a tower that sees before a text model of GLM.
//!
//! Source: transformers `models/glm4v`, `models/glm46v`, `models/glmga`, `models/glm4v_moe` and `models/glm_ocr`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::vision::glm::{GLM_V, Kin, OCR, glm};

/// GLM-V and GLM-OCR.
pub const FAMILY: Family = Family {
    name: "glm-vl",
    model_types: &["glm46v", "glm4v", "glm4v_moe", "glm_ocr", "glmga"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (class, text, tower): (_, _, &Kin) = match fields.opt_text("model_type")? {
        Some("glm46v") => ("Glm46VForConditionalGeneration", "glm4v_text", &GLM_V),
        Some("glm4v_moe") => ("Glm4vMoeForConditionalGeneration", "glm4v_moe_text", &GLM_V),
        Some("glm_ocr") => ("GlmOcrForConditionalGeneration", "glm_ocr_text", &OCR),
        Some("glmga") => ("GlmgaForConditionalGeneration", "glm4v_text", &GLM_V),
        _ => ("Glm4vForConditionalGeneration", "glm4v_text", &GLM_V),
    };
    // The files of GLMGA name the class of GLM-4.6V.
    known_class(fields, &[class, "Glm46VForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::Either,
        ..Language::new(text, "model.language_model.", false)
    };
    language.add(b, fields)?;
    b.scope("model.visual.", |b| glm(b, &vision, tower))
}
