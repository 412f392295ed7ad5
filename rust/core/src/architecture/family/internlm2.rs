//! InternLM 2 and 2.5: Llama under other names, with queries, keys and values in one matrix, group by group.
//!
//! Source: `modeling_internlm2.py` beside the published checkpoints, with the head of its reward models.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::{Place, Top, class};
use crate::checkpoint::Role;

/// InternLM 2 and 2.5.
pub const FAMILY: Family = Family {
    name: "internlm2",
    model_types: &["internlm2"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if class(fields)? != Some("InternLM2ForRewardModel") {
        let place = Place::of_class(fields, &["InternLM2"], "model.", "model.")?;
        return text(b, fields, &place);
    }
    let place = Place {
        model: "model.",
        head: "",
        top: Top::None,
        tied: None,
    };
    let hidden = model(fields)?.frame.hidden;
    text(b, fields, &place)?;
    b.linear("v_head", Role::Head, 1, hidden, false);
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let model = model(fields)?;
    model.add(b, fields, place, model.full())
}

fn model<'n>(fields: &Fields<'_>) -> Result<Dense<'n>> {
    refuse_foreign(fields, &["bias"])?;
    let mut model = Dense::read(fields, &Defaults::new(103_168, 4096, 11_008, 32, 32))?;
    model.frame.embedding = "tok_embeddings";
    model.frame.head = "output";
    let bias = fields.flag_or("bias", true)?;
    model.attention = Attention {
        names: ["wqkv", "", "", "wo"],
        fused: true,
        bias,
        output_bias: bias,
        ..model.attention
    };
    model.attention_prefix = "attention.";
    model.network = Network::Gated(["w1", "w3", "w2"]);
    model.network_prefix = "feed_forward.";
    model.norms = &["attention_norm", "ffn_norm"];
    Ok(model)
}
