//! Kosmos-2 and Kosmos-2.5: a tower, learned queries that gather what it sees, and a decoder in the names of fairseq.
//!
//! Source: transformers `models/kosmos2` and `models/kosmos2_5`. Positions of the text are computed.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::{Multihead, PROJECTIONS};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::template::Numbers;
use crate::architecture::vision::clip::{Encoder, clip_like};
use crate::checkpoint::Role;

/// Kosmos-2 and Kosmos-2.5.
pub const FAMILY: Family = Family {
    name: "kosmos",
    model_types: &["kosmos-2", "kosmos-2.5"],
    lower,
    text: None,
};

/// In what the two differ.
struct Kin {
    class: &'static str,
    /// Vocabulary, width, inner width, layers and heads of the decoder where the config does not say.
    text: [u64; 5],
    /// Learned queries where the config does not say.
    queries: u64,
    /// Whether there is a norm before the output of attention.
    inner_norm: bool,
    /// Whether there is a table for which of text and image a token is.
    segments: bool,
}

const SECOND: Kin = Kin {
    class: "Kosmos2ForConditionalGeneration",
    text: [65_037, 2048, 8192, 24, 32],
    queries: 64,
    inner_norm: true,
    segments: false,
};

const SECOND_HALF: Kin = Kin {
    class: "Kosmos2_5ForConditionalGeneration",
    text: [108_481, 1536, 6144, 24, 16],
    queries: 2048,
    inner_norm: false,
    segments: true,
};

const TOWER: Encoder = Encoder {
    hidden: 1024,
    width: 4096,
    layers: 24,
    heads: 16,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let half = fields.opt_text("model_type")? == Some("kosmos-2.5");
    let kin = if half { &SECOND_HALF } else { &SECOND };
    known_class(fields, &[kin.class])?;
    let text = fields.object("text_config")?;
    let vision = fields.object("vision_config")?;
    // The decoder is a model of its own, with its own word on that.
    let tied = text.flag_or("tie_word_embeddings", true)?;
    let (hidden, heads, head_dim) = b.scope("text_model.", |b| decoder(b, &text, kin, tied))?;
    let seen = b.scope("vision_model.", |b| {
        if half {
            patches(b, &vision)
        } else {
            b.scope("model.", |b| clip_like(b, &vision, TOWER, 14))
        }
    })?;
    let queries = fields.size_or("latent_query_num", kin.queries)?;
    b.scope("image_to_text_projection.", |b| {
        b.all_as(Role::Projector, |b| {
            b.tensor("latent_query", Role::Projector, &[queries, hidden]);
            b.linear("dense", Role::Projector, hidden, seen, true);
            b.scope("x_attn.", |b| {
                Multihead::new(PROJECTIONS, hidden, heads, head_dim, true).tensors(b);
            });
        });
    });
    Ok(())
}

/// Adds the decoder, and returns its width, its heads and their width.
fn decoder(b: &mut Builder, fields: &Fields<'_>, kin: &Kin, tied: bool) -> Result<(u64, u64, u64)> {
    let [vocabulary, hidden, width, layers, heads] = kin.text;
    let vocabulary = fields.size_or("vocab_size", vocabulary)?;
    let hidden = fields.size_or("embed_dim|hidden_size", hidden)?;
    let width = fields.size_or("ffn_dim", width)?;
    let layers = fields.repeats_or("layers|num_hidden_layers", layers)?;
    let heads = fields.size_or("attention_heads|num_attention_heads", heads)?;
    let head_dim = fields.divide("embed_dim", hidden, "attention_heads", heads)?;
    if fields.opt_flag("add_cross_attention")?.unwrap_or(false) {
        return Err(fields.error("add_cross_attention", "is not known for this model"));
    }
    b.scope("model.", |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        if kin.segments {
            b.embedding("segment_emb", Role::Embedding, 2, hidden);
        }
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Decoder, "layers", &numbers, |b| {
            b.scope("self_attn.", |b| {
                Multihead::new(PROJECTIONS, hidden, heads, head_dim, true).attend(b);
                if kin.inner_norm {
                    b.norm("inner_attn_ln", hidden, true);
                }
            });
            b.norm("self_attn_layer_norm", hidden, true);
            b.scope("ffn.", |b| {
                b.linear("fc1", Role::Mlp, width, hidden, true);
                b.linear("fc2", Role::Mlp, hidden, width, true);
                b.norm("ffn_layernorm", width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("final_layer_norm", hidden, true);
        });
        b.norm("layer_norm", hidden, true);
    });
    if !tied {
        b.linear("lm_head", Role::Head, vocabulary, hidden, false);
    }
    Ok((hidden, heads, head_dim))
}

/// Adds the tower of Kosmos-2.5, which is that of Pix2Struct: patches of any number, a row and a column each.
fn patches(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 1536)?;
    let pixels = fields.size_or("patch_embed_hidden_size", 768)?;
    let width = fields.size_or("intermediate_size", 3968)?;
    let layers = fields.repeats_or("num_hidden_layers", 18)?;
    let heads = fields.size_or("num_attention_heads", 24)?;
    let head_dim = fields.size_or("head_dim", 64)?;
    let positions = fields.size_or("max_num_patches", 4096)?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("embeddings.", |b| {
            b.linear("patch_projection", role, hidden, pixels, true);
            b.embedding("row_embedder", role, positions, hidden);
            b.embedding("column_embedder", role, positions, hidden);
        });
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "encoder.layer", &numbers, |b| {
            b.scope("attention.", |b| {
                let names = ["query", "key", "value", "output"];
                Multihead::new(names, hidden, heads, head_dim, false).attend(b);
            });
            b.scope("mlp.", |b| {
                b.linear("wi_0", role, width, hidden, false);
                b.linear("wi_1", role, width, hidden, false);
                b.linear("wo", role, hidden, width, false);
            });
            b.feed_forward(FeedForward::Dense { width });
            b.norm("pre_attention_layer_norm", hidden, false);
            b.norm("pre_mlp_layer_norm", hidden, false);
        });
        b.norm("layernorm", hidden, false);
    });
    Ok(hidden)
}
