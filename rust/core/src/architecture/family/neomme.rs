//! `NeoMME`: an encoder of text and patches of images alike, whose values are mixed with a table looked up by token, and
//! whose norms have no parameters.
//!
//! Source: transformers `models/neomme`.

use super::Family;
use crate::architecture::attention::{Attention, reach_of};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Task, refuse};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Reach, Stack};
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// `NeoMME`.
pub const FAMILY: Family = Family {
    name: "neomme",
    model_types: &["neomme"],
    lower,
    text: None,
};

/// The window of every second layer that has one, if the config does not give it.
const LONG: u64 = 1024;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if class(fields)?.is_some_and(|class| class.ends_with("ForRetrieval")) {
        return refuse(fields);
    }
    let seat = Seat::whole(fields, "model.")?;
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("intermediate_size", 3584)?;
    let rank = fields.size_or("embedding_rank", 256)?;
    let vocabulary = fields.size_or("vocab_size", 131_072)?;
    let heads = fields.size_or("num_attention_heads", 16)?;
    let kv_heads = fields.size_or("num_key_value_heads", 4)?;
    let head_dim = fields.size_or("head_dim", 64)?;
    fields.divide(
        "num_attention_heads",
        heads,
        "num_key_value_heads",
        kv_heads,
    )?;
    let layers = fields.repeats_or("num_hidden_layers", 17)?;
    let bias = fields.flag_or("attention_bias", false)?;
    let mlp_bias = fields.flag_or("mlp_bias", false)?;
    let side = fields.size_or("patch_size", 32)?;
    let Some(pixels) = side
        .checked_mul(side)
        .and_then(|pixels| pixels.checked_mul(3))
    else {
        return Err(fields.error("patch_size", "is larger than any model's"));
    };
    let names = ["q_proj", "k_proj", "v_proj", "output_projection.o_proj"];
    let attention = Attention {
        kv_heads,
        gate: Some(("output_projection.gate_proj", heads * head_dim)),
        ..Attention::of_heads(names, hidden, heads, head_dim, bias)
    };
    let reaches = reaches(fields, layers)?;
    b.scope(seat.model, |b| {
        b.scope("embed_tokens.", |b| {
            b.embedding("word_embeddings", Role::Embedding, vocabulary, rank);
            b.linear("embedding_projection", Role::Embedding, hidden, rank, false);
        });
        b.scope("patch_embeddings.", |b| {
            b.norm("norm", pixels, true);
            b.linear("up_proj", Role::Embedding, 2 * hidden, pixels, false);
            b.linear("down_proj", Role::Embedding, hidden, 2 * hidden, true);
        });
        let values = kv_heads * head_dim;
        b.embedding("value_embeddings", Role::Embedding, vocabulary, values);
        for (reach, numbers) in group(reaches) {
            b.layers(Stack::Encoder, "layers", &numbers, |b| {
                b.scope("self_attn.", |b| {
                    Attention {
                        reach,
                        ..attention.clone()
                    }
                    .add(b);
                    b.tensor("exclusive_self_attention.alpha", Role::Attention, &[heads]);
                });
                b.scope("mlp.", |b| {
                    let names = ["up_proj", "down_proj"];
                    plain(b, names, Role::Mlp, hidden, width, mlp_bias);
                });
                b.feed_forward(FeedForward::Dense { width });
                b.tensor("lambdas", Role::Norm, &[2]);
            });
        }
    });
    b.scope(seat.top, |b| match seat.task {
        Task::Bare => Ok(()),
        Task::MaskedWords => {
            if !fields.flag_or("tie_word_embeddings", true)? {
                b.linear("unembedding_projection", Role::Head, hidden, rank, false);
                b.linear("lm_head", Role::Head, vocabulary, rank, false);
            }
            Ok(())
        }
        Task::Words
        | Task::PreTraining
        | Task::NextSentence
        | Task::Sequence
        | Task::Token
        | Task::Answer
        | Task::Choice => refuse(fields),
    })
}

/// Every sixth layer and the last see everything; of the others every second has the longer window.
fn reaches(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    if fields
        .value("per_layer_config")
        .and_then(|own| own.as_object())
        .is_some_and(|own| !own.is_empty())
    {
        return stated(fields, layers);
    }
    let window = fields.size_or("sliding_window", 256)?;
    let kinds = fields.opt_layer_texts("layer_types", layers)?;
    let mut short = false;
    (0..layers)
        .map(|layer| {
            let listed = usize::try_from(layer)
                .ok()
                .and_then(|at| kinds.as_ref()?.get(at));
            let reach = match listed {
                Some(kind) => reach_of(fields, kind, Some(window))?,
                None if (layer + 1).is_multiple_of(6) || layer + 1 == layers => Reach::Full,
                None => Reach::Sliding(window),
            };
            Ok(match reach {
                Reach::Sliding(_) => {
                    short = !short;
                    Reach::Sliding(if short { window } else { LONG })
                }
                other => other,
            })
        })
        .collect()
}

/// The windows by layer, where the config lists those that differ from the common one.
fn stated(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    let own = fields.object("per_layer_config")?;
    let window = fields.size_or("sliding_window", 256)?;
    let mut reaches: Vec<Reach> = (0..layers).map(|_| Reach::Sliding(window)).collect();
    for name in own.names() {
        let Ok(at) = name.parse::<usize>() else {
            return Err(own.error(name, "is not the number of a layer"));
        };
        // The list may be that of a deeper model.
        let Some(reach) = reaches.get_mut(at) else {
            continue;
        };
        let layer = own.object(name)?;
        if let Some(other) = layer.names().find(|name| *name != "sliding_window") {
            return Err(layer.error(other, "is not known to differ between layers"));
        }
        if layer.is_null("sliding_window") {
            *reach = Reach::Full;
        } else if let Some(window) = layer.opt_size("sliding_window")? {
            *reach = Reach::Sliding(window);
        }
    }
    Ok(reaches)
}
