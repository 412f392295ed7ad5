//! GPT-NeoX and Pythia, the reward models made of them, and GPT-NeoX Japanese.
//!
//! Source: transformers `models/gpt_neox` and `models/gpt_neox_japanese`, in which only the last layer's attention
//! has a bias; for `gpt_neox_reward_model` the published `OpenAssistant/oasst-rm-2.1-pythia-1.4b-epoch-2.5`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::FeedForward;
use crate::architecture::place::{Place, Top, class};
use crate::checkpoint::Role;

/// GPT-NeoX and its kin.
pub const FAMILY: Family = Family {
    name: "gpt-neox",
    model_types: &["gpt_neox", "gpt_neox_japanese", "gpt_neox_reward_model"],
    lower,
    text: Some(text),
};

fn japanese(fields: &Fields<'_>) -> Result<bool> {
    Ok(fields.opt_text("model_type")? == Some("gpt_neox_japanese"))
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model = if japanese(fields)? {
        "gpt_neox_japanese."
    } else {
        "gpt_neox."
    };
    if class(fields)? != Some("GPTNeoXRewardModel") {
        return classic::whole(b, fields, model, text);
    }
    let place = Place {
        model,
        head: "",
        top: Top::None,
        tied: None,
    };
    text(b, fields, &place)?;
    // One number, the reward.
    b.linear("out_proj", Role::Head, 1, fields.size("hidden_size")?, true);
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let japanese = japanese(fields)?;
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let bias = !japanese && fields.flag_or("attention_bias", true)?;
    let attention = Attention {
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
    let width = if japanese {
        hidden * fields.size_or("intermediate_multiple_size", 4)?
    } else {
        fields.size("intermediate_size")?
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: "embed_in",
        stack: "layers",
        norm: Some(("final_layer_norm", true)),
        head: "embed_out",
        head_bias: false,
        tied: japanese,
    };
    let last = (0..layers).map(|layer| japanese && layer + 1 == layers);
    frame.add(b, fields, place, last, |b, &last| {
        b.norm("input_layernorm", hidden, true);
        b.norm("post_attention_layernorm", hidden, true);
        b.scope("attention.", |b| {
            attention.add(b);
            if last {
                b.tensor("dense_bias", Role::Attention, &[hidden]);
            }
        });
        let names = ["dense_h_to_4h", "dense_4h_to_h"];
        b.scope("mlp.", |b| {
            plain(b, names, Role::Mlp, hidden, width, !japanese);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}
