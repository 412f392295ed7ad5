//! Where in a checkpoint a text model lies, and what sits on top of it: both follow from the class that a config
//! names, as `LlamaForCausalLM` or `Qwen2ForSequenceClassification`.

use super::builder::Builder;
use super::config::{Fields, Result};
use crate::checkpoint::Role;

/// What sits on top of a text model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Top {
    /// Logits over the vocabulary.
    LanguageModel,
    /// Scores of classes for a sequence.
    SequenceClassifier,
    /// Scores of classes for each token.
    TokenClassifier,
    /// Begin and end of an answer.
    QuestionAnswering,
    /// Nothing: the bare model.
    None,
}

/// What the names of the classes around a decoder end in.
const TASKS: &[&str] = &[
    "ForCausalLM",
    "ForQuestionAnswering",
    "ForSequenceClassification",
    "ForTokenClassification",
    "LMHeadModel",
    "Model",
];

/// What the names of the classes end in that write text, and so have a head for it.
const WRITERS: &[&str] = &["ForCausalLM", "ForConditionalGeneration", "LMHeadModel"];

/// Where a text model lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'p> {
    /// What stands before the names of the model's own tensors, with its dot: `model.`.
    pub model: &'p str,
    /// What stands before the name of the head: empty, or `language_model.`.
    pub head: &'p str,
    /// What sits on top.
    pub top: Top,
    /// Whether the head is tied, where the object that holds the text model's config says so.
    pub tied: Option<bool>,
}

/// The class a config names first.
///
/// # Errors
/// If `architectures` is not a list of texts.
pub fn class<'c>(fields: &Fields<'c>) -> Result<Option<&'c str>> {
    Ok(fields
        .opt_texts("architectures")?
        .and_then(|classes| classes.first().copied()))
}

/// The major version of transformers that wrote the config, if it says so: 5 where `transformers_version` is `5.2.0`.
///
/// For a model type that came with a version, an older one shows that its publisher wrote the files by other means,
/// and so with the names and the prediction layers of its own code.
///
/// # Errors
/// If the field is not a text.
pub fn saved_by(fields: &Fields<'_>) -> Result<Option<u64>> {
    let version = fields.outermost().opt_text("transformers_version")?;
    Ok(version.and_then(|version| version.split('.').next()?.parse().ok()))
}

/// Whether the config says that a version of transformers before `major.minor` wrote it. Where it names no version, it
/// is from before they were written down (4.0 or so), or was written by hand, and counts as older.
///
/// # Errors
/// If the field is not a text.
pub fn saved_before(fields: &Fields<'_>, major: u64, minor: u64) -> Result<bool> {
    let version = fields.outermost().opt_text("transformers_version")?;
    let mut parts = version
        .unwrap_or_default()
        .split('.')
        .map_while(|part| part.parse::<u64>().ok());
    let written = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    Ok(written < (major, minor))
}

impl Top {
    /// What the named class puts on top; a language model's head if no class is named.
    ///
    /// # Errors
    /// If `architectures` is not a list of texts.
    pub fn of(fields: &Fields<'_>) -> Result<Self> {
        let Some(class) = class(fields)? else {
            fields.assume(
                "architectures",
                "ForCausalLM",
                "no class is named; a language model's head is taken",
            );
            return Ok(Self::LanguageModel);
        };
        Ok(
            if class.ends_with("ForSequenceClassification") || class.ends_with("RewardModel") {
                Self::SequenceClassifier
            } else if class.ends_with("ForTokenClassification") {
                Self::TokenClassifier
            } else if class.ends_with("ForQuestionAnswering") {
                Self::QuestionAnswering
            } else if WRITERS.iter().any(|end| class.ends_with(end)) {
                Self::LanguageModel
            } else if class.ends_with("Model") {
                Self::None
            } else {
                return Err(fields.error(
                    "architectures",
                    format!(
                        "what the class {class:?} puts on top of the model is not known, so nothing was derived; \
                         if it is a language model, state a class that ends in ForCausalLM"
                    ),
                ));
            },
        )
    }
}

impl<'p> Place<'p> {
    /// The place of a text model that is the whole checkpoint, its tensors under `model` (with the dot) except in
    /// a bare model, which has no prefix.
    ///
    /// # Errors
    /// If `architectures` is not a list of texts.
    pub fn whole(fields: &Fields<'_>, model: &'p str) -> Result<Self> {
        let top = Top::of(fields)?;
        let model = if top == Top::None { "" } else { model };
        Ok(Self {
            model,
            head: "",
            top,
            tied: None,
        })
    }

    /// As [`Self::whole`], if the class is one of those that transformers builds from the bare model: `stems` are what
    /// their names begin with. A draft model, or a class with a head of its own, often states the model type of the
    /// model it was made from, so another class is an error and not a guess. `answers` is the prefix in a class for
    /// question answering.
    ///
    /// # Errors
    /// If the class is not known, or `architectures` is not a list of texts.
    pub fn of_class(
        fields: &Fields<'_>,
        stems: &[&str],
        model: &'p str,
        answers: &'p str,
    ) -> Result<Self> {
        if let Some(class) = class(fields)? {
            let known = stems
                .iter()
                .filter_map(|stem| class.strip_prefix(stem))
                .any(|task| TASKS.contains(&task));
            if !known {
                return Err(fields.error(
                    "architectures",
                    format!(
                        "the class {class:?} is not known for this model type, so nothing was derived; \
                         if it is built like {}ForCausalLM, state that",
                        stems.first().copied().unwrap_or_default()
                    ),
                ));
            }
        }
        let place = Self::whole(fields, model)?;
        Ok(match place.top {
            Top::QuestionAnswering => Self {
                model: answers,
                ..place
            },
            Top::LanguageModel | Top::SequenceClassifier | Top::TokenClassifier | Top::None => {
                place
            }
        })
    }

    /// Adds what sits on top: the language model's head under `name`, unless it is tied, or a classifier.
    ///
    /// # Errors
    /// If a field about labels is wrong.
    pub fn top(&self, b: &mut Builder, fields: &Fields<'_>, head: &Head<'_>) -> Result<()> {
        let Head {
            name,
            vocabulary,
            hidden,
            bias,
            tied,
        } = *head;
        match self.top {
            // The table is the embedding's, but a bias is the head's own.
            Top::LanguageModel if tied && bias => b.scope(self.head, |b| {
                b.tensor(&format!("{name}.bias"), Role::Head, &[vocabulary]);
            }),
            Top::LanguageModel if tied => {}
            Top::LanguageModel => b.scope(self.head, |b| {
                b.linear(name, Role::Head, vocabulary, hidden, bias);
            }),
            Top::SequenceClassifier => {
                b.linear("score", Role::Head, labels(fields)?, hidden, false);
            }
            Top::TokenClassifier => b.linear("score", Role::Head, labels(fields)?, hidden, true),
            Top::QuestionAnswering => b.linear("qa_outputs", Role::Head, 2, hidden, true),
            Top::None => {}
        }
        Ok(())
    }
}

/// The head of a language model.
#[derive(Clone, Copy, Debug)]
pub struct Head<'h> {
    /// Its name.
    pub name: &'h str,
    /// Entries of the vocabulary.
    pub vocabulary: u64,
    /// Width of its input.
    pub hidden: u64,
    /// Whether it has a bias.
    pub bias: bool,
    /// Whether it is the embedding's table, and so not stored.
    pub tied: bool,
}

/// How many classes a classifier tells apart: `num_labels`, or as many as `id2label` names; 2 if neither is there
/// (`PretrainedConfig` of transformers).
///
/// # Errors
/// If one of the fields is of the wrong kind.
pub fn labels(fields: &Fields<'_>) -> Result<u64> {
    if let Some(labels) = fields.opt_object("id2label")? {
        return Ok(labels.names().count() as u64);
    }
    fields.size_or("num_labels|_num_labels", 2)
}

/// Whether a class is a model without a head, as `MistralModel` is.
#[must_use]
pub fn is_bare(class: &str) -> bool {
    class.ends_with("Model") && !WRITERS.iter().any(|end| class.ends_with(end))
}
