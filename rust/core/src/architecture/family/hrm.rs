//! HRM-Text: two stacks of layers, a slow and a fast one, that run in turns several times per token.
//!
//! Source: transformers `models/hrm_text`. Norms have no weights. Each run of a layer keeps keys and values of its
//! own.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{Head, Place};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// HRM.
pub const FAMILY: Family = Family {
    name: "hrm",
    model_types: &["hrm_text"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::whole(fields, "model.")?;
    let hidden = fields.size("hidden_size")?;
    let vocabulary = fields.size("vocab_size")?;
    let attention = Attention::read_with_head_dim(fields, hidden, Some(128))?;
    if attention.kv_heads != attention.heads {
        return Err(fields.error("num_key_value_heads", "is not num_attention_heads"));
    }
    for name in ["attention_bias", "mlp_bias"] {
        if fields.flag_or(name, false)? {
            return Err(fields.error(name, "is true; no such model is known"));
        }
    }
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_layers_per_stack|num_hidden_layers")?;
    let slow = fields.repeats_or("H_cycles", 2)?;
    let fast = fields.repeats_or("L_cycles", 3)?;
    // `COUNT_LIMIT` bounds their number.
    let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
    if slow * fast > MOST_RUNS {
        return Err(fields.error(
            "H_cycles",
            format!("{slow} times L_cycles {fast} is more runs than any model's ({MOST_RUNS})"),
        ));
    }
    b.scope(place.model, |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        b.tensor("z_L_init", Role::Embedding, &[hidden]);
        for (stack, runs) in [("H_module.layers", slow), ("L_module.layers", slow * fast)] {
            b.layers(Stack::Decoder, stack, &numbers, |b| {
                let inner = attention.heads * attention.head_dim;
                b.linear("attn.gqkv_proj", Role::Attention, 4 * inner, hidden, false);
                b.linear("attn.o_proj", Role::Attention, hidden, inner, false);
                b.linear("mlp.gate_up_proj", Role::Mlp, 2 * width, hidden, false);
                b.linear("mlp.down_proj", Role::Mlp, hidden, width, false);
                for _ in 0..runs {
                    b.mixer(attention.mixer());
                }
                b.feed_forward(FeedForward::Dense { width });
            });
        }
    });
    let head = Head {
        name: "lm_head",
        vocabulary,
        hidden,
        bias: false,
        tied: fields.flag_or("tie_word_embeddings", false)?,
    };
    place.top(b, fields, &head)
}

/// The most runs of a layer per token that are derived; the published model has six.
const MOST_RUNS: u64 = 64;
