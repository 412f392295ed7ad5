//! CPM-Ant: a decoder with one table of relative positions and of segments, and prompts in its embedding.
//!
//! Source: transformers `models/cpmant`. Its head has a table of its own, a slice of the embedding without the
//! prompts, whatever the config says of tying.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::gated;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{Head, Place};
use crate::checkpoint::Role;

/// CPM-Ant.
pub const FAMILY: Family = Family {
    name: "cpmant",
    model_types: &["cpmant"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "cpmant.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_dim = fields.size_or("dim_head", 128)?;
    let attention = Attention::of_heads(
        ["project_q", "project_k", "project_v", "attention_out"],
        hidden,
        heads,
        head_dim,
        false,
    );
    let width = fields.size_or("dim_ff", 10240)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let vocabulary = fields.size_or("vocab_size", 30720)?;
    let prompts = fields.size_or("prompt_types", 32)? * fields.size_or("prompt_length", 32)?;
    let segments = fields.size_or("segment_types", 32)?;
    let buckets = fields.size_or("position_bias_num_buckets", 512)?;
    b.scope(place.model, |b| {
        b.embedding(
            "input_embedding",
            Role::Embedding,
            vocabulary + prompts,
            hidden,
        );
        b.embedding("segment_embedding", Role::Embedding, segments, hidden);
        b.tensor(
            "position_bias.relative_attention_bias",
            Role::Position,
            &[segments * segments + buckets, heads],
        );
        b.scope("encoder.", |b| {
            b.layers(Stack::Decoder, "layers", &classic::all(layers), |b| {
                b.norm("self_att.layernorm_before_attention", hidden, false);
                b.scope("self_att.self_attention.", |b| attention.add(b));
                b.norm("ffn.layernorm_before_ffn", hidden, false);
                let names = ["w_in.w_0", "w_in.w_1", "w_out"];
                b.scope("ffn.ffn.", |b| {
                    gated(b, names, Role::Mlp, hidden, width, false);
                });
                b.feed_forward(FeedForward::Dense { width });
            });
            b.norm("output_layernorm", hidden, false);
        });
    });
    let head = Head {
        name: "lm_head",
        vocabulary,
        hidden,
        bias: false,
        tied: false,
    };
    place.top(b, fields, &head)
}
