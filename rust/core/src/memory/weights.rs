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
    /// Whether tables that tokens are looked up in stay in the memory of the host. One that is also the head is then
    /// there and on the GPU of the head.
    pub host_tables: bool,
    /// Whether every stage of a pipeline has the encoders of images and sounds, and not the first alone.
    pub towers_everywhere: bool,
}

impl WeightRules {
    /// How many times a piece's tensors of all its layers lie on a stage: see [`Stage::times`].
    #[must_use]
    pub fn times(self, piece: &Piece, stage: &Stage, tied: bool) -> u64 {
        if self.towers_everywhere && piece.is_of_tower() {
            let layers = piece.layers.as_ref();
            return layers.map_or(1, |numbers| numbers.len() as u64);
        }
        stage.times(piece, tied)
    }
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
    let mut sums = [0_u64; Role::ALL.len()];
    for (piece, bytes) in by_piece(pieces, architecture, stage, parallel, rules) {
        let sum = &mut sums[piece.role.index()];
        *sum = sum.saturating_add(bytes);
    }
    Role::ALL
        .into_iter()
        .zip(sums)
        .filter(|(_, bytes)| *bytes > 0)
        .collect()
}

/// Bytes of each piece on each tensor-parallel rank of a stage; pieces that do not lie there are left out.
pub fn by_piece<'a>(
    pieces: &'a [Piece],
    architecture: &'a Architecture,
    stage: &'a Stage,
    parallel: Parallel,
    rules: WeightRules,
) -> impl Iterator<Item = (&'a Piece, u64)> {
    let tied = is_tied(pieces);
    pieces.iter().filter_map(move |piece| {
        if piece.role == Role::Mtp && !rules.loads_prediction {
            return None;
        }
        let times = if rules.host_tables && stays_on_host(piece) {
            let is_head = tied && is_table(piece, architecture);
            u64::from(is_head && stage.is_last())
        } else {
            rules.times(piece, stage, tied)
        };
        if times == 0 {
            return None;
        }
        let layer = layer_of(architecture, piece);
        let each = Split::of(piece).bytes(piece, layer, parallel, rules.vocabulary_multiple);
        Some((piece, each.saturating_mul(times)))
    })
}

/// Whether the table of embeddings is also the head.
#[must_use]
pub fn is_tied(pieces: &[Piece]) -> bool {
    !pieces.iter().any(|piece| piece.role == Role::Head)
}

/// Whether tokens are looked up in it, by themselves or by their places.
fn stays_on_host(piece: &Piece) -> bool {
    piece.layers.is_none() && matches!(piece.role, Role::Embedding | Role::Position)
}

/// Whether it is the table of embeddings itself, and not one that goes with it.
#[must_use]
pub fn is_table(piece: &Piece, architecture: &Architecture) -> bool {
    let stated = [architecture.vocab_size, architecture.hidden_size];
    stated
        .iter()
        .zip(&piece.shape)
        .all(|(stated, &is)| *stated == Some(is))
}

/// The first layer a piece lies in, which has the heads of all: tensors of one shape have as many heads.
pub(super) fn layer_of<'a>(architecture: &'a Architecture, piece: &Piece) -> Option<&'a Layer> {
    let number = piece.layers.as_ref()?.iter().next()?;
    let stack = piece.part.unwrap_or(Stack::Decoder);
    architecture
        .layers
        .iter()
        .find(|layer| layer.stack == stack && layer.number == number)
}
