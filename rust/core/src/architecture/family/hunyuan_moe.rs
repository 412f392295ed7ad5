//! Hunyuan with experts: Hunyuan-Large and Hunyuan-A13B, as published (`hunyuan`) and in transformers, and Hy3.
//!
//! Sources: transformers `models/hunyuan_v1_moe` and `models/hy_v3`; for what only published configs have, vLLM
//! `models/hunyuan_v1.py`, which reads the published names. Hunyuan-Large shares keys and values between neighbours.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result, SIZE_LIMIT};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use serde_json::Value;

/// Hunyuan with experts.
pub const FAMILY: Family = Family {
    name: "hunyuan-moe",
    model_types: &["hunyuan", "hunyuan_v1_moe", "hy_v3"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    match fields.opt_text("model_type")? {
        Some("hy_v3") => third(b, fields, place),
        Some("hunyuan_v1_moe") => first(b, fields, place, true),
        _ => first(b, fields, place, false),
    }
}

/// What one layer of the first generation is.
#[derive(Clone, PartialEq)]
struct Plan {
    /// Experts, how many are chosen, the width of one, and how many are shared; nothing for a dense layer.
    experts: Option<[u64; 4]>,
    /// The layer whose keys and values it uses.
    shared_with: Option<u32>,
}

/// The first generation. The class of transformers, `known`, has no switches for norms and the shared part.
fn first(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>, known: bool) -> Result<()> {
    for name in ["use_mla", "add_classification_head"] {
        if fields.opt_flag(name)? == Some(true) {
            return Err(fields.error(
                name,
                "is not known of a published model, so nothing was derived",
            ));
        }
    }
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm_names = ["query_layernorm", "key_layernorm"];
    if known || fields.flag_or("use_qk_norm", false)? {
        attention.norm = HeadNorm::PerHead;
    }
    let mixed = known || fields.flag_or("use_mixed_mlp_moe", false)?;
    let width = fields.size("intermediate_size")?;
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = plans(fields, layers, width, known)?;
    frame.add(b, fields, place, plans, |b, plan| {
        b.scope("self_attn.", |b| {
            Attention {
                shared_with: plan.shared_with,
                ..attention.clone()
            }
            .add(b);
            // The keys that it takes over are normed again.
            if plan.shared_with.is_some() && attention.norm == HeadNorm::PerHead {
                b.norm("key_layernorm", attention.head_dim, false);
            }
        });
        match plan.experts {
            None => dense(b, "mlp.", hidden, width, mlp_bias),
            Some([experts, chosen, inner, shared]) => {
                let experts = Experts {
                    router: "gate.wg",
                    shared: (mixed && shared > 0).then_some((shared * width, "shared_mlp.")),
                    ..Experts::new(hidden, experts, chosen, inner)
                };
                b.scope("mlp.", |b| experts.add(b));
            }
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}

fn plans(fields: &Fields<'_>, layers: u64, width: u64, known: bool) -> Result<Vec<Plan>> {
    let experts = per_layer(fields, "num_experts", layers, 1, COUNT_LIMIT)?;
    let chosen = per_layer(
        fields,
        "moe_topk|num_experts_per_tok",
        layers,
        1,
        COUNT_LIMIT,
    )?;
    let inner = per_layer(fields, "moe_intermediate_size", layers, width, SIZE_LIMIT)?;
    let shared = per_layer(fields, "num_shared_expert", layers, 1, COUNT_LIMIT)?;
    let skipped = fields.count_or("moe_layer_num_skipped", 0)?;
    let sharing = if fields.flag_or("use_cla", false)? {
        fields.size_or("cla_share_factor", 1)?
    } else {
        1
    };
    let all = experts.into_iter().zip(chosen).zip(inner).zip(shared);
    Ok((0..layers)
        .zip(all)
        .map(|(layer, (((experts, chosen), inner), shared))| Plan {
            experts: (layer >= skipped && (known || experts > 1))
                .then_some([experts, chosen, inner, shared]),
            shared_with: match layer % sharing {
                0 => None,
                after => u32::try_from(layer - after).ok(),
            },
        })
        .collect())
}

/// A number for each layer, which is given once for all or in a list.
fn per_layer(
    fields: &Fields<'_>,
    names: &str,
    layers: u64,
    default: u64,
    limit: u64,
) -> Result<Vec<u64>> {
    let count = usize::try_from(layers).unwrap_or(usize::MAX);
    let numbers = if fields.value(names).is_some_and(Value::is_array) {
        fields.opt_counts(names)?.unwrap_or_default()
    } else {
        vec![fields.count_or(names, default)?; count]
    };
    if numbers.len() < count {
        let given = numbers.len();
        return Err(fields.error(names, format!("has {given} items for {layers} layers")));
    }
    match numbers.iter().find(|&&number| number > limit) {
        Some(number) => Err(fields.error(
            names,
            format!("{number} is larger than any model's ({limit})"),
        )),
        None => Ok(numbers.into_iter().take(count).collect()),
    }
}

/// The third generation.
fn third(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(128), Some(8))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    let width = fields.size_or("moe_intermediate_size", 1536)?;
    let shared = fields.repeats_or("num_shared_experts", 1)?;
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let experts = Experts {
        router: "router.gate",
        correction: Some("expert_bias"),
        shared: (shared > 0).then_some((shared * width, "shared_mlp.")),
        shared_bias: mlp_bias,
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 192)?,
            fields.size_or("num_experts_per_tok", 8)?,
            width,
        )
    };
    let mixture = Mixture {
        dense_bias: mlp_bias,
        ..Mixture::new(attention, experts, Some(fields.size("intermediate_size")?))
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let first = fields.count_or("first_k_dense_replace", 1)?;
    let sparse = sparse_layers(fields, layers, |layer| layer >= first)?;
    let plans = sparse.into_iter().map(|sparse| (Reach::Full, sparse));
    mixture.add(b, fields, place, &frame, plans)?;
    prediction::left_out(fields)
}
