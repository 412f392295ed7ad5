//! Moonshine and its streaming kind: speech recognition on raw sound, with rotary positions.
//!
//! Sources: transformers `models/moonshine`, `models/moonshine_streaming`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, Side, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// Moonshine.
pub const FAMILY: Family = Family {
    name: "moonshine",
    model_types: &["moonshine", "moonshine_streaming"],
    lower,
    text: None,
};

const NAMES: [&str; 4] = ["q_proj", "k_proj", "v_proj", "o_proj"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let streaming = fields.opt_text("model_type")? == Some("moonshine_streaming");
    let form = Form::of(fields)?;
    let root = match form {
        Form::Generation => "model.",
        Form::Bare => "",
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let hidden = fields.size_or("hidden_size", if streaming { 320 } else { 288 })?;
    let vocabulary = fields.size_or("vocab_size", 32768)?;
    b.scope(root, |b| -> Result<()> {
        let width = b.scope("encoder.", |b| {
            b.all_as(Role::Audio, |b| {
                if streaming {
                    streaming_encoder(b, &fields.object("encoder_config")?)
                } else {
                    encoder(b, fields, hidden)
                }
            })
        })?;
        b.scope("decoder.", |b| {
            b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
            if streaming {
                let positions = fields.size_or("max_position_embeddings", 4096)?;
                b.embedding("pos_emb", Role::Position, positions, width);
                if width != hidden {
                    b.linear("proj", Role::Projector, hidden, width, false);
                }
            }
            decoder(b, fields, streaming, hidden)
        })
    })?;
    if form == Form::Generation && !fields.flag_or("tie_word_embeddings", !streaming)? {
        b.linear("proj_out", Role::Head, vocabulary, hidden, false);
    }
    Ok(())
}

/// The fields of one stack's attention.
struct Names {
    heads: &'static str,
    kv_heads: &'static str,
}

fn heads(
    fields: &Fields<'_>,
    names: &Names,
    hidden: u64,
    default: Option<u64>,
) -> Result<Multihead<'static>> {
    let heads = fields.size_or(names.heads, 8)?;
    let kv_heads = match default {
        Some(default) => fields.size_or(names.kv_heads, default)?,
        None => fields.size_from(
            names.kv_heads,
            heads,
            "not in the config: every query head has its own keys and values",
        )?,
    };
    fields.divide(names.heads, heads, names.kv_heads, kv_heads)?;
    let head_dim = match fields.opt_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.divide("hidden_size", hidden, names.heads, heads)?,
    };
    let bias = fields.flag_or("attention_bias", false)?;
    Ok(Multihead {
        kv_heads,
        // The output never has one, except in the streaming encoder, which sees to it.
        bias: [bias, bias, bias, false],
        ..Multihead::new(NAMES, hidden, heads, head_dim, false)
    })
}

fn network(b: &mut Builder, hidden: u64, width: u64, gated: bool) {
    b.scope("mlp.", |b| {
        let inner = if gated { 2 * width } else { width };
        b.linear("fc1", Role::Mlp, inner, hidden, true);
        b.linear("fc2", Role::Mlp, hidden, width, true);
    });
    b.feed_forward(FeedForward::Dense { width });
}

fn encoder(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<u64> {
    let width = fields.size_or("intermediate_size", 1152)?;
    let names = Names {
        heads: "encoder_num_attention_heads",
        kv_heads: "encoder_num_key_value_heads",
    };
    let heads = heads(fields, &names, hidden, None)?;
    let side = Side {
        layers: fields.repeats_or("encoder_num_hidden_layers", 6)?,
        heads: heads.heads,
        width,
    };
    b.tensor("conv1.weight", Role::Audio, &[hidden, 1, 127]);
    let shape = [2 * hidden, hidden, 7];
    b.weight_and_bias("conv2", Role::Audio, &shape, 2 * hidden, true);
    let shape = [hidden, 2 * hidden, 3];
    b.weight_and_bias("conv3", Role::Audio, &shape, hidden, true);
    b.norm("groupnorm", hidden, true);
    b.layers(Stack::Audio, "layers", &side.numbers(), |b| {
        b.scope("self_attn.", |b| heads.attend(b));
        network(b, hidden, width, false);
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
    });
    b.norm("layer_norm", hidden, false);
    Ok(hidden)
}

fn streaming_encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 320)?;
    let width = fields.size_or("intermediate_size", 1280)?;
    let names = Names {
        heads: "num_attention_heads",
        kv_heads: "num_key_value_heads",
    };
    let mut heads = heads(fields, &names, hidden, Some(8))?;
    // Here the output has a bias if the others do.
    let [bias, ..] = heads.bias;
    heads.bias = [bias; 4];
    let side = Side {
        layers: fields.repeats_or("num_hidden_layers", 6)?,
        heads: heads.heads,
        width,
    };
    let frame = frame(fields)?;
    b.scope("embedder.", |b| {
        b.tensor("comp.log_k", Role::Audio, &[]);
        let shape = [2 * hidden, hidden, 5];
        b.weight_and_bias("conv1", Role::Audio, &shape, 2 * hidden, true);
        let shape = [hidden, 2 * hidden, 5];
        b.weight_and_bias("conv2", Role::Audio, &shape, hidden, true);
        b.linear("linear", Role::Audio, hidden, frame, false);
    });
    b.layers(Stack::Audio, "layers", &side.numbers(), |b| {
        b.scope("self_attn.", |b| heads.attend(b));
        network(b, hidden, width, false);
        b.tensor("input_layernorm.gamma", Role::Norm, &[hidden]);
        b.tensor("post_attention_layernorm.gamma", Role::Norm, &[hidden]);
    });
    b.tensor("final_norm.gamma", Role::Norm, &[hidden]);
    Ok(hidden)
}

/// Samples in a frame: `sample_rate` a second for `frame_ms` thousandths of one, to the nearest whole number.
fn frame(fields: &Fields<'_>) -> Result<u64> {
    let rate = fields.size_or("sample_rate", 16000)?;
    let length = fields.ratio_or("frame_ms", 5.0)?;
    #[expect(
        clippy::cast_precision_loss,
        reason = "sizes are at most 2^21, which a float holds exactly"
    )]
    let samples = (rate as f64 * length / 1000.0).round_ties_even();
    if !(1.0..=1e6).contains(&samples) {
        return Err(fields.error(
            "frame_ms",
            format!("{length} gives frames of {samples} samples"),
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is whole and between 1 and a million"
    )]
    Ok(samples as u64)
}

fn decoder(b: &mut Builder, fields: &Fields<'_>, streaming: bool, hidden: u64) -> Result<()> {
    let (names, layers_name, width) = if streaming {
        let names = Names {
            heads: "num_attention_heads",
            kv_heads: "num_key_value_heads",
        };
        (names, "num_hidden_layers", 1280)
    } else {
        let names = Names {
            heads: "decoder_num_attention_heads|num_attention_heads",
            kv_heads: "decoder_num_key_value_heads|num_key_value_heads",
        };
        (names, "decoder_num_hidden_layers|num_hidden_layers", 1152)
    };
    let width = fields.size_or("intermediate_size", width)?;
    let heads = heads(fields, &names, hidden, None)?;
    let side = Side {
        layers: fields.repeats_or(layers_name, 6)?,
        heads: heads.heads,
        width,
    };
    b.layers(Stack::Decoder, "layers", &side.numbers(), |b| {
        b.scope("self_attn.", |b| heads.attend(b));
        b.scope("encoder_attn.", |b| {
            heads.cross(b, Source::Encoder { tokens: None });
        });
        network(b, hidden, width, true);
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        b.norm("final_layernorm", hidden, false);
    });
    b.norm("norm", hidden, false);
    Ok(())
}
