//! Canary and Cohere's transcriber: a fast conformer that hears and a plain decoder that writes.
//!
//! Sources: transformers `models/canary`, `models/cohere_asr`. The files of the second keep the names of NeMo.

use super::Family;
use crate::architecture::audio::conformer::{self, conformer};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, Side, unknown_class};
use crate::architecture::heads::{Multihead, Source, read_heads};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::checkpoint::Role;

/// Canary.
pub const FAMILY: Family = Family {
    name: "canary",
    model_types: &["canary", "cohere_asr"],
    lower,
    text: None,
};

/// What the parts of a decoder are called.
struct Names {
    decoder: &'static str,
    embedding: &'static str,
    embedding_norm: &'static str,
    stack: &'static str,
    own: &'static str,
    cross: &'static str,
    projections: [&'static str; 4],
    networks: [&'static str; 2],
    /// Before self attention, before cross attention, before the feed-forward network.
    norms: [&'static str; 3],
    last_norm: &'static str,
    head: &'static str,
}

const CANARY: Names = Names {
    decoder: "decoder.",
    embedding: "embed_tokens",
    embedding_norm: "embedding_layernorm",
    stack: "layers",
    own: "self_attn.",
    cross: "encoder_attn.",
    projections: ["q_proj", "k_proj", "v_proj", "o_proj"],
    networks: ["mlp.fc1", "mlp.fc2"],
    norms: [
        "input_layernorm",
        "post_attention_layernorm",
        "final_layernorm",
    ],
    last_norm: "norm",
    head: "proj_out",
};

const COHERE: Names = Names {
    decoder: "transf_decoder.",
    embedding: "_embedding.token_embedding",
    embedding_norm: "_embedding.layer_norm",
    stack: "_decoder.layers",
    own: "first_sub_layer.",
    cross: "second_sub_layer.",
    projections: ["query_net", "key_net", "value_net", "out_projection"],
    networks: ["third_sub_layer.dense_in", "third_sub_layer.dense_out"],
    norms: ["layer_norm_1", "layer_norm_2", "layer_norm_3"],
    last_norm: "_decoder.final_layer_norm",
    head: "log_softmax.mlp.layer0",
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let cohere = fields.opt_text("model_type")? == Some("cohere_asr");
    let form = Form::of(fields)?;
    let root = match form {
        Form::Generation => "model.",
        Form::Bare => "",
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let (names, tower) = if cohere {
        (&COHERE, &conformer::NEMO)
    } else {
        (&CANARY, &conformer::PARAKEET)
    };
    let encoder = fields.object("encoder_config")?;
    let decoder = if cohere {
        *fields
    } else {
        fields.object("decoder_config")?
    };
    let hidden = decoder.size_or("hidden_size", 1024)?;
    let vocabulary = decoder.size_or("vocab_size", 16384)?;
    b.scope(root, |b| -> Result<()> {
        let width = b.scope("encoder.", |b| conformer(b, &encoder, tower))?;
        if cohere {
            b.linear("encoder_decoder_proj", Role::Projector, hidden, width, true);
        } else if width != hidden {
            return Err(decoder.error(
                "hidden_size",
                format!("{hidden} is not the encoder's {width}, and nothing stands between them"),
            ));
        }
        b.scope(names.decoder, |b| {
            b.embedding(names.embedding, Role::Embedding, vocabulary, hidden);
            if cohere {
                let rows = decoder.size_or("max_position_embeddings", 1024)?;
                let name = "_embedding.position_embedding.pos_enc";
                b.tensor(name, Role::Position, &[rows, hidden]);
            }
            b.norm(names.embedding_norm, hidden, true);
            layers(b, &decoder, names, hidden)
        })
    })?;
    if form == Form::Generation {
        let tied = fields.flag_or("tie_word_embeddings", !cohere)?;
        b.scope(names.head, |b| {
            if !tied {
                b.tensor(".weight", Role::Head, &[vocabulary, hidden]);
            }
            b.tensor(".bias", Role::Head, &[vocabulary]);
        });
    }
    Ok(())
}

fn layers(b: &mut Builder, fields: &Fields<'_>, names: &Names, hidden: u64) -> Result<()> {
    let (heads, kv_heads, head_dim) = read_heads(fields, hidden, 8)?;
    let side = Side {
        layers: fields.repeats_or("num_hidden_layers", 8)?,
        heads,
        width: fields.size_or("intermediate_size", 4096)?,
    };
    let bias = fields.flag_or("attention_bias", true)?;
    let attention = Multihead {
        kv_heads,
        ..Multihead::new(names.projections, hidden, heads, head_dim, bias)
    };
    b.layers(Stack::Decoder, names.stack, &side.numbers(), |b| {
        b.scope(names.own, |b| attention.attend(b));
        b.scope(names.cross, |b| {
            attention.cross(b, Source::Encoder { tokens: None });
        });
        let [up, down] = names.networks;
        b.linear(up, Role::Mlp, side.width, hidden, true);
        b.linear(down, Role::Mlp, hidden, side.width, true);
        b.feed_forward(FeedForward::Dense { width: side.width });
        for norm in names.norms {
            b.norm(norm, hidden, true);
        }
    });
    b.norm(names.last_norm, hidden, true);
    Ok(())
}
