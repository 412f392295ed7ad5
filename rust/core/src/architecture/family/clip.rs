//! Models of images and texts side by side: CLIP, SigLIP, SigLIP 2, and their towers alone.
//!
//! Sources: transformers `models/clip`, `models/siglip`, `models/siglip2`. Published towers keep the name of their part
//! (`vision_model.`, `text_model.`) where they stand alone, whatever version 5 of transformers writes.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::place::{class, labels};
use crate::architecture::vision::clip::{Encoder, clip, siglip, siglip2};
use crate::checkpoint::Role;

/// CLIP and what followed it.
pub const FAMILY: Family = Family {
    name: "clip",
    model_types: &[
        "clip",
        "clip_text_model",
        "clip_vision_model",
        "siglip",
        "siglip2",
        "siglip2_text_model",
        "siglip2_vision_model",
        "siglip_text_model",
        "siglip_vision_model",
    ],
    lower,
    text: None,
};

/// The three generations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Clip,
    Siglip,
    Siglip2,
}

/// Which parts a class has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    Both,
    Text { projected: bool },
    Vision { projected: bool },
    Classifier,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("clip");
    let kind = if model_type.starts_with("siglip2") {
        Kind::Siglip2
    } else if model_type.starts_with("siglip") {
        Kind::Siglip
    } else {
        Kind::Clip
    };
    let parts = parts(fields, model_type)?;
    // A class of one tower takes it out of a whole config.
    fields.pass_over("vision_config");
    match parts {
        Parts::Both => both(b, fields, kind),
        Parts::Text { projected } => {
            let text = part(fields, "text_config", "text_config_dict")?;
            let hidden = text_tower(b, &text, kind)?;
            if projected {
                projection(
                    b,
                    "text_projection",
                    hidden,
                    text.size_or("projection_dim", 512)?,
                );
            }
            Ok(())
        }
        Parts::Vision { projected } => {
            let vision = part(fields, "vision_config", "vision_config_dict")?;
            let hidden = vision_tower(b, &vision, kind)?;
            if projected {
                projection(
                    b,
                    "visual_projection",
                    hidden,
                    vision.size_or("projection_dim", 512)?,
                );
            }
            Ok(())
        }
        Parts::Classifier => {
            let vision = part(fields, "vision_config", "vision_config_dict")?;
            let hidden = vision_tower(b, &vision, kind)?;
            b.linear("classifier", Role::Head, labels(fields)?, hidden, true);
            Ok(())
        }
    }
}

fn parts(fields: &Fields<'_>, model_type: &str) -> Result<Parts> {
    let class = class(fields)?;
    let ends = |end: &str| class.is_some_and(|class| class.ends_with(end));
    Ok(if ends("ForImageClassification") {
        Parts::Classifier
    } else if ends("TextModelWithProjection") {
        Parts::Text { projected: true }
    } else if ends("VisionModelWithProjection") {
        Parts::Vision { projected: true }
    } else if ends("TextModel") || (class.is_none() && model_type.ends_with("_text_model")) {
        Parts::Text { projected: false }
    } else if ends("VisionModel") || (class.is_none() && model_type.ends_with("_vision_model")) {
        Parts::Vision { projected: false }
    } else if model_type.ends_with("_model") {
        return Err(fields.error(
            "architectures",
            format!(
                "{} is not known as a tower that stands alone",
                class.unwrap_or("none")
            ),
        ));
    } else {
        Parts::Both
    })
}

/// The fields of a tower: the whole config where the tower stands alone. Old configs of CLIP give it twice, and the
/// object ending in `_dict` wins.
fn part<'c>(fields: &Fields<'c>, name: &'c str, dict: &'c str) -> Result<Fields<'c>> {
    // What the other says is of no account.
    fields.pass_over(name);
    for name in [dict, name] {
        if let Some(object) = fields.opt_object(name)? {
            return Ok(object);
        }
    }
    Ok(*fields)
}

fn both(b: &mut Builder, fields: &Fields<'_>, kind: Kind) -> Result<()> {
    let text = part(fields, "text_config", "text_config_dict")?;
    let vision = part(fields, "vision_config", "vision_config_dict")?;
    let text_hidden = text_tower(b, &text, kind)?;
    let vision_hidden = vision_tower(b, &vision, kind)?;
    if kind == Kind::Clip {
        let shared = fields.size_or("projection_dim", 512)?;
        projection(b, "visual_projection", vision_hidden, shared);
        projection(b, "text_projection", text_hidden, shared);
        b.tensor("logit_scale", Role::Head, &[]);
    } else {
        b.tensor("logit_scale", Role::Head, &[1]);
        b.tensor("logit_bias", Role::Head, &[1]);
    }
    Ok(())
}

fn projection(b: &mut Builder, name: &str, hidden: u64, shared: u64) {
    b.linear(name, Role::Projector, shared, hidden, false);
}

fn vision_tower(b: &mut Builder, fields: &Fields<'_>, kind: Kind) -> Result<u64> {
    b.scope("vision_model.", |b| match kind {
        Kind::Clip => clip(b, fields),
        Kind::Siglip => siglip(b, fields, true),
        Kind::Siglip2 => siglip2(b, fields, true),
    })
}

fn text_tower(b: &mut Builder, fields: &Fields<'_>, kind: Kind) -> Result<u64> {
    let (default, vocabulary, positions) = if kind == Kind::Clip {
        let default = Encoder {
            hidden: 512,
            width: 2048,
            layers: 12,
            heads: 8,
        };
        (default, 49408, 77)
    } else {
        let default = Encoder {
            hidden: 768,
            width: 3072,
            layers: 12,
            heads: 12,
        };
        (default, 32000, 64)
    };
    let encoder = Encoder::read(fields, default)?;
    let hidden = encoder.hidden;
    let vocabulary = fields.size_or("vocab_size", vocabulary)?;
    let positions = fields.size_or("max_position_embeddings", positions)?;
    b.scope("text_model.", |b| {
        b.embedding(
            "embeddings.token_embedding",
            Role::Embedding,
            vocabulary,
            hidden,
        );
        b.embedding(
            "embeddings.position_embedding",
            Role::Position,
            positions,
            hidden,
        );
        encoder.add(b, fields, Stack::Encoder)?;
        b.norm("final_layer_norm", hidden, true);
        if kind != Kind::Clip {
            let size =
                fields.size_from("projection_size", hidden, "not in the config: hidden_size")?;
            b.linear("head", Role::Projector, size, hidden, true);
        }
        Ok(hidden)
    })
}
