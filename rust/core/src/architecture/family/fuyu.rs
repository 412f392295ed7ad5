//! Fuyu: a Persimmon that takes patches of images through one matrix, without a tower.
//!
//! Source: transformers `models/fuyu`. The published config is flat: the fields of the text model are those of the
//! whole.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::checkpoint::Role;

/// Fuyu.
pub const FAMILY: Family = Family {
    name: "fuyu",
    model_types: &["fuyu"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["FuyuForCausalLM"])?;
    let side = fields.size_or("patch_size", 30)?;
    let channels = fields.size_or("num_channels", 3)?;
    let Some(pixels) = side
        .checked_mul(side)
        .and_then(|pixels| pixels.checked_mul(channels))
    else {
        return Err(fields.error("patch_size", "is larger than any model's"));
    };
    let language = Language {
        flat: true,
        ..Language::whole("persimmon", Tied::OuterOrInner)
    };
    let text = language.add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    b.linear("vision_embed_tokens", Role::Vision, hidden, pixels, true);
    Ok(())
}
