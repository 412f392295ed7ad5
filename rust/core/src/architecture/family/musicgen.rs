//! MusicGen, which writes music as codes of EnCodec from a text that T5 read, and its kind that hums a melody after;
//! and EnCodec alone.
//!
//! Sources: transformers `models/musicgen`, `models/musicgen_melody`, `models/encodec`. Until transformers 4.46 the
//! table of positions is stored, although it is computed.

use super::{Family, t5};
use crate::architecture::audio::encodec::encodec;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::{Multihead, PROJECTIONS, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::place::saved_before;
use crate::checkpoint::Role;

/// MusicGen and EnCodec.
pub const FAMILY: Family = Family {
    name: "musicgen",
    model_types: &["encodec", "musicgen", "musicgen_melody"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let melody = match fields.opt_text("model_type")? {
        Some("encodec") => {
            known_class(fields, &["EncodecModel"])?;
            return encodec(b, fields);
        }
        other => other == Some("musicgen_melody"),
    };
    let class = if melody {
        "MusicgenMelodyForConditionalGeneration"
    } else {
        "MusicgenForConditionalGeneration"
    };
    known_class(fields, &[class])?;
    let text = fields.object("text_encoder")?;
    let audio = fields.object("audio_encoder")?;
    for (part, known) in [(&text, "t5"), (&audio, "encodec")] {
        let model_type = part.text_or("model_type", known)?;
        if model_type != known {
            let message = format!("{model_type:?} is not known as this part of a model");
            return Err(part.error("model_type", message));
        }
    }
    let read = b.scope("text_encoder.", |b| t5::encoder(b, &text))?;
    b.scope("audio_encoder.", |b| encodec(b, &audio))?;
    let decoder = fields.object("decoder")?;
    let hidden = b.scope("decoder.", |b| writer(b, &decoder, melody))?;
    let mut project = |name: &str, inputs: u64| {
        if inputs != hidden {
            b.linear(name, Role::Projector, hidden, inputs, true);
        }
    };
    project("enc_to_dec_proj", read);
    if melody {
        project("audio_enc_to_dec_proj", fields.size_or("num_chroma", 12)?);
    }
    Ok(())
}

/// Adds the decoder, which writes all codebooks at once, and returns its width. The one that follows a melody has what
/// it read before its own tokens, and the other looks at it.
fn writer(b: &mut Builder, fields: &Fields<'_>, melody: bool) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("ffn_dim", 4096)?;
    let layers = fields.repeats_or("num_hidden_layers", 24)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let codes = fields.size_or("vocab_size", 2048)?;
    let books = fields.repeats_or("num_codebooks", 4)?;
    let positions = fields.size_or("max_position_embeddings", 2048)?;
    if fields
        .opt_size("cross_attention_hidden_size")?
        .is_some_and(|source| source != hidden)
    {
        let message = "is not hidden_size, which is not known for this model";
        return Err(fields.error("cross_attention_hidden_size", message));
    }
    if fields.flag_or("tie_word_embeddings", false)? {
        let message = "is true, which is not known for this model";
        return Err(fields.error("tie_word_embeddings", message));
    }
    let attention = Multihead::new(PROJECTIONS, hidden, heads, head_dim, false);
    let stored = saved_before(fields, 4, 46)?;
    b.scope("model.decoder.", |b| {
        b.each("embed_tokens", all(books), |b| {
            b.looked_up(|b| b.tensor("weight", Role::Embedding, &[codes + 1, hidden]));
        });
        if stored {
            let shape = [positions, hidden];
            b.tensor("embed_positions.weights", Role::Position, &shape);
        }
        b.layers(Stack::Decoder, "layers", &all(layers), |b| {
            b.scope("self_attn.", |b| attention.attend(b));
            b.norm("self_attn_layer_norm", hidden, true);
            if !melody {
                let source = Source::Encoder { tokens: None };
                b.scope("encoder_attn.", |b| attention.cross(b, source));
                b.norm("encoder_attn_layer_norm", hidden, true);
            }
            b.linear("fc1", Role::Mlp, width, hidden, false);
            b.linear("fc2", Role::Mlp, hidden, width, false);
            b.feed_forward(FeedForward::Dense { width });
            b.norm("final_layer_norm", hidden, true);
        });
        b.norm("layer_norm", hidden, true);
    });
    b.each("lm_heads", all(books), |b| {
        b.tensor("weight", Role::Head, &[codes, hidden]);
    });
    Ok(hidden)
}
