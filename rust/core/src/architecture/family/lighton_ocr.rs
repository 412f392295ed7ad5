//! LightOnOCR: Qwen3 behind the tower of Pixtral and a merger of patches.
//!
//! Source: transformers `models/lighton_ocr`. Where a part of the config is left out, its class takes the sizes of the
//! published model, so they have to be there.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Projector, known_class};
use crate::architecture::vision::pixtral::pixtral;
use crate::checkpoint::Role;

/// LightOnOCR.
pub const FAMILY: Family = Family {
    name: "lighton-ocr",
    model_types: &["lighton_ocr"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["LightOnOcrForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let text = Language::new("qwen3", "model.language_model.", true).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    let merge = fields.size_or("spatial_merge_size", 2)?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_encoder.", |b| pixtral(b, &vision))?;
        b.scope("vision_projection.", |b| {
            b.all_as(Role::Projector, |b| {
                b.norm("norm", seen, false);
                // Three sizes of at most 2^21.
                let merged = seen * merge * merge;
                let name = "patch_merger.merging_layer";
                b.linear(name, Role::Projector, seen, merged, false);
                let projector = Projector {
                    inputs: seen,
                    inner: hidden,
                    outputs: hidden,
                    bias: false,
                };
                projector.add(b, ["linear_1", "linear_2"]);
            });
        });
        Ok(())
    })
}
