//! Encoders built of Llama's blocks: EuroBERT, UltraBERT, and ESM C for proteins.
//!
//! Source: transformers `models/eurobert`, `models/ultrabert` and `models/esmc`, with the names they are saved under.

use super::Family;
use crate::architecture::attention::{Attention, reaches};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Task, answers, classifier, layered_classifier, refuse};
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::{Reach, Stack};
use crate::architecture::place::{Place, labels};
use crate::checkpoint::Role;

/// EuroBERT and its kin.
pub const FAMILY: Family = Family {
    name: "eurobert",
    model_types: &["esmc", "eurobert", "ultrabert"],
    lower,
    text: Some(text),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Euro,
    Ultra,
    Protein,
}

/// The kind of a model type, and what stands before its names.
fn kind(fields: &Fields<'_>) -> Result<(Kind, &'static str)> {
    Ok(match fields.opt_text("model_type")? {
        Some("ultrabert") => (Kind::Ultra, "ultrabert."),
        Some("esmc") => (Kind::Protein, "esmc."),
        _ => (Kind::Euro, "model."),
    })
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (kind, model) = kind(fields)?;
    encoder(b, fields, kind, &Seat::whole(fields, model)?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let (kind, _) = kind(fields)?;
    encoder(b, fields, kind, &Seat::inside(place))
}

fn encoder(b: &mut Builder, fields: &Fields<'_>, kind: Kind, seat: &Seat<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size")?;
    let mut attention = Attention::read(fields, hidden)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let norm_bias = kind == Kind::Protein;
    if kind == Kind::Protein && attention.kv_heads != attention.heads {
        return Err(fields.error(
            "num_key_value_heads",
            "must be num_attention_heads: the norm of the keys is as wide as the layers",
        ));
    }
    let width = fields.size("intermediate_size")?;
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let vocabulary = fields.size("vocab_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let spans = if kind == Kind::Ultra {
        windows(fields, layers)?
    } else {
        (0..layers).map(|_| Reach::Full).collect()
    };
    b.scope(seat.model, |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        for (reach, numbers) in group(spans) {
            b.layers(Stack::Encoder, "layers", &numbers, |b| {
                b.scope("self_attn.", |b| {
                    Attention {
                        reach,
                        ..attention.clone()
                    }
                    .add(b);
                    if kind == Kind::Protein {
                        b.norm("q_norm", hidden, false);
                        b.norm("k_norm", hidden, false);
                    }
                });
                dense(b, "mlp.", hidden, width, mlp_bias);
                b.norm("input_layernorm", hidden, norm_bias);
                b.norm("post_attention_layernorm", hidden, norm_bias);
            });
        }
        b.norm("norm", hidden, false);
    });
    b.scope(seat.top, |b| match (seat.task, kind) {
        (Task::Bare, _) => Ok(()),
        (Task::MaskedWords, _) => words(b, fields, kind, hidden, vocabulary, mlp_bias),
        (Task::Sequence, Kind::Euro) => {
            b.linear("dense", Role::Head, hidden, hidden, true);
            classifier(b, fields, hidden)
        }
        (Task::Sequence, Kind::Protein) => layered_classifier(b, fields, hidden),
        (Task::Token, Kind::Protein) => {
            b.linear("score", Role::Head, labels(fields)?, hidden, true);
            Ok(())
        }
        (Task::Sequence, Kind::Ultra) | (Task::Token, Kind::Euro | Kind::Ultra) => {
            classifier(b, fields, hidden)
        }
        (Task::Answer, Kind::Ultra) => answers(b, fields, hidden),
        (Task::Words | Task::PreTraining | Task::NextSentence | Task::Answer | Task::Choice, _) => {
            refuse(fields)
        }
    })
}

fn words(
    b: &mut Builder,
    fields: &Fields<'_>,
    kind: Kind,
    hidden: u64,
    vocabulary: u64,
    mlp_bias: bool,
) -> Result<()> {
    let role = Role::Head;
    let tied = fields.flag_or("tie_word_embeddings", false)?;
    match kind {
        Kind::Euro => {
            if !tied {
                b.linear("lm_head", role, vocabulary, hidden, false);
            }
            if mlp_bias {
                b.tensor("lm_head.bias", role, &[vocabulary]);
            }
        }
        Kind::Ultra => {
            let inner = fields.size_or("prediction_head_size", 768)?;
            b.linear("head.linear1", role, inner, hidden, false);
            b.linear("head.linear2", role, hidden, inner, false);
            if !tied {
                b.linear("cls", role, vocabulary, hidden, false);
            }
        }
        Kind::Protein => {
            b.linear("lm_head.dense", role, hidden, hidden, true);
            b.norm("lm_head.layer_norm", hidden, true);
            b.linear("lm_head.decoder", role, vocabulary, hidden, true);
        }
    }
    Ok(())
}

/// The windows of UltraBERT: by `layer_types`, by `attention_windows` as published configs have them (nothing or 0 for
/// none), or two layers with one and then one without.
fn windows(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    let window = fields.size_or("sliding_window", 128)?;
    if let Some(windows) = fields.opt_list("attention_windows")?
        && !fields.has("layer_types")
    {
        let wanted = usize::try_from(layers).unwrap_or(usize::MAX);
        if windows.len() < wanted {
            let given = windows.len();
            return Err(fields.error(
                "attention_windows",
                format!("has {given} items for {layers} layers"),
            ));
        }
        return windows
            .iter()
            .take(wanted)
            .map(|window| match window.as_u64() {
                Some(0) => Ok(Reach::Full),
                Some(window) => Ok(Reach::Sliding(window)),
                None if window.is_null() => Ok(Reach::Full),
                None => Err(fields.error("attention_windows", "must be a list of numbers")),
            })
            .collect();
    }
    reaches(fields, layers, Some(window), |layer| {
        if (layer + 1).is_multiple_of(3) {
            Reach::Full
        } else {
            Reach::Sliding(window)
        }
    })
}
