//! PaddleOCR-VL: a text model of ERNIE 4.5 behind a SigLIP with rotary positions.
//!
//! Source: transformers `models/paddleocr_vl`. The published file holds two parts that its code never uses, a table of
//! packed positions and the pooling head of SigLIP (`modeling_paddleocr_vl.py` beside it); transformers drops both.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::place::saved_by;
use crate::architecture::vision::Patches;
use crate::architecture::vision::clip::{Encoder, pooling_head};
use crate::checkpoint::Role;

/// PaddleOCR-VL.
pub const FAMILY: Family = Family {
    name: "paddleocr-vl",
    model_types: &["paddleocr_vl"],
    lower,
    text: None,
};

/// Rows of the table that is stored and not used.
const PACKED: u64 = 32_768;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["PaddleOCRVLForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        flat: true,
        tied: if fields.has("tie_word_embeddings") {
            Tied::Either
        } else {
            Tied::Outer(true)
        },
        ..Language::new("paddleocr_vl_text", "model.", true)
    };
    let text = language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", 1024)?;
    let published = saved_by(fields)?.is_none_or(|major| major < 5);
    let seen = b.scope("visual.vision_model.", |b| tower(b, &vision, published))?;
    let merge = vision.size_or("spatial_merge_size", 2)?;
    // Three sizes of at most 2^21.
    let merged = seen * merge * merge;
    b.scope("mlp_AR.", |b| {
        b.all_as(Role::Projector, |b| {
            b.norm("pre_norm", seen, true);
            let projector = Projector {
                inputs: merged,
                inner: merged,
                outputs: hidden,
                bias: true,
            };
            projector.add(b, ["linear_1", "linear_2"]);
        });
    });
    Ok(())
}

fn tower(b: &mut Builder, fields: &Fields<'_>, published: bool) -> Result<u64> {
    let encoder = Encoder::read(
        fields,
        Encoder {
            hidden: 1152,
            width: 4304,
            layers: 27,
            heads: 16,
        },
    )?;
    let hidden = encoder.hidden;
    let patches = Patches::read(fields, 384, 14)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embedding", hidden, true);
            b.embedding("position_embedding", role, patches.count, hidden);
            if published {
                b.embedding("packing_position_embedding", role, PACKED, hidden);
            }
        });
        encoder.add(b, fields, Stack::Vision)?;
        b.norm("post_layernorm", hidden, true);
        if published {
            pooling_head(b, hidden, encoder.width);
        }
        Ok(hidden)
    })
}
