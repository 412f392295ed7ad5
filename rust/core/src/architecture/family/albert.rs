//! ALBERT: layers share their weights by groups, and the embedding is narrow.
//!
//! Source: transformers `models/albert`. Every layer is listed, also those that have no tensors of their own.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, Words};
use crate::architecture::encoder_top::{BERT_TOPS, PreTraining, Tops};
use crate::architecture::layer::Stack;
use crate::architecture::place::{Place, labels};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// ALBERT.
pub const FAMILY: Family = Family {
    name: "albert",
    model_types: &["albert"],
    lower,
    text: Some(text),
};

const WORDS: Words = Words {
    scope: "predictions.",
    transform: "",
    norm: "LayerNorm",
    decoder_bias: true,
};

const TOPS: Tops = Tops {
    pooler: "pooler",
    words: |b, fields, shape, narrow| WORDS.add(b, fields, shape.hidden, narrow, shape.vocabulary),
    pretraining: PreTraining::Words,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    model(b, fields, &Seat::whole(fields, "albert.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    model(b, fields, &Seat::inside(place))
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<()> {
    let shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let narrow = fields.size_or("embedding_size", 128)?;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    let groups = fields.repeats_or("num_hidden_groups", 1)?;
    let inner = fields.repeats_or("inner_group_num", 1)?;
    if inner * groups.max(shape.layers) > COUNT_LIMIT {
        return Err(fields.error("inner_group_num", "makes more layers than can be derived"));
    }
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, narrow);
            b.embedding("position_embeddings", Role::Position, positions, narrow);
            b.embedding("token_type_embeddings", Role::Embedding, types, narrow);
            b.norm("LayerNorm", narrow, true);
        });
        let block = |b: &mut Builder| {
            for _ in 0..inner {
                b.mixer(shape.mixer());
                b.feed_forward(shape.feed_forward());
            }
        };
        b.scope("encoder.", |b| {
            let mapping = "embedding_hidden_mapping_in";
            b.linear(mapping, Role::Embedding, hidden, narrow, true);
            let all = classic::all(groups);
            b.layers(Stack::Encoder, "albert_layer_groups", &all, |b| {
                b.each("albert_layers", classic::all(inner), |b| {
                    b.scope("attention.", |b| {
                        shape.projections(b, true);
                        b.linear("dense", Role::Attention, hidden, hidden, true);
                        b.norm("LayerNorm", hidden, true);
                    });
                    b.linear("ffn", Role::Mlp, width, hidden, true);
                    b.linear("ffn_output", Role::Mlp, hidden, width, true);
                    b.norm("full_layer_layer_norm", hidden, true);
                });
                block(b);
            });
            // The rest of the layers go through the same groups again.
            let again: Vec<u32> = (groups..shape.layers)
                .filter_map(|layer| u32::try_from(layer).ok())
                .collect();
            let again = Numbers::Listed(again.into());
            b.layers(Stack::Encoder, "albert_layer_groups", &again, block);
        });
        TOPS.pool(b, seat, hidden);
    });
    TOPS.add(b, fields, seat, &shape, narrow)?;
    if seat.task == Task::PreTraining {
        let labels = labels(fields)?;
        b.linear(
            "sop_classifier.classifier",
            Role::Head,
            labels,
            hidden,
            true,
        );
    }
    Ok(())
}
