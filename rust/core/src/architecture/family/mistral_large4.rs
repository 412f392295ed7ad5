//! Mistral Large 4: latent attention without compressed queries, indexers that layers may share, layers without
//! rotary positions, experts, and the tower of Pixtral.
//!
//! Source: transformers `models/mistral_large4`, whose `conversion_mapping.py` gives the published names.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{Experts, Layout, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mla::{Defaults, Indexer, Latent, LatentNames, own_indexers};
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::architecture::template::Numbers;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;
use serde_json::Value;

/// Mistral Large 4.
pub const FAMILY: Family = Family {
    name: "mistral-large4",
    model_types: &["mistral_large4"],
    lower,
    text: None,
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: None,
    rank: 512,
    rope_dim: 64,
    nope_dim: 64,
    value_dim: Some(128),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 128,
    chosen: 4,
    width: 6144,
    shared: 1,
    dense: 1,
};

/// Gate, up and down projection.
const NETWORK: [&str; 3] = ["w1", "w3", "w2"];

/// In what layers differ.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    rotary: bool,
    indexer: bool,
    sparse: bool,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let text = fields.object("text_config")?;
    let hidden = text_model(b, &text)?;
    let vocabulary = text.size("vocab_size")?;
    if !fields.flag_or("tie_word_embeddings", false)? {
        b.linear("output", Role::Head, vocabulary, hidden, false);
    }
    let vision = fields.object("vision_config")?;
    let seen = b.scope("vision_encoder.", |b| tower(b, &vision))?;
    projector(b, fields, hidden, seen)
}

/// Adds the text model but for its head, and returns its width.
fn text_model(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size("hidden_size")?;
    let vocabulary = fields.size("vocab_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let latent = Latent {
        names: LatentNames {
            query: "wq",
            down: "wkv_a_with_mqa",
            norm: "kv_a_norm",
            up: "wkv_b",
            output: "wo",
        },
        // The class has no compressed queries, whatever the config says.
        query_rank: None,
        ..Latent::read(fields, hidden, &LATENT)?
    };
    let indexer = Indexer::read(fields, 32, 128, hidden)?;
    let width = fields.size("intermediate_size")?;
    let moe = Experts {
        layout: Layout::Each(NETWORK),
        shared_names: NETWORK,
        ..experts(fields, hidden, &EXPERTS)?
    };
    b.embedding("tok_embeddings", Role::Embedding, vocabulary, hidden);
    b.buffer("lerope.alpha", Role::Position, &[latent.rope_dim / 2]);
    for (plan, numbers) in group(plans(fields, layers)?) {
        b.layers(Stack::Decoder, "layers", &numbers, |b| {
            b.scope("attention.", |b| attention(b, &latent, &indexer, plan));
            if plan.sparse {
                moe.add(b);
            } else {
                b.scope("feed_forward.", |b| {
                    gated(b, NETWORK, Role::Mlp, hidden, width, false);
                });
                b.feed_forward(FeedForward::Dense { width });
            }
            b.norm("attention_norm", hidden, false);
            b.norm("ffn_norm", hidden, false);
        });
    }
    b.norm("norm", hidden, false);
    Ok(hidden)
}

fn plans(fields: &Fields<'_>, layers: u64) -> Result<Vec<Plan>> {
    if let Some(sources) = fields.opt_counts("kv_source_layers")? {
        let own = sources
            .iter()
            .zip(0_u64..)
            .all(|(&source, layer)| source == layer);
        if !own {
            let message = "layers that use the keys and values of others are not known";
            return Err(fields.error("kv_source_layers", message));
        }
    }
    let rotary = match fields.opt_counts("no_rope_layers")? {
        Some(rotary) if rotary.len() as u64 >= layers => rotary,
        Some(rotary) => {
            let message = format!("has {} items for {layers} layers", rotary.len());
            return Err(fields.error("no_rope_layers", message));
        }
        None => {
            let period = fields.opt_size("no_rope_layer_interval")?.unwrap_or(4);
            (1..=layers)
                .map(|layer| u64::from(!layer.is_multiple_of(period)))
                .collect()
        }
    };
    let own = own_indexers(fields, layers)?;
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    Ok(rotary
        .into_iter()
        .zip(own)
        .zip(sparse)
        .map(|((rotary, indexer), sparse)| Plan {
            rotary: rotary > 0,
            indexer,
            sparse,
        })
        .collect())
}

fn attention(b: &mut Builder, latent: &Latent<'_>, indexer: &Indexer, plan: Plan) {
    let mut latent = latent.clone();
    if !plan.rotary {
        latent.nope_dim += latent.rope_dim;
        latent.rope_dim = 0;
    }
    latent.indexer = plan.indexer.then_some(*indexer);
    latent.add(b);
    // A scale of the softmax per head that grows with the context.
    let scaling = |b: &mut Builder, heads: u64| {
        b.tensor("ssmax_scaling.s", Role::Attention, &[heads]);
        b.tensor("ssmax_scaling.b", Role::Attention, &[heads]);
    };
    scaling(b, latent.heads);
    if plan.indexer {
        b.scope("indexer.", |b| {
            b.norm("q_input_norm", latent.hidden, true);
            scaling(b, indexer.heads);
        });
    }
}

/// Adds the tower under the names of Mistral's own files, and returns its width. The defaults are those that the
/// config class gives to its tower.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 2048)?;
    let width = fields.size_or("intermediate_size", 6144)?;
    let layers = fields.repeats_or("num_hidden_layers", 30)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let channels = fields.size_or("num_channels", 3)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    b.all_as(Role::Vision, |b| {
        let patch = [hidden, channels, height, across];
        b.tensor("patch_conv.weight", Role::Vision, &patch);
        b.norm("ln_pre", hidden, false);
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "transformer.layers", &numbers, |b| {
            b.scope("attention.", |b| {
                let names = ["wq", "wk", "wv", "wo"];
                Attention::of_heads(names, hidden, heads, head_dim, false).add(b);
            });
            b.norm("attention_norm", hidden, false);
            b.scope("feed_forward.", |b| {
                gated(b, NETWORK, Role::Vision, hidden, width, false);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("ffn_norm", hidden, false);
        });
    });
    Ok(hidden)
}

/// What stands between the tower, of width `seen`, and the text model, of width `hidden`.
fn projector(b: &mut Builder, fields: &Fields<'_>, hidden: u64, seen: u64) -> Result<()> {
    // Features of several layers of the tower come side by side.
    let features = match fields.value("vision_feature_layer") {
        Some(Value::Array(layers)) => layers.len() as u64,
        _ => 1,
    };
    let merge = fields.size_or("spatial_merge_size", 2)?;
    let bias = fields.flag_or("multimodal_projector_bias", false)?;
    let merged = merge
        .checked_mul(merge)
        .and_then(|cells| cells.checked_mul(seen));
    let merged =
        merged.ok_or_else(|| fields.error("spatial_merge_size", "is larger than any model's"))?;
    b.all_as(Role::Projector, |b| {
        b.norm("pre_mm_projector_norm", seen, false);
        b.linear(
            "patch_merger.merging_layer",
            Role::Projector,
            seen,
            merged,
            false,
        );
        b.scope("vision_language_adapter.", |b| {
            b.linear("w_in", Role::Projector, hidden, seen * features, bias);
            b.linear("w_out", Role::Projector, hidden, hidden, bias);
        });
    });
    Ok(())
}
