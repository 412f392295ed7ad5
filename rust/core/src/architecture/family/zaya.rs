//! Zaya: compressed convolutional attention, and one expert of many by a router that is a network itself.
//!
//! Source: transformers `models/zaya`; arXiv 2510.04476 for the attention.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Reach, Recurrence, StateDtype};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Zaya.
pub const FAMILY: Family = Family {
    name: "zaya",
    model_types: &["zaya"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        tied: true,
        head_bias: fields.flag_or("lm_head_bias", false)?,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let attention = Attention::read(fields, hidden)?;
    let experts = Mixture::read(fields, hidden)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = (0_u64..)
        .zip(reaches(fields, layers)?)
        .map(|(layer, reach)| (reach, layer > 0));
    frame.add(b, fields, place, plans, |b, &(reach, follows)| {
        b.scope("self_attn.", |b| attention.add(b, reach));
        b.scope("mlp.", |b| experts.add(b, follows));
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        for name in ["post_attention_residual_scale", "post_mlp_residual_scale"] {
            for of in [
                "hidden_states_scale",
                "hidden_states_bias",
                "residual_scale",
                "residual_bias",
            ] {
                b.tensor(&format!("{name}.{of}"), Role::Norm, &[hidden]);
            }
        }
        Ok(())
    })?;
    b.scope(place.model, |b| {
        b.tensor("input_hidden_states_scale", Role::Norm, &[hidden]);
        b.tensor("input_hidden_states_bias", Role::Norm, &[hidden]);
    });
    Ok(())
}

fn reaches(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        return Ok((0..layers).map(|_| Reach::Full).collect());
    };
    let reach = |kind| match kind {
        "hybrid" => Ok(Reach::Full),
        "hybrid_sliding" => Ok(Reach::Sliding(fields.size("sliding_window")?)),
        other => Err(fields.error(
            "layer_types",
            format!("{other:?} is not a kind of layer this family has"),
        )),
    };
    types.into_iter().map(reach).collect()
}

/// Attention whose queries and keys go through two convolutions, and half of whose values are those of the token
/// before.
struct Attention {
    hidden: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    /// Widths of the convolution by channel, and of that by head.
    kernels: (u64, u64),
    bias: bool,
}

impl Attention {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let heads = fields.size_or("num_attention_heads", 8)?;
        let kv_heads = fields.size_or("num_key_value_heads", 2)?;
        fields.divide(
            "num_attention_heads",
            heads,
            "num_key_value_heads",
            kv_heads,
        )?;
        let head_dim = fields.size_or("head_dim", 128)?;
        fields.divide("num_key_value_heads", kv_heads * head_dim, "", 2)?;
        Ok(Self {
            hidden,
            heads,
            kv_heads,
            head_dim,
            kernels: (
                fields.size_or("cca_time0", 2)?,
                fields.size_or("cca_time1", 2)?,
            ),
            bias: fields.flag_or("attention_bias", false)?,
        })
    }

    fn add(&self, b: &mut Builder, reach: Reach) {
        let role = Role::Attention;
        let Self {
            hidden,
            heads,
            kv_heads,
            head_dim,
            bias,
            ..
        } = *self;
        let queries = heads * head_dim;
        let keys = kv_heads * head_dim;
        let channels = queries + keys;
        let (by_channel, by_head) = self.kernels;
        b.linear("o_proj", role, hidden, queries, bias);
        b.tensor("qk_norm.temp", Role::Norm, &[kv_heads]);
        b.scope("qkv_proj.", |b| {
            b.linear("q_proj", role, queries, hidden, bias);
            b.linear("k_proj", role, keys, hidden, bias);
            b.linear("v_proj_current", role, keys / 2, hidden, bias);
            b.linear("v_proj_delayed", role, keys / 2, hidden, bias);
            let shape = [channels, 1, by_channel];
            b.weight_and_bias("conv_qk_depthwise", role, &shape, channels, true);
            let shape = [channels, head_dim, by_head];
            b.weight_and_bias("conv_qk_grouped", role, &shape, channels, true);
        });
        b.mixer(Mixer::Attention {
            heads,
            kv_heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach,
            indexer_dim: 0,
            shared_with: None,
        });
        // Both convolutions are one after the other and keep the inputs of the first.
        b.mixer(Mixer::State {
            recurrence: Recurrence::ShortConvolution,
            heads: 0,
            convolution: Convolution::new(
                channels,
                by_channel.saturating_add(by_head).saturating_sub(1),
            )
            .tight(),
            recurrent: keys / 2,
            dtype: StateDtype::Cache,
        });
    }
}

/// Experts, of which each token visits one or none.
struct Mixture {
    hidden: u64,
    experts: u64,
    chosen: u64,
    width: u64,
    router: u64,
}

impl Mixture {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        Ok(Self {
            hidden,
            experts: fields.repeats_or("num_experts", 16)?,
            chosen: fields.size_or("num_experts_per_tok", 1)?,
            width: fields.size_or("moe_intermediate_size", 2048)?,
            router: fields.size_or("router_hidden_size", 256)?,
        })
    }

    /// `follows`: whether there is a router before, whose states this one adds to its own.
    fn add(&self, b: &mut Builder, follows: bool) {
        let Self {
            hidden,
            experts,
            chosen,
            width,
            router,
        } = *self;
        b.scope("gate.", |b| {
            let role = Role::Router;
            b.linear("down_proj", role, router, hidden, true);
            if follows {
                b.tensor("router_states_scale", role, &[router]);
            }
            // One class more than there are experts stands for none.
            b.buffer("balancing_biases", role, &[experts + 1]);
            b.scope("router_mlp.", |b| {
                b.norm("norm", router, false);
                b.linear("fc1", role, router, router, true);
                b.linear("fc2", role, router, router, true);
                b.linear("out_proj", role, experts + 1, router, false);
            });
        });
        b.routed(chosen, experts, |b| {
            b.tensor(
                "experts.gate_up_proj",
                Role::Expert,
                &[experts, 2 * width, hidden],
            );
            b.tensor("experts.down_proj", Role::Expert, &[experts, hidden, width]);
        });
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
    }
}
