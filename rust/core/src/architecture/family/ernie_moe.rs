//! ERNIE 4.5 with experts: experts in a range of layers, several shared ones, a learned correction of the router.
//!
//! Source: transformers `models/ernie4_5_moe`; the layer that predicts ahead from vLLM
//! `models/ernie_mtp.py`, which reads the published names.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::{Reach, Stack};
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;
use crate::architecture::prediction;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// ERNIE 4.5 with experts.
pub const FAMILY: Family = Family {
    name: "ernie-moe",
    model_types: &["ernie4_5_moe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let bias = fields.flag_or("use_bias", false)?;
    let frame = Frame {
        head_bias: bias,
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, None, Some(4))?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let width = fields.size_or("moe_intermediate_size", 1536)?;
    let shared = fields.repeats_or("moe_num_shared_experts", 2)?;
    let count = fields.repeats_or("moe_num_experts", 64)?;
    let experts = Experts {
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        shared_bias: bias,
        ..Experts::new(hidden, count, fields.size_or("moe_k", 6)?, width)
    };
    let mixture = Mixture {
        dense_bias: bias,
        ..Mixture::new(attention, experts, Some(fields.size("intermediate_size")?))
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let start = fields.count_or("moe_layer_start_index", 1)?;
    let end = end(fields, layers)?;
    let interval = fields.size_or("moe_layer_interval", 1)?;
    let sparse = (0..layers)
        .map(|layer| (layer + 1).is_multiple_of(interval) && (start..=end).contains(&layer));
    frame.add(b, fields, place, sparse, |b, &sparse| {
        mixture.block(b, fields, Reach::Full, sparse)?;
        if sparse {
            b.tensor(
                "mlp.moe_statics.e_score_correction_bias",
                Role::Router,
                &[1, count],
            );
        }
        Ok(())
    })?;
    let ahead = prediction::count(fields)?;
    if ahead == 0 {
        return Ok(());
    }
    let numbers = Numbers::Below(u32::try_from(ahead).unwrap_or(u32::MAX));
    b.scope(place.model, |b| {
        b.all_as(Role::Mtp, |b| {
            b.layers(Stack::Prediction, "mtp_block", &numbers, |b| {
                mixture.block(b, fields, Reach::Full, false)
            })?;
            b.each("mtp_emb_norm", numbers.clone(), |b| {
                b.tensor("weight", Role::Mtp, &[hidden]);
            });
            b.each("mtp_hidden_norm", numbers.clone(), |b| {
                b.tensor("weight", Role::Mtp, &[hidden]);
            });
            b.each("mtp_linear_proj", numbers, |b| {
                b.tensor("weight", Role::Mtp, &[hidden, 2 * hidden]);
            });
            Ok(())
        })
    })
}

/// The last layer with experts; -1, which is no count, stands for the last layer of all.
fn end(fields: &Fields<'_>, layers: u64) -> Result<u64> {
    const NAME: &str = "moe_layer_end_index";
    let last = layers.saturating_sub(1);
    if fields.opt_ratio(NAME)? == Some(-1.0) {
        return Ok(last);
    }
    fields.count_or(NAME, last)
}
