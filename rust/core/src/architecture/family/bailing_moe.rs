//! Ling and Ring, 1 and 2: attention with queries, keys and values in one, experts with shared ones.
//!
//! Source: the model code that inclusionAI publishes with them, `modeling_bailing_moe.py` and
//! `modeling_bailing_moe_v2.py`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, dense};
use crate::architecture::place::{Place, class};
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts, sparse_layers};

/// Ling 1 and 2.
pub const FAMILY: Family = Family {
    name: "bailing-moe",
    model_types: &["bailing_moe", "bailing_moe_v2"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    if class(fields)?.is_some_and(|class| class.contains("Linear")) {
        let message = "Ling with linear attention is not known";
        return Err(fields.error("architectures", message));
    }
    let frame = Frame {
        embedding: "word_embeddings",
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let mut attention = Attention::read(fields, hidden)?;
    attention.names = ["query_key_value", "", "", "dense"];
    attention.fused = true;
    attention.bias = fields.flag_or("use_qkv_bias", false)?;
    attention.output_bias = fields.flag_or("use_bias", false)?;
    attention.norm_names = ["query_layernorm", "key_layernorm"];
    if fields.opt_flag("use_qk_norm")?.unwrap_or(false) {
        attention.norm = HeadNorm::PerHead;
    }
    let layers = fields.repeats("num_hidden_layers")?;
    let width = fields.size("intermediate_size")?;
    let moe = moe(fields, hidden)?;
    let sparse = sparse_layers(fields, layers, 0)?;
    frame.add(b, fields, place, sparse, |b, &sparse| {
        b.scope("attention.", |b| attention.add(b));
        if sparse {
            b.scope("mlp.", |b| moe.add(b));
        } else {
            dense(b, "mlp.", hidden, width, false);
        }
        b.norm("input_layernorm", hidden, false);
        b.norm("post_attention_layernorm", hidden, false);
        Ok(())
    })?;
    prediction::left_out(fields)
}

fn moe(fields: &Fields<'_>, hidden: u64) -> Result<Experts<'static>> {
    // All of these are required, so that the defaults never count.
    let defaults = sparse::Defaults {
        experts: fields.repeats("num_experts")?,
        chosen: fields.size("num_experts_per_tok")?,
        width: fields.size("moe_intermediate_size")?,
        shared: 0,
        dense: 0,
    };
    let mut moe = experts(fields, hidden, &defaults)?;
    if let Some(width) = fields.opt_size("moe_shared_expert_intermediate_size")? {
        let shared = fields.repeats_or("num_shared_experts|n_shared_experts", 0)?;
        moe.shared = (shared > 0).then_some((shared * width, "shared_experts."));
    }
    if fields
        .opt_flag("moe_router_enable_expert_bias")?
        .unwrap_or(false)
    {
        moe.correction = Some("gate.expert_bias");
    }
    Ok(moe)
}
