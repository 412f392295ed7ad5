//! Encoder-decoders put together from two models: an encoder of text, images or sound, and a decoder with cross
//! attention.
//!
//! Sources: transformers `models/encoder_decoder`, `models/speech_encoder_decoder`,
//! `models/vision_encoder_decoder`. A projection stands between the
//! two if their widths differ.

use super::{Family, bart, text, trocr, wav2vec2};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::unknown_class;
use crate::architecture::heads::Source;
use crate::architecture::place::{Place, Top, class};
use crate::architecture::vision::donut::donut;
use crate::architecture::vision::vit::{Parts, vit};
use crate::checkpoint::Role;

/// Models put together.
pub const FAMILY: Family = Family {
    name: "encoder-decoder",
    model_types: &[
        "encoder-decoder",
        "speech-encoder-decoder",
        "vision-encoder-decoder",
    ],
    lower,
    text: None,
};

/// What stands before the names of a decoder's own tensors, for model types whose class writes text by itself.
const ROOTS: &[(&str, &str)] = &[
    ("bert", "decoder.bert."),
    ("bert-generation", "decoder.bert."),
    ("camembert", "decoder.roberta."),
    ("electra", "decoder.electra."),
    ("gpt2", "decoder.transformer."),
    ("roberta", "decoder.roberta."),
    ("xlm-roberta", "decoder.roberta."),
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if let Some(class) = class(fields)?
        && !class.ends_with("EncoderDecoderModel")
    {
        return Err(unknown_class(fields, class));
    }
    let encoder_fields = fields.object("encoder")?;
    let decoder_fields = fields.object("decoder")?;
    let encoder_width = encoder(b, &encoder_fields)?;
    // An encoder of sound may say that it gives another width; the projection takes the usual one all the same.
    let given = encoder_fields
        .opt_size("output_hidden_size")?
        .unwrap_or(encoder_width);
    let width = decoder_fields.size("hidden_size|d_model|n_embd")?;
    let stated = decoder_fields.opt_size("cross_attention_hidden_size")?;
    // The decoder either takes what the encoder gives or gets it in its own width.
    let source = if given != width && stated.is_none() {
        b.linear(
            "enc_to_dec_proj",
            Role::Projector,
            width,
            encoder_width,
            true,
        );
        width
    } else {
        stated.unwrap_or(width)
    };
    decoder(b, &decoder_fields, source, width)
}

/// Adds the encoder and returns its width.
fn encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    match fields.opt_text("model_type")? {
        Some("vit") => {
            let parts = Parts {
                pooler: true,
                ..Parts::default()
            };
            b.scope("encoder.", |b| {
                b.all_as(Role::Vision, |b| vit(b, fields, parts))
            })
        }
        Some("deit") => {
            let parts = Parts {
                pooler: true,
                distilled: true,
                ..Parts::default()
            };
            b.scope("encoder.", |b| {
                b.all_as(Role::Vision, |b| vit(b, fields, parts))
            })
        }
        Some(sound) if wav2vec2::tower(sound).is_some() => {
            b.scope("encoder.", |b| wav2vec2::encoder(b, fields, sound))
        }
        Some("donut-swin") => b.scope("encoder.", |b| donut(b, fields)),
        Some(_) => {
            let place = Place {
                model: "encoder.",
                head: "encoder.",
                top: Top::None,
                tied: None,
            };
            text(b, fields, "bert", &place)?;
            fields.size("hidden_size")
        }
        None => Err(fields.error("model_type", "is missing, so the encoder is not known")),
    }
}

fn decoder(b: &mut Builder, fields: &Fields<'_>, source: u64, width: u64) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let encoder = Source::Encoder { tokens: None };
    // Those that only ever are decoders attend to the encoder without being told.
    fields.pass_over("add_cross_attention");
    match model_type {
        "trocr" => b.scope("decoder.", |b| {
            trocr::decoder(b, fields, encoder, Some(source))
        }),
        "bart" | "mbart" if source == width => {
            b.scope("decoder.", |b| bart::decoder(b, fields, encoder))
        }
        _ => {
            let root = ROOTS
                .iter()
                .find(|(known, _)| *known == model_type)
                .filter(|_| source == width)
                .map(|&(_, root)| root)
                .ok_or_else(|| {
                    fields.error(
                        "model_type",
                        format!("{model_type:?} is not known as a decoder behind an encoder of another model"),
                    )
                })?;
            if fields.opt_flag("add_cross_attention")? != Some(true) {
                return Err(fields.error(
                    "add_cross_attention",
                    "must be true for a decoder behind an encoder",
                ));
            }
            let place = Place {
                model: root,
                head: "decoder.",
                top: Top::LanguageModel,
                tied: None,
            };
            text(b, fields, "bert", &place)
        }
    }
}
