//! MiniMax-M3 with its tower: SigLIP's layers over patches of several frames, a projector over each patch, and another
//! over neighbouring ones.
//!
//! Source: transformers `models/minimax_m3_vl`, whose `conversion_mapping.py` gives the published names.

use super::Family;
use super::idefics2::merged;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::vision::clip::Encoder;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// MiniMax-M3 with its tower.
pub const FAMILY: Family = Family {
    name: "minimax-m3-vl",
    model_types: &["minimax_m3_vl"],
    lower,
    text: None,
};

const TOWER: Encoder = Encoder {
    hidden: 1280,
    width: 5120,
    layers: 32,
    heads: 16,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(
        fields,
        &[
            "MiniMaxM3VLForConditionalGeneration",
            "MiniMaxM3SparseForConditionalGeneration",
        ],
    )?;
    let vision = fields.object("vision_config")?;
    let text = Language::whole("minimax_m3_vl_text", Tied::OuterOrElse).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    let seen = b.scope("vision_tower.vision_model.", |b| tower(b, &vision))?;
    let inner = fields.size_or("projector_hidden_size", 6144)?;
    let inputs = merged(&vision, "spatial_merge_size", 2, hidden)?;
    for (name, inputs) in [
        ("multi_modal_projector.", seen),
        ("patch_merge_mlp.", inputs),
    ] {
        let projector = Projector {
            inputs,
            inner,
            outputs: hidden,
            bias: true,
        };
        b.scope(name, |b| projector.add(b, ["linear_1", "linear_2"]));
    }
    Ok(())
}

/// Adds the tower and returns its width.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let encoder = Encoder::read(fields, TOWER)?;
    let hidden = encoder.hidden;
    let channels = fields.size_or("num_channels", 3)?;
    let frames = fields.size_or("temporal_patch_size", 2)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        let shape = [hidden, channels, frames, height, across];
        b.tensor("embeddings.patch_embedding.weight", role, &shape);
        b.norm("pre_layrnorm", hidden, true);
        encoder.add(b, fields, Stack::Vision)?;
        Ok(hidden)
    })
}
