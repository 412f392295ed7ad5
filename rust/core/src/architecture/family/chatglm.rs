//! ChatGLM 2 and 3 and GLM-4 in their own names: fused matrices everywhere, and a stored table of frequencies.
//!
//! Source: `modeling_chatglm.py` beside the published checkpoints. Their configs name the class `ChatGLMModel`, and
//! the files hold the whole language model. The first ChatGLM and GLM-4V have the same model type and are built
//! otherwise.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::dense::{Dense, Network};
use crate::architecture::place::{Place, Top, class};
use crate::checkpoint::Role;

/// ChatGLM 2 and 3, and GLM-4.
pub const FAMILY: Family = Family {
    name: "chatglm",
    model_types: &["chatglm"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if let Some(class) = class(fields)?
        && !["ChatGLMModel", "ChatGLMForConditionalGeneration"].contains(&class)
    {
        return Err(fields.error(
            "architectures",
            format!("the class {class:?} is not known for this model type, so nothing was derived"),
        ));
    }
    let place = Place {
        model: "transformer.",
        head: "transformer.",
        top: Top::LanguageModel,
        tied: None,
    };
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    for name in ["inner_hidden_size", "position_encoding_2d"] {
        if fields.has(name) {
            return Err(fields.error(
                name,
                "is of the first ChatGLM, which is built otherwise and not known",
            ));
        }
    }
    for (name, what) in [
        ("vision_config", "a vision tower, which is not known here"),
        ("pre_seq_len", "a prefix encoder, which is not known here"),
    ] {
        if fields.has(name) {
            return Err(fields.error(name, format!("asks for {what}")));
        }
    }
    let hidden = fields.size_or("hidden_size", 4096)?;
    let heads = fields.size_or("num_attention_heads", 32)?;
    let head_dim = fields.size_or("kv_channels", 128)?;
    let kv_heads = if fields.flag_or("multi_query_attention", false)? {
        fields.size_or("multi_query_group_num", 1)?
    } else {
        heads
    };
    fields.divide(
        "num_attention_heads",
        heads,
        "multi_query_group_num",
        kv_heads,
    )?;
    let bias = fields.flag_or("add_bias_linear", false)?;
    // Layer norms have biases, the norms of the published models have none.
    let norm_bias = !fields.flag_or("rmsnorm", true)?;
    let names = ["query_key_value", "", "", "dense"];
    let frame = Frame {
        hidden,
        vocabulary: fields.size_or("padded_vocab_size|vocab_size", 65_024)?,
        embedding: "embedding.word_embeddings",
        stack: "encoder.layers",
        norm: fields
            .flag_or("post_layer_norm", true)?
            .then_some(("encoder.final_layernorm", norm_bias)),
        head: "output_layer",
        head_bias: false,
        tied: false,
    };
    let attention = Attention {
        kv_heads,
        fused: true,
        bias: bias || fields.flag_or("add_qkv_bias", false)?,
        ..Attention::of_heads(names, hidden, heads, head_dim, bias)
    };
    let layers = fields.repeats_or("num_layers|num_hidden_layers", 28)?;
    let width = fields.size_or("ffn_hidden_size", 13_696)?;
    let mut model = Dense::new(frame, layers, attention, width);
    model.attention_prefix = "self_attention.";
    model.network = Network::FusedGated(["dense_h_to_4h", "dense_4h_to_h"]);
    model.network_bias = bias;
    model.norm_bias = norm_bias;
    // Half of a head rotates, in pairs.
    b.scope(place.model, |b| {
        b.buffer("rotary_pos_emb.inv_freq", Role::Position, &[head_dim / 4]);
    });
    model.add(b, fields, place, model.full())
}
