//! The encoder of SenseVoice (SAN-M), through which Fun-ASR-Nano hears: attention beside a depthwise convolution over
//! its values.
//!
//! Source: transformers `models/fun_asr_nano`.

use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::checkpoint::Role;

/// What a layer is made of. The adaptor behind the encoder has the same layers without the convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads of the attention.
    pub heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
    /// Inner width of the network.
    pub width: u64,
    /// How many frames the convolution spans.
    pub kernel: Option<u64>,
}

impl Layer {
    /// Adds the layer, whose input has so many numbers, to the scope that is open.
    pub fn add(&self, b: &mut Builder, inputs: u64) {
        let Self {
            hidden,
            heads,
            head_dim,
            width,
            kernel,
        } = *self;
        b.norm("input_layernorm", inputs, true);
        b.scope("self_attn.", |b| {
            for name in ["q_proj", "k_proj", "v_proj"] {
                b.linear(name, Role::Attention, hidden, inputs, true);
            }
            b.linear("o_proj", Role::Attention, hidden, hidden, true);
            if let Some(kernel) = kernel {
                b.tensor("fsmn.conv.weight", Role::Attention, &[hidden, 1, kernel]);
            }
        });
        b.mixer(Mixer::Attention {
            heads,
            kv_heads: heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        });
        b.norm("post_attention_layernorm", hidden, true);
        b.scope("mlp.", |b| {
            plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
    }
}

/// Adds the encoder (`fun_asr_nano_encoder`), and returns its width. Its first layer takes stacked frames; the last
/// layer before those that tell times, and the last of all, have a norm behind.
///
/// # Errors
/// If a field is wrong.
pub fn san_m(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 512)?;
    let heads = fields.size_or("num_attention_heads", 4)?;
    let layer = Layer {
        hidden,
        heads,
        head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        width: fields.size_or("intermediate_size", 2048)?,
        kernel: Some(fields.size_or("fsmn_kernel_size", 11)?),
    };
    let layers = fields.repeats_or("num_hidden_layers", 70)?;
    let telling = fields.repeats_or("num_timestamp_prediction_layers", 20)?;
    let frames = fields.size_or("num_stacked_frames", 7)? * fields.size_or("num_mel_bins", 80)?;
    let plans = (0..layers).map(|number| {
        let last = number + 1 == layers || number + 1 + telling == layers;
        (if number == 0 { frames } else { hidden }, last)
    });
    b.all_as(Role::Audio, |b| {
        for ((inputs, last), numbers) in group(plans) {
            b.layers(Stack::Audio, "layers", &numbers, |b| {
                layer.add(b, inputs);
                if last {
                    b.norm("final_layernorm", hidden, true);
                }
            });
        }
    });
    Ok(hidden)
}
