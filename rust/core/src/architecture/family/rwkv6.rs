//! RWKV 6 (Finch): a matrix of memory per head, which forgets as the token says.
//!
//! Source: the code published with `RWKV/v6-Finch-*-HF` (`modeling_rwkv6.py`). The FLA library has a model of the same
//! type with other names, which is told by its class and is not derived.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Recurrence, StateDtype};
use crate::architecture::place::{Place, class};
use crate::checkpoint::Role;

/// RWKV 6.
pub const FAMILY: Family = Family {
    name: "rwkv6",
    model_types: &["rwkv6"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if class(fields)?.is_some_and(|class| class.starts_with("RWKV6")) {
        return Err(fields.error(
            "architectures",
            "names the class of the FLA library, whose names are not known here",
        ));
    }
    let place = Place::whole(fields, "rwkv.")?;
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
    let head_dim = fields.size_or("head_size", 64)?;
    let heads = fields.divide("attention_hidden_size", inner, "head_size", head_dim)?;
    let width = fields.size_from(
        "intermediate_size",
        7 * hidden / 2 / 32 * 32,
        "not in the config: 3.5 times hidden_size, rounded down to a multiple of 32",
    )?;
    // The code takes these ranks by the width of its largest model.
    let [mix, decay] = if hidden == 4096 { [64, 128] } else { [32, 64] };
    let layers = fields.repeats("num_hidden_layers")?;
    let firsts = (0..layers).map(|layer| layer == 0);
    frame.add(b, fields, &place, firsts, |b, &first| {
        if first {
            b.norm("pre_ln", hidden, true);
        }
        b.norm("ln1", hidden, true);
        b.norm("ln2", hidden, true);
        b.scope("attention.", |b| {
            let role = Role::State;
            for of in ["x", "w", "k", "v", "r", "g"] {
                b.tensor(&format!("time_maa_{of}"), role, &[1, 1, hidden]);
            }
            b.tensor("time_maa_w1", role, &[hidden, 5 * mix]);
            b.tensor("time_maa_w2", role, &[5, mix, hidden]);
            b.tensor("time_decay", role, &[1, 1, inner]);
            b.tensor("time_decay_w1", role, &[hidden, decay]);
            b.tensor("time_decay_w2", role, &[decay, inner]);
            b.tensor("time_faaaa", role, &[heads, head_dim]);
            for name in ["receptance", "key", "value", "gate"] {
                b.linear(name, role, inner, hidden, false);
            }
            b.linear("output", role, hidden, inner, false);
            b.norm("ln_x", hidden, true);
        });
        b.scope("feed_forward.", |b| {
            let role = Role::Mlp;
            b.tensor("time_maa_k", role, &[1, 1, hidden]);
            b.tensor("time_maa_r", role, &[1, 1, hidden]);
            b.linear("key", role, width, hidden, false);
            b.linear("receptance", role, hidden, hidden, false);
            b.linear("value", role, hidden, width, false);
        });
        b.mixer(Mixer::State {
            recurrence: Recurrence::Rwkv,
            heads,
            // Both mixings keep the token before.
            convolution: Convolution::new(2 * hidden, 2).tight(),
            recurrent: inner * head_dim,
            dtype: StateDtype::Float32,
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
