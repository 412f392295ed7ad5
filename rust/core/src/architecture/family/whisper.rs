//! Whisper and Speech2Text: convolutions and an encoder that hear, a decoder that writes.
//!
//! Sources: transformers `models/whisper`, `models/speech_to_text`.

use super::Family;
use crate::architecture::audio::whisper::{self, BLOCK};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Form, Side, Sizes, unknown_class};
use crate::architecture::heads::Source;
use crate::architecture::layer::Stack;
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// Whisper and Speech2Text.
pub const FAMILY: Family = Family {
    name: "whisper",
    model_types: &["speech_to_text", "whisper"],
    lower,
    text: None,
};

struct Model {
    whisper: bool,
    block: Block,
    sizes: Sizes,
    vocabulary: u64,
    /// Rows of the tables of positions of encoder and decoder; Speech2Text computes its positions.
    positions: Option<(u64, u64)>,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model = Model::read(fields)?;
    let class = class(fields)?.unwrap_or_default();
    if class == "WhisperForAudioClassification" {
        return model.classifier(b, fields);
    }
    let form = Form::of(fields)?;
    let root = if form == Form::Bare { "" } else { "model." };
    let source = Source::Encoder {
        tokens: model.positions.map(|(rows, _)| rows),
    };
    match form {
        Form::Generation | Form::Bare => b.scope(root, |b| -> Result<()> {
            b.scope("encoder.", |b| model.encoder(b, fields))?;
            b.scope("decoder.", |b| model.decoder(b, fields, source))
        })?,
        Form::Causal if model.whisper => b.scope("model.decoder.", |b| {
            model.decoder(b, fields, Source::Nothing)
        })?,
        Form::Causal
        | Form::Encoder
        | Form::SequenceClassifier
        | Form::TokenClassifier
        | Form::QuestionAnswering => return Err(unknown_class(fields, class)),
    }
    if form != Form::Bare && !fields.flag_or("tie_word_embeddings", true)? {
        let name = if model.whisper { "proj_out" } else { "lm_head" };
        b.linear(
            name,
            Role::Head,
            model.vocabulary,
            model.sizes.hidden,
            false,
        );
    }
    Ok(())
}

impl Model {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        let whisper = fields.opt_text("model_type")? != Some("speech_to_text");
        let side = |layers, heads, width| Side {
            layers,
            heads,
            width,
        };
        let default = if whisper {
            Sizes {
                hidden: 384,
                encoder: side(4, 6, 1536),
                decoder: side(4, 6, 1536),
            }
        } else {
            Sizes {
                hidden: 256,
                encoder: side(12, 4, 2048),
                decoder: side(6, 4, 2048),
            }
        };
        Ok(Self {
            whisper,
            block: if whisper { BLOCK } else { Block::BART },
            sizes: Sizes::read(fields, default)?,
            vocabulary: fields.size_or("vocab_size", if whisper { 51865 } else { 10000 })?,
            positions: if whisper {
                Some((
                    fields.size_or("max_source_positions", 1500)?,
                    fields.size_or("max_target_positions", 448)?,
                ))
            } else {
                None
            },
        })
    }

    fn encoder(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        let hidden = self.sizes.hidden;
        b.all_as(Role::Audio, |b| {
            if self.whisper {
                whisper::convolutions(b, fields.size_or("num_mel_bins", 80)?, hidden);
            } else {
                convolutions(b, fields, hidden)?;
            }
            if let Some((rows, _)) = self.positions {
                b.embedding("embed_positions", Role::Position, rows, hidden);
            }
            let side = &self.sizes.encoder;
            self.block.encoder(b, fields, Stack::Audio, hidden, side)?;
            b.norm("layer_norm", hidden, true);
            Ok(())
        })
    }

    fn decoder(&self, b: &mut Builder, fields: &Fields<'_>, source: Source) -> Result<()> {
        let hidden = self.sizes.hidden;
        b.embedding("embed_tokens", Role::Embedding, self.vocabulary, hidden);
        if let Some((_, rows)) = self.positions {
            b.embedding("embed_positions", Role::Position, rows, hidden);
        }
        let side = &self.sizes.decoder;
        self.block
            .decoder(b, fields, hidden, side, source, hidden)?;
        b.norm("layer_norm", hidden, true);
        Ok(())
    }

    /// The encoder with a classifier over the mean of its output, or over a mean of all its layers.
    fn classifier(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        b.scope("encoder.", |b| self.encoder(b, fields))?;
        if fields.flag_or("use_weighted_layer_sum", false)? {
            b.tensor(
                "layer_weights",
                Role::Head,
                &[self.sizes.encoder.layers + 1],
            );
        }
        let width = fields.size_or("classifier_proj_size", 256)?;
        b.linear("projector", Role::Projector, width, self.sizes.hidden, true);
        b.linear("classifier", Role::Head, labels(fields)?, width, true);
        Ok(())
    }
}

/// The convolutions of Speech2Text, each with a gate that halves what it gives.
fn convolutions(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let layers = fields.repeats_or("num_conv_layers", 2)?;
    let inner = fields.size_or("conv_channels", 1024)?;
    let features =
        fields.size_or("input_feat_per_channel", 80)? * fields.size_or("input_channels", 1)?;
    let kernels = fields
        .opt_counts("conv_kernel_sizes")?
        .unwrap_or_else(|| vec![5, 5]);
    if kernels.len() as u64 != layers {
        return Err(fields.error(
            "conv_kernel_sizes",
            format!("has {} sizes for {layers} convolutions", kernels.len()),
        ));
    }
    for (number, kernel) in (0_u64..).zip(kernels) {
        let inputs = if number == 0 { features } else { inner / 2 };
        let outputs = if number + 1 == layers {
            2 * hidden
        } else {
            inner
        };
        let name = format!("conv.conv_layers.{number}");
        b.weight_and_bias(
            &name,
            Role::Audio,
            &[outputs, inputs, kernel],
            outputs,
            true,
        );
    }
    Ok(())
}
