//! ConvBERT: half of the heads give way to convolutions whose filters follow the text.
//!
//! Source: transformers `models/convbert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, tied};
use crate::architecture::encoder_top::{BERT_TOPS, PreTraining, Sequences, Tops};
use crate::checkpoint::Role;

/// ConvBERT.
pub const FAMILY: Family = Family {
    name: "convbert",
    model_types: &["convbert"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: &[],
    words: |b, fields, shape, narrow| {
        let Shape {
            hidden, vocabulary, ..
        } = *shape;
        b.linear(
            "generator_predictions.dense",
            Role::Head,
            narrow,
            hidden,
            true,
        );
        b.norm("generator_predictions.LayerNorm", narrow, true);
        b.tensor("generator_lm_head.bias", Role::Head, &[vocabulary]);
        if !tied(fields)? {
            b.linear("generator_lm_head", Role::Head, vocabulary, narrow, false);
        }
        Ok(())
    },
    pretraining: PreTraining::None,
    sequences: Sequences::Within,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "convbert.")?;
    let mut shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let ratio = fields.size_or("head_ratio", 2)?;
    shape.heads = (shape.heads / ratio).max(1);
    shape.head_dim = fields.divide("hidden_size", hidden, "num_attention_heads", shape.heads)? / 2;
    let inner = shape.heads * shape.head_dim;
    if 2 * inner != hidden {
        return Err(fields.error(
            "head_ratio",
            format!("leaves heads that do not fill half of hidden_size {hidden}"),
        ));
    }
    let narrow = fields.size_or("embedding_size", 768)?;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    let kernel = fields.size_or("conv_kernel_size", 9)?;
    let groups = fields.size_or("num_groups", 1)?;
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, narrow);
            b.embedding("position_embeddings", Role::Position, positions, narrow);
            b.embedding("token_type_embeddings", Role::Embedding, types, narrow);
            b.norm("LayerNorm", narrow, true);
        });
        if narrow != hidden {
            b.linear("embeddings_project", Role::Embedding, hidden, narrow, true);
        }
        shape.stacked(b, "encoder.layer", |b| -> Result<()> {
            b.scope("attention.self.", |b| {
                let role = Role::Attention;
                for name in ["query", "key", "value"] {
                    b.linear(name, role, inner, hidden, true);
                }
                b.scope("key_conv_attn_layer.", |b| {
                    b.tensor("depthwise.weight", role, &[hidden, 1, kernel]);
                    b.tensor("pointwise.weight", role, &[inner, hidden, 1]);
                    b.tensor("bias", role, &[inner, 1]);
                });
                let filters = shape.heads * kernel;
                b.linear("conv_kernel_layer", role, filters, inner, true);
                b.linear("conv_out_layer", role, inner, hidden, true);
            });
            b.linear(
                "attention.output.dense",
                Role::Attention,
                hidden,
                hidden,
                true,
            );
            b.norm("attention.output.LayerNorm", hidden, true);
            b.mixer(shape.mixer());
            grouped(b, fields, "intermediate.dense", width, hidden, groups)?;
            grouped(b, fields, "output.dense", hidden, width, groups)?;
            b.norm("output.LayerNorm", hidden, true);
            b.feed_forward(shape.feed_forward());
            Ok(())
        })
    })?;
    TOPS.add(b, fields, &seat, &shape, narrow)
}

/// A linear layer in groups, which has its inputs before its outputs unless there is one group only.
fn grouped(
    b: &mut Builder,
    fields: &Fields<'_>,
    name: &str,
    outputs: u64,
    inputs: u64,
    groups: u64,
) -> Result<()> {
    if groups == 1 {
        b.linear(name, Role::Mlp, outputs, inputs, true);
        return Ok(());
    }
    let shape = [
        groups,
        fields.divide("the width of the input", inputs, "num_groups", groups)?,
        fields.divide("the width of the output", outputs, "num_groups", groups)?,
    ];
    b.weight_and_bias(name, Role::Mlp, &shape, outputs, true);
    Ok(())
}
