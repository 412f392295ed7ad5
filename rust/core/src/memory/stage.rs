//! The stages of a pipeline: which layers, and what beside them, lie on which.

use super::body::Piece;
use super::layout::Parallel;
use crate::architecture::Architecture;
use crate::architecture::layer::{Layer, Stack};
use crate::checkpoint::Role;
use std::ops::Range;

/// One stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its place, from 0.
    pub index: u64,
    /// How many there are.
    pub of: u64,
    /// The layers of the decoder on it, as positions in the decoder.
    pub layers: Range<u64>,
}

impl Stage {
    /// The stages of a pipeline over so many layers of a decoder. Layers that do not divide go one each to the last
    /// stages but the very last, which has the head (vLLM 0.19, `distributed/utils.py:get_pp_indices`).
    #[must_use]
    pub fn all(layers: u64, stages: u64) -> Vec<Self> {
        let stages = stages.max(1);
        let (each, over) = (layers / stages, layers % stages);
        let mut begin = 0;
        (0..stages)
            .map(|index| {
                // With one stage nothing is over.
                let from_end = stages - 1 - index;
                let extra = u64::from(from_end >= 1 && from_end <= over);
                let end = begin + each + extra;
                let stage = Self {
                    index,
                    of: stages,
                    layers: begin..end,
                };
                begin = end;
                stage
            })
            .collect()
    }

    /// Whether requests come in here.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.index == 0
    }

    /// Whether logits come out here.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        self.index + 1 == self.of
    }

    /// The layers of the decoder that lie here.
    pub fn decoder<'a>(
        &self,
        architecture: &'a Architecture,
    ) -> impl Iterator<Item = &'a Layer> + use<'a> {
        let (from, to) = (self.layers.start, self.layers.end);
        let skip = usize::try_from(from).unwrap_or(usize::MAX);
        let take = usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
        architecture.decoder().skip(skip).take(take)
    }

    /// How many times a piece's tensors of all its layers lie on this stage, as a number of layers; 1 or 0 for what lies
    /// outside layers. `tied` says that the head is the table of embeddings, which then lies on both ends.
    #[must_use]
    pub fn times(&self, piece: &Piece, tied: bool) -> u64 {
        let Some(numbers) = &piece.layers else {
            return u64::from(self.has_outside(piece, tied));
        };
        match piece.part {
            Some(Stack::Decoder) => numbers
                .iter()
                .filter(|&number| self.layers.contains(&u64::from(number)))
                .count() as u64,
            Some(Stack::Prediction) if self.is_last() => numbers.len() as u64,
            Some(Stack::Prediction) => 0,
            _ if self.is_first() => numbers.len() as u64,
            _ => 0,
        }
    }

    fn has_outside(&self, piece: &Piece, tied: bool) -> bool {
        match piece.role {
            Role::Head | Role::Norm | Role::Mtp => self.is_last(),
            Role::Embedding => self.is_first() || (tied && self.is_last()),
            _ => self.is_first(),
        }
    }
}

/// Stages over the decoder of a model.
#[must_use]
pub fn stages(architecture: &Architecture, parallel: Parallel) -> Vec<Stage> {
    Stage::all(architecture.decoder().count() as u64, parallel.pipeline)
}

#[cfg(test)]
mod tests {
    use super::Stage;

    fn sizes(layers: u64, stages: u64) -> Vec<u64> {
        Stage::all(layers, stages)
            .iter()
            .map(|stage| stage.layers.end - stage.layers.start)
            .collect()
    }

    #[test]
    fn what_does_not_divide_spares_the_last_stage() {
        assert_eq!(sizes(32, 4), [8, 8, 8, 8]);
        assert_eq!(sizes(61, 4), [15, 15, 16, 15]);
        assert_eq!(sizes(62, 4), [15, 16, 16, 15]);
        assert_eq!(sizes(63, 4), [16, 16, 16, 15]);
        assert_eq!(sizes(7, 1), [7]);
        assert_eq!(
            Stage::all(61, 4).last().map(|last| last.layers.clone()),
            Some(46..61)
        );
    }
}
