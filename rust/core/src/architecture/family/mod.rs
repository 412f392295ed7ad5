//! The families: which model types there are, and what lowers each.
//!
//! A family is one file with one value, and one line in the table here. A model type that is built like a known one
//! is one more text in its family's list.

use super::builder::Builder;
use super::config::{ConfigError, Fields, Result};
use super::place::Place;
use std::collections::HashMap;
use std::sync::LazyLock;

mod afmoe;
mod albert;
mod apertus;
mod arctic;
mod aria;
mod ast;
mod audio_language;
mod axk2;
mod baichuan;
mod bailing_hybrid;
mod bailing_moe;
mod bamba;
mod bart;
mod bert;
mod bert_kin;
mod bitnet;
mod blip;
mod blip2;
mod bloom;
mod canary;
mod canine;
mod chameleon;
mod chatglm;
mod chinese_clip;
mod clap;
mod clip;
mod cohere;
mod cohere_compass;
mod cohere_moe;
mod colpali;
mod composed;
mod convbert;
mod cpmant;
mod ctrl;
mod dbrx;
mod deberta;
mod deepseek;
mod deepseek_ocr;
mod deepseek_v4;
mod deepseek_vl;
mod dia;
mod diffllama;
mod diffusion_gemma;
mod distilbert;
mod doge;
mod dots3_note;
mod ernie_moe;
mod ernie_vl;
mod eurobert;
mod evolla;
mod exaone;
mod exaone_moe;
mod falcon;
mod flint;
mod florence2;
mod fnet;
mod fsmt;
mod funnel;
mod fuyu;
mod gemma;
mod gemma3n;
mod gemma3n_multimodal;
mod gemma4;
mod gemma4_multimodal;
mod git;
mod glm;
mod glm5_next;
mod glm_moe;
mod glm_vl;
mod got_ocr;
mod gpt2;
mod gpt_neo;
mod gpt_neox;
mod gpt_oss;
mod gptj;
mod granite_moe;
mod granite_vision;
mod grok;
mod gte;
mod hrm;
mod hunyuan_moe;
mod hunyuan_v4;
mod hunyuan_vl;
mod ibert;
mod idefics;
mod idefics2;
mod inkling;
mod inkling2;
mod inkling_mm;
mod internlm2;
mod internvl;
mod jamba;
mod jetmoe;
mod kimi_linear;
mod kimi_vl;
mod kosmos;
mod laguna;
mod lfm;
mod lfm3_vl;
mod llama;
mod llama4;
mod llava;
mod longcat;
mod luke;
mod mamba;
mod mimo_flash;
mod minicpm_v;
mod minimax;
mod minimax_m3;
mod minimax_m3_vl;
mod mistral_large4;
mod mixtral;
mod mllama;
mod mobilebert;
mod modernbert;
mod molmo;
mod moonshine;
mod mpnet;
mod mpt;
mod muse;
mod musicgen;
mod nanochat;
mod nemotron_h;
mod nemotron_nas;
mod nemotron_omni;
mod neomme;
mod nllb_moe;
mod nomic_bert;
mod olmo;
mod olmo_hybrid;
mod olmo_moe;
mod opt;
mod ovis;
mod paddleocr_vl;
mod perception_lm;
mod persimmon;
mod phi;
mod phi3_vision;
mod phi4_multimodal;
mod pi0;
mod pix2struct;
mod prophetnet;
mod qwen;
mod qwen4;
mod qwen_moe;
mod qwen_next;
mod qwen_omni;
mod qwen_omni_talker;
mod qwen_tower;
mod qwen_vl;
mod recurrent_gemma;
mod rwkv;
mod rwkv6;
mod rwkv7;
mod squeezebert;
mod stablelm;
mod starcoder2;
mod step;
mod step_vl;
mod t5;
mod t5gemma;
mod trocr;
mod vbert;
mod vibevoice;
mod video_llama;
mod vision_encoder;
mod vit;
mod voxtral_realtime;
mod wav2vec2;
mod whisper;
mod xlm;
mod xlnet;
mod xlstm;
mod zamba;
mod zaya;

/// A way to build models.
#[derive(Debug)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// The model types it lowers.
    pub model_types: &'static [&'static str],
    /// Lowers a whole config.
    pub lower: fn(&mut Builder, &Fields<'_>) -> Result<()>,
    /// Lowers the config of a text model that lies somewhere inside a larger one; nothing for what never does.
    pub text: Option<LowerText>,
}

/// How a text model inside a larger one is lowered, at its place.
type LowerText = fn(&mut Builder, &Fields<'_>, &Place<'_>) -> Result<()>;

/// Every family, by name.
#[rustfmt::skip]
pub static FAMILIES: &[Family] = &[
    afmoe::FAMILY,
    albert::FAMILY,
    apertus::FAMILY,
    arctic::FAMILY,
    aria::FAMILY,
    ast::FAMILY,
    audio_language::FAMILY,
    axk2::FAMILY,
    baichuan::FAMILY,
    bailing_hybrid::FAMILY,
    bailing_moe::FAMILY,
    bamba::FAMILY,
    bart::FAMILY,
    bert::FAMILY,
    bitnet::FAMILY,
    blip2::FAMILY,
    blip::FAMILY,
    bloom::FAMILY,
    canary::FAMILY,
    canine::FAMILY,
    chameleon::FAMILY,
    chatglm::FAMILY,
    chinese_clip::FAMILY,
    clap::FAMILY,
    clip::FAMILY,
    cohere::FAMILY,
    cohere_compass::FAMILY,
    cohere_moe::FAMILY,
    colpali::FAMILY,
    composed::FAMILY,
    convbert::FAMILY,
    cpmant::FAMILY,
    ctrl::FAMILY,
    dbrx::FAMILY,
    deberta::FAMILY,
    deepseek::FAMILY,
    deepseek_ocr::FAMILY,
    deepseek_v4::FAMILY,
    deepseek_vl::FAMILY,
    dia::FAMILY,
    diffllama::FAMILY,
    diffusion_gemma::FAMILY,
    distilbert::FAMILY,
    doge::FAMILY,
    dots3_note::FAMILY,
    ernie_moe::FAMILY,
    ernie_vl::FAMILY,
    eurobert::FAMILY,
    evolla::FAMILY,
    exaone::FAMILY,
    exaone_moe::FAMILY,
    falcon::FAMILY,
    flint::FAMILY,
    florence2::FAMILY,
    fnet::FAMILY,
    fsmt::FAMILY,
    funnel::FAMILY,
    fuyu::FAMILY,
    gemma3n::FAMILY,
    gemma3n_multimodal::FAMILY,
    gemma4::FAMILY,
    gemma4_multimodal::FAMILY,
    gemma::FAMILY,
    git::FAMILY,
    glm5_next::FAMILY,
    glm::FAMILY,
    glm_moe::FAMILY,
    glm_vl::FAMILY,
    got_ocr::FAMILY,
    gpt2::FAMILY,
    gpt_neo::FAMILY,
    gpt_neox::FAMILY,
    gpt_oss::FAMILY,
    gptj::FAMILY,
    granite_moe::FAMILY,
    granite_vision::FAMILY,
    grok::FAMILY,
    gte::FAMILY,
    hrm::FAMILY,
    hunyuan_moe::FAMILY,
    hunyuan_v4::FAMILY,
    hunyuan_vl::FAMILY,
    ibert::FAMILY,
    idefics2::FAMILY,
    idefics::FAMILY,
    inkling2::FAMILY,
    inkling::FAMILY,
    inkling_mm::FAMILY,
    internlm2::FAMILY,
    internvl::FAMILY,
    jamba::FAMILY,
    jetmoe::FAMILY,
    kimi_linear::FAMILY,
    kimi_vl::FAMILY,
    kosmos::FAMILY,
    laguna::FAMILY,
    lfm3_vl::FAMILY,
    lfm::FAMILY,
    llama4::FAMILY,
    llama::FAMILY,
    llava::FAMILY,
    longcat::FAMILY,
    luke::FAMILY,
    mamba::FAMILY,
    mimo_flash::FAMILY,
    minicpm_v::FAMILY,
    minimax::FAMILY,
    minimax_m3::FAMILY,
    minimax_m3_vl::FAMILY,
    mistral_large4::FAMILY,
    mixtral::FAMILY,
    mllama::FAMILY,
    mobilebert::FAMILY,
    modernbert::FAMILY,
    molmo::FAMILY,
    moonshine::FAMILY,
    mpnet::FAMILY,
    mpt::FAMILY,
    muse::FAMILY,
    musicgen::FAMILY,
    nanochat::FAMILY,
    nemotron_h::FAMILY,
    nemotron_nas::FAMILY,
    nemotron_omni::FAMILY,
    neomme::FAMILY,
    nllb_moe::FAMILY,
    nomic_bert::FAMILY,
    olmo::FAMILY,
    olmo_hybrid::FAMILY,
    olmo_moe::FAMILY,
    opt::FAMILY,
    ovis::FAMILY,
    paddleocr_vl::FAMILY,
    perception_lm::FAMILY,
    persimmon::FAMILY,
    phi3_vision::FAMILY,
    phi4_multimodal::FAMILY,
    phi::FAMILY,
    pi0::FAMILY,
    pix2struct::FAMILY,
    prophetnet::FAMILY,
    qwen4::FAMILY,
    qwen::FAMILY,
    qwen_moe::FAMILY,
    qwen_next::FAMILY,
    qwen_omni::FAMILY,
    qwen_tower::FAMILY,
    qwen_vl::FAMILY,
    recurrent_gemma::FAMILY,
    rwkv6::FAMILY,
    rwkv7::FAMILY,
    rwkv::FAMILY,
    squeezebert::FAMILY,
    stablelm::FAMILY,
    starcoder2::FAMILY,
    step::FAMILY,
    step_vl::FAMILY,
    t5::FAMILY,
    t5gemma::FAMILY,
    trocr::FAMILY,
    vbert::FAMILY,
    vibevoice::FAMILY,
    video_llama::FAMILY,
    vision_encoder::FAMILY,
    vit::FAMILY,
    voxtral_realtime::FAMILY,
    wav2vec2::FAMILY,
    whisper::FAMILY,
    xlm::FAMILY,
    xlnet::FAMILY,
    xlstm::FAMILY,
    zamba::FAMILY,
    zaya::FAMILY,
];

static BY_MODEL_TYPE: LazyLock<HashMap<&'static str, &'static Family>> = LazyLock::new(|| {
    FAMILIES
        .iter()
        .flat_map(|family| {
            family
                .model_types
                .iter()
                .map(move |model_type| (*model_type, family))
        })
        .collect()
});

/// The family of a model type.
#[must_use]
pub fn of(model_type: &str) -> Option<&'static Family> {
    BY_MODEL_TYPE.get(model_type).copied()
}

/// The text under which the table has a known model type.
fn known(model_type: &str) -> Option<&'static str> {
    BY_MODEL_TYPE
        .get_key_value(model_type)
        .map(|(&known, _)| known)
}

/// The family of a config, or of the model type to assume where its own is unknown.
///
/// # Errors
/// If neither is known.
pub fn find(fields: &Fields<'_>, assume: Option<&str>) -> Result<&'static Family> {
    let stated = fields.opt_text("model_type")?;
    if let Some(family) = stated.and_then(of) {
        return Ok(family);
    }
    if let Some(assume) = assume {
        let family = of(assume).ok_or_else(|| {
            ConfigError::new(
                "assume",
                format!("{assume:?} is no model type that is known"),
            )
        })?;
        fields.assume(
            "model_type",
            assume,
            "the model type is not known; this one was asked for",
        );
        if let Some(known) = known(assume) {
            fields.take_model_type(known);
        }
        return Ok(family);
    }
    Err(match stated {
        Some(stated) => fields.error(
            "model_type",
            format!("{stated:?} is not known, so nothing was derived; if it is built like a known one, assume that (--assume TYPE, or assume=\"TYPE\" in Python)"),
        ),
        None => fields.error(
            "model_type",
            "is missing, so nothing was derived; if the model is built like a known one, assume that (--assume TYPE, or assume=\"TYPE\" in Python)",
        ),
    })
}

/// Lowers a text model that lies inside a larger one, by its own model type.
///
/// # Errors
/// If the model type is unknown or never lies inside another, or a field is wrong.
pub fn text(b: &mut Builder, fields: &Fields<'_>, default: &str, place: &Place<'_>) -> Result<()> {
    let model_type = if let Some(model_type) = fields.opt_text("model_type")? {
        model_type
    } else {
        fields.assume(
            "model_type",
            default,
            "not in the config; the default of its model class",
        );
        if let Some(known) = known(default) {
            fields.take_model_type(known);
        }
        default
    };
    let lower = of(model_type)
        .and_then(|family| family.text)
        .ok_or_else(|| {
            fields.error(
                "model_type",
                format!("{model_type:?} is not known as a text model inside another"),
            )
        })?;
    lower(b, fields, place)
}
