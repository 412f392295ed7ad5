//! Qwen4-Exp: delta nets and indexed attention between hyper-connections, and embeddings of n-grams in some layers.
//!
//! Source: transformers `models/qwen4_exp`, and its `conversion_mapping.py` for the parts in which the tables of
//! n-grams are stored.

use super::Family;
use super::qwen_next::{experts, fused, gated_attention};
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::delta_net::{DeltaNet, Projections};
use crate::architecture::feed_forward::{Experts, GATED, Layout};
use crate::architecture::hybrid::{Kind, attends_if};
use crate::architecture::layer::Convolution;
use crate::architecture::mamba::convolution;
use crate::architecture::place::Place;
use crate::architecture::short_convolution;
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// Qwen4-Exp.
pub const FAMILY: Family = Family {
    name: "qwen4",
    model_types: &["qwen4_exp_text"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let frame = Frame {
        norm: None,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    if fields
        .opt_count("mtp_num_hidden_layers")?
        .is_some_and(|count| count > 0)
    {
        return Err(fields.error(
            "mtp_num_hidden_layers",
            "is not 0, and how this model's prediction layers look is not known",
        ));
    }
    let indexer = Indexer::read(fields)?;
    let attention = Attention {
        indexer_dim: indexer.kv_heads * indexer.head_dim,
        ..gated_attention(fields, hidden)?
    };
    let delta = DeltaNet::read(fields, hidden, Projections::Split)?;
    let experts = Experts {
        layout: if fused(fields)? {
            Layout::Fused(["gate_up_proj", "down_proj"])
        } else {
            Layout::Each(GATED)
        },
        ..experts(fields, hidden, (512, 10))?
    };
    let streams = Streams {
        hidden,
        count: fields.size_or("hc_count", 4)?,
        rank: fields.size_or("hc_lowrank", 320)?,
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let kinds = layer_kinds(fields, layers)?;
    let grams = Grams::read(fields, &streams)?;
    let plans = (0_u64..)
        .zip(kinds)
        .map(|(layer, kind)| (kind, grams.place(layer)));
    frame.add(b, fields, place, plans, |b, &(kind, grams_at)| {
        match (kind, grams_at) {
            (Kind::Attention, Some(_)) => {
                return Err(fields.error("ple_layer_ids", "has a layer that attends"));
            }
            (Kind::Attention, None) => b.scope("self_attn.", |b| {
                attention.add(b);
                b.scope("indexer.", |b| indexer.add(b, hidden));
            }),
            (Kind::State, _) => b.scope("linear_attn.", |b| delta.add(b)),
        }
        if let Some(at) = grams_at {
            b.scope("ple.", |b| grams.add(b, fields, &streams, at))?;
        }
        b.scope("mlp.", |b| experts.add(b));
        for name in ["attn_hyper_connection.", "mlp_hyper_connection."] {
            b.scope(name, |b| streams.add(b, true));
        }
        Ok(())
    })?;
    b.scope(place.model, |b| {
        b.scope("hyper_connection_mixer.", |b| streams.add(b, false));
    });
    Ok(())
}

/// Which layers attend. Published files call it `full_attention`, though it is indexed.
fn layer_kinds(fields: &Fields<'_>, layers: u64) -> Result<Vec<Kind>> {
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        let interval = fields.size_or("full_attention_interval", 4)?;
        return Ok((0..layers)
            .map(|layer| attends_if((layer + 1).is_multiple_of(interval)))
            .collect());
    };
    let kind = |kind| match kind {
        "linear_attention" => Ok(Kind::State),
        "indexed_attention" | "qwen_sparse_attention" | "full_attention" => Ok(Kind::Attention),
        other => Err(fields.error(
            "layer_types",
            format!("{other:?} is not a kind of layer this family has"),
        )),
    };
    types.into_iter().map(kind).collect()
}

/// The indexer of attention.
struct Indexer {
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
}

impl Indexer {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            heads: fields.size("indexer_n_heads")?,
            kv_heads: fields.size("indexer_kv_heads")?,
            head_dim: fields.size("indexer_head_dim")?,
        })
    }

    fn add(&self, b: &mut Builder, hidden: u64) {
        let outputs = (self.heads + self.kv_heads) * self.head_dim;
        b.linear("index_qk_proj", Role::Attention, outputs, hidden, false);
        b.norm("q_layernorm", self.head_dim, false);
        b.norm("k_layernorm", self.head_dim, false);
    }
}

/// Several residual streams side by side, which are mixed into the input of a block, and into which it gives.
struct Streams {
    hidden: u64,
    count: u64,
    rank: u64,
}

impl Streams {
    const fn width(&self) -> u64 {
        self.count * self.hidden
    }

    fn add(&self, b: &mut Builder, gives: bool) {
        let role = Role::Norm;
        let width = self.width();
        b.norm("hc_norm", width, false);
        b.linear("input_mix_weight_down", role, self.rank, width, false);
        b.linear("input_mix_weight_up", role, width, self.rank, false);
        if gives {
            b.linear("block_inject_weight", role, self.count, width, false);
        }
    }
}

/// Embeddings of the last tokens together, in tables of prime sizes by hash.
struct Grams {
    /// The layers that have them, counted from 1, ascending.
    layers: Vec<u64>,
    /// How many tokens the longest n-gram has.
    size: u64,
    /// Tables per layer.
    tables: u64,
    /// Width of what all tables give together.
    width: u64,
    /// The sizes are the primes from here on.
    base: u64,
    /// The rows of a layer's tables together are a multiple of this.
    multiple: u64,
    /// The parts in which they are stored.
    parts: u64,
    kernel: u64,
}

/// The largest table whose size is searched for; twice the default is under it. The search takes a millisecond there.
const LARGEST_TABLE: u64 = 1 << 26;

/// The most tables whose sizes are searched for.
const MOST_TABLES: u64 = 256;

impl Grams {
    fn read(fields: &Fields<'_>, streams: &Streams) -> Result<Self> {
        let mut layers = fields.opt_counts("ple_layer_ids")?.unwrap_or_default();
        layers.sort_unstable();
        layers.dedup();
        let size = fields.size_or("ngram_size", 3)?;
        let tables = size.saturating_sub(1) * fields.size_or("heads_per_ngram", 8)?;
        let base = fields.count_or("ngram_vocab_size_base", 20_000_000)?;
        if base > LARGEST_TABLE || tables.saturating_mul(layers.len() as u64) > MOST_TABLES {
            return Err(fields.error(
                "ngram_vocab_size_base",
                format!("{base}, in {tables} tables per layer, are more than can be derived"),
            ));
        }
        Ok(Self {
            layers,
            size,
            tables,
            width: fields.size_from(
                "ple_embed_dim",
                streams.hidden,
                "not in the config: hidden_size",
            )?,
            base,
            multiple: fields.size_or("make_ngram_vocab_size_divisible_by", 128)?,
            parts: fields.repeats_or("split_ngram_parts", 512)?,
            kernel: fields.size_or("ple_conv_kernel_size", 4)?,
        })
    }

    /// Which one of the layers with n-grams this is, counted from 0.
    fn place(&self, layer: u64) -> Option<u64> {
        self.layers
            .iter()
            .position(|&number| number == layer + 1)
            .map(|at| at as u64)
    }

    fn add(&self, b: &mut Builder, fields: &Fields<'_>, streams: &Streams, at: u64) -> Result<()> {
        let role = Role::Embedding;
        let streamed = streams.width();
        let tables = self.tables;
        let rows: u64 = primes_from(self.base)
            .skip(usize::try_from(at * tables).unwrap_or(usize::MAX))
            .take(usize::try_from(tables).unwrap_or(usize::MAX))
            .sum();
        let rows = rows.div_ceil(self.multiple) * self.multiple;
        let rows = fields.divide(
            "ngram_vocab_size_base",
            rows,
            "split_ngram_parts",
            self.parts,
        )?;
        let columns = fields.divide("ple_embed_dim", self.width, "heads_per_ngram", tables)?;
        b.scope("ple_embedding.", |b| {
            // `COUNT_LIMIT` bounds their number.
            let parts = Numbers::Below(u32::try_from(self.parts).unwrap_or(u32::MAX));
            b.scope("ngram_embedding.shard_", |b| {
                b.looked_up(|b| {
                    b.each("", parts, |b| b.tensor("weight", role, &[rows, columns]));
                });
            });
            b.buffer("layer_multipliers", role, &[self.size]);
            b.buffer("ngram_heads_offsets", role, &[tables]);
            b.buffer("ngram_heads_vocab_sizes", role, &[tables]);
        });
        b.linear("key_proj", role, streamed, self.width, false);
        b.linear("value_proj", role, streams.hidden, self.width, false);
        for name in ["norm_key", "norm_query", "norm_conv"] {
            b.norm(name, streamed, false);
        }
        convolution(b, "conv1d", streamed, self.kernel, false);
        // The convolution skips as many tokens as an n-gram has.
        let span = self
            .kernel
            .saturating_sub(1)
            .saturating_mul(self.size)
            .saturating_add(1);
        b.mixer(short_convolution::mixer(
            Convolution::new(streamed, span).tight(),
        ));
        Ok(())
    }
}

/// The primes from a number on.
fn primes_from(base: u64) -> impl Iterator<Item = u64> {
    let is_prime = |number: u64| {
        number >= 2 && (2..=number.isqrt()).all(|divisor| !number.is_multiple_of(divisor))
    };
    (base..).filter(move |&number| is_prime(number))
}
