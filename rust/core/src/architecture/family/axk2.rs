//! A.X-K2: DeepSeek-V3.2 with gated norms, and with queries and a gate of the output made together.
//!
//! Source: transformers `models/axk2`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::mla::{Defaults, Indexer, Latent};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::checkpoint::Role;

/// A.X-K2.
pub const FAMILY: Family = Family {
    name: "axk2",
    model_types: &["axk2"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: Some(384),
    rank: 128,
    rope_dim: 32,
    nope_dim: 64,
    value_dim: Some(64),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 128,
    chosen: 8,
    width: 512,
    shared: 1,
    dense: 1,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut latent = Latent::read(fields, hidden, &LATENT)?;
    let rank = latent.query_rank.ok_or_else(|| {
        fields.error(
            "q_lora_rank",
            "is null, and the indexer reads compressed queries",
        )
    })?;
    // The compressed queries come normed and as they are; the outputs are queries and a gate as wide as the values.
    let outputs = latent.nope_dim + latent.rope_dim + latent.value_dim;
    latent.query_up = Some([latent.heads * outputs, 2 * rank]);
    latent.indexer = Some(Indexer::read(fields, 16, 128, rank)?);
    let gate_rank = fields.size_or("gated_norm_rank", 16)?;
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let moe = Experts {
        correction: Some("gate.e_score_correction_bias"),
        ..experts(fields, hidden, &EXPERTS)?
    };
    let gated_norm = |b: &mut Builder, name: &str| {
        b.scope(name, |b| {
            b.norm(".norm", hidden, false);
            b.linear(".W_down", Role::Norm, gate_rank, hidden, false);
            b.linear(".W_up", Role::Norm, hidden, gate_rank, false);
        });
    };
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    frame.add(b, fields, place, sparse, |b, &sparse| {
        b.scope("self_attn.", |b| latent.add(b));
        gated_norm(b, "input_layernorm");
        if sparse {
            b.scope("mlp.", |b| moe.add(b));
            gated_norm(b, "post_attention_layernorm");
        } else {
            dense(b, "mlp.", hidden, width, false);
            b.norm("post_attention_layernorm", hidden, false);
        }
        Ok(())
    })?;
    prediction::left_out(fields)
}
