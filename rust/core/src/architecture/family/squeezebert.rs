//! SqueezeBERT: BERT whose matrices are grouped convolutions of width one.
//!
//! Source: transformers `models/squeezebert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape};
use crate::architecture::encoder_top::{ALWAYS, BERT_TOPS, PreTraining, Tops};
use crate::checkpoint::Role;

/// SqueezeBERT.
pub const FAMILY: Family = Family {
    name: "squeezebert",
    model_types: &["squeezebert"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: ALWAYS,
    pretraining: PreTraining::None,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "transformer.")?;
    let shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let narrow = fields.size_from(
        "embedding_size",
        hidden,
        "not in the config: as wide as the layers",
    )?;
    if narrow != hidden {
        return Err(fields.error(
            "embedding_size",
            format!("must be hidden_size, {hidden}, and not {narrow}"),
        ));
    }
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    let groups = Groups::read(fields)?;
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        shape.stacked(b, "encoder.layers", |b| -> Result<()> {
            let (attention, mlp) = (Role::Attention, Role::Mlp);
            for (name, field, groups, role, outputs, inputs) in [
                (
                    "attention.query",
                    "q_groups",
                    groups.queries,
                    attention,
                    hidden,
                    hidden,
                ),
                (
                    "attention.key",
                    "k_groups",
                    groups.keys,
                    attention,
                    hidden,
                    hidden,
                ),
                (
                    "attention.value",
                    "v_groups",
                    groups.values,
                    attention,
                    hidden,
                    hidden,
                ),
                (
                    "post_attention.conv1d",
                    "post_attention_groups",
                    groups.after,
                    attention,
                    hidden,
                    hidden,
                ),
                (
                    "intermediate.conv1d",
                    "intermediate_groups",
                    groups.inner,
                    mlp,
                    width,
                    hidden,
                ),
                (
                    "output.conv1d",
                    "output_groups",
                    groups.output,
                    mlp,
                    hidden,
                    width,
                ),
            ] {
                let each = fields.divide("the width of the input", inputs, field, groups)?;
                b.weight_and_bias(name, role, &[outputs, each, 1], outputs, true);
            }
            b.norm("post_attention.layernorm", hidden, true);
            b.norm("output.layernorm", hidden, true);
            b.mixer(shape.mixer());
            b.feed_forward(shape.feed_forward());
            Ok(())
        })?;
        TOPS.pool(b, &seat, hidden);
        Ok(())
    })?;
    TOPS.add(b, fields, &seat, &shape, hidden)
}

/// Groups of the convolutions.
struct Groups {
    queries: u64,
    keys: u64,
    values: u64,
    after: u64,
    inner: u64,
    output: u64,
}

impl Groups {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            queries: fields.size_or("q_groups", 4)?,
            keys: fields.size_or("k_groups", 4)?,
            values: fields.size_or("v_groups", 4)?,
            after: fields.size_or("post_attention_groups", 1)?,
            inner: fields.size_or("intermediate_groups", 4)?,
            output: fields.size_or("output_groups", 4)?,
        })
    }
}
