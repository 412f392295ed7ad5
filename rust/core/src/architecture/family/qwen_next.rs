//! Qwen3-Next and Qwen3.5: three layers of gated delta net, one of gated attention, then experts or one network.
//!
//! Sources: transformers `models/qwen3_next`, `models/qwen3_5` and `models/qwen3_5_moe`; for the prediction layer,
//! which they leave out, the headers of the published Qwen3-Next-80B-A3B and Qwen3.5-35B-A3B.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{DeltaNet, Projections};
use crate::architecture::feed_forward::{Experts, GATED, Layout, dense};
use crate::architecture::hybrid::{Kind, attends_if, kinds};
use crate::architecture::layer::Stack;
use crate::architecture::place::{Place, class, saved_by};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Qwen with delta nets.
pub const FAMILY: Family = Family {
    name: "qwen-next",
    model_types: &["qwen3_5_moe_text", "qwen3_5_text", "qwen3_next"],
    lower,
    text: Some(text),
};

/// In what the model types differ.
#[derive(Clone, Copy, PartialEq)]
enum Kin {
    /// Qwen3-Next: everything of a delta net in two projections, experts in most layers.
    Next,
    /// Qwen3.5 without experts.
    Dense,
    /// Qwen3.5 with experts, which the publisher stores as two tensors for all of them.
    Experts,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    // A text model with the class of the whole was saved out of it, and keeps its names.
    let whole = class(fields)?.is_some_and(|class| class.ends_with("ForConditionalGeneration"));
    let model = if whole {
        "model.language_model."
    } else {
        "model."
    };
    text(b, fields, &Place::whole(fields, model)?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("qwen3_next") => Kin::Next,
        Some("qwen3_5_moe_text") => Kin::Experts,
        _ => Kin::Dense,
    };
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let attention = gated_attention(fields, hidden)?;
    let projections = match kin {
        Kin::Next => Projections::Fused,
        Kin::Dense | Kin::Experts => Projections::Split,
    };
    let delta = DeltaNet::read(fields, hidden, projections)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let kinds = layer_kinds(fields, layers)?;
    let sparse = sparse(fields, kin, layers)?;
    let width = match kin {
        Kin::Dense => Some(fields.size("intermediate_size")?),
        Kin::Next => fields.opt_size("intermediate_size")?,
        Kin::Experts => None,
    };
    let experts = match kin {
        Kin::Dense => None,
        Kin::Next => Some(experts(fields, hidden, (512, 10))?),
        Kin::Experts => Some(Experts {
            layout: if fused(fields)? {
                Layout::Fused(["gate_up_proj", "down_proj"])
            } else {
                Layout::Each(GATED)
            },
            ..experts(fields, hidden, (256, 8))?
        }),
    };
    let feed_forward = |b: &mut Builder, experts: Option<&Experts<'_>>| match (experts, width) {
        (Some(experts), _) => {
            b.scope("mlp.", |b| experts.add(b));
            Ok(())
        }
        (None, Some(width)) => {
            dense(b, "mlp.", hidden, width, false);
            Ok(())
        }
        (None, None) => Err(fields.error(
            "intermediate_size",
            "is missing, and there are layers without experts",
        )),
    };
    let norms = |b: &mut Builder| {
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
    };
    let plans = kinds.into_iter().zip(sparse);
    frame.add(b, fields, place, plans, |b, &(kind, sparse)| {
        match kind {
            Kind::Attention => b.scope("self_attn.", |b| attention.add(b)),
            Kind::State => b.scope("linear_attn.", |b| delta.add(b)),
        }
        feed_forward(b, experts.as_ref().filter(|_| sparse))?;
        norms(b);
        Ok(())
    })?;
    let predicting = prediction_layers(fields, kin)?;
    if predicting == 0 {
        return Ok(());
    }
    b.scope("mtp.", |b| {
        b.all_as(Role::Mtp, |b| {
            for name in ["pre_fc_norm_embedding", "pre_fc_norm_hidden", "norm"] {
                b.norm(name, hidden, false);
            }
            b.linear("fc", Role::Mtp, hidden, 2 * hidden, false);
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(predicting).unwrap_or(u32::MAX));
            b.layers(Stack::Prediction, "layers", &numbers, |b| {
                b.scope("self_attn.", |b| attention.add(b));
                let experts = experts.as_ref().map(|experts| Experts {
                    layout: Layout::Each(GATED),
                    ..experts.clone()
                });
                feed_forward(b, experts.as_ref())?;
                norms(b);
                Ok(())
            })
        })
    })
}

/// Attention whose queries come with a gate of the output, with norms of queries and keys.
pub fn gated_attention(fields: &Fields<'_>, hidden: u64) -> Result<Attention<'static>> {
    let bias = fields.flag_or("attention_bias", false)?;
    if fields.opt_flag("attn_output_gate")? == Some(false) {
        return Err(fields.error(
            "attn_output_gate",
            "is false; only models with a gate are known",
        ));
    }
    Ok(Attention {
        bias,
        output_bias: bias,
        gated: true,
        norm: HeadNorm::PerHead,
        ..Attention::read_with_head_dim(fields, hidden, Some(256))?
    })
}

/// Which layers attend: what `layer_types` says, or every so many.
pub fn layer_kinds(fields: &Fields<'_>, layers: u64) -> Result<Vec<Kind>> {
    let interval = match fields.opt_size("full_attention_interval")? {
        Some(interval) => interval,
        None if fields.has("layer_types") => 1,
        None => fields.size_or("full_attention_interval", 4)?,
    };
    kinds(fields, "layer_types", layers, |layer| {
        attends_if((layer + 1).is_multiple_of(interval))
    })
}

/// Experts with one beside them behind a gate; the numbers of experts and of chosen ones are the class's defaults.
pub fn experts<'n>(
    fields: &Fields<'_>,
    hidden: u64,
    (experts, chosen): (u64, u64),
) -> Result<Experts<'n>> {
    Ok(Experts {
        shared: Some((
            fields.size_or("shared_expert_intermediate_size", 512)?,
            "shared_expert.",
        )),
        shared_gate: Some("shared_expert_gate"),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", experts)?,
            fields.size_or("num_experts_per_tok", chosen)?,
            fields.size_or("moe_intermediate_size", 512)?,
        )
    })
}

/// Which layers have experts.
fn sparse(fields: &Fields<'_>, kin: Kin, layers: u64) -> Result<Vec<bool>> {
    let without = fields.opt_counts("mlp_only_layers")?.unwrap_or_default();
    let step = match kin {
        Kin::Next => fields.size_or("decoder_sparse_step", 1)?,
        Kin::Dense | Kin::Experts => 1,
    };
    if kin == Kin::Experts && !without.is_empty() {
        return Err(fields.error(
            "mlp_only_layers",
            "is not empty, and every layer of this model type has experts",
        ));
    }
    let any = match kin {
        Kin::Next => fields.repeats_or("num_experts", 512)? > 0,
        Kin::Dense => false,
        Kin::Experts => true,
    };
    Ok((0..layers)
        .map(|layer| any && !without.contains(&layer) && (layer + 1).is_multiple_of(step))
        .collect())
}

/// Whether the experts of Qwen3.5 are two tensors for all of them. The publisher stores them so; transformers 5 saves
/// each by itself, and those who quantize a model do it matrix by matrix.
pub fn fused(fields: &Fields<'_>) -> Result<bool> {
    let saved_anew = saved_by(fields)?.is_some_and(|major| major >= 5);
    let quantized =
        fields.has("quantization_config") || fields.outermost().has("quantization_config");
    Ok(!saved_anew && !quantized)
}

/// How many layers predict further tokens. transformers does not keep them when it saves a model anew.
fn prediction_layers(fields: &Fields<'_>, kin: Kin) -> Result<u64> {
    let name = "mtp_num_hidden_layers|num_nextn_predict_layers";
    if fields.opt_flag("mtp_use_dedicated_embeddings")? == Some(true) {
        return Err(fields.error(
            "mtp_use_dedicated_embeddings",
            "is true; no such model is known",
        ));
    }
    let stated = match fields.opt_count(name)? {
        Some(_) => Some(fields.repeats(name)?),
        None => None,
    };
    match (kin, stated) {
        // transformers writes the kinds of all layers; the publisher of Qwen3-Next did not.
        (Kin::Next, None) if !fields.has("layer_types") => {
            fields.assume(
                name,
                1,
                "not in the config; the published Qwen3-Next models have one prediction layer",
            );
            Ok(1)
        }
        (Kin::Dense | Kin::Experts, Some(stated))
            if stated > 0 && saved_by(fields)?.is_some_and(|major| major >= 5) =>
        {
            fields.assume(
                name,
                0,
                "transformers 5 wrote this config, and it does not keep prediction layers",
            );
            Ok(0)
        }
        (_, stated) => Ok(stated.unwrap_or(0)),
    }
}
