//! What one quantized matrix takes: a sum of terms, each an integer number of bytes for so much of the matrix.

use super::matrix::Matrix;
use crate::quantization::format::Format;

/// One tensor of those that a quantized matrix is stored in, or what stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Term {
    /// Blocks along each row; what is left of a row takes a whole block.
    Rows(Format),
    /// Blocks over the matrix as one run of numbers.
    Run(Format),
    /// Words of 32 bits along each row, full of weights of so many bits.
    Words(u64),
    /// Words of 32 bits along the outputs, for each input.
    OutputWords(u64),
    /// Zero points of so many bits in words of 32 bits along the outputs, for each group of so many inputs.
    Zeros {
        /// Bits of one.
        bits: u64,
        /// Inputs that share one; 0 for all of them.
        group: u64,
    },
    /// So many bytes for each group of so many weights of a row; 0 for all of them.
    Group {
        /// Weights that share them.
        weights: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// So many bytes for each tile.
    Tile {
        /// Outputs of a tile.
        rows: u64,
        /// Inputs of a tile.
        columns: u64,
        /// How many bytes.
        bytes: u64,
    },
    /// So many bytes for each output.
    Row(u64),
    /// So many bytes for each input.
    Column(u64),
    /// So many bytes for the whole.
    Tensor(u64),
    /// So many bits for each weight, as (numerator, denominator).
    Bits(u64, u64),
}

impl Term {
    /// Bytes of one matrix.
    fn bytes(self, rows: u64, columns: u64) -> u64 {
        let weights = || rows.saturating_mul(columns);
        let groups = |size: u64| {
            if size == 0 { 1 } else { columns.div_ceil(size) }
        };
        let words = |numbers: u64, bits: u64| {
            let bits = u128::from(numbers) * u128::from(bits);
            u64::try_from(bits.div_ceil(32) * 4).unwrap_or(u64::MAX)
        };
        // More bytes than 64 bits count stay at the end, and so fit no GPU.
        match self {
            Self::Rows(format) => format
                .size(columns)
                .unwrap_or(u64::MAX)
                .saturating_mul(rows),
            Self::Run(format) => format.size(weights()).unwrap_or(u64::MAX),
            Self::Words(bits) => words(columns, bits).saturating_mul(rows),
            Self::OutputWords(bits) => words(rows, bits).saturating_mul(columns),
            Self::Zeros { bits, group } => words(rows, bits).saturating_mul(groups(group)),
            Self::Group { weights, bytes } => {
                groups(weights).saturating_mul(rows).saturating_mul(bytes)
            }
            Self::Tile {
                rows: high,
                columns: wide,
                bytes,
            } => rows
                .div_ceil(high.max(1))
                .saturating_mul(columns.div_ceil(wide.max(1)))
                .saturating_mul(bytes),
            Self::Row(bytes) => rows.saturating_mul(bytes),
            Self::Column(bytes) => columns.saturating_mul(bytes),
            Self::Tensor(bytes) => bytes,
            Self::Bits(numerator, denominator) => {
                let bits = u128::from(weights()).saturating_mul(u128::from(numerator));
                u64::try_from(bits.div_ceil(8 * u128::from(denominator.max(1)))).unwrap_or(u64::MAX)
            }
        }
    }
}

/// How a quantized matrix is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The tensors.
    pub terms: Vec<Term>,
    /// Inputs must be a multiple of this, or else the matrix is left as it is.
    pub multiple: u64,
    /// What outputs and inputs are padded to a multiple of.
    pub padding: [u64; 2],
}

impl Layout {
    /// One without padding, for any width.
    #[must_use]
    pub const fn of(terms: Vec<Term>) -> Self {
        Self {
            terms,
            multiple: 1,
            padding: [1, 1],
        }
    }

    /// The same for inputs that are a multiple of this.
    #[must_use]
    pub const fn multiples_of(mut self, multiple: u64) -> Self {
        self.multiple = multiple;
        self
    }

    /// Whether the matrix can be stored so.
    #[must_use]
    pub const fn fits(&self, matrix: &Matrix) -> bool {
        matrix.columns.is_multiple_of(self.multiple)
    }

    /// Bytes of all the matrices of a tensor.
    #[must_use]
    pub fn bytes(&self, matrix: &Matrix) -> u64 {
        let [rows, columns] = [(matrix.rows, 0), (matrix.columns, 1)].map(|(side, at)| {
            let multiple = self.padding[at].max(1);
            side.div_ceil(multiple).saturating_mul(multiple)
        });
        self.terms
            .iter()
            .fold(0_u64, |sum, term| {
                sum.saturating_add(term.bytes(rows, columns))
            })
            .saturating_mul(matrix.count)
    }
}
