//! The tower of Idefics from the second version on, which others took over: SigLIP's without a head.
//!
//! Source: transformers `models/idefics2`, `models/idefics3` and `models/smolvlm`.

use super::Patches;
use super::clip::Encoder;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::checkpoint::Role;

/// What the class of the second version takes where the config gives no size.
pub const SECOND: Encoder = Encoder {
    hidden: 768,
    width: 3072,
    layers: 12,
    heads: 12,
};

/// The same of the third version and of SmolVLM.
pub const THIRD: Encoder = Encoder {
    hidden: 1152,
    heads: 16,
    ..SECOND
};

/// Adds the tower, as what `vision_model.` holds, and returns its width. The sides of image and patch are those of the
/// tower's class.
///
/// # Errors
/// If a field is wrong.
pub fn idefics(
    b: &mut Builder,
    fields: &Fields<'_>,
    default: Encoder,
    image: u64,
    patch: u64,
) -> Result<u64> {
    let encoder = Encoder::read(fields, default)?;
    let hidden = encoder.hidden;
    let patches = Patches::read(fields, image, patch)?;
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            patches.convolution(b, "patch_embedding", hidden, true);
            b.embedding("position_embedding", Role::Vision, patches.count, hidden);
        });
        encoder.add(b, fields, Stack::Vision)?;
        b.norm("post_layernorm", hidden, true);
        Ok(hidden)
    })
}
