//! Dia: speech from text, a decoder that writes several channels of a codec at once.
//!
//! Source: transformers `models/dia`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, Side, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// Dia.
pub const FAMILY: Family = Family {
    name: "dia",
    model_types: &["dia"],
    lower,
    text: None,
};

const NAMES: [&str; 4] = ["q_proj", "k_proj", "v_proj", "o_proj"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let form = Form::of(fields)?;
    let root = match form {
        Form::Generation => "model.",
        Form::Bare => "",
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let encoder_fields = fields.object("encoder_config")?;
    let decoder_fields = fields.object("decoder_config")?;
    let hidden = decoder_fields.size_or("hidden_size", 2048)?;
    let channels = decoder_fields.size_or("num_channels", 9)?;
    let vocabulary = channels * decoder_fields.size_or("vocab_size", 1028)?;
    b.scope(root, |b| -> Result<()> {
        b.scope("encoder.", |b| encoder(b, &encoder_fields))?;
        b.scope("decoder.", |b| {
            b.embedding("embeddings.embed", Role::Embedding, vocabulary, hidden);
            decoder(b, &decoder_fields, hidden)
        })
    })?;
    if form == Form::Generation {
        b.linear("logits_dense", Role::Head, vocabulary, hidden, false);
    }
    Ok(())
}

/// Heads as the fields with this prefix describe them, keys and values made of something of the width `source`.
fn heads(
    fields: &Fields<'_>,
    [heads_name, kv_heads_name, head_dim_name]: [&str; 3],
    hidden: u64,
    source: u64,
    kv_heads: u64,
) -> Result<Multihead<'static>> {
    let heads = fields.size_or(heads_name, 16)?;
    let kv_heads = fields.size_or(kv_heads_name, kv_heads)?;
    fields.divide(heads_name, heads, kv_heads_name, kv_heads)?;
    let head_dim = fields.size_or(head_dim_name, 128)?;
    Ok(Multihead {
        source,
        kv_heads,
        ..Multihead::new(NAMES, hidden, heads, head_dim, false)
    })
}

const SELF: [&str; 3] = ["num_attention_heads", "num_key_value_heads", "head_dim"];
const CROSS: [&str; 3] = [
    "cross_num_attention_heads",
    "cross_num_key_value_heads",
    "cross_head_dim",
];

fn network(b: &mut Builder, hidden: u64, width: u64) {
    b.scope("mlp.", |b| {
        b.linear("gate_up_proj", Role::Mlp, 2 * width, hidden, false);
        b.linear("down_proj", Role::Mlp, hidden, width, false);
    });
    b.feed_forward(FeedForward::Dense { width });
}

fn encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let vocabulary = fields.size_or("vocab_size", 256)?;
    let heads = heads(fields, SELF, hidden, hidden, 16)?;
    let side = Side {
        layers: fields.repeats_or("num_hidden_layers", 12)?,
        heads: heads.heads,
        width: fields.size_or("intermediate_size", 4096)?,
    };
    b.embedding("embedding", Role::Embedding, vocabulary, hidden);
    b.layers(Stack::Encoder, "layers", &side.numbers(), |b| {
        b.scope("self_attention.", |b| heads.attend(b));
        network(b, hidden, side.width);
        b.norm("pre_sa_norm", hidden, false);
        b.norm("post_sa_norm", hidden, false);
    });
    b.norm("norm", hidden, false);
    Ok(())
}

fn decoder(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let source = fields.size_or("cross_hidden_size", 1024)?;
    let own = heads(fields, SELF, hidden, hidden, 4)?;
    let cross = heads(fields, CROSS, hidden, source, 16)?;
    let side = Side {
        layers: fields.repeats_or("num_hidden_layers", 18)?,
        heads: own.heads,
        width: fields.size_or("intermediate_size", 8192)?,
    };
    b.layers(Stack::Decoder, "layers", &side.numbers(), |b| {
        b.scope("self_attention.", |b| own.attend(b));
        b.scope("cross_attention.", |b| {
            cross.cross(b, Source::Encoder { tokens: None });
        });
        network(b, hidden, side.width);
        b.norm("pre_sa_norm", hidden, false);
        b.norm("pre_ca_norm", hidden, false);
        b.norm("pre_mlp_norm", hidden, false);
    });
    b.norm("norm", hidden, false);
    Ok(())
}
