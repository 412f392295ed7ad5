//! Ovis 2: a vision transformer whose head gives weights over a vocabulary of visual words, with a table of their
//! embeddings, before a language model.
//!
//! Source: transformers `models/ovis2`.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::template::Numbers;
use crate::architecture::vision::Patches;
use crate::checkpoint::Role;

/// Ovis 2.
pub const FAMILY: Family = Family {
    name: "ovis",
    model_types: &["ovis2"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["Ovis2ForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let language = Language {
        tied: Tied::Apart,
        ..Language::new("qwen2", "model.language_model.", true)
    };
    language.add(b, fields)?;
    let words = vision.size_or("vocab_size", 16_384)?;
    let hidden = fields.size_or("hidden_size", 1536)?;
    if !fields.flag_or("tie_word_embeddings", true)? {
        // The sizes of the head are those of the whole, not those of the language model.
        let vocabulary = fields.size_or("vocab_size", 151_643)?;
        b.linear("lm_head", Role::Head, vocabulary, hidden, false);
    }
    b.scope("model.", |b| {
        b.scope("vision_tower.", |b| tower(b, &vision, words))?;
        // Each patch gives weights for all rows, so that nothing is looked up.
        let shape = [words, hidden];
        b.tensor("visual_embeddings_table.weight", Role::Embedding, &shape);
        Ok(())
    })
}

fn tower(b: &mut Builder, fields: &Fields<'_>, words: u64) -> Result<()> {
    let hidden = fields.size_or("hidden_size", 1024)?;
    let width = fields.size_or("intermediate_size", 2816)?;
    let layers = fields.repeats_or("num_hidden_layers", 24)?;
    let heads = fields.size_or("num_attention_heads", 8)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let patches = Patches::read(fields, 224, 14)?;
    let bias = fields.flag_or("qkv_bias", false)?;
    let network_bias = fields.flag_or("mlp_bias", false)?;
    let stride = fields.size_or("hidden_stride", 1)?;
    let indicators = fields.count_or("num_visual_indicator_tokens", 5)?;
    let visible = words
        .checked_sub(indicators)
        .filter(|visible| *visible > 0)
        .ok_or_else(|| fields.error("vocab_size", "has no room for the indicators"))?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.scope("transformer.", |b| {
            b.scope("embeddings.", |b| {
                patches.convolution(b, "patch_embedding", hidden, true);
                b.embedding("position_embedding", role, patches.count, hidden);
                b.norm("rms_norm", hidden, false);
            });
            // `COUNT_LIMIT` bounds their number.
            let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
            b.layers(Stack::Vision, "encoder.layers", &numbers, |b| {
                b.scope("attention.", |b| {
                    let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
                    Attention::of_heads(names, hidden, heads, head_dim, bias).add(b);
                });
                b.scope("ffn.", |b| {
                    gated(b, GATED, role, hidden, width, network_bias);
                });
                b.feed_forward(FeedForward::Dense { width });
                b.norm("rms_norm1", hidden, false);
                b.norm("rms_norm2", hidden, false);
            });
            b.norm("rms_norm", hidden, false);
        });
        // Three sizes of at most 2^21.
        let joined = hidden * stride * stride;
        b.linear("head_linear", role, visible, joined, false);
        b.norm("head_norm", visible, true);
    });
    Ok(())
}
