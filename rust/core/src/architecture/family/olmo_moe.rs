//! OLMo with experts: `OLMoE`, and `FlexOlmo`, which norms behind the blocks instead of before them.
//!
//! Source: transformers `models/olmoe` and `models/flex_olmo`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// OLMo with experts.
pub const FAMILY: Family = Family {
    name: "olmo-moe",
    model_types: &["flex_olmo", "olmoe"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let flexible = fields.opt_text("model_type")? == Some("flex_olmo");
    let (experts, chosen) = if flexible { (7, 5) } else { (64, 8) };
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    attention.norm = HeadNorm::Whole;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    let experts = Experts::new(
        hidden,
        fields.repeats_or("num_experts|num_local_experts", experts)?,
        fields.size_or("num_experts_per_tok", chosen)?,
        fields.size("intermediate_size")?,
    );
    let mixture = Mixture {
        norms: if flexible {
            &["post_attention_layernorm", "post_feedforward_layernorm"]
        } else {
            &["input_layernorm", "post_attention_layernorm"]
        },
        ..Mixture::new(attention, experts, None)
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = (0..layers).map(|_| (Reach::Full, true));
    mixture.add(b, fields, place, &frame, plans)
}
