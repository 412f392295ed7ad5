//! Softmax attention over heads of queries, keys and values, as most decoders have it.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::{Mixer, Reach};
use crate::checkpoint::Role;

/// Norms of queries and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadNorm {
    /// None.
    None,
    /// One of the width of a head, shared by all heads.
    PerHead,
    /// One of the width of all heads together.
    Whole,
    /// One of the width of a head for each head, `[heads, head_dim]`.
    EachHead,
}

/// An attention block.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent switches in the words of the field"
)]
pub struct Attention<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers per query and key head.
    pub head_dim: u64,
    /// Numbers per value head.
    pub value_dim: u64,
    /// The names of the projections of queries, keys, values and the output.
    pub names: [&'n str; 4],
    /// Whether queries, keys and values are one tensor, named as the queries are.
    pub fused: bool,
    /// Whether the projections of queries, keys and values have biases.
    pub bias: bool,
    /// Whether the projection of the output has one.
    pub output_bias: bool,
    /// Whether the projection of the queries also gives a gate of the output, and so is twice as wide.
    pub gated: bool,
    /// A projection of its own that gates the output: its name, and how many numbers it gives.
    pub gate: Option<(&'n str, u64)>,
    /// Whether each head has a learned sink.
    pub sinks: bool,
    /// The name of the sinks.
    pub sinks_name: &'n str,
    /// Norms of queries and keys, under the names that follow.
    pub norm: HeadNorm,
    /// Their names.
    pub norm_names: [&'n str; 2],
    /// Whether these norms have biases.
    pub norm_bias: bool,
    /// Which tokens it sees.
    pub reach: Reach,
    /// Whether keys serve as values too, so that there is no projection of values.
    pub keys_are_values: bool,
    /// The layer whose keys and values it uses; it then projects and norms queries only.
    pub shared_with: Option<u32>,
    /// Numbers of an indexer's key per token; 0 without an indexer.
    pub indexer_dim: u64,
}

impl<'n> Attention<'n> {
    /// Attention as the usual fields describe it: `num_attention_heads`, `num_key_value_heads` (as many if missing),
    /// `head_dim` (`hidden_size / num_attention_heads` if missing). No biases, no norms, full reach.
    ///
    /// # Errors
    /// If a field is missing or wrong, or heads do not divide.
    pub fn read(fields: &Fields<'_>, hidden: u64) -> Result<Self> {
        Self::read_with(fields, hidden, None, None)
    }

    /// As [`Self::read`], with the numbers per head that the model's class takes where `head_dim` is missing, if it
    /// has such a default.
    ///
    /// # Errors
    /// If a field is missing or wrong, or heads do not divide.
    pub fn read_with_head_dim(
        fields: &Fields<'_>,
        hidden: u64,
        head_dim: Option<u64>,
    ) -> Result<Self> {
        Self::read_with(fields, hidden, head_dim, None)
    }

    /// As [`Self::read_with_head_dim`], and with the heads of keys and values that the model's class takes where
    /// `num_key_value_heads` is missing. A null stands for as many as query heads nevertheless.
    ///
    /// # Errors
    /// If a field is missing or wrong, or heads do not divide.
    pub fn read_with(
        fields: &Fields<'_>,
        hidden: u64,
        head_dim: Option<u64>,
        kv_heads: Option<u64>,
    ) -> Result<Self> {
        const HEAD_DIM: &str = "head_dim|attention_head_dim|head_size";
        const KV_HEADS: &str = "num_key_value_heads|num_kv_heads|n_head_kv";
        let heads = fields.size("num_attention_heads|n_head|num_heads|n_heads")?;
        let stated = fields
            .names()
            .any(|name| KV_HEADS.split('|').any(|known| known == name));
        let kv_heads = match kv_heads {
            Some(default) if !stated => fields.size_or(KV_HEADS, default)?,
            _ => fields.size_from(
                KV_HEADS,
                heads,
                "not in the config: every query head has its own keys and values",
            )?,
        };
        fields.divide(
            "num_attention_heads",
            heads,
            "num_key_value_heads",
            kv_heads,
        )?;
        let stated = fields.opt_size(HEAD_DIM)?;
        let head_dim = match (stated, head_dim) {
            (Some(head_dim), _) => head_dim,
            (None, Some(default)) => fields.size_or(HEAD_DIM, default)?,
            (None, None) => {
                let head_dim =
                    fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
                fields.assume(
                    "head_dim",
                    head_dim,
                    "not in the config: hidden_size / num_attention_heads",
                );
                head_dim
            }
        };
        let names = ["q_proj", "k_proj", "v_proj", "o_proj"];
        Ok(Self {
            kv_heads,
            ..Self::of_heads(names, hidden, heads, head_dim, false)
        })
    }

    /// Attention in which every query head has its own keys and values, and all four projections a bias or none: that
    /// of most encoders. No norms, full reach.
    #[must_use]
    pub const fn of_heads(
        names: [&'n str; 4],
        hidden: u64,
        heads: u64,
        head_dim: u64,
        bias: bool,
    ) -> Self {
        Self {
            hidden,
            heads,
            kv_heads: heads,
            head_dim,
            value_dim: head_dim,
            names,
            fused: false,
            bias,
            output_bias: bias,
            gated: false,
            gate: None,
            sinks: false,
            sinks_name: "sinks",
            norm: HeadNorm::None,
            norm_names: ["q_norm", "k_norm"],
            norm_bias: false,
            reach: Reach::Full,
            keys_are_values: false,
            shared_with: None,
            indexer_dim: 0,
        }
    }

    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        self.tensors(b);
        b.mixer(self.mixer());
    }

    /// Adds its tensors to the scope that is open, which ends in a dot.
    pub fn tensors(&self, b: &mut Builder) {
        let role = Role::Attention;
        let [query, key, value, output] = self.names;
        let queries = self.heads * self.head_dim;
        let keys = self.kv_heads * self.head_dim;
        let values = self.kv_heads * self.value_dim;
        let gated = if self.gated { 2 * queries } else { queries };
        if self.fused {
            b.linear(query, role, gated + keys + values, self.hidden, self.bias);
        } else {
            b.linear(query, role, gated, self.hidden, self.bias);
            if self.shared_with.is_none() {
                b.linear(key, role, keys, self.hidden, self.bias);
                if !self.keys_are_values {
                    b.linear(value, role, values, self.hidden, self.bias);
                }
            }
        }
        b.linear(
            output,
            role,
            self.hidden,
            self.heads * self.value_dim,
            self.output_bias,
        );
        if let Some((name, outputs)) = self.gate {
            b.linear(name, role, outputs, self.hidden, false);
        }
        if self.sinks {
            b.tensor(self.sinks_name, role, &[self.heads]);
        }
        let [query_norm, key_norm] = self.norm_names;
        match self.norm {
            HeadNorm::None => {}
            HeadNorm::PerHead if self.shared_with.is_some() => {
                b.norm(query_norm, self.head_dim, self.norm_bias);
            }
            HeadNorm::PerHead => {
                b.norm(query_norm, self.head_dim, self.norm_bias);
                b.norm(key_norm, self.head_dim, self.norm_bias);
            }
            HeadNorm::Whole => {
                b.norm(query_norm, queries, self.norm_bias);
                b.norm(key_norm, keys, self.norm_bias);
            }
            HeadNorm::EachHead => {
                b.tensor(
                    &format!("{query_norm}.weight"),
                    Role::Norm,
                    &[self.heads, self.head_dim],
                );
                b.tensor(
                    &format!("{key_norm}.weight"),
                    Role::Norm,
                    &[self.kv_heads, self.head_dim],
                );
            }
        }
    }

    /// What the layer is told.
    #[must_use]
    pub const fn mixer(&self) -> Mixer {
        Mixer::Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            key_dim: self.head_dim,
            value_dim: self.value_dim,
            reach: self.reach,
            indexer_dim: self.indexer_dim,
            shared_with: self.shared_with,
        }
    }
}

/// The reach of every layer by `layer_types` or, without it, by `otherwise`, which is given the layer's number.
///
/// # Errors
/// If `layer_types` is wrong, or has a kind that is no attention.
pub fn reaches(
    fields: &Fields<'_>,
    layers: u64,
    window: Option<u64>,
    otherwise: impl Fn(u64) -> Reach,
) -> Result<Vec<Reach>> {
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        return Ok((0..layers).map(otherwise).collect());
    };
    types
        .into_iter()
        .map(|kind| reach_of(fields, kind, window))
        .collect()
}

/// The reach that an entry of `layer_types` names.
///
/// # Errors
/// If it names no attention, or a window that the config does not give.
pub fn reach_of(fields: &Fields<'_>, kind: &str, window: Option<u64>) -> Result<Reach> {
    match kind {
        "full_attention" | "attention" | "global" | "global_attention" => Ok(Reach::Full),
        "sliding_attention" | "sliding_window" | "local" | "local_attention" => {
            window.map(Reach::Sliding).ok_or_else(|| {
                fields.error(
                    "sliding_window",
                    "is missing, and layer_types has sliding layers",
                )
            })
        }
        other => Err(fields.error(
            "layer_types",
            format!("{other:?} is not a kind of attention this family has"),
        )),
    }
}
