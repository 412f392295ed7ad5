//! RWKV 7 (Goose): a matrix of memory per head, corrected as by a delta rule.
//!
//! Source: the FLA library, `fla/layers/rwkv7.py` and `fla/models/rwkv7`, whose code the published files run. Its
//! first version kept the six token shifts in one tensor, `x_x`; this is the second.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{Convolution, FeedForward, Mixer, Recurrence, StateDtype};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// RWKV 7.
pub const FAMILY: Family = Family {
    name: "rwkv7",
    model_types: &["rwkv7", "rwkv7_fla"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if fields.has("attn") {
        return Err(fields.error(
            "attn",
            "asks for layers of attention, which are not derived",
        ));
    }
    let place = Place::whole(fields, "model.")?;
    let bias = fields.flag_or("norm_bias", true)?;
    let frame = Frame {
        embedding: "embeddings",
        norm: Some(("norm", bias)),
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let mixing = TimeMixing::read(fields, hidden)?;
    let width = width(fields, hidden)?;
    let before = fields.flag_or("norm_first", true)?;
    let layers = fields.repeats("num_hidden_layers")?;
    let plans = (0_u64..).zip(mixing.values(fields, layers)?);
    let plans = plans.map(|(layer, values)| (layer == 0, values));
    frame.add(b, fields, &place, plans, |b, &(first, values)| {
        if first && before {
            b.norm("pre_norm", hidden, bias);
        }
        b.norm("attn_norm", hidden, bias);
        b.norm("ffn_norm", hidden, bias);
        b.scope("attn.", |b| mixing.add(b, first, values));
        b.scope("ffn.", |b| {
            b.tensor("x_k", Role::Mlp, &[hidden]);
            b.linear("key", Role::Mlp, width, hidden, false);
            b.linear("value", Role::Mlp, hidden, width, false);
        });
        b.feed_forward(FeedForward::Dense { width });
        Ok(())
    })
}

fn width(fields: &Fields<'_>, hidden: u64) -> Result<u64> {
    if let Some(width) = fields.opt_size("intermediate_size")? {
        return Ok(width);
    }
    let ratio = fields.ratio_or("hidden_ratio", 4.0)?;
    Ok(fields.scale("hidden_ratio", hidden, ratio)?.div_ceil(32) * 32)
}

/// Time mixing.
struct TimeMixing {
    hidden: u64,
    heads: u64,
    head_dim: u64,
    /// The ranks of decay, value, learning rate and gate.
    ranks: [u64; 4],
}

impl TimeMixing {
    fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        let (heads, head_dim) = if let Some(head_dim) = fields.opt_size("head_dim")? {
            let heads = fields.divide("hidden_size", hidden, "head_dim", head_dim)?;
            (heads, head_dim)
        } else {
            let heads = fields.size("num_heads")?;
            let head_dim = fields.divide("hidden_size", hidden, "num_heads", heads)?;
            (heads, head_dim)
        };
        Ok(Self {
            hidden,
            heads,
            head_dim,
            // Defaults changed between versions of the library, so these must be said.
            ranks: [
                fields.size("decay_low_rank_dim")?,
                fields.size("v_low_rank_dim")?,
                fields.size("a_low_rank_dim")?,
                fields.size("gate_low_rank_dim")?,
            ],
        })
    }

    /// Numbers of the values of each layer: one for all, one for each, or as many as the model is wide.
    fn values(&self, fields: &Fields<'_>, layers: u64) -> Result<Vec<u64>> {
        let name = "value_dim";
        let count = usize::try_from(layers).unwrap_or(usize::MAX);
        let values = match fields.value(name) {
            Some(value) if value.is_array() => fields.opt_counts(name)?.unwrap_or_default(),
            Some(_) => vec![fields.size(name)?; count],
            None => vec![self.hidden; count],
        };
        if values.len() != count {
            let given = values.len();
            return Err(fields.error(name, format!("has {given} items for {layers} layers")));
        }
        for &values in &values {
            if values == 0 || values > SIZE_LIMIT {
                return Err(fields.error(name, format!("{values} is no width of a layer")));
            }
            fields.divide(name, values, "num_heads", self.heads)?;
        }
        Ok(values)
    }

    fn add(&self, b: &mut Builder, first: bool, values: u64) {
        let role = Role::State;
        let Self {
            hidden,
            heads,
            head_dim,
            ranks: [decay, value, rate, gate],
        } = *self;
        for of in ["r", "w", "k", "v", "a", "g"] {
            b.tensor(&format!("x_{of}"), role, &[1, 1, hidden]);
        }
        b.tensor("k_k", role, &[hidden]);
        b.tensor("k_a", role, &[hidden]);
        b.tensor("r_k", role, &[heads, head_dim]);
        b.linear("r_proj", role, hidden, hidden, false);
        b.linear("k_proj", role, hidden, hidden, false);
        b.linear("v_proj", role, values, hidden, false);
        b.linear("o_proj", role, hidden, values, false);
        let mut low_rank = |name: &str, rank, outputs, bias| {
            b.linear(&format!("{name}.lora.0"), role, rank, hidden, false);
            b.linear(&format!("{name}.lora.2"), role, outputs, rank, bias);
        };
        low_rank("w_lora", decay, hidden, true);
        // The first layer gives its values to all others.
        if !first {
            low_rank("v_lora", value, values, true);
        }
        low_rank("a_lora", rate, hidden, true);
        low_rank("g_lora", gate, values, false);
        b.norm("g_norm", values, true);
        b.mixer(Mixer::State {
            recurrence: Recurrence::Rwkv,
            heads,
            // Time mixing and the feed-forward keep the token before.
            convolution: Convolution::new(2 * hidden, 2).tight(),
            recurrent: head_dim * values,
            dtype: StateDtype::Float32,
        });
    }
}
