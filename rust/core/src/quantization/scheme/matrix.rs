//! Which tensors are matrices that a library would quantize, and how these lie.

use crate::architecture::Architecture;
use crate::architecture::template::{Routing, Template};
use crate::checkpoint::Role;

/// Matrices of one shape: all experts of a layer in one tensor are as many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// How many.
    pub count: u64,
    /// Outputs: the side that per-channel scales belong to.
    pub rows: u64,
    /// Inputs: the side that groups and blocks lie along.
    pub columns: u64,
    /// Whether it is one tensor without being the weight of a linear module, as experts that are fused are.
    pub fused: bool,
}

/// Words in the names of what leads out of an inner width into the residual stream, where experts are fused or a module
/// keeps its weight transposed.
const OUT: &[&str] = &["down", "fc2", "w2", "c_proj", "output_linear", "wo"];

/// Words in the names of convolutions, embeddings and other tables whose weights have two sides or more.
const NO_LINEAR: &[&str] = &[
    "conv",
    "embed",
    "position",
    "patch",
    "norm",
    "relative_attention_bias",
];

/// The matrix that a tensor is the weight of, if a library that quantizes linear modules would find it: the `.weight` of
/// two sides that is no table, or the fused weights of experts.
#[must_use]
pub fn linear(template: &Template, architecture: &Architecture) -> Option<Matrix> {
    if template.routing == Routing::Lookup || template.buffer {
        return None;
    }
    let name = template.pattern.as_str();
    if name.ends_with("bias") || NO_LINEAR.iter().any(|word| last_words(name).contains(word)) {
        return None;
    }
    match (&*template.shape, template.role) {
        (&[rows, columns], _) if name.ends_with(".weight") => Some(oriented(
            name,
            [1, rows, columns],
            false,
            architecture.hidden_size,
        )),
        (&[count, rows, columns], role) if holds_experts(name, role) => Some(oriented(
            name,
            [count, rows, columns],
            true,
            architecture.hidden_size,
        )),
        (&[rows, columns], role) if holds_experts(name, role) => Some(oriented(
            name,
            [1, rows, columns],
            true,
            architecture.hidden_size,
        )),
        _ => None,
    }
}

/// Whether a tensor without `.weight`, or with three sides, holds the matrices of experts.
fn holds_experts(name: &str, role: Role) -> bool {
    match role {
        Role::Expert => true,
        Role::Mtp | Role::SharedExpert => name.contains("expert"),
        _ => false,
    }
}

/// The module's name and its parameter's.
fn last_words(name: &str) -> &str {
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    match (dots.next(), dots.next()) {
        (Some(_), Some(second)) => &name[second + 1..],
        _ => name,
    }
}

/// Rows are outputs. Modules that multiply from the left (`Conv1D` of transformers, experts of Llama 4 and gpt-oss) keep
/// inputs first: then the side of the residual stream, which everyone knows, stands where the other should.
fn oriented(name: &str, shape: [u64; 3], fused: bool, hidden: Option<u64>) -> Matrix {
    let [count, first, second] = shape;
    let words = last_words(name);
    let transposable = fused || words.starts_with("c_");
    let out = OUT.iter().any(|word| words.contains(word));
    let transposed = transposable
        && first != second
        && hidden.is_some_and(|hidden| {
            if out {
                second == hidden
            } else {
                first == hidden
            }
        });
    let (rows, columns) = if transposed {
        (second, first)
    } else {
        (first, second)
    };
    Matrix {
        count,
        rows,
        columns,
        fused,
    }
}
