//! Command A with experts: attention and experts side by side behind one norm, windows in three of four layers.
//!
//! Source: transformers `models/cohere2_moe`.

use super::Family;
use crate::architecture::attention::{Attention, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::Place;

/// Command A with experts.
pub const FAMILY: Family = Family {
    name: "cohere-moe",
    model_types: &["cohere2_moe"],
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
    let mut attention = Attention::read_with_head_dim(fields, hidden, Some(128))?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let width = fields.size("intermediate_size")?;
    let shared = fields.repeats_or("num_shared_experts", 0)?;
    let experts = Experts {
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 8)?,
            fields.size_or("num_experts_per_tok", 2)?,
            width,
        )
    };
    let dense = fields
        .opt_size("prefix_dense_intermediate_size")?
        .unwrap_or(width);
    let mixture = Mixture {
        norms: &["input_layernorm"],
        ..Mixture::new(attention, experts, Some(dense))
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let first = fields.count_or("first_k_dense_replace", 0)?;
    let window = fields.size_or("sliding_window", 4096)?;
    let before = fields.size_or("prefix_dense_sliding_window_pattern", 1)?;
    let after = fields.size_or("sliding_window_pattern", 4)?;
    let reaches = reaches(fields, layers, Some(window), |layer| {
        // The dense layers at the start count by themselves.
        let (number, pattern) = match layer.checked_sub(first) {
            Some(layer) => (layer + 1, after),
            None => (layer + 1, before),
        };
        if number.is_multiple_of(pattern) {
            Reach::Full
        } else {
            Reach::Sliding(window)
        }
    })?;
    let sparse = sparse_layers(fields, layers, |layer| layer >= first)?;
    mixture.add(b, fields, place, &frame, reaches.into_iter().zip(sparse))
}
