//! Phi-4 multimodal: Phi-3's decoder beside a SigLIP and a conformer, in the form of transformers. The original form of
//! the published checkpoint (`phi4mm`) keeps adapters in every layer and is not this.
//!
//! Source: transformers `models/phi4_multimodal`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, Network, refuse_foreign};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::architecture::vision::Patches;
use crate::architecture::vision::clip::{Encoder, pooling_head};
use crate::checkpoint::Role;

/// Phi-4 multimodal.
pub const FAMILY: Family = Family {
    name: "phi4-multimodal",
    model_types: &["phi4_multimodal"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::of_class(fields, &["Phi4Multimodal"], "model.", "model.")?;
    refuse_foreign(fields, &[])?;
    let vision = fields.object("vision_config")?;
    let audio = fields.object("audio_config")?;
    let defaults = Defaults::new(200_064, 3072, 8192, 32, 32).kv(8);
    let mut model = Dense::read(fields, &defaults)?;
    let hidden = model.frame.hidden;
    model.attention = Attention {
        names: ["qkv_proj", "", "", "o_proj"],
        fused: true,
        ..model.attention
    };
    model.network = Network::FusedGated(["gate_up_proj", "down_proj"]);
    let window = dense::window(fields, None)?;
    let reaches = dense::reaches(fields, model.layers, window, |_| true)?;
    model.add(b, fields, &place, reaches)?;
    b.scope(place.model, |b| {
        b.scope("embed_tokens_extend.", |b| {
            b.scope("image_embed.", |b| images(b, &vision, hidden))?;
            b.scope("audio_embed.", |b| sounds(b, &audio, hidden))
        })
    })
}

fn images(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let encoder = Encoder::read(
        fields,
        Encoder {
            hidden: 1152,
            width: 4304,
            layers: 27,
            heads: 16,
        },
    )?;
    let seen = encoder.hidden;
    let patches = Patches::read(fields, 448, 14)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("img_processor.", |b| {
            patches.convolution(b, "embeddings.patch_embedding", seen, true);
            let name = "embeddings.position_embedding";
            b.embedding(name, role, patches.count, seen);
            encoder.add(b, fields, Stack::Vision)?;
            b.norm("post_layernorm", seen, true);
            pooling_head(b, seen, encoder.width);
            Ok(())
        })
    })?;
    let role = Role::Projector;
    b.linear("img_projection_up", role, hidden, seen, true);
    b.linear("img_projection_down", role, hidden, hidden, true);
    b.tensor("global_img_feature_extensor", role, &[1, 1, seen]);
    b.tensor("sub_img_feature_extensor", role, &[1, 1, 1, seen]);
    Ok(())
}

/// The sizes of the conformer.
struct Conformer {
    hidden: u64,
    width: u64,
    heads: Multihead<'static>,
    kernel: u64,
    /// Channels between the two parts of a separable convolution, and behind it.
    separable: [u64; 2],
    /// Channels behind a gate.
    gated: u64,
}

const AUDIO: Role = Role::Audio;

fn sounds(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let heard = fields.size_or("hidden_size", 1024)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.divide("hidden_size", heard, "num_attention_heads", heads)?;
    let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
    let conformer = Conformer {
        hidden: heard,
        width: fields.size_or("intermediate_size", 1536)?,
        heads: Multihead::new(names, heard, heads, head_dim, true),
        kernel: fields.size_or("kernel_size", 3)?,
        separable: [
            heard * fields.size_or("depthwise_multiplier", 1)?,
            fields.size_or("depthwise_separable_out_channel", 1024)?,
        ],
        gated: fields.size_or("ext_pw_out_channel", 1024)?,
    };
    let blocks = fields.repeats_or("num_blocks", 24)?;
    let bands = fields.size_or("input_size", 80)?;
    let distance = fields.size_or("bias_max_distance", 1000)?;
    let buckets = if fields.flag_or("bias_symmetric", false)? {
        distance
    } else {
        2 * distance
    };
    let joined = heard * fields.size_or("downsample_rate", 1)?;
    b.all_as(AUDIO, |b| {
        b.scope("encoder.", |b| {
            b.buffer("encoder_embedding.global_mean", AUDIO, &[bands]);
            b.buffer("encoder_embedding.global_invstd", AUDIO, &[bands]);
            b.scope("embed.", |b| stem(b, fields, bands, heard))?;
            let name = "relative_attention_bias_layer.bias_values";
            b.embedding(name, AUDIO, buckets, heads);
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(blocks).unwrap_or(u32::MAX));
            b.layers(Stack::Audio, "encoders", &numbers, |b| conformer.add(b));
            Ok(())
        })
    })?;
    // One pair for sound alone, and one for sound beside images.
    for kind in ["speech", "vision_speech"] {
        let role = Role::Projector;
        b.linear(&format!("up_proj_for_{kind}"), role, hidden, joined, true);
        b.linear(&format!("down_proj_for_{kind}"), role, hidden, hidden, true);
    }
    Ok(())
}

/// Adds the convolutions that make a sequence shorter: each halves it in time and bands, and all but the first are
/// separable.
fn stem(b: &mut Builder, fields: &Fields<'_>, bands: u64, heard: u64) -> Result<()> {
    const REDUCTION: &str = "time_reduction";
    let channels = fields.size_or("nemo_conv_channels", 1024)?;
    let reduction = fields.size_or(REDUCTION, 8)?;
    if !reduction.is_power_of_two() || reduction < 2 {
        return Err(fields.error(REDUCTION, "must be a power of 2, from 2 on"));
    }
    let left = fields.size_from(
        "nemo_final_size",
        bands.div_ceil(reduction),
        "not in the config: each step halves the bands, rounding up",
    )?;
    b.scope("conv.", |b| {
        let shape = [channels, 1, 3, 3];
        b.weight_and_bias("0", AUDIO, &shape, channels, true);
        for step in 1..reduction.ilog2() {
            // An activation lies behind each pair.
            let at = 3 * step - 1;
            b.weight_and_bias(&at.to_string(), AUDIO, &shape, channels, true);
            let shape = [channels, channels, 1, 1];
            b.weight_and_bias(&(at + 1).to_string(), AUDIO, &shape, channels, true);
        }
    });
    b.linear("out", AUDIO, heard, channels * left, true);
    Ok(())
}

impl Conformer {
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            width,
            kernel,
            separable: [between, behind],
            gated,
            ..
        } = *self;
        for network in ["feed_forward_in.", "feed_forward_out."] {
            b.scope(network, |b| {
                b.norm("layer_norm", hidden, true);
                b.linear("gate_up_proj", AUDIO, 2 * width, hidden, true);
                b.linear("down_proj", AUDIO, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
        }
        b.scope("self_attn.", |b| self.heads.attend(b));
        b.scope("conv.", |b| {
            b.norm("layer_norm", hidden, true);
            let name = "glu.ext_pw_conv_1d";
            b.weight_and_bias(name, AUDIO, &[2 * gated, hidden, 1], 2 * gated, true);
            b.tensor("glu.b1", AUDIO, &[1, gated, 1]);
            b.tensor("glu.b2", AUDIO, &[1, gated, 1]);
            b.scope("dw_sep_conv_1d.", |b| {
                b.weight_and_bias("dw_conv", AUDIO, &[between, 1, kernel], between, true);
                b.weight_and_bias("pw_conv", AUDIO, &[behind, between, 1], behind, true);
            });
            b.weight_and_bias("ext_pw_conv_1d", AUDIO, &[gated, hidden, 1], gated, true);
        });
        b.norm("layer_norm_att", hidden, true);
        b.norm("layer_norm", hidden, true);
    }
}
