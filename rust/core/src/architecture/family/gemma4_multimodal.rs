//! Gemma 4 with its towers: a vision tower and a conformer whose linears clip (`gemma4`), or projections of patches
//! and sound alone (`gemma4_unified`), before the text model.
//!
//! Source: transformers `models/gemma4` and `models/gemma4_unified`, saved under the published names.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Gemma 4 with its towers.
pub const FAMILY: Family = Family {
    name: "gemma4-multimodal",
    model_types: &["gemma4", "gemma4_unified"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let unified = fields.opt_text("model_type")? == Some("gemma4_unified");
    let top = Top::of(fields)?;
    let prefix = if top == Top::None { "" } else { "model." };
    let text = fields.object("text_config")?;
    let model = format!("{prefix}language_model.");
    let place = Place {
        model: &model,
        head: "",
        top,
        tied: Some(fields.flag_or("tie_word_embeddings", true)?),
    };
    let hidden = text.size("hidden_size")?;
    let default = if unified {
        "gemma4_unified_text"
    } else {
        "gemma4_text"
    };
    super::text(b, &text, default, &place)?;
    let vision = fields.opt_object("vision_config")?;
    let audio = fields.opt_object("audio_config")?;
    b.scope(prefix, |b| {
        if let Some(vision) = &vision {
            let width = if unified {
                patches(b, vision)?
            } else {
                b.scope("vision_tower.", |b| {
                    b.all_as(Role::Vision, |b| vision_tower(b, vision))
                })?
            };
            project(b, "embed_vision", hidden, width);
        }
        if let Some(audio) = &audio {
            let width = if unified {
                audio.size_or("audio_embed_dim", 640)?
            } else {
                b.scope("audio_tower.", |b| {
                    b.all_as(Role::Audio, |b| audio_tower(b, audio))
                })?
            };
            project(b, "embed_audio", hidden, width);
        }
        Ok(())
    })
}

/// Adds the projection into the text model of what a tower gives.
pub fn project(b: &mut Builder, name: &str, hidden: u64, width: u64) {
    b.scope(name, |b| {
        b.linear(
            ".embedding_projection",
            Role::Projector,
            hidden,
            width,
            false,
        );
    });
}

/// Adds what embeds patches of images where there is no tower, and gives the width of what comes out.
fn patches(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let width = fields.size_or("mm_embed_dim", 3840)?;
    let positions = fields.size_or("mm_posemb_size", 1120)?;
    let side = fields.size_or("patch_size", 16)? * fields.size_or("pooling_kernel_size", 3)?;
    let pixels = side
        .checked_mul(side)
        .and_then(|pixels| pixels.checked_mul(3))
        .ok_or_else(|| fields.error("patch_size", "is larger than any model's"))?;
    b.scope("vision_embedder.", |b| {
        b.all_as(Role::Vision, |b| {
            b.norm("patch_ln1", pixels, true);
            b.linear("patch_dense", Role::Vision, width, pixels, true);
            b.norm("patch_ln2", width, true);
            b.tensor("pos_embedding", Role::Vision, &[positions, 2, width]);
            b.norm("pos_norm", width, true);
        });
    });
    fields.size_or("output_proj_dims", 3840)
}

/// A linear whose inputs and outputs may be clipped to ranges that are stored.
#[derive(Clone, Copy)]
struct Linears {
    clipped: bool,
}

impl Linears {
    fn add(self, b: &mut Builder, name: &str, outputs: u64, inputs: u64) {
        b.scope(name, |b| {
            b.linear(".linear", Role::Other, outputs, inputs, false);
            if self.clipped {
                for range in [".input_min", ".input_max", ".output_min", ".output_max"] {
                    b.buffer(range, Role::Other, &[]);
                }
            }
        });
    }
}

/// Adds the vision tower and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn vision_tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    // The class has no biases whatever this says.
    fields.pass_over("attention_bias");
    let hidden = fields.size_or("hidden_size", 768)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let kv_heads = fields.size_or("num_key_value_heads", 12)?;
    let head_dim = fields.size_or("head_dim", 64)?;
    let layers = fields.repeats_or("num_hidden_layers", 16)?;
    let patch = fields.size_or("patch_size", 16)?;
    let positions = fields.size_or("position_embedding_size", 10240)?;
    let linears = Linears {
        clipped: fields.flag_or("use_clipped_linears", false)?,
    };
    let role = Role::Vision;
    b.linear(
        "patch_embedder.input_proj",
        role,
        hidden,
        3 * patch * patch,
        false,
    );
    b.tensor(
        "patch_embedder.position_embedding_table",
        role,
        &[2, positions, hidden],
    );
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Vision, "encoder.layers", &numbers, |b| {
        b.scope("self_attn.", |b| {
            linears.add(b, "q_proj", heads * head_dim, hidden);
            linears.add(b, "k_proj", kv_heads * head_dim, hidden);
            linears.add(b, "v_proj", kv_heads * head_dim, hidden);
            linears.add(b, "o_proj", hidden, heads * head_dim);
            b.norm("q_norm", head_dim, false);
            b.norm("k_norm", head_dim, false);
        });
        b.mixer(attention(heads, kv_heads, head_dim, Reach::Full));
        b.scope("mlp.", |b| {
            linears.add(b, "gate_proj", width, hidden);
            linears.add(b, "up_proj", width, hidden);
            linears.add(b, "down_proj", hidden, width);
        });
        b.feed_forward(FeedForward::Dense { width });
        for norm in [
            "input_layernorm",
            "post_attention_layernorm",
            "pre_feedforward_layernorm",
            "post_feedforward_layernorm",
        ] {
            b.norm(norm, hidden, false);
        }
    });
    if fields.flag_or("standardize", false)? {
        b.buffer("std_bias", role, &[hidden]);
        b.buffer("std_scale", role, &[hidden]);
    }
    Ok(hidden)
}

fn audio_tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let heads = fields.size_or("num_attention_heads", 8)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let kernel = fields.size_or("conv_kernel_size", 5)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let outputs = fields.size_or("output_proj_dims", 1536)?;
    let context = fields.size_or("attention_context_left", 13)?;
    let linears = Linears {
        clipped: fields.flag_or("use_clipped_linears", true)?,
    };
    let (first, second) = match fields.opt_counts("subsampling_conv_channels")?.as_deref() {
        None => (128, 32),
        Some(&[first, second]) if first < 1 << 21 && second < 1 << 21 => (first, second),
        Some(_) => {
            return Err(fields.error(
                "subsampling_conv_channels",
                "must be two numbers of channels",
            ));
        }
    };
    let role = Role::Audio;
    b.scope("subsample_conv_projection.", |b| {
        b.tensor("layer0.conv.weight", role, &[first, 1, 3, 3]);
        b.norm("layer0.norm", first, false);
        b.tensor("layer1.conv.weight", role, &[second, first, 3, 3]);
        b.norm("layer1.norm", second, false);
        b.linear("input_proj_linear", role, hidden, first / 4 * second, false);
    });
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Audio, "layers", &numbers, |b| {
        for name in ["feed_forward1.", "feed_forward2."] {
            b.scope(name, |b| {
                linears.add(b, "ffw_layer_1", 4 * hidden, hidden);
                linears.add(b, "ffw_layer_2", hidden, 4 * hidden);
                b.norm("pre_layer_norm", hidden, false);
                b.norm("post_layer_norm", hidden, false);
            });
            b.feed_forward(FeedForward::Dense { width: 4 * hidden });
        }
        b.scope("self_attn.", |b| {
            for name in ["q_proj", "k_proj", "v_proj", "post"] {
                linears.add(b, name, hidden, hidden);
            }
            b.linear("relative_k_proj", role, hidden, hidden, false);
            b.tensor("per_dim_scale", role, &[head_dim]);
        });
        b.mixer(attention(heads, heads, head_dim, Reach::Sliding(context)));
        b.scope("lconv1d.", |b| {
            linears.add(b, "linear_start", 2 * hidden, hidden);
            linears.add(b, "linear_end", hidden, hidden);
            b.tensor("depthwise_conv1d.weight", role, &[hidden, 1, kernel]);
            b.norm("pre_layer_norm", hidden, false);
            b.norm("conv_norm", hidden, false);
        });
        for norm in ["norm_pre_attn", "norm_post_attn", "norm_out"] {
            b.norm(norm, hidden, false);
        }
    });
    b.linear("output_proj", role, outputs, hidden, true);
    Ok(outputs)
}

const fn attention(heads: u64, kv_heads: u64, head_dim: u64, reach: Reach) -> Mixer {
    Mixer::Attention {
        heads,
        kv_heads,
        key_dim: head_dim,
        value_dim: head_dim,
        reach,
        indexer_dim: 0,
        shared_with: None,
    }
}
