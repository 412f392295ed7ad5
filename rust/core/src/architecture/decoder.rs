//! The frame that nearly all text models share: an embedding, a stack of layers, a final norm, and a top.

use super::builder::{Builder, group};
use super::config::{Fields, Result};
use super::layer::Stack;
use super::place::{Head, Place};
use crate::checkpoint::Role;

/// The frame of a text model.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Entries of the vocabulary.
    pub vocabulary: u64,
    /// The name of the embedding.
    pub embedding: &'n str,
    /// The name of the stack of layers.
    pub stack: &'n str,
    /// The name of the final norm and whether it has a bias; nothing for one without parameters.
    pub norm: Option<(&'n str, bool)>,
    /// The name of the head.
    pub head: &'n str,
    /// Whether the head has a bias.
    pub head_bias: bool,
    /// Whether the head is tied where the config does not say.
    pub tied: bool,
}

impl Frame<'_> {
    /// The frame of Llama: `embed_tokens`, `layers`, `norm`, `lm_head`, not tied.
    ///
    /// # Errors
    /// If the width or the vocabulary is missing or wrong.
    pub fn llama(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            hidden: fields.size("hidden_size")?,
            vocabulary: fields.size("vocab_size")?,
            embedding: "embed_tokens",
            stack: "layers",
            norm: Some(("norm", false)),
            head: "lm_head",
            head_bias: false,
            tied: false,
        })
    }

    /// Whether the head is tied: what the place says, or the config, or the family's own default.
    ///
    /// # Errors
    /// If the field is of the wrong kind.
    pub fn is_tied(&self, fields: &Fields<'_>, place: &Place<'_>) -> Result<bool> {
        match place.tied {
            Some(tied) => Ok(tied),
            None => fields.flag_or("tie_word_embeddings", self.tied),
        }
    }

    /// Adds the whole model: `block` is called once for each group of layers with equal plans, inside the scope of
    /// the layer.
    ///
    /// # Errors
    /// If a field is wrong, or `block` fails.
    pub fn add<P: PartialEq>(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        place: &Place<'_>,
        plans: impl IntoIterator<Item = P>,
        block: impl Fn(&mut Builder, &P) -> Result<()>,
    ) -> Result<()> {
        self.add_as(Stack::Decoder, b, fields, place, plans, block)
    }

    /// As [`Self::add`], for layers of another kind: those of a model that reads text as a whole.
    ///
    /// # Errors
    /// If a field is wrong, or `block` fails.
    pub fn add_as<P: PartialEq>(
        &self,
        stack: Stack,
        b: &mut Builder,
        fields: &Fields<'_>,
        place: &Place<'_>,
        plans: impl IntoIterator<Item = P>,
        block: impl Fn(&mut Builder, &P) -> Result<()>,
    ) -> Result<()> {
        b.scope(place.model, |b| {
            b.embedding(
                self.embedding,
                Role::Embedding,
                self.vocabulary,
                self.hidden,
            );
            for (plan, numbers) in group(plans) {
                b.layers(stack, self.stack, &numbers, |b| block(b, &plan))?;
            }
            if let Some((name, bias)) = self.norm {
                b.norm(name, self.hidden, bias);
            }
            Ok(())
        })?;
        let head = Head {
            name: self.head,
            vocabulary: self.vocabulary,
            hidden: self.hidden,
            bias: self.head_bias,
            tied: self.is_tied(fields, place)?,
        };
        place.top(b, fields, &head)
    }
}
