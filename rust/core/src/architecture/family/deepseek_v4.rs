//! DeepSeek-V4: attention over a window of single tokens and over entries that stand for several tokens each, an
//! indexer that picks among them, experts chosen by hash in the first layers, and residual streams that are mixed.
//!
//! Sources: transformers `models/deepseek_v4`; the names of the published files, which transformers 5 does not give
//! back when it saves, from its load patterns in `conversion_mapping.py` and from public loaders of these files.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::{Mixer, Stack};
use crate::architecture::mla::Indexer;
use crate::architecture::place::{Head, Place, Top};
use crate::architecture::prediction;
use crate::architecture::sparse::{self, experts};
use crate::architecture::template::Numbers;
use crate::checkpoint::Role;

/// DeepSeek-V4.
pub const FAMILY: Family = Family {
    name: "deepseek-v4",
    model_types: &["deepseek_ref", "deepseek_v4"],
    lower,
    text: None,
};

/// The defaults of the config class.
const EXPERTS: sparse::Defaults = sparse::Defaults {
    experts: 256,
    chosen: 6,
    width: 2048,
    shared: 1,
    dense: 0,
};

/// Names that differ between published files and those that transformers saves.
struct Names {
    /// What stands before the model's tensors.
    model: &'static str,
    embedding: &'static str,
    /// The norm of the key that is also the value.
    key_norm: &'static str,
    /// What stands before `fn`, `base` and `scale` of the last mix of streams.
    last_mix: &'static str,
}

const PUBLISHED: Names = Names {
    model: "",
    embedding: "embed",
    key_norm: "kv_norm",
    last_mix: "hc_head_",
};

const SAVED: Names = Names {
    model: "model.",
    embedding: "embed_tokens",
    key_norm: "norm",
    last_mix: "hc_head.hc_",
};

/// What a layer keeps of earlier tokens beside its window.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Compression {
    /// Nothing.
    None,
    /// An entry for so many tokens, made from that many and as many before, and an indexer.
    Sparse(u64),
    /// An entry for so many tokens.
    Heavy(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Plan {
    compression: Compression,
    /// Whether a table gives each token's experts.
    hash: bool,
}

/// The sizes of a layer.
struct Block<'n> {
    names: &'n Names,
    hidden: u64,
    heads: u64,
    head_dim: u64,
    query_rank: u64,
    groups: u64,
    output_rank: u64,
    streams: u64,
    window: u64,
    indexer: Indexer,
    experts: Experts<'n>,
    vocabulary: u64,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    // transformers writes kinds of layers, DeepSeek ratios.
    let saved = fields.has("layer_types|compress_rates");
    let names = if saved { &SAVED } else { &PUBLISHED };
    let place = Place::whole(fields, names.model)?;
    let hidden = fields.size("hidden_size")?;
    let vocabulary = fields.size("vocab_size")?;
    let layers = fields.repeats("num_hidden_layers")?;
    let block = Block::read(fields, names, hidden, vocabulary)?;
    let compressions = compressions(fields, layers)?;
    let hashed = hashed(fields, layers)?;
    let plans = compressions
        .iter()
        .zip(hashed)
        .map(|(&compression, hash)| Plan { compression, hash });
    b.scope(place.model, |b| {
        b.embedding(names.embedding, Role::Embedding, vocabulary, hidden);
        for (plan, numbers) in group(plans) {
            b.layers(Stack::Decoder, "layers", &numbers, |b| block.add(b, plan));
        }
        b.norm("norm", hidden, false);
        block.last_mix(b, names.last_mix);
    });
    let head = Head {
        name: "head",
        vocabulary,
        hidden,
        bias: false,
        tied: fields.flag_or("tie_word_embeddings", false)?,
    };
    place.top(b, fields, &head)?;
    let count = prediction::count(fields)?;
    if saved || place.top != Top::LanguageModel {
        return Ok(());
    }
    if fields.names().any(|name| name.starts_with("dspark")) {
        let message = "the prediction layers of a draft model of this kind are not known";
        return Err(fields.error("dspark_block_size", message));
    }
    b.all_as(Role::Mtp, |b| {
        let numbers = Numbers::Below(u32::try_from(count).unwrap_or(u32::MAX));
        b.layers(Stack::Prediction, "mtp", &numbers, |b| {
            b.norm("enorm", hidden, false);
            b.norm("hnorm", hidden, false);
            b.linear("e_proj", Role::Mtp, hidden, hidden, false);
            b.linear("h_proj", Role::Mtp, hidden, hidden, false);
            // Their ratio is 0 in every published config.
            let plan = Plan {
                compression: Compression::None,
                hash: false,
            };
            block.add(b, plan);
            b.norm("norm", hidden, false);
            block.last_mix(b, names.last_mix);
        });
    });
    Ok(())
}

/// What each layer keeps: `layer_types` with `compress_rates`, or `compress_ratios`; without both the pattern of
/// the class, which is that of V4-Pro.
fn compressions(fields: &Fields<'_>, layers: u64) -> Result<Vec<Compression>> {
    if let Some(ratios) = fields.opt_counts("compress_ratios")? {
        if (ratios.len() as u64) < layers {
            let message = format!("has {} items for {layers} layers", ratios.len());
            return Err(fields.error("compress_ratios", message));
        }
        return ratios
            .into_iter()
            .take(usize::try_from(layers).unwrap_or(usize::MAX))
            .map(|ratio| match ratio {
                0 => Ok(Compression::None),
                4 => Ok(Compression::Sparse(4)),
                128 => Ok(Compression::Heavy(128)),
                other => {
                    let message = format!("{other} is none of 0, 4 and 128, which are known");
                    Err(fields.error("compress_ratios", message))
                }
            })
            .collect();
    }
    let [mut sparse, mut heavy] = [4, 128];
    if let Some(rates) = fields.opt_object("compress_rates")? {
        sparse = rates.size_or("compressed_sparse_attention", sparse)?;
        heavy = rates.size_or("heavily_compressed_attention", heavy)?;
    }
    sparse = fields.opt_size("compress_rate_csa")?.unwrap_or(sparse);
    heavy = fields.opt_size("compress_rate_hca")?.unwrap_or(heavy);
    let Some(types) = fields.opt_layer_texts("layer_types", layers)? else {
        let reason = "not in the config; the default of its model class";
        fields.assume(
            "compress_ratios",
            "128, 128, 128, 4, 128, 4 and so on",
            reason,
        );
        return Ok((0..layers)
            .map(|layer| match layer {
                layer if layer > 2 && layer % 2 == 1 => Compression::Sparse(sparse),
                _ => Compression::Heavy(heavy),
            })
            .collect());
    };
    types
        .into_iter()
        .map(|kind| match kind {
            "sliding_attention" => Ok(Compression::None),
            "compressed_sparse_attention" => Ok(Compression::Sparse(sparse)),
            "heavily_compressed_attention" => Ok(Compression::Heavy(heavy)),
            other => {
                let message = format!("{other:?} is not a kind of attention this family has");
                Err(fields.error("layer_types", message))
            }
        })
        .collect()
}

/// Which layers look their experts up: `mlp_layer_types`, or the first `num_hash_layers`.
fn hashed(fields: &Fields<'_>, layers: u64) -> Result<Vec<bool>> {
    let name = "mlp_layer_types";
    let Some(types) = fields.opt_layer_texts(name, layers)? else {
        let hashed = fields.count_or("num_hash_layers", 3)?;
        return Ok((0..layers).map(|layer| layer < hashed).collect());
    };
    types
        .into_iter()
        .map(|kind| match kind {
            "hash_moe" => Ok(true),
            "moe" => Ok(false),
            other => Err(fields.error(
                name,
                format!("{other:?} is neither \"hash_moe\" nor \"moe\""),
            )),
        })
        .collect()
}

impl<'n> Block<'n> {
    fn read(fields: &Fields<'_>, names: &'n Names, hidden: u64, vocabulary: u64) -> Result<Self> {
        let heads = fields.size("num_attention_heads")?;
        let head_dim = fields.size_or("head_dim", 512)?;
        let query_rank = fields.size_or("q_lora_rank", 1024)?;
        let groups = fields.size_or("o_groups", 8)?;
        fields.divide("num_attention_heads", heads, "o_groups", groups)?;
        let experts = Experts {
            layout: Layout::Each(WIDTHS),
            shared_names: WIDTHS,
            shared_bias: fields.opt_flag("mlp_bias")?.unwrap_or(false),
            ..experts(fields, hidden, &EXPERTS)?
        };
        Ok(Self {
            names,
            hidden,
            heads,
            head_dim,
            query_rank,
            groups,
            output_rank: fields.size_or("o_lora_rank", 1024)?,
            streams: fields.size_or("hc_mult", 4)?,
            window: fields.size_or("sliding_window", 128)?,
            indexer: Indexer::read(fields, 64, 128, query_rank)?,
            experts,
            vocabulary,
        })
    }

    /// Adds a layer.
    fn add(&self, b: &mut Builder, plan: Plan) {
        let hidden = self.hidden;
        b.scope("attn.", |b| self.attention(b, plan.compression));
        b.scope("ffn.", |b| {
            let correction = (!plan.hash).then_some("gate.bias");
            Experts {
                correction,
                ..self.experts.clone()
            }
            .add(b);
            if plan.hash {
                let shape = [self.vocabulary, self.experts.chosen];
                b.buffer("gate.tid2eid", Role::Router, &shape);
            }
        });
        b.norm("attn_norm", hidden, false);
        b.norm("ffn_norm", hidden, false);
        // What each stream gives, what it takes, and how they mix.
        let mixes = self.streams * (self.streams + 2);
        for part in ["attn", "ffn"] {
            b.scope(&format!("hc_{part}_"), |b| {
                b.tensor("fn", Role::Norm, &[mixes, self.streams * hidden]);
                b.tensor("base", Role::Norm, &[mixes]);
                b.tensor("scale", Role::Norm, &[3]);
            });
        }
    }

    fn attention(&self, b: &mut Builder, compression: Compression) {
        let Self {
            hidden,
            heads,
            head_dim,
            query_rank,
            ..
        } = *self;
        let role = Role::Attention;
        let outputs = self.groups * self.output_rank;
        b.linear("wq_a", role, query_rank, hidden, false);
        b.norm("q_norm", query_rank, false);
        b.linear("wq_b", role, heads * head_dim, query_rank, false);
        b.linear("wkv", role, head_dim, hidden, false);
        b.norm(self.names.key_norm, head_dim, false);
        // `Self::read` has checked that this divides.
        b.linear("wo_a", role, outputs, heads / self.groups * head_dim, false);
        b.linear("wo_b", role, hidden, outputs, false);
        b.tensor("attn_sink", role, &[heads]);
        let (ratio, indexer_dim) = match compression {
            Compression::None => (0, 0),
            Compression::Heavy(ratio) => {
                self.compressor(b, ratio, head_dim, 1);
                (ratio, 0)
            }
            Compression::Sparse(ratio) => {
                let Indexer {
                    heads, dim, inputs, ..
                } = self.indexer;
                self.compressor(b, ratio, head_dim, 2);
                b.scope("indexer.", |b| {
                    b.linear("wq_b", role, heads * dim, inputs, false);
                    b.linear("weights_proj", role, heads, hidden, false);
                    self.compressor(b, ratio, dim, 2);
                });
                (ratio, dim)
            }
        };
        b.mixer(Mixer::Compressed {
            heads,
            key_dim: head_dim,
            ratio,
            window: self.window,
            indexer_dim,
        });
    }

    /// What makes an entry of this width from as many spans of tokens.
    fn compressor(&self, b: &mut Builder, ratio: u64, width: u64, spans: u64) {
        let role = Role::Attention;
        b.scope("compressor.", |b| {
            b.tensor("ape", role, &[ratio, spans * width]);
            b.linear("wkv", role, spans * width, self.hidden, false);
            b.linear("wgate", role, spans * width, self.hidden, false);
            b.norm("norm", width, false);
        });
    }

    /// What makes one stream of all of them before the head.
    fn last_mix(&self, b: &mut Builder, prefix: &str) {
        let streams = self.streams;
        b.scope(prefix, |b| {
            b.tensor("fn", Role::Norm, &[streams, streams * self.hidden]);
            b.tensor("base", Role::Norm, &[streams]);
            b.tensor("scale", Role::Norm, &[1]);
        });
    }
}

/// Gate, up and down.
const WIDTHS: [&str; 3] = ["w1", "w3", "w2"];
