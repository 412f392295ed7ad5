//! CANINE: characters by hashes, a deep encoder over groups of them, shallow ones before and after.
//!
//! Source: transformers `models/canine`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape, Task, refuse};
use crate::architecture::encoder_top::{ALWAYS, BERT_TOPS, PreTraining, Tops};
use crate::architecture::layer::Stack;
use crate::checkpoint::Role;

/// CANINE.
pub const FAMILY: Family = Family {
    name: "canine",
    model_types: &["canine"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    pooled: ALWAYS,
    pretraining: PreTraining::None,
    ..BERT_TOPS
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "canine.")?;
    if matches!(seat.task, Task::MaskedWords | Task::Words) {
        return refuse(fields);
    }
    let hidden = fields.size("hidden_size")?;
    let heads = fields.size("num_attention_heads")?;
    let shape = Shape {
        hidden,
        heads,
        head_dim: fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
        width: fields.size("intermediate_size")?,
        layers: fields.repeats("num_hidden_layers")?,
        // It reads characters, by their hashes.
        vocabulary: 1,
        decodes: false,
        cross: false,
    };
    let functions = fields.repeats_or("num_hash_functions", 8)?;
    let buckets = fields.size_or("num_hash_buckets", 16384)?;
    let part = fields.divide("hidden_size", hidden, "num_hash_functions", functions)?;
    let types = fields.count_or("type_vocab_size", 16)?;
    let down = fields.size_or("downsampling_rate", 4)?;
    let up = fields.size_or("upsampling_kernel_size", 4)?;
    let block = |b: &mut Builder| {
        shape.block(b, ["output.LayerNorm", "output.LayerNorm"], |b| {
            shape.projections(b, true);
            Ok(())
        })
    };
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("char_embeddings.", |b| {
            for function in 0..functions {
                let name = format!("HashBucketCodepointEmbedder_{function}");
                b.embedding(&name, Role::Embedding, buckets, part);
            }
            let name = "char_position_embeddings";
            b.embedding(name, Role::Position, buckets, hidden);
            b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
            b.norm("LayerNorm", hidden, true);
        });
        let one = classic::all(1);
        b.layers(Stack::Other, "initial_char_encoder.layer", &one, block)?;
        b.scope("chars_to_molecules.", |b| {
            b.weight_and_bias("conv", Role::Mlp, &[hidden, hidden, down], hidden, true);
            b.norm("LayerNorm", hidden, true);
        });
        shape.stacked(b, "encoder.layer", block)?;
        b.scope("projection.", |b| {
            b.weight_and_bias("conv", Role::Mlp, &[hidden, 2 * hidden, up], hidden, true);
            b.norm("LayerNorm", hidden, true);
        });
        b.layers(Stack::Other, "final_char_encoder.layer", &one, block)?;
        TOPS.pool(b, &seat, hidden);
        Ok(())
    })?;
    TOPS.add(b, fields, &seat, &shape, hidden)
}
