//! BLIP: a tower that sees, and BERTs that read or write with an eye on what it saw.
//!
//! Source: transformers `models/blip`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Side, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::architecture::vision::blip::blip;
use crate::architecture::vision::clip::Encoder;
use crate::checkpoint::Role;

/// BLIP.
pub const FAMILY: Family = Family {
    name: "blip",
    model_types: &["blip"],
    lower,
    text: None,
};

const TOWER: Encoder = Encoder {
    hidden: 768,
    width: 3072,
    layers: 12,
    heads: 12,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let text = Text::read(&fields.object("text_config")?)?;
    let vision = fields.object("vision_config")?;
    let (seen, tokens) = b.scope("vision_model.", |b| blip(b, &vision, TOWER, 384, 16))?;
    let image = Source::Encoder {
        tokens: Some(tokens),
    };
    let class = class(fields)?.unwrap_or("BlipForConditionalGeneration");
    match class {
        "BlipForConditionalGeneration" => text.writer(b, seen, image)?,
        "BlipForQuestionAnswering" => {
            b.scope("text_encoder.", |b| {
                text.model(b, Stack::Encoder, seen, image)
            })?;
            // The answer looks at the question, but in the width of the image.
            text.writer(b, seen, Source::Encoder { tokens: None })?;
        }
        "BlipForImageTextRetrieval" => {
            b.scope("text_encoder.", |b| {
                text.model(b, Stack::Encoder, seen, image)
            })?;
            let shared = fields.size_or("image_text_hidden_size", 256)?;
            b.linear("vision_proj", Role::Projector, shared, seen, true);
            b.linear("text_proj", Role::Embedding, shared, text.hidden, true);
            b.linear("itm_head", Role::Head, 2, text.hidden, true);
        }
        "BlipModel" => {
            b.scope("text_model.", |b| -> Result<()> {
                text.model(b, Stack::Encoder, seen, Source::Nothing)?;
                b.linear("pooler.dense", Role::Head, text.hidden, text.hidden, true);
                Ok(())
            })?;
            let shared = fields.size_or("projection_dim", 512)?;
            b.linear("visual_projection", Role::Projector, shared, seen, false);
            b.linear(
                "text_projection",
                Role::Projector,
                shared,
                text.hidden,
                false,
            );
            b.tensor("logit_scale", Role::Head, &[]);
        }
        _ => return Err(unknown_class(fields, class)),
    }
    Ok(())
}

/// A BERT in which every layer also looks at an image.
struct Text<'c> {
    fields: Fields<'c>,
    hidden: u64,
    vocabulary: u64,
    positions: u64,
    tied: bool,
    side: Side,
}

impl<'c> Text<'c> {
    fn read(fields: &Fields<'c>) -> Result<Self> {
        Ok(Self {
            fields: *fields,
            hidden: fields.size_or("hidden_size", 768)?,
            vocabulary: fields.size_or("vocab_size", 30524)?,
            positions: fields.size_or("max_position_embeddings", 512)?,
            tied: fields.flag_or("tie_word_embeddings", true)?,
            side: Side {
                layers: fields.repeats_or("num_hidden_layers", 12)?,
                heads: fields.size_or("num_attention_heads", 8)?,
                width: fields.size_or("intermediate_size", 3072)?,
            },
        })
    }

    fn model(&self, b: &mut Builder, stack: Stack, seen: u64, source: Source) -> Result<()> {
        let Self {
            hidden,
            vocabulary,
            positions,
            ..
        } = *self;
        let Side { heads, width, .. } = self.side;
        let head_dim = self
            .fields
            .divide("hidden_size", hidden, "num_attention_heads", heads)?;
        let names = ["self.query", "self.key", "self.value", "output.dense"];
        let own = Multihead::new(names, hidden, heads, head_dim, true);
        let cross = Multihead {
            source: seen,
            ..own
        };
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, vocabulary, hidden);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        b.layers(stack, "encoder.layer", &self.side.numbers(), |b| {
            b.scope("attention.", |b| {
                own.attend(b);
                b.norm("output.LayerNorm", hidden, true);
            });
            b.scope("crossattention.", |b| {
                cross.cross(b, source);
                b.norm("output.LayerNorm", hidden, true);
            });
            b.linear("intermediate.dense", Role::Mlp, width, hidden, true);
            b.linear("output.dense", Role::Mlp, hidden, width, true);
            b.feed_forward(FeedForward::Dense { width });
            b.norm("output.LayerNorm", hidden, true);
        });
        Ok(())
    }

    fn writer(&self, b: &mut Builder, seen: u64, source: Source) -> Result<()> {
        b.scope("text_decoder.", |b| {
            b.scope("bert.", |b| self.model(b, Stack::Decoder, seen, source))?;
            b.scope("cls.predictions.", |b| {
                b.tensor("bias", Role::Head, &[self.vocabulary]);
                b.linear(
                    "transform.dense",
                    Role::Head,
                    self.hidden,
                    self.hidden,
                    true,
                );
                b.norm("transform.LayerNorm", self.hidden, true);
                if !self.tied {
                    let shape = [self.vocabulary, self.hidden];
                    b.tensor("decoder.weight", Role::Head, &shape);
                }
            });
            Ok(())
        })
    }
}
