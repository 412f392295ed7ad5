//! Encoders in the names of flash-attention's BERT: Nomic BERT, and Jina Embeddings v3.
//!
//! Source: transformers `models/nomic_bert` and `models/jina_embeddings_v3` with the names they are saved under, and
//! for Nomic's own configs, which count as GPT-2 does, the published `nomic-ai/nomic-bert-2048`. Its mixtures of
//! experts are refused.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, Words};
use crate::architecture::encoder_top::{BERT_TOPS, Choice, PreTraining, ROBERTA_TOPS, Tops};
use crate::architecture::feed_forward::{gated, plain};
use crate::architecture::layer::FeedForward;
use crate::checkpoint::Role;

/// Nomic BERT and its kin.
pub const FAMILY: Family = Family {
    name: "nomic-bert",
    model_types: &["jina_embeddings_v3", "nomic_bert"],
    lower,
    text: None,
};

/// In what the two differ.
struct Kin {
    model: &'static str,
    attention: &'static str,
    bias: bool,
    gated: bool,
    types: u64,
    tops: Tops,
}

const NOMIC_WORDS: Words = Words {
    scope: "cls.predictions.",
    transform: "transform.",
    norm: "layer_norm",
    decoder_bias: true,
};

const NOMIC: Kin = Kin {
    model: "nomic_bert.",
    attention: "attn.",
    bias: false,
    gated: true,
    types: 2,
    tops: Tops {
        pooled: &[Task::Sequence],
        words: |b, fields, shape, _| {
            let hidden = shape.hidden;
            NOMIC_WORDS.add(b, fields, hidden, hidden, shape.vocabulary)
        },
        pretraining: PreTraining::Words,
        choice: Choice::None,
        ..BERT_TOPS
    },
};

const JINA: Kin = Kin {
    model: "roberta.",
    attention: "mixer.",
    bias: true,
    gated: false,
    types: 1,
    tops: Tops {
        choice: Choice::None,
        ..ROBERTA_TOPS
    },
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("jina_embeddings_v3") => JINA,
        _ => NOMIC,
    };
    let seat = Seat::whole(fields, kin.model)?;
    refuse(fields)?;
    let hidden = fields.size("hidden_size|n_embd")?;
    let heads = fields.size("num_attention_heads|n_head")?;
    let head_dim = match fields.opt_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
    };
    let shape = Shape {
        hidden,
        heads,
        head_dim,
        width: fields.size_from(
            "intermediate_size|n_inner",
            4 * hidden,
            "not in the config: 4 times the hidden size",
        )?,
        layers: fields.repeats("num_hidden_layers|n_layer")?,
        vocabulary: fields.size("vocab_size")?,
        decodes: false,
        cross: false,
    };
    let types = fields.count_or("type_vocab_size", kin.types)?;
    let bias = |name: &str| Ok(fields.opt_flag(name)?.unwrap_or(kin.bias));
    let attention = Attention {
        fused: true,
        ..Attention::of_heads(
            ["Wqkv", "", "", "out_proj"],
            hidden,
            heads,
            head_dim,
            bias("qkv_proj_bias")?,
        )
    };
    let (first, second) = (bias("mlp_fc1_bias")?, bias("mlp_fc2_bias")?);
    if first != second {
        return Err(fields.error("mlp_fc2_bias", "must be as mlp_fc1_bias is"));
    }
    b.scope(seat.model, |b| {
        b.embedding(
            "embeddings.word_embeddings",
            Role::Embedding,
            shape.vocabulary,
            hidden,
        );
        if types > 0 {
            let name = "embeddings.token_type_embeddings";
            b.embedding(name, Role::Embedding, types, hidden);
        }
        b.norm("emb_ln", hidden, true);
        shape.stacked(b, "encoder.layers", |b| {
            b.scope(kin.attention, |b| attention.add(b));
            b.norm("norm1", hidden, true);
            b.scope("mlp.", |b| {
                let width = shape.width;
                if kin.gated {
                    let names = ["fc11", "fc12", "fc2"];
                    gated(b, names, Role::Mlp, hidden, width, first);
                } else {
                    plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, first);
                }
            });
            b.norm("norm2", hidden, true);
            b.feed_forward(FeedForward::Dense { width: shape.width });
        });
        kin.tops.pool(b, &seat, hidden);
    });
    kin.tops.add(b, fields, &seat, &shape, hidden)
}

/// Fails where Nomic's own code would build something else.
fn refuse(fields: &Fields<'_>) -> Result<()> {
    const OTHER: &str = "asks for blocks that are not derived";
    if fields.opt_count("num_experts")?.unwrap_or(0) > 0 {
        return Err(fields.error("num_experts", OTHER));
    }
    for flag in ["prenorm", "parallel_block", "use_rms_norm"] {
        if fields.opt_flag(flag)?.unwrap_or(false) {
            return Err(fields.error(flag, OTHER));
        }
    }
    if fields
        .opt_text("activation_function")?
        .is_some_and(|activation| activation != "swiglu")
    {
        return Err(fields.error("activation_function", OTHER));
    }
    if fields
        .opt_size("n_inner")?
        .is_some_and(|width| !width.is_multiple_of(256))
    {
        // Nomic's code rounds it up.
        return Err(fields.error("n_inner", "must be a multiple of 256"));
    }
    let positions = fields.opt_ratio("rotary_emb_fraction")?;
    if positions.is_some_and(|part| part <= 0.0) {
        return Err(fields.error("rotary_emb_fraction", OTHER));
    }
    Ok(())
}
