//! Encoder-decoders in the names of fairseq, which BART brought to transformers: `encoder_layers`, `encoder_ffn_dim`,
//! `encoder_attention_heads` and the same for the decoder in the config, `self_attn`, `encoder_attn`, `fc1` in the
//! tensors.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::heads::{Multihead, PROJECTIONS, Source};
use super::layer::{FeedForward, Stack};
use super::place::class;
use super::template::Numbers;
use crate::checkpoint::Role;

/// What a class of an encoder-decoder is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Both stacks, and logits over the vocabulary.
    Generation,
    /// The decoder alone, and logits.
    Causal,
    /// Both stacks and nothing on top.
    Bare,
    /// The encoder alone.
    Encoder,
    /// Both stacks, and scores of classes for a sequence.
    SequenceClassifier,
    /// Scores of classes for each token.
    TokenClassifier,
    /// Both stacks, and begin and end of an answer.
    QuestionAnswering,
}

/// How names of classes end, and what form such a class has.
const FORMS: [(&str, Form); 11] = [
    ("ForConditionalGeneration", Form::Generation),
    ("MarianMTModel", Form::Generation),
    ("WithLMHeadModel", Form::Generation),
    ("ForTextToText", Form::Generation),
    ("ForCausalLM", Form::Causal),
    ("ForSequenceClassification", Form::SequenceClassifier),
    ("ForTokenClassification", Form::TokenClassifier),
    ("ForQuestionAnswering", Form::QuestionAnswering),
    ("EncoderModel", Form::Encoder),
    ("Encoder", Form::Encoder),
    ("Model", Form::Bare),
];

impl Form {
    /// The form of the class that a config names; a model that generates if it names none.
    ///
    /// # Errors
    /// If the class is of no form that is known here.
    pub fn of(fields: &Fields<'_>) -> Result<Self> {
        let Some(class) = class(fields)? else {
            fields.assume(
                "architectures",
                "ForConditionalGeneration",
                "no class is named; a model that generates is taken",
            );
            return Ok(Self::Generation);
        };
        FORMS
            .iter()
            .find(|(end, _)| class.ends_with(end))
            .map(|&(_, form)| form)
            .ok_or_else(|| unknown_class(fields, class))
    }
}

/// The error about a class that a family does not know.
pub fn unknown_class(fields: &Fields<'_>, class: &str) -> super::config::ConfigError {
    fields.error(
        "architectures",
        format!("{class} is not a class that this family derives"),
    )
}

/// The sizes of one of the two stacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// How many layers.
    pub layers: u64,
    /// Heads of the attention.
    pub heads: u64,
    /// Inner width of the feed-forward network.
    pub width: u64,
}

impl Side {
    /// The numbers of its layers.
    #[must_use]
    pub fn numbers(&self) -> Numbers {
        // `repeats` bounds their number.
        Numbers::Below(u32::try_from(self.layers).unwrap_or(u32::MAX))
    }
}

/// The sizes that nearly all of them state alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Width of the residual stream, `d_model`.
    pub hidden: u64,
    /// The encoder.
    pub encoder: Side,
    /// The decoder.
    pub decoder: Side,
}

impl Sizes {
    /// Reads `d_model` and the three fields of each stack; `default` says what holds for those that are missing.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>, default: Self) -> Result<Self> {
        Ok(Self {
            hidden: fields.size_or("d_model|hidden_size", default.hidden)?,
            encoder: Side {
                layers: fields.repeats_or("encoder_layers", default.encoder.layers)?,
                heads: fields.size_or("encoder_attention_heads", default.encoder.heads)?,
                width: fields.size_or("encoder_ffn_dim", default.encoder.width)?,
            },
            decoder: Side {
                layers: fields.repeats_or("decoder_layers", default.decoder.layers)?,
                heads: fields.size_or("decoder_attention_heads", default.decoder.heads)?,
                width: fields.size_or("decoder_ffn_dim", default.decoder.width)?,
            },
        })
    }
}

/// How a layer is laid out. The defaults are BART's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which of the projections of queries, keys, values and the output have a bias.
    pub bias: [bool; 4],
    /// What cross attention is called; its norm has `_layer_norm` behind.
    pub cross: &'static str,
    /// What stands before `fc1` and `fc2`.
    pub feed_forward: &'static str,
    /// The norm of the feed-forward network.
    pub feed_forward_norm: &'static str,
}

impl Block {
    /// The layer of BART.
    pub const BART: Self = Self {
        bias: [true; 4],
        cross: "encoder_attn",
        feed_forward: "",
        feed_forward_norm: "final_layer_norm",
    };

    /// The attention of a layer with so many heads.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn heads(
        &self,
        fields: &Fields<'_>,
        hidden: u64,
        heads_name: &str,
        heads: u64,
    ) -> Result<Multihead<'static>> {
        let head_dim = fields.divide("d_model", hidden, heads_name, heads)?;
        Ok(Multihead {
            bias: self.bias,
            ..Multihead::new(PROJECTIONS, hidden, heads, head_dim, true)
        })
    }

    /// Adds self attention and its norm to the layer at hand.
    pub fn attention(b: &mut Builder, heads: &Multihead<'_>) {
        b.scope("self_attn.", |b| heads.attend(b));
        b.norm("self_attn_layer_norm", heads.hidden, true);
    }

    /// Adds cross attention and its norm.
    pub fn cross_attention(&self, b: &mut Builder, heads: &Multihead<'_>, source: Source) {
        b.scope(self.cross, |b| {
            b.scope(".", |b| heads.cross(b, source));
            b.norm("_layer_norm", heads.hidden, true);
        });
    }

    /// Adds the feed-forward network and its norm.
    pub fn dense(&self, b: &mut Builder, hidden: u64, width: u64) {
        b.scope(self.feed_forward, |b| {
            b.linear("fc1", Role::Mlp, width, hidden, true);
            b.linear("fc2", Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        b.norm(self.feed_forward_norm, hidden, true);
    }

    /// Adds a whole encoder's layers as `layers.N`.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn encoder(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        stack: Stack,
        hidden: u64,
        side: &Side,
    ) -> Result<()> {
        let heads = self.heads(fields, hidden, "encoder_attention_heads", side.heads)?;
        b.layers(stack, "layers", &side.numbers(), |b| {
            Self::attention(b, &heads);
            self.dense(b, hidden, side.width);
        });
        Ok(())
    }

    /// Adds a whole decoder's layers as `layers.N`; `source_width` is the width of what the encoder gives.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn decoder(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        hidden: u64,
        side: &Side,
        source: Source,
        source_width: u64,
    ) -> Result<()> {
        let heads = self.heads(fields, hidden, "decoder_attention_heads", side.heads)?;
        let cross = Multihead {
            source: source_width,
            ..heads
        };
        b.layers(Stack::Decoder, "layers", &side.numbers(), |b| {
            Self::attention(b, &heads);
            self.cross_attention(b, &cross, source);
            self.dense(b, hidden, side.width);
        });
        Ok(())
    }
}
