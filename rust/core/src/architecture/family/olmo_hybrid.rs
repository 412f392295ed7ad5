//! OLMo Hybrid: gated delta nets in the names of the FLA library, and attention normed as in OLMo 2.
//!
//! Source: transformers `models/olmo_hybrid`, and its `conversion_mapping.py` for the names of the published files. What
//! transformers 5 saves anew cuts the convolutions of queries, keys and values into equal thirds, which they are not.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{DeltaNet, Projections};
use crate::architecture::feed_forward::dense;
use crate::architecture::hybrid::{Kind, attends_if, kinds};
use crate::architecture::layer::StateDtype;
use crate::architecture::place::Place;

/// OLMo Hybrid.
pub const FAMILY: Family = Family {
    name: "olmo-hybrid",
    model_types: &["olmo_hybrid"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let bias = fields.flag_or("attention_bias", false)?;
    let attention = Attention {
        bias,
        output_bias: bias,
        norm: HeadNorm::Whole,
        ..Attention::read(fields, hidden)?
    };
    let delta = delta_net(fields, hidden, attention.heads)?;
    let width = fields.size("intermediate_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let kinds = kinds(fields, "layer_types", layers, |layer| {
        // A model of less than four layers attends in its last.
        attends_if(layer % 4 == 3 || (layers < 4 && layer + 1 == layers))
    })?;
    frame.add(b, fields, place, kinds, |b, &kind| {
        let norms = match kind {
            Kind::Attention => {
                b.scope("self_attn.", |b| attention.add(b));
                ["post_attention_layernorm", "post_feedforward_layernorm"]
            }
            Kind::State => {
                b.scope("linear_attn.", |b| delta.add(b));
                ["attention_layer_norm", "feedforward_layer_norm"]
            }
        };
        dense(b, "mlp.", hidden, width, false);
        for norm in norms {
            b.norm(norm, hidden, false);
        }
        Ok(())
    })
}

fn delta_net(fields: &Fields<'_>, hidden: u64, heads: u64) -> Result<DeltaNet> {
    let as_many = "not in the config: as many as query heads";
    let key_heads = fields.size_from("linear_num_key_heads", heads, as_many)?;
    let value_heads = fields.size_from("linear_num_value_heads", heads, as_many)?;
    fields.divide(
        "linear_num_value_heads",
        value_heads,
        "linear_num_key_heads",
        key_heads,
    )?;
    let three_quarters = (3 * hidden / (4 * key_heads)).max(1);
    let key_dim = fields.size_or("linear_key_head_dim", three_quarters)?;
    Ok(DeltaNet {
        hidden,
        key_heads,
        value_heads,
        key_dim,
        value_dim: fields.size_from(
            "linear_value_head_dim",
            2 * key_dim,
            "not in the config: twice the key's",
        )?,
        kernel: fields.size_or("linear_conv_kernel_dim", 4)?,
        projections: Projections::Separate,
        dtype: StateDtype::Float32,
    })
}
