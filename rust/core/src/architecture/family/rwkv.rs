//! RWKV 4: time mixing and channel mixing, both of which look at the token before.
//!
//! Source: transformers `models/rwkv`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Recurrence, StateDtype};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// RWKV 4.
pub const FAMILY: Family = Family {
    name: "rwkv",
    model_types: &["rwkv"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "rwkv.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        embedding: "embeddings",
        stack: "blocks",
        norm: Some(("ln_out", true)),
        head: "head",
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let inner = fields.size_from(
        "attention_hidden_size",
        hidden,
        "not in the config: hidden_size",
    )?;
    let width = fields.size_from(
        "intermediate_size",
        4 * hidden,
        "not in the config: four times hidden_size",
    )?;
    let layers = fields.repeats("num_hidden_layers")?;
    let firsts = (0..layers).map(|layer| layer == 0);
    frame.add(b, fields, place, firsts, |b, &first| {
        if first {
            b.norm("pre_ln", hidden, true);
        }
        b.norm("ln1", hidden, true);
        b.norm("ln2", hidden, true);
        b.scope("attention.", |b| {
            let role = Role::State;
            b.tensor("time_decay", role, &[inner]);
            b.tensor("time_first", role, &[inner]);
            for name in ["time_mix_key", "time_mix_value", "time_mix_receptance"] {
                b.tensor(name, role, &[1, 1, hidden]);
            }
            for name in ["key", "value", "receptance"] {
                b.linear(name, role, inner, hidden, false);
            }
            b.linear("output", role, hidden, inner, false);
        });
        b.scope("feed_forward.", |b| {
            let role = Role::Mlp;
            b.tensor("time_mix_key", role, &[1, 1, hidden]);
            b.tensor("time_mix_receptance", role, &[1, 1, hidden]);
            b.linear("key", role, width, hidden, false);
            b.linear("receptance", role, hidden, hidden, false);
            b.linear("value", role, hidden, width, false);
        });
        // Both mixings keep the token before; numerator, denominator and maximum are kept in 32 bits.
        b.mixer(Mixer::State {
            recurrence: Recurrence::Rwkv,
            heads: 0,
            convolution: Convolution::new(2 * hidden, 2).tight(),
            recurrent: 3 * inner,
            dtype: StateDtype::Float32,
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
