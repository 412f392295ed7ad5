//! Qwen-Omni: a thinker that sees and hears, and in the whole models what speaks.
//!
//! Source: transformers `models/qwen2_5_omni` and `models/qwen3_omni_moe`.

use super::Family;
use crate::architecture::audio::qwen3::qwen3_with;
use crate::architecture::audio::whisper::{BLOCK, Whisper, convolutions};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, known_class};
use crate::architecture::vision::qwen::{OMNI, OMNI_THIRD, qwen};
use crate::checkpoint::Role;

/// Qwen-Omni.
pub const FAMILY: Family = Family {
    name: "qwen-omni",
    model_types: &[
        "qwen2_5_omni",
        "qwen2_5_omni_thinker",
        "qwen3_omni_moe",
        "qwen3_omni_moe_thinker",
    ],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    match fields.opt_text("model_type")? {
        Some("qwen2_5_omni_thinker") => {
            known_class(fields, &["Qwen2_5OmniThinkerForConditionalGeneration"])?;
            thinker(b, fields, "", false)
        }
        Some("qwen3_omni_moe_thinker") => {
            known_class(fields, &["Qwen3OmniMoeThinkerForConditionalGeneration"])?;
            thinker(b, fields, "", true)
        }
        Some("qwen3_omni_moe") => {
            known_class(fields, &["Qwen3OmniMoeForConditionalGeneration"])?;
            let speaks = fields.flag_or("enable_audio_output", true)?;
            if speaks {
                return Err(fields.error(
                    "enable_audio_output",
                    "is true, and the parts that speak are not known; its thinker alone is",
                ));
            }
            without_speech(fields);
            thinker(b, &fields.object("thinker_config")?, "thinker.", true)
        }
        _ => {
            known_class(fields, &["Qwen2_5OmniForConditionalGeneration"])?;
            thinker(b, &fields.object("thinker_config")?, "thinker.", false)?;
            if fields.flag_or("enable_audio_output", true)? {
                super::qwen_omni_talker::speaker(b, fields)
            } else {
                without_speech(fields);
                Ok(())
            }
        }
    }
}

/// Notes that the parts that speak were seen, and are left out.
fn without_speech(fields: &Fields<'_>) {
    for name in ["talker_config", "token2wav_config", "code2wav_config"] {
        let _ = fields.has(name);
    }
}

/// Adds a thinker, of the third generation or the second, under a prefix.
fn thinker(b: &mut Builder, fields: &Fields<'_>, prefix: &str, later: bool) -> Result<()> {
    let audio = fields.object("audio_config")?;
    let vision = fields.object("vision_config")?;
    let model = format!("{prefix}model.");
    let model_type = if later {
        "qwen3_omni_moe_text"
    } else {
        "qwen2_5_omni_text"
    };
    let language = Language {
        head: prefix,
        ..Language::new(model_type, &model, false)
    };
    language.add(b, fields)?;
    b.scope(prefix, |b| {
        b.scope("audio_tower.", |b| {
            let output = audio.size_or("output_dim", 3584)?;
            if !later {
                return hears(b, &audio, output);
            }
            let Whisper { hidden, side, .. } = Whisper::LARGE;
            let hidden = qwen3_with(b, &audio, hidden, &side)?;
            b.linear("proj1", Role::Audio, hidden, hidden, true);
            b.linear("proj2", Role::Audio, output, hidden, true);
            Ok(())
        })?;
        let tower = if later { &OMNI_THIRD } else { &OMNI };
        b.scope("visual.", |b| qwen(b, &vision, tower))
    })?;
    Ok(())
}

/// Adds the ears of Qwen2.5-Omni: Whisper's encoder with computed positions, the vectors before and after a sound, and
/// what leads out.
fn hears(b: &mut Builder, fields: &Fields<'_>, output: u64) -> Result<()> {
    let encoder = Whisper::read(fields, Whisper::LARGE)?;
    let hidden = encoder.hidden;
    b.all_as(Role::Audio, |b| {
        convolutions(b, encoder.bins, hidden);
        b.embedding("audio_bos_eos_token", Role::Audio, 2, output);
        BLOCK.encoder(b, fields, Stack::Audio, hidden, &encoder.side)?;
        b.norm("ln_post", hidden, true);
        b.linear("proj", Role::Audio, output, hidden, true);
        Ok(())
    })
}
