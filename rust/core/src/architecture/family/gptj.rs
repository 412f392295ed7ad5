//! GPT-J and CodeGen: one norm for attention and feed-forward, which run side by side, and a head with a bias.
//!
//! Source: transformers `models/gptj` and `models/codegen`, which fuses queries, keys and values.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// GPT-J and CodeGen.
pub const FAMILY: Family = Family {
    name: "gptj",
    model_types: &["codegen", "gptj"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "transformer.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("n_embd|hidden_size")?;
    let heads = fields.size("n_head|num_attention_heads")?;
    let head_dim = fields.divide("n_embd", hidden, "n_head", heads)?;
    let fused = fields.opt_text("model_type")? == Some("codegen");
    let query = if fused { "qkv_proj" } else { "q_proj" };
    let attention = Attention {
        fused,
        ..Attention::of_heads(
            [query, "k_proj", "v_proj", "out_proj"],
            hidden,
            heads,
            head_dim,
            false,
        )
    };
    let width = classic::inner(fields, "n_inner", hidden, 4)?;
    let layers = fields.repeats("n_layer|num_hidden_layers")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "wte",
        stack: "h",
        norm: Some(("ln_f", true)),
        head: "lm_head",
        head_bias: true,
        tied: false,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.norm("ln_1", hidden, true);
        b.scope("attn.", |b| attention.add(b));
        b.scope("mlp.", |b| {
            plain(b, ["fc_in", "fc_out"], Role::Mlp, hidden, width, true);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
