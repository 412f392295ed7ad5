//! Granite 4 Vision: small Q-Formers over windows of patches, one for each layer of the tower that is looked at and four
//! for places, whose output is added to the stream at different layers of the language model.
//!
//! Source: transformers `models/granite4_vision`.

use super::Family;
use super::blip2::Former;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::architecture::vision::tower::tower;
use crate::checkpoint::Role;

/// Granite 4 Vision.
pub const FAMILY: Family = Family {
    name: "granite-vision",
    model_types: &["granite4_vision"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Granite4VisionForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let own = fields.object("qformer_config")?;
    let language = Language {
        tied: Tied::OuterOrInner,
        ..Language::new("granite4_vision_text", "model.language_model.", false)
    };
    let hidden = language.add(b, fields)?.size_or("hidden_size", 4096)?;
    let (queries, window) = sides(fields)?;
    let layers = match fields.opt_list("deepstack_layer_map")? {
        Some(list) if list.len() <= 1024 => u32::try_from(list.len()).unwrap_or(u32::MAX),
        Some(_) => return Err(fields.error("deepstack_layer_map", "is longer than any model's")),
        None => {
            return Err(fields.error(
                "deepstack_layer_map",
                "is missing, and the number of projectors depends on it",
            ));
        }
    };
    let role = Role::Projector;
    b.scope("model.", |b| {
        let seen = b.scope("vision_tower.", |b| tower(b, &vision, "clip_vision_model"))?;
        b.tensor("image_newline", role, &[hidden]);
        // The class takes these three from the tower, whatever the config says.
        let former = Former {
            hidden: seen,
            heads: (seen / 64).max(1),
            ..Former::read(&own)?
        };
        for (name, numbers) in [
            ("layerwise_projectors", Numbers::Below(layers)),
            ("spatial_projectors", Numbers::Below(4)),
        ] {
            b.each(name, numbers, |b| {
                b.all_as(role, |b| -> Result<()> {
                    b.tensor("query", role, &[1, queries * queries, seen]);
                    b.tensor("image_positions", role, &[1, window * window, seen]);
                    b.norm("norm", seen, true);
                    b.linear("out_linear", role, hidden, seen, true);
                    b.scope("qformer.", |b| {
                        b.norm("layernorm", seen, true);
                        former.add(b, &own, seen, window * window)
                    })
                })
            })?;
        }
        Ok(())
    })
}

/// The sides of the windows of queries and of patches: `4/8`.
fn sides(fields: &Fields<'_>) -> Result<(u64, u64)> {
    const NAME: &str = "downsample_rate";
    let stated = fields.opt_text(NAME)?.ok_or_else(|| {
        fields.error(NAME, "is missing, and the shapes of the model depend on it")
    })?;
    stated
        .split_once('/')
        .and_then(|(queries, window)| Some((queries.parse().ok()?, window.parse().ok()?)))
        .filter(|&(queries, window): &(u64, u64)| {
            (1..=1024).contains(&queries) && (1..=1024).contains(&window)
        })
        .ok_or_else(|| fields.error(NAME, format!("{stated:?} is no rate like \"4/8\"")))
}
