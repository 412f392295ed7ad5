//! Chinese CLIP: CLIP's tower beside a BERT.
//!
//! Source: transformers `models/chinese_clip`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::Shape;
use crate::architecture::encoder_decoder::unknown_class;
use crate::architecture::place::class;
use crate::architecture::vision::clip::clip;
use crate::checkpoint::Role;

/// Chinese CLIP.
pub const FAMILY: Family = Family {
    name: "chinese-clip",
    model_types: &["chinese_clip", "chinese_clip_vision_model"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let class = class(fields)?.unwrap_or("ChineseCLIPModel");
    let vision = fields.opt_object("vision_config")?.unwrap_or(*fields);
    match class {
        "ChineseCLIPModel" => {
            let text = fields.object("text_config")?;
            let hidden = b.scope("text_model.", |b| text_tower(b, &text))?;
            let seen = b.scope("vision_model.", |b| clip(b, &vision))?;
            let shared = fields.size_or("projection_dim", 512)?;
            b.linear("visual_projection", Role::Projector, shared, seen, false);
            b.linear("text_projection", Role::Projector, shared, hidden, false);
            b.tensor("logit_scale", Role::Head, &[]);
        }
        "ChineseCLIPVisionModel" => {
            b.scope("vision_model.", |b| clip(b, &vision))?;
        }
        _ => return Err(unknown_class(fields, class)),
    }
    Ok(())
}

fn text_tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        width: fields.size_or("intermediate_size", 3072)?,
        layers: fields.repeats_or("num_hidden_layers", 12)?,
        vocabulary: fields.size_or("vocab_size", 30522)?,
        decodes: false,
        cross: false,
    };
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    b.scope("embeddings.", |b| {
        b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
        b.embedding("position_embeddings", Role::Position, positions, hidden);
        b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
        b.norm("LayerNorm", hidden, true);
    });
    shape.stacked(b, "encoder.layer", |b| {
        shape.block(b, ["output.LayerNorm", "output.LayerNorm"], |b| {
            shape.projections(b, true);
            Ok(())
        })
    })?;
    Ok(hidden)
}
