//! The text models of Gemma 4: wider heads in full layers, whose keys may serve as values, shared keys and values in
//! the last layers, inputs for each layer, and experts beside the dense network.
//!
//! Source: transformers `models/gemma4`, `models/gemma4_unified` and `models/diffusion_gemma`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::{FeedForward, Reach};
use crate::architecture::place::Place;
use crate::architecture::sharing::{LayerInputs, sources};
use crate::checkpoint::Role;

/// The text models of Gemma 4.
pub const FAMILY: Family = Family {
    name: "gemma4",
    model_types: &["diffusion_gemma_text", "gemma4_text", "gemma4_unified_text"],
    lower,
    text: Some(text),
};

/// What one layer is.
#[derive(Clone, Copy, PartialEq)]
struct Plan {
    reach: Reach,
    head_dim: u64,
    kv_heads: u64,
    shared_with: Option<u32>,
    width: u64,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?;
    let unified = model_type == Some("gemma4_unified_text");
    // There the flags for experts and for keys that are values are not asked.
    let diffuses = model_type == Some("diffusion_gemma_text");
    let frame = Frame {
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let layers = fields.repeats("num_hidden_layers")?;
    let mut attention = Attention::read_with(fields, hidden, Some(256), Some(4))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    let keys_are_values = diffuses || fields.flag_or("attention_k_eq_v", false)?;
    let plans = plans(fields, layers, &attention, keys_are_values, unified)?;
    let inputs = if unified || diffuses {
        0
    } else {
        fields.count_or("hidden_size_per_layer_input", 256)?
    };
    let inputs = if inputs > 0 {
        Some(LayerInputs {
            hidden,
            width: inputs,
            vocabulary: fields.size_or("vocab_size_per_layer_input", 262_144)?,
            layers,
        })
    } else {
        None
    };
    let experts = if diffuses || (!unified && fields.flag_or("enable_moe_block", false)?) {
        Some(Beside {
            experts: fields.repeats("num_experts")?,
            chosen: fields.size("top_k_experts")?,
            width: fields.size("moe_intermediate_size|expert_intermediate_size")?,
        })
    } else {
        None
    };
    frame.add(b, fields, place, plans, |b, plan| {
        b.scope("self_attn.", |b| {
            Attention {
                reach: plan.reach,
                head_dim: plan.head_dim,
                value_dim: plan.head_dim,
                kv_heads: plan.kv_heads,
                shared_with: plan.shared_with,
                keys_are_values: keys_are_values && plan.reach == Reach::Full,
                ..attention.clone()
            }
            .add(b);
        });
        dense(b, "mlp.", hidden, plan.width, false);
        if let Some(experts) = &experts {
            experts.add(b, hidden);
        }
        for norm in [
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ] {
            b.norm(norm, hidden, false);
        }
        b.buffer("layer_scalar", Role::Norm, &[1]);
        if let Some(inputs) = &inputs {
            inputs.add_to_layer(b);
        }
        Ok(())
    })?;
    if let Some(inputs) = &inputs {
        b.scope(place.model, |b| inputs.add(b));
    }
    Ok(())
}

/// Experts, whose output is added to that of the dense network beside them.
struct Beside {
    experts: u64,
    chosen: u64,
    width: u64,
}

impl Beside {
    fn add(&self, b: &mut Builder, hidden: u64) {
        let Self {
            experts,
            chosen,
            width,
        } = *self;
        b.linear("router.proj", Role::Router, experts, hidden, false);
        b.tensor("router.scale", Role::Router, &[hidden]);
        b.routed(chosen, experts, |b| {
            b.tensor("router.per_expert_scale", Role::Router, &[experts]);
            b.tensor(
                "experts.gate_up_proj",
                Role::Expert,
                &[experts, 2 * width, hidden],
            );
            b.tensor("experts.down_proj", Role::Expert, &[experts, hidden, width]);
        });
        for norm in [
            "pre_feedforward_layernorm_2",
            "post_feedforward_layernorm_1",
            "post_feedforward_layernorm_2",
        ] {
            b.norm(norm, hidden, false);
        }
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
    }
}

fn plans(
    fields: &Fields<'_>,
    layers: u64,
    attention: &Attention<'_>,
    keys_are_values: bool,
    unified: bool,
) -> Result<Vec<Plan>> {
    let reaches = reaches(fields, layers, unified)?;
    let sources = sources(fields, &reaches, 0)?;
    let width = fields.size("intermediate_size")?;
    let doubled = fields.flag_or("use_double_wide_mlp", false)?;
    let overrides = fields.opt_object("per_layer_config")?;
    let (global_dim, global_heads) = if overrides.is_some() {
        (attention.head_dim, attention.kv_heads)
    } else {
        let heads = match fields.opt_size("num_global_key_value_heads")? {
            Some(heads) if keys_are_values => heads,
            _ => attention.kv_heads,
        };
        (fields.size_or("global_head_dim", 512)?, heads)
    };
    let mut plans: Vec<Plan> = reaches
        .into_iter()
        .zip(sources)
        .map(|(reach, shared_with)| {
            let full = reach == Reach::Full;
            Plan {
                reach,
                head_dim: if full { global_dim } else { attention.head_dim },
                kv_heads: if full {
                    global_heads
                } else {
                    attention.kv_heads
                },
                shared_with,
                width: if doubled && shared_with.is_some() {
                    2 * width
                } else {
                    width
                },
            }
        })
        .collect();
    if let Some(overrides) = overrides {
        for name in overrides.names() {
            let Some(layer) = overrides.opt_object(name)? else {
                continue;
            };
            let known = ["head_dim", "num_key_value_heads"];
            if let Some(other) = layer.names().find(|name| !known.contains(name)) {
                return Err(layer.error(other, "is not known to differ between layers"));
            }
            let at = name
                .parse::<usize>()
                .map_err(|_| overrides.error(name, "is not the number of a layer"))?;
            if let Some(plan) = plans.get_mut(at) {
                plan.head_dim = layer.opt_size("head_dim")?.unwrap_or(plan.head_dim);
                plan.kv_heads = layer
                    .opt_size("num_key_value_heads")?
                    .unwrap_or(plan.kv_heads);
            }
        }
    }
    for plan in &plans {
        fields.divide(
            "num_attention_heads",
            attention.heads,
            "num_key_value_heads",
            plan.kv_heads,
        )?;
    }
    Ok(plans)
}

/// Every sixth layer sees everything, and the last does whatever `layer_types` says of it.
fn reaches(fields: &Fields<'_>, layers: u64, unified: bool) -> Result<Vec<Reach>> {
    if fields.opt_text("use_bidirectional_attention")? == Some("all") {
        return Err(fields.error(
            "use_bidirectional_attention",
            "\"all\" is not known of a published model, so nothing was derived",
        ));
    }
    let window = fields.size_or("sliding_window", if unified { 1024 } else { 512 })?;
    let mut reaches =
        crate::architecture::attention::reaches(fields, layers, Some(window), |layer| {
            if (layer + 1).is_multiple_of(6) {
                Reach::Full
            } else {
                Reach::Sliding(window)
            }
        })?;
    if let Some(last) = reaches.last_mut() {
        *last = Reach::Full;
    }
    Ok(reaches)
}
