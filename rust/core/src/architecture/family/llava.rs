//! LLaVA and what is built like it: a tower, a projector, and a language model that reads what comes out of it.
//!
//! Source: transformers `models/*` of the model types listed. The older ones keep a whole language model under
//! `language_model.` in published files, which version 5 still saves; the newer ones have all parts under `model.`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class, width};
use crate::architecture::projector::{self, Ends};
use crate::architecture::vision::tower::tower;
use crate::checkpoint::Role;

/// LLaVA and its kin.
pub const FAMILY: Family = Family {
    name: "llava",
    model_types: &[
        "aria",
        "aya_vision",
        "cohere2_vision",
        "fast_vlm",
        "gemma3",
        "lfm2_vl",
        "lighton_ocr",
        "llava",
        "llava_next",
        "llava_next_video",
        "llava_onevision",
        "mistral3",
        "paligemma",
        "shieldgemma2",
        "video_llava",
        "vipllava",
    ],
    lower,
    text: None,
};

/// In what the kin differ.
struct Kin {
    model_type: &'static str,
    /// Its classes, that of the model itself first.
    classes: &'static [&'static str],
    /// The model type of the text model.
    text: &'static str,
    tied: Tied,
    /// The model type of the tower.
    tower: &'static str,
    /// Where the towers lie.
    towers: &'static [&'static str],
    projector: projector::Add,
    /// The name of the projector.
    projector_name: &'static str,
    /// Whether a learned vector ends each row of an image.
    newline: bool,
    /// What stands before all names, and before and after that of the language model.
    prefixes: [&'static str; 3],
}

const OLD: [&str; 3] = ["", "language_model.model.", "language_model."];
const NEW: [&str; 3] = ["model.", "model.language_model.", ""];

const LLAVA: Kin = Kin {
    model_type: "llava",
    classes: &["LlavaForConditionalGeneration"],
    text: "llama",
    tied: Tied::OuterOrElse,
    tower: "clip_vision_model",
    towers: &["vision_tower."],
    projector: projector::llava,
    projector_name: "multi_modal_projector.",
    newline: false,
    prefixes: OLD,
};

const SIGLIP: &str = "siglip_vision_model";

const GEMMA3: Kin = Kin {
    model_type: "gemma3",
    classes: &["Gemma3ForConditionalGeneration"],
    text: "gemma3_text",
    tied: Tied::OuterOrInner,
    tower: SIGLIP,
    projector: projector::gemma3,
    ..LLAVA
};

const KIN: &[Kin] = &[
    LLAVA,
    GEMMA3,
    Kin {
        model_type: "aria",
        classes: &["AriaForConditionalGeneration"],
        text: "aria_text",
        tied: Tied::OuterOrInner,
        tower: "idefics3_vision",
        projector: projector::aria,
        ..LLAVA
    },
    Kin {
        model_type: "aya_vision",
        classes: &["AyaVisionForConditionalGeneration"],
        text: "cohere2",
        tied: Tied::OuterOrInner,
        tower: SIGLIP,
        projector: projector::aya,
        ..LLAVA
    },
    Kin {
        model_type: "cohere2_vision",
        classes: &["Cohere2VisionForConditionalGeneration"],
        text: "cohere2",
        tied: Tied::OuterOrInner,
        tower: SIGLIP,
        projector: projector::cohere,
        prefixes: NEW,
        ..LLAVA
    },
    Kin {
        model_type: "fast_vlm",
        classes: &["FastVlmForConditionalGeneration"],
        text: "qwen2",
        tower: "timm_wrapper",
        prefixes: NEW,
        ..LLAVA
    },
    Kin {
        model_type: "lfm2_vl",
        classes: &["Lfm2VlForConditionalGeneration"],
        text: "lfm2",
        tied: Tied::OuterOrInner,
        tower: "siglip2_vision_model",
        projector: projector::lfm2,
        prefixes: NEW,
        ..LLAVA
    },
    Kin {
        model_type: "lighton_ocr",
        classes: &["LightOnOcrForConditionalGeneration"],
        text: "qwen3",
        tied: Tied::Outer(true),
        tower: "pixtral",
        towers: &["vision_encoder."],
        projector: projector::light_on_ocr,
        projector_name: "vision_projection.",
        prefixes: NEW,
        ..LLAVA
    },
    Kin {
        model_type: "llava_next",
        classes: &["LlavaNextForConditionalGeneration"],
        newline: true,
        ..LLAVA
    },
    Kin {
        model_type: "llava_next_video",
        classes: &["LlavaNextVideoForConditionalGeneration"],
        newline: true,
        ..LLAVA
    },
    Kin {
        model_type: "llava_onevision",
        classes: &["LlavaOnevisionForConditionalGeneration"],
        text: "qwen2",
        tower: SIGLIP,
        newline: true,
        ..LLAVA
    },
    Kin {
        model_type: "mistral3",
        classes: &["Mistral3ForConditionalGeneration"],
        text: "mistral",
        tied: Tied::OuterOrInner,
        tower: "pixtral",
        projector: projector::mistral,
        ..LLAVA
    },
    Kin {
        model_type: "paligemma",
        classes: &["PaliGemmaForConditionalGeneration"],
        text: "gemma",
        tied: Tied::OuterOrInner,
        tower: SIGLIP,
        projector: projector::pali_gemma,
        ..LLAVA
    },
    // A whole Gemma 3 lies within.
    Kin {
        model_type: "shieldgemma2",
        // Its files name the class of what lies within.
        classes: &[
            "ShieldGemma2ForImageClassification",
            "Gemma3ForConditionalGeneration",
        ],
        prefixes: [
            "model.",
            "model.language_model.model.",
            "model.language_model.",
        ],
        ..GEMMA3
    },
    Kin {
        model_type: "video_llava",
        classes: &["VideoLlavaForConditionalGeneration"],
        tied: Tied::OuterOrInner,
        towers: &["video_tower.", "image_tower."],
        ..LLAVA
    },
    Kin {
        model_type: "vipllava",
        classes: &["VipLlavaForConditionalGeneration"],
        tied: Tied::OuterOrInner,
        projector: projector::vip_llava,
        ..LLAVA
    },
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    let kin = KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .unwrap_or(&LLAVA);
    if fields.has("mm_vision_tower") && !fields.has("vision_config") {
        return Err(fields.error(
            "mm_vision_tower",
            "names a tower by a repository, as LLaVA's own code does; what it is made of is not in this config, \
             so nothing was derived",
        ));
    }
    known_class(fields, kin.classes)?;
    let vision = fields.object("vision_config")?;
    let [prefix, model, head] = kin.prefixes;
    let language = Language {
        model,
        head,
        ..Language::whole(kin.text, kin.tied)
    };
    let text = language.add(b, fields)?;
    let hidden = width(&text, kin.text)?;
    b.scope(prefix, |b| {
        let mut seen = 0;
        for name in kin.towers {
            seen = b.scope(name, |b| tower(b, &vision, kin.tower))?;
        }
        let ends = Ends {
            fields,
            vision: &vision,
            seen,
            hidden,
        };
        b.scope(kin.projector_name, |b| (kin.projector)(b, &ends))?;
        if kin.newline {
            b.tensor("image_newline", Role::Projector, &[hidden]);
        }
        Ok(())
    })
}
