//! What models of several modalities have in common: a language model somewhere inside, whose head the outer config
//! ties or not, and small networks that lead into it.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::family;
use super::place::{Place, Top, class};
use crate::checkpoint::Role;

/// Whether the head of the language model is tied to its embedding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tied {
    /// The outer config says so or, if it does not, the inner one; otherwise this.
    Outer(bool),
    /// One of the two says so: classes that read files of older versions take either.
    Either,
    /// What the inner config or its own family says.
    Inner,
    /// What the outer config says or, if it does not, the inner one or its own family.
    OuterOrInner,
    /// The outer config says so; if it does not or denies it, the inner one or its own family decides.
    OuterOrElse,
    /// It is stored, whatever the config says.
    Never,
    /// It is not stored with the language model: the family adds it, if there is one.
    Apart,
}

/// The language model of a larger one.
#[derive(Clone, Copy, Debug)]
pub struct Language<'p> {
    /// The object of the config that describes it.
    pub object: &'static str,
    /// Whether the config may be flat: without the object, its fields are those of the whole.
    pub flat: bool,
    /// Its model type where the object names none.
    pub model_type: &'static str,
    /// What stands before the names of its tensors, with the dot.
    pub model: &'p str,
    /// What stands before the name of its head.
    pub head: &'p str,
    /// Whether its head is tied.
    pub tied: Tied,
}

impl<'p> Language<'p> {
    /// A language model of this type, described in `text_config`, under this prefix; its head lies outside, and is
    /// tied as the outer config says, or as given.
    #[must_use]
    pub const fn new(model_type: &'static str, model: &'p str, tied: bool) -> Self {
        Self {
            object: "text_config",
            flat: false,
            model_type,
            model,
            head: "",
            tied: Tied::Outer(tied),
        }
    }

    /// A whole language model of this type under `language_model.`, as LLaVA and many of its time have it.
    #[must_use]
    pub const fn whole(model_type: &'static str, tied: Tied) -> Self {
        Self {
            object: "text_config",
            flat: false,
            model_type,
            model: "language_model.model.",
            head: "language_model.",
            tied,
        }
    }
}

impl Language<'_> {
    /// Adds it, and returns its fields.
    ///
    /// # Errors
    /// If its model type is unknown, or a field is wrong.
    pub fn add<'c>(&self, b: &mut Builder, fields: &Fields<'c>) -> Result<Fields<'c>> {
        let text = match fields.opt_object(self.object)? {
            Some(text) => text,
            None if !self.flat => fields.object(self.object)?,
            None => {
                fields.take_model_type(self.model_type);
                *fields
            }
        };
        let place = Place {
            model: self.model,
            head: self.head,
            top: Top::LanguageModel,
            tied: self.is_tied(fields, &text)?,
        };
        family::text(b, &text, self.model_type, &place)?;
        Ok(text)
    }

    fn is_tied(&self, fields: &Fields<'_>, text: &Fields<'_>) -> Result<Option<bool>> {
        const NAME: &str = "tie_word_embeddings";
        let outer = fields.opt_flag(NAME)?;
        let inner = text.opt_flag(NAME)?;
        Ok(match self.tied {
            Tied::Outer(default) => Some(match outer.or(inner) {
                Some(tied) => tied,
                None => fields.flag_or(NAME, default)?,
            }),
            Tied::Either => Some(outer.unwrap_or(false) || inner.unwrap_or(false)),
            Tied::Inner => None,
            Tied::OuterOrInner => outer,
            Tied::OuterOrElse => outer.filter(|&tied| tied),
            Tied::Never => Some(false),
            Tied::Apart => Some(true),
        })
    }
}

/// Refuses a class that is not known for a model type: a model with another top often states the model type of the
/// one it was made from. Without a class the model that generates is taken.
///
/// # Errors
/// If the class is none of these.
pub fn known_class(fields: &Fields<'_>, known: &[&str]) -> Result<()> {
    match class(fields)? {
        None => {
            if let Some(first) = known.first() {
                fields.assume(
                    "architectures",
                    first,
                    "no class is named; the one that generates is taken",
                );
            }
            Ok(())
        }
        Some(class) if known.contains(&class) => Ok(()),
        Some(class) => Err(fields.error(
            "architectures",
            format!(
                "the class {class:?} is not known for this model type, so nothing was derived; \
                 if it is built like {}, state that",
                known.first().copied().unwrap_or_default()
            ),
        )),
    }
}

/// The sizes through which a projector leads, and whether its matrices have biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Projector {
    /// Width of what comes in.
    pub inputs: u64,
    /// Width between its two matrices.
    pub inner: u64,
    /// Width of what goes out.
    pub outputs: u64,
    /// Whether its matrices have biases.
    pub bias: bool,
}

impl Projector {
    /// Adds its two matrices to the scope that is open.
    pub fn add(&self, b: &mut Builder, [first, second]: [&str; 2]) {
        let Self {
            inputs,
            inner,
            outputs,
            bias,
        } = *self;
        b.linear(first, Role::Projector, inner, inputs, bias);
        b.linear(second, Role::Projector, outputs, inner, bias);
    }
}

/// The width of the residual stream that the class of a text model takes where the config does not give it.
const WIDTHS: &[(&str, u64)] = &[
    ("cohere2", 8192),
    ("gemma", 3072),
    ("gemma2", 2304),
    ("gemma3_text", 2304),
    ("granite", 4096),
    ("lfm2", 2560),
    ("llama", 4096),
    ("ministral3", 4096),
    ("mistral", 4096),
    ("qwen2", 4096),
    ("qwen3", 4096),
];

/// The width of the residual stream of a text model, given its fields and what its model type is if they name none.
///
/// # Errors
/// If it is wrong, or missing where the class of the text model has no width of its own.
pub fn width(text: &Fields<'_>, default: &str) -> Result<u64> {
    let model_type = text.opt_text("model_type")?.unwrap_or(default);
    match WIDTHS.iter().find(|(known, _)| *known == model_type) {
        Some(&(_, width)) => text.size_or("hidden_size", width),
        None => text.size("hidden_size"),
    }
}
