//! The text model of MiniMax-M3: an indexer picks blocks of keys in sparse layers, experts beside a shared one.
//!
//! Source: transformers `models/minimax_m3_vl`. Inside the whole model it is saved under the published names; saved
//! alone, which is never published, it keeps those of the class.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout, dense};
use crate::architecture::layer::FeedForward;
use crate::architecture::mixture::sparse_layers;
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::checkpoint::Role;

/// The text model of MiniMax-M3.
pub const FAMILY: Family = Family {
    name: "minimax-m3",
    model_types: &["minimax_m3_vl_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    add(b, fields, &Place::whole(fields, "model.")?, false)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    add(b, fields, place, true)
}

fn add(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>, published: bool) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(128), Some(4))?;
    attention.norm = HeadNorm::PerHead;
    let shared = fields.size_or("shared_intermediate_size", 3072)?;
    let experts = Experts {
        correction: Some(if published {
            "e_score_correction_bias"
        } else {
            "gate.e_score_correction_bias"
        }),
        layout: if published {
            Layout::Each(["w1", "w3", "w2"])
        } else {
            Layout::Fused(["gate_up_proj", "down_proj"])
        },
        shared: Some((shared, "shared_experts.")),
        shared_fused: (!published).then_some(["gate_up_proj", "down_proj"]),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts|num_experts", 128)?,
            fields.size_or("num_experts_per_tok", 4)?,
            fields.size("intermediate_size")?,
        )
    };
    let width = fields.size_or("dense_intermediate_size", 12288)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let indexer = Indexer::read(fields)?;
    let plans = indexed_layers(fields, layers)?
        .into_iter()
        .zip(expert_layers(fields, layers)?);
    frame.add(b, fields, place, plans, |b, &(indexed, sparse)| {
        b.scope("self_attn.", |b| {
            Attention {
                indexer_dim: if indexed { indexer.dim } else { 0 },
                ..attention.clone()
            }
            .add(b);
            if indexed {
                indexer.add(b, hidden, published);
            }
        });
        match (sparse, published) {
            (true, true) => b.scope("block_sparse_moe.", |b| experts.add(b)),
            (true, false) => b.scope("mlp.", |b| experts.add(b)),
            (false, true) => dense(b, "mlp.", hidden, width, false),
            (false, false) => {
                b.linear("mlp.gate_up_proj", Role::Mlp, 2 * width, hidden, false);
                b.linear("mlp.down_proj", Role::Mlp, hidden, width, false);
                b.feed_forward(FeedForward::Dense { width });
            }
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })?;
    prediction::left_out(fields)
}

/// What picks the blocks of keys that a layer looks at.
struct Indexer {
    heads: u64,
    dim: u64,
}

impl Indexer {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let older = fields.opt_object("sparse_attention_config")?;
        let size = |name: &str, old: &str, default: u64| -> Result<u64> {
            match &older {
                Some(older) if older.has(old) => older.size(old),
                _ => fields.size_or(name, default),
            }
        };
        Ok(Self {
            heads: size("index_n_heads", "sparse_num_index_heads", 4)?,
            dim: size("index_head_dim", "sparse_index_dim", 128)?,
        })
    }

    fn add(&self, b: &mut Builder, hidden: u64, published: bool) {
        let Self { heads, dim } = *self;
        let prefix = if published { "index_" } else { "indexer." };
        b.scope(prefix, |b| {
            b.linear("q_proj", Role::Attention, heads * dim, hidden, false);
            b.linear("k_proj", Role::Attention, dim, hidden, false);
            b.norm("q_norm", dim, false);
            b.norm("k_norm", dim, false);
        });
    }
}

fn indexed_layers(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    if let Some(types) = fields.opt_layer_texts("layer_types", layers)? {
        return types
            .into_iter()
            .map(|kind| match kind {
                "minimax_m3_sparse" => Ok(true),
                "full_attention" => Ok(false),
                other => Err(fields.error(
                    "layer_types",
                    format!("{other:?} is not a kind of attention this family has"),
                )),
            })
            .collect();
    }
    let listed = match fields.opt_object("sparse_attention_config")? {
        Some(older) => flags(&older, "sparse_attention_freq", layers)?,
        None => None,
    };
    Ok(listed.unwrap_or_else(|| (0..layers).map(|_| false).collect()))
}

fn expert_layers(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    match flags(fields, "moe_layer_freq", layers)? {
        Some(listed) if !fields.has("mlp_layer_types") => Ok(listed),
        _ => sparse_layers(fields, layers, |_| true),
    }
}

/// A list of 0 and 1 for each layer.
fn flags(fields: &Fields<'_>, name: &str, layers: u64) -> Result<Option<Vec<bool>>> {
    let Some(listed) = fields.opt_counts(name)? else {
        return Ok(None);
    };
    let count = usize::try_from(layers).unwrap_or(usize::MAX);
    if listed.len() < count {
        let given = listed.len();
        return Err(fields.error(name, format!("has {given} items for {layers} layers")));
    }
    Ok(Some(
        listed
            .into_iter()
            .take(count)
            .map(|flag| flag != 0)
            .collect(),
    ))
}
