//! pi0: a `PaliGemma` that sees and reads, and a Gemma that moves a robot by attending to what the first one keeps.
//!
//! Source: transformers `models/pi0`, whose `conversion_mapping.py` gives the published names. The second Gemma has no
//! embedding, but the unused table of one is stored as its head.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense};
use crate::architecture::layer::{Reach, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::architecture::vision::tower::tower;
use crate::checkpoint::Role;

/// pi0.
pub const FAMILY: Family = Family {
    name: "pi0",
    model_types: &["pi0"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["PI0ForConditionalGeneration"])?;
    let seeing = fields.object("vlm_config")?;
    if let Some(other) = seeing.opt_text("model_type")?
        && other != "paligemma"
    {
        return Err(seeing.error("model_type", format!("{other:?} is not PaliGemma")));
    }
    let text = seeing.object("text_config")?;
    let vision = seeing.object("vision_config")?;
    let moving = fields.object("dit_config")?;
    let place = |model| Place {
        model,
        head: "",
        top: Top::None,
        tied: None,
    };
    let prefix = "paligemma_with_expert.paligemma.model.";
    let model = format!("{prefix}language_model.model.");
    super::text(b, &text, "gemma", &place(&model))?;
    let outputs = seeing.size_or("projection_dim", 2048)?;
    b.scope(prefix, |b| -> Result<()> {
        let seen = b.scope("vision_tower.", |b| {
            tower(b, &vision, "siglip_vision_model")
        })?;
        let name = "multi_modal_projector.linear";
        b.linear(name, Role::Projector, outputs, seen, true);
        Ok(())
    })?;
    let vocabulary = text.size_or("vocab_size", 256_000)?;
    let hidden = b.scope("paligemma_with_expert.gemma_expert.", |b| {
        expert(b, &moving, vocabulary)
    })?;
    let actions = fields.size_or("max_action_dim", 32)?;
    let states = fields.size_or("max_state_dim", 32)?;
    let role = Role::Projector;
    b.linear("action_in_proj", role, hidden, actions, true);
    b.linear("state_proj", role, hidden, states, true);
    b.linear("action_time_mlp_in", role, hidden, 2 * hidden, true);
    b.linear("action_time_mlp_out", role, hidden, hidden, true);
    b.linear("action_out_proj", Role::Head, actions, hidden, true);
    Ok(())
}

/// Adds the second Gemma and returns its width. It keeps nothing of its own: all actions are made at once.
fn expert(b: &mut Builder, fields: &Fields<'_>, vocabulary: u64) -> Result<u64> {
    const GEMMA: Defaults = Defaults::new(256_000, 3072, 24_576, 28, 16).kv(16).dim(256);
    if let Some(other) = fields.opt_text("model_type")?
        && other != "gemma"
    {
        return Err(fields.error("model_type", format!("{other:?} is not Gemma")));
    }
    let mut model = Dense::read(fields, &GEMMA)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    let hidden = model.frame.hidden;
    b.embedding("lm_head", Role::Head, vocabulary, hidden);
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(model.layers).unwrap_or(u32::MAX));
    b.scope("model.", |b| {
        b.layers(Stack::Other, "layers", &numbers, |b| {
            model.add_attention(b, Reach::Full);
            model.add_network(b);
            model.add_norms(b);
        });
        b.norm("norm", hidden, false);
    });
    Ok(hidden)
}
