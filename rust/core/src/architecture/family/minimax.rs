//! MiniMax-01 and M1: lightning attention, softmax attention in every eighth layer, and experts.
//!
//! Sources: transformers `models/minimax`; for the model types of the published files, the code published with
//! MiniMax-Text-01 (`modeling_minimax_text_01.py`), which does not store its tables of decay.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::Experts;
use crate::architecture::feed_forward::Layout;
use crate::architecture::hybrid::{Kind, attends_if, kinds};
use crate::architecture::layer::Reach;
use crate::architecture::lightning::Lightning;
use crate::architecture::place::Place;

/// MiniMax with lightning attention.
pub const FAMILY: Family = Family {
    name: "minimax",
    model_types: &["minimax", "minimax_m1", "minimax_text_01"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let ported = !matches!(
        fields.opt_text("model_type")?,
        Some("minimax_m1" | "minimax_text_01")
    );
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    if let Some(window) = fields.opt_size("sliding_window")? {
        attention.reach = Reach::Sliding(window);
    }
    let lightning = Lightning {
        hidden,
        heads: attention.heads,
        head_dim: attention.head_dim,
        tables: if ported {
            Some(fields.size_or("block_size", 256)?)
        } else {
            None
        },
    };
    if fields
        .opt_count("shared_intermediate_size")?
        .is_some_and(|width| width > 0)
    {
        return Err(fields.error(
            "shared_intermediate_size",
            "is not 0, and no model with a shared expert is known",
        ));
    }
    let experts = Experts {
        layout: Layout::Each(["w1", "w3", "w2"]),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts|num_experts", 8)?,
            fields.size_or("num_experts_per_tok", 2)?,
            fields.size("intermediate_size")?,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let kinds = layer_kinds(fields, layers)?;
    frame.add(b, fields, place, kinds, |b, &kind| {
        b.scope("self_attn.", |b| match kind {
            Kind::Attention => attention.add(b),
            Kind::State => lightning.add(b),
        });
        b.scope("block_sparse_moe.", |b| experts.add(b));
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })
}

/// The published configs have a number per layer, 1 where it attends; transformers has names, and by default attends
/// in every other layer.
fn layer_kinds(fields: &Fields<'_>, layers: u64) -> Result<Vec<Kind>> {
    let name = "attn_type_list";
    if !fields.has("layer_types")
        && let Some(mut numbers) = fields.opt_counts(name)?
    {
        let given = numbers.len() as u64;
        if given < layers {
            return Err(fields.error(name, format!("has {given} items for {layers} layers")));
        }
        numbers.truncate(usize::try_from(layers).unwrap_or(usize::MAX));
        let kind = |number| match number {
            0 => Ok(Kind::State),
            1 => Ok(Kind::Attention),
            other => Err(fields.error(
                name,
                format!("{other} is not a kind of attention this family has"),
            )),
        };
        return numbers.into_iter().map(kind).collect();
    }
    kinds(fields, "layer_types", layers, |layer| {
        attends_if(layer.is_multiple_of(2))
    })
}
