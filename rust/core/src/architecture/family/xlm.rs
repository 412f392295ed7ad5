//! XLM and FlauBERT, whose layers lie in four lists, one for each part.
//!
//! Source: transformers `models/xlm` and `models/flaubert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, answers, classifier, refuse, summary, tied};
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// XLM and FlauBERT.
pub const FAMILY: Family = Family {
    name: "xlm",
    model_types: &["flaubert", "xlm"],
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
    if !fields.flag_or("is_encoder", true)? {
        return Err(fields.error("is_encoder", "must be true: the class has encoders only"));
    }
    let hidden = fields.size("emb_dim|hidden_size")?;
    let heads = fields.size("n_heads|num_attention_heads")?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("emb_dim", hidden, "n_heads", heads)?,
        width: 4 * hidden,
        layers: fields.repeats("n_layers|num_hidden_layers")?,
        vocabulary: fields.size("n_words|vocab_size")?,
        decodes: false,
        cross: false,
    };
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let languages = fields.size_or("n_langs", 1)?;
    let layers = classic::all(shape.layers);
    b.scope(seat.model, |b| -> Result<()> {
        b.embedding("embeddings", Role::Embedding, shape.vocabulary, hidden);
        b.embedding("position_embeddings", Role::Position, positions, hidden);
        if languages > 1 && fields.flag_or("use_lang_emb", true)? {
            b.embedding("lang_embeddings", Role::Embedding, languages, hidden);
        }
        b.norm("layer_norm_emb", hidden, true);
        b.each("attentions", layers.clone(), |b| {
            for name in ["q_lin", "k_lin", "v_lin", "out_lin"] {
                b.linear(name, Role::Attention, hidden, hidden, true);
            }
        });
        b.each("ffns", layers.clone(), |b| {
            b.linear("lin1", Role::Mlp, shape.width, hidden, true);
            b.linear("lin2", Role::Mlp, hidden, shape.width, true);
        });
        for name in ["layer_norm1", "layer_norm2"] {
            b.each(name, layers.clone(), |b| {
                b.tensor("weight", Role::Norm, &[hidden]);
                b.tensor("bias", Role::Norm, &[hidden]);
            });
        }
        // No one list holds a layer.
        shape.stacked(b, "attentions", |b| {
            b.mixer(shape.mixer());
            b.feed_forward(shape.feed_forward());
        });
        Ok(())
    })?;
    top(b, fields, &seat, &shape, simple)
}

fn top(
    b: &mut Builder,
    fields: &Fields<'_>,
    seat: &Seat<'_>,
    shape: &Shape,
    simple: bool,
) -> Result<()> {
    let hidden = shape.hidden;
    match seat.task {
        Task::Bare => {}
        Task::MaskedWords => {
            if fields.flag_or("asm", false)? {
                return Err(fields.error("asm", "an adaptive softmax is not derived"));
            }
            b.tensor("pred_layer.proj.bias", Role::Head, &[shape.vocabulary]);
            if !tied(fields)? {
                let rows = shape.vocabulary;
                b.linear("pred_layer.proj", Role::Head, rows, hidden, false);
            }
        }
        Task::Sequence | Task::Choice => {
            let to_labels = fields.flag_or("summary_proj_to_labels", true)?;
            summary(b, fields, hidden, to_labels)?;
            if seat.task == Task::Choice {
                b.linear("logits_proj", Role::Head, 1, labels(fields)?, true);
            }
        }
        Task::Token => classifier(b, fields, hidden)?,
        Task::Answer if simple => answers(b, fields, hidden)?,
        Task::Answer => b.scope("qa_outputs.", |b| spans(b, hidden)),
        Task::Words | Task::PreTraining | Task::NextSentence => return refuse(fields),
    }
    Ok(())
}

/// The head that finds where an answer begins, where it ends given that, and whether there is one.
pub fn spans(b: &mut Builder, hidden: u64) {
    let role = Role::Head;
    b.linear("start_logits.dense", role, 1, hidden, true);
    b.linear("end_logits.dense_0", role, hidden, 2 * hidden, true);
    b.norm("end_logits.LayerNorm", hidden, true);
    b.linear("end_logits.dense_1", role, 1, hidden, true);
    b.linear("answer_class.dense_0", role, hidden, 2 * hidden, true);
    b.linear("answer_class.dense_1", role, 1, hidden, false);
}
