//! The conformer of Granite Speech: a network before and behind attention and a convolution, after Lucidrains' names.
//!
//! Sources: transformers `models/granite_speech`, `models/granite_speech_plus`.

use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::checkpoint::Role;

/// Adds the encoder (`granite_speech_encoder`).
///
/// # Errors
/// If a field is wrong.
pub fn granite(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hidden = fields.size_or("hidden_dim|hidden_size", 1024)?;
    let layers = fields.repeats_or("num_layers|num_hidden_layers", 10)?;
    let heads = fields.size_or("num_heads|num_attention_heads", 8)?;
    let head_dim = match fields.opt_size("dim_head")? {
        Some(head_dim) => head_dim,
        None => fields.divide("hidden_dim", hidden, "num_heads", heads)?,
    };
    let width = bounded(fields, "feedforward_mult", hidden, 4)?;
    let convolved = bounded(fields, "conv_expansion_factor", hidden, 2)?;
    let kernel = fields.size_or("conv_kernel_size", 15)?;
    let distances = 2 * fields.size_or("max_pos_emb", 512)? + 1;
    let block = fields.size_or("context_size", 200)?;
    let inputs = fields.size_or("input_dim|num_mel_bins", 160)?;
    let outputs = fields.size_or("output_dim", 42)?;
    let role = Role::Audio;
    b.all_as(role, |b| {
        b.linear("input_linear", role, hidden, inputs, true);
        b.layers(Stack::Audio, "layers", &all(layers), |b| {
            network(b, "ff1.", hidden, width);
            b.scope("attn.", |b| {
                let inner = heads * head_dim;
                b.norm("pre_norm", hidden, true);
                b.linear("to_q", role, inner, hidden, false);
                b.linear("to_kv", role, 2 * inner, hidden, false);
                b.linear("to_out", role, hidden, inner, true);
                b.embedding("rel_pos_emb", role, distances, head_dim);
            });
            b.mixer(Mixer::Attention {
                heads,
                kv_heads: heads,
                key_dim: head_dim,
                value_dim: head_dim,
                reach: Reach::Chunked(block),
                indexer_dim: 0,
                shared_with: None,
            });
            b.scope("conv.", |b| {
                b.norm("norm", hidden, true);
                let shape = [2 * convolved, hidden, 1];
                b.weight_and_bias("up_conv", role, &shape, 2 * convolved, true);
                b.tensor("depth_conv.conv.weight", role, &[convolved, 1, kernel]);
                b.norm("batch_norm", convolved, true);
                b.scope("batch_norm.", |b| {
                    b.buffer("running_mean", role, &[convolved]);
                    b.buffer("running_var", role, &[convolved]);
                    b.buffer("num_batches_tracked", role, &[]);
                });
                let shape = [hidden, convolved, 1];
                b.weight_and_bias("down_conv", role, &shape, hidden, true);
            });
            network(b, "ff2.", hidden, width);
            b.norm("post_norm", hidden, true);
        });
        b.linear("out", role, outputs, hidden, true);
        b.linear("out_mid", role, hidden, outputs, true);
    });
    Ok(())
}

fn network(b: &mut Builder, prefix: &str, hidden: u64, width: u64) {
    b.scope(prefix, |b| {
        b.norm("pre_norm", hidden, true);
        b.linear("up_proj", Role::Audio, width, hidden, true);
        b.linear("down_proj", Role::Audio, hidden, width, true);
    });
    b.feed_forward(FeedForward::Dense { width });
}

/// `hidden` times the factor in this field, where the product is still a width.
fn bounded(fields: &Fields<'_>, name: &str, hidden: u64, default: u64) -> Result<u64> {
    let factor = fields.size_or(name, default)?;
    let width = hidden * factor;
    if width > crate::architecture::config::SIZE_LIMIT {
        let message = format!("{factor} times {hidden} is wider than any model");
        return Err(fields.error(name, message));
    }
    Ok(width)
}
