//! Ling 3: Kimi delta attention in most layers, latent attention with a gate of its heads in the others, experts.
//!
//! Source: transformers `models/bailing_hybrid`. Ling 2.5 has the same model type and lightning attention instead,
//! which is told by its class and by what its config lacks.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{Gate, KimiDelta};
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::hybrid::{Kind, kinds};
use crate::architecture::mla::{Defaults, Latent, LatentNames, NAMES};
use crate::architecture::place::{Place, class};
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};
use crate::checkpoint::Role;

/// Ling 3.
pub const FAMILY: Family = Family {
    name: "bailing-hybrid",
    model_types: &["bailing_hybrid"],
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
    experts: 512,
    chosen: 8,
    width: 768,
    shared: 1,
    dense: 2,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place {
        // The class ties nothing, whatever the config says.
        tied: Some(false),
        ..Place::whole(fields, "model.")?
    };
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let older =
        class(fields)?.is_some_and(|class| class.contains("V2") || class.contains("Linear"));
    if older || !fields.has("short_conv_kernel_size|kda_lower_bound|linear_conv_kernel_dim") {
        let message =
            "only models with Kimi delta attention are known of this type, not those before Ling 3";
        return Err(fields.error("short_conv_kernel_size", message));
    }
    let frame = Frame {
        embedding: "word_embeddings",
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let latent = Latent {
        names: LatentNames {
            output: "dense",
            ..NAMES
        },
        ..Latent::read(fields, hidden, &LATENT)?
    };
    let layers = fields.repeats("num_hidden_layers")?;
    // transformers writes `head_dim` anew, as the rotary part of the latent attention.
    let head_dim = match fields.opt_size("linear_head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.size_or("head_dim", 128)?,
    };
    let delta = KimiDelta {
        hidden,
        heads: fields.opt_size("linear_num_heads")?.unwrap_or(latent.heads),
        head_dim,
        kernel: fields.size_or("linear_conv_kernel_dim|short_conv_kernel_size", 4)?,
        forget: Gate::Full,
        gate: Gate::Full,
        wide_decay: false,
        output: "dense",
        role: Role::Attention,
    };
    let period = fields.size_or("layer_group_size", 6)?;
    let attends = kinds(fields, "layer_types", layers, |layer| {
        if (layer + 1).is_multiple_of(period) {
            Kind::Attention
        } else {
            Kind::State
        }
    })?;
    let width = fields.size("intermediate_size")?;
    let moe = Experts {
        correction: Some("gate.expert_bias"),
        ..experts(fields, hidden, &EXPERTS)?
    };
    let sparse = sparse_layers(fields, layers, EXPERTS.dense)?;
    let plans = attends.into_iter().zip(sparse);
    frame.add(b, fields, place, plans, |b, &(kind, sparse)| {
        b.scope("attention.", |b| match kind {
            Kind::Attention => {
                latent.add(b);
                b.linear("g_proj", Role::Attention, latent.heads, hidden, false);
            }
            Kind::State => delta.add(b),
        });
        if sparse {
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
