//! Command R: attention and network side by side behind one norm, and a tied head.
//!
//! Source: transformers `models/cohere` and `models/cohere2`.

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, refuse_foreign};
use crate::architecture::place::Place;

/// Command R and Command R7B or A.
pub const FAMILY: Family = Family {
    name: "cohere",
    model_types: &["cohere", "cohere2"],
    lower,
    text: Some(text),
};

const DEFAULTS: Defaults = Defaults::new(256_000, 8192, 22_528, 40, 64).tied();

fn second(fields: &Fields<'_>) -> Result<bool> {
    Ok(fields.opt_text("model_type")? == Some("cohere2"))
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stem = if second(fields)? { "Cohere2" } else { "Cohere" };
    text(
        b,
        fields,
        &Place::of_class(fields, &[stem], "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let second = second(fields)?;
    let mut model = Dense::read(fields, &DEFAULTS)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.norms = &["input_layernorm"];
    let reaches = if second {
        refuse_foreign(fields, &["attention_bias"])?;
        let window = dense::window(fields, Some(4096))?;
        let period = fields.opt_size("sliding_window_pattern")?.unwrap_or(4);
        dense::reaches(fields, model.layers, window, |layer| {
            !(layer + 1).is_multiple_of(period)
        })?
    } else {
        refuse_foreign(fields, &["attention_bias", "use_qk_norm"])?;
        if fields.flag_or("use_qk_norm", false)? {
            model.attention.norm = HeadNorm::EachHead;
        }
        dense::reaches(fields, model.layers, None, |_| false)?
    };
    model.add(b, fields, place, reaches)
}
