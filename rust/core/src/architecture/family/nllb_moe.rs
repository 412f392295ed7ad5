//! NLLB with experts: M2M-100 in which every n-th layer of either stack sends each token to two experts.
//!
//! Source: transformers `models/nllb_moe`.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Form, Side, Sizes, unknown_class};
use crate::architecture::heads::Source;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::class;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// NLLB with experts.
pub const FAMILY: Family = Family {
    name: "nllb-moe",
    model_types: &["nllb-moe"],
    lower,
    text: None,
};

const BLOCK: Block = Block {
    cross: "cross_attention",
    feed_forward: "ffn.",
    feed_forward_norm: "ff_layer_norm",
    ..Block::BART
};

/// Each token goes to two experts.
const CHOSEN: u64 = 2;

struct Model {
    sizes: Sizes,
    vocabulary: u64,
    experts: u64,
    router_bias: bool,
    tied: bool,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let form = Form::of(fields)?;
    let root = match form {
        Form::Generation => "model.",
        Form::Bare => "",
        _ => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let side = Side {
        layers: 12,
        heads: 16,
        width: 4096,
    };
    let default = Sizes {
        hidden: 1024,
        encoder: side,
        decoder: side,
    };
    let model = Model {
        sizes: Sizes::read(fields, default)?,
        vocabulary: fields.size_or("vocab_size", 128_112)?,
        experts: fields.repeats_or("num_experts", 128)?,
        router_bias: fields.flag_or("router_bias", false)?,
        tied: fields.flag_or("tie_word_embeddings", true)?,
    };
    let hidden = model.sizes.hidden;
    b.scope(root, |b| {
        b.embedding("shared", Role::Embedding, model.vocabulary, hidden);
        b.scope("encoder.", |b| model.stack(b, fields, Stack::Encoder))?;
        b.scope("decoder.", |b| model.stack(b, fields, Stack::Decoder))
    })?;
    if form == Form::Generation && !model.tied {
        b.linear("lm_head", Role::Head, model.vocabulary, hidden, false);
    }
    Ok(())
}

impl Model {
    fn stack(&self, b: &mut Builder, fields: &Fields<'_>, stack: Stack) -> Result<()> {
        let hidden = self.sizes.hidden;
        let (side, heads_name, step_name) = if stack == Stack::Decoder {
            (
                self.sizes.decoder,
                "decoder_attention_heads",
                "decoder_sparse_step",
            )
        } else {
            (
                self.sizes.encoder,
                "encoder_attention_heads",
                "encoder_sparse_step",
            )
        };
        let heads = BLOCK.heads(fields, hidden, heads_name, side.heads)?;
        let step = fields.count_or(step_name, 4)?;
        if !self.tied {
            b.embedding("embed_tokens", Role::Embedding, self.vocabulary, hidden);
        }
        let sparse = (0..side.layers).map(|layer| step > 0 && (layer + 1).is_multiple_of(step));
        for (sparse, numbers) in group(sparse) {
            b.layers(stack, "layers", &numbers, |b| {
                Block::attention(b, &heads);
                if stack == Stack::Decoder {
                    BLOCK.cross_attention(b, &heads, Source::Encoder { tokens: None });
                }
                if sparse {
                    self.experts(b, side.width);
                    b.norm("ff_layer_norm", hidden, true);
                } else {
                    BLOCK.dense(b, hidden, side.width);
                }
            });
        }
        b.norm("layer_norm", hidden, true);
        Ok(())
    }

    fn experts(&self, b: &mut Builder, width: u64) {
        let hidden = self.sizes.hidden;
        let numbers = Numbers::Below(u32::try_from(self.experts).unwrap_or(u32::MAX));
        b.scope("ffn.", |b| {
            let router = "router.classifier";
            b.linear(router, Role::Router, self.experts, hidden, self.router_bias);
            b.routed(CHOSEN, self.experts, |b| {
                b.scope("experts.expert_", |b| {
                    b.each("", numbers, |b| {
                        b.linear("fc1", Role::Expert, width, hidden, true);
                        b.linear("fc2", Role::Expert, hidden, width, true);
                    });
                });
            });
        });
        b.feed_forward(FeedForward::Experts {
            experts: self.experts,
            chosen: CHOSEN,
            width,
            shared_width: 0,
        });
    }
}
