//! T5Gemma: two stacks of Gemma's layers. The second generation sees images, shares one table of embeddings, and has
//! one set of projections for both attentions of its decoder.
//!
//! Sources: transformers `models/t5gemma`, `models/t5gemma2`. The published files of the second keep `vision_model.`
//! in the names of the tower, which version 5 of transformers leaves out.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults};
use crate::architecture::encoder_decoder::{Form, unknown_class};
use crate::architecture::feed_forward;
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{Mixer, Stack};
use crate::architecture::place::{class, labels};
use crate::architecture::vision::clip::siglip;
use crate::checkpoint::Role;

/// T5Gemma.
pub const FAMILY: Family = Family {
    name: "t5gemma",
    model_types: &["t5gemma", "t5gemma2"],
    lower,
    text: None,
};

/// A generation of layers.
#[derive(Clone, Copy, Debug)]
struct Generation {
    defaults: Defaults,
    /// One layer in so many sees everything, where `layer_types` does not say; the config may say another number of
    /// the second generation.
    pattern: u64,
    stated_pattern: bool,
    /// Norms of queries and keys.
    norm: HeadNorm,
}

const FIRST_LAYERS: Generation = Generation {
    defaults: FIRST,
    pattern: 2,
    stated_pattern: false,
    norm: HeadNorm::None,
};

const SECOND_LAYERS: Generation = Generation {
    defaults: SECOND,
    pattern: 6,
    stated_pattern: true,
    norm: HeadNorm::PerHead,
};

const FIRST: Defaults = Defaults {
    kv_heads: Some(4),
    head_dim: Some(256),
    ..Defaults::new(256_000, 2304, 9216, 26, 8)
};

const SECOND: Defaults = Defaults {
    vocabulary: 262_208,
    ..FIRST
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("t5gemma2");
    let form = Form::of(fields)?;
    let tied = fields.flag_or("tie_word_embeddings", true)?;
    let encoder = fields.object("encoder")?;
    let decoder = fields.object("decoder")?;
    let (prefix, both) = match form {
        Form::Generation => ("model.", true),
        Form::SequenceClassifier | Form::TokenClassifier => (
            "model.",
            second || fields.flag_or("is_encoder_decoder", true)?,
        ),
        Form::Bare => ("", true),
        Form::Encoder if !second => ("", false),
        Form::Encoder | Form::Causal | Form::QuestionAnswering => {
            return Err(unknown_class(fields, class(fields)?.unwrap_or_default()));
        }
    };
    let (encoder_width, decoder_width) = b.scope(prefix, |b| {
        let encoder_width = b.scope("encoder.", |b| {
            if second {
                seeing_encoder(b, &encoder)
            } else {
                stack(b, &encoder, Stack::Encoder, None)
            }
        })?;
        let decoder_width = if both {
            b.scope("decoder.", |b| {
                if !second {
                    return stack(b, &decoder, Stack::Decoder, Some(encoder_width));
                }
                if !tied {
                    table(b, &decoder, true)?;
                }
                merged(b, &decoder)
            })?
        } else {
            encoder_width
        };
        Ok::<_, crate::architecture::config::ConfigError>((encoder_width, decoder_width))
    })?;
    let top = if both { decoder_width } else { encoder_width };
    match form {
        Form::Generation if !tied => {
            let defaults = if second { SECOND } else { FIRST };
            let vocabulary = decoder.size_or("vocab_size", defaults.vocabulary)?;
            b.linear("lm_head.out_proj", Role::Head, vocabulary, top, false);
        }
        Form::SequenceClassifier | Form::TokenClassifier => {
            b.linear("score.out_proj", Role::Head, labels(fields)?, top, true);
        }
        _ => {}
    }
    Ok(())
}

/// The table of embeddings; that of the second generation has a row of its own for the end of an image.
fn table(b: &mut Builder, fields: &Fields<'_>, end_of_image: bool) -> Result<()> {
    let defaults = if end_of_image { SECOND } else { FIRST };
    let hidden = fields.size_or("hidden_size", defaults.hidden)?;
    let vocabulary = fields.size_or("vocab_size", defaults.vocabulary)?;
    b.embedding("embed_tokens", Role::Embedding, vocabulary, hidden);
    if end_of_image {
        b.tensor("embed_tokens.eoi_embedding", Role::Embedding, &[hidden]);
    }
    Ok(())
}

/// A stack of the first generation; in a decoder every layer looks at an encoder of this width.
fn stack(b: &mut Builder, fields: &Fields<'_>, stack: Stack, source: Option<u64>) -> Result<u64> {
    table(b, fields, false)?;
    layers(b, fields, &FIRST_LAYERS, stack, |b, attention| {
        if let Some(source) = source {
            b.scope("cross_attn.", |b| {
                Multihead {
                    names: attention.names,
                    bias: [attention.bias; 4],
                    hidden: attention.hidden,
                    source,
                    heads: attention.heads,
                    kv_heads: attention.kv_heads,
                    head_dim: attention.head_dim,
                }
                .cross(b, Source::Encoder { tokens: None });
            });
            b.norm("pre_cross_attn_layernorm", attention.hidden, false);
            b.norm("post_cross_attn_layernorm", attention.hidden, false);
        }
    })
}

/// The encoder of the second generation, with a tower and a projector.
fn seeing_encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let text = fields.object("text_config")?;
    let vision = fields.object("vision_config")?;
    if let Some(other) = vision.opt_text("model_type")?
        && other != "siglip_vision_model"
    {
        return Err(vision.error("model_type", format!("{other:?} is not SigLIP's tower")));
    }
    table(b, &text, true)?;
    let hidden = layers(b, &text, &SECOND_LAYERS, Stack::Encoder, |_, _| {})?;
    let seen = b.scope("vision_tower.vision_model.", |b| siglip(b, &vision, true))?;
    b.scope("multi_modal_projector.", |b| {
        b.all_as(Role::Projector, |b| {
            let shape = [seen, hidden];
            b.tensor("mm_input_projection_weight", Role::Projector, &shape);
            b.norm("mm_soft_emb_norm", seen, false);
        });
    });
    Ok(hidden)
}

/// The decoder of the second generation. Its keys and values of the encoder's output are made by the same projections
/// and kept beside its own.
fn merged(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    layers(b, fields, &SECOND_LAYERS, Stack::Decoder, |b, attention| {
        b.mixer(Mixer::Cross {
            heads: attention.heads,
            kv_heads: attention.kv_heads,
            head_dim: attention.head_dim,
            tokens: None,
        });
    })
}

/// The layers and the last norm; `extra` is called in every layer.
fn layers(
    b: &mut Builder,
    fields: &Fields<'_>,
    generation: &Generation,
    stack: Stack,
    extra: impl Fn(&mut Builder, &Attention<'_>),
) -> Result<u64> {
    let defaults = &generation.defaults;
    let hidden = fields.size_or("hidden_size", defaults.hidden)?;
    let width = fields.size_or("intermediate_size", defaults.width)?;
    let mut attention = dense::attention(fields, hidden, defaults)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (attention.bias, attention.output_bias) = (bias, bias);
    attention.norm = generation.norm;
    let window = dense::window(fields, Some(4096))?;
    let count = dense::layers(fields, defaults)?;
    let pattern = if generation.stated_pattern {
        fields.size_or("sliding_window_pattern", generation.pattern)?
    } else {
        generation.pattern
    };
    let reaches = dense::reaches(fields, count, window, |layer| {
        !(layer + 1).is_multiple_of(pattern)
    })?;
    for (reach, numbers) in group(reaches) {
        b.layers(stack, "layers", &numbers, |b| {
            let attention = Attention {
                reach,
                ..attention.clone()
            };
            b.scope("self_attn.", |b| attention.add(b));
            b.norm("pre_self_attn_layernorm", hidden, false);
            b.norm("post_self_attn_layernorm", hidden, false);
            extra(b, &attention);
            feed_forward::dense(b, "mlp.", hidden, width, false);
            b.norm("pre_feedforward_layernorm", hidden, false);
            b.norm("post_feedforward_layernorm", hidden, false);
        });
    }
    b.norm("norm", hidden, false);
    Ok(hidden)
}
