//! Selective state spaces: the mixers of Mamba and Mamba 2.
//!
//! Sources: transformers `models/mamba` and `models/mamba2`, whose mixers the hybrids share; what they keep is as in
//! vLLM's `layers/mamba/mamba_utils.py`.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::{Convolution, Mixer, Recurrence, StateDtype};
use crate::checkpoint::Role;

/// The mixer of Mamba.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mamba1 {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Channels of the mixer.
    pub inner: u64,
    /// Numbers of state per channel.
    pub state: u64,
    /// Rank of the projection that gives the time steps.
    pub rank: u64,
    /// Width of the convolution.
    pub kernel: u64,
    /// Whether the convolution has a bias.
    pub convolution_bias: bool,
    /// Whether the projections in and out have biases.
    pub bias: bool,
    /// Whether time steps and both state projections have norms, as in Jamba.
    pub norms: bool,
}

impl Mamba1 {
    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let role = Role::State;
        b.tensor("A_log", role, &[self.inner, self.state]);
        b.tensor("D", role, &[self.inner]);
        convolution(b, "conv1d", self.inner, self.kernel, self.convolution_bias);
        b.linear("in_proj", role, 2 * self.inner, self.hidden, self.bias);
        let projected = self.rank + 2 * self.state;
        b.linear("x_proj", role, projected, self.inner, false);
        b.linear("dt_proj", role, self.inner, self.rank, true);
        b.linear("out_proj", role, self.hidden, self.inner, self.bias);
        if self.norms {
            b.norm("dt_layernorm", self.rank, false);
            b.norm("b_layernorm", self.state, false);
            b.norm("c_layernorm", self.state, false);
        }
        b.mixer(self.mixer());
    }

    /// What the layer is told. The recurrent state is kept in 32 bits, as transformers does.
    #[must_use]
    pub const fn mixer(&self) -> Mixer {
        Mixer::State {
            recurrence: Recurrence::Mamba1,
            heads: 0,
            convolution: Convolution::new(self.inner, self.kernel),
            recurrent: self.inner * self.state,
            dtype: StateDtype::Float32,
        }
    }
}

/// The mixer of Mamba 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mamba2 {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Heads.
    pub heads: u64,
    /// Channels per head.
    pub head_dim: u64,
    /// Groups of heads that share their state projections.
    pub groups: u64,
    /// Numbers of state per channel.
    pub state: u64,
    /// Width of the convolution.
    pub kernel: u64,
    /// Whether the convolution has a bias.
    pub convolution_bias: bool,
    /// Whether the projections in and out have biases.
    pub bias: [bool; 2],
    /// Whether there is a gated norm before the projection out.
    pub norm: bool,
    /// How the recurrent state is kept.
    pub dtype: StateDtype,
}

impl Mamba2 {
    /// The fields as most hybrids name them: `mamba_n_heads` and so on, with the defaults of Bamba. `inner` is the
    /// number of channels, from which `mamba_d_head` follows where it is `"auto"`.
    ///
    /// # Errors
    /// If a field is wrong, or heads and channels do not fit together.
    pub fn read(fields: &Fields<'_>, hidden: u64, inner: u64) -> Result<Self> {
        let heads = fields.size_or("mamba_n_heads", 128)?;
        let divided = fields.divide("mamba_expand", inner, "mamba_n_heads", heads)?;
        let automatic = fields
            .value("mamba_d_head")
            .is_some_and(|head_dim| head_dim == "auto");
        let head_dim = if automatic {
            divided
        } else {
            fields.size_from(
                "mamba_d_head",
                divided,
                "not in the config: channels / heads",
            )?
        };
        if head_dim != divided {
            return Err(fields.error(
                "mamba_d_head",
                format!("{head_dim} times {heads} heads is not the {inner} channels of the mixer"),
            ));
        }
        let groups = fields.size_or("mamba_n_groups", 1)?;
        fields.divide("mamba_n_heads", heads, "mamba_n_groups", groups)?;
        let bias = fields.flag_or("mamba_proj_bias", false)?;
        Ok(Self {
            hidden,
            heads,
            head_dim,
            groups,
            state: fields.size_or("mamba_d_state", 256)?,
            kernel: fields.size_or("mamba_d_conv", 4)?,
            convolution_bias: fields.flag_or("mamba_conv_bias", true)?,
            bias: [bias; 2],
            norm: true,
            dtype: state_dtype(fields)?,
        })
    }

    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let inner = self.heads * self.head_dim;
        let channels = self.channels();
        let [bias, output_bias] = self.bias;
        for name in ["A_log", "D", "dt_bias"] {
            b.tensor(name, role, &[self.heads]);
        }
        convolution(b, "conv1d", channels, self.kernel, self.convolution_bias);
        let projected = inner + channels + self.heads;
        b.linear("in_proj", role, projected, self.hidden, bias);
        b.linear("out_proj", role, self.hidden, inner, output_bias);
        if self.norm {
            b.norm("norm", inner, false);
        }
        b.mixer(self.mixer());
    }

    /// Channels of the convolution: those of the mixer and both state projections.
    const fn channels(&self) -> u64 {
        self.heads * self.head_dim + 2 * self.groups * self.state
    }

    /// What the layer is told.
    #[must_use]
    pub const fn mixer(&self) -> Mixer {
        Mixer::State {
            recurrence: Recurrence::Mamba2,
            heads: self.heads,
            convolution: Convolution {
                channels: self.channels(),
                width: self.kernel,
                grouped: 2 * self.groups * self.state,
                groups: self.groups,
                tight: false,
                float32: false,
            },
            recurrent: self.heads * self.head_dim * self.state,
            dtype: self.dtype,
        }
    }
}

/// The rank of the projection that gives the time steps: a number, or one for every 16 columns where it is `"auto"` or
/// missing.
///
/// # Errors
/// If the field is something else.
pub fn time_step_rank(fields: &Fields<'_>, name: &str, hidden: u64) -> Result<u64> {
    if fields.value(name).is_some_and(|rank| rank == "auto") {
        return Ok(hidden.div_ceil(16));
    }
    fields.size_from(
        name,
        hidden.div_ceil(16),
        "not in the config: hidden_size / 16",
    )
}

/// Adds a convolution over each channel by itself: `name.weight` of `[channels, 1, kernel]`.
pub fn convolution(b: &mut Builder, name: &str, channels: u64, kernel: u64, bias: bool) {
    b.weight_and_bias(name, Role::State, &[channels, 1, kernel], channels, bias);
}

/// How the recurrent state is kept: in 32 bits unless the config says that it is as the rest (vLLM's
/// `mamba_ssm_cache_dtype`; transformers keeps 32 bits in any case).
///
/// # Errors
/// If the field is no dtype that is known.
pub fn state_dtype(fields: &Fields<'_>) -> Result<StateDtype> {
    let name = "mamba_ssm_cache_dtype|mamba_ssm_dtype";
    match fields.opt_text(name)? {
        None | Some("float32") => Ok(StateDtype::Float32),
        Some("auto" | "bfloat16" | "float16") => Ok(StateDtype::Cache),
        Some(other) => Err(fields.error(name, format!("{other:?} is no dtype of a state"))),
    }
}
