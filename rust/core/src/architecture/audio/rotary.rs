//! Encoders with Whisper's convolutions and layers like those of a decoder, with rotary positions: GLM-ASR, whose
//! layers have plain networks and norms with biases, and the causal one of Voxtral Realtime.
//!
//! Sources: transformers `models/glmasr`, `models/voxtral_realtime`. In both, keys alone have no bias.

use super::whisper::convolutions;
use crate::architecture::builder::Builder;
use crate::architecture::classic::all;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::heads::{Multihead, read_heads};
use crate::architecture::layer::{FeedForward, Reach, Stack};
use crate::checkpoint::Role;

const NAMES: [&str; 4] = ["q_proj", "k_proj", "v_proj", "o_proj"];

const BIAS: [bool; 4] = [true, false, true, true];

/// Adds the encoder of GLM-ASR (`glmasr_encoder`), and returns its inner width, as which the projector takes several
/// tokens together.
///
/// # Errors
/// If a field is wrong.
pub fn glm(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1280)?;
    let width = fields.size_or("intermediate_size", 5120)?;
    let layers = fields.repeats_or("num_hidden_layers", 32)?;
    let (heads, kv_heads, head_dim) = read_heads(fields, hidden, 20)?;
    let attention = Multihead {
        bias: BIAS,
        kv_heads,
        ..Multihead::new(NAMES, hidden, heads, head_dim, true)
    };
    let bins = fields.size_or("num_mel_bins", 128)?;
    b.all_as(Role::Audio, |b| {
        convolutions(b, bins, hidden);
        b.layers(Stack::Audio, "layers", &all(layers), |b| {
            b.scope("self_attn.", |b| attention.attend(b));
            b.scope("mlp.", |b| {
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("input_layernorm", hidden, true);
            b.norm("post_attention_layernorm", hidden, true);
        });
        b.norm("norm", hidden, true);
    });
    Ok(width)
}

/// Adds the encoder of Voxtral Realtime (`voxtral_realtime_encoder`), and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn causal(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1280)?;
    let width = fields.size_or("intermediate_size", 5120)?;
    let layers = fields.repeats_or("num_hidden_layers", 32)?;
    let heads = fields.size_or("num_attention_heads", 32)?;
    let head_dim = match fields.opt_size("head_dim")? {
        Some(head_dim) => head_dim,
        None if fields.is_null("head_dim") => {
            fields.divide("hidden_size", hidden, "num_attention_heads", heads)?
        }
        None => fields.size_or("head_dim", 64)?,
    };
    let reach = match fields.opt_size("sliding_window")? {
        Some(window) => Reach::Sliding(window),
        None if fields.is_null("sliding_window") => Reach::Full,
        None => Reach::Sliding(fields.size_or("sliding_window", 750)?),
    };
    let attention = Multihead {
        bias: BIAS,
        ..Multihead::new(NAMES, hidden, heads, head_dim, true)
    };
    let bins = fields.size_or("num_mel_bins", 128)?;
    b.all_as(Role::Audio, |b| {
        b.scope("embedder.", |b| convolutions(b, bins, hidden));
        b.layers(Stack::Audio, "layers", &all(layers), |b| {
            b.scope("self_attn.", |b| attention.attend_within(b, reach));
            b.norm("self_attn_layer_norm", hidden, false);
            b.scope("mlp.", |b| {
                b.linear("gate_proj", Role::Mlp, width, hidden, false);
                b.linear("up_proj", Role::Mlp, width, hidden, false);
                b.linear("down_proj", Role::Mlp, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("final_layer_norm", hidden, false);
        });
        b.norm("norm", hidden, false);
    });
    Ok(hidden)
}
