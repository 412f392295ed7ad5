//! I-BERT: RoBERTa in whole numbers, which stores a rounded copy and scales beside every matrix.
//!
//! Source: transformers `models/ibert` and its `quant_modules.py`. Copies and scales are buffers.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape};
use crate::architecture::encoder_top::ROBERTA_TOPS;
use crate::checkpoint::Role;

/// I-BERT.
pub const FAMILY: Family = Family {
    name: "ibert",
    model_types: &["ibert"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "ibert.")?;
    let shape = Shape::read(fields)?;
    let Shape { hidden, width, .. } = shape;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            table(
                b,
                "word_embeddings",
                Role::Embedding,
                shape.vocabulary,
                hidden,
            );
            table(b, "token_type_embeddings", Role::Embedding, types, hidden);
            table(b, "position_embeddings", Role::Position, positions, hidden);
            activation(b, "embeddings_act1", Role::Embedding);
            activation(b, "embeddings_act2", Role::Embedding);
            norm(b, "LayerNorm", hidden);
            activation(b, "output_activation", Role::Mlp);
        });
        shape.stacked(b, "encoder.layer", |b| {
            let role = Role::Attention;
            b.scope("attention.self.", |b| {
                for name in ["query", "key", "value"] {
                    matrix(b, name, role, hidden, hidden);
                    activation(b, &format!("{name}_activation"), role);
                }
                activation(b, "softmax.act", role);
                activation(b, "output_activation", role);
            });
            b.scope("attention.output.", |b| {
                matrix(b, "dense", role, hidden, hidden);
                activation(b, "ln_input_act", Role::Norm);
                norm(b, "LayerNorm", hidden);
                activation(b, "output_activation", role);
            });
            b.mixer(shape.mixer());
            activation(b, "pre_intermediate_act", Role::Mlp);
            activation(b, "pre_output_act", Role::Mlp);
            b.scope("intermediate.", |b| {
                matrix(b, "dense", Role::Mlp, width, hidden);
                activation(b, "output_activation", Role::Mlp);
            });
            b.scope("output.", |b| {
                matrix(b, "dense", Role::Mlp, hidden, width);
                activation(b, "ln_input_act", Role::Norm);
                norm(b, "LayerNorm", hidden);
                activation(b, "output_activation", Role::Mlp);
            });
            b.feed_forward(shape.feed_forward());
        });
        ROBERTA_TOPS.pool(b, &seat, hidden);
    });
    ROBERTA_TOPS.add(b, fields, &seat, &shape, hidden)
}

/// A table, its rounded copy and the scale of that.
fn table(b: &mut Builder, name: &str, role: Role, rows: u64, columns: u64) {
    b.embedding(name, role, rows, columns);
    b.buffer(&format!("{name}.weight_integer"), role, &[rows, columns]);
    b.buffer(&format!("{name}.weight_scaling_factor"), role, &[1]);
}

/// A matrix and a bias, their rounded copies, and the scales of the rows.
fn matrix(b: &mut Builder, name: &str, role: Role, outputs: u64, inputs: u64) {
    b.linear(name, role, outputs, inputs, true);
    b.buffer(&format!("{name}.weight_integer"), role, &[outputs, inputs]);
    b.buffer(&format!("{name}.bias_integer"), role, &[outputs]);
    b.buffer(&format!("{name}.fc_scaling_factor"), role, &[outputs]);
}

/// The range of an activation and its scale.
fn activation(b: &mut Builder, name: &str, role: Role) {
    for part in ["x_min", "x_max", "act_scaling_factor"] {
        b.buffer(&format!("{name}.{part}"), role, &[1]);
    }
}

fn norm(b: &mut Builder, name: &str, hidden: u64) {
    b.norm(name, hidden, true);
    b.buffer(&format!("{name}.shift"), Role::Norm, &[1]);
    activation(b, &format!("{name}.activation"), Role::Norm);
}
