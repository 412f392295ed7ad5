//! LUKE: RoBERTa that also reads entities, with queries of their own between words and entities.
//!
//! Source: transformers `models/luke`. Its head for words has a table of its own.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, tied};
use crate::architecture::encoder_top::{BERT_TOPS, PreTraining, Tops};
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// LUKE.
pub const FAMILY: Family = Family {
    name: "luke",
    model_types: &["luke"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: &[Task::Bare, Task::MaskedWords, Task::Sequence, Task::Choice],
    words,
    pretraining: PreTraining::None,
    ..BERT_TOPS
};

/// The classes for entities, by how many vectors their classifier takes and whether it has a bias.
const ENTITIES: [(&str, u64, bool); 3] = [
    ("LukeForEntityClassification", 1, true),
    ("LukeForEntityPairClassification", 2, false),
    ("LukeForEntitySpanClassification", 3, true),
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let named = class(fields)?;
    let Some((_, vectors, bias)) = ENTITIES.into_iter().find(|&(name, ..)| named == Some(name))
    else {
        let seat = Seat::whole(fields, "luke.")?;
        let shape = model(b, fields, &seat)?;
        return TOPS.add(b, fields, &seat, &shape, shape.hidden);
    };
    let seat = Seat {
        model: "luke.",
        top: "",
        task: Task::Sequence,
    };
    let shape = model(b, fields, &seat)?;
    let inputs = vectors * shape.hidden;
    b.linear("classifier", Role::Head, labels(fields)?, inputs, bias);
    Ok(())
}

fn entity_width(fields: &Fields<'_>) -> Result<u64> {
    fields.size_or("entity_emb_size", 256)
}

fn entities(fields: &Fields<'_>) -> Result<u64> {
    fields.size_or("entity_vocab_size", 500_000)
}

fn model(b: &mut Builder, fields: &Fields<'_>, seat: &Seat<'_>) -> Result<Shape> {
    let shape = Shape::read(fields)?;
    let hidden = shape.hidden;
    let narrow = entity_width(fields)?;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    let aware = fields.flag_or("use_entity_aware_attention", true)?;
    let tables = |b: &mut Builder| {
        b.embedding("position_embeddings", Role::Position, positions, hidden);
        b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
        b.norm("LayerNorm", hidden, true);
    };
    let entities = entities(fields)?;
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            tables(b);
        });
        b.scope("entity_embeddings.", |b| {
            b.embedding("entity_embeddings", Role::Embedding, entities, narrow);
            if narrow != hidden {
                let dense = "entity_embedding_dense";
                b.linear(dense, Role::Embedding, hidden, narrow, false);
            }
            tables(b);
        });
        let norms = ["output.LayerNorm", "output.LayerNorm"];
        shape.stacked(b, "encoder.layer", |b| {
            shape.block(b, norms, |b| {
                shape.projections(b, true);
                if aware {
                    for name in ["w2e_query", "e2w_query", "e2e_query"] {
                        b.linear(name, Role::Attention, hidden, hidden, true);
                    }
                }
                Ok(())
            })
        })?;
        TOPS.pool(b, seat, hidden);
        Ok(())
    })?;
    Ok(shape)
}

/// Heads for words and for entities.
fn words(b: &mut Builder, fields: &Fields<'_>, shape: &Shape, _: u64) -> Result<()> {
    let Shape {
        hidden, vocabulary, ..
    } = *shape;
    let (rows, narrow) = (entities(fields)?, entity_width(fields)?);
    let tied = tied(fields)?;
    b.scope("lm_head.", |b| {
        b.linear("dense", Role::Head, hidden, hidden, true);
        b.norm("layer_norm", hidden, true);
        b.linear("decoder", Role::Head, vocabulary, hidden, true);
        if !tied {
            b.tensor("bias", Role::Head, &[vocabulary]);
        }
    });
    b.scope("entity_predictions.", |b| {
        b.linear("transform.dense", Role::Head, narrow, hidden, true);
        b.norm("transform.LayerNorm", narrow, true);
        b.tensor("bias", Role::Head, &[rows]);
        if !tied {
            b.linear("decoder", Role::Head, rows, narrow, false);
        }
    });
    Ok(())
}
