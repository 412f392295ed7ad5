//! Language models that hear: an audio tower, a projector, and a text model of another family.
//!
//! Sources: transformers `models/qwen2_audio`, `voxtral`, `voxtral_realtime`, `audioflamingo3`, `musicflamingo`,
//! `glmasr`, `qwen3_asr`, `moss_transcribe_diarize`, `fun_asr_nano`, `granite_speech`. The older ones are published
//! with the whole language model under `language_model.`, the newer ones under `model.`.

use super::Family;
use crate::architecture::audio::granite::granite;
use crate::architecture::audio::qwen3::qwen3;
use crate::architecture::audio::rotary;
use crate::architecture::audio::san_m::{Layer, san_m};
use crate::architecture::audio::whisper::Whisper;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::Side;
use crate::architecture::layer::Stack;
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::qformer::qformer;
use crate::checkpoint::Role;

/// Language models that hear.
pub const FAMILY: Family = Family {
    name: "audio-language",
    model_types: &[
        "audioflamingo3",
        "fun_asr_nano",
        "glmasr",
        "granite_speech",
        "granite_speech_plus",
        "moss_transcribe_diarize",
        "musicflamingo",
        "qwen2_audio",
        "qwen3_asr",
        "voxtral",
        "voxtral_realtime",
    ],
    lower,
    text: None,
};

/// Adds the tower and the projector to the scope of the model, given the whole config and the width of the text model.
type Ears = fn(&mut Builder, &Fields<'_>, u64) -> Result<()>;

/// What is proper to a model type.
#[derive(Clone, Copy)]
struct Kin {
    model_type: &'static str,
    class: &'static str,
    /// What stands before the names of tower and projector.
    prefix: &'static str,
    language: Language<'static>,
    /// Whether the class has defaults of its own for the text model, so that a config that leaves some out is not read
    /// by those of the text model's class.
    complete: bool,
    ears: Ears,
}

const LINEARS: [&str; 2] = ["linear_1", "linear_2"];

const KIN: &[Kin] = &[
    Kin {
        model_type: "audioflamingo3",
        class: "AudioFlamingo3ForConditionalGeneration",
        prefix: "",
        language: Language::whole("qwen2", Tied::Outer(false)),
        complete: false,
        ears: flamingo,
    },
    Kin {
        model_type: "fun_asr_nano",
        class: "FunAsrNanoForConditionalGeneration",
        prefix: "model.",
        language: Language::new("qwen3", "model.language_model.", true),
        complete: false,
        ears: fun_asr,
    },
    Kin {
        model_type: "glmasr",
        class: "GlmAsrForConditionalGeneration",
        prefix: "",
        language: Language::whole("llama", Tied::Outer(true)),
        complete: true,
        ears: glm,
    },
    Kin {
        model_type: "granite_speech",
        class: "GraniteSpeechForConditionalGeneration",
        prefix: "",
        language: Language::whole("granite", Tied::Outer(true)),
        complete: false,
        ears: granite_speech,
    },
    Kin {
        model_type: "granite_speech_plus",
        class: "GraniteSpeechPlusForConditionalGeneration",
        prefix: "",
        language: Language::whole("granite", Tied::Outer(true)),
        complete: false,
        ears: granite_speech,
    },
    Kin {
        model_type: "moss_transcribe_diarize",
        class: "MossTranscribeDiarizeForConditionalGeneration",
        prefix: "model.",
        language: Language::new("qwen3", "model.language_model.", true),
        complete: false,
        ears: moss,
    },
    Kin {
        model_type: "musicflamingo",
        class: "MusicFlamingoForConditionalGeneration",
        prefix: "",
        language: Language::whole("qwen2", Tied::Outer(false)),
        complete: false,
        ears: flamingo,
    },
    Kin {
        model_type: "qwen2_audio",
        class: "Qwen2AudioForConditionalGeneration",
        prefix: "",
        language: Language::whole("qwen2", Tied::Outer(false)),
        complete: false,
        ears: qwen2,
    },
    Kin {
        model_type: "qwen3_asr",
        class: "Qwen3ASRForConditionalGeneration",
        prefix: "model.",
        language: Language::new("qwen3", "model.language_model.", true),
        complete: false,
        ears: qwen3_asr,
    },
    Kin {
        model_type: "voxtral",
        class: "VoxtralForConditionalGeneration",
        prefix: "",
        language: Language::whole("llama", Tied::Outer(false)),
        complete: true,
        ears: voxtral,
    },
    Kin {
        model_type: "voxtral_realtime",
        class: "VoxtralRealtimeForConditionalGeneration",
        prefix: "",
        language: Language::whole("voxtral_realtime_text", Tied::Outer(true)),
        complete: true,
        ears: realtime,
    },
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let kin = KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .ok_or_else(|| fields.error("model_type", "is not one of this family"))?;
    known_class(fields, &[kin.class])?;
    if kin.complete {
        let text = fields.object(kin.language.object)?;
        for name in [
            "vocab_size",
            "hidden_size",
            "intermediate_size",
            "num_attention_heads",
            "num_key_value_heads",
        ] {
            text.size(name)?;
        }
        text.repeats("num_hidden_layers")?;
    }
    let text = kin.language.add(b, fields)?;
    let hidden = text.size_or("hidden_size", 4096)?;
    b.scope(kin.prefix, |b| (kin.ears)(b, fields, hidden))
}

/// Adds the tower of Whisper and returns its measures.
fn whisper(b: &mut Builder, fields: &Fields<'_>, default: Whisper) -> Result<Whisper> {
    let audio = fields.object("audio_config")?;
    let tower = Whisper::read(&audio, default)?;
    b.scope("audio_tower.", |b| tower.add(b, &audio))?;
    Ok(tower)
}

fn project(b: &mut Builder, [inputs, inner, outputs]: [u64; 3], bias: bool) {
    let projector = Projector {
        inputs,
        inner,
        outputs,
        bias,
    };
    b.scope("multi_modal_projector.", |b| projector.add(b, LINEARS));
}

fn qwen2(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let tower = whisper(b, fields, Whisper::LARGE)?;
    let name = "multi_modal_projector.linear";
    b.linear(name, Role::Projector, text, tower.hidden, true);
    Ok(())
}

fn flamingo(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let tower = whisper(b, fields, Whisper::LARGE)?;
    let bias = fields.flag_or("projector_bias", true)?;
    project(b, [tower.hidden, text, text], bias);
    Ok(())
}

/// Voxtral takes as many tokens together as make up the tower's inner width.
fn voxtral(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let tower = whisper(b, fields, Whisper::LARGE)?;
    project(b, [tower.side.width, text, text], false);
    Ok(())
}

fn moss(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let medium = Whisper {
        hidden: 1024,
        side: Side {
            layers: 24,
            heads: 16,
            width: 4096,
        },
        bins: 80,
        positions: 1500,
    };
    let tower = whisper(b, fields, medium)?;
    let merged = fields.size_or("audio_merge_size", 4)? * tower.hidden;
    let bias = fields.flag_or("projector_bias", true)?;
    project(b, [merged, text, text], bias);
    b.scope("multi_modal_projector.", |b| {
        b.all_as(Role::Projector, |b| b.norm("norm", text, true));
    });
    Ok(())
}

fn glm(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let audio = fields.object("audio_config")?;
    let width = b.scope("audio_tower.", |b| rotary::glm(b, &audio))?;
    project(b, [width, 2 * text, text], true);
    Ok(())
}

fn realtime(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let audio = fields.object("audio_config")?;
    let hidden = b.scope("audio_tower.", |b| rotary::causal(b, &audio))?;
    let merged = fields.size_or("downsample_factor", 4)? * hidden;
    project(b, [merged, text, text], false);
    Ok(())
}

fn qwen3_asr(b: &mut Builder, fields: &Fields<'_>, _text: u64) -> Result<()> {
    let audio = fields.object("audio_config")?;
    let hidden = b.scope("audio_tower.", |b| qwen3(b, &audio))?;
    let outputs = audio.size_or("output_dim", 3584)?;
    project(b, [hidden, hidden, outputs], true);
    Ok(())
}

/// Fun-ASR-Nano has layers in its projector, which are as wide as the text model.
fn fun_asr(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let audio = fields.object("audio_config")?;
    let heard = b.scope("audio_tower.", |b| san_m(b, &audio))?;
    let adaptor = fields.object("adaptor_config")?;
    let hidden = adaptor.size_or("hidden_size", 1024)?;
    if hidden != text {
        let message = format!("{hidden} is not the width of the text model, {text}");
        return Err(adaptor.error("hidden_size", message));
    }
    let inner = adaptor.size_or("projector_hidden_size", 2048)?;
    project(b, [heard, inner, hidden], true);
    let heads = adaptor.size_or("num_attention_heads", 8)?;
    let layer = Layer {
        hidden,
        heads,
        head_dim: adaptor.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        width: adaptor.size_or("intermediate_size", 256)?,
        kernel: None,
    };
    let layers = adaptor.repeats_or("num_hidden_layers", 2)?;
    b.all_as(Role::Projector, |b| {
        let name = "multi_modal_projector.layers";
        b.layers(Stack::Other, name, &all(layers), |b| layer.add(b, hidden));
    });
    Ok(())
}

/// Granite Speech looks at windows of what it heard through a Q-Former. An adapter that some checkpoints bring is a
/// file of its own.
fn granite_speech(b: &mut Builder, fields: &Fields<'_>, text: u64) -> Result<()> {
    let encoder = fields.object("encoder_config")?;
    b.scope("encoder.", |b| granite(b, &encoder))?;
    let projector = fields.object("projector_config")?;
    if let Some(other) = projector
        .opt_text("model_type")?
        .filter(|&model_type| model_type != "blip_2_qformer")
    {
        let message = format!("{other:?} is not known as a projector of this model");
        return Err(projector.error("model_type", message));
    }
    let window = fields.size_or("window_size", 15)?;
    let queries = window / fields.size_or("downsample_rate", 5)?;
    b.scope("projector.", |b| {
        let hidden = b.scope("qformer.", |b| qformer(b, &projector))?;
        b.tensor("query", Role::Projector, &[1, queries, hidden]);
        b.linear("linear", Role::Projector, text, hidden, true);
        Ok(())
    })
}
