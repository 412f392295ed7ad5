//! Tensors as engines hold them: projections of the same input, and the experts of a layer, lie in one.

use super::allocation::counted;
use super::body::Piece;
use super::layout::Parallel;
use super::split::Split;
use super::stage::Stage;
use super::weights::{self, WeightRules};
use crate::architecture::Architecture;
use crate::architecture::layer::Stack;
use crate::checkpoint::Role;
use std::collections::BTreeMap;

/// The last words of names of projections that lie in one tensor, and what to call it (vLLM 0.19, `stacked_params_mapping`
/// of `model_executor/models/*.py`).
const FUSED: &[(&str, &[&str])] = &[
    (
        "gate_up",
        &["gate_proj", "up_proj", "w1", "w3", "gate_up_proj"],
    ),
    ("kv_a", &["q_a_proj", "kv_a_proj_with_mqa"]),
    ("qkv", &["q_proj", "k_proj", "v_proj"]),
    ("qkv_named", &["query", "key", "value"]),
];

/// Which tensors of a checkpoint an engine holds in one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fusing {
    /// Projections of the same input, and the experts of a layer.
    All,
    /// The experts of a layer alone.
    Experts,
    /// None: all lie as they are stored.
    Nothing,
}

/// Bytes of each tensor on one rank of a stage, and how many there are of each.
#[must_use]
pub fn tensors(
    pieces: &[Piece],
    architecture: &Architecture,
    stage: &Stage,
    parallel: Parallel,
    rules: WeightRules,
    fusing: Fusing,
) -> Vec<(u64, u64)> {
    let tied = weights::is_tied(pieces);
    let mut sums: BTreeMap<(String, u32), u64> = BTreeMap::new();
    let mut apart: Vec<(u64, u64)> = Vec::new();
    for piece in pieces {
        if piece.role == Role::Mtp && !rules.loads_prediction
            || rules.times(piece, stage, tied) == 0
        {
            continue;
        }
        let layer = weights::layer_of(architecture, piece);
        let bytes = Split::of(piece).bytes(piece, layer, parallel, rules.vocabulary_multiple);
        let fused = match fusing {
            Fusing::All => true,
            Fusing::Experts => piece.role == Role::Expert,
            Fusing::Nothing => false,
        };
        if !fused {
            let count = rules.times(piece, stage, tied).saturating_mul(piece.each);
            apart.push((bytes / piece.each.max(1), count));
            continue;
        }
        let name = name(piece);
        let numbers: Vec<u32> = match &piece.layers {
            None => vec![0],
            Some(numbers) if piece.part == Some(Stack::Decoder) => numbers
                .iter()
                .filter(|&number| stage.layers.contains(&u64::from(number)))
                .collect(),
            Some(numbers) => numbers.iter().collect(),
        };
        for number in numbers {
            let sum = sums.entry((name.clone(), number)).or_default();
            *sum = sum.saturating_add(bytes);
        }
    }
    apart.extend(sums.into_values().map(|bytes| (bytes, 1)));
    apart
}

/// What tensors are counted for beyond their bytes by the allocator, and how many there are.
#[must_use]
pub fn rounding(tensors: &[(u64, u64)]) -> (u64, u64) {
    tensors
        .iter()
        .fold((0, 0), |(over, all), &(bytes, count): &(u64, u64)| {
            let one = counted(bytes).saturating_sub(bytes);
            (
                over.saturating_add(one.saturating_mul(count)),
                all.saturating_add(count),
            )
        })
}

/// The name of the tensor a piece lies in, without the numbers of layers and experts.
fn name(piece: &Piece) -> String {
    let pattern = &*piece.pattern;
    let (scope, end) = match pattern.rsplit_once('.') {
        Some((front, last)) if ["weight", "bias"].contains(&last) => (front, last),
        _ => (pattern, ""),
    };
    let (front, last) = scope.rsplit_once('.').unwrap_or(("", scope));
    let fused = FUSED
        .iter()
        .find(|(_, names)| names.contains(&last))
        .map_or(last, |(fused, _)| fused);
    format!("{front}.{fused}.{end}")
}
