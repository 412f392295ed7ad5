//! MPT: ALiBi, no biases, norms without biases.
//!
//! Source: transformers `models/mpt`. Its class has heads of the plain kind, ALiBi, and a feed-forward of four times
//! the width. What MosaicML's own code can do beyond that (fewer heads of keys and values, learned positions, norms
//! of queries and keys, biases) is refused rather than guessed.

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

/// MPT.
pub const FAMILY: Family = Family {
    name: "mpt",
    model_types: &["mpt"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, "transformer.", text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let hidden = fields.size("d_model|hidden_size")?;
    let heads = fields.size("n_heads|num_attention_heads")?;
    let head_dim = fields.divide("d_model", hidden, "n_heads", heads)?;
    refuse(fields, heads)?;
    let attention = Attention {
        fused: true,
        ..Attention::of_heads(["Wqkv", "", "", "out_proj"], hidden, heads, head_dim, false)
    };
    let width = 4 * hidden;
    let layers = fields.repeats("n_layers|num_hidden_layers")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "wte",
        stack: "blocks",
        norm: Some(("norm_f", false)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        b.norm("norm_1", hidden, false);
        b.scope("attn.", |b| attention.add(b));
        b.norm("norm_2", hidden, false);
        b.scope("ffn.", |b| {
            plain(b, ["up_proj", "down_proj"], Role::Mlp, hidden, width, false);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}

/// Fails where the config asks for what the class does not have.
fn refuse(fields: &Fields<'_>, heads: u64) -> Result<()> {
    const OTHER: &str = "asks for a model that the MPT of transformers does not build";
    if fields.size_or("expansion_ratio", 4)? != 4 {
        return Err(fields.error("expansion_ratio", OTHER));
    }
    if !fields.flag_or("no_bias", true)? {
        return Err(fields.error("no_bias", OTHER));
    }
    let Some(attention) = fields.opt_object("attn_config")? else {
        return Ok(());
    };
    if attention
        .opt_text("attn_type")?
        .is_some_and(|kind| kind != "multihead_attention")
    {
        return Err(attention.error("attn_type", OTHER));
    }
    if attention
        .opt_size("kv_n_heads")?
        .is_some_and(|kv_heads| kv_heads != heads)
    {
        return Err(attention.error("kv_n_heads", OTHER));
    }
    for (flag, has) in [
        ("alibi", true),
        ("rope", false),
        ("qk_ln", false),
        ("qk_gn", false),
    ] {
        if attention.opt_flag(flag)?.is_some_and(|said| said != has) {
            return Err(attention.error(flag, OTHER));
        }
    }
    Ok(())
}
