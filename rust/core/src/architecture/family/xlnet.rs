//! XLNet: relative positions after Transformer-XL, projections stored by heads.
//!
//! Source: transformers `models/xlnet`. It reads a text in any order, and is taken as an encoder: the hidden states
//! it may be given of earlier segments are no cache that grows with each token.

use super::Family;
use super::xlm::spans;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, answers, classifier, refuse, summary, tied};
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// XLNet.
pub const FAMILY: Family = Family {
    name: "xlnet",
    model_types: &["xlnet"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let class = class(fields)?.unwrap_or_default();
    let simple = class.ends_with("ForQuestionAnsweringSimple");
    let seat = if simple {
        Seat {
            model: "transformer.",
            top: "",
            task: Task::Answer,
        }
    } else {
        Seat::whole(fields, "transformer.")?
    };
    let hidden = fields.size("d_model|hidden_size")?;
    let heads = fields.size("n_head|num_attention_heads")?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("d_model", hidden, "n_head", heads)?,
        width: fields.size("d_inner")?,
        layers: fields.repeats("n_layer|num_hidden_layers")?,
        vocabulary: fields.size("vocab_size")?,
        decodes: false,
        cross: false,
    };
    let head_dim = shape.head_dim;
    b.scope(seat.model, |b| {
        b.embedding("word_embedding", Role::Embedding, shape.vocabulary, hidden);
        b.tensor("mask_emb", Role::Embedding, &[1, 1, hidden]);
        shape.stacked(b, "layer", |b| {
            b.scope("rel_attn.", |b| {
                let role = Role::Attention;
                for name in ["q", "k", "v", "o", "r"] {
                    b.tensor(name, role, &[hidden, heads, head_dim]);
                }
                for name in ["r_r_bias", "r_s_bias", "r_w_bias"] {
                    b.tensor(name, role, &[heads, head_dim]);
                }
                b.tensor("seg_embed", role, &[2, heads, head_dim]);
                b.norm("layer_norm", hidden, true);
            });
            b.mixer(shape.mixer());
            b.scope("ff.", |b| {
                b.norm("layer_norm", hidden, true);
                b.linear("layer_1", Role::Mlp, shape.width, hidden, true);
                b.linear("layer_2", Role::Mlp, hidden, shape.width, true);
            });
            b.feed_forward(shape.feed_forward());
        });
    });
    match seat.task {
        Task::Bare => {}
        Task::Words | Task::MaskedWords => {
            b.tensor("lm_loss.bias", Role::Head, &[shape.vocabulary]);
            if !tied(fields)? {
                b.linear("lm_loss", Role::Head, shape.vocabulary, hidden, false);
            }
        }
        Task::Sequence | Task::Choice => {
            let to_labels = fields.opt_flag("summary_proj_to_labels")?.unwrap_or(false);
            summary(b, fields, hidden, to_labels)?;
            let outputs = if seat.task == Task::Choice {
                1
            } else {
                labels(fields)?
            };
            b.linear("logits_proj", Role::Head, outputs, hidden, true);
        }
        Task::Token => classifier(b, fields, hidden)?,
        Task::Answer if simple => answers(b, fields, hidden)?,
        Task::Answer => spans(b, hidden),
        Task::PreTraining | Task::NextSentence => return refuse(fields),
    }
    Ok(())
}
