//! Llama cut to measure by a search over its blocks: DeciLM 6B and 7B, whose layers differ in heads of keys and
//! values, and Llama-Nemotron, whose layers may lack attention or network or have a plain matrix instead of either.
//!
//! Source: `modeling_decilm.py`, `block_config.py` beside the published checkpoints (Puzzle, arXiv 2411.19146).

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{ConfigError, Fields, Result, SIZE_LIMIT, kind};
use crate::architecture::dense::{self, Defaults, refuse_foreign};
use crate::architecture::feed_forward::dense as network;
use crate::architecture::layer::{FeedForward, Mixer, Reach};
use crate::architecture::place::Place;
use crate::checkpoint::Role;
use serde_json::{Map, Value};

/// DeciLM and Llama-Nemotron.
pub const FAMILY: Family = Family {
    name: "nemotron-nas",
    model_types: &["deci", "nemotron-nas"],
    lower,
    text: Some(text),
};

/// The attention of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attends {
    Not,
    /// A square matrix instead.
    Linear,
    /// With so many heads of keys and values.
    Heads(u64, Reach),
}

/// The network of a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thinks {
    Not,
    /// A square matrix instead.
    Linear,
    /// Of this inner width.
    Width(u64),
}

type Plan = (Attends, Thinks);

const DEFAULTS: Defaults = Defaults::new(32_000, 4096, 11_008, 32, 32);

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stems = ["DeciLM", "Deci", "DeciCoder"];
    text(
        b,
        fields,
        &Place::of_class(fields, &stems, "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(
        fields,
        &[
            "attention_bias",
            "mlp_bias",
            "block_configs",
            "num_key_value_heads_per_layer",
        ],
    )?;
    let frame = dense::frame(fields, &DEFAULTS)?;
    let hidden = frame.hidden;
    let heads = fields.size_or("num_attention_heads", DEFAULTS.heads)?;
    let head_dim = match fields.opt_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => dense::per_head(fields, hidden, heads)?,
    };
    let bias = fields.flag_or("attention_bias", false)?;
    let network_bias = fields.flag_or("mlp_bias", false)?;
    let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let attention = Attention::of_heads(names, hidden, heads, head_dim, bias);
    let plans = plans(fields, hidden, heads)?;
    frame.add(b, fields, place, plans, |b, plan| {
        let (attends, thinks) = *plan;
        match attends {
            Attends::Not => {}
            Attends::Linear => {
                b.linear(
                    "self_attn.linear_attn",
                    Role::Attention,
                    hidden,
                    hidden,
                    false,
                );
                b.mixer(Mixer::Stateless);
            }
            Attends::Heads(kv_heads, reach) => b.scope("self_attn.", |b| {
                Attention {
                    kv_heads,
                    reach,
                    ..attention.clone()
                }
                .add(b);
            }),
        }
        if attends != Attends::Not {
            b.norm("input_layernorm", hidden, false);
        }
        match thinks {
            Thinks::Not => {}
            Thinks::Linear => {
                b.linear("mlp.linear_mlp", Role::Mlp, hidden, hidden, false);
                b.feed_forward(FeedForward::Dense { width: hidden });
            }
            Thinks::Width(width) => network(b, "mlp.", hidden, width, network_bias),
        }
        if thinks != Thinks::Not {
            b.norm("post_attention_layernorm", hidden, false);
        }
        Ok(())
    })
}

fn plans(fields: &Fields<'_>, hidden: u64, heads: u64) -> Result<Vec<Plan>> {
    let layers = dense::layers(fields, &DEFAULTS)?;
    let Some(blocks) = fields.opt_list(BLOCKS)? else {
        const PER_LAYER: &str = "num_key_value_heads_per_layer";
        let per_layer = fields.opt_counts(PER_LAYER)?.ok_or_else(|| {
            fields.error(
                BLOCKS,
                "is missing, and so is num_key_value_heads_per_layer: one of them says how the layers differ",
            )
        })?;
        enough(fields, PER_LAYER, per_layer.len(), layers)?;
        let width = fields.size_or("intermediate_size", DEFAULTS.width)?;
        return per_layer
            .into_iter()
            .zip(0..layers)
            .map(|(kv_heads, _)| {
                fields.divide("num_attention_heads", heads, PER_LAYER, kv_heads)?;
                Ok((Attends::Heads(kv_heads, Reach::Full), Thinks::Width(width)))
            })
            .collect();
    };
    enough(fields, BLOCKS, blocks.len(), layers)?;
    blocks
        .iter()
        .zip(0..layers)
        .map(|(block, _)| {
            let part = |name: &str| {
                block
                    .get(name)
                    .and_then(Value::as_object)
                    .map(|fields| Part(name.to_owned(), fields))
                    .ok_or_else(|| fields.error(BLOCKS, format!("a block has no object {name:?}")))
            };
            Ok((
                attends(fields, &part("attention")?, heads)?,
                thinks(fields, &part("ffn")?, hidden)?,
            ))
        })
        .collect()
}

const BLOCKS: &str = "block_configs";

fn enough(fields: &Fields<'_>, name: &str, given: usize, layers: u64) -> Result<()> {
    if (given as u64) < layers {
        return Err(fields.error(name, format!("has {given} items for {layers} layers")));
    }
    Ok(())
}

/// The description of one half of a block, and its name.
struct Part<'c>(String, &'c Map<String, Value>);

impl Part<'_> {
    fn error(&self, fields: &Fields<'_>, name: &str, message: &str) -> ConfigError {
        fields.error(BLOCKS, format!("{}.{name} {message}", self.0))
    }

    fn flag(&self, fields: &Fields<'_>, name: &str) -> Result<bool> {
        match self.1.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(other) => {
                let message = format!("must be true or false, not {}", kind(other));
                Err(self.error(fields, name, &message))
            }
        }
    }

    fn count(&self, fields: &Fields<'_>, name: &str) -> Result<Option<u64>> {
        match self.1.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) if (1..=SIZE_LIMIT).contains(&count) => Ok(Some(count)),
                Some(_) | None => Err(self.error(fields, name, "must be a whole number from 1 on")),
            },
        }
    }

    /// Refuses whatever is set and not known: newer searches mix in other kinds of blocks.
    fn only(&self, fields: &Fields<'_>, known: &[&str]) -> Result<()> {
        for (name, value) in self.1 {
            let set = !matches!(value, Value::Null | Value::Bool(false));
            if set && !known.contains(&name.as_str()) {
                return Err(self.error(fields, name, "is not known, so nothing was derived"));
            }
        }
        Ok(())
    }
}

fn attends(fields: &Fields<'_>, part: &Part<'_>, heads: u64) -> Result<Attends> {
    part.only(
        fields,
        &[
            "no_op",
            "replace_with_linear",
            "n_heads_in_group",
            "window_length",
        ],
    )?;
    if part.flag(fields, "no_op")? {
        return Ok(Attends::Not);
    }
    if part.flag(fields, "replace_with_linear")? {
        return Ok(Attends::Linear);
    }
    let group = part.count(fields, "n_heads_in_group")?.ok_or_else(|| {
        part.error(
            fields,
            "n_heads_in_group",
            "is missing, and the layer attends",
        )
    })?;
    let kv_heads = fields.divide("num_attention_heads", heads, "block_configs", group)?;
    let reach = part
        .count(fields, "window_length")?
        .map_or(Reach::Full, Reach::Sliding);
    Ok(Attends::Heads(kv_heads, reach))
}

fn thinks(fields: &Fields<'_>, part: &Part<'_>, hidden: u64) -> Result<Thinks> {
    part.only(
        fields,
        &[
            "no_op",
            "replace_with_linear",
            "ffn_mult",
            "intermediate_size",
            "hidden_act",
        ],
    )?;
    if part.flag(fields, "no_op")? {
        return Ok(Thinks::Not);
    }
    if part.flag(fields, "replace_with_linear")? {
        return Ok(Thinks::Linear);
    }
    if let Some(width) = part.count(fields, "intermediate_size")? {
        return Ok(Thinks::Width(width));
    }
    let factor = part
        .1
        .get("ffn_mult")
        .and_then(Value::as_f64)
        .filter(|factor| (0.0..=64.0).contains(factor))
        .ok_or_else(|| part.error(fields, "ffn_mult", "must be a number from 0 to 64"))?;
    // The code computes two thirds of the product in floating point, cuts off, and rounds up to 256.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the width is under 2^21 and the factor under 64"
    )]
    let width = (2.0 * factor * hidden as f64 / 3.0) as u64;
    match width.next_multiple_of(256) {
        0 => Err(part.error(fields, "ffn_mult", "gives a network without any width")),
        width => Ok(Thinks::Width(width)),
    }
}
