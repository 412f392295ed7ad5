//! What the decoders of the years before Llama have in common: the names of what sits on top of them, and stacks in
//! which every layer is alike.
//!
//! Source: the classes of transformers under `models/gpt2`, `bloom`, `falcon`, `mpt`, `opt` and their like.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::Mixer;
use super::place::{Place, Top, class, labels};
use super::template::Numbers;
use crate::checkpoint::Role;

/// How the classes end whose tensors follow from the model and [`Top`].
const KNOWN: [&str; 6] = [
    "ForCausalLM",
    "LMHeadModel",
    "ForSequenceClassification",
    "ForTokenClassification",
    "ForQuestionAnswering",
    "Model",
];

/// Lowers a decoder that is the whole checkpoint, its tensors under `model` (with the dot).
///
/// Classifiers of tokens are called `classifier` here, where later decoders have `score`.
///
/// # Errors
/// If the class is not one that is known, or `text` fails.
pub fn whole(
    b: &mut Builder,
    fields: &Fields<'_>,
    model: &str,
    text: fn(&mut Builder, &Fields<'_>, &Place<'_>) -> Result<()>,
) -> Result<()> {
    if let Some(class) = class(fields)? {
        let bare = class.ends_with("Model") && !class.ends_with("LMHeadModel");
        if !KNOWN.iter().any(|end| class.ends_with(end)) || (bare && class.contains("Head")) {
            return Err(fields.error(
                "architectures",
                format!("{class:?} is no class of this family whose tensors are known"),
            ));
        }
    }
    let place = Place::whole(fields, model)?;
    if place.top != Top::TokenClassifier {
        return text(b, fields, &place);
    }
    let place = Place {
        top: Top::None,
        ..place
    };
    text(b, fields, &place)?;
    let hidden = fields.size("hidden_size|n_embd|n_embed|d_model")?;
    b.linear("classifier", Role::Head, labels(fields)?, hidden, true);
    Ok(())
}

/// The numbers of a stack whose layers are all alike.
#[must_use]
pub fn all(layers: u64) -> Numbers {
    // `COUNT_LIMIT` bounds them.
    Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX))
}

/// A width that is `factor` times the hidden size where the config does not say another.
///
/// # Errors
/// If the field is wrong.
pub fn inner(fields: &Fields<'_>, names: &str, hidden: u64, factor: u64) -> Result<u64> {
    fields.size_from(
        names,
        factor.saturating_mul(hidden),
        &format!("not in the config: {factor} times the hidden size"),
    )
}

/// What a layer is told of attention over an encoder's output.
#[must_use]
pub const fn cross(heads: u64, head_dim: u64) -> Mixer {
    Mixer::Cross {
        heads,
        kv_heads: heads,
        head_dim,
        tokens: None,
    }
}
