//! Attention as encoder-decoders have it: over the sequence itself, or from a decoder to what an encoder gave. Each
//! projection may have a bias of its own, and the heads together may be wider or narrower than the residual stream.

use super::builder::Builder;
use super::config::{Fields, Result};
use super::layer::{Mixer, Reach};
use crate::checkpoint::Role;

/// Four projections and how many heads they make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multihead<'n> {
    /// The names of the projections of queries, keys, values and the output.
    pub names: [&'n str; 4],
    /// Which of them have a bias.
    pub bias: [bool; 4],
    /// Width of what the queries are made of and the output goes to.
    pub hidden: u64,
    /// Width of what keys and values are made of.
    pub source: u64,
    /// Query heads.
    pub heads: u64,
    /// Heads of keys and values.
    pub kv_heads: u64,
    /// Numbers per head.
    pub head_dim: u64,
}

/// Query heads, heads of keys and values, and numbers per head as the usual fields state them: so many query heads by
/// default, one head of keys and values for each, and the width divided among them.
///
/// # Errors
/// If a field is wrong, or heads do not divide.
pub fn read_heads(fields: &Fields<'_>, hidden: u64, default: u64) -> Result<(u64, u64, u64)> {
    let heads = fields.size_or("num_attention_heads", default)?;
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
    let head_dim = match fields.opt_size("head_dim")? {
        Some(head_dim) => head_dim,
        None => fields.divide("hidden_size", hidden, "num_attention_heads", heads)?,
    };
    Ok((heads, kv_heads, head_dim))
}

/// The names that most have.
pub const PROJECTIONS: [&str; 4] = ["q_proj", "k_proj", "v_proj", "out_proj"];

impl<'n> Multihead<'n> {
    /// Heads that each have their own keys and values, made of the residual stream itself.
    #[must_use]
    pub const fn new(
        names: [&'n str; 4],
        hidden: u64,
        heads: u64,
        head_dim: u64,
        bias: bool,
    ) -> Self {
        Self {
            names,
            bias: [bias; 4],
            hidden,
            source: hidden,
            heads,
            kv_heads: heads,
            head_dim,
        }
    }

    /// Adds the tensors to the scope that is open, which ends in a dot.
    pub fn tensors(&self, b: &mut Builder) {
        let [query, key, value, output] = self.names;
        let [query_bias, key_bias, value_bias, output_bias] = self.bias;
        let queries = self.heads * self.head_dim;
        let keys = self.kv_heads * self.head_dim;
        b.linear(query, Role::Attention, queries, self.hidden, query_bias);
        b.linear(key, Role::Attention, keys, self.source, key_bias);
        b.linear(value, Role::Attention, keys, self.source, value_bias);
        b.linear(output, Role::Attention, self.hidden, queries, output_bias);
    }

    /// Adds attention over the sequence itself and tells the layer of it.
    pub fn attend(&self, b: &mut Builder) {
        self.attend_within(b, Reach::Full);
    }

    /// As [`Self::attend`], with a window.
    pub fn attend_within(&self, b: &mut Builder, reach: Reach) {
        self.tensors(b);
        b.mixer(Mixer::Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            reach,
            indexer_dim: 0,
            shared_with: None,
        });
    }

    /// Adds attention to the output of an encoder, and tells the layer of it if there is an encoder.
    pub fn cross(&self, b: &mut Builder, source: Source) {
        self.tensors(b);
        if let Source::Encoder { tokens } = source {
            b.mixer(Mixer::Cross {
                heads: self.heads,
                kv_heads: self.kv_heads,
                head_dim: self.head_dim,
                tokens,
            });
        }
    }
}

/// What a decoder's cross attention looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// An encoder, which gives so many tokens, if that is fixed.
    Encoder {
        /// How many.
        tokens: Option<u64>,
    },
    /// Nothing: the decoder stands alone and carries the tensors without use.
    Nothing,
}
