//! Flint, Kolibri 1 and Beam: mixtures of experts with norms of queries and keys and windows in most layers. They
//! differ in sinks, gates of attention, norms after, and in how the router is corrected.
//!
//! Source: transformers `models/flint`, `models/kolibri1` and `models/beam`, saved under the names of the published
//! checkpoints.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, refuse_foreign};
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Flint, Kolibri 1 and Beam.
pub const FAMILY: Family = Family {
    name: "flint",
    model_types: &["beam", "flint", "kolibri1"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stem = match fields.opt_text("model_type")? {
        Some("beam") => "Beam",
        Some("kolibri1") => "Kolibri1",
        _ => "Flint",
    };
    text(
        b,
        fields,
        &Place::of_class(fields, &[stem], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    match fields.opt_text("model_type")? {
        Some("beam") => beam(b, fields, place),
        Some("kolibri1") => kolibri(b, fields, place),
        _ => flint(b, fields, place),
    }
}

/// Which layers have the window, where `layer_types` does not say.
fn reaches(
    fields: &Fields<'_>,
    layers: u64,
    window: u64,
    slides: impl Fn(u64) -> bool,
) -> Result<Vec<Reach>> {
    let window = dense::window(fields, Some(window))?;
    dense::reaches(fields, layers, window, slides)
}

fn attention<'n>(fields: &Fields<'_>, hidden: u64, defaults: &Defaults) -> Result<Attention<'n>> {
    Ok(Attention {
        norm: HeadNorm::PerHead,
        ..dense::attention(fields, hidden, defaults)?
    })
}

/// Attention whose four projections have biases if the config says so.
fn attention_with_bias<'n>(
    fields: &Fields<'_>,
    hidden: u64,
    defaults: &Defaults,
) -> Result<Attention<'n>> {
    let bias = fields.flag_or("attention_bias", false)?;
    Ok(Attention {
        bias,
        output_bias: bias,
        ..attention(fields, hidden, defaults)?
    })
}

/// Experts, experts chosen and inner width, as the fields or these defaults say.
fn experts<'n>(fields: &Fields<'_>, hidden: u64, defaults: [u64; 3]) -> Result<Experts<'n>> {
    let [experts, chosen, width] = defaults;
    Ok(Experts::new(
        hidden,
        fields.repeats_or("num_experts|num_local_experts", experts)?,
        fields.size_or("num_experts_per_tok", chosen)?,
        fields.size_or("moe_intermediate_size", width)?,
    ))
}

const OWN: &[&str] = &["attention_bias", "num_experts", "num_local_experts"];

fn flint(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, OWN)?;
    let defaults = Defaults::new(150_144, 2048, 6144, 49, 32).kv(4).dim(128);
    let frame = dense::frame(fields, &defaults)?;
    let (hidden, layers) = (frame.hidden, dense::layers(fields, &defaults)?);
    let width = fields.size_or("intermediate_size", defaults.width)?;
    let attention = Attention {
        sinks: true,
        sinks_name: "softmax_offset",
        ..attention_with_bias(fields, hidden, &defaults)?
    };
    let shared = fields.size_or("shared_expert_intermediate_size", 1024)?;
    let experts = Experts {
        shared: Some((shared, "shared_expert.")),
        ..experts(fields, hidden, [256, 6, 512])?
    };
    let reaches = reaches(fields, layers, 513, |layer| {
        layer >= 2 && layer % 4 != 1 && layer + 1 != layers
    })?;
    let step = fields.size_or("decoder_sparse_step", 1)?;
    let unmixed = fields
        .opt_counts("mlp_only_layers")?
        .unwrap_or_else(|| vec![0, 1]);
    let any = experts.experts > 0;
    let sparse = (0..layers)
        .map(|layer| any && !unmixed.contains(&layer) && (layer + 1).is_multiple_of(step));
    let plans: Vec<_> = reaches.into_iter().zip(sparse).collect();
    Mixture::new(attention, experts, Some(width)).add(b, fields, place, &frame, plans)
}

fn kolibri(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &["num_experts", "num_local_experts"])?;
    let defaults = Defaults::new(128_000, 2560, 0, 50, 48).kv(4).dim(128);
    let frame = dense::frame(fields, &defaults)?;
    let hidden = frame.hidden;
    let layers = dense::layers(fields, &defaults)?;
    let attention = attention(fields, hidden, &defaults)?;
    let shared = fields.size_or("shared_expert_intermediate_size", 512)?;
    let experts = Experts {
        shared: Some((shared, "shared_experts.")),
        ..experts(fields, hidden, [384, 6, 512])?
    };
    let count = experts.experts;
    let reaches = reaches(fields, layers, 513, |layer| !(layer + 1).is_multiple_of(5))?;
    let mixture = Mixture {
        norms: &[
            "input_layernorm",
            "post_attention_layernorm",
            "post_attn_norm",
            "post_ffn_norm",
        ],
        ..Mixture::new(attention, experts, None)
    };
    frame.add(b, fields, place, reaches, |b, &reach| {
        mixture.block(b, fields, reach, true)?;
        b.buffer("moe.router.expert_bias", Role::Router, &[count]);
        Ok(())
    })
}

fn beam(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, OWN)?;
    let defaults = Defaults::new(151_936, 5120, 20_480, 52, 48).kv(8).dim(128);
    let frame = dense::frame(fields, &defaults)?;
    let (hidden, layers) = (frame.hidden, dense::layers(fields, &defaults)?);
    let width = fields.size_or("intermediate_size", defaults.width)?;
    let attention = attention_with_bias(fields, hidden, &defaults)?;
    let heads = attention.heads;
    let attention = Attention {
        gate: Some(("gate_proj", heads * attention.head_dim)),
        ..attention
    };
    let experts = Experts {
        correction: Some("gate.e_score_correction_bias"),
        ..experts(fields, hidden, [256, 8, 2560])?
    };
    let reaches = reaches(fields, layers, 512, |layer| {
        !(layer + 1).is_multiple_of(6) && layer + 1 != layers
    })?;
    let sparse = sparse_layers(fields, layers, |layer| layer >= 3)?;
    let plans: Vec<_> = reaches.into_iter().zip(sparse).collect();
    let mixture = Mixture {
        norms: &[
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ],
        ..Mixture::new(attention, experts, Some(width))
    };
    frame.add(b, fields, place, plans, |b, &(reach, sparse)| {
        mixture.block(b, fields, reach, sparse)?;
        b.tensor("self_attn.gate_bias", Role::Attention, &[heads]);
        Ok(())
    })
}
