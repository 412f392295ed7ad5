//! Mamba, Mamba 2 and Falcon Mamba: nothing but state spaces.
//!
//! Source: transformers `models/mamba`, `models/mamba2` and `models/falcon_mamba`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::mamba::{Mamba1, Mamba2, state_dtype, time_step_rank};
use crate::architecture::place::Place;

/// Mamba.
pub const FAMILY: Family = Family {
    name: "mamba",
    model_types: &["falcon_mamba", "mamba", "mamba2"],
    lower,
    text: Some(text),
};

/// The mixer of all layers.
#[derive(Clone, Copy, PartialEq)]
enum Mixer {
    First(Mamba1),
    Second(Mamba2),
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "backbone.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("mamba2");
    let frame = Frame {
        embedding: "embeddings",
        norm: Some(("norm_f", false)),
        tied: !second,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let mixer = if second {
        Mixer::Second(second_mixer(fields, hidden)?)
    } else {
        Mixer::First(first_mixer(fields, hidden)?)
    };
    let layers = fields.repeats("num_hidden_layers")?;
    frame.add(b, fields, place, (0..layers).map(|_| mixer), |b, mixer| {
        b.scope("mixer.", |b| match mixer {
            Mixer::First(mixer) => mixer.add(b),
            Mixer::Second(mixer) => mixer.add(b),
        });
        b.norm("norm", hidden, false);
        Ok(())
    })
}

fn first_mixer(fields: &Fields<'_>, hidden: u64) -> Result<Mamba1> {
    // Falcon Mamba says 16 of the expansion and means the inner size that it also says.
    let inner = match fields.opt_size("intermediate_size")? {
        Some(inner) => inner,
        None => hidden * fields.size_or("expand", 2)?,
    };
    Ok(Mamba1 {
        hidden,
        inner,
        state: fields.size_or("state_size", 16)?,
        rank: time_step_rank(fields, "time_step_rank", hidden)?,
        kernel: fields.size_or("conv_kernel", 4)?,
        convolution_bias: fields.flag_or("use_conv_bias", true)?,
        bias: fields.flag_or("use_bias", false)?,
        norms: false,
    })
}

fn second_mixer(fields: &Fields<'_>, hidden: u64) -> Result<Mamba2> {
    let heads = fields.size_or("num_heads", 128)?;
    let head_dim = fields.size_or("head_dim", 64)?;
    let expand = fields.size_or("expand", 2)?;
    if hidden * expand != heads * head_dim {
        return Err(fields.error(
            "num_heads",
            format!(
                "{heads} heads of {head_dim} are not hidden_size {hidden} times expand {expand}"
            ),
        ));
    }
    let groups = fields.size_or("n_groups", 8)?;
    fields.divide("num_heads", heads, "n_groups", groups)?;
    let bias = fields.flag_or("use_bias", false)?;
    Ok(Mamba2 {
        hidden,
        heads,
        head_dim,
        groups,
        state: fields.size_or("state_size", 128)?,
        kernel: fields.size_or("conv_kernel", 4)?,
        convolution_bias: fields.flag_or("use_conv_bias", true)?,
        bias: [bias; 2],
        norm: true,
        dtype: state_dtype(fields)?,
    })
}
