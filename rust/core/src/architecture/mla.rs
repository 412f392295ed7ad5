//! Latent attention (MLA): keys and values of all heads are kept as one compressed vector per token, and a rotary
//! key beside it that the heads share. With or without an indexer that picks the tokens to look at (DSA).
//!
//! Sources: DeepSeek-V2 (arXiv 2405.04434, section 2.1), DeepSeek-V3.2, and transformers `models/deepseek_v2`,
//! `models/deepseek_v3` and `models/deepseek_v32`.

use super::builder::Builder;
use super::config::{Fields, Result, SIZE_LIMIT};
use super::layer::{Mixer, Reach};
use crate::checkpoint::Role;

/// The names of the tensors of a latent attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentNames<'n> {
    /// The projection of the queries where they are not compressed.
    pub query: &'n str,
    /// Into the compressed keys and values, and the rotary key.
    pub down: &'n str,
    /// The norm of the compressed vector.
    pub norm: &'n str,
    /// From the compressed vector to keys and values.
    pub up: &'n str,
    /// The projection of the output.
    pub output: &'n str,
}

/// The names as DeepSeek has them.
pub const NAMES: LatentNames<'static> = LatentNames {
    query: "q_proj",
    down: "kv_a_proj_with_mqa",
    norm: "kv_a_layernorm",
    up: "kv_b_proj",
    output: "o_proj",
};

/// What a config that leaves out a field of a latent attention gets from its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `q_lora_rank`; nothing for queries that are not compressed.
    pub query_rank: Option<u64>,
    /// `kv_lora_rank`.
    pub rank: u64,
    /// `qk_rope_head_dim`.
    pub rope_dim: u64,
    /// `qk_nope_head_dim`.
    pub nope_dim: u64,
    /// `v_head_dim`; nothing for `hidden_size / num_attention_heads`.
    pub value_dim: Option<u64>,
}

/// An indexer: small heads that score all tokens, of which the attention then sees the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexer {
    /// Its query heads.
    pub heads: u64,
    /// Numbers per head, and of the keys that it keeps.
    pub dim: u64,
    /// The width of what its queries are made from.
    pub inputs: u64,
    /// Tokens that share one key.
    pub ratio: u64,
}

impl Indexer {
    /// The indexer that `index_n_heads` and `index_head_dim` describe, which makes its queries from so many numbers.
    ///
    /// # Errors
    /// If a field is wrong.
    pub fn read(fields: &Fields<'_>, heads: u64, dim: u64, inputs: u64) -> Result<Self> {
        Ok(Self {
            heads: fields.size_or("index_n_heads", heads)?,
            dim: fields.size_or("index_head_dim", dim)?,
            inputs,
            ratio: 1,
        })
    }

    /// Adds its tensors to the scope that is open, which ends in a dot, for a model of this width.
    pub fn add(&self, b: &mut Builder, hidden: u64) {
        let role = Role::Attention;
        b.linear("wq_b", role, self.heads * self.dim, self.inputs, false);
        b.linear("wk", role, self.dim, hidden, false);
        b.norm("k_norm", self.dim, true);
        b.linear("weights_proj", role, self.heads, hidden, false);
    }
}

/// A latent attention.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Latent<'n> {
    /// Width of the residual stream.
    pub hidden: u64,
    /// Query heads.
    pub heads: u64,
    /// Numbers of the compressed queries, where they are compressed.
    pub query_rank: Option<u64>,
    /// The shape of the projection from the compressed queries, where it is not the plain one,
    /// `[heads (nope_dim + rope_dim), query_rank]`.
    pub query_up: Option<[u64; 2]>,
    /// Numbers of the compressed keys and values.
    pub rank: u64,
    /// Numbers of the rotary key.
    pub rope_dim: u64,
    /// Numbers per query and key head without the rotary part.
    pub nope_dim: u64,
    /// Numbers per value head.
    pub value_dim: u64,
    /// Whether the projections from and to the residual stream have biases.
    pub bias: bool,
    /// The names of the tensors.
    pub names: LatentNames<'n>,
    /// What picks the tokens it sees.
    pub indexer: Option<Indexer>,
    /// Which tokens it sees.
    pub reach: Reach,
}

impl Latent<'_> {
    /// Latent attention as the usual fields describe it, without an indexer.
    ///
    /// # Errors
    /// If a field is missing or wrong.
    pub fn read(fields: &Fields<'_>, hidden: u64, defaults: &Defaults) -> Result<Self> {
        let heads = fields.size("num_attention_heads")?;
        let value_dim = match (defaults.value_dim, fields.opt_size("v_head_dim")?) {
            (_, Some(value_dim)) => value_dim,
            (Some(value_dim), None) => fields.size_or("v_head_dim", value_dim)?,
            (None, None) => {
                let value_dim =
                    fields.divide("hidden_size", hidden, "num_attention_heads", heads)?;
                let reason = "not in the config: hidden_size / num_attention_heads";
                fields.assume("v_head_dim", value_dim, reason);
                value_dim
            }
        };
        Ok(Self {
            hidden,
            heads,
            query_rank: query_rank(fields, defaults.query_rank)?,
            query_up: None,
            rank: fields.size_or("kv_lora_rank", defaults.rank)?,
            rope_dim: width_or(fields, "qk_rope_head_dim", defaults.rope_dim)?,
            nope_dim: width_or(fields, "qk_nope_head_dim", defaults.nope_dim)?,
            value_dim,
            bias: fields.flag_or("attention_bias", false)?,
            names: NAMES,
            indexer: None,
            reach: Reach::Full,
        })
    }

    /// Adds its tensors to the scope that is open, which ends in a dot, and tells the layer of it.
    pub fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            heads,
            rank,
            rope_dim,
            nope_dim,
            value_dim,
            bias,
            names,
            ..
        } = *self;
        let role = Role::Attention;
        let queries = heads * (nope_dim + rope_dim);
        match self.query_rank {
            None => b.linear(names.query, role, queries, hidden, false),
            Some(query_rank) => {
                let [outputs, inputs] = self.query_up.unwrap_or([queries, query_rank]);
                b.linear("q_a_proj", role, query_rank, hidden, bias);
                b.norm("q_a_layernorm", query_rank, false);
                b.linear("q_b_proj", role, outputs, inputs, false);
            }
        }
        b.linear(names.down, role, rank + rope_dim, hidden, bias);
        b.norm(names.norm, rank, false);
        b.linear(names.up, role, heads * (nope_dim + value_dim), rank, false);
        b.linear(names.output, role, hidden, heads * value_dim, bias);
        if let Some(indexer) = &self.indexer {
            b.scope("indexer.", |b| indexer.add(b, hidden));
        }
        b.mixer(self.mixer());
    }

    /// What the layer is told.
    #[must_use]
    pub fn mixer(&self) -> Mixer {
        Mixer::Latent {
            heads: self.heads,
            rank: self.rank,
            rope_dim: self.rope_dim,
            nope_dim: self.nope_dim,
            value_dim: self.value_dim,
            reach: self.reach,
            indexer_dim: self.indexer.map_or(0, |indexer| indexer.dim),
            indexer_ratio: self.indexer.map_or(1, |indexer| indexer.ratio),
        }
    }
}

/// `q_lora_rank`. That it is null says that queries are not compressed, and that it is missing says nothing.
fn query_rank(fields: &Fields<'_>, default: Option<u64>) -> Result<Option<u64>> {
    let stated = fields.opt_size("q_lora_rank")?;
    if stated.is_some() || fields.names().any(|name| name == "q_lora_rank") {
        return Ok(stated);
    }
    let shown = default.map_or_else(|| "null".to_owned(), |rank| rank.to_string());
    let reason = "not in the config; the default of its model class";
    fields.assume("q_lora_rank", shown, reason);
    Ok(default)
}

/// The width of a part that may be absent: a whole number from 0 on, or this if the field is missing.
fn width_or(fields: &Fields<'_>, name: &str, default: u64) -> Result<u64> {
    let width = fields.count_or(name, default)?;
    if width > SIZE_LIMIT {
        let message = format!("{width} is larger than any model's ({SIZE_LIMIT})");
        return Err(fields.error(name, message));
    }
    Ok(width)
}

/// Whether each layer has an indexer of its own or uses what the layer before has picked: `indexer_types`, or
/// `index_topk_pattern` of one letter per layer, or a layer with its own every `index_topk_freq` layers after the
/// first `index_skip_topk_offset`.
///
/// Source: transformers `models/glm_moe_dsa/configuration_glm_moe_dsa.py`.
///
/// # Errors
/// If a field is wrong.
pub fn own_indexers(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    let kind = |name: &str, kind: &str| match kind {
        "full" | "F" => Ok(true),
        "shared" | "S" => Ok(false),
        other => Err(fields.error(
            name,
            format!("{other:?} is neither \"full\" nor \"shared\""),
        )),
    };
    if let Some(types) = fields.opt_layer_texts("indexer_types", layers)? {
        let own = types.into_iter().map(|text| kind("indexer_types", text));
        return own.collect();
    }
    let name = "index_topk_pattern";
    if let Some(pattern) = fields.value(name) {
        let own: Vec<bool> = match pattern.as_str() {
            Some(letters) => letters
                .chars()
                .map(|letter| kind(name, letter.encode_utf8(&mut [0; 4])))
                .collect::<Result<_>>()?,
            None => fields
                .opt_texts(name)?
                .unwrap_or_default()
                .into_iter()
                .map(|text| kind(name, text))
                .collect::<Result<_>>()?,
        };
        if (own.len() as u64) < layers {
            let given = own.len();
            return Err(fields.error(name, format!("has {given} items for {layers} layers")));
        }
        return Ok((0..layers).zip(own).map(|(_, own)| own).collect());
    }
    let period = fields.opt_count("index_topk_freq")?.unwrap_or(1).max(1);
    let offset = fields.opt_count("index_skip_topk_offset")?.unwrap_or(2);
    let own = |layer: u64| (layer + 1).saturating_sub(offset).is_multiple_of(period);
    Ok((0..layers).map(own).collect())
}
