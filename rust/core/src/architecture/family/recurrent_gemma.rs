//! Recurrent Gemma: gated linear recurrences, and attention within a window.
//!
//! Source: transformers `models/recurrent_gemma`, which names both kinds of mixer `temporal_block`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::hybrid::{Kind, kind};
use crate::architecture::layer::{Convolution, Mixer, Reach, Recurrence, StateDtype};
use crate::architecture::mamba::convolution;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// Recurrent Gemma.
pub const FAMILY: Family = Family {
    name: "recurrent-gemma",
    model_types: &["recurrent_gemma"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        norm: Some(("final_norm", false)),
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let attention = attention(fields, hidden)?;
    let recurrence = Rglru {
        hidden,
        width: fields.size_from("lru_width", hidden, "not in the config: hidden_size")?,
        heads: attention.heads,
        kernel: fields.size_or("conv1d_width", 4)?,
    };
    let block = fields.divide(
        "lru_width",
        recurrence.width,
        "num_attention_heads",
        recurrence.heads,
    )?;
    // The two matrices in are each half as wide as the field says.
    let width = fields.divide(
        "intermediate_size",
        fields.size("intermediate_size")?,
        "",
        2,
    )?;
    let layers = fields.repeats("num_hidden_layers")?;
    let pattern: Vec<Kind> = match fields.opt_texts("block_types|_block_types")? {
        Some(names) if !names.is_empty() => names
            .into_iter()
            .map(|name| kind(fields, "block_types", name))
            .collect::<Result<_>>()?,
        _ => {
            fields.assume(
                "block_types",
                "recurrent, recurrent, attention",
                "not in the config; the default of its model class",
            );
            vec![Kind::State, Kind::State, Kind::Attention]
        }
    };
    let kinds = pattern
        .iter()
        .copied()
        .cycle()
        .zip(0..layers)
        .map(|(kind, _)| kind);
    frame.add(b, fields, place, kinds, |b, &kind| {
        b.scope("temporal_block.", |b| match kind {
            Kind::Attention => attention.add(b),
            Kind::State => recurrence.add(b, block),
        });
        dense(b, "mlp_block.", hidden, width, true);
        b.norm("temporal_pre_norm", hidden, false);
        b.norm("channel_pre_norm", hidden, false);
        Ok(())
    })
}

fn attention(fields: &Fields<'_>, hidden: u64) -> Result<Attention<'static>> {
    let attention = Attention::read(fields, hidden)?;
    Ok(Attention {
        bias: fields.flag_or("attention_bias", false)?,
        output_bias: true,
        reach: Reach::Sliding(fields.size_or("attention_window_size|sliding_window", 2048)?),
        ..attention
    })
}

/// The recurrent block: a convolution, then a real-gated linear recurrent unit.
struct Rglru {
    hidden: u64,
    width: u64,
    heads: u64,
    kernel: u64,
}

impl Rglru {
    fn add(&self, b: &mut Builder, block: u64) {
        let role = Role::State;
        let Self {
            hidden,
            width,
            heads,
            kernel,
        } = *self;
        b.linear("linear_y", role, width, hidden, true);
        b.linear("linear_x", role, width, hidden, true);
        b.linear("linear_out", role, hidden, width, true);
        convolution(b, "conv_1d", width, kernel, true);
        b.scope("rg_lru.", |b| {
            b.tensor("recurrent_param", role, &[width]);
            for gate in ["input_gate", "recurrent_gate"] {
                b.tensor(&format!("{gate}_weight"), role, &[heads, block, block]);
                b.tensor(&format!("{gate}_bias"), role, &[heads, block]);
            }
        });
        b.mixer(Mixer::State {
            recurrence: Recurrence::Rglru,
            heads,
            convolution: Convolution::new(width, kernel).tight(),
            recurrent: width,
            dtype: StateDtype::Float32,
        });
    }
}
