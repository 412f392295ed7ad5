//! FSMT, fairseq's translators of WMT 2019: two vocabularies, each stack with a table of its own.
//!
//! Source: transformers `models/fsmt`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Form, Side, Sizes, unknown_class};
use crate::architecture::heads::Source;
use crate::architecture::layer::Stack;
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// FSMT.
pub const FAMILY: Family = Family {
    name: "fsmt",
    model_types: &["fsmt"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let root = match Form::of(fields)? {
        Form::Generation => "model.",
        Form::Bare => "",
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let side = Side {
        layers: 12,
        heads: 16,
        width: 4096,
    };
    let default = Sizes {
        hidden: 1024,
        encoder: side,
        decoder: side,
    };
    let sizes = Sizes::read(fields, default)?;
    let hidden = sizes.hidden;
    let source = fields.size_or("src_vocab_size", 42024)?;
    let target = fields.size_or("tgt_vocab_size", 42024)?;
    let tied = fields.flag_or("tie_word_embeddings", false)?;
    // Sines, but stored, with rows up to the padding token's in front.
    let rows =
        fields.size_or("max_position_embeddings", 1024)? + fields.count_or("pad_token_id", 1)? + 1;
    b.scope(root, |b| {
        b.scope("encoder.", |b| {
            // Tied, the encoder reads the decoder's table, too.
            if !tied {
                b.embedding("embed_tokens", Role::Embedding, source, hidden);
            }
            b.embedding("embed_positions", Role::Position, rows, hidden);
            Block::BART.encoder(b, fields, Stack::Encoder, hidden, &sizes.encoder)
        })?;
        b.scope("decoder.", |b| {
            b.embedding("embed_tokens", Role::Embedding, target, hidden);
            if !tied {
                b.linear("output_projection", Role::Head, target, hidden, false);
            }
            b.embedding("embed_positions", Role::Position, rows, hidden);
            let encoder = Source::Encoder { tokens: None };
            Block::BART.decoder(b, fields, hidden, &sizes.decoder, encoder, hidden)
        })
    })
}
