//! VibeVoice, which speaks by diffusion in the tokens of sound that its language model asks for, and VibeVoice-ASR,
//! which writes down what it hears.
//!
//! Sources: transformers `models/vibevoice`, `models/vibevoice_asr`. Microsoft's own files of the first have other
//! fields and names, and are not derived.

use super::Family;
use crate::architecture::audio::vibevoice::Tokenizer;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::checkpoint::Role;

/// VibeVoice.
pub const FAMILY: Family = Family {
    name: "vibevoice",
    model_types: &["vibevoice", "vibevoice_asr"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.opt_text("model_type")? == Some("vibevoice_asr") {
        return writer(b, fields);
    }
    known_class(fields, &["VibeVoiceForConditionalGeneration"])?;
    let audio = fields.object("audio_config")?;
    let semantic = fields.object("semantic_model_config")?;
    let language = Language {
        tied: Tied::Inner,
        ..Language::new("qwen2", "model.language_model.", false)
    };
    let text = language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", 4096)?;
    let audio = Tokenizer::read(&audio, 64)?;
    let semantic = Tokenizer::read(&semantic, 128)?;
    b.scope("model.", |b| {
        b.scope("audio_tower.", |b| {
            b.scope("encoder.", |b| audio.encoder(b));
            b.scope("decoder.", |b| audio.decoder(b));
        });
        b.scope("semantic_tokenizer_encoder.", |b| semantic.encoder(b));
        project(b, "multi_modal_projector.", audio.hidden, hidden);
        project(b, "semantic_connector.", semantic.hidden, hidden);
        b.tensor("latent_scaling_factor", Role::Audio, &[]);
        b.tensor("latent_bias_factor", Role::Audio, &[]);
        b.scope("diffusion_head.", |b| {
            diffusion(b, fields, hidden, audio.hidden)
        })
    })
}

fn project(b: &mut Builder, prefix: &str, inputs: u64, hidden: u64) {
    b.scope(prefix, |b| {
        b.linear("linear_1", Role::Projector, hidden, inputs, true);
        b.tensor("act.weight", Role::Projector, &[hidden]);
        b.linear("linear_2", Role::Projector, hidden, hidden, true);
    });
}

/// Adds the head that makes a token of sound, of so many numbers, out of noise.
fn diffusion(b: &mut Builder, fields: &Fields<'_>, hidden: u64, latent: u64) -> Result<()> {
    // Its width and that of its tokens follow the others, whatever its config says.
    let own = fields.object("diffusion_head_config")?;
    let layers = own.repeats_or("num_hidden_layers", 4)?;
    let width = own.size_or("intermediate_size", 4608)?;
    let frequencies = own.size_or("frequency_embedding_size", 256)?;
    let bias = own.flag_or("mlp_bias", false)?;
    let role = Role::Head;
    b.all_as(role, |b| {
        b.linear("noisy_images_proj", role, hidden, latent, false);
        b.linear("cond_proj", role, hidden, hidden, false);
        b.linear("timestep_proj.fc1", role, hidden, frequencies, false);
        b.linear("timestep_proj.fc2", role, hidden, hidden, false);
        b.layers(Stack::Other, "layers", &all(layers), |b| {
            b.scope("ffn.", |b| gated(b, GATED, role, hidden, width, bias));
            b.feed_forward(FeedForward::Dense { width });
            b.norm("norm", hidden, false);
            b.linear("linear", role, 3 * hidden, hidden, false);
        });
        b.linear("final_layer.linear_1", role, 2 * hidden, hidden, false);
        b.linear("final_layer.linear_2", role, latent, hidden, false);
    });
    Ok(())
}

/// VibeVoice-ASR.
fn writer(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["VibeVoiceAsrForConditionalGeneration"])?;
    let language = Language::whole("qwen2", Tied::Outer(false));
    let text = language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", 4096)?;
    for (object, prefix, path, size) in [
        (
            "acoustic_tokenizer_encoder_config",
            "acoustic_tokenizer_encoder.",
            "acoustic",
            64,
        ),
        (
            "semantic_tokenizer_encoder_config",
            "semantic_tokenizer_encoder.",
            "semantic",
            128,
        ),
    ] {
        let tokenizer = Tokenizer::read(&fields.object(object)?, size)?;
        b.scope(prefix, |b| tokenizer.encoder(b));
        b.scope("multi_modal_projector.", |b| {
            b.all_as(Role::Projector, |b| {
                b.scope(path, |b| {
                    let role = Role::Projector;
                    b.linear("_linear_1", role, hidden, tokenizer.hidden, true);
                    b.norm("_norm", hidden, false);
                    b.linear("_linear_2", role, hidden, hidden, true);
                });
            });
        });
    }
    Ok(())
}
