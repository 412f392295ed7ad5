//! Vision transformers that stand alone: ViT, DINOv2 (with registers, too), and the tower of Pixtral.
//!
//! Sources: transformers `models/vit`, `models/dinov2`, `models/dinov2_with_registers`, `models/pixtral`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::place::{class, labels};
use crate::architecture::vision::dinov2::dinov2;
use crate::architecture::vision::pixtral::pixtral;
use crate::architecture::vision::vit::{Parts, vit};
use crate::checkpoint::Role;

/// ViT and its kin.
pub const FAMILY: Family = Family {
    name: "vit",
    model_types: &["dinov2", "dinov2_with_registers", "pixtral", "vit"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("vit");
    let class = class(fields)?.unwrap_or("Model");
    let bare = class.ends_with("Model") || class.ends_with("Backbone");
    let classifier = class.ends_with("ForImageClassification") && model_type != "pixtral";
    let masked = class.ends_with("ForMaskedImageModeling") && model_type == "vit";
    if !(bare || classifier || masked) {
        return Err(fields.error(
            "architectures",
            format!("{class} is not known to this family"),
        ));
    }
    let prefix = if bare {
        String::new()
    } else {
        format!("{model_type}.")
    };
    let hidden = b.scope(&prefix, |b| match model_type {
        "pixtral" => pixtral(b, fields),
        "vit" => {
            let parts = Parts {
                mask_token: masked,
                pooler: bare,
                distilled: false,
            };
            vit(b, fields, parts)
        }
        _ => dinov2(b, fields),
    })?;
    if classifier {
        // DINOv2 gives the class token beside the mean of the patches.
        let inputs = if model_type == "vit" {
            hidden
        } else {
            2 * hidden
        };
        b.linear("classifier", Role::Head, labels(fields)?, inputs, true);
    }
    if masked {
        let stride = fields.size_or("encoder_stride", 16)?;
        let outputs = stride
            .checked_mul(stride)
            .and_then(|square| square.checked_mul(fields.size_or("num_channels", 3).ok()?))
            .ok_or_else(|| fields.error("encoder_stride", "is too large"))?;
        let shape = [outputs, hidden, 1, 1];
        b.weight_and_bias("decoder.0", Role::Head, &shape, outputs, true);
    }
    Ok(())
}
