//! Muse Glimmer and Muse Spark: text models with gated attention and windows in three of four layers, counted from the
//! last, beside a vision tower and, in Spark, an audio tower. Spark's layers are experts of a width of their own, with
//! gates on the residual stream.
//!
//! Source: transformers `models/muse_glimmer` and `models/muse_spark`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::dense::{self, Defaults, Dense};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::mixture::sparse_layers;
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Muse Glimmer and Muse Spark.
pub const FAMILY: Family = Family {
    name: "muse",
    model_types: &[
        "muse_glimmer",
        "muse_glimmer_text",
        "muse_spark",
        "muse_spark_text",
    ],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or_default();
    if model_type.ends_with("_text") {
        return text(b, fields, &Place::whole(fields, "model.")?);
    }
    let spark = model_type == "muse_spark";
    let top = Top::of(fields)?;
    let (root, language) = match top {
        Top::None => ("", "language_model."),
        Top::LanguageModel => ("model.", "model.language_model."),
        Top::SequenceClassifier | Top::TokenClassifier | Top::QuestionAnswering => {
            return Err(fields.error(
                "architectures",
                "is a class that is not known for this model type",
            ));
        }
    };
    let text_config = fields.object("text_config")?;
    let place = Place {
        model: language,
        head: "",
        top,
        tied: None,
    };
    let defaults = if spark { SPARK } else { GLIMMER };
    let hidden = text_config.size_or("hidden_size", defaults.hidden)?;
    if text_config.opt_text("model_type")?.is_none() {
        text_config.take_model_type(if spark {
            "muse_spark_text"
        } else {
            "muse_glimmer_text"
        });
    }
    text(b, &text_config, &place)?;
    b.scope(root, |b| {
        if let Some(vision) = fields.opt_object("vision_config")? {
            tower(b, &vision)?;
            let seen = fields.size_or("out_hidden_size", 6144)?;
            let joint = fields.size_or("projector_hidden_size", 4096)?;
            let role = Role::Projector;
            b.linear("vision_adapter.fc1", role, joint, seen, false);
            b.linear("vision_adapter.fc2", role, joint, joint, false);
            b.linear("vision_projection", role, hidden, joint, false);
        }
        match fields.opt_object("audio_config")? {
            Some(audio) if spark => audio_tower(b, &audio),
            Some(_) => Err(fields.error(
                "audio_config",
                "asks for an audio tower, which only Muse Spark has",
            )),
            None => Ok(()),
        }
    })
}

const GLIMMER: Defaults = Defaults::new(202_048, 6656, 19_968, 52, 32).kv(2).dim(128);
const SPARK: Defaults = Defaults::new(202_048, 8192, 16_384, 62, 128).kv(16).dim(64);

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let spark = fields.opt_text("model_type")? == Some("muse_spark_text");
    let mut model = Dense::read(fields, if spark { &SPARK } else { &GLIMMER })?;
    let bias = fields.flag_or("attention_bias", false)?;
    let layers = model.layers;
    let gate = model.attention.heads * model.attention.head_dim;
    model.attention = Attention {
        bias,
        output_bias: bias,
        gate: Some(("gate_proj", gate)),
        ..model.attention
    };
    let window = dense::window(fields, Some(2048))?;
    let reaches = dense::reaches(fields, layers, window, |layer| {
        !(layers - 1 - layer).is_multiple_of(4)
    })?;
    if !spark {
        model.norms = &[
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ];
        return model.add(b, fields, place, reaches);
    }
    // The norm after attention has no weight.
    model.norms = &[
        "input_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ];
    let experts = NarrowExperts::read(fields, model.frame.hidden)?;
    let sparse = sparse_layers(fields, layers, |_| true)?;
    let plans: Vec<(Reach, bool)> = reaches.into_iter().zip(sparse).collect();
    model
        .frame
        .add(b, fields, place, plans, |b, &(reach, sparse)| {
            model.add_attention(b, reach);
            if sparse {
                b.scope("mlp.", |b| experts.add(b));
            } else {
                model.add_network(b);
            }
            model.add_norms(b);
            let hidden = [model.frame.hidden];
            b.tensor("post_attention_residual_gate.gate", Role::Norm, &hidden);
            b.tensor("post_feedforward_residual_gate.gate", Role::Norm, &hidden);
            Ok(())
        })
}

/// Experts that work in a narrower stream: one matrix leads into it and one back.
struct NarrowExperts {
    hidden: u64,
    narrow: u64,
    experts: u64,
    chosen: u64,
    width: u64,
}

impl NarrowExperts {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        Ok(Self {
            hidden,
            narrow: fields.size_or("moe_hidden_size", 4096)?,
            experts: fields.repeats_or("num_local_experts|num_experts", 256)?,
            chosen: fields.size_or("num_experts_per_tok", 8)?,
            width: fields.size_or("moe_intermediate_size", 4096)?,
        })
    }

    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            narrow,
            experts,
            chosen,
            width,
        } = *self;
        b.linear("gate", Role::Router, experts, hidden, false);
        b.buffer("gate.e_score_correction_bias", Role::Router, &[experts]);
        b.routed(chosen, experts, |b| {
            let gate_up = [experts, 2 * width, narrow];
            b.tensor("experts.gate_up_proj", Role::Expert, &gate_up);
            b.tensor("experts.down_proj", Role::Expert, &[experts, narrow, width]);
        });
        b.norm("experts.post_expert_norm", narrow, false);
        b.norm("pre_expert_norm", narrow, false);
        b.linear("pre_expert_proj", Role::Mlp, narrow, hidden, false);
        b.linear("post_expert_proj", Role::Mlp, hidden, narrow, false);
        b.feed_forward(FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width: 0,
        });
    }
}

fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1536)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.size_or("intermediate_size", 8960)?;
    let layers = fields.repeats_or("num_hidden_layers", 50)?;
    let patch = fields.size_or("patch_size", 14)?;
    let frames = fields.size_or("patch_temporal", 2)?;
    let height = fields.size_or("pos_emb_height", 32)?;
    let positions = height * fields.size_or("pos_emb_width", 32)?;
    let inputs = 3_u64
        .checked_mul(patch * patch)
        .and_then(|inputs| inputs.checked_mul(frames))
        .filter(|&inputs| inputs <= SIZE_LIMIT)
        .ok_or_else(|| fields.error("patch_size", "makes patches larger than any model's"))?;
    b.all_as(Role::Vision, |b| {
        b.scope("vision_tower.", |b| {
            b.scope("patch_embedder.", |b| {
                b.linear("patch_embedding", Role::Vision, hidden, inputs, false);
                b.embedding("position_embedding_table", Role::Vision, positions, hidden);
            });
            b.norm("ln_pre", hidden, true);
            for ((), numbers) in group((0..layers).map(|_| ())) {
                b.layers(Stack::Vision, "layers", &numbers, |b| {
                    let names = ["q_proj", "k_proj", "v_proj", "proj"];
                    let attention = Attention::of_heads(names, hidden, heads, head_dim, true);
                    b.scope("attn.", |b| attention.add(b));
                    b.scope("mlp.", |b| {
                        plain(b, ["fc1", "fc2"], Role::Vision, hidden, width, true);
                    });
                    b.feed_forward(FeedForward::Dense { width });
                    b.norm("norm1", hidden, true);
                    b.norm("norm2", hidden, true);
                });
            }
            b.norm("ln_post", hidden, true);
        });
    });
    Ok(())
}

/// A tower of stages, each of which joins some frames of the one before and then mixes them by convolutions.
fn audio_tower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let list = |name: &str, default: [u64; 4]| -> Result<Vec<u64>> {
        let list = fields.opt_counts(name)?;
        if list
            .iter()
            .flatten()
            .any(|&item| item == 0 || item > SIZE_LIMIT)
        {
            return Err(fields.error(
                name,
                format!("has an item that is not from 1 to {SIZE_LIMIT}"),
            ));
        }
        Ok(list.unwrap_or_else(|| {
            fields.assume(
                name,
                format!("{default:?}"),
                "not in the config; the default of its model class",
            );
            default.to_vec()
        }))
    };
    let patches = list("patch_sizes", [16, 6, 5, 4])?;
    let widths = list("hidden_sizes", [256, 512, 1024, 2048])?;
    let depths = list("depths", [2, 2, 2, 2])?;
    if patches.len() != widths.len() || widths.len() != depths.len() {
        return Err(fields.error(
            "hidden_sizes",
            "has not as many items as patch_sizes and depths",
        ));
    }
    let ratio = fields.ratio_or("mlp_ratio", 4.0)?;
    if !(0.0..=64.0).contains(&ratio) {
        return Err(fields.error("mlp_ratio", "must be a number from 0 to 64"));
    }
    let kernel = fields.size_or("conv_kernel_size", 7)?;
    let output = fields.size_or("out_hidden_size", 8192)?;
    b.all_as(Role::Audio, |b| {
        b.scope("audio_tower.", |b| {
            let mut before = 1_u64;
            let stages = (0_u32..).zip(patches).zip(widths).zip(depths);
            for (((number, patch), width), depth) in stages {
                let numbers = Numbers::Listed([number].into());
                b.layers(Stack::Audio, "layers", &numbers, |b| {
                    b.linear(
                        "patch_embedder.proj",
                        Role::Audio,
                        width,
                        patch * before,
                        true,
                    );
                    b.norm("patch_embedder.norm", width, false);
                    #[expect(
                        clippy::cast_possible_truncation,
                        clippy::cast_precision_loss,
                        clippy::cast_sign_loss,
                        reason = "the width is at most 2^21 and the ratio 64"
                    )]
                    let inner = (width as f64 * ratio) as u64;
                    // More blocks than a u32 counts are more elements than are counted.
                    let blocks = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
                    b.each("conv_blocks", blocks, |b| {
                        b.weight_and_bias("conv", Role::Audio, &[width, 1, kernel], width, true);
                        b.norm("norm", width, false);
                        b.scope("mlp.", |b| {
                            plain(b, ["fc1", "fc2"], Role::Audio, width, inner, true);
                        });
                    });
                    b.mixer(Mixer::Stateless);
                    b.feed_forward(FeedForward::Dense { width: inner });
                });
                before = width;
            }
            b.norm("norm", before, false);
            b.linear("proj", Role::Audio, output, before, true);
            b.norm("post_proj_norm", output, false);
        });
    });
    Ok(())
}
