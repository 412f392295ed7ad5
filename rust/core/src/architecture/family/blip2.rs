//! BLIP-2 and `InstructBLIP`: a tower, a small BERT whose learned queries gather what it sees (the Q-Former), and a
//! whole language model, which writes by itself (OPT, Vicuna) or has an encoder (T5).
//!
//! Source: transformers `models/blip_2`, `models/instructblip` and `models/instructblipvideo`.

use super::{Family, t5};
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::heads::Multihead;
use crate::architecture::layer::{FeedForward, Mixer, Stack};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::vision::blip::blip;
use crate::architecture::vision::clip::Encoder;
use crate::checkpoint::Role;

/// BLIP-2 and `InstructBLIP`.
pub const FAMILY: Family = Family {
    name: "blip-2",
    model_types: &["blip-2", "instructblip", "instructblipvideo"],
    lower,
    text: None,
};

const TOWER: Encoder = Encoder {
    hidden: 1408,
    width: 6144,
    layers: 39,
    heads: 16,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (class, reads) = match fields.opt_text("model_type")? {
        Some("instructblip") => ("InstructBlipForConditionalGeneration", true),
        Some("instructblipvideo") => ("InstructBlipVideoForConditionalGeneration", true),
        _ => ("Blip2ForConditionalGeneration", false),
    };
    known_class(fields, &[class])?;
    let vision = fields.object("vision_config")?;
    let own = fields.object("qformer_config")?;
    let text = fields.object("text_config")?;
    let (seen, tokens) = b.scope("vision_model.", |b| blip(b, &vision, TOWER, 224, 14))?;
    let former = b.all_as(Role::Projector, |b| {
        b.scope("qformer.", |b| former(b, &own, seen, tokens, reads))
    })?;
    let queries = fields.size_or("num_query_tokens", 32)?;
    b.tensor("query_tokens", Role::Projector, &[1, queries, former]);
    let hidden = if text.opt_text("model_type")? == Some("t5") {
        b.scope("language_model.", |b| (t5::FAMILY.lower)(b, &text))?;
        text.size_or("d_model|hidden_size", 512)?
    } else {
        let language = Language::whole("opt", Tied::Inner);
        language.add(b, fields)?.size("hidden_size")?
    };
    let role = Role::Projector;
    b.linear("language_projection", role, hidden, former, true);
    Ok(())
}

/// The sizes of a Q-Former.
#[derive(Clone, Copy, Debug)]
pub struct Former {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Inner width of its networks.
    pub width: u64,
    /// How many layers.
    pub layers: u64,
    /// Heads of the attention.
    pub heads: u64,
    /// Every so-many-th layer looks at what the tower gives, beginning with the first.
    pub period: u64,
    /// Whether it has a second network, for text beside the queries.
    pub text: bool,
}

impl Former {
    /// Reads the usual fields.
    ///
    /// # Errors
    /// If one of them is wrong.
    pub fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            hidden: fields.size_or("hidden_size", 768)?,
            width: fields.size_or("intermediate_size", 3072)?,
            layers: fields.repeats_or("num_hidden_layers", 12)?,
            heads: fields.size_or("num_attention_heads", 12)?,
            period: fields.size_or("cross_attention_frequency", 2)?,
            text: fields.opt_flag("use_qformer_text_input")?.unwrap_or(false),
        })
    }

    /// Adds its layers, which look at so many tokens of this width.
    ///
    /// # Errors
    /// If the heads do not divide the width.
    pub fn add(&self, b: &mut Builder, fields: &Fields<'_>, seen: u64, tokens: u64) -> Result<()> {
        let Self {
            hidden,
            width,
            layers,
            heads,
            period,
            text,
        } = *self;
        let head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
        let role = Role::Projector;
        let names = [
            "attention.query",
            "attention.key",
            "attention.value",
            "output.dense",
        ];
        let attention = Multihead::new(names, hidden, heads, head_dim, true);
        let cross = Multihead {
            source: seen,
            ..attention
        };
        let plans = (0..layers).map(|layer| layer.is_multiple_of(period));
        for (looks, numbers) in group(plans) {
            b.layers(Stack::Other, "encoder.layer", &numbers, |b| {
                b.scope("attention.", |b| {
                    attention.attend(b);
                    b.norm("output.LayerNorm", hidden, true);
                });
                if looks {
                    b.scope("crossattention.", |b| {
                        cross.tensors(b);
                        b.norm("output.LayerNorm", hidden, true);
                    });
                    b.mixer(Mixer::Cross {
                        heads,
                        kv_heads: heads,
                        head_dim,
                        tokens: Some(tokens),
                    });
                }
                let ways: &[[&str; 2]] = if text {
                    &[
                        ["intermediate_query", "output_query"],
                        ["intermediate", "output"],
                    ]
                } else {
                    &[["intermediate_query", "output_query"]]
                };
                for [inner, outer] in ways {
                    b.linear(&format!("{inner}.dense"), role, width, hidden, true);
                    b.linear(&format!("{outer}.dense"), role, hidden, width, true);
                    b.norm(&format!("{outer}.LayerNorm"), hidden, true);
                }
                b.feed_forward(FeedForward::Dense { width });
            });
        }
        Ok(())
    }
}

/// Adds the Q-Former and returns its width. With `reads` it takes a text beside the queries.
fn former(
    b: &mut Builder,
    fields: &Fields<'_>,
    seen: u64,
    tokens: u64,
    reads: bool,
) -> Result<u64> {
    let former = Former::read(fields)?;
    let hidden = former.hidden;
    let role = Role::Projector;
    if reads {
        let vocabulary = fields.size_or("vocab_size", 30_522)?;
        let positions = fields.size_or("max_position_embeddings", 512)?;
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", role, vocabulary, hidden);
            b.embedding("position_embeddings", role, positions, hidden);
            b.norm("layernorm", hidden, true);
        });
    } else {
        b.norm("layernorm", hidden, true);
    }
    let former = Former {
        text: reads || former.text,
        ..former
    };
    former.add(b, fields, seen, tokens)?;
    Ok(hidden)
}
