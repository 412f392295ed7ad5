//! What speaks in Qwen2.5-Omni: a talker that writes codes, a diffusion transformer that makes spectrograms of them,
//! and BigVGAN, which makes them sound.
//!
//! Source: transformers `models/qwen2_5_omni`.

use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, PRE_NORMS};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Reach, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

const ROLE: Role = Role::Audio;

/// Adds the talker and what makes sound, given the whole config.
pub fn speaker(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let talker_config = fields.object("talker_config")?;
    b.scope("talker.", |b| talker(b, &talker_config))?;
    let sound = fields.object("token2wav_config")?;
    let dit = sound.object("dit_config")?;
    let vocoder = sound.object("bigvgan_config")?;
    b.scope("token2wav.", |b| {
        b.all_as(ROLE, |b| {
            b.scope("code2wav_dit_model.", |b| diffusion(b, &dit))?;
            b.scope("code2wav_bigvgan_model.", |b| bigvgan(b, &vocoder))
        })
    })
}

fn talker(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let defaults = Defaults::new(8448, 3584, 18_944, 28, 28).kv(4).dim(128);
    let mut model = Dense::read(fields, &defaults)?;
    let hidden = model.frame.hidden;
    let vocabulary = model.frame.vocabulary;
    model.attention.bias = true;
    let embedded = fields.size_or("embedding_size", 3584)?;
    if fields.flag_or("use_sliding_window", false)? {
        return Err(fields.error("use_sliding_window", "is true; no such talker is known"));
    }
    b.linear(
        "thinker_to_talker_proj",
        Role::Projector,
        hidden,
        embedded,
        true,
    );
    b.scope("model.", |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, embedded);
        for ((), numbers) in group((0..model.layers).map(|_| ())) {
            // It speaks while the thinker writes, so its layers are not the decoder's.
            b.layers(Stack::Other, "layers", &numbers, |b| {
                model.add_attention(b, Reach::Full);
                model.add_network(b);
                for norm in PRE_NORMS {
                    b.norm(norm, hidden, false);
                }
            });
        }
        b.norm("norm", hidden, false);
    });
    b.linear("codec_head", Role::Head, vocabulary, hidden, false);
    Ok(())
}

/// Adds a convolution over time with a bias.
fn convolution(b: &mut Builder, name: &str, outputs: u64, inputs: u64, kernel: u64) {
    b.weight_and_bias(name, ROLE, &[outputs, inputs, kernel], outputs, true);
}

/// Frequencies that tell the step of the diffusion.
const STEPS: u64 = 256;

fn diffusion(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let layers = fields.repeats_or("num_hidden_layers", 22)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let head_dim = fields.size_or("head_dim", 64)?;
    let width = hidden * fields.size_or("ff_mult", 2)?;
    let bands = fields.size_or("mel_dim", 80)?;
    let embedded = fields.size_or("emb_dim", 512)?;
    let speaker = fields.size_or("enc_emb_dim", 192)?;
    let encoded = fields.size_or("enc_dim", 128)?;
    let codes = fields.size_or("num_embeds", 8193)?;
    let heads = Multihead::new(
        ["to_q", "to_k", "to_v", "to_out.0"],
        hidden,
        heads,
        head_dim,
        true,
    );
    b.linear("time_embed.time_mlp.0", ROLE, hidden, STEPS, true);
    b.linear("time_embed.time_mlp.2", ROLE, hidden, hidden, true);
    b.embedding("text_embed.codec_embed", ROLE, codes + 1, embedded);
    b.scope("input_embed.", |b| {
        let inputs = bands + encoded + speaker + embedded;
        b.linear("proj", ROLE, hidden, inputs, true);
        b.scope("spk_encoder.", |b| voice(b, fields, bands, encoded))
    })?;
    // `COUNT_LIMIT` bounds their number.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    b.layers(Stack::Other, "transformer_blocks", &numbers, |b| {
        b.linear("attn_norm.linear", ROLE, 6 * hidden, hidden, true);
        b.scope("attn.", |b| heads.attend(b));
        b.linear("ff.ff.0", ROLE, width, hidden, true);
        b.linear("ff.ff.3", ROLE, hidden, width, true);
        b.feed_forward(FeedForward::Dense { width });
    });
    b.linear("norm_out.linear", ROLE, 2 * hidden, hidden, true);
    b.linear("proj_out", ROLE, bands, hidden, true);
    Ok(())
}

/// A list of sizes, or this if it is missing.
fn sizes(fields: &Fields<'_>, name: &str, default: &[u64]) -> Result<Vec<u64>> {
    let sizes = if let Some(sizes) = fields.opt_counts(name)? {
        sizes
    } else {
        let reason = "not in the config; the default of its model class";
        fields.assume(name, format!("{default:?}"), reason);
        default.to_vec()
    };
    if sizes.iter().any(|&size| size == 0 || size > 1 << 21) || sizes.len() > 64 {
        return Err(fields.error(name, "has a size of 0, or is larger than any model's"));
    }
    Ok(sizes)
}

/// Adds the encoder that tells a voice, an ECAPA-TDNN.
fn voice(b: &mut Builder, fields: &Fields<'_>, bands: u64, encoded: u64) -> Result<()> {
    const CHANNELS: &str = "enc_channels";
    let channels = sizes(fields, CHANNELS, &[256, 256, 256, 256, 768])?;
    let kernels = sizes(fields, "enc_kernel_sizes", &[5, 3, 3, 3, 1])?;
    let attention = fields.size_or("enc_attention_channels", 64)?;
    let squeezed = fields.size_or("enc_se_channels", 64)?;
    let scale = fields.size_or("enc_res2net_scale", 2)?;
    let (Some(&first), Some(&last)) = (channels.first(), channels.last()) else {
        return Err(fields.error(CHANNELS, "is empty"));
    };
    if kernels.len() != channels.len() || channels.len() < 2 {
        return Err(fields.error("enc_kernel_sizes", "has to be as long as enc_channels"));
    }
    let stages: Vec<(u32, (u64, u64))> = (0..).zip(channels.iter().copied().zip(kernels)).collect();
    for window in stages.windows(2) {
        let &[
            (before_number, (before, kernel)),
            (number, (outputs, own_kernel)),
        ] = window
        else {
            continue;
        };
        if before_number == 0 {
            convolution(b, "blocks.0.conv", first, bands, kernel);
        }
        if number as usize + 1 == stages.len() {
            convolution(b, "mfa.conv", last, last, own_kernel);
            continue;
        }
        let part = fields.divide(CHANNELS, outputs, "enc_res2net_scale", scale)?;
        b.scope(&format!("blocks.{number}."), |b| {
            convolution(b, "tdnn1.conv", outputs, before, 1);
            let parts = u32::try_from(scale - 1).unwrap_or(u32::MAX);
            b.each("res2net_block.blocks", Numbers::Below(parts), |b| {
                convolution(b, "conv", part, part, own_kernel);
            });
            convolution(b, "tdnn2.conv", outputs, outputs, 1);
            convolution(b, "se_block.conv1", squeezed, outputs, 1);
            convolution(b, "se_block.conv2", outputs, squeezed, 1);
        });
    }
    convolution(b, "asp.tdnn.conv", attention, 3 * last, 1);
    convolution(b, "asp.conv", last, attention, 1);
    convolution(b, "fc", encoded, 2 * last, 1);
    Ok(())
}

/// How many convolutions of either kind a block has, and how wide the ones at both ends are.
const CONVOLUTIONS: u32 = 3;
const ENDS: u64 = 7;

fn bigvgan(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let bands = fields.size_or("mel_dim", 80)?;
    let initial = fields.size_or("upsample_initial_channel", 1536)?;
    let rates = sizes(fields, "upsample_rates", &[5, 3, 2, 2, 2, 2])?;
    let kernels = sizes(fields, "upsample_kernel_sizes", &[11, 7, 4, 4, 4, 4])?;
    let blocks = sizes(fields, "resblock_kernel_sizes", &[3, 7, 11])?;
    let dilations = fields
        .opt_list("resblock_dilation_sizes")?
        .map_or(3, <[_]>::len);
    if kernels.len() != rates.len() || dilations != blocks.len() {
        return Err(fields.error(
            "upsample_kernel_sizes",
            "and resblock_dilation_sizes have to be as long as the lists they go with",
        ));
    }
    convolution(b, "conv_pre", initial, bands, ENDS);
    let mut channels = initial;
    let mut number = 0_u32;
    for (at, kernel) in kernels.iter().enumerate() {
        let outputs = channels / 2;
        if outputs == 0 {
            return Err(fields.error(
                "upsample_initial_channel",
                "is too small to be halved so often",
            ));
        }
        let shape = [channels, outputs, *kernel];
        b.weight_and_bias(&format!("ups.{at}.0"), ROLE, &shape, outputs, true);
        for kernel in &blocks {
            b.scope(&format!("resblocks.{number}."), |b| {
                for name in ["convs1", "convs2"] {
                    b.each(name, Numbers::Below(CONVOLUTIONS), |b| {
                        b.tensor("weight", ROLE, &[outputs, outputs, *kernel]);
                        b.tensor("bias", ROLE, &[outputs]);
                    });
                }
                b.each("activations", Numbers::Below(2 * CONVOLUTIONS), |b| {
                    b.tensor("act.alpha", ROLE, &[outputs]);
                    b.tensor("act.beta", ROLE, &[outputs]);
                });
            });
            number += 1;
        }
        channels = outputs;
    }
    b.tensor("activation_post.act.alpha", ROLE, &[channels]);
    b.tensor("activation_post.act.beta", ROLE, &[channels]);
    b.tensor("conv_post.weight", ROLE, &[1, channels, ENDS]);
    Ok(())
}
