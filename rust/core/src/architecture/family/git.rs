//! GIT: a BERT that writes, after a CLIP that sees one picture or several of a video.
//!
//! Source: transformers `models/git`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::place::class;
use crate::architecture::template::Numbers;
use crate::architecture::vision::clip::{TOWER, clip_like};
use crate::checkpoint::Role;

/// GIT.
pub const FAMILY: Family = Family {
    name: "git",
    model_types: &["git"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["GitForCausalLM", "GitModel"])?;
    let bare = class(fields)? == Some("GitModel");
    let hidden = fields.size_or("hidden_size", 768)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let layers = fields.repeats_or("num_hidden_layers", 6)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let vocabulary = fields.size_or("vocab_size", 30_522)?;
    let positions = fields.size_or("max_position_embeddings", 1024)?;
    let vision = fields.object("vision_config")?;
    let names = ["self.query", "self.key", "self.value", "output.dense"];
    let attention = Multihead::new(names, hidden, heads, head_dim, true);
    b.scope(if bare { "" } else { "git." }, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Decoder, "encoder.layer", &numbers, |b| {
            b.scope("attention.", |b| {
                attention.attend(b);
                b.norm("output.LayerNorm", hidden, true);
            });
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.feed_forward(FeedForward::Dense { width });
            b.norm("output.LayerNorm", hidden, true);
        });
        let seen = b.scope("image_encoder.vision_model.", |b| {
            clip_like(b, &vision, TOWER, 16)
        })?;
        b.scope("visual_projection.visual_projection.", |b| {
            b.all_as(Role::Projector, |b| {
                b.linear("0", Role::Projector, hidden, seen, true);
                b.norm("1", hidden, true);
            });
        });
        if fields.has("num_image_with_embedding") {
            let frames = fields.repeats("num_image_with_embedding")?;
            // `COUNT_LIMIT` bounds the frames.
            let numbers = Numbers::Below(u32::try_from(frames).unwrap_or(u32::MAX));
            b.numbered(
                "img_temporal_embedding",
                numbers,
                Role::Embedding,
                &[1, 1, seen],
            );
        }
        Ok(())
    })?;
    if !bare {
        if !fields.flag_or("tie_word_embeddings", false)? {
            b.tensor("output.weight", Role::Head, &[vocabulary, hidden]);
        }
        b.tensor("output.bias", Role::Head, &[vocabulary]);
    }
    Ok(())
}
