//! InternVL: a language model of any make behind InternViT, in its own form (`internvl_chat`) and in that of
//! transformers; and Qianfan-OCR, which has the names of the former and the fields of the latter.
//!
//! Sources: `modeling_internvl_chat.py` beside the published checkpoints; transformers `models/internvl` and
//! `models/qianfan_ocr`, whose names for the language model are wrong.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::vision::intern::{own, transformers};
use crate::checkpoint::Role;

/// InternVL.
pub const FAMILY: Family = Family {
    name: "internvl",
    model_types: &["internvl", "internvl_chat", "qianfan_ocr"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let vision = fields.object("vision_config")?;
    match fields.opt_text("model_type")? {
        Some("internvl_chat") => {
            known_class(fields, &["InternVLChatModel"])?;
            let language = Language {
                object: "llm_config",
                ..Language::whole("internlm2", Tied::Inner)
            };
            let text = language.add(b, fields)?;
            let seen = b.scope("vision_model.", |b| own(b, &vision, false))?;
            numbered(b, fields, &text, seen)
        }
        Some("qianfan_ocr") => {
            known_class(fields, &["QianfanOCRForConditionalGeneration"])?;
            let text = Language::whole("qwen3", Tied::Outer(false)).add(b, fields)?;
            let seen = b.scope("vision_model.", |b| own(b, &vision, true))?;
            numbered(b, fields, &text, seen)
        }
        _ => {
            known_class(fields, &["InternVLForConditionalGeneration"])?;
            let text = Language::whole("qwen2", Tied::Outer(true)).add(b, fields)?;
            let seen = b.scope("vision_tower.", |b| transformers(b, &vision))?;
            let projector = projector(fields, &text, seen)?;
            b.scope("multi_modal_projector.", |b| {
                b.all_as(Role::Projector, |b| {
                    b.norm("layer_norm", projector.inputs, true);
                    projector.add(b, ["linear_1", "linear_2"]);
                });
            });
            Ok(())
        }
    }
}

fn numbered(b: &mut Builder, fields: &Fields<'_>, text: &Fields<'_>, seen: u64) -> Result<()> {
    let projector = projector(fields, text, seen)?;
    b.scope("mlp1.", |b| {
        b.all_as(Role::Projector, |b| {
            b.norm("0", projector.inputs, true);
            projector.add(b, ["1", "3"]);
        });
    });
    Ok(())
}

/// The projector takes as many neighbouring patches at once as the image is made smaller by.
fn projector(fields: &Fields<'_>, text: &Fields<'_>, seen: u64) -> Result<Projector> {
    const NAME: &str = "downsample_ratio";
    let ratio = fields.ratio_or(NAME, 0.5)?;
    let side = fields.scale(NAME, 1, 1.0 / ratio)?;
    let inputs = seen
        .checked_mul(side)
        .and_then(|inputs| inputs.checked_mul(side))
        .filter(|inputs| *inputs <= SIZE_LIMIT)
        .ok_or_else(|| fields.error(NAME, "is smaller than any model's"))?;
    let hidden = text.size("hidden_size")?;
    Ok(Projector {
        inputs,
        inner: hidden,
        outputs: hidden,
        bias: true,
    })
}
