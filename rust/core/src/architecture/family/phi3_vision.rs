//! Phi-3 Vision: a Phi-3 with a CLIP inside its embeddings.
//!
//! Source: `modeling_phi3_v.py` and `image_embedding_phi3_v.py` beside the published checkpoints. The tower is fixed in
//! that code: the sizes of CLIP ViT-L/14 at 336 pixels.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::vision::clip::Encoder;
use crate::checkpoint::Role;

/// Phi-3 Vision.
pub const FAMILY: Family = Family {
    name: "phi3-vision",
    model_types: &["phi3_v"],
    lower,
    text: None,
};

/// CLIP ViT-L/14, and its patches with the token of the class.
const TOWER: Encoder = Encoder {
    hidden: 1024,
    width: 4096,
    layers: 24,
    heads: 16,
};
const PATCH: u64 = 14;
const POSITIONS: u64 = (336 / PATCH) * (336 / PATCH) + 1;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Phi3VForCausalLM"])?;
    let processor = fields.object("img_processor")?;
    if processor.opt_text("name")? != Some("clip_vision_model") {
        return Err(processor.error("name", "is only known as clip_vision_model"));
    }
    let layer = fields.object("embd_layer")?;
    if let Some(other) = layer.opt_text("embedding_cls")?
        && other != "image"
    {
        return Err(layer.error("embedding_cls", format!("{other:?} is not known")));
    }
    let tiles = layer.opt_flag("use_hd_transform")?.unwrap_or(false);
    let separators = layer.opt_flag("with_learnable_separator")?.unwrap_or(false);
    let kind = layer.text_or("projection_cls", "linear")?;
    let seen = processor.size_or("image_dim_out", TOWER.hidden)?;
    let language = Language {
        flat: true,
        tied: Tied::Inner,
        ..Language::new("phi3", "model.", false)
    };
    let hidden = language.add(b, fields)?.size("hidden_size")?;
    let role = Role::Projector;
    b.scope("model.vision_embed_tokens.", |b| {
        b.scope("img_processor.vision_model.", |b| tower(b, fields))?;
        // Four neighbours are laid side by side.
        let inputs = if tiles { 4 * seen } else { seen };
        match kind {
            "linear" => b.linear("img_projection", role, hidden, inputs, true),
            "mlp" => {
                b.linear("img_projection.0", role, hidden, inputs, true);
                b.linear("img_projection.2", role, hidden, hidden, true);
            }
            other => {
                return Err(layer.error("projection_cls", format!("{other:?} is not known")));
            }
        }
        if tiles && separators {
            b.tensor("glb_GN", role, &[1, 1, inputs]);
            b.tensor("sub_GN", role, &[1, 1, 1, inputs]);
        }
        Ok(())
    })
}

fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = TOWER.hidden;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            b.tensor("class_embedding", role, &[hidden]);
            let shape = [hidden, 3, PATCH, PATCH];
            b.tensor("patch_embedding.weight", role, &shape);
            b.embedding("position_embedding", role, POSITIONS, hidden);
        });
        b.norm("pre_layrnorm", hidden, true);
        TOWER.add(b, fields, Stack::Vision)?;
        b.norm("post_layernorm", hidden, true);
        Ok(())
    })
}
