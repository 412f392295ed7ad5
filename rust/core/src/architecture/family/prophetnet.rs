//! ProphetNet: a decoder that predicts several tokens at once, with one stream of hidden states for each.
//!
//! Source: transformers `models/prophetnet`. XLM-ProphetNet is the same in another vocabulary.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, Side, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// ProphetNet.
pub const FAMILY: Family = Family {
    name: "prophetnet",
    model_types: &["prophetnet", "xlm-prophetnet"],
    lower,
    text: None,
};

struct Model {
    hidden: u64,
    vocabulary: u64,
    positions: u64,
    tied: bool,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model = Model {
        hidden: fields.size_or("hidden_size", 1024)?,
        vocabulary: fields.size_or("vocab_size", 30522)?,
        positions: fields.size_or("max_position_embeddings", 512)?,
        tied: fields.flag_or("tie_word_embeddings", true)?,
    };
    let form = Form::of(fields)?;
    let (root, encoder) = match form {
        Form::Generation => ("prophetnet.", true),
        Form::Causal => ("prophetnet.", false),
        Form::Bare => ("", true),
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    b.scope(root, |b| {
        b.embedding(
            "word_embeddings",
            Role::Embedding,
            model.vocabulary,
            model.hidden,
        );
        if encoder {
            b.scope("encoder.", |b| model.encoder(b, fields))?;
        }
        let source = if encoder {
            Source::Encoder { tokens: None }
        } else {
            Source::Nothing
        };
        b.scope("decoder.", |b| model.decoder(b, fields, source))
    })?;
    if form != Form::Bare && !model.tied {
        b.linear("lm_head", Role::Head, model.vocabulary, model.hidden, false);
    }
    Ok(())
}

impl Model {
    fn frame(&self, b: &mut Builder) {
        if !self.tied {
            b.embedding(
                "word_embeddings",
                Role::Embedding,
                self.vocabulary,
                self.hidden,
            );
        }
        b.embedding(
            "position_embeddings",
            Role::Position,
            self.positions,
            self.hidden,
        );
        b.norm("embeddings_layer_norm", self.hidden, true);
    }

    fn heads(&self, fields: &Fields<'_>, name: &str, heads: u64) -> Result<Multihead<'static>> {
        let head_dim = fields.divide("hidden_size", self.hidden, name, heads)?;
        let names = ["query_proj", "key_proj", "value_proj", "out_proj"];
        Ok(Multihead::new(names, self.hidden, heads, head_dim, true))
    }

    fn network(&self, b: &mut Builder, width: u64) {
        b.scope("feed_forward.", |b| {
            b.linear("intermediate", Role::Mlp, width, self.hidden, true);
            b.linear("output", Role::Mlp, self.hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        b.norm("feed_forward_layer_norm", self.hidden, true);
    }

    fn encoder(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        let name = "num_encoder_attention_heads";
        let side = Side {
            layers: fields.repeats_or("num_encoder_layers", 12)?,
            heads: fields.size_or(name, 16)?,
            width: fields.size_or("encoder_ffn_dim", 4096)?,
        };
        let heads = self.heads(fields, name, side.heads)?;
        self.frame(b);
        b.layers(Stack::Encoder, "layers", &side.numbers(), |b| {
            b.scope("self_attn.", |b| heads.attend(b));
            b.norm("self_attn_layer_norm", self.hidden, true);
            self.network(b, side.width);
        });
        Ok(())
    }

    fn decoder(&self, b: &mut Builder, fields: &Fields<'_>, source: Source) -> Result<()> {
        let name = "num_decoder_attention_heads";
        let side = Side {
            layers: fields.repeats_or("num_decoder_layers", 12)?,
            heads: fields.size_or(name, 16)?,
            width: fields.size_or("decoder_ffn_dim", 4096)?,
        };
        let heads = self.heads(fields, name, side.heads)?;
        let buckets = fields.size_or("num_buckets", 32)?;
        let streams = fields.size_or("ngram", 2)?;
        self.frame(b);
        b.embedding("ngram_embeddings", Role::Embedding, streams, self.hidden);
        b.layers(Stack::Decoder, "layers", &side.numbers(), |b| {
            b.scope("self_attn.", |b| {
                heads.attend(b);
                // Relative positions come from the hidden state, one score for each head and bucket.
                let outputs = buckets * side.heads;
                let name = "relative_pos_embeddings";
                b.linear(name, Role::Position, outputs, self.hidden, true);
            });
            b.norm("self_attn_layer_norm", self.hidden, true);
            if fields.flag_or("add_cross_attention", true)? {
                b.scope("cross_attn.", |b| heads.cross(b, source));
                b.norm("cross_attn_layer_norm", self.hidden, true);
            }
            self.network(b, side.width);
            Ok(())
        })
    }
}
