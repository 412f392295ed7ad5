//! FNet: Fourier transforms, which have no parameters, instead of attention.
//!
//! Source: transformers `models/fnet`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape};
use crate::architecture::encoder_top::{ALWAYS, BERT_TOPS, Tops};
use crate::architecture::layer::Mixer;
use crate::checkpoint::Role;

/// FNet.
pub const FAMILY: Family = Family {
    name: "fnet",
    model_types: &["fnet"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: ALWAYS,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "fnet.")?;
    let shape = Shape {
        hidden: fields.size("hidden_size")?,
        heads: 1,
        head_dim: 1,
        width: fields.size("intermediate_size")?,
        layers: fields.repeats("num_hidden_layers")?,
        vocabulary: fields.size("vocab_size")?,
        decodes: false,
        cross: false,
    };
    let Shape { hidden, width, .. } = shape;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 4)?;
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
            b.norm("LayerNorm", hidden, true);
            b.linear("projection", Role::Embedding, hidden, hidden, true);
        });
        shape.stacked(b, "encoder.layer", |b| {
            b.norm("fourier.output.LayerNorm", hidden, true);
            b.mixer(Mixer::Stateless);
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.norm("output.LayerNorm", hidden, true);
            b.feed_forward(shape.feed_forward());
        });
        TOPS.pool(b, &seat, hidden);
    });
    TOPS.add(b, fields, &seat, &shape, hidden)
}
