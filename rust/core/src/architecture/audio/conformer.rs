//! The fast conformer of NVIDIA's NeMo (Parakeet, Canary, Cohere's transcriber): a stem of strided convolutions, then
//! layers with a feed-forward network before and behind attention and a convolution.
//!
//! Source: transformers `models/parakeet/modeling_parakeet.py`; the paper is arXiv 2305.05084.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::{Multihead, read_heads};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// What the parts are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// The convolutions of the stem, and the linear map behind them.
    pub stem: [&'static str; 2],
    /// The projections of queries, keys, values and the output.
    pub projections: [&'static str; 4],
    /// The projection of relative positions.
    pub relative: &'static str,
    /// What is added to queries for contents and for positions.
    pub biases: [&'static str; 2],
    /// The batch norm of the convolution.
    pub norm: &'static str,
}

/// The names of transformers.
pub const PARAKEET: Names = Names {
    stem: ["subsampling.layers", "subsampling.linear"],
    projections: ["q_proj", "k_proj", "v_proj", "o_proj"],
    relative: "relative_k_proj",
    biases: ["bias_u", "bias_v"],
    norm: "norm",
};

/// The names of NeMo.
pub const NEMO: Names = Names {
    stem: ["pre_encode.conv", "pre_encode.out"],
    projections: ["linear_q", "linear_k", "linear_v", "linear_out"],
    relative: "linear_pos",
    biases: ["pos_bias_u", "pos_bias_v"],
    norm: "batch_norm",
};

/// Adds the tower (`parakeet_encoder`), and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn conformer(b: &mut Builder, fields: &Fields<'_>, names: &Names) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("intermediate_size", 4096)?;
    let layers = fields.repeats_or("num_hidden_layers", 24)?;
    let (heads, kv_heads, head_dim) = read_heads(fields, hidden, 8)?;
    let bias = fields.flag_or("attention_bias", true)?;
    let convolution_bias = fields.flag_or("convolution_bias", true)?;
    let kernel = fields.size_or("conv_kernel_size", 9)?;
    let attention = Multihead {
        kv_heads,
        ..Multihead::new(names.projections, hidden, heads, head_dim, bias)
    };
    let network = |b: &mut Builder, name: &str| {
        b.scope(name, |b| {
            b.linear("linear1", Role::Mlp, width, hidden, bias);
            b.linear("linear2", Role::Mlp, hidden, width, bias);
        });
        b.feed_forward(FeedForward::Dense { width });
    };
    b.all_as(Role::Audio, |b| {
        stem(b, fields, names, hidden)?;
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Audio, "layers", &numbers, |b| {
            network(b, "feed_forward1.");
            b.scope("self_attn.", |b| {
                attention.attend(b);
                let positions = heads * head_dim;
                b.linear(names.relative, Role::Attention, positions, hidden, false);
                for name in names.biases {
                    b.tensor(name, Role::Attention, &[heads, head_dim]);
                }
            });
            b.scope("conv.", |b| {
                let mut convolution = |name: &str, shape: [u64; 3]| {
                    let [outputs, ..] = shape;
                    b.weight_and_bias(name, Role::Audio, &shape, outputs, convolution_bias);
                };
                convolution("pointwise_conv1", [2 * hidden, hidden, 1]);
                convolution("depthwise_conv", [hidden, 1, kernel]);
                convolution("pointwise_conv2", [hidden, hidden, 1]);
                b.norm(names.norm, hidden, true);
                b.scope(names.norm, |b| {
                    b.buffer(".running_mean", Role::Norm, &[hidden]);
                    b.buffer(".running_var", Role::Norm, &[hidden]);
                    b.buffer(".num_batches_tracked", Role::Norm, &[]);
                });
            });
            network(b, "feed_forward2.");
            for name in [
                "norm_feed_forward1",
                "norm_self_att",
                "norm_conv",
                "norm_feed_forward2",
                "norm_out",
            ] {
                b.norm(name, hidden, true);
            }
        });
        Ok(hidden)
    })
}

/// The stem: one convolution over the spectrogram, then pairs of a depthwise and a pointwise one, until the length is
/// down by `subsampling_factor`. Activations take numbers in between.
fn stem(b: &mut Builder, fields: &Fields<'_>, names: &Names, hidden: u64) -> Result<()> {
    let factor = fields.size_or("subsampling_factor", 8)?;
    let channels = fields.size_or("subsampling_conv_channels", 256)?;
    let bins = fields.size_or("num_mel_bins", 80)?;
    let kernel = fields.size_or("subsampling_conv_kernel_size", 3)?;
    let stride = fields.size_or("subsampling_conv_stride", 2)?;
    let halvings = factor.ilog2();
    if halvings == 0 {
        return Err(fields.error("subsampling_factor", "must be at least 2"));
    }
    let left = stride
        .checked_pow(halvings)
        .map_or(0, |together| bins / together);
    if left == 0 {
        return Err(fields.error(
            "num_mel_bins",
            format!("{bins} leaves nothing behind the convolutions of the stem"),
        ));
    }
    let [convolutions, linear] = names.stem;
    let mut layer = |number: u32, inputs: u64, side: u64| {
        let shape = [channels, inputs, side, side];
        let name = format!("{convolutions}.{number}");
        b.weight_and_bias(&name, Role::Audio, &shape, channels, true);
    };
    layer(0, 1, kernel);
    for pair in 0..halvings - 1 {
        layer(2 + 3 * pair, 1, kernel);
        layer(3 + 3 * pair, channels, 1);
    }
    b.linear(linear, Role::Audio, hidden, channels * left, true);
    Ok(())
}
