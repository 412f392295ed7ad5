//! BLOOM: ALiBi instead of positions, a norm behind the embedding, biases everywhere.
//!
//! Source: transformers `models/bloom`. The names are those that the class saves; the first published files leave
//! the prefix `transformer.` out.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// BLOOM.
pub const FAMILY: Family = Family {
    name: "bloom",
    model_types: &["bloom"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "transformer.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size|n_embed")?;
    let heads = fields.size("n_head|num_attention_heads")?;
    let head_dim = fields.divide("hidden_size", hidden, "n_head", heads)?;
    let attention = Attention {
        fused: true,
        bias: true,
        output_bias: true,
        ..Attention::of_heads(
            ["query_key_value", "", "", "dense"],
            hidden,
            heads,
            head_dim,
            false,
        )
    };
    let width = 4 * hidden;
    let layers = fields.repeats("n_layer|num_hidden_layers")?;
    b.scope(place.model, |b| {
        b.norm("word_embeddings_layernorm", hidden, true);
    });
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "word_embeddings",
        stack: "h",
        norm: Some(("ln_f", true)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.norm("input_layernorm", hidden, true);
        b.norm("post_attention_layernorm", hidden, true);
        b.scope("self_attention.", |b| attention.add(b));
        let names = ["dense_h_to_4h", "dense_4h_to_h"];
        b.scope("mlp.", |b| {
            plain(b, names, Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
