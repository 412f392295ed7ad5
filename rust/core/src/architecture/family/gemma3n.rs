//! The text model of Gemma 3n: several residual streams (`AltUp`), low-rank residuals (`LAuReL`), inputs for each layer,
//! shared keys and values in the last layers.
//!
//! Source: transformers `models/gemma3n`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result, SIZE_LIMIT};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::dense;
use crate::architecture::layer::Reach;
use crate::architecture::place::{Place, saved_by};
use crate::architecture::sharing::{LayerInputs, sources};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;
use serde_json::Value;

/// The text model of Gemma 3n.
pub const FAMILY: Family = Family {
    name: "gemma3n",
    model_types: &["gemma3n_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let layers = fields.repeats("num_hidden_layers")?;
    let mut attention = Attention::read_with(fields, hidden, Some(256), Some(2))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = HeadNorm::PerHead;
    let window = fields.size_or("sliding_window", 512)?;
    let reaches = reaches(fields, layers, Some(window), |layer| {
        if (layer + 1).is_multiple_of(5) {
            Reach::Full
        } else {
            Reach::Sliding(window)
        }
    })?;
    let sources = sources(fields, &reaches, 15)?;
    // Before version 5, transformers made keys and values also for layers that use those of another, and the published
    // files store them.
    let unused = saved_by(fields)?.is_none_or(|major| major < 5);
    let widths = widths(fields, layers)?;
    let inputs = LayerInputs {
        hidden,
        width: fields.size_or("hidden_size_per_layer_input", 256)?,
        vocabulary: fields.size_or("vocab_size_per_layer_input", 262_144)?,
        layers,
    };
    let streams = fields.repeats_or("altup_num_inputs", 4)?;
    let rank = fields.size_or("laurel_rank", 64)?;
    let plans = reaches.into_iter().zip(sources).zip(widths);
    frame.add(
        b,
        fields,
        place,
        plans,
        |b, &((reach, shared_with), width)| {
            b.scope("self_attn.", |b| {
                Attention {
                    reach,
                    shared_with,
                    ..attention.clone()
                }
                .add(b);
                if shared_with.is_some() && unused {
                    let keys = attention.kv_heads * attention.head_dim;
                    b.linear("k_proj", Role::Attention, keys, hidden, bias);
                    b.linear("v_proj", Role::Attention, keys, hidden, bias);
                    b.norm("k_norm", attention.head_dim, false);
                }
            });
            dense(b, "mlp.", hidden, width, false);
            for norm in [
                "input_layernorm",
                "post_attention_layernorm",
                "pre_feedforward_layernorm",
                "post_feedforward_layernorm",
            ] {
                b.norm(norm, hidden, false);
            }
            b.scope("altup.", |b| streams_of_layer(b, hidden, streams));
            b.scope("laurel.", |b| {
                b.linear("linear_left", Role::Mlp, rank, hidden, false);
                b.linear("linear_right", Role::Mlp, hidden, rank, false);
                b.norm("post_laurel_norm", hidden, false);
            });
            inputs.add_to_layer(b);
            Ok(())
        },
    )?;
    // `COUNT_LIMIT` bounds the streams.
    let others = Numbers::Below(u32::try_from(streams.saturating_sub(1)).unwrap_or(u32::MAX));
    b.scope(place.model, |b| {
        inputs.add(b);
        for (name, role) in [
            ("altup_projections", Role::Embedding),
            ("altup_unembed_projections", Role::Head),
        ] {
            b.each(name, others.clone(), |b| {
                b.tensor("weight", role, &[hidden, hidden]);
            });
        }
    });
    Ok(())
}

/// How a layer mixes its residual streams.
fn streams_of_layer(b: &mut Builder, hidden: u64, streams: u64) {
    b.tensor("correct_output_scale", Role::Norm, &[hidden]);
    b.linear("correction_coefs", Role::Norm, streams, streams, false);
    b.linear(
        "prediction_coefs",
        Role::Norm,
        streams * streams,
        streams,
        false,
    );
    b.linear("modality_router", Role::Norm, streams, hidden, false);
    b.norm("router_norm", hidden, false);
}

/// The inner width of every layer, which is given once for all or in a list.
fn widths(fields: &Fields<'_>, layers: u64) -> Result<Vec<u64>> {
    const NAME: &str = "intermediate_size";
    let count = usize::try_from(layers.min(COUNT_LIMIT)).unwrap_or(usize::MAX);
    if !fields.value(NAME).is_some_and(Value::is_array) {
        return Ok(vec![fields.size_or(NAME, 16384)?; count]);
    }
    let widths = fields.opt_counts(NAME)?.unwrap_or_default();
    if widths.len() != count {
        let given = widths.len();
        return Err(fields.error(NAME, format!("has {given} items for {layers} layers")));
    }
    match widths
        .iter()
        .find(|&&width| width == 0 || width > SIZE_LIMIT)
    {
        Some(wrong) => {
            Err(fields.error(NAME, format!("an item is {wrong}, which no layer can have")))
        }
        None => Ok(widths),
    }
}
