//! The encoder of Whisper, which many language models hear through: two convolutions, learned positions, and layers of
//! BART whose keys have no bias.
//!
//! Sources: transformers `models/whisper`, `models/qwen2_audio`, `models/voxtral`, `models/audioflamingo3`,
//! `models/moss_transcribe_diarize`. The older configs have fairseq's names of fields, the newer ones BERT's.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Side};
use crate::architecture::layer::Stack;
use crate::checkpoint::Role;

/// The layer of Whisper.
pub const BLOCK: Block = Block {
    bias: [true, false, true, true],
    ..Block::BART
};

/// The measures of the encoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whisper {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Its layers.
    pub side: Side,
    /// Bands of the spectrogram.
    pub bins: u64,
    /// Rows of the table of positions.
    pub positions: u64,
}

impl Whisper {
    /// The encoder of Whisper large 3, which is the default of most classes.
    pub const LARGE: Self = Self {
        hidden: 1280,
        side: Side {
            layers: 32,
            heads: 20,
            width: 5120,
        },
        bins: 128,
        positions: 1500,
    };

    /// Reads the fields of the tower; `default` says what holds for those that are missing.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>, default: Self) -> Result<Self> {
        let Self {
            hidden,
            side,
            bins,
            positions,
        } = default;
        Ok(Self {
            hidden: fields.size_or("d_model|hidden_size", hidden)?,
            side: Side {
                layers: fields.repeats_or("encoder_layers|num_hidden_layers", side.layers)?,
                heads: fields.size_or("encoder_attention_heads|num_attention_heads", side.heads)?,
                width: fields.size_or("encoder_ffn_dim|intermediate_size", side.width)?,
            },
            bins: fields.size_or("num_mel_bins", bins)?,
            positions: fields.size_or("max_source_positions", positions)?,
        })
    }

    /// Adds the tower to the scope that is open.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn add(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        let hidden = self.hidden;
        b.all_as(Role::Audio, |b| {
            convolutions(b, self.bins, hidden);
            b.embedding("embed_positions", Role::Position, self.positions, hidden);
            BLOCK.encoder(b, fields, Stack::Audio, hidden, &self.side)?;
            b.norm("layer_norm", hidden, true);
            Ok(())
        })
    }
}

/// Adds the two convolutions over the spectrogram.
pub fn convolutions(b: &mut Builder, bins: u64, hidden: u64) {
    b.weight_and_bias("conv1", Role::Audio, &[hidden, bins, 3], hidden, true);
    b.weight_and_bias("conv2", Role::Audio, &[hidden, hidden, 3], hidden, true);
}
