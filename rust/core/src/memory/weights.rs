//! Bytes of weights on one rank of one stage.

use super::body::Piece;
use super::layout::Parallel;
use super::split::Split;
use super::stage::Stage;
use crate::architecture::Architecture;
use crate::architecture::layer::{Layer, Stack};
use crate::checkpoint::Role;

/// What engines do differently with weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightRules {
    /// Entries of a vocabulary are padded to a multiple of this.
    pub vocabulary_multiple: u64,
    /// Whether layers that predict further tokens are loaded.
    pub loads_prediction: bool,
}

/// Bytes on each tensor-parallel rank of a stage, by role.
#[must_use]
pub fn on_stage(
    pieces: &[Piece],
    architecture: &Architecture,
    stage: &Stage,
    parallel: Parallel,
    rules: WeightRules,
) -> Vec<(Role, u64)> {
    let tied = !pieces.iter().any(|piece| piece.role == Role::Head);
    let mut sums = [0_u64; Role::ALL.len()];
    for piece in pieces {
        if piece.role == Role::Mtp && !rules.loads_prediction {
            continue;
        }
        let times = stage.times(piece, tied);
        if times == 0 {
            continue;
        }
        let layer = layer_of(architecture, piece);
        let each = Split::of(piece).bytes(piece, layer, parallel, rules.vocabulary_multiple);
        let sum = &mut sums[piece.role.index()];
        *sum = sum.saturating_add(each.saturating_mul(times));
    }
    Role::ALL
        .into_iter()
        .zip(sums)
        .filter(|(_, bytes)| *bytes > 0)
        .collect()
}

/// The first layer a piece lies in, which has the heads of all: tensors of one shape have as many heads.
fn layer_of<'a>(architecture: &'a Architecture, piece: &Piece) -> Option<&'a Layer> {
    let number = piece.layers.as_ref()?.iter().next()?;
    let stack = piece.part.unwrap_or(Stack::Decoder);
    architecture
        .layers
        .iter()
        .find(|layer| layer.stack == stack && layer.number == number)
}
