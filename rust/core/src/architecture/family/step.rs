//! The text model of Step 3.5 and 3.7: more query heads in sliding layers, a gate over heads, experts in three tensors.
//!
//! Source: transformers `models/step3p7`, saved under the published names, whose config class reads the older names
//! of fields too.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;
use crate::architecture::prediction;
use serde_json::Value;

/// Step 3.5.
pub const FAMILY: Family = Family {
    name: "step",
    model_types: &["step3p5"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

/// Lowers the text model.
pub(super) fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, Some(128), Some(8))?;
    if let Some(groups) = fields.opt_size("num_attention_groups")? {
        fields.divide(
            "num_attention_heads",
            attention.heads,
            "num_attention_groups",
            groups,
        )?;
        attention.kv_heads = groups;
    }
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    let gated = fields.opt_flag("use_head_wise_attn_gate")?.unwrap_or(true);
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let corrected = fields.opt_flag("use_moe_router_bias")?.unwrap_or(true);
    if fields
        .opt_count("n_shared_experts")?
        .is_some_and(|count| count != 1)
    {
        return Err(fields.error(
            "n_shared_experts",
            "this model type is known with one shared expert only",
        ));
    }
    let experts = Experts {
        router: "moe.gate",
        correction: corrected.then_some("moe.router_bias"),
        prefix: "moe",
        layout: Layout::Split(["gate_proj.weight", "up_proj.weight", "down_proj.weight"]),
        shared: Some((
            fields.size_or("share_expert_dim|share_expert_dims", 1280)?,
            "share_expert.",
        )),
        shared_bias: mlp_bias,
        ..Experts::new(
            hidden,
            fields.repeats_or(
                "n_routed_experts|moe_num_experts|num_local_experts|num_experts",
                288,
            )?,
            fields.size_or("num_experts_per_tok|moe_top_k", 8)?,
            fields.size_or("moe_intermediate_size", 1280)?,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let listed = listed(fields)?;
    let sparse = sparse_layers(fields, layers, |layer| match &listed {
        Some(listed) => listed.contains(&layer),
        None => layer >= 3,
    })?;
    let window = fields.opt_size("sliding_window")?;
    let reaches = reaches(fields, layers, window, |_| Reach::Full)?;
    let heads = heads(fields, &reaches, attention.heads)?;
    let mixture = Mixture {
        experts_prefix: "",
        dense_bias: mlp_bias,
        ..Mixture::new(attention, experts, Some(fields.size("intermediate_size")?))
    };
    let plans = reaches.into_iter().zip(sparse).zip(heads);
    frame.add(b, fields, place, plans, |b, &((reach, sparse), heads)| {
        fields.divide(
            "num_attention_heads",
            heads,
            "num_key_value_heads",
            mixture.attention.kv_heads,
        )?;
        let attention = Attention {
            heads,
            reach,
            gate: gated.then_some(("g_proj", heads)),
            ..mixture.attention.clone()
        };
        mixture.block_with(b, fields, &attention, sparse)
    })?;
    prediction::left_out(fields)
}

/// The layers with experts in the older form: a list, or its numbers in a text.
fn listed(fields: &Fields<'_>) -> Result<Option<Vec<u64>>> {
    const NAME: &str = "moe_layers_enum";
    if !fields.value(NAME).is_some_and(Value::is_string) {
        return fields.opt_counts(NAME);
    }
    fields
        .opt_text(NAME)?
        .map(|text| {
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| {
                    item.parse()
                        .map_err(|_| fields.error(NAME, format!("{item:?} is not a layer")))
                })
                .collect()
        })
        .transpose()
}

/// The query heads of every layer: sliding ones may have more.
fn heads(fields: &Fields<'_>, reaches: &[Reach], full: u64) -> Result<Vec<u64>> {
    let older = match fields.opt_object("attention_other_setting")? {
        Some(other) => other.opt_size("num_attention_heads")?,
        None => None,
    };
    let sliding = fields
        .opt_size("num_sliding_attention_heads")?
        .or(older)
        .unwrap_or(full);
    let mut heads: Vec<u64> = reaches
        .iter()
        .map(|reach| match reach {
            Reach::Full => full,
            Reach::Sliding(_) | Reach::Chunked(_) => sliding,
        })
        .collect();
    let Some(layers) = fields.opt_object("per_layer_config")? else {
        return Ok(heads);
    };
    // What is not overridden here has the number of the whole model.
    heads.fill(full);
    for name in layers.names() {
        let Some(layer) = layers.opt_object(name)? else {
            continue;
        };
        if let Some(other) = layer.names().find(|name| *name != "num_attention_heads") {
            return Err(layer.error(other, "is not known to differ between layers"));
        }
        let at = name
            .parse::<usize>()
            .map_err(|_| layers.error(name, "is not the number of a layer"))?;
        if let (Some(slot), Some(given)) =
            (heads.get_mut(at), layer.opt_size("num_attention_heads")?)
        {
            *slot = given;
        }
    }
    Ok(heads)
}
