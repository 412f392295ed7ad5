//! Falcon: one head of keys and values (7B), groups of them with two norms (40B, 180B), or plain heads (RW).
//!
//! Source: transformers `models/falcon`. The first configs say `RefinedWebModel` (7B, RW) and `RefinedWeb` (40B) and
//! count in `n_head`, `n_layer` and `n_head_kv`; their code is that of the repositories' `modelling_RW.py`.
//! What is kept per token is what the config says of heads; transformers copies keys and values of the new decoder
//! to all heads before it keeps them.

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

/// Falcon.
pub const FAMILY: Family = Family {
    name: "falcon",
    model_types: &["RefinedWeb", "RefinedWebModel", "falcon"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "transformer.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("hidden_size|n_embed")?;
    let heads = fields.size("num_attention_heads|n_head")?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let new = match fields.opt_text("model_type")? {
        // The code of the first 40B has groups whatever the config says.
        Some("RefinedWeb") => true,
        _ => fields.flag_or("new_decoder_architecture", false)?,
    };
    let kv_heads = if new {
        let kv_heads = fields.size_from(
            "num_kv_heads|n_head_kv",
            heads,
            "not in the config: every query head has its own keys and values",
        )?;
        fields.divide("num_attention_heads", heads, "num_kv_heads", kv_heads)?;
        kv_heads
    } else if fields.flag_or("multi_query", true)? {
        1
    } else {
        heads
    };
    let bias = fields.flag_or("bias", false)?;
    let attention = Attention {
        kv_heads,
        fused: true,
        bias,
        output_bias: bias,
        ..Attention::of_heads(
            ["query_key_value", "", "", "dense"],
            hidden,
            heads,
            head_dim,
            false,
        )
    };
    let norms = norms(fields, new)?;
    let width = classic::inner(fields, "ffn_hidden_size", hidden, 4)?;
    let layers = fields.repeats("num_hidden_layers|n_layer")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "word_embeddings",
        stack: "h",
        norm: Some(("ln_f", true)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        for norm in norms {
            b.norm(norm, hidden, true);
        }
        b.scope("self_attention.", |b| attention.add(b));
        let names = ["dense_h_to_4h", "dense_4h_to_h"];
        b.scope("mlp.", |b| {
            plain(b, names, Role::Mlp, hidden, width, bias);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}

/// The norms of a layer: one for both branches when they run side by side, two in the new decoder or when they
/// follow each other.
fn norms(fields: &Fields<'_>, new: bool) -> Result<&'static [&'static str]> {
    let beside = fields.flag_or("parallel_attn", true)?;
    let own = match fields.opt_count("num_ln_in_parallel_attn")? {
        Some(norms) => norms == 2,
        None => new,
    };
    Ok(if !beside {
        &["input_layernorm", "post_attention_layernorm"]
    } else if own {
        &["ln_attn", "ln_mlp"]
    } else {
        &["input_layernorm"]
    })
}
