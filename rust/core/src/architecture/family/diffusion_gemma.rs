//! `DiffusionGemma`: a Gemma 4 with experts that writes a block of tokens at once in several passes. What reads the
//! prompt and what writes share their weights but for one number per layer.
//!
//! Source: transformers `models/diffusion_gemma`.

use super::Family;
use super::gemma4_multimodal::{project, vision_tower};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// `DiffusionGemma`.
pub const FAMILY: Family = Family {
    name: "diffusion-gemma",
    model_types: &["diffusion_gemma"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["DiffusionGemmaForBlockDiffusion"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("diffusion_gemma_text", "model.decoder.", true)
    };
    let text = language.add(b, fields)?;
    if text.flag_or("attention_bias", false)? {
        return Err(text.error(
            "attention_bias",
            "is true, and biases of what reads the prompt are not known",
        ));
    }
    let hidden = text.size("hidden_size")?;
    let width = text.size("intermediate_size")?;
    if text.flag_or("attention_bias", false)? {
        let message = "is true, and biases are not among what the two stacks have in common";
        return Err(text.error("attention_bias", message));
    }
    let layers = text.repeats("num_hidden_layers")?;
    b.scope("model.decoder.self_conditioning.", |b| {
        gated(b, GATED, Role::Mlp, hidden, width, false);
        b.norm("pre_norm", hidden, false);
    });
    b.scope("model.encoder.", |b| {
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.each("language_model.layers", numbers, |b| {
            b.buffer("layer_scalar", Role::Norm, &[1]);
        });
        let seen = b.scope("vision_tower.", |b| {
            b.all_as(Role::Vision, |b| vision_tower(b, &vision))
        })?;
        project(b, "embed_vision", hidden, seen);
        Ok(())
    })
}
