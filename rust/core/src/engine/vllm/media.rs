//! The largest image or sound of a model, which vLLM runs through its encoder at the start.
//!
//! Each kind of model is a row: what of its config, and of the config of its processor, makes how many tokens. Where no
//! processor's config lies beside the model's, the defaults of the processor's class are taken, and noted. Rows were read
//! in vLLM 0.19, `model_executor/models/*.py` (`get_mm_max_tokens_per_item`, `get_image_size_with_most_features`).

mod sizes;

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::checkpoint::Role;
use crate::engine::Rank;
use crate::subject::Subject;
use serde_json::Value;
use sizes::Size;

/// The largest item of a model, and the encoder it goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Tokens that it becomes.
    pub tokens: u64,
    /// Numbers that go into the encoder.
    pub inputs: u64,
    /// Patches or frames that the encoder works on.
    pub patches: u64,
    /// Features beside the last that the encoder gives of each token.
    pub levels: u64,
    /// The most items of one request.
    pub limit: u64,
    /// The width of the encoder and the inner width of its networks.
    pub tower: (u64, u64),
    /// Where this was read.
    pub source: &'static str,
}

/// A kind of model: its model types, and how its largest item comes about.
struct Kind {
    model_types: &'static [&'static str],
    size: fn(&Configs<'_>) -> Option<Size>,
    source: &'static str,
}

/// The configs of a model and of its processor.
struct Configs<'a> {
    model: &'a Value,
    processor: Option<&'a Value>,
}

impl Configs<'_> {
    /// A number of the model's config, by its path.
    fn number(&self, path: &[&str]) -> Option<u64> {
        at(self.model, path)?.as_u64()
    }

    /// A number of the processor's config, by its path.
    fn processor(&self, path: &[&str]) -> Option<u64> {
        at(self.processor?, path)?.as_u64()
    }
}

fn at<'v>(value: &'v Value, path: &[&str]) -> Option<&'v Value> {
    path.iter().try_fold(value, |value, name| value.get(name))
}

/// Every kind, by its first model type.
const KINDS: &[Kind] = &[
    Kind {
        model_types: &["gemma3"],
        size: sizes::gemma3,
        source: "vLLM 0.19 model_executor/models/gemma3_mm.py",
    },
    Kind {
        model_types: &["gemma4"],
        size: sizes::gemma4,
        source: "vLLM 0.19 model_executor/models/gemma4_mm.py",
    },
    Kind {
        model_types: &["glm4v", "glm4v_moe"],
        size: sizes::glm4v,
        source: "vLLM 0.19 model_executor/models/glm4_1v.py; transformers 4.57.1 Glm4vImageProcessor",
    },
    Kind {
        model_types: &["idefics3", "smolvlm"],
        size: sizes::idefics3,
        source: "vLLM 0.19 model_executor/models/idefics3.py; transformers 4.57.1 Idefics3ImageProcessor",
    },
    Kind {
        model_types: &["internvl", "internvl_chat"],
        size: sizes::internvl,
        source: "vLLM 0.19 model_executor/models/internvl.py; transformers 4.57.1 GotOcr2ImageProcessor",
    },
    Kind {
        model_types: &["kimi_vl"],
        size: sizes::kimi_vl,
        source: "vLLM 0.19 model_executor/models/kimi_vl.py",
    },
    Kind {
        model_types: &["llama4"],
        size: sizes::llama4,
        source: "vLLM 0.19 model_executor/models/mllama4.py; transformers 4.57.1 Llama4ImageProcessorFast",
    },
    Kind {
        model_types: &["llava", "vipllava"],
        size: sizes::llava,
        source: "vLLM 0.19 model_executor/models/llava.py, clip.py, siglip.py, pixtral.py",
    },
    Kind {
        model_types: &["llava_next", "granite_vision", "llava_onevision"],
        size: sizes::llava_next,
        source: "vLLM 0.19 model_executor/models/llava_next.py",
    },
    Kind {
        model_types: &["mistral3", "pixtral"],
        size: sizes::mistral3,
        source: "vLLM 0.19 model_executor/models/mistral3.py, pixtral.py; transformers 4.57.1 Mistral3Config",
    },
    Kind {
        model_types: &["paligemma"],
        size: sizes::paligemma,
        source: "vLLM 0.19 model_executor/models/paligemma.py",
    },
    Kind {
        model_types: &["qwen2_audio"],
        size: sizes::qwen2_audio,
        source: "vLLM 0.19 model_executor/models/qwen2_audio.py",
    },
    Kind {
        model_types: &["qwen2_vl", "qwen2_5_vl"],
        size: sizes::qwen2_vl,
        source: "vLLM 0.19 model_executor/models/qwen2_vl.py; transformers 4.57.1 Qwen2VLImageProcessor",
    },
    Kind {
        model_types: &["qwen3_vl", "qwen3_vl_moe", "qwen3_5", "qwen3_5_moe"],
        size: sizes::qwen3_vl,
        source: "vLLM 0.19 model_executor/models/qwen3_vl.py; preprocessor_config.json of Qwen3.5-2B-Base",
    },
    Kind {
        model_types: &["whisper"],
        size: sizes::whisper,
        source: "vLLM 0.19 model_executor/models/whisper.py",
    },
];

/// The largest item of a model, if it takes any and its kind is known.
#[must_use]
pub fn of(rank: &Rank<'_>) -> Option<Media> {
    let architecture = rank.architecture();
    if !sees_or_hears(architecture) {
        return None;
    }
    let kind = kind(architecture)?;
    let size = (kind.size)(&configs(rank.subject))?;
    Some(Media {
        tokens: size.tokens,
        inputs: size.inputs,
        patches: size.patches,
        levels: size.levels,
        limit: size.limit,
        tower: tower(architecture),
        source: kind.source,
    })
}

/// Whether a model takes images or sounds.
#[must_use]
pub fn any(subject: &Subject) -> bool {
    sees_or_hears(&subject.architecture)
}

/// Notes what is taken for the largest item, or that nothing is known of it.
pub fn note(subject: &Subject, notes: &mut Vec<Assumption>) {
    let architecture = &subject.architecture;
    if !sees_or_hears(architecture) {
        return;
    }
    let size = kind(architecture).and_then(|kind| (kind.size)(&configs(subject)));
    notes.push(match size {
        None => Assumption::new(
            "largest image or sound",
            "none",
            format!(
                "what vLLM runs through the encoder of {} at its start is not known, so activations leave it out",
                architecture.model_type
            ),
        ),
        Some(size) => Assumption::new(
            "largest image or sound",
            format!("{} tokens", size.tokens),
            match (size.assumed, subject.processor.is_some()) {
                (None, _) => "by the config, as vLLM has it at its start".to_owned(),
                (Some(_), true) => "by the configs of the model and its processor, as vLLM has it at its start".to_owned(),
                (Some(what), false) => format!("no preprocessor_config.json is there: {what}"),
            },
        ),
    });
}

fn configs(subject: &Subject) -> Configs<'_> {
    Configs {
        model: &subject.config,
        processor: subject.processor.as_deref(),
    }
}

fn kind(architecture: &Architecture) -> Option<&'static Kind> {
    KINDS
        .iter()
        .find(|kind| kind.model_types.contains(&architecture.model_type.as_str()))
}

/// Whether it has an encoder of images or sounds beside its text.
fn sees_or_hears(architecture: &Architecture) -> bool {
    architecture.decoder().next().is_some()
        && architecture.templates.iter().any(|template| {
            matches!(template.role, Role::Vision | Role::Audio)
                || matches!(template.part, Some(Stack::Vision | Stack::Audio))
        })
}

/// The width of the encoder, and the widest inner width of its networks.
fn tower(architecture: &Architecture) -> (u64, u64) {
    let layers = || {
        architecture
            .layers
            .iter()
            .filter(|layer| matches!(layer.stack, Stack::Vision | Stack::Audio))
    };
    let width = layers()
        .flat_map(|layer| &layer.mixers)
        .map(|mixer| match *mixer {
            Mixer::Attention { heads, key_dim, .. } => heads.saturating_mul(key_dim),
            _ => 0,
        })
        .max();
    let inner = layers()
        .flat_map(|layer| &layer.feed_forward)
        .map(|network| match *network {
            FeedForward::Dense { width } | FeedForward::Experts { width, .. } => width,
        })
        .max();
    (width.unwrap_or(0), inner.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::{Configs, KINDS};
    use serde_json::json;

    fn tokens(model_type: &str, config: &serde_json::Value) -> u64 {
        let kind = KINDS
            .iter()
            .find(|kind| kind.model_types.contains(&model_type))
            .unwrap();
        let configs = Configs {
            model: config,
            processor: None,
        };
        (kind.size)(&configs).map_or(0, |size| size.tokens)
    }

    #[test]
    fn the_table_is_sorted_and_no_type_comes_twice() {
        assert!(
            KINDS
                .windows(2)
                .all(|pair| pair[0].model_types < pair[1].model_types)
        );
        let mut all: Vec<_> = KINDS.iter().flat_map(|kind| kind.model_types).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn tokens_are_those_of_the_engine() {
        let vision = |image: u64, patch: u64| json!({"vision_config": {"image_size": image, "patch_size": patch}});
        assert_eq!(tokens("gemma3", &vision(896, 14)), 256);
        assert_eq!(tokens("mistral3", &vision(1540, 14)), 55 * 55);
        assert_eq!(tokens("llama4", &vision(336, 14)), 17 * 144);
        assert_eq!(tokens("llava", &vision(336, 14)), 576);
        assert_eq!(tokens("paligemma", &vision(224, 14)), 256);
        let qwen = json!({"vision_config": {"patch_size": 16, "spatial_merge_size": 2, "temporal_patch_size": 2}});
        assert_eq!(tokens("qwen3_vl", &qwen), 16_384);
    }

    #[test]
    fn hostile_numbers_do_no_harm() {
        for number in [0, 1, u64::MAX] {
            let config = json!({
                "vision_config": {"image_size": number, "patch_size": number, "spatial_merge_size": number,
                                  "temporal_patch_size": number, "default_output_length": number},
                "mm_tokens_per_image": number, "image_grid_pinpoints": [[number, number]], "scale_factor": number,
                "max_dynamic_patch": number, "force_image_size": number, "spatial_merge_size": number,
            });
            for kind in KINDS {
                let configs = Configs {
                    model: &config,
                    processor: Some(&config),
                };
                let _ = (kind.size)(&configs);
            }
        }
    }
}
