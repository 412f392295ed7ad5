//! Lightning attention: linear attention whose heads forget at fixed rates.
//!
//! Source: transformers `models/minimax` and the code published with MiniMax-Text-01.

use super::builder::Builder;
use super::layer::{Convolution, Mixer, Recurrence, StateDtype};
use crate::checkpoint::Role;

/// Lightning attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lightning {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads.
    pub heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
    /// Tokens per block, where tables of decay over such blocks are stored as buffers.
    pub tables: Option<u64>,
}

impl Lightning {
    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let Self {
            hidden,
            heads,
            head_dim,
            ..
        } = *self;
        let width = heads * head_dim;
        b.linear("qkv_proj", role, 3 * width, hidden, false);
        b.linear("output_gate", role, width, hidden, false);
        b.linear("out_proj", role, hidden, width, false);
        b.norm("norm", width, false);
        if let Some(block) = self.tables {
            b.buffer("slope_rate", role, &[heads, 1, 1]);
            b.buffer("query_decay", role, &[heads, block, 1]);
            b.buffer("key_decay", role, &[heads, block, 1]);
            b.buffer("diagonal_decay", role, &[1, heads, block, block]);
        }
        b.mixer(Mixer::State {
            recurrence: Recurrence::Lightning,
            heads,
            convolution: Convolution::default(),
            recurrent: width * head_dim,
            dtype: StateDtype::Cache,
        });
    }
}
