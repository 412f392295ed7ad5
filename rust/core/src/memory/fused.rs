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
    // By name, the sums of the layers that it is in, in the order of their numbers.
    let mut sums: Vec<(Name<'_>, Vec<(u32, u64)>)> = Vec::new();
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
        let known = sums.iter().position(|(known, _)| *known == name);
        let known = known.unwrap_or_else(|| {
            sums.push((name, Vec::new()));
            sums.len() - 1
        });
        let layers = &mut sums[known].1;
        match &piece.layers {
            None => add(layers, std::iter::once(0), bytes),
            Some(numbers) if piece.part == Some(Stack::Decoder) => {
                let here = |number: &u32| stage.layers.contains(&u64::from(*number));
                add(layers, numbers.iter().filter(here), bytes);
            }
            Some(numbers) => add(layers, numbers.iter(), bytes),
        }
    }
    for (_, bytes) in sums.into_iter().flat_map(|(_, layers)| layers) {
        match apart.last_mut() {
            Some((last, count)) if *last == bytes => *count = count.saturating_add(1),
            _ => apart.push((bytes, 1)),
        }
    }
    apart
}

/// What stands before the last word of a name, the word, and what comes after it.
type Name<'p> = [&'p str; 3];

/// Adds bytes to the sums of some layers, whose numbers ascend.
fn add(sums: &mut Vec<(u32, u64)>, numbers: impl Iterator<Item = u32>, bytes: u64) {
    let mut at = 0;
    for number in numbers {
        // Mostly these are the layers that are there already, one after another.
        if sums.get(at).is_none_or(|(known, _)| *known != number) {
            at = sums.partition_point(|(known, _)| *known < number);
        }
        match sums.get_mut(at) {
            Some((known, sum)) if *known == number => *sum = sum.saturating_add(bytes),
            _ => sums.insert(at, (number, bytes)),
        }
        at += 1;
    }
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
fn name(piece: &Piece) -> Name<'_> {
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
    [front, fused, end]
}
