//! Idefics from the second version on, SmolVLM, and Granite for documents: a tower, a connector, and a text model under
//! `model.text_model.`.
//!
//! Source: transformers `models/idefics2`, `models/idefics3`, `models/smolvlm` and `models/granite_docling`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class, width};
use crate::architecture::template::Numbers;
use crate::architecture::vision::idefics::{SECOND, THIRD, idefics};
use crate::checkpoint::Role;

/// Idefics from the second version on.
pub const FAMILY: Family = Family {
    name: "idefics2",
    model_types: &["granite_docling", "idefics2", "idefics3", "smolvlm"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kind = fields.opt_text("model_type")?.unwrap_or_default();
    let (class, default) = match kind {
        "granite_docling" => (
            "GraniteDoclingForConditionalGeneration",
            "granite_docling_text",
        ),
        "idefics2" => ("Idefics2ForConditionalGeneration", "mistral"),
        "smolvlm" => ("SmolVLMForConditionalGeneration", "llama"),
        _ => ("Idefics3ForConditionalGeneration", "llama"),
    };
    known_class(fields, &[class])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new(default, "model.text_model.", false)
    };
    let text = language.add(b, fields)?;
    b.scope("model.", |b| match kind {
        "granite_docling" => docling(b, fields, &vision),
        "idefics2" => {
            let hidden = width(&text, default)?;
            let seen = b.scope("vision_model.", |b| idefics(b, &vision, SECOND, 224, 32))?;
            b.scope("connector.", |b| {
                let inner = match text.opt_text("model_type")? {
                    Some("mistral") => text.size_or("intermediate_size", 14_336)?,
                    _ => text.size("intermediate_size")?,
                };
                let role = Role::Projector;
                b.scope("modality_projection.", |b| {
                    b.linear("gate_proj", role, inner, seen, false);
                    b.linear("up_proj", role, inner, seen, false);
                    b.linear("down_proj", role, hidden, inner, false);
                });
                b.scope("perceiver_resampler.", |b| {
                    b.all_as(role, |b| perceiver(b, fields, hidden))
                })
            })
        }
        _ => {
            let hidden = match text.opt_text("model_type")? {
                Some("granite_docling_text") => text.size_or("hidden_size", 1024)?,
                _ => width(&text, default)?,
            };
            let seen = b.scope("vision_model.", |b| idefics(b, &vision, THIRD, 224, 32))?;
            let inputs = merged(fields, "scale_factor", 2, seen)?;
            let name = "connector.modality_projection.proj";
            b.linear(name, Role::Projector, hidden, inputs, false);
            Ok(())
        }
    })
}

/// The width of a square of neighbouring patches side by side.
pub fn merged(fields: &Fields<'_>, name: &str, default: u64, seen: u64) -> Result<u64> {
    let side = fields.size_or(name, default)?;
    if side > 256 {
        return Err(fields.error(name, format!("{side} is larger than any model's")));
    }
    Ok(seen * side * side)
}

/// Adds the resampler of Idefics 2: learned queries that attend to the patches and to themselves.
fn perceiver(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let own = fields.opt_object("perceiver_config")?;
    if own.is_none() {
        let reason = "not in the config; the defaults of its class";
        fields.assume("perceiver_config", "none", reason);
    }
    let read = |name: &str, default: u64| match &own {
        Some(own) => own.size_or(name, default),
        None => Ok(default),
    };
    let queries = read("resampler_n_latents", 64)?;
    let layers = own
        .as_ref()
        .map_or(Ok(3), |own| own.repeats_or("resampler_depth", 3))?;
    let heads = read("resampler_n_heads", 16)?;
    let head_dim = read("resampler_head_dim", 96)?;
    let kv_heads = read("num_key_value_heads", 4)?;
    fields.divide("resampler_n_heads", heads, "num_key_value_heads", kv_heads)?;
    let role = Role::Projector;
    b.tensor("latents", role, &[queries, hidden]);
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Other, "layers", &numbers, |b| {
        for norm in [
            "input_latents_norm",
            "input_context_norm",
            "post_attention_layernorm",
        ] {
            b.norm(norm, hidden, false);
        }
        b.scope("self_attn.", |b| {
            let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
            Attention {
                kv_heads,
                ..Attention::of_heads(names, hidden, heads, head_dim, false)
            }
            .add(b);
        });
        let width = 4 * hidden;
        b.scope("mlp.", |b| gated(b, GATED, role, hidden, width, false));
        b.feed_forward(FeedForward::Dense { width });
    });
    b.norm("norm", hidden, false);
    Ok(())
}

/// Adds the tower of Granite for documents, whose connector has a coarse and a fine way and takes what deeper layers
/// see beside it, and the router between the two ways.
fn docling(b: &mut Builder, fields: &Fields<'_>, vision: &Fields<'_>) -> Result<()> {
    let seen = b.scope("vision_model.", |b| idefics(b, vision, SECOND, 512, 16))?;
    let hidden = vision.size_or("out_hidden_size", 1024)?;
    let factor = vision.size_or("scale_factor", 4)?;
    let coarse = merged(vision, "scale_factor", 4, seen)?;
    let half = factor / 2;
    let fine = vision
        .flag_or("use_fine_route", true)?
        .then_some(half * half * seen)
        .filter(|&width| width > 0);
    let deep = match vision.opt_list("deepstack_visual_indexes")? {
        Some(layers) if layers.len() <= 1024 => u32::try_from(layers.len()).unwrap_or(u32::MAX),
        Some(_) => {
            return Err(vision.error("deepstack_visual_indexes", "is longer than any model's"));
        }
        None => 3,
    };
    let role = Role::Projector;
    b.scope("vision_model.connector.", |b| {
        b.all_as(role, |b| {
            b.norm("ln_in", seen, true);
            for (name, inputs) in [("coarse.", Some(coarse)), ("fine.", fine)] {
                let Some(inputs) = inputs else { continue };
                b.scope(name, |b| {
                    b.linear("projection", role, hidden, inputs, false);
                    b.each("deepstack_mergers", Numbers::Below(deep), |b| {
                        b.norm("layer_norm", inputs, true);
                        b.linear("linear_1", role, hidden, inputs, true);
                        b.linear("linear_2", role, hidden, hidden, true);
                    });
                });
            }
            b.norm("ln_mid", hidden, true);
            b.linear("mlp_fc2", role, hidden, hidden, false);
            b.norm("ln_out", hidden, true);
        });
    });
    if let Some(inner) = fields.opt_size("density_router_hidden_size")? {
        b.scope("density_router.", |b| {
            b.all_as(Role::Router, |b| {
                b.linear("att", Role::Router, 1, seen, true);
                b.norm("norm", seen, true);
                b.linear("fc1", Role::Router, inner, seen, true);
                b.linear("fc2", Role::Router, 1, inner, true);
            });
        });
    }
    Ok(())
}
