//! MPNet: BERT with one table of relative positions for all layers.
//!
//! Source: transformers `models/mpnet`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape};
use crate::architecture::encoder_top::ROBERTA_TOPS;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// MPNet.
pub const FAMILY: Family = Family {
    name: "mpnet",
    model_types: &["mpnet"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Seat::whole(fields, "mpnet.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, &Seat::inside(place))
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<()> {
    let shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let buckets = fields.size_or("relative_attention_num_buckets", 32)?;
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        let table = "encoder.relative_attention_bias";
        b.embedding(table, Role::Position, buckets, shape.heads);
        shape.stacked(b, "encoder.layer", |b| {
            b.scope("attention.", |b| {
                for name in ["attn.q", "attn.k", "attn.v", "attn.o"] {
                    b.linear(name, Role::Attention, hidden, hidden, true);
                }
                b.norm("LayerNorm", hidden, true);
            });
            b.mixer(shape.mixer());
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.norm("output.LayerNorm", hidden, true);
            b.feed_forward(shape.feed_forward());
        });
        ROBERTA_TOPS.pool(b, seat, hidden);
    });
    ROBERTA_TOPS.add(b, fields, seat, &shape, hidden)
}
