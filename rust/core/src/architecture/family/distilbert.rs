//! DistilBERT: BERT without types of tokens and without a pooler, in names of its own.
//!
//! Source: transformers `models/distilbert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, tied};
use crate::architecture::encoder_top::{BERT_TOPS, Choice, PreTraining, Sequences, Tops};
use crate::architecture::feed_forward::plain;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// DistilBERT.
pub const FAMILY: Family = Family {
    name: "distilbert",
    model_types: &["distilbert"],
    lower,
    text: Some(text),
};

const TOPS: Tops = Tops {
    pooled: &[],
    words: |b, fields, shape, _| {
        let Shape {
            hidden, vocabulary, ..
        } = *shape;
        b.linear("vocab_transform", Role::Head, hidden, hidden, true);
        b.norm("vocab_layer_norm", hidden, true);
        b.tensor("vocab_projector.bias", Role::Head, &[vocabulary]);
        if !tied(fields)? {
            b.linear("vocab_projector", Role::Head, vocabulary, hidden, false);
        }
        Ok(())
    },
    pretraining: PreTraining::None,
    sequences: Sequences::Before,
    choice: Choice::Layer,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Seat::whole(fields, "distilbert.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, &Seat::inside(place))
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<()> {
    let hidden = fields.size("dim|hidden_size")?;
    let heads = fields.size("n_heads|num_attention_heads")?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("dim", hidden, "n_heads", heads)?,
        width: fields.size("hidden_dim")?,
        layers: fields.repeats("n_layers|num_hidden_layers")?,
        vocabulary: fields.size("vocab_size")?,
        decodes: false,
        cross: false,
    };
    let positions = fields.size_or("max_position_embeddings", 512)?;
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        shape.stacked(b, "transformer.layer", |b| {
            b.scope("attention.", |b| {
                for name in ["q_lin", "k_lin", "v_lin", "out_lin"] {
                    b.linear(name, Role::Attention, hidden, hidden, true);
                }
            });
            b.mixer(shape.mixer());
            b.norm("sa_layer_norm", hidden, true);
            b.scope("ffn.", |b| {
                plain(b, ["lin1", "lin2"], Role::Mlp, hidden, shape.width, true);
            });
            b.norm("output_layer_norm", hidden, true);
            b.feed_forward(shape.feed_forward());
        });
    });
    TOPS.add(b, fields, seat, &shape, hidden)
}
