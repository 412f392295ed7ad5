//! VideoLLaMA 3: Qwen2 behind a SigLIP whose positions are rotary.
//!
//! Source: transformers `models/video_llama_3`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, Projector, known_class};
use crate::architecture::vision::clip::Encoder;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// VideoLLaMA 3.
pub const FAMILY: Family = Family {
    name: "video-llama",
    model_types: &["video_llama_3"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["VideoLlama3ForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let text = Language::new("qwen2", "model.language_model.", false).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_model.", |b| tower(b, &vision))?;
        let projector = Projector {
            inputs: seen,
            inner: hidden,
            outputs: hidden,
            bias: true,
        };
        b.scope("projector.", |b| {
            projector.add(b, ["readout.0", "readout.2"]);
        });
        Ok(())
    })
}

fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let encoder = Encoder::read(
        fields,
        Encoder {
            hidden: 768,
            width: 3072,
            layers: 12,
            heads: 12,
        },
    )?;
    let hidden = encoder.hidden;
    let channels = fields.size_or("num_channels", 3)?;
    let (height, across) = sides(fields, "patch_size", 16)?;
    b.all_as(Role::Vision, |b| {
        let patch = [hidden, channels, height, across];
        let name = "embeddings.patch_embedding";
        b.weight_and_bias(name, Role::Vision, &patch, hidden, true);
        encoder.add(b, fields, Stack::Vision)?;
        b.norm("post_layernorm", hidden, true);
        Ok(hidden)
    })
}
