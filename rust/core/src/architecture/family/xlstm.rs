//! xLSTM of 7B and its kin: blocks of mLSTM, a matrix of memory per head.
//!
//! Source: transformers `models/xlstm`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::gated;
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Recurrence, StateDtype};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// xLSTM.
pub const FAMILY: Family = Family {
    name: "xlstm",
    model_types: &["xlstm"],
    lower,
    text: Some(text),
};

/// An mLSTM.
struct Mlstm {
    hidden: u64,
    heads: u64,
    /// Numbers of all queries, and of all keys.
    keys: u64,
    /// Numbers of all values.
    values: u64,
    bias: bool,
    /// Whether projections of the same input are one tensor.
    fused: bool,
    dtype: StateDtype,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place {
        // The class ties nothing, whatever the config says.
        tied: Some(false),
        ..Place::whole(fields, "backbone.")?
    };
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        embedding: "embeddings",
        stack: "blocks",
        norm: Some(("out_norm", false)),
        hidden: fields.size("hidden_size|embedding_dim")?,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    if fields
        .opt_size("embedding_dim")?
        .is_some_and(|dim| dim != hidden)
    {
        return Err(fields.error("embedding_dim", "is not hidden_size"));
    }
    let mlstm = Mlstm::read(fields, hidden)?;
    let factor = fields.ratio_or("ffn_proj_factor", 2.667)?;
    let multiple = fields.size_or("ffn_round_up_to_multiple_of", 64)?;
    let width = fields
        .scale("ffn_proj_factor", hidden, factor)?
        .div_ceil(multiple)
        * multiple;
    let layers = fields.repeats("num_blocks|num_hidden_layers")?;
    let same = (0..layers).map(|_| ());
    frame.add(b, fields, place, same, |b, ()| {
        b.scope("mlstm_layer.", |b| mlstm.add(b));
        b.scope("ffn.", |b| {
            if mlstm.fused {
                b.linear("proj_up_gate_z", Role::Mlp, 2 * width, hidden, mlstm.bias);
                b.linear("proj_down", Role::Mlp, hidden, width, mlstm.bias);
            } else {
                let names = ["proj_up_gate", "proj_up", "proj_down"];
                gated(b, names, Role::Mlp, hidden, width, mlstm.bias);
            }
        });
        b.feed_forward(FeedForward::Dense { width });
        b.norm("norm_mlstm", hidden, mlstm.bias);
        b.norm("norm_ffn", hidden, mlstm.bias);
        Ok(())
    })
}

impl Mlstm {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let heads = fields.size_or("num_heads", 8)?;
        let inner = |name, factor| -> Result<u64> {
            let inner = fields.scale(name, hidden, fields.ratio_or(name, factor)?)?;
            fields.divide(name, inner, "num_heads", heads)?;
            Ok(inner)
        };
        let name = "weight_mode";
        Ok(Self {
            hidden,
            heads,
            keys: inner("qk_dim_factor", 0.5)?,
            values: inner("v_dim_factor", 1.0)?,
            bias: fields.flag_or("use_bias", false)?,
            fused: match fields.text_or(name, "single")? {
                "single" => false,
                "fused" => true,
                other => {
                    return Err(
                        fields.error(name, format!("{other:?} is neither single nor fused"))
                    );
                }
            },
            dtype: match fields.text_or("inference_state_dtype", "float32")? {
                "float32" => StateDtype::Float32,
                "bfloat16" | "float16" => StateDtype::Cache,
                other => {
                    let message = format!("{other:?} is no dtype of a state");
                    return Err(fields.error("inference_state_dtype", message));
                }
            },
        })
    }

    fn add(&self, b: &mut Builder) {
        let role = Role::State;
        let Self {
            hidden,
            heads,
            keys,
            values,
            bias,
            ..
        } = *self;
        if self.fused {
            b.linear("qkv_opreact", role, 2 * (keys + values), hidden, bias);
            b.linear("ifgate_preact", role, 2 * heads, hidden, true);
        } else {
            b.linear("q", role, keys, hidden, bias);
            b.linear("k", role, keys, hidden, bias);
            b.linear("v", role, values, hidden, bias);
            b.linear("ogate_preact", role, values, hidden, bias);
            b.linear("igate_preact", role, heads, hidden, true);
            b.linear("fgate_preact", role, heads, hidden, true);
        }
        b.norm("multihead_norm", values, bias);
        b.linear("out_proj", role, hidden, values, bias);
        // Per head a matrix, a normalizer as long as a key, and a maximum.
        b.mixer(Mixer::State {
            recurrence: Recurrence::Xlstm,
            heads,
            convolution: Convolution::default(),
            recurrent: keys * values / heads + keys + heads,
            dtype: self.dtype,
        });
    }
}
