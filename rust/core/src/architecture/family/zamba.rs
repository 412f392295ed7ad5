//! Zamba and Zamba 2: state spaces, and transformer blocks whose weights several layers share.
//!
//! Source: transformers `models/zamba` and `models/zamba2`. A shared block reads the layer's input beside the
//! embedding, so its attention is twice as wide as the model. Its tensors are stored once, in the first layer that has
//! it; `linear` and the state space behind it are each layer's own.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{GATED, gated};
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Reach, Recurrence, StateDtype};
use crate::architecture::mamba::{Mamba2, convolution, state_dtype, time_step_rank};
use crate::architecture::place::Place;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Zamba.
pub const FAMILY: Family = Family {
    name: "zamba",
    model_types: &["zamba", "zamba2"],
    lower,
    text: Some(text),
};

/// What a layer is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// A state space.
    State,
    /// A shared block, then a state space; with the number of the block where its tensors are stored.
    Hybrid(Option<u64>),
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let second = fields.opt_text("model_type")? == Some("zamba2");
    let frame = Frame {
        norm: Some(("final_layernorm", false)),
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let state = if second {
        State::Second(second_state(fields, hidden)?)
    } else {
        State::First(MultiHead::read(fields, hidden)?)
    };
    let blocks = if second {
        fields.size_or("num_mem_blocks", 1)?
    } else {
        1
    };
    let kinds = kinds(fields, second, blocks)?;
    let hybrids = match fields.opt_counts("hybrid_layer_ids")? {
        Some(layers) => layers.len(),
        None => kinds.iter().filter(|kind| **kind != Kind::State).count(),
    };
    let shared = Shared::read(fields, hidden, second, (blocks, hybrids as u64))?;
    frame.add(b, fields, place, kinds, |b, &kind| {
        let own = |b: &mut Builder| {
            b.scope("mamba.", |b| state.add(b));
            b.norm("input_layernorm", hidden, false);
        };
        match kind {
            Kind::State => own(b),
            Kind::Hybrid(stored) => {
                if let Some(block) = stored {
                    b.scope(shared.prefix, |b| shared.add(b, block));
                }
                b.linear("linear", Role::Mlp, hidden, hidden, false);
                b.mixer(shared.mixer());
                b.scope("mamba_decoder.", own);
                b.feed_forward(FeedForward::Dense {
                    width: shared.width,
                });
            }
        }
        Ok(())
    })
}

/// What the layers are; the blocks take turns.
fn kinds(fields: &Fields<'_>, second: bool, blocks: u64) -> Result<Vec<Kind>> {
    let layers = fields.repeats("num_hidden_layers")?;
    let field = "layers_block_type|layer_types";
    let hybrid: Vec<bool> = match fields.opt_layer_texts(field, layers)? {
        Some(names) => names
            .into_iter()
            .map(|name| match name {
                "hybrid" | "g" => Ok(true),
                "linear_attention" | "mamba" | "m" => Ok(false),
                other => Err(fields.error(
                    field,
                    format!("{other:?} is not a kind of layer this family has"),
                )),
            })
            .collect::<Result<_>>()?,
        None if second => {
            return Err(fields.error(field, "is missing, and the layers depend on it"));
        }
        None => {
            let period = fields.size_or("attn_layer_period", 6)?;
            let offset = fields.count_or("attn_layer_offset", 4)?;
            // The first three layers are not of the pattern.
            (0..layers)
                .map(|layer| layer == 2 || layer >= 3 && (layer - 3) % period == offset)
                .collect()
        }
    };
    let mut seen = 0;
    Ok(hybrid
        .into_iter()
        .map(|hybrid| {
            if !hybrid {
                return Kind::State;
            }
            let block = seen;
            seen += 1;
            Kind::Hybrid((block < blocks).then_some(block))
        })
        .collect())
}

/// The state space of the layers.
enum State {
    First(MultiHead),
    Second(Mamba2),
}

impl State {
    fn add(&self, b: &mut Builder) {
        match self {
            Self::First(mixer) => mixer.add(b),
            Self::Second(mixer) => mixer.add(b),
        }
    }
}

fn second_state(fields: &Fields<'_>, hidden: u64) -> Result<Mamba2> {
    let inner = hidden * fields.size_or("mamba_expand", 2)?;
    let heads = fields.size_or("n_mamba_heads", 8)?;
    let head_dim = fields.divide("mamba_expand", inner, "n_mamba_heads", heads)?;
    if fields
        .opt_size("mamba_headdim")?
        .is_some_and(|stated| stated != head_dim)
    {
        return Err(fields.error(
            "mamba_headdim",
            "is not mamba_expand * hidden_size / n_mamba_heads",
        ));
    }
    let groups = fields.size_or("mamba_ngroups", 1)?;
    fields.divide("n_mamba_heads", heads, "mamba_ngroups", groups)?;
    let bias = fields.flag_or("add_bias_linear", false)?;
    Ok(Mamba2 {
        hidden,
        heads,
        head_dim,
        groups,
        state: fields.size_or("mamba_d_state", 64)?,
        kernel: fields.size_or("mamba_d_conv", 4)?,
        convolution_bias: true,
        bias: [bias; 2],
        norm: true,
        dtype: state_dtype(fields)?,
    })
}

/// The Mamba of Zamba, whose channels are parted into heads that each project by themselves.
struct MultiHead {
    hidden: u64,
    heads: u64,
    head_dim: u64,
    state: u64,
    rank: u64,
    kernel: u64,
    convolution_bias: bool,
    bias: bool,
}

impl MultiHead {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let inner = hidden * fields.size_or("mamba_expand", 2)?;
        let heads = fields.size_or("n_mamba_heads", 2)?;
        Ok(Self {
            hidden,
            heads,
            head_dim: fields.divide("mamba_expand", inner, "n_mamba_heads", heads)?,
            state: fields.size_or("mamba_d_state", 16)?,
            rank: time_step_rank(fields, "mamba_dt_rank", hidden)?,
            kernel: fields.size_or("mamba_d_conv", 4)?,
            convolution_bias: fields.flag_or("mamba_conv_bias", true)?,
            bias: fields.flag_or("mamba_proj_bias", false)?,
        })
    }

    fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let Self {
            hidden,
            heads,
            head_dim,
            state,
            rank,
            ..
        } = *self;
        let inner = heads * head_dim;
        b.tensor("A_log", role, &[heads, head_dim, state]);
        b.tensor("D", role, &[heads, head_dim]);
        convolution(b, "conv1d", inner, self.kernel, self.convolution_bias);
        b.linear("in_proj", role, 2 * inner, hidden, self.bias);
        b.tensor("x_proj_weight", role, &[heads, rank + 2 * state, head_dim]);
        b.tensor("dt_proj_weight", role, &[heads, head_dim, rank]);
        b.tensor("dt_proj_bias", role, &[heads, head_dim]);
        b.linear("out_proj", role, hidden, inner, self.bias);
        b.mixer(Mixer::State {
            recurrence: Recurrence::Mamba1,
            heads,
            convolution: Convolution::new(inner, self.kernel),
            recurrent: inner * state,
            dtype: StateDtype::Float32,
        });
    }
}

/// A transformer block that several layers share.
struct Shared {
    prefix: &'static str,
    hidden: u64,
    /// Width of the attention's input.
    input: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    width: u64,
    bias: bool,
    /// Adapters of the layers that share a block, with their rank: only Zamba 2 has them.
    adapters: Option<Adapters>,
}

/// Low-rank additions, one for each layer with a shared block, by which these differ.
struct Adapters {
    rank: u64,
    /// Whether the attention has them too.
    attention: bool,
    /// How many blocks there are, and how many layers with one.
    turns: (u64, u64),
}

impl Shared {
    fn read(fields: &Fields<'_>, hidden: u64, second: bool, turns: (u64, u64)) -> Result<Self> {
        let heads = fields.size("num_attention_heads")?;
        let kv_heads = fields.size_from(
            "num_key_value_heads",
            heads,
            "not in the config: every query head has its own keys and values",
        )?;
        fields.divide(
            "num_attention_heads",
            heads,
            "num_key_value_heads",
            kv_heads,
        )?;
        let double = "not in the config: twice hidden_size";
        let input = fields.size_from("attention_hidden_size", 2 * hidden, double)?;
        let head_dim = match fields.opt_size("attention_head_dim")? {
            Some(head_dim) => head_dim,
            None => fields.divide("hidden_size", 2 * hidden, "num_attention_heads", heads)?,
        };
        let attention = second && fields.flag_or("use_shared_attention_adapter", false)?;
        Ok(Self {
            prefix: if second {
                "shared_transformer."
            } else {
                "shared_transf."
            },
            hidden,
            input,
            heads,
            kv_heads,
            head_dim,
            width: fields.size_from(
                "intermediate_size",
                4 * hidden,
                "not in the config: four times hidden_size",
            )?,
            bias: second && fields.flag_or("add_bias_linear", false)?,
            adapters: if second {
                Some(Adapters {
                    rank: fields.size_or("adapter_rank", 128)?,
                    attention,
                    turns,
                })
            } else {
                None
            },
        })
    }

    fn add(&self, b: &mut Builder, block: u64) {
        let Self {
            hidden,
            input,
            width,
            bias,
            ..
        } = *self;
        let queries = self.heads * self.head_dim;
        let keys = self.kv_heads * self.head_dim;
        b.scope("self_attn.", |b| {
            let role = Role::Attention;
            b.linear("q_proj", role, queries, input, false);
            b.linear("k_proj", role, keys, input, false);
            b.linear("v_proj", role, keys, input, false);
            b.linear("o_proj", role, hidden, queries, false);
            if let Some(adapters) = self.adapters.as_ref().filter(|adapters| adapters.attention) {
                for name in ["q", "k", "v"] {
                    adapters.add(
                        b,
                        &format!("linear_{name}_adapter_list"),
                        role,
                        block,
                        [input; 2],
                    );
                }
            }
        });
        b.scope("feed_forward.", |b| match &self.adapters {
            None => gated(b, GATED, Role::Mlp, hidden, width, false),
            Some(adapters) => {
                b.linear("gate_up_proj", Role::Mlp, 2 * width, hidden, bias);
                b.linear("down_proj", Role::Mlp, hidden, width, bias);
                let name = "gate_up_proj_adapter_list";
                adapters.add(b, name, Role::Mlp, block, [2 * width, hidden]);
            }
        });
        b.norm("input_layernorm", input, false);
        b.norm("pre_ff_layernorm", hidden, false);
    }

    const fn mixer(&self) -> Mixer {
        Mixer::Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        }
    }
}

impl Adapters {
    /// Adds those of the layers whose turn it is with this block.
    fn add(
        &self,
        b: &mut Builder,
        name: &str,
        role: Role,
        block: u64,
        [outputs, inputs]: [u64; 2],
    ) {
        let (blocks, hybrids) = self.turns;
        let turns = (0..hybrids).map(|at| at % blocks == block);
        for (mine, numbers) in group(turns) {
            if mine {
                self.each(b, name, role, numbers, [outputs, inputs]);
            }
        }
    }

    fn each(&self, b: &mut Builder, name: &str, role: Role, numbers: Numbers, shape: [u64; 2]) {
        let [outputs, inputs] = shape;
        b.each(name, numbers, |b| {
            b.linear("0", role, self.rank, inputs, false);
            b.linear("1", role, outputs, self.rank, false);
        });
    }
}
