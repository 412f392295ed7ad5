//! Llama and what is built like it: two norms before, attention with grouped queries, one network. The kin differ in
//! biases, norms of heads, windows, and whether the network has a gate; each is a row of the table.
//!
//! Source: transformers `models/*/modeling_*.py` and `configuration_*.py` of the model types listed. Those without a
//! class there: MiMo (github.com/XiaomiMiMo/MiMo `modeling_mimo.py`), MiniCPM (`modeling_minicpm.py` beside the
//! published checkpoints), InternLM, XVERSE and openPangu Embedded (the same of theirs).

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{
    self, Defaults, Dense, Flag, LLAMA, Network, PRE_NORMS, refuse_foreign,
};
use crate::architecture::layer::{Reach, Stack};
use crate::architecture::place::{Place, Top, class};
use crate::checkpoint::Role;

/// Llama and its kin.
pub const FAMILY: Family = Family {
    name: "llama",
    model_types: &[
        "PanguEmbedded",
        "arcee",
        "cwm",
        "ernie4_5",
        "granite",
        "granite4_vision_text",
        "granite_docling_text",
        "granite_swa",
        "helium",
        "hunyuan_v1_dense",
        "hunyuan_vl_text",
        "hyperclovax",
        "internlm",
        "internlm3",
        "iquestcoder",
        "jais2",
        "llama",
        "mimo",
        "minicpm",
        "ministral",
        "ministral3",
        "mistral",
        "nemotron",
        "paddleocr_vl_text",
        "qwen2",
        "qwen2_5_omni_text",
        "qwen2_5_vl_text",
        "qwen2_vl_text",
        "qwen3",
        "qwen3_vl_text",
        "seed_oss",
        "smollm3",
        "xverse",
    ],
    lower,
    text: Some(text),
};

/// In what the kin of Llama differ.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each says of its own whether a model has something"
)]
struct Kin {
    model_type: &'static str,
    /// What the names of its classes begin with.
    stems: &'static [&'static str],
    defaults: Defaults,
    /// Biases of queries, keys and values; of the output; of the network.
    bias: [Flag; 3],
    network: Network<'static>,
    /// Whether norms have biases.
    norm_bias: bool,
    /// Norms of queries and keys, with their names.
    head_norm: Option<[&'static str; 2]>,
    /// The field that says whether there are these norms; there are if it is missing.
    head_norm_field: Option<&'static str>,
    /// Two more norms, after, unless `use_post_norm` is false.
    post_norms: bool,
    sinks: bool,
    slides: Slides,
    /// The window that the class takes where the config gives none.
    window: Option<u64>,
    /// The first layer with a window that the class takes where the config gives none.
    first: u64,
    /// Whether the output projection is as wide as the residual stream on both sides, whatever the heads are.
    square_output: bool,
    /// What stands before the names in a class for question answering: the older prefix, where the class keeps it.
    answers: &'static str,
    /// Layers that predict ahead, of the form that MiMo has.
    predicts: bool,
    /// Whether each layer keeps its table of rotary frequencies.
    frequencies: bool,
    /// Fields that the classes ignore and that may well be set.
    ignores: &'static [&'static str],
}

/// Which layers have the window, where `layer_types` does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slides {
    /// None: the class has no window.
    Never,
    /// All.
    All,
    /// All but every fourth, beginning with the first.
    NotEveryFourth,
    /// Those from `max_window_layers` on, if `use_sliding_window`.
    FromLayer,
    /// Those without rotary positions, if `use_sliding_window`.
    WithoutRope,
}

const ATTENTION_BIAS: Flag = Flag::Read("attention_bias", false);
const MLP_BIAS: Flag = Flag::Read("mlp_bias", false);
const NO: Flag = Flag::Is(false);
const QUERY_NORMS: Option<[&str; 2]> = Some(["q_norm", "k_norm"]);
const PLAIN: Network<'_> = Network::Plain(["up_proj", "down_proj"]);

const BASE: Kin = Kin {
    model_type: "llama",
    stems: &["Llama", "LLaMA"],
    defaults: Defaults::new(32_000, 4096, 11_008, 32, 32),
    bias: [ATTENTION_BIAS, ATTENTION_BIAS, MLP_BIAS],
    network: LLAMA,
    norm_bias: false,
    head_norm: None,
    head_norm_field: None,
    post_norms: false,
    sinks: false,
    slides: Slides::Never,
    window: None,
    first: 28,
    square_output: false,
    answers: "transformer.",
    predicts: false,
    frequencies: false,
    ignores: &[],
};

/// Mistral, without biases; Qwen 2 has them on queries, keys and values.
const MISTRAL: Kin = Kin {
    model_type: "mistral",
    stems: &["Mistral"],
    defaults: Defaults::new(32_000, 4096, 14_336, 32, 32).kv(8),
    bias: [NO, NO, NO],
    slides: Slides::All,
    window: Some(4096),
    answers: "model.",
    ..BASE
};

const QWEN2: Kin = Kin {
    model_type: "qwen2",
    stems: &["Qwen2"],
    defaults: Defaults::new(151_936, 4096, 22_016, 32, 32).kv(32),
    bias: [Flag::Is(true), NO, NO],
    slides: Slides::FromLayer,
    window: Some(4096),
    ignores: &["attention_bias", "qkv_bias"],
    ..BASE
};

/// The text model of Qwen2-VL.
const QWEN2_VL: Kin = Kin {
    model_type: "qwen2_vl_text",
    stems: &["Qwen2VLText"],
    defaults: Defaults::new(152_064, 8192, 29_568, 80, 64).kv(8),
    first: 80,
    ..QWEN2
};

#[rustfmt::skip]
const KIN: &[Kin] = &[
    BASE,
    MISTRAL,
    QWEN2,
    Kin {
        model_type: "PanguEmbedded",
        stems: &["PanguEmbedded"],
        bias: [Flag::Read("bias", true), Flag::Read("bias", true), NO],
        frequencies: true,
        ..BASE
    },
    Kin {
        model_type: "arcee",
        stems: &["Arcee"],
        defaults: Defaults::new(32_000, 2560, 18_432, 32, 32),
        network: PLAIN,
        ..BASE
    },
    Kin {
        model_type: "cwm",
        stems: &["Cwm"],
        defaults: Defaults::new(128_256, 6144, 21_504, 64, 48).kv(8).dim(128),
        bias: [NO, NO, MLP_BIAS],
        slides: Slides::NotEveryFourth,
        window: Some(8192),
        ..BASE
    },
    Kin {
        model_type: "ernie4_5",
        stems: &["Ernie4_5"],
        defaults: Defaults::new(103_424, 1024, 3072, 18, 16).kv(2).dim(128).tied(),
        bias: [Flag::Read("use_bias", false); 3],
        ..BASE
    },
    Kin {
        model_type: "granite",
        stems: &["Granite"],
        ..BASE
    },
    Kin {
        model_type: "granite4_vision_text",
        stems: &["Granite4VisionText"],
        ..BASE
    },
    Kin {
        model_type: "granite_docling_text",
        stems: &["GraniteDoclingText"],
        defaults: Defaults::new(133_800, 1024, 2048, 28, 16).kv(4).tied(),
        ..BASE
    },
    Kin {
        model_type: "granite_swa",
        stems: &["GraniteSWA"],
        defaults: Defaults::new(100_352, 2560, 8192, 24, 20).kv(4).tied(),
        sinks: true,
        slides: Slides::NotEveryFourth,
        window: Some(128),
        ..BASE
    },
    Kin {
        model_type: "helium",
        stems: &["Helium"],
        defaults: Defaults::new(48_000, 2560, 7040, 24, 20).kv(20).dim(128),
        bias: [ATTENTION_BIAS, NO, MLP_BIAS],
        square_output: true,
        ..BASE
    },
    Kin {
        model_type: "hunyuan_v1_dense",
        stems: &["HunYuanDenseV1", "HunYuan"],
        defaults: Defaults::new(290_943, 4096, 11_008, 32, 32),
        bias: [ATTENTION_BIAS, ATTENTION_BIAS, NO],
        head_norm: Some(["query_layernorm", "key_layernorm"]),
        head_norm_field: Some("use_qk_norm"),
        ..BASE
    },
    Kin {
        model_type: "hunyuan_vl_text",
        stems: &["HunYuanVL"],
        defaults: Defaults::new(290_943, 4096, 11_008, 32, 32).tied(),
        bias: [ATTENTION_BIAS, ATTENTION_BIAS, NO],
        head_norm: Some(["query_layernorm", "key_layernorm"]),
        head_norm_field: Some("use_qk_norm"),
        ..BASE
    },
    Kin {
        model_type: "hyperclovax",
        stems: &["HyperCLOVAX"],
        post_norms: true,
        ..BASE
    },
    Kin {
        model_type: "internlm",
        stems: &["InternLM"],
        defaults: Defaults::new(103_168, 4096, 11_008, 32, 32),
        bias: [Flag::Read("bias", true), Flag::Read("bias", true), NO],
        ..BASE
    },
    Kin {
        model_type: "internlm3",
        stems: &["InternLM3", "Llama"],
        defaults: Defaults::new(128_512, 4096, 10_240, 48, 32).kv(2).dim(128),
        bias: [
            Flag::Read("attention_bias|qkv_bias", false),
            Flag::Read("mlp_bias|bias", false),
            Flag::Read("mlp_bias|bias", false),
        ],
        ..BASE
    },
    Kin {
        model_type: "iquestcoder",
        stems: &["IQuestCoder", "Llama"],
        defaults: Defaults::new(76_800, 5120, 27_648, 80, 40).kv(8).dim(128),
        ..BASE
    },
    Kin {
        model_type: "jais2",
        stems: &["Jais2"],
        defaults: Defaults::new(150_272, 3328, 26_624, 32, 26),
        bias: [
            Flag::Read("attention_bias", true),
            Flag::Read("attention_bias", true),
            Flag::Read("mlp_bias", true),
        ],
        network: PLAIN,
        norm_bias: true,
        ..BASE
    },
    Kin {
        model_type: "mimo",
        stems: &["MiMo"],
        predicts: true,
        ignores: &["attention_bias", "qkv_bias", "num_nextn_predict_layers"],
        ..QWEN2
    },
    Kin {
        model_type: "minicpm",
        stems: &["MiniCPM"],
        defaults: Defaults::new(32_000, 4096, 11_008, 32, 32).tied(),
        bias: [ATTENTION_BIAS, ATTENTION_BIAS, NO],
        ..BASE
    },
    Kin {
        model_type: "ministral",
        stems: &["Ministral"],
        answers: "transformer.",
        ..MISTRAL
    },
    Kin {
        model_type: "ministral3",
        stems: &["Ministral3"],
        defaults: Defaults::new(131_072, 4096, 14_336, 34, 32).kv(8).dim(128),
        window: None,
        ..MISTRAL
    },
    Kin {
        model_type: "nemotron",
        stems: &["Nemotron"],
        defaults: Defaults::new(256_000, 6144, 24_576, 32, 48),
        network: PLAIN,
        norm_bias: true,
        ..BASE
    },
    Kin {
        model_type: "paddleocr_vl_text",
        stems: &["PaddleOCRText"],
        defaults: Defaults::new(103_424, 1024, 3072, 18, 16).kv(2).dim(128).tied(),
        bias: [Flag::Read("use_bias", false); 3],
        ..BASE
    },
    Kin {
        model_type: "qwen2_5_omni_text",
        stems: &[],
        defaults: Defaults::new(152_064, 3584, 18_944, 28, 28).kv(4),
        ..QWEN2
    },
    Kin {
        model_type: "qwen2_5_vl_text",
        stems: &["Qwen2_5_VLText"],
        ..QWEN2_VL
    },
    Kin {
        model_type: "qwen2_vl_text",
        ..QWEN2_VL
    },
    Kin {
        model_type: "qwen3",
        stems: &["Qwen3"],
        defaults: Defaults::new(151_936, 4096, 22_016, 32, 32).kv(32).dim(128),
        bias: [ATTENTION_BIAS, ATTENTION_BIAS, NO],
        head_norm: QUERY_NORMS,
        ignores: &["qk_norm", "use_qk_norm"],
        ..QWEN2
    },
    Kin {
        model_type: "qwen3_vl_text",
        stems: &["Qwen3VLText"],
        defaults: Defaults::new(151_936, 4096, 22_016, 32, 32).kv(32).dim(128),
        bias: [ATTENTION_BIAS, ATTENTION_BIAS, NO],
        head_norm: QUERY_NORMS,
        ..BASE
    },
    Kin {
        model_type: "seed_oss",
        stems: &["SeedOss"],
        defaults: Defaults::new(155_136, 4096, 27_648, 64, 80).kv(8).dim(128),
        bias: [
            Flag::Read("attention_bias", true),
            Flag::Read("attention_out_bias", false),
            MLP_BIAS,
        ],
        ..BASE
    },
    Kin {
        model_type: "smollm3",
        stems: &["SmolLM3"],
        defaults: Defaults::new(128_256, 2048, 11_008, 36, 16).kv(4).tied(),
        slides: Slides::WithoutRope,
        ..BASE
    },
    Kin {
        model_type: "xverse",
        stems: &["Xverse"],
        defaults: Defaults::new(100_278, 5120, 13_824, 40, 40),
        bias: [NO, NO, NO],
        ..BASE
    },
];

/// The row of a model type. What reaches this family and is in no row was asked to be read as Llama.
fn kin(fields: &Fields<'_>) -> Result<&'static Kin> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("llama");
    Ok(KIN
        .iter()
        .find(|kin| kin.model_type == model_type)
        .unwrap_or(&BASE))
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kin = kin(fields)?;
    let labels = REWARDS
        .iter()
        .find(|(name, _)| class(fields).ok().flatten() == Some(name));
    let Some(&(_, labels)) = labels else {
        let place = Place::of_class(fields, kin.stems, "model.", kin.answers)?;
        return text(b, fields, &place);
    };
    let place = Place {
        model: "model.",
        head: "",
        top: Top::None,
        tied: None,
    };
    text(b, fields, &place)?;
    let hidden = fields.size_or("hidden_size", kin.defaults.hidden)?;
    b.linear("score.0", Role::Head, hidden, hidden, true);
    b.linear("score.2", Role::Head, labels, hidden, true);
    Ok(())
}

/// The reward models of Qwen2.5-Math, whose head is a small network, and how many scores it gives
/// (`modeling_qwen2_rm.py` beside the published checkpoints).
const REWARDS: &[(&str, u64)] = &[
    ("Qwen2ForProcessRewardModel", 2),
    ("Qwen2ForRewardModel", 1),
];

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields)?;
    let mut model = Dense::read(fields, &kin.defaults)?;
    let mut own = kin.ignores.to_vec();
    own.extend(kin.head_norm_field);
    for flag in kin.bias {
        if let Flag::Read(names, _) = flag {
            own.push(names);
        }
    }
    refuse_foreign(fields, &own)?;

    let attention = &mut model.attention;
    let [bias, output_bias, network_bias] = kin.bias;
    attention.bias = bias.get(fields)?;
    attention.output_bias = output_bias.get(fields)?;
    attention.sinks = kin.sinks;
    if let Some(names) = kin.head_norm
        && Flag::get(
            kin.head_norm_field
                .map_or(Flag::Is(true), |field| Flag::Read(field, true)),
            fields,
        )?
    {
        (attention.norm, attention.norm_names) = (HeadNorm::PerHead, names);
    }
    if kin.square_output && attention.heads * attention.head_dim != attention.hidden {
        return Err(fields.error(
            "head_dim",
            "times num_attention_heads is not hidden_size, as the output projection of this model needs",
        ));
    }
    model.network = kin.network;
    model.network_bias = network_bias.get(fields)?;
    model.norm_bias = kin.norm_bias;
    model.frame.norm = Some(("norm", kin.norm_bias));
    if kin.post_norms && fields.flag_or("use_post_norm", true)? {
        model.norms = &[
            "input_layernorm",
            "post_attention_layernorm",
            "post_norm1",
            "post_norm2",
        ];
    }

    let reaches = reaches(fields, kin, model.layers)?;
    let frequencies = [model.attention.head_dim / 2];
    model.add_with(b, fields, place, reaches, |b| {
        if kin.frequencies {
            b.buffer(
                "self_attn.rotary_emb.inv_freq",
                Role::Position,
                &frequencies,
            );
        }
    })?;
    if kin.predicts {
        predict(b, fields, place, &model)?;
    }
    Ok(())
}

/// The reach of every layer.
fn reaches(fields: &Fields<'_>, kin: &Kin, layers: u64) -> Result<Vec<Reach>> {
    let switch = matches!(kin.slides, Slides::FromLayer | Slides::WithoutRope);
    let on = kin.slides != Slides::Never
        && (!switch || fields.opt_flag("use_sliding_window")?.unwrap_or(false));
    let window = if on {
        dense::window(fields, kin.window)?
    } else {
        None
    };
    match kin.slides {
        Slides::Never => dense::reaches(fields, layers, None, |_| false),
        Slides::All => dense::reaches(fields, layers, window, |_| true),
        Slides::NotEveryFourth => {
            dense::reaches(fields, layers, window, |layer| !layer.is_multiple_of(4))
        }
        Slides::FromLayer => {
            let first = match window {
                Some(_) => fields.count_or("max_window_layers", kin.first)?,
                None => layers,
            };
            dense::reaches(fields, layers, window, |layer| layer >= first)
        }
        Slides::WithoutRope => {
            let rotary = fields.opt_counts("no_rope_layers")?;
            let interval = match (window, &rotary) {
                (Some(_), None) => fields.size_or("no_rope_layer_interval", 4)?,
                (Some(_), Some(_)) | (None, _) => 1,
            };
            dense::reaches(fields, layers, window, |layer| match &rotary {
                // The field counts the other way round: 1 is for a layer with rotary positions.
                Some(rotary) => usize::try_from(layer)
                    .ok()
                    .and_then(|layer| rotary.get(layer))
                    .is_some_and(|&rotary| rotary == 0),
                None => (layer + 1).is_multiple_of(interval),
            })
        }
    }
}

/// Adds the layers of MiMo that predict ahead: a linear map joins the token and the state before it, then comes one
/// more layer of the model.
fn predict(
    b: &mut Builder,
    fields: &Fields<'_>,
    place: &Place<'_>,
    model: &Dense<'_>,
) -> Result<()> {
    let layers = fields.repeats_or("num_nextn_predict_layers", 0)?;
    let hidden = model.frame.hidden;
    b.scope(place.model, |b| {
        b.all_as(Role::Mtp, |b| {
            for ((), numbers) in group((0..layers).map(|_| ())) {
                b.layers(Stack::Prediction, "mtp_layers", &numbers, |b| {
                    for norm in ["token_layernorm", "hidden_layernorm", "final_layernorm"] {
                        b.norm(norm, hidden, false);
                    }
                    b.linear("input_proj", Role::Mtp, hidden, 2 * hidden, false);
                    model.add_attention(b, Reach::Full);
                    model.add_network(b);
                    for norm in PRE_NORMS {
                        b.norm(norm, hidden, false);
                    }
                });
            }
        });
    });
    Ok(())
}
