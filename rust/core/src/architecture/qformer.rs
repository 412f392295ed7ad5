//! The Q-Former of BLIP-2, through which other models look and hear, too: queries that attend to one another and, in
//! some layers, to what a tower gave.
//!
//! Sources: transformers `models/blip_2`, `models/granite_speech`.

use super::builder::{Builder, group};
use super::config::{Fields, Result};
use super::layer::{FeedForward, Mixer, Reach, Stack};
use crate::checkpoint::Role;

/// Adds the Q-Former (`blip_2_qformer`) as a part of a projector, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn qformer(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("hidden_size", 768)?;
    let heads = fields.size_or("num_attention_heads", 12)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let width = fields.size_or("intermediate_size", 3072)?;
    let layers = fields.repeats_or("num_hidden_layers", 12)?;
    let every = fields.size_or("cross_attention_frequency", 2)?;
    let source = fields.size_or("encoder_hidden_size", 1408)?;
    // With text in its input it has a second network in every layer for it.
    let text = fields.opt_flag("use_qformer_text_input")?.unwrap_or(false);
    b.all_as(Role::Projector, |b| {
        let attention = |b: &mut Builder, prefix: &str, inputs: u64| {
            b.scope(prefix, |b| {
                b.linear("attention.query", Role::Attention, hidden, hidden, true);
                b.linear("attention.key", Role::Attention, hidden, inputs, true);
                b.linear("attention.value", Role::Attention, hidden, inputs, true);
                b.linear("output.dense", Role::Attention, hidden, hidden, true);
                b.norm("output.LayerNorm", hidden, true);
            });
        };
        let network = |b: &mut Builder, [inner, outer]: [&str; 2]| {
            b.scope(inner, |b| {
                b.linear(".dense", Role::Mlp, width, hidden, true);
            });
            b.scope(outer, |b| {
                b.linear(".dense", Role::Mlp, hidden, width, true);
                b.norm(".LayerNorm", hidden, true);
            });
            b.feed_forward(FeedForward::Dense { width });
        };
        b.norm("layernorm", hidden, true);
        for (cross, numbers) in group((0..layers).map(|number| number % every == 0)) {
            b.layers(Stack::Other, "encoder.layer", &numbers, |b| {
                attention(b, "attention.", hidden);
                b.mixer(Mixer::Attention {
                    heads,
                    kv_heads: heads,
                    key_dim: head_dim,
                    value_dim: head_dim,
                    reach: Reach::Full,
                    indexer_dim: 0,
                    shared_with: None,
                });
                if cross {
                    attention(b, "crossattention.", source);
                    b.mixer(Mixer::Cross {
                        heads,
                        kv_heads: heads,
                        head_dim,
                        tokens: None,
                    });
                }
                network(b, ["intermediate_query", "output_query"]);
                if text {
                    network(b, ["intermediate", "output"]);
                }
            });
        }
    });
    Ok(hidden)
}
