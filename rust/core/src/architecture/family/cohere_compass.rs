//! Cohere Compass: Command's text model behind the tower of Qwen3-VL.
//!
//! Source: transformers `models/cohere_compass`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, refuse_foreign};
use crate::architecture::multimodal::{Language, known_class};
use crate::architecture::place::Place;
use crate::architecture::vision::qwen::{THIRD, qwen};

/// Cohere Compass.
pub const FAMILY: Family = Family {
    name: "cohere-compass",
    model_types: &["cohere_compass", "cohere_compass_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.opt_text("model_type")? == Some("cohere_compass_text") {
        let stems = ["CohereCompass", "CohereCompassText"];
        let place = Place::of_class(fields, &stems, "model.", "model.")?;
        return text(b, fields, &place);
    }
    known_class(fields, &["CohereCompassForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    Language::new("cohere_compass_text", "model.language_model.", false).add(b, fields)?;
    b.scope("model.visual.", |b| qwen(b, &vision, &THIRD))?;
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["attention_bias"])?;
    let defaults = Defaults::new(256_000, 8192, 22_528, 40, 64).tied();
    let mut model = Dense::read(fields, &defaults)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.norms = &["input_layernorm"];
    let window = dense::window(fields, Some(4096))?;
    // Without a list all layers see everything, unlike those of Command R7B.
    let reaches = dense::reaches(fields, model.layers, window, |_| false)?;
    model.add(b, fields, place, reaches)
}
