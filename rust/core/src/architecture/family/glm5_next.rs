//! GLM-5.3-Flash: Kimi delta attention in most layers, latent attention with an indexer over pools of tokens in the
//! others, experts, residual streams that are mixed, and a vision tower.
//!
//! Source: transformers `models/glm5_next`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{Gate, KimiDelta};
use crate::architecture::feed_forward::{Experts, GATED, dense, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mla::{Defaults, Indexer, Latent, own_indexers};
use crate::architecture::place::{Place, Top};
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::architecture::template::Numbers;
use crate::architecture::vision::sides;
use crate::checkpoint::Role;

/// GLM-5.3-Flash.
pub const FAMILY: Family = Family {
    name: "glm5-next",
    model_types: &["glm5_next", "glm5_next_text"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: Some(1536),
    rank: 512,
    rope_dim: 0,
    nope_dim: 256,
    value_dim: Some(256),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 288,
    chosen: 8,
    width: 2048,
    shared: 1,
    dense: 3,
};

/// In what layers differ.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    mixing: Mixing,
    sparse: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mixing {
    /// Kimi delta attention.
    Delta,
    /// Latent attention that picks tokens itself.
    Indexed,
    /// Latent attention to what an earlier layer has picked.
    Shared,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let Some(inner) = fields.opt_object("text_config")? else {
        return text(b, fields, &Place::whole(fields, "model.")?);
    };
    let top = Top::of(fields)?;
    let (model, visual) = match top {
        Top::None => ("language_model.", "visual."),
        _ => ("model.language_model.", "model.visual."),
    };
    let place = Place {
        model,
        head: "",
        top,
        tied: Some(fields.flag_or("tie_word_embeddings", false)?),
    };
    text(b, &inner, &place)?;
    let vision = fields.object("vision_config")?;
    b.scope(visual, |b| tower(b, &vision))
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let latent = Latent::read(fields, hidden, &LATENT)?;
    let rank = latent.query_rank.ok_or_else(|| {
        fields.error(
            "q_lora_rank",
            "is null, and the indexer reads compressed queries",
        )
    })?;
    let pool = fields.size_or("index_kpool", 16)?;
    let indexer = Indexer {
        ratio: pool,
        ..Indexer::read(fields, 32, 128, rank)?
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let nested = fields.opt_object("linear_attn_config")?;
    let size = |nested_name: &str, name: &str, default: u64| match &nested {
        Some(nested) if nested.has(nested_name) => nested.size(nested_name),
        _ => fields.size_or(name, default),
    };
    let delta = KimiDelta {
        hidden,
        heads: size("num_heads", "linear_num_heads", 64)?,
        head_dim: size("head_dim", "linear_head_dim", 128)?,
        kernel: size("short_conv_kernel_size", "linear_conv_kernel_dim", 4)?,
        forget: Gate::LowRank,
        gate: Gate::LowRank,
        wide_decay: false,
        output: "o_proj",
        role: Role::Attention,
    };
    let streams = fields.size_or("hc_mult", 4)?;
    let width = fields.size("intermediate_size")?;
    let moe = Experts {
        correction: Some("gate.e_score_correction_bias"),
        ..experts(fields, hidden, &EXPERTS)?
    };
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    let plans = mixings(fields, layers)?
        .into_iter()
        .zip(sparse)
        .map(|(mixing, sparse)| Plan { mixing, sparse });
    frame.add(b, fields, place, plans, |b, plan| {
        b.scope("self_attn.", |b| match plan.mixing {
            Mixing::Delta => delta.add(b),
            Mixing::Shared => latent.add(b),
            Mixing::Indexed => {
                Latent {
                    indexer: Some(indexer),
                    ..latent.clone()
                }
                .add(b);
                b.scope("indexer.index_kpool_compress_", |b| {
                    b.tensor("ape", Role::Attention, &[pool, indexer.dim]);
                    b.tensor("gate", Role::Attention, &[indexer.dim, hidden]);
                });
            }
        });
        if plan.sparse {
            b.scope("mlp.", |b| moe.add(b));
        } else {
            dense(b, "mlp.", hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        // What each stream gives, what it takes, and how they mix.
        let mixes = streams * (streams + 2);
        for part in ["hc_attn_", "hc_ffn_"] {
            b.scope(part, |b| {
                b.tensor("fn", Role::Norm, &[mixes, streams * hidden]);
                b.tensor("base", Role::Norm, &[mixes]);
                b.tensor("scale", Role::Norm, &[3]);
            });
        }
        Ok(())
    })?;
    prediction::left_out(fields)
}

fn mixings(fields: &Fields<'_>, layers: u64) -> Result<Vec<Mixing>> {
    let own = own_indexers(fields, layers)?;
    let picks = |own: bool| if own { Mixing::Indexed } else { Mixing::Shared };
    let name = "layer_types";
    let Some(types) = fields.opt_layer_texts(name, layers)? else {
        let kind = |(layer, own): (u64, bool)| {
            if layer % 4 == 3 {
                picks(own)
            } else {
                Mixing::Delta
            }
        };
        return Ok((0..layers).zip(own).map(kind).collect());
    };
    types
        .into_iter()
        .zip(own)
        .map(|(kind, own)| match kind {
            "linear_attention" => Ok(Mixing::Delta),
            "indexed_attention" | "full_attention" => Ok(picks(own)),
            other => {
                let message = format!("{other:?} is not a kind of layer this family has");
                Err(fields.error(name, message))
            }
        })
        .collect()
}

/// Adds the vision tower and what merges its patches.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let depth = fields.repeats_or("depth|num_hidden_layers", 24)?;
    let heads = fields.size_or("num_heads|num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
    let width = fields.size_or("intermediate_size", 4096)?;
    let bias = fields.flag_or("attention_bias", true)?;
    let channels = fields.size_or("in_channels|num_channels", 3)?;
    let (height, across) = sides(fields, "patch_size", 14)?;
    let frames = fields.size_or("temporal_patch_size", 2)?;
    let merge = fields.size_or("spatial_merge_size", 2)?;
    let out = fields.size_or("out_hidden_size", 1536)?;
    let projected = fields.size_or("projection_intermediate_size", 10240)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        let patch = [hidden, channels, frames, height, across];
        b.weight_and_bias("patch_embed.proj", role, &patch, hidden, true);
        let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "blocks", &numbers, |b| {
            b.scope("attn.", |b| {
                b.linear("qkv", role, 3 * hidden, hidden, bias);
                b.linear("proj", role, hidden, hidden, bias);
                b.norm("q_norm", head_dim, false);
                b.norm("k_norm", head_dim, false);
            });
            b.scope("mlp.", |b| gated(b, GATED, role, hidden, width, bias));
            b.feed_forward(FeedForward::Dense { width });
            b.norm("norm1", hidden, false);
            b.norm("norm2", hidden, false);
        });
        b.norm("post_layernorm", hidden, false);
        b.weight_and_bias("downsample", role, &[out, hidden, merge, merge], out, true);
    });
    b.all_as(Role::Projector, |b| {
        b.scope("merger.", |b| {
            b.linear("proj", Role::Projector, out, out, false);
            b.norm("post_projection_norm", out, true);
            gated(b, GATED, Role::Projector, out, projected, false);
        });
    });
    Ok(())
}
