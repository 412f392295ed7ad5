//! GPT-Neo: layers that see everything take turns with layers that see a window.
//!
//! Source: transformers `models/gpt_neo`.

use super::Family;
use crate::architecture::attention::{Attention, reach_of};
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// GPT-Neo.
pub const FAMILY: Family = Family {
    name: "gpt-neo",
    model_types: &["gpt_neo"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "transformer.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_heads|num_attention_heads")?;
    let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
    let attention = Attention {
        output_bias: true,
        ..Attention::of_heads(
            ["q_proj", "k_proj", "v_proj", "out_proj"],
            hidden,
            heads,
            head_dim,
            false,
        )
    };
    let width = classic::inner(fields, "intermediate_size", hidden, 4)?;
    let layers = fields.repeats("num_layers|num_hidden_layers")?;
    let window = fields.size_or("window_size", 256)?;
    let positions = fields.size_or("max_position_embeddings", 2048)?;
    let reaches = kinds(fields, layers)?
        .into_iter()
        .map(|kind| reach_of(fields, kind, Some(window)))
        .collect::<Result<Vec<_>>>()?;
    b.scope(place.model, |b| {
        b.embedding("wpe", Role::Position, positions, hidden);
    });
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "wte",
        stack: "h",
        norm: Some(("ln_f", true)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    frame.add(b, fields, place, reaches, |b, &reach| {
        b.norm("ln_1", hidden, true);
        b.scope("attn.attention.", |b| {
            Attention {
                reach,
                ..attention.clone()
            }
            .add(b);
        });
        b.norm("ln_2", hidden, true);
        b.scope("mlp.", |b| {
            plain(b, ["c_fc", "c_proj"], Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}

/// The kind of every layer: `attention_layers`, or `attention_types` written out, as
/// `[[["global", "local"], 12]]` for twelve times a global and a local one.
fn kinds<'c>(fields: &Fields<'c>, layers: u64) -> Result<Vec<&'c str>> {
    const PATTERN: &str = "must be a list of lists of kinds, each with how often it comes";
    if let Some(kinds) = fields.opt_layer_texts("attention_layers", layers)? {
        return Ok(kinds);
    }
    let wanted = usize::try_from(layers).unwrap_or(usize::MAX);
    let Some(types) = fields.opt_list("attention_types")? else {
        fields.assume(
            "attention_types",
            "global and local in turn",
            "not in the config; the default of its model class",
        );
        return Ok(["global", "local"]
            .into_iter()
            .cycle()
            .take(wanted)
            .collect());
    };
    let mut kinds = Vec::new();
    for item in types {
        let (Some(pattern), Some(times)) = (
            item.get(0).and_then(|pattern| pattern.as_array()),
            item.get(1).and_then(serde_json::Value::as_u64),
        ) else {
            return Err(fields.error("attention_types", PATTERN));
        };
        let pattern = pattern
            .iter()
            .map(|kind| {
                kind.as_str()
                    .ok_or_else(|| fields.error("attention_types", PATTERN))
            })
            .collect::<Result<Vec<_>>>()?;
        let times = usize::try_from(times).unwrap_or(usize::MAX);
        let left = wanted - kinds.len();
        kinds.extend(
            pattern
                .iter()
                .copied()
                .cycle()
                .take(pattern.len().saturating_mul(times).min(left)),
        );
    }
    if kinds.len() < wanted {
        let given = kinds.len();
        return Err(fields.error(
            "attention_types",
            format!("says {given} kinds for {layers} layers"),
        ));
    }
    Ok(kinds)
}
