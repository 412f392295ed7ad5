//! The first Idefics: a Llama with layers in between that attend to what a CLIP sees, through a resampler or not.
//!
//! Source: transformers `models/idefics`. The new tokens have a table of their own beside that of the old ones.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::multimodal::known_class;
use crate::architecture::template::Numbers;
use crate::architecture::vision::clip::{Encoder, clip_like};
use crate::checkpoint::Role;

/// The first Idefics.
pub const FAMILY: Family = Family {
    name: "idefics",
    model_types: &["idefics"],
    lower,
    text: None,
};

const TOWER: Encoder = Encoder {
    hidden: 768,
    width: 5120,
    layers: 32,
    heads: 16,
};

const PROJECTIONS: [&str; 4] = ["q_proj", "k_proj", "v_proj", "o_proj"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["IdeficsForVisionText2Text"])?;
    let hidden = fields.size_or("hidden_size", 4096)?;
    let width = fields.size_or("intermediate_size", 11_008)?;
    let layers = fields.repeats_or("num_hidden_layers", 32)?;
    let heads = fields.size_or("num_attention_heads", 32)?;
    let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
    let vocabulary = fields.size_or("vocab_size", 32_000)?;
    let added = fields.count_or("additional_vocab_size", 0)?;
    let tied = fields.flag_or("tie_word_embeddings", false)?;
    let interval = fields.size_or("cross_layer_interval", 1)?;
    let norms = fields.flag_or("qk_layer_norms", false)?;
    let gates: &[u64] = match fields.text_or("alpha_type", "float")? {
        "float" => &[1],
        "vector" => &[1, 1, hidden],
        other => {
            return Err(fields.error("alpha_type", format!("{other:?} is not float or vector")));
        }
    };
    let vision = fields.object("vision_config")?;
    let attention = Attention::of_heads(PROJECTIONS, hidden, heads, head_dim, false);
    b.scope("model.", |b| {
        b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
        if added > 0 {
            let name = "embed_tokens.additional_embedding";
            b.embedding(name, Role::Embedding, added, hidden);
        }
        let seen = b.scope("vision_model.", |b| clip_like(b, &vision, TOWER, 14))?;
        if fields.flag_or("use_resampler", false)? {
            b.scope("perceiver_resampler.", |b| {
                b.all_as(Role::Projector, |b| resampler(b, fields, seen))
            })?;
        }
        // A layer that attends to images comes before every so-many-th layer, and counts as part of it.
        let crossed = layers / interval;
        let plans =
            (0..layers).map(|layer| layer.is_multiple_of(interval) && layer / interval < crossed);
        for (cross, numbers) in group(plans) {
            b.layers(Stack::Decoder, "layers", &numbers, |b| {
                if cross {
                    b.mixer(Mixer::Cross {
                        heads,
                        kv_heads: heads,
                        head_dim,
                        tokens: None,
                    });
                    b.feed_forward(FeedForward::Dense { width });
                }
                b.scope("self_attn.", |b| attention.add(b));
                rest(b, hidden, width);
                b.feed_forward(FeedForward::Dense { width });
            });
        }
        // `COUNT_LIMIT` bounds the layers.
        let numbers = Numbers::Below(u32::try_from(crossed).unwrap_or(u32::MAX));
        b.layers(Stack::Other, "gated_cross_attn_layers", &numbers, |b| {
            b.scope("cross_attn.", |b| {
                Multihead {
                    source: seen,
                    ..Multihead::new(PROJECTIONS, hidden, heads, head_dim, false)
                }
                .tensors(b);
                if norms {
                    b.norm("q_layer_norm", head_dim, false);
                    b.norm("k_layer_norm", head_dim, false);
                }
            });
            rest(b, hidden, width);
            b.tensor("alpha_cross_attn", Role::Attention, gates);
            b.tensor("alpha_dense", Role::Mlp, gates);
        });
        b.norm("norm", hidden, false);
        Ok(())
    })?;
    if !tied {
        b.linear("lm_head", Role::Head, vocabulary, hidden, false);
        if added > 0 {
            b.linear("lm_head.additional_fc", Role::Head, added, hidden, false);
        }
    }
    Ok(())
}

fn rest(b: &mut Builder, hidden: u64, width: u64) {
    b.scope("mlp.", |b| gated(b, GATED, Role::Mlp, hidden, width, false));
    b.norm("input_layernorm", hidden, false);
    b.norm("post_attention_layernorm", hidden, false);
}

/// Adds the resampler, as wide as the tower: learned queries that attend to the patches and to themselves.
fn resampler(b: &mut Builder, fields: &Fields<'_>, hidden: u64) -> Result<()> {
    let own = fields.object("perceiver_config")?;
    let depth = own.repeats_or("resampler_depth", 6)?;
    let heads = own.size_or("resampler_n_heads", 16)?;
    let head_dim = own.size_or("resampler_head_dim", 96)?;
    let queries = own.size_or("resampler_n_latents", 64)?;
    let norms = own.flag_or("qk_layer_norms_perceiver", false)?;
    let role = Role::Projector;
    b.tensor("latents", role, &[queries, hidden]);
    // `COUNT_LIMIT` bounds the layers.
    let numbers = Numbers::Below(u32::try_from(depth).unwrap_or(u32::MAX));
    b.layers(Stack::Other, "blocks", &numbers, |b| {
        b.scope("0.", |b| {
            b.norm("context_layer_norm", hidden, true);
            b.norm("latents_layer_norm", hidden, true);
            let names = ["q_proj", "k_proj", "v_proj", "output_proj"];
            Attention {
                norm: if norms {
                    HeadNorm::PerHead
                } else {
                    HeadNorm::None
                },
                norm_names: ["q_layer_norm", "k_layer_norm"],
                norm_bias: true,
                reach: Reach::Full,
                ..Attention::of_heads(names, hidden, heads, head_dim, false)
            }
            .add(b);
        });
        b.scope("1.", |b| {
            let width = 4 * hidden;
            b.norm("ln", hidden, true);
            b.linear("fc", role, width, hidden, false);
            b.linear("c_proj", role, hidden, width, false);
            b.feed_forward(FeedForward::Dense { width });
        });
    });
    b.norm("layer_norm", hidden, true);
    Ok(())
}
