//! HRM-Text: two small stacks, a slow one and a fast one, that every token goes through several times. Each time has
//! a cache of its own.
//!
//! Source: transformers `models/hrm_text`, saved under the names of the published checkpoint: one matrix for gate,
//! queries, keys and values, and one for gate and up. No norm has parameters.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, refuse_foreign};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{Head, Place};
use crate::checkpoint::Role;

/// HRM-Text.
pub const FAMILY: Family = Family {
    name: "hrm_text",
    model_types: &["hrm_text"],
    lower,
    text: Some(text),
};

/// The most rounds of a stack that are derived; the published model has 6.
const ROUNDS: u64 = 1024;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(
        b,
        fields,
        &Place::of_class(fields, &["HrmText"], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &[])?;
    let defaults = Defaults::new(151_808, 1536, 4096, 16, 12).dim(128);
    let model = Dense::read(fields, &defaults)?;
    if model.attention.kv_heads != model.attention.heads {
        return Err(fields.error(
            "num_key_value_heads",
            "differs from num_attention_heads, and this model has no groups of heads",
        ));
    }
    // Once loaded, `num_hidden_layers` counts a layer for every round that goes through it.
    let layers = match fields.opt_size("num_layers_per_stack")? {
        Some(_) => fields.repeats("num_layers_per_stack")?,
        None => model.layers,
    };
    let high = fields.repeats_or("H_cycles", 2)?;
    let low = high.saturating_mul(fields.repeats_or("L_cycles", 3)?);
    for (name, rounds) in [("H_cycles", high), ("L_cycles", low)] {
        if rounds > ROUNDS {
            return Err(fields.error(name, format!("makes more than {ROUNDS} rounds")));
        }
    }
    let hidden = model.frame.hidden;
    let attention = model.attention.clone();
    let width = model.width;
    let inner = attention.heads * attention.head_dim;
    b.scope(place.model, |b| {
        let vocabulary = model.frame.vocabulary;
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        b.tensor("z_L_init", Role::Embedding, &[hidden]);
        for (stack, rounds) in [("L_module.layers", low), ("H_module.layers", high)] {
            for ((), numbers) in group((0..layers).map(|_| ())) {
                b.layers(Stack::Decoder, stack, &numbers, |b| {
                    b.linear("attn.gqkv_proj", Role::Attention, 4 * inner, hidden, false);
                    b.linear("attn.o_proj", Role::Attention, hidden, inner, false);
                    for _ in 0..rounds {
                        b.mixer(attention.mixer());
                    }
                    b.linear("mlp.gate_up_proj", Role::Mlp, 2 * width, hidden, false);
                    b.linear("mlp.down_proj", Role::Mlp, hidden, width, false);
                    b.feed_forward(FeedForward::Dense { width });
                });
            }
        }
    });
    let head = Head {
        name: model.frame.head,
        vocabulary: model.frame.vocabulary,
        hidden,
        bias: false,
        tied: model.frame.is_tied(fields, place)?,
    };
    place.top(b, fields, &head)
}
