//! The towers that the config of a larger model names by their model type.

use super::clip::{clip, siglip, siglip2};
use super::fastvit::fastvit;
use super::idefics::{THIRD, idefics};
use super::perception::perception;
use super::pixtral::pixtral;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};

/// Adds the tower that `model_type` names, or this one if nothing is named, as what `vision_tower.` holds, and returns
/// its width.
///
/// The towers of CLIP and SigLIP lie under `vision_model.` in published files. Transformers from version 5.6 on leaves
/// that out for models that it makes anew, but keeps it for those it loads.
///
/// # Errors
/// If a field is wrong, or the tower is not known.
pub fn tower(b: &mut Builder, fields: &Fields<'_>, default: &'static str) -> Result<u64> {
    match fields.text_or("model_type", default)? {
        "clip_vision_model" => b.scope("vision_model.", |b| clip(b, fields)),
        "siglip_vision_model" => b.scope("vision_model.", |b| siglip(b, fields, true)),
        "siglip2_vision_model" => b.scope("vision_model.", |b| siglip2(b, fields, true)),
        "idefics3_vision" => idefics(b, fields, THIRD, 224, 32),
        "pixtral" => pixtral(b, fields),
        "timm_wrapper" => b.scope("timm_model.", |b| {
            if fields.opt_text("architecture")? == Some("fastvit_mci3") {
                fastvit(b, fields)
            } else {
                perception(b, fields)
            }
        }),
        other => Err(fields.error(
            "model_type",
            format!("{other:?} is not known as a tower of this model"),
        )),
    }
}
