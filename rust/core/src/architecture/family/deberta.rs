//! DeBERTa in its versions: attention to content and to relative positions apart.
//!
//! Source: transformers `models/deberta` (which fuses queries, keys and values) and `models/deberta_v2` (with
//! version 3). The pooler of classifiers lies outside of the model.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{
    BERT_WORDS, Seat, Shape, Task, answers, classifier, refuse, tied,
};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// DeBERTa.
pub const FAMILY: Family = Family {
    name: "deberta",
    model_types: &["deberta", "deberta-v2"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Seat::whole(fields, "deberta.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, &Seat::inside(place))
}

/// Relative positions.
struct Relative {
    /// Rows of their table.
    rows: u64,
    /// Whether content looks at positions.
    content: bool,
    /// Whether positions look at content.
    position: bool,
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("deberta-v2");
    let shape = Shape::read(fields)?;
    let hidden = shape.hidden;
    let narrow = fields.opt_size("embedding_size")?.unwrap_or(hidden);
    let head_dim = fields.opt_size("attention_head_size")?;
    if head_dim.is_some_and(|head_dim| head_dim != shape.head_dim) {
        return Err(fields.error(
            "attention_head_size",
            "must be hidden_size / num_attention_heads, or the output does not fit the layer",
        ));
    }
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let relative = relative(fields, positions, second)?;
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("embeddings.", |b| -> Result<()> {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, narrow);
            if fields.flag_or("position_biased_input", true)? {
                b.embedding("position_embeddings", Role::Position, positions, narrow);
            }
            let types = fields.count_or("type_vocab_size", 0)?;
            if types > 0 {
                b.embedding("token_type_embeddings", Role::Embedding, types, narrow);
            }
            if narrow != hidden {
                b.linear("embed_proj", Role::Embedding, hidden, narrow, false);
            }
            b.norm("LayerNorm", hidden, true);
            Ok(())
        })?;
        let norms = ["output.LayerNorm", "output.LayerNorm"];
        shape.stacked(b, "encoder.layer", |b| {
            shape.block(b, norms, |b| {
                if second {
                    second_attention(b, fields, hidden, relative.as_ref())
                } else {
                    first_attention(b, fields, &shape, relative.as_ref())
                }
            })
        })?;
        b.scope("encoder.", |b| {
            if let Some(relative) = &relative {
                b.embedding("rel_embeddings", Role::Position, relative.rows, hidden);
            }
            if second {
                second_extras(b, fields, hidden)?;
            }
            Ok(())
        })
    })?;
    b.scope(seat.top, |b| top(b, fields, seat, &shape, narrow, second))
}

fn relative(fields: &Fields<'_>, positions: u64, second: bool) -> Result<Option<Relative>> {
    if !fields.flag_or("relative_attention", false)? {
        return Ok(None);
    }
    // Less than one stands for what another field says.
    let positive = |name: &str| -> Result<Option<u64>> {
        match fields.opt_ratio(name)? {
            Some(number) if number >= 1.0 => fields.opt_size(name),
            _ => Ok(None),
        }
    };
    let most = positive("max_relative_positions")?.unwrap_or(positions);
    let buckets = if second {
        positive("position_buckets")?
    } else {
        None
    };
    let kinds = match fields.value("pos_att_type") {
        Some(value) if value.is_string() => fields
            .opt_text("pos_att_type")?
            .map(|kinds| kinds.split('|').map(str::trim).collect()),
        Some(_) => fields.opt_texts("pos_att_type")?,
        None => None,
    }
    .unwrap_or_default();
    Ok(Some(Relative {
        rows: 2 * buckets.unwrap_or(most),
        content: kinds.contains(&"c2p"),
        position: kinds.contains(&"p2c"),
    }))
}

fn first_attention(
    b: &mut Builder,
    fields: &Fields<'_>,
    shape: &Shape,
    relative: Option<&Relative>,
) -> Result<()> {
    let (role, hidden) = (Role::Attention, shape.hidden);
    b.linear("in_proj", role, 3 * hidden, hidden, false);
    b.tensor("q_bias", role, &[hidden]);
    b.tensor("v_bias", role, &[hidden]);
    if fields.opt_flag("talking_head")?.unwrap_or(false) {
        b.linear("head_logits_proj", role, shape.heads, shape.heads, false);
        b.linear("head_weights_proj", role, shape.heads, shape.heads, false);
    }
    if relative.is_some_and(|relative| relative.content) {
        b.linear("pos_proj", role, hidden, hidden, false);
    }
    if relative.is_some_and(|relative| relative.position) {
        b.linear("pos_q_proj", role, hidden, hidden, true);
    }
    Ok(())
}

fn second_attention(
    b: &mut Builder,
    fields: &Fields<'_>,
    hidden: u64,
    relative: Option<&Relative>,
) -> Result<()> {
    for name in ["query_proj", "key_proj", "value_proj"] {
        b.linear(name, Role::Attention, hidden, hidden, true);
    }
    if let Some(relative) = relative
        && !fields.opt_flag("share_att_key")?.unwrap_or(false)
    {
        if relative.content {
            b.linear("pos_key_proj", Role::Attention, hidden, hidden, true);
        }
        if relative.position {
            b.linear("pos_query_proj", Role::Attention, hidden, hidden, true);
        }
    }
    Ok(())
}

/// What version 2 has beside its layers: a norm of the relative positions, and a convolution.
fn second_extras(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let norms = fields.opt_text("norm_rel_ebd")?.unwrap_or("none");
    if norms
        .split('|')
        .any(|norm| norm.trim().eq_ignore_ascii_case("layer_norm"))
    {
        b.norm("LayerNorm", hidden, true);
    }
    let kernel = fields.opt_count("conv_kernel_size")?.unwrap_or(0);
    if kernel > 0 {
        let groups = fields.opt_size("conv_groups")?.unwrap_or(1);
        let inputs = fields.divide("hidden_size", hidden, "conv_groups", groups)?;
        let shape = [hidden, inputs, kernel];
        b.weight_and_bias("conv.conv", Role::Mlp, &shape, hidden, true);
        b.norm("conv.LayerNorm", hidden, true);
    }
    Ok(())
}

fn top(
    b: &mut Builder,
    fields: &Fields<'_>,
    seat: &Seat<'_>,
    shape: &Shape,
    narrow: u64,
    second: bool,
) -> Result<()> {
    let hidden = shape.hidden;
    let pool = |b: &mut Builder| -> Result<u64> {
        let width = fields.size_from(
            "pooler_hidden_size",
            hidden,
            "not in the config: as wide as the layers",
        )?;
        b.linear("pooler.dense", Role::Head, width, width, true);
        Ok(width)
    };
    match seat.task {
        Task::Bare => Ok(()),
        Task::MaskedWords if fields.flag_or("legacy", true)? => {
            BERT_WORDS.add(b, fields, hidden, narrow, shape.vocabulary)
        }
        Task::MaskedWords => {
            // The logits are taken with the embedding in any case.
            let _ = tied(fields)?;
            b.scope("lm_predictions.lm_head.", |b| {
                b.linear("dense", Role::Head, hidden, hidden, true);
                b.norm("LayerNorm", hidden, true);
                b.tensor("bias", Role::Head, &[shape.vocabulary]);
            });
            Ok(())
        }
        Task::Sequence => {
            let width = pool(b)?;
            classifier(b, fields, width)
        }
        Task::Choice if second => {
            let width = pool(b)?;
            b.linear("classifier", Role::Head, 1, width, true);
            Ok(())
        }
        Task::Token => classifier(b, fields, hidden),
        Task::Answer => answers(b, fields, hidden),
        Task::Words | Task::PreTraining | Task::NextSentence | Task::Choice => refuse(fields),
    }
}
