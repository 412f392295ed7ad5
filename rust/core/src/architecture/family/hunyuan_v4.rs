//! Hunyuan V4: DeepSeek-V3.2 with shared indexers, a gate and sinks in the attention, and several residual streams.
//!
//! Source: transformers `models/hy_v4`. The names of the hyper-connections in the published files are from loaders of
//! them; what transformers 5 saves has the parts of these names in another order, and renames feed-forward gates.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, GATED, Layout, gated};
use crate::architecture::layer::FeedForward;
use crate::architecture::mla::{Defaults, Indexer, Latent, own_indexers};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::checkpoint::Role;

/// Hunyuan V4.
pub const FAMILY: Family = Family {
    name: "hunyuan-v4",
    model_types: &["hy_v4"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: Some(1536),
    rank: 512,
    rope_dim: 64,
    nope_dim: 192,
    value_dim: Some(256),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 256,
    chosen: 8,
    width: 768,
    shared: 1,
    dense: 1,
};

/// Names that differ between published files and those that transformers saves.
struct Names {
    /// Gate, up and down projection of dense and shared networks.
    network: [&'static str; 3],
    /// What stands before `fn`, `base` and `scale` of how a block reads and writes the streams.
    mixes: [&'static str; 2],
    /// The same of what makes one stream of all before the head.
    last_mix: &'static str,
}

const PUBLISHED: Names = Names {
    network: GATED,
    mixes: ["hc_attn_layer.hc_pre.hc_", "hc_mlp_layer.hc_pre.hc_"],
    last_mix: "hc_head.hc_head_",
};

const SAVED: Names = Names {
    network: ["linear_gate", "up_proj", "down_proj"],
    mixes: ["hc_pre.hc_attn_layer.hc_", "hc_pre.hc_mlp_layer.hc_"],
    last_mix: "hc_pre.hc_head.hc_head_",
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    // Only published configs count prediction layers: the class of transformers knows none.
    let published = fields.has("num_nextn_predict_layers");
    let names = if published { &PUBLISHED } else { &SAVED };
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let latent = Latent::read(fields, hidden, &LATENT)?;
    let rank = latent.query_rank.ok_or_else(|| {
        fields.error(
            "q_lora_rank",
            "is null, and the indexer reads compressed queries",
        )
    })?;
    let indexer = Indexer::read(fields, 16, 128, rank)?;
    let streams = fields.size_or("hc_mult", 4)?;
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let moe = Experts {
        correction: Some("gate.e_score_correction_bias"),
        layout: Layout::Fused(["gate_up_proj", "down_proj"]),
        shared_names: names.network,
        ..experts(fields, hidden, &EXPERTS)?
    };
    let own = if fields.has("indexer_types|index_topk_pattern|index_topk_freq") {
        own_indexers(fields, layers)?
    } else {
        let own = |layer: u64| layer == 0 || (layer - 1).is_multiple_of(4);
        (0..layers).map(own).collect()
    };
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    let mix = |b: &mut Builder, prefix: &str, outputs: u64, scales: u64| {
        b.scope(prefix, |b| {
            b.tensor("fn", Role::Norm, &[outputs, streams * hidden]);
            b.tensor("base", Role::Norm, &[outputs]);
            b.tensor("scale", Role::Norm, &[scales]);
        });
    };
    let plans = own.into_iter().zip(sparse);
    frame.add(b, fields, place, plans, |b, &(own, sparse)| {
        b.scope("self_attn.", |b| {
            let latent = Latent {
                indexer: own.then_some(indexer),
                ..latent.clone()
            };
            let (heads, values) = (latent.heads, latent.heads * latent.value_dim);
            latent.add(b);
            b.linear("linear_gate", Role::Attention, values, hidden, false);
            b.tensor("learnable_sink_param", Role::Attention, &[heads]);
        });
        b.scope("mlp.", |b| {
            if sparse {
                moe.add(b);
            } else {
                gated(b, names.network, Role::Mlp, hidden, width, false);
                b.feed_forward(FeedForward::Dense { width });
            }
        });
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        for prefix in names.mixes {
            // What each stream gives and what it takes.
            mix(b, prefix, 2 * streams, 2);
        }
        Ok(())
    })?;
    b.scope(place.model, |b| mix(b, names.last_mix, streams, 1));
    prediction::left_out(fields)
}
