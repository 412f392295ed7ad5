//! What the classes of encoders put on top of them: heads for words, classifiers, answers and choices.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::encoder::{
    BERT_WORDS, Seat, Shape, Task, answers, classifier, layered_classifier, refuse, summary,
};
use super::place::labels;
use crate::checkpoint::Role;

/// What the class for pretraining has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreTraining {
    /// There is no such class.
    None,
    /// A head for words, and one that tells whether a sentence follows another.
    Sentences,
    /// A head for words.
    Words,
    /// A head that tells which words were replaced.
    Discriminator,
}

/// What the class for multiple choice has before its classifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// There is no such class.
    None,
    /// Nothing but the pooler.
    Plain,
    /// A layer.
    Layer,
    /// A summary.
    Summary,
}

/// What tells the classes of sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequences {
    /// A linear layer.
    Plain,
    /// A layer and an output, both within the classifier.
    Within,
    /// A layer of its own before it.
    Before,
}

/// What finds answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// A linear layer.
    Plain,
    /// A feed-forward network and a linear layer.
    Network,
    /// Weights for cells and columns of a table, and a classifier of aggregations.
    Cells,
}

/// Adds a head for words, given the width of the embedding too.
pub type Head = fn(&mut Builder, &Fields<'_>, &Shape, u64) -> Result<()>;

/// What the classes of a family put on top.
#[derive(Clone, Copy)]
pub struct Tops {
    /// For what tasks the model has a pooler.
    pub pooled: &'static [Task],
    /// The name of the pooler.
    pub pooler: &'static str,
    /// The head for words.
    pub words: Head,
    /// The head of pretraining.
    pub pretraining: PreTraining,
    /// What tells classes of sequences.
    pub sequences: Sequences,
    /// What finds answers.
    pub answers: Answers,
    /// What precedes the classifier of choices.
    pub choice: Choice,
}

/// The tasks for which BERT has a pooler.
pub const SENTENCES: &[Task] = &[
    Task::Bare,
    Task::PreTraining,
    Task::NextSentence,
    Task::Sequence,
    Task::Choice,
];

/// The tasks for which RoBERTa has a pooler.
pub const CHOICES: &[Task] = &[Task::Bare, Task::Choice];

/// Every task.
pub const ALWAYS: &[Task] = &[
    Task::Bare,
    Task::MaskedWords,
    Task::Words,
    Task::PreTraining,
    Task::NextSentence,
    Task::Sequence,
    Task::Token,
    Task::Answer,
    Task::Choice,
];

/// The tops of BERT.
pub const BERT_TOPS: Tops = Tops {
    pooled: SENTENCES,
    pooler: "pooler.dense",
    words: |b, fields, shape, _| {
        BERT_WORDS.add(b, fields, shape.hidden, shape.hidden, shape.vocabulary)
    },
    pretraining: PreTraining::Sentences,
    sequences: Sequences::Plain,
    answers: Answers::Plain,
    choice: Choice::Plain,
};

/// The tops of RoBERTa.
pub const ROBERTA_TOPS: Tops = Tops {
    pooled: CHOICES,
    words: |b, fields, shape, _| {
        let head = super::encoder::ROBERTA_WORDS;
        head.add(b, fields, shape.hidden, shape.hidden, shape.vocabulary)
    },
    pretraining: PreTraining::None,
    sequences: Sequences::Within,
    ..BERT_TOPS
};

impl Tops {
    /// Adds the pooler, if the model has one for this task, to the scope of the model.
    pub fn pool(&self, b: &mut Builder, seat: &Seat<'_>, hidden: u64) {
        if self.pooled.contains(&seat.task) {
            b.linear(self.pooler, Role::Head, hidden, hidden, true);
        }
    }

    /// Adds the top. `narrow` is the width of the embedding.
    ///
    /// # Errors
    /// If there is no such class, or a field is wrong.
    pub fn add(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        seat: &Seat<'_>,
        shape: &Shape,
        narrow: u64,
    ) -> Result<()> {
        b.scope(seat.top, |b| self.inside(b, fields, seat, shape, narrow))
    }

    fn inside(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        seat: &Seat<'_>,
        shape: &Shape,
        narrow: u64,
    ) -> Result<()> {
        let hidden = shape.hidden;
        match seat.task {
            Task::Bare => Ok(()),
            Task::MaskedWords | Task::Words => (self.words)(b, fields, shape, narrow),
            Task::PreTraining | Task::NextSentence => {
                let both = seat.task == Task::PreTraining;
                match self.pretraining {
                    PreTraining::Sentences => {
                        if both {
                            (self.words)(b, fields, shape, narrow)?;
                        }
                        b.linear("cls.seq_relationship", Role::Head, 2, hidden, true);
                        Ok(())
                    }
                    PreTraining::Words if both => (self.words)(b, fields, shape, narrow),
                    PreTraining::Discriminator if both => {
                        b.scope("discriminator_predictions.", |b| {
                            b.linear("dense", Role::Head, hidden, hidden, true);
                            b.linear("dense_prediction", Role::Head, 1, hidden, true);
                        });
                        Ok(())
                    }
                    PreTraining::Words | PreTraining::Discriminator | PreTraining::None => {
                        refuse(fields)
                    }
                }
            }
            Task::Sequence => match self.sequences {
                Sequences::Plain => classifier(b, fields, hidden),
                Sequences::Within => layered_classifier(b, fields, hidden),
                Sequences::Before => {
                    b.linear("pre_classifier", Role::Head, hidden, hidden, true);
                    classifier(b, fields, hidden)
                }
            },
            Task::Token => classifier(b, fields, hidden),
            Task::Answer => self.answer(b, fields, shape),
            Task::Choice => {
                match self.choice {
                    Choice::None => return refuse(fields),
                    Choice::Plain => {}
                    Choice::Layer => b.linear("pre_classifier", Role::Head, hidden, hidden, true),
                    Choice::Summary => {
                        let to_labels = fields.opt_flag("summary_proj_to_labels")?.unwrap_or(false)
                            && labels(fields)? > 0;
                        summary(b, fields, hidden, to_labels)?;
                    }
                }
                b.linear("classifier", Role::Head, 1, hidden, true);
                Ok(())
            }
        }
    }

    fn answer(&self, b: &mut Builder, fields: &Fields<'_>, shape: &Shape) -> Result<()> {
        let hidden = shape.hidden;
        match self.answers {
            Answers::Plain => answers(b, fields, hidden),
            Answers::Network => b.scope("qa_classifier.", |b| {
                b.linear("intermediate.dense", Role::Head, shape.width, hidden, true);
                b.linear("output.dense", Role::Head, hidden, shape.width, true);
                b.norm("output.LayerNorm", hidden, true);
                answers(b, fields, hidden)
            }),
            Answers::Cells => {
                b.tensor("output_weights", Role::Head, &[hidden]);
                b.tensor("output_bias", Role::Head, &[]);
                b.tensor("column_output_weights", Role::Head, &[hidden]);
                b.tensor("column_output_bias", Role::Head, &[]);
                let labels = fields.count_or("num_aggregation_labels", 0)?;
                if labels > 0 {
                    b.linear("aggregation_classifier", Role::Head, labels, hidden, true);
                }
                Ok(())
            }
        }
    }
}
