//! GTE: Alibaba's encoder with rotary positions and a gated feed-forward, in transformers and in its own code.
//!
//! Source: transformers `models/gte` with the names it is saved under, and `Alibaba-NLP/new-impl/modeling.py`, whose
//! model type is `new`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, tied};
use crate::architecture::encoder_top::{BERT_TOPS, PreTraining, Tops};
use crate::checkpoint::Role;

/// GTE.
pub const FAMILY: Family = Family {
    name: "gte",
    model_types: &["gte", "new"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: &[Task::Sequence, Task::Choice],
    words: |b, fields, shape, _| {
        let Shape {
            hidden, vocabulary, ..
        } = *shape;
        let tied = tied(fields)?;
        b.scope("lm_head.", |b| {
            b.linear("dense", Role::Head, hidden, hidden, true);
            b.norm("norm", hidden, true);
            b.tensor("decoder.bias", Role::Head, &[vocabulary]);
            if !tied {
                b.linear("decoder", Role::Head, vocabulary, hidden, false);
            }
        });
        Ok(())
    },
    pretraining: PreTraining::None,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let own = fields.opt_text("model_type")? == Some("new");
    let seat = Seat::whole(fields, if own { "new." } else { "gte." })?;
    let shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let types = fields.count_or("type_vocab_size", 1)?;
    let packed = fields.opt_flag("pack_qkv")?.unwrap_or(true);
    let norm_bias = match fields.opt_text("layer_norm_type")? {
        None | Some("layer_norm") => true,
        Some("rms_norm") => false,
        Some(other) => {
            return Err(fields.error(
                "layer_norm_type",
                format!("{other:?} is no kind of norm this family has"),
            ));
        }
    };
    let positions = match fields.opt_text("position_embedding_type")? {
        None | Some("rope") => None,
        Some("absolute") => Some(fields.size("max_position_embeddings")?),
        Some(other) => {
            return Err(fields.error(
                "position_embedding_type",
                format!("{other:?} is no kind of positions this family has"),
            ));
        }
    };
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, hidden);
            if let Some(rows) = positions {
                b.embedding("position_embeddings", Role::Position, rows, hidden);
            }
            if types > 0 {
                b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
            }
            b.norm("LayerNorm", hidden, true);
        });
        shape.stacked(b, "encoder.layer", |b| {
            b.scope("attention.", |b| {
                let role = Role::Attention;
                if packed {
                    b.linear("qkv_proj", role, 3 * hidden, hidden, true);
                } else {
                    for name in ["q_proj", "k_proj", "v_proj"] {
                        b.linear(name, role, hidden, hidden, true);
                    }
                }
                b.linear("o_proj", role, hidden, hidden, true);
            });
            b.mixer(shape.mixer());
            b.linear("mlp.up_gate_proj", Role::Mlp, 2 * width, hidden, false);
            b.linear("mlp.down_proj", Role::Mlp, hidden, width, true);
            b.norm("attn_ln", hidden, norm_bias);
            b.norm("mlp_ln", hidden, norm_bias);
            b.feed_forward(shape.feed_forward());
        });
        TOPS.pool(b, &seat, hidden);
    });
    TOPS.add(b, fields, &seat, &shape, hidden)
}
