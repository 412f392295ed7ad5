//! Baichuan 1 and 2: Llama with queries, keys and values in one matrix. The larger ones bias attention by distance
//! instead of rotating, which needs no tensors.
//!
//! Source: `modeling_baichuan.py` beside the published checkpoints.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, refuse_foreign};
use crate::architecture::place::Place;

/// Baichuan 1 and 2.
pub const FAMILY: Family = Family {
    name: "baichuan",
    model_types: &["baichuan"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let stems = ["Baichuan", "BaiChuan"];
    text(
        b,
        fields,
        &Place::of_class(fields, &stems, "model.", "model.")?,
    )
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &[])?;
    let mut model = Dense::read(fields, &Defaults::new(125_696, 4096, 11_008, 32, 32))?;
    if model.attention.kv_heads != model.attention.heads {
        return Err(fields.error(
            "num_key_value_heads",
            "differs from num_attention_heads, and the fused matrix of this model has equal parts",
        ));
    }
    model.attention = Attention {
        names: ["W_pack", "", "", "o_proj"],
        fused: true,
        ..model.attention
    };
    model.add(b, fields, place, model.full())
}
