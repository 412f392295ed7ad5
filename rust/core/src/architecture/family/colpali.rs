//! ColPali and its kin, which find pages by what they look like: a model that sees and reads, and a matrix that makes a
//! short vector of each of its tokens.
//!
//! Source: transformers `models/colpali`, `models/colqwen2` and `models/colmodernvbert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{known_class, width};
use crate::architecture::place::{Place, Top};
use crate::architecture::vision::qwen::{SECOND, qwen};
use crate::checkpoint::Role;

/// `ColPali` and its kin.
pub const FAMILY: Family = Family {
    name: "colpali",
    model_types: &["colmodernvbert", "colpali", "colqwen2"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (class, inner) = match fields.opt_text("model_type")? {
        Some("colmodernvbert") => ("ColModernVBertForRetrieval", "modernvbert"),
        Some("colqwen2") => ("ColQwen2ForRetrieval", "qwen2_vl"),
        _ => ("ColPaliForRetrieval", "paligemma"),
    };
    known_class(fields, &[class])?;
    let seeing = fields.object("vlm_config")?;
    let stated = seeing.opt_text("model_type")?;
    let family = super::of(inner).filter(|_| stated == Some(inner));
    let Some(family) = family else {
        return Err(seeing.error("model_type", format!("is only known as {inner}")));
    };
    let text = seeing.opt_object("text_config")?.unwrap_or(seeing);
    b.scope("vlm.", |b| {
        if inner == "qwen2_vl" {
            // It has the newer names, with the text model under its own.
            let vision = seeing.object("vision_config")?;
            let place = Place {
                model: "language_model.",
                head: "",
                top: Top::None,
                tied: None,
            };
            super::text(b, &text, "qwen2_vl_text", &place)?;
            b.scope("visual.", |b| qwen(b, &vision, &SECOND))?;
            Ok(())
        } else {
            (family.lower)(b, &seeing)
        }
    })?;
    let hidden = width(&text, inner)?;
    let outputs = fields.size_or("embedding_dim", 128)?;
    b.linear("embedding_proj_layer", Role::Head, outputs, hidden, true);
    Ok(())
}
