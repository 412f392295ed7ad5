//! `PerceptionLM`: a Llama behind the Perception Encoder.
//!
//! Source: transformers `models/perception_lm`, and timm for the tower.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Projector, Tied, known_class, width};
use crate::architecture::vision::tower::tower;

/// `PerceptionLM`.
pub const FAMILY: Family = Family {
    name: "perception-lm",
    model_types: &["perception_lm"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["PerceptionLMForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("llama", "model.language_model.", false)
    };
    let text = language.add(b, fields)?;
    let hidden = width(&text, "llama")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_tower.", |b| tower(b, &vision, "timm_wrapper"))?;
        let projector = Projector {
            inputs: seen,
            inner: hidden,
            outputs: hidden,
            bias: true,
        };
        b.scope("multi_modal_projector.", |b| {
            projector.add(b, ["linear_1", "linear_2"]);
        });
        Ok(())
    })
}
