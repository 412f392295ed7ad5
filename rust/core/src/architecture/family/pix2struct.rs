//! Pix2Struct: a vision encoder over patches of any arrangement, and a decoder like T5's in names of its own.
//!
//! Source: transformers `models/pix2struct`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Pix2Struct.
pub const FAMILY: Family = Family {
    name: "pix2struct",
    model_types: &["pix2struct"],
    lower,
    text: None,
};

const NAMES: [&str; 4] = ["query", "key", "value", "output"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if Form::of(fields)? != Form::Generation {
        return Err(unknown_class(fields, class(fields)?.unwrap_or_default()));
    }
    let text = fields.opt_object("text_config")?.unwrap_or(*fields);
    let vision = fields.opt_object("vision_config")?.unwrap_or(*fields);
    b.scope("encoder.", |b| encoder(b, &vision))?;
    let tied = fields.flag_or("tie_word_embeddings", false)?;
    b.scope("decoder.", |b| decoder(b, &text, tied))
}

fn network(b: &mut Builder, prefix: &str, hidden: u64, width: u64) {
    b.scope(prefix, |b| {
        b.linear("wi_0", Role::Mlp, width, hidden, false);
        b.linear("wi_1", Role::Mlp, width, hidden, false);
        b.linear("wo", Role::Mlp, hidden, width, false);
    });
    b.feed_forward(FeedForward::Dense { width });
}

fn encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.size_or("d_kv", 64)?;
    let width = fields.size_or("d_ff", 2048)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let patch = fields.size_or("patch_embed_hidden_size", 768)?;
    let positions = fields.size_or("seq_len", 4096)?;
    let heads = Multihead::new(NAMES, hidden, heads, head_dim, false);
    b.all_as(Role::Vision, |b| {
        b.scope("embeddings.", |b| {
            b.linear("patch_projection", Role::Vision, hidden, patch, true);
            b.embedding("row_embedder", Role::Vision, positions, hidden);
            b.embedding("column_embedder", Role::Vision, positions, hidden);
        });
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "encoder.layer", &numbers, |b| {
            b.scope("attention.", |b| heads.attend(b));
            network(b, "mlp.", hidden, width);
            b.norm("pre_mlp_layer_norm", hidden, false);
            b.norm("pre_attention_layer_norm", hidden, false);
        });
        b.norm("layernorm", hidden, false);
    });
    Ok(())
}

fn decoder(b: &mut Builder, fields: &Fields<'_>, tied: bool) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_heads|num_attention_heads", 12)?;
    let head_dim = fields.size_or("d_kv", 64)?;
    if heads.checked_mul(head_dim) != Some(hidden) {
        return Err(fields.error(
            "d_kv",
            format!("{head_dim} times num_heads {heads} is not hidden_size {hidden}"),
        ));
    }
    let width = fields.size_or("d_ff", 2048)?;
    let layers = fields.repeats_or("num_layers|num_hidden_layers", 12)?;
    let vocabulary = fields.size_or("vocab_size", 50244)?;
    let buckets = fields.size_or("relative_attention_num_buckets", 32)?;
    let attention = Multihead::new(NAMES, hidden, heads, head_dim, false);
    b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
    let numbers = |first: u64, end: u64| {
        // `repeats_or` bounds their number.
        Numbers::Listed((first..end).filter_map(|n| u32::try_from(n).ok()).collect())
    };
    for (numbers, positions) in [
        (numbers(0, layers.min(1)), true),
        (numbers(1, layers), false),
    ] {
        b.layers(Stack::Decoder, "layer", &numbers, |b| {
            b.scope("self_attention.", |b| {
                b.scope("attention.", |b| {
                    attention.attend(b);
                    if positions {
                        b.embedding("relative_attention_bias", Role::Position, buckets, heads);
                    }
                });
                b.norm("layer_norm", hidden, false);
            });
            b.scope("encoder_decoder_attention.", |b| {
                b.scope("attention.", |b| {
                    attention.cross(b, Source::Encoder { tokens: None });
                });
                b.norm("layer_norm", hidden, false);
            });
            b.scope("mlp.", |b| {
                network(b, "DenseReluDense.", hidden, width);
                b.norm("layer_norm", hidden, false);
            });
        });
    }
    b.norm("final_layer_norm", hidden, false);
    if !tied {
        b.linear("lm_head", Role::Head, vocabulary, hidden, false);
    }
    Ok(())
}
