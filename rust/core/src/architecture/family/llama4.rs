//! Llama 4: chunked attention in most layers, a shared expert beside the routed ones in some or all, and a tower.
//!
//! Source: transformers `models/llama4`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::place::Place;
use crate::architecture::vision;
use crate::checkpoint::Role;

/// Llama 4.
pub const FAMILY: Family = Family {
    name: "llama4",
    model_types: &["llama4", "llama4_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.opt_text("model_type")? != Some("llama4") {
        return text(b, fields, &Place::whole(fields, "model.")?);
    }
    known_class(fields, &["Llama4ForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let inner = Language::whole("llama4_text", Tied::OuterOrInner).add(b, fields)?;
    let hidden = inner.size("hidden_size")?;
    let seen = b.scope("vision_model.", |b| vision::llama::llama4(b, &vision))?;
    let role = Role::Projector;
    b.linear("multi_modal_projector.linear_1", role, hidden, seen, false);
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(128), Some(8))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    // This norm of heads has no parameters.
    fields.pass_over("use_qk_norm");
    let width = fields.size("intermediate_size")?;
    let experts = Experts {
        router: "router",
        layout: Layout::FusedTransposed(["gate_up_proj", "down_proj"]),
        shared: Some((width, "shared_expert.")),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts", 16)?,
            fields.size_or("num_experts_per_tok", 1)?,
            width,
        )
    };
    let mixture = Mixture {
        experts_prefix: "feed_forward.",
        dense_prefix: "feed_forward.",
        ..Mixture::new(
            attention,
            experts,
            Some(fields.size_or("intermediate_size_mlp", 16384)?),
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = reaches(fields, layers)?
        .into_iter()
        .zip(sparse(fields, layers)?);
    mixture.add(b, fields, place, &frame, plans)
}

/// Layers with rotary positions are chunked, those without see everything; published configs have an empty
/// `no_rope_layers`, which stands for every fourth.
fn reaches(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    let chunked = Reach::Chunked(fields.size_or("attention_chunk_size", 8192)?);
    if let Some(types) = fields.opt_layer_texts("layer_types", layers)? {
        return types
            .into_iter()
            .map(|kind| match kind {
                "chunked_attention" => Ok(chunked),
                "full_attention" => Ok(Reach::Full),
                other => Err(fields.error(
                    "layer_types",
                    format!("{other:?} is not a kind of attention this family has"),
                )),
            })
            .collect();
    }
    let of = |rope: bool| if rope { chunked } else { Reach::Full };
    match fields.opt_counts("no_rope_layers")? {
        Some(rope) if !rope.is_empty() => {
            let count = usize::try_from(layers).unwrap_or(usize::MAX);
            if rope.len() < count {
                return Err(fields.error(
                    "no_rope_layers",
                    format!("has {} items for {layers} layers", rope.len()),
                ));
            }
            Ok(rope
                .into_iter()
                .take(count)
                .map(|rope| of(rope != 0))
                .collect())
        }
        _ => {
            let interval = fields.size_or("no_rope_layer_interval", 4)?;
            Ok((1..=layers)
                .map(|number| of(!number.is_multiple_of(interval)))
                .collect())
        }
    }
}

/// Which layers have experts: those listed, or every so many.
fn sparse(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    let listed = fields.opt_counts("moe_layers")?;
    let step = fields.size_or("interleave_moe_layer_step", 1)?;
    Ok((0..layers)
        .map(|layer| match &listed {
            Some(listed) => listed.contains(&layer),
            None => (layer + 1).is_multiple_of(step),
        })
        .collect())
}
