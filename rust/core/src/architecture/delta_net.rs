//! Delta nets: linear attention whose state is corrected rather than only added to.
//!
//! Sources: transformers `models/qwen3_next`, `models/qwen3_5`, `models/olmo_hybrid` and `models/kimi_linear`, and the
//! layers of the FLA library that they follow. What they keep is as in vLLM's `layers/mamba/mamba_utils.py`.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::{Convolution, Mixer, Recurrence, StateDtype};
use super::mamba::{convolution, state_dtype};
use crate::checkpoint::Role;

/// How the projections into a gated delta net are laid out in tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Projections {
    /// Queries, keys, values and gates in one, both decays in another: Qwen3-Next.
    Fused,
    /// Queries, keys and values in one, the rest by itself: Qwen3.5.
    Split,
    /// Each by itself, and a convolution for each of queries, keys and values: the FLA library.
    Separate,
}

/// A gated delta net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeltaNet {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads of queries and keys.
    pub key_heads: u64,
    /// Heads of values.
    pub value_heads: u64,
    /// Numbers per query and key head.
    pub key_dim: u64,
    /// Numbers per value head.
    pub value_dim: u64,
    /// Width of the convolution.
    pub kernel: u64,
    /// How its projections are laid out.
    pub projections: Projections,
    /// How the recurrent state is kept.
    pub dtype: StateDtype,
}

impl DeltaNet {
    /// The fields as Qwen names them: `linear_num_key_heads` and so on, with the defaults of its classes.
    ///
    /// # Errors
    /// If a field is wrong, or heads do not divide.
    pub fn read(fields: &Fields<'_>, hidden: u64, projections: Projections) -> Result<Self> {
        let key_heads = fields.size_or("linear_num_key_heads", 16)?;
        let value_heads = fields.size_or("linear_num_value_heads", 32)?;
        fields.divide(
            "linear_num_value_heads",
            value_heads,
            "linear_num_key_heads",
            key_heads,
        )?;
        Ok(Self {
            hidden,
            key_heads,
            value_heads,
            key_dim: fields.size_or("linear_key_head_dim", 128)?,
            value_dim: fields.size_or("linear_value_head_dim", 128)?,
            kernel: fields.size_or("linear_conv_kernel_dim", 4)?,
            projections,
            dtype: state_dtype(fields)?,
        })
    }

    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let Self {
            hidden,
            value_heads: heads,
            kernel,
            ..
        } = *self;
        let keys = self.key_heads * self.key_dim;
        let values = heads * self.value_dim;
        let channels = 2 * keys + values;
        b.tensor("A_log", role, &[heads]);
        b.tensor("dt_bias", role, &[heads]);
        match self.projections {
            Projections::Fused => {
                convolution(b, "conv1d", channels, kernel, false);
                b.linear("in_proj_qkvz", role, channels + values, hidden, false);
                b.linear("in_proj_ba", role, 2 * heads, hidden, false);
            }
            Projections::Split => {
                convolution(b, "conv1d", channels, kernel, false);
                b.linear("in_proj_qkv", role, channels, hidden, false);
                b.linear("in_proj_z", role, values, hidden, false);
                b.linear("in_proj_b", role, heads, hidden, false);
                b.linear("in_proj_a", role, heads, hidden, false);
            }
            Projections::Separate => {
                for (name, outputs) in [("q", keys), ("k", keys), ("v", values)] {
                    b.linear(&format!("{name}_proj"), role, outputs, hidden, false);
                    convolution(b, &format!("{name}_conv1d"), outputs, kernel, false);
                }
                b.linear("b_proj", role, heads, hidden, false);
                b.linear("a_proj", role, heads, hidden, false);
                b.linear("g_proj", role, values, hidden, false);
            }
        }
        let [norm, output] = match self.projections {
            Projections::Fused | Projections::Split => ["norm", "out_proj"],
            Projections::Separate => ["o_norm", "o_proj"],
        };
        b.norm(norm, self.value_dim, false);
        b.linear(output, role, hidden, values, false);
        b.mixer(Mixer::State {
            recurrence: Recurrence::GatedDelta,
            heads,
            convolution: Convolution::new(channels, kernel),
            recurrent: heads * self.key_dim * self.value_dim,
            dtype: self.dtype,
        });
    }
}

/// How a gate of Kimi delta attention is projected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Down to the width of a head and up again: `f_a_proj` and `f_b_proj`.
    LowRank,
    /// At once: `f_proj`.
    Full,
}

/// Kimi delta attention: a delta net that forgets by channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KimiDelta<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads.
    pub heads: u64,
    /// Numbers per query, key and value head.
    pub head_dim: u64,
    /// Width of the convolutions.
    pub kernel: u64,
    /// How the gate of forgetting is projected.
    pub forget: Gate,
    /// How the gate of the output is projected.
    pub gate: Gate,
    /// Whether `A_log` is stored as `[1, 1, heads, 1]` rather than `[heads]`.
    pub wide_decay: bool,
    /// The name of the projection of the output.
    pub output: &'n str,
    /// The role of the projections of queries, keys, values and the output, which attention layers of the same model
    /// have under the same names.
    pub role: Role,
}

impl KimiDelta<'_> {
    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let width = self.heads * self.head_dim;
        for name in ["q", "k", "v"] {
            b.linear(
                &format!("{name}_proj"),
                self.role,
                width,
                self.hidden,
                false,
            );
            convolution(b, &format!("{name}_conv1d"), width, self.kernel, false);
        }
        if self.wide_decay {
            b.tensor("A_log", role, &[1, 1, self.heads, 1]);
        } else {
            b.tensor("A_log", role, &[self.heads]);
        }
        b.tensor("dt_bias", role, &[width]);
        b.linear("b_proj", role, self.heads, self.hidden, false);
        for (name, gate) in [("f", self.forget), ("g", self.gate)] {
            match gate {
                Gate::LowRank => {
                    let [down, up] = [format!("{name}_a_proj"), format!("{name}_b_proj")];
                    b.linear(&down, role, self.head_dim, self.hidden, false);
                    b.linear(&up, role, width, self.head_dim, false);
                }
                Gate::Full => {
                    // Attention layers may have a gate of the output under this name.
                    let role = if name == "g" { self.role } else { role };
                    b.linear(&format!("{name}_proj"), role, width, self.hidden, false);
                }
            }
        }
        b.norm("o_norm", self.head_dim, false);
        b.linear(self.output, self.role, self.hidden, width, false);
        b.mixer(Mixer::State {
            recurrence: Recurrence::KimiDelta,
            heads: self.heads,
            convolution: Convolution::new(3 * width, self.kernel),
            recurrent: width * self.head_dim,
            dtype: StateDtype::Float32,
        });
    }
}
