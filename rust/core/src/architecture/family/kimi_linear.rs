//! Kimi Linear: Kimi delta attention in most layers, latent attention in the others, experts.
//!
//! Source: transformers `models/kimi_linear` and the published header of Kimi-Linear-48B-A3B-Instruct, whose dense
//! first layer is `mlp`: transformers 5 saves it under the name of the experts.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{Gate, KimiDelta};
use crate::architecture::feed_forward::{Experts, Layout, dense};
use crate::architecture::hybrid::{Kind, kinds};
use crate::architecture::mla::{Defaults, Latent};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::checkpoint::Role;

/// Kimi Linear.
pub const FAMILY: Family = Family {
    name: "kimi-linear",
    model_types: &["kimi_linear"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: None,
    rank: 512,
    rope_dim: 64,
    nope_dim: 128,
    value_dim: Some(128),
};

/// The same of its experts.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 256,
    chosen: 8,
    width: 1024,
    shared: 1,
    dense: 1,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let latent = Latent::read(fields, hidden, &LATENT)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let nested = fields.opt_object("linear_attn_config")?;
    let size = |nested_name: &str, name: &str, default: u64| match &nested {
        Some(nested) if nested.has(nested_name) => nested.size(nested_name),
        _ => fields.size_or(name, default),
    };
    let delta = KimiDelta {
        hidden,
        heads: size("num_heads", "linear_num_heads", 32)?,
        head_dim: size("head_dim", "linear_head_dim", 128)?,
        kernel: size("short_conv_kernel_size", "linear_conv_kernel_dim", 4)?,
        forget: Gate::LowRank,
        gate: Gate::LowRank,
        wide_decay: true,
        output: "o_proj",
        role: Role::Attention,
    };
    let attends = match &nested {
        Some(nested) if nested.has("full_attn_layers") && !fields.has("layer_types") => {
            listed(nested, layers)?
        }
        _ => kinds(fields, "layer_types", layers, |layer| {
            if layer > 0 && layer.is_multiple_of(4) {
                Kind::Attention
            } else {
                Kind::State
            }
        })?,
    };
    let width = fields.size("intermediate_size")?;
    let moe = Experts {
        correction: Some("gate.e_score_correction_bias"),
        layout: Layout::Each(["w1", "w3", "w2"]),
        ..experts(fields, hidden, &EXPERTS)?
    };
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    // transformers writes kinds of layers, Moonshot lists of numbers.
    let saved = fields.has("layer_types");
    let dense_prefix = if saved { "block_sparse_moe." } else { "mlp." };
    let plans = attends.into_iter().zip(sparse);
    frame.add(b, fields, place, plans, |b, &(kind, sparse)| {
        b.scope("self_attn.", |b| match kind {
            Kind::Attention => latent.add(b),
            Kind::State => delta.add(b),
        });
        if sparse {
            b.scope("block_sparse_moe.", |b| moe.add(b));
        } else {
            dense(b, dense_prefix, hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })?;
    prediction::left_out(fields)
}

/// Which layers attend by the lists `full_attn_layers` and `kda_layers`, which count from 1.
fn listed(fields: &Fields<'_>, layers: u64) -> Result<Vec<Kind>> {
    let mut kinds = vec![None; usize::try_from(layers.min(COUNT_LIMIT)).unwrap_or_default()];
    for (name, kind) in [
        ("full_attn_layers", Kind::Attention),
        ("kda_layers", Kind::State),
    ] {
        for number in fields.opt_counts(name)?.unwrap_or_default() {
            let at = number
                .checked_sub(1)
                .and_then(|at| usize::try_from(at).ok());
            match at.and_then(|at| kinds.get_mut(at)) {
                Some(slot) if slot.is_none() => *slot = Some(kind),
                Some(_) => {
                    return Err(fields.error(name, format!("layer {number} is listed twice")));
                }
                None => {
                    let message = format!("{number} is no layer from 1 to {layers}");
                    return Err(fields.error(name, message));
                }
            }
        }
    }
    kinds
        .into_iter()
        .zip(1..)
        .map(|(kind, number)| {
            kind.ok_or_else(|| fields.error("kda_layers", format!("layer {number} is in no list")))
        })
        .collect()
}
