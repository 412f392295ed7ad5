//! Bytes of weights on one rank of one stage.

use super::body::Piece;
use super::layout::Parallel;
use super::split::Split;
use super::stage::Stage;
use crate::architecture::Architecture;
use crate::architecture::layer::{Layer, Stack};
use crate::checkpoint::Role;
use crate::wording::{counted, grouped};

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

/// The tensors of one role that lie on a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfRole {
    /// The role.
    pub role: Role,
    /// Bytes of them on each GPU of the stage.
    pub bytes: u64,
    /// How many tensors there are.
    pub tensors: u64,
    /// The weights of all of them, scales and zero points not counted.
    pub elements: u64,
    /// Bytes of all of them, before they are shared and padded.
    pub whole: u64,
    /// The shape, if there is but one tensor.
    pub shape: Vec<u64>,
}

impl OfRole {
    /// How the bytes come about, with the numbers put in.
    #[must_use]
    pub fn formula(&self, parallel: Parallel) -> String {
        let sized = match self.whole.checked_rem(self.elements) {
            Some(0) => format!("weights of {}", counted(self.whole / self.elements, "byte")),
            _ => format!("weights in {}", counted(self.whole, "byte")),
        };
        let what = match (self.tensors, self.shape.as_slice()) {
            (1, shape @ [_, ..]) => {
                let sides: Vec<String> = shape.iter().map(|&side| grouped(side)).collect();
                format!("1 tensor of {} {sized}", sides.join(" x "))
            }
            (tensors, _) => {
                format!(
                    "{} of {} {sized}",
                    counted(tensors, "tensor"),
                    grouped(self.elements)
                )
            }
        };
        let ranks = if self.role == Role::Expert {
            parallel.expert_ranks()
        } else {
            parallel.tensor
        };
        let shared = if self.bytes == self.whole {
            match ranks {
                1 => String::new(),
                _ => format!(", whole on each of {ranks} ranks"),
            }
        } else if ranks > 1 && self.bytes.checked_mul(ranks) == Some(self.whole) {
            format!(" / {ranks} ranks")
        } else if ranks > 1 {
            format!(
                ", of which each of {ranks} ranks holds {}: some in shares, some whole or padded",
                counted(self.bytes, "byte")
            )
        } else {
            format!(", padded to {}", counted(self.bytes, "byte"))
        };
        format!("{what}{shared}")
    }
}

/// The tensors on each GPU of a stage, by role.
#[must_use]
pub fn on_stage(
    pieces: &[Piece],
    architecture: &Architecture,
    stage: &Stage,
    parallel: Parallel,
    rules: WeightRules,
) -> Vec<OfRole> {
    let mut sums = Role::ALL.map(|role| OfRole {
        role,
        bytes: 0,
        tensors: 0,
        elements: 0,
        whole: 0,
        shape: Vec::new(),
    });
    for (piece, times, bytes) in placed(pieces, architecture, stage, parallel, rules) {
        let sum = &mut sums[piece.role.index()];
        let tensors = piece.each.saturating_mul(times);
        if sum.tensors == 0 {
            sum.shape.clone_from(&piece.shape);
        }
        sum.bytes = sum.bytes.saturating_add(bytes);
        sum.tensors = sum.tensors.saturating_add(tensors);
        let all = |each: u64| each.saturating_mul(tensors);
        sum.elements = sum.elements.saturating_add(all(piece.elements));
        sum.whole = sum.whole.saturating_add(all(piece.bytes));
    }
    sums.into_iter().filter(|sum| sum.bytes > 0).collect()
}

/// Bytes of each piece on each tensor-parallel rank of a stage; pieces that do not lie there are left out.
pub fn by_piece<'a>(
    pieces: &'a [Piece],
    architecture: &'a Architecture,
    stage: &'a Stage,
    parallel: Parallel,
    rules: WeightRules,
) -> impl Iterator<Item = (&'a Piece, u64)> {
    placed(pieces, architecture, stage, parallel, rules).map(|(piece, _, bytes)| (piece, bytes))
}

/// The same with the layers, or 1 outside layers, that it lies in here.
fn placed<'a>(
    pieces: &'a [Piece],
    architecture: &'a Architecture,
    stage: &'a Stage,
    parallel: Parallel,
    rules: WeightRules,
) -> impl Iterator<Item = (&'a Piece, u64, u64)> {
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
        Some((piece, times, each.saturating_mul(times)))
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

#[cfg(test)]
mod tests {
    use super::{OfRole, Parallel, Role};

    #[test]
    fn formulas_multiply_to_the_bytes() {
        let table = OfRole {
            role: Role::Embedding,
            bytes: 1_050_673_152,
            tensors: 1,
            elements: 525_336_576,
            whole: 1_050_673_152,
            shape: vec![128_256, 4096],
        };
        let ranks = |tensor| Parallel {
            tensor,
            ..Parallel::default()
        };
        assert_eq!(
            table.formula(ranks(1)),
            "1 tensor of 128,256 x 4,096 weights of 2 bytes"
        );
        let shared = OfRole {
            bytes: 262_668_288,
            ..table.clone()
        };
        assert_eq!(
            shared.formula(ranks(4)),
            "1 tensor of 128,256 x 4,096 weights of 2 bytes / 4 ranks"
        );
        let quantized = OfRole {
            role: Role::Mlp,
            tensors: 96,
            bytes: 900,
            elements: 1000,
            whole: 625,
            shape: vec![10, 10],
        };
        assert_eq!(
            quantized.formula(ranks(1)),
            "96 tensors of 1,000 weights in 625 bytes, padded to 900 bytes"
        );
        assert_eq!(
            quantized.formula(ranks(2)),
            "96 tensors of 1,000 weights in 625 bytes, of which each of 2 ranks holds 900 bytes: some in shares, some \
             whole or padded"
        );
    }
}
