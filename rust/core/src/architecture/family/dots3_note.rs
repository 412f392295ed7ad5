//! The text model of dots3-note: latent attention to all tokens with an indexer in some layers, and within a window,
//! with other sizes, in the rest.
//!
//! Source: transformers `models/dots3_note`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::layer::Reach;
use crate::architecture::mla::{Defaults, Indexer, Latent};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::checkpoint::Role;

/// dots3-note.
pub const FAMILY: Family = Family {
    name: "dots3-note",
    model_types: &["dots3_note_text"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: Some(1024),
    rank: 512,
    rope_dim: 64,
    nope_dim: 128,
    value_dim: Some(128),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 256,
    chosen: 8,
    width: 1536,
    shared: 1,
    dense: 1,
};

/// Which tokens a layer sees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Those its indexer picks.
    Indexed,
    /// All.
    Full,
    /// Those in the window.
    Sliding,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let latent = Latent::read(fields, hidden, &LATENT)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let window = fields.size_or("sliding_window|sliding_window_size", 512)?;
    let width = fields.size("intermediate_size")?;
    let mut moe = Experts {
        correction: Some("gate.e_score_correction_bias"),
        ..experts(fields, hidden, &EXPERTS)?
    };
    let shared = fields.repeats_or("n_shared_experts", EXPERTS.shared)?;
    let shared_width = fields.size_or(
        "moe_shared_expert_intermediate_size|shared_experts_intermediate_size",
        1536,
    )?;
    moe.shared = (shared > 0).then_some((shared * shared_width, "shared_experts."));
    let mut plans = Vec::new();
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    for (at, (kind, sparse)) in kinds(fields, layers)?.into_iter().zip(sparse).enumerate() {
        let own = match kind {
            Kind::Sliding => Latent {
                reach: Reach::Sliding(window),
                ..sliding(fields, &latent, at)?
            },
            Kind::Full => latent.clone(),
            Kind::Indexed => {
                let inputs = latent.query_rank.ok_or_else(|| {
                    fields.error(
                        "q_lora_rank",
                        "is null, and the indexer reads compressed queries",
                    )
                })?;
                Latent {
                    indexer: Some(Indexer::read(fields, 64, 128, inputs)?),
                    ..latent.clone()
                }
            }
        };
        plans.push((own, sparse));
    }
    frame.add(b, fields, place, plans, |b, (latent, sparse)| {
        b.scope("self_attn.", |b| {
            latent.add(b);
            b.norm("k_rope_only_layernorm", latent.rope_dim, false);
            b.linear("g_proj", Role::Attention, latent.heads, hidden, false);
        });
        if *sparse {
            b.scope("mlp.", |b| moe.add(b));
        } else {
            dense(b, "mlp.", hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })?;
    prediction::left_out(fields)
}

/// The kinds of all layers. Published configs say `full_attention` where layers have an indexer; those that
/// transformers has written have `per_layer_config`, and mean it.
fn kinds(fields: &Fields<'_>, layers: u64) -> Result<Vec<Kind>> {
    let stated = fields.opt_flag("use_dsa")?;
    let written = fields.has("per_layer_config");
    let all = if stated.unwrap_or(!written) {
        Kind::Indexed
    } else {
        Kind::Full
    };
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        let slides = fields.opt_flag("use_sliding_window")?.unwrap_or(true);
        let reason = "not in the config; the pattern of its model class";
        fields.assume("layer_types", "full in layers 0, 1, 5, 9 and so on", reason);
        let other = if stated == Some(false) {
            Kind::Full
        } else {
            Kind::Indexed
        };
        let kind = |layer: u64| {
            if !slides || layer < 2 || layer % 4 == 1 {
                other
            } else {
                Kind::Sliding
            }
        };
        return Ok((0..layers).map(kind).collect());
    };
    types
        .into_iter()
        .map(|kind| match kind {
            "sliding_attention" => Ok(Kind::Sliding),
            "full_attention" => Ok(all),
            "indexed_attention" if stated == Some(false) => Ok(Kind::Full),
            "indexed_attention" => Ok(Kind::Indexed),
            other => {
                let message = format!("{other:?} is not a kind of attention this family has");
                Err(fields.error("layer_types", message))
            }
        })
        .collect()
}

/// The attention of a layer with a window: what `per_layer_config` changes, or the fields that start with `swa_`.
fn sliding(fields: &Fields<'_>, latent: &Latent<'static>, at: usize) -> Result<Latent<'static>> {
    if let Some(all) = fields.opt_object("per_layer_config")? {
        let Some(own) = all.numbered(at).map(|name| all.object(name)).transpose()? else {
            return Ok(latent.clone());
        };
        let or = |name: &str, value: u64| Ok(own.opt_size(name)?.unwrap_or(value));
        return Ok(Latent {
            heads: or("num_attention_heads", latent.heads)?,
            query_rank: own.opt_size("q_lora_rank")?.or(latent.query_rank),
            rank: or("kv_lora_rank", latent.rank)?,
            nope_dim: or("qk_nope_head_dim", latent.nope_dim)?,
            rope_dim: or("qk_rope_head_dim", latent.rope_dim)?,
            value_dim: or("v_head_dim", latent.value_dim)?,
            ..latent.clone()
        });
    }
    let nope_dim = fields.size_or("swa_qk_nope_head_dim", 192)?;
    let head_dim = fields.size_or("swa_head_dim", 256)?;
    let rope_dim = match fields.opt_size("swa_qk_rope_head_dim")? {
        Some(rope_dim) => rope_dim,
        None => head_dim.checked_sub(nope_dim).ok_or_else(|| {
            let message = format!("{head_dim} is less than swa_qk_nope_head_dim {nope_dim}");
            fields.error("swa_head_dim", message)
        })?,
    };
    Ok(Latent {
        heads: fields.size_or("swa_num_attention_heads", 64)?,
        query_rank: Some(fields.size_or("swa_q_lora_rank", 1024)?),
        rank: fields.size_or("swa_kv_lora_rank", 1024)?,
        nope_dim,
        rope_dim,
        value_dim: fields.size_or("swa_v_head_dim", 128)?,
        ..latent.clone()
    })
}
