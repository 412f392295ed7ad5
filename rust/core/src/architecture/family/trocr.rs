//! TrOCR's decoder, which writes what a vision encoder reads.
//!
//! Source: transformers `models/trocr`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Form, Side, unknown_class};
use crate::architecture::heads::Source;
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// TrOCR.
pub const FAMILY: Family = Family {
    name: "trocr",
    model_types: &["trocr"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if class(fields)?.is_some() && Form::of(fields)? != Form::Causal {
        return Err(unknown_class(fields, class(fields)?.unwrap_or_default()));
    }
    decoder(b, fields, Source::Nothing, None)
}

/// Adds the decoder with its head. `encoder_width` is the width of what an encoder gives, where there is one and the
/// config of the decoder does not say.
///
/// # Errors
/// If a field is wrong.
pub fn decoder(
    b: &mut Builder,
    fields: &Fields<'_>,
    source: Source,
    encoder_width: Option<u64>,
) -> Result<()> {
    let hidden = fields.size_or("d_model|hidden_size", 1024)?;
    let side = Side {
        layers: fields.repeats_or("decoder_layers|num_hidden_layers", 12)?,
        heads: fields.size_or("decoder_attention_heads|num_attention_heads", 16)?,
        width: fields.size_or("decoder_ffn_dim", 4096)?,
    };
    let vocabulary = fields.size_or("vocab_size", 50265)?;
    let source_width = fields
        .opt_size("cross_attention_hidden_size")?
        .or(encoder_width)
        .unwrap_or(hidden);
    b.scope("model.decoder.", |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        if fields.flag_or("use_learned_position_embeddings", true)? {
            let rows = fields.size_or("max_position_embeddings", 512)? + 2;
            b.embedding("embed_positions", Role::Position, rows, hidden);
        }
        if fields.flag_or("layernorm_embedding", true)? {
            b.norm("layernorm_embedding", hidden, true);
        }
        Block::BART.decoder(b, fields, hidden, &side, source, source_width)
    })?;
    if !fields.flag_or("tie_word_embeddings", true)? {
        b.linear("output_projection", Role::Head, vocabulary, hidden, false);
    }
    Ok(())
}
