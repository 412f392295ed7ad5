//! LongCat-Flash: each layer has two latent attentions and two dense networks one after another, and experts that
//! run beside them. Some of the experts that the router knows do nothing.
//!
//! Source: transformers `models/longcat_flash`; the layer that predicts ahead from the names that vLLM's
//! `longcat_flash_mtp.py` loads.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::mla::{Defaults, Latent};
use crate::architecture::place::{Place, Top};
use crate::architecture::prediction;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// LongCat-Flash.
pub const FAMILY: Family = Family {
    name: "longcat",
    model_types: &["longcat_flash"],
    lower,
    text: Some(text),
};

/// The defaults of the config class.
const LATENT: Defaults = Defaults {
    query_rank: Some(1536),
    rank: 512,
    rope_dim: 64,
    nope_dim: 128,
    value_dim: Some(128),
};

/// The experts of a layer.
struct Experts {
    hidden: u64,
    /// Those that do something.
    working: u64,
    /// Those that do nothing.
    idle: u64,
    chosen: u64,
    width: u64,
    router_bias: bool,
    /// Whether those that do nothing have a gate and an up projection all the same: the class of transformers 5
    /// makes them, and saves them. The published files do not have them.
    padded: bool,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut latent = Latent::read(fields, hidden, &LATENT)?;
    if let (Some(rank), Some(head)) = (latent.query_rank, fields.opt_size("qk_head_dim")?) {
        latent.query_up = Some([latent.heads * head, rank]);
    }
    let width = fields.size("ffn_hidden_size|intermediate_size")?;
    let layers = fields.repeats("num_layers")?;
    let experts = Experts::read(fields, hidden)?;
    let two = || Numbers::Below(2);
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        for norm in ["input_layernorm", "post_attention_layernorm"] {
            b.each(norm, two(), |b| {
                b.tensor("weight", Role::Norm, &[hidden]);
            });
        }
        b.each("self_attn", two(), |b| latent.add(b));
        b.mixer(latent.mixer());
        b.each("mlps", two(), |b| dense(b, "", hidden, width, false));
        b.feed_forward(FeedForward::Dense { width });
        b.scope("mlp.", |b| experts.add(b));
        Ok(())
    })?;
    let count = predicting(fields, experts.padded)?;
    if count == 0 || place.top != Top::LanguageModel {
        return Ok(());
    }
    b.scope(place.model, |b| {
        b.scope("mtp.", |b| {
            b.all_as(Role::Mtp, |b| {
                b.embedding("embed_tokens", Role::Mtp, frame.vocabulary, hidden);
                let numbers = Numbers::Below(u32::try_from(count).unwrap_or(u32::MAX));
                b.layers(Stack::Prediction, "layers", &numbers, |b| {
                    b.norm("enorm.m", hidden, false);
                    b.norm("hnorm.m", hidden, false);
                    b.linear("eh_proj", Role::Mtp, hidden, 2 * hidden, false);
                    b.norm("input_layernorm", hidden, false);
                    b.scope("self_attn.", |b| latent.add(b));
                    b.norm("post_attention_layernorm", hidden, false);
                    dense(b, "transformer_layer.mlp.", hidden, width, false);
                });
                b.norm("norm", hidden, false);
            });
        });
    });
    Ok(())
}

/// How many layers predict ahead. Published configs do not say, and the files hold one, by their total; what
/// transformers saves holds none.
fn predicting(fields: &Fields<'_>, saved: bool) -> Result<u64> {
    const NAME: &str = "num_nextn_predict_layers";
    if saved {
        return Ok(0);
    }
    if !fields.has(NAME) {
        fields.assume(NAME, 1, "not in the config; published files hold one");
        return Ok(1);
    }
    prediction::count(fields)
}

impl Experts {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let experts = fields.repeats_or("n_routed_experts", 512)?;
        let chosen = fields.size_or("moe_topk|num_experts_per_tok", 12)?;
        Ok(Self {
            hidden,
            working: experts,
            idle: fields.repeats_or("zero_expert_num", 256)?,
            // All that it visits may be of those that do something.
            chosen: chosen.min(experts),
            width: fields.size_or("expert_ffn_hidden_size|moe_intermediate_size", 2048)?,
            router_bias: fields.opt_flag("router_bias")?.unwrap_or(false),
            padded: fields.has("rope_parameters"),
        })
    }

    /// Adds them to the scope that is open, which ends in a dot, and tells the layer of them.
    ///
    /// A token visits as many as the router chooses, less those among them that do nothing.
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            working: experts,
            idle,
            chosen,
            width,
            ..
        } = *self;
        let known = experts + idle;
        b.linear(
            "router.classifier",
            Role::Router,
            known,
            hidden,
            self.router_bias,
        );
        b.buffer("router.e_score_correction_bias", Role::Router, &[known]);
        let below = |count: u64| Numbers::Below(u32::try_from(count).unwrap_or(u32::MAX));
        let made = if self.padded { known } else { experts };
        b.routed(chosen, made, |b| {
            b.each("experts", below(made), |b| {
                b.linear("gate_proj", Role::Expert, width, hidden, false);
                b.linear("up_proj", Role::Expert, width, hidden, false);
            });
        });
        b.routed(chosen, experts, |b| {
            b.each("experts", below(experts), |b| {
                b.linear("down_proj", Role::Expert, hidden, width, false);
            });
        });
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
    }
}
