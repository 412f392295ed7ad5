//! Encoders of text after BERT: the layer they share, and what the classes put on top of them.
//!
//! Source: transformers `models/bert/modeling_bert.py`, `models/roberta` and the many that are made of them.

use super::builder::Builder;
use super::classic;
use super::config::{Fields, Result};
use super::layer::{FeedForward, Mixer, Reach, Stack};
use super::place::{Place, Top, class, labels};
use crate::checkpoint::Role;

/// What a class does with an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Nothing: the bare model.
    Bare,
    /// Fills in masked words.
    MaskedWords,
    /// Writes words one after another.
    Words,
    /// What the model was trained on at first.
    PreTraining,
    /// Tells whether one sentence follows another.
    NextSentence,
    /// Tells classes of sequences.
    Sequence,
    /// Tells classes of tokens.
    Token,
    /// Finds the answer to a question in a text.
    Answer,
    /// Picks one of several answers.
    Choice,
}

/// How names of classes end, and what such a class does.
const TASKS: [(&str, Task); 13] = [
    ("ForMaskedLM", Task::MaskedWords),
    ("WithLMHeadModel", Task::MaskedWords),
    ("LMHeadModel", Task::Words),
    ("ForCausalLM", Task::Words),
    ("GenerationDecoder", Task::Words),
    ("ForPreTraining", Task::PreTraining),
    ("ForNextSentencePrediction", Task::NextSentence),
    ("ForSequenceClassification", Task::Sequence),
    ("ForTokenClassification", Task::Token),
    ("ForQuestionAnswering", Task::Answer),
    ("ForMultipleChoice", Task::Choice),
    ("GenerationEncoder", Task::Bare),
    ("Model", Task::Bare),
];

/// Where an encoder lies, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat<'p> {
    /// What stands before the names of the model's own tensors, with its dot: `bert.`.
    pub model: &'p str,
    /// What stands before the names of its top.
    pub top: &'p str,
    /// What it is for.
    pub task: Task,
}

impl<'p> Seat<'p> {
    /// The seat of an encoder that is the whole checkpoint, its tensors under `model` except in the bare model.
    ///
    /// # Errors
    /// If the class is not one that is known.
    pub fn whole(fields: &Fields<'_>, model: &'p str) -> Result<Self> {
        let task = match class(fields)? {
            None => {
                fields.assume(
                    "architectures",
                    "Model",
                    "no class is named; the bare encoder is taken",
                );
                Task::Bare
            }
            Some(class) => TASKS
                .iter()
                .find(|(end, _)| class.ends_with(end))
                .map(|&(_, task)| task)
                .ok_or_else(|| unknown(fields, class))?,
        };
        Ok(Self {
            model: if task == Task::Bare { "" } else { model },
            top: "",
            task,
        })
    }

    /// The seat of an encoder inside a larger model.
    #[must_use]
    pub const fn inside(place: &Place<'p>) -> Self {
        Self {
            model: place.model,
            top: place.head,
            task: match place.top {
                Top::LanguageModel => Task::Words,
                Top::SequenceClassifier => Task::Sequence,
                Top::TokenClassifier => Task::Token,
                Top::QuestionAnswering => Task::Answer,
                Top::None => Task::Bare,
            },
        }
    }
}

/// An error that says that this family has no class for what was asked.
///
/// # Errors
/// Always.
pub fn refuse<T>(fields: &Fields<'_>) -> Result<T> {
    Err(unknown(fields, class(fields)?.unwrap_or_default()))
}

fn unknown(fields: &Fields<'_>, class: &str) -> super::config::ConfigError {
    fields.error(
        "architectures",
        format!("{class:?} is no class of this family whose tensors are known"),
    )
}

/// The measures of an encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads of attention.
    pub heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
    /// Inner width of the feed-forward.
    pub width: u64,
    /// Layers.
    pub layers: u64,
    /// Entries of the vocabulary.
    pub vocabulary: u64,
    /// Whether it writes tokens one after another, and so has a cache.
    pub decodes: bool,
    /// Whether its layers also look at the output of an encoder.
    pub cross: bool,
}

impl Shape {
    /// Reads the usual fields.
    ///
    /// # Errors
    /// If one is missing or wrong, or heads do not divide.
    pub fn read(fields: &Fields<'_>) -> Result<Self> {
        let hidden = fields.size("hidden_size")?;
        let heads = fields.size("num_attention_heads")?;
        Ok(Self {
            hidden,
            heads,
            head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
            width: fields.size("intermediate_size")?,
            layers: fields.repeats("num_hidden_layers")?,
            vocabulary: fields.size("vocab_size")?,
            decodes: false,
            cross: false,
        })
    }

    /// The stack its layers are in.
    #[must_use]
    pub const fn stack(&self) -> Stack {
        if self.decodes {
            Stack::Decoder
        } else {
            Stack::Encoder
        }
    }

    /// What a layer is told of its attention.
    #[must_use]
    pub const fn mixer(&self) -> Mixer {
        Mixer::Attention {
            heads: self.heads,
            kv_heads: self.heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        }
    }

    /// What a layer is told of its feed-forward.
    #[must_use]
    pub const fn feed_forward(&self) -> FeedForward {
        FeedForward::Dense { width: self.width }
    }

    /// Adds all layers, which are alike, as `prefix.N.`.
    pub fn stacked<T>(
        &self,
        b: &mut Builder,
        prefix: &str,
        block: impl FnOnce(&mut Builder) -> T,
    ) -> T {
        b.layers(self.stack(), prefix, &classic::all(self.layers), block)
    }

    /// Adds the layer of BERT to the scope that is open. `norms` are the norm within `attention.` and the one of the
    /// layer, whether they come before or after; `inside` adds what is in `attention.self.`.
    ///
    /// # Errors
    /// If `inside` fails.
    pub fn block(
        &self,
        b: &mut Builder,
        norms: [&str; 2],
        inside: impl Fn(&mut Builder) -> Result<()>,
    ) -> Result<()> {
        let Self { hidden, width, .. } = *self;
        let attend = |b: &mut Builder| {
            b.scope("self.", &inside)?;
            b.linear("output.dense", Role::Attention, hidden, hidden, true);
            b.norm(norms[0], hidden, true);
            Ok(())
        };
        b.scope("attention.", attend)?;
        b.mixer(self.mixer());
        if self.cross {
            b.scope("crossattention.", attend)?;
            b.mixer(classic::cross(self.heads, self.head_dim));
        }
        b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
        b.linear("output.dense", Role::Mlp, hidden, width, true);
        b.norm(norms[1], hidden, true);
        b.feed_forward(self.feed_forward());
        Ok(())
    }

    /// Adds `query`, `key` and `value`.
    pub fn projections(&self, b: &mut Builder, bias: bool) {
        for name in ["query", "key", "value"] {
            b.linear(name, Role::Attention, self.hidden, self.hidden, bias);
        }
    }
}

/// Whether the words' head is the embedding's table.
///
/// # Errors
/// If the field is of the wrong kind.
pub fn tied(fields: &Fields<'_>) -> Result<bool> {
    fields.flag_or("tie_word_embeddings", true)
}

/// The names of a head for words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// What stands before all its names.
    pub scope: &'static str,
    /// What stands before its transform.
    pub transform: &'static str,
    /// The norm of the transform.
    pub norm: &'static str,
    /// Whether a decoder that is not tied has a bias beside the head's own.
    pub decoder_bias: bool,
}

/// The head of BERT.
pub const BERT_WORDS: Words = Words {
    scope: "cls.predictions.",
    transform: "transform.",
    norm: "LayerNorm",
    decoder_bias: true,
};

/// The head of RoBERTa.
pub const ROBERTA_WORDS: Words = Words {
    scope: "lm_head.",
    transform: "",
    norm: "layer_norm",
    decoder_bias: true,
};

impl Words {
    /// Adds the head: a transform to `inner` numbers, and logits.
    ///
    /// # Errors
    /// If the field of tying is wrong.
    pub fn add(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        hidden: u64,
        inner: u64,
        vocabulary: u64,
    ) -> Result<()> {
        let tied = tied(fields)?;
        b.scope(self.scope, |b| {
            b.scope(self.transform, |b| {
                b.linear("dense", Role::Head, inner, hidden, true);
                b.norm(self.norm, inner, true);
            });
            b.tensor("bias", Role::Head, &[vocabulary]);
            if !tied {
                b.linear("decoder", Role::Head, vocabulary, inner, self.decoder_bias);
            }
        });
        Ok(())
    }
}

/// Adds `classifier` from `inputs` numbers to as many classes as the config names.
///
/// # Errors
/// If a field about labels is wrong.
pub fn classifier(b: &mut Builder, fields: &Fields<'_>, inputs: u64) -> Result<()> {
    b.linear("classifier", Role::Head, labels(fields)?, inputs, true);
    Ok(())
}

/// Adds the classifier of RoBERTa, a layer and an output.
///
/// # Errors
/// If a field about labels is wrong.
pub fn layered_classifier(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    b.linear("classifier.dense", Role::Head, hidden, hidden, true);
    let labels = labels(fields)?;
    b.linear("classifier.out_proj", Role::Head, labels, hidden, true);
    Ok(())
}

/// Adds `qa_outputs`, where an answer begins and ends.
///
/// # Errors
/// If a field about labels is wrong.
pub fn answers(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    b.linear("qa_outputs", Role::Head, labels(fields)?, hidden, true);
    Ok(())
}

/// Adds the summary of a sequence as one vector, where the config asks for a projection.
///
/// # Errors
/// If a field is wrong.
pub fn summary(b: &mut Builder, fields: &Fields<'_>, hidden: u64, to_labels: bool) -> Result<()> {
    if fields.flag_or("summary_use_proj", true)? {
        let outputs = if to_labels { labels(fields)? } else { hidden };
        b.linear(
            "sequence_summary.summary",
            Role::Head,
            outputs,
            hidden,
            true,
        );
    }
    Ok(())
}
