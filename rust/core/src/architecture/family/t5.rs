//! T5 and what is built like it: relative positions in the attention, norms without biases, heads that need not add
//! up to the width of the stream.
//!
//! Sources: transformers `models/t5`, `mt5`, `umt5`, `longt5`, `switch_transformers`, `pop2piano`, `udop`. Version 5
//! ties every head of T5; the published files of T5 1.1, Flan-T5 and mT5, whose configs say that the head is not tied,
//! hold one of its own.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Form, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{class, labels};
use crate::architecture::template::Numbers;
use crate::architecture::vision::Patches;
use crate::checkpoint::Role;

/// T5 and its kin.
pub const FAMILY: Family = Family {
    name: "t5",
    model_types: &[
        "longt5",
        "mt5",
        "pop2piano",
        "switch_transformers",
        "t5",
        "udop",
        "umt5",
    ],
    lower,
    text: None,
};

/// Whether the head has a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tying {
    /// If the config says that it is not tied; both stacks use one table all the same.
    HeadByConfig,
    /// Never, whatever the config says: the field only tells whether the logits are scaled.
    Always,
    /// Always.
    OwnHead,
    /// If the config says that it is not tied, and then both stacks have tables of their own, too.
    AllByConfig,
}

/// In what the kin of T5 differ, and the defaults of their classes.
#[derive(Clone, Copy, Debug)]
struct Kin {
    hidden: u64,
    head_dim: u64,
    width: u64,
    layers: u64,
    heads: u64,
    vocabulary: u64,
    gated: bool,
    tying: Tying,
    /// Whether every layer has relative positions of its own instead of the first one's.
    positions_everywhere: bool,
}

const T5: Kin = Kin {
    hidden: 512,
    head_dim: 64,
    width: 2048,
    layers: 6,
    heads: 8,
    vocabulary: 32128,
    gated: false,
    tying: Tying::HeadByConfig,
    positions_everywhere: false,
};

const MT5: Kin = Kin {
    width: 1024,
    layers: 8,
    heads: 6,
    vocabulary: 250_112,
    gated: true,
    ..T5
};

#[rustfmt::skip]
const KIN: &[(&str, Kin)] = &[
    ("t5", T5),
    ("mt5", MT5),
    ("umt5", Kin { positions_everywhere: true, ..MT5 }),
    ("longt5", Kin { tying: Tying::Always, ..T5 }),
    ("switch_transformers", Kin { hidden: 768, layers: 12, heads: 12, tying: Tying::AllByConfig, ..T5 }),
    ("pop2piano", Kin { vocabulary: 2400, gated: true, tying: Tying::OwnHead, ..T5 }),
    ("udop", Kin {
        hidden: 1024, width: 4096, layers: 24, heads: 16, vocabulary: 33201, tying: Tying::Always, ..T5
    }),
];

/// The feed-forward network of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Plain,
    Gated,
    /// Switch's plain one, under another name.
    Switch,
    Experts {
        experts: u64,
        router_bias: bool,
    },
}

/// One of the two stacks.
struct Side {
    /// What its self attention is called.
    attention: &'static str,
    /// Whether the attention has a table and a norm for global tokens.
    global: bool,
    networks: Vec<Network>,
}

struct Model {
    kin: Kin,
    heads: Multihead<'static>,
    width: u64,
    vocabulary: u64,
    buckets: u64,
    own_tables: bool,
    own_head: bool,
    encoder: Side,
    decoder: Side,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("t5");
    let kin = KIN
        .iter()
        .find(|(known, _)| *known == model_type)
        .map_or(T5, |&(_, kin)| kin);
    let model = Model::read(fields, kin, model_type)?;
    let hidden = model.heads.hidden;
    let form = Form::of(fields)?;
    let (root, decoder) = match form {
        Form::Generation | Form::Bare | Form::QuestionAnswering => ("", true),
        Form::Encoder => ("", false),
        Form::SequenceClassifier => ("transformer.", true),
        Form::TokenClassifier => ("transformer.", false),
        Form::Causal => return Err(unknown_class(fields, class(fields)?.unwrap_or_default())),
    };
    let udop = if model_type == "udop" {
        Some(Udop::read(fields, &model, form)?)
    } else {
        None
    };
    b.scope(root, |b| {
        b.embedding("shared", Role::Embedding, model.vocabulary, hidden);
        b.scope("encoder.", |b| model.encoder(b));
        if decoder {
            b.scope("decoder.", |b| model.decoder(b));
        }
    });
    if let Some(udop) = udop {
        udop.add(b, decoder);
    }
    match form {
        Form::Generation => {
            if model.own_head {
                b.linear("lm_head", Role::Head, model.vocabulary, hidden, false);
            }
            if model_type == "pop2piano" {
                let composers = fields.size_or("composer_vocab_size", 21)?;
                b.embedding(
                    "mel_conditioner.embedding",
                    Role::Embedding,
                    composers,
                    hidden,
                );
            }
        }
        Form::SequenceClassifier => b.scope("classification_head.", |b| -> Result<()> {
            b.linear("dense", Role::Head, hidden, hidden, true);
            b.linear("out_proj", Role::Head, labels(fields)?, hidden, true);
            Ok(())
        })?,
        Form::TokenClassifier => b.linear("classifier", Role::Head, labels(fields)?, hidden, true),
        Form::QuestionAnswering => {
            b.linear("qa_outputs", Role::Head, labels(fields)?, hidden, true);
        }
        Form::Bare | Form::Encoder | Form::Causal => {}
    }
    Ok(())
}

/// Adds the encoder of T5 alone to the scope that is open, as a part of a larger model, and returns its width.
///
/// # Errors
/// If a field is wrong.
pub fn encoder(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let model = Model::read(fields, T5, "t5")?;
    let hidden = model.heads.hidden;
    b.embedding("shared", Role::Embedding, model.vocabulary, hidden);
    b.scope("encoder.", |b| model.encoder(b));
    Ok(hidden)
}

impl Model {
    fn read(fields: &Fields<'_>, kin: Kin, model_type: &str) -> Result<Self> {
        let hidden = fields.size_or("d_model|hidden_size", kin.hidden)?;
        let heads = fields.size_or("num_heads|num_attention_heads", kin.heads)?;
        let head_dim = fields.size_or("d_kv|head_dim", kin.head_dim)?;
        let layers = fields.repeats_or("num_layers|num_hidden_layers", kin.layers)?;
        let decoder_layers = match fields.opt_count("num_decoder_layers")? {
            Some(_) => fields.repeats("num_decoder_layers")?,
            None => layers,
        };
        let tied = || fields.flag_or("tie_word_embeddings", true);
        let (own_head, own_tables) = match kin.tying {
            Tying::Always => (false, false),
            Tying::OwnHead => (true, false),
            Tying::HeadByConfig => (!tied()?, false),
            Tying::AllByConfig => (!tied()?, !tied()?),
        };
        let (attention, global) = if model_type == "longt5" {
            match fields.text_or("encoder_attention_type", "local")? {
                "local" => ("LocalSelfAttention", false),
                "transient-global" => ("TransientGlobalSelfAttention", true),
                other => {
                    return Err(fields.error(
                        "encoder_attention_type",
                        format!("{other:?} is neither local nor transient-global"),
                    ));
                }
            }
        } else {
            ("SelfAttention", false)
        };
        let networks = |layers: u64, step_name: &str, sparse_name: &str| -> Result<Vec<Network>> {
            if model_type == "switch_transformers" {
                return switch(fields, layers, step_name, sparse_name);
            }
            let network = if gated(fields, kin.gated)? {
                Network::Gated
            } else {
                Network::Plain
            };
            Ok((0..layers).map(|_| network).collect())
        };
        Ok(Self {
            kin,
            heads: Multihead::new(["q", "k", "v", "o"], hidden, heads, head_dim, false),
            width: fields.size_or("d_ff", kin.width)?,
            vocabulary: fields.size_or("vocab_size", kin.vocabulary)?,
            buckets: fields.size_or("relative_attention_num_buckets", 32)?,
            own_tables,
            own_head,
            encoder: Side {
                attention,
                global,
                networks: networks(layers, "encoder_sparse_step", "num_sparse_encoder_layers")?,
            },
            decoder: Side {
                attention: "SelfAttention",
                global: false,
                networks: networks(
                    decoder_layers,
                    "decoder_sparse_step",
                    "num_sparse_decoder_layers",
                )?,
            },
        })
    }

    fn encoder(&self, b: &mut Builder) {
        self.stack(b, Stack::Encoder, &self.encoder);
    }

    fn decoder(&self, b: &mut Builder) {
        self.stack(b, Stack::Decoder, &self.decoder);
    }

    fn stack(&self, b: &mut Builder, stack: Stack, side: &Side) {
        let hidden = self.heads.hidden;
        if self.own_tables {
            b.embedding("embed_tokens", Role::Embedding, self.vocabulary, hidden);
        }
        let plans = side
            .networks
            .iter()
            .enumerate()
            .map(|(layer, &network)| (network, layer == 0 || self.kin.positions_everywhere));
        for ((network, positions), numbers) in group(plans) {
            b.layers(stack, "block", &numbers, |b| {
                self.attention(b, side, positions);
                let mut part = "layer.1.";
                if stack == Stack::Decoder {
                    b.scope(part, |b| {
                        b.scope("EncDecAttention.", |b| {
                            self.heads.cross(b, Source::Encoder { tokens: None });
                        });
                        b.norm("layer_norm", hidden, false);
                    });
                    part = "layer.2.";
                }
                b.scope(part, |b| {
                    self.network(b, network);
                    b.norm("layer_norm", hidden, false);
                });
            });
        }
        b.norm("final_layer_norm", hidden, false);
    }

    fn attention(&self, b: &mut Builder, side: &Side, positions: bool) {
        let Multihead { hidden, heads, .. } = self.heads;
        b.scope("layer.0.", |b| {
            b.scope(side.attention, |b| {
                b.scope(".", |b| {
                    self.heads.attend(b);
                    let mut table = |name| b.embedding(name, Role::Position, self.buckets, heads);
                    if positions {
                        table("relative_attention_bias");
                    }
                    if positions && side.global {
                        table("global_relative_attention_bias");
                    }
                    if side.global {
                        b.norm("global_input_layer_norm", hidden, false);
                    }
                });
            });
            b.norm("layer_norm", hidden, false);
        });
    }

    fn network(&self, b: &mut Builder, network: Network) {
        let hidden = self.heads.hidden;
        let width = self.width;
        let both = |b: &mut Builder, role| {
            b.linear("wi", role, width, hidden, false);
            b.linear("wo", role, hidden, width, false);
        };
        match network {
            Network::Plain => b.scope("DenseReluDense.", |b| both(b, Role::Mlp)),
            Network::Gated => b.scope("DenseReluDense.", |b| {
                b.linear("wi_0", Role::Mlp, width, hidden, false);
                b.linear("wi_1", Role::Mlp, width, hidden, false);
                b.linear("wo", Role::Mlp, hidden, width, false);
            }),
            Network::Switch => b.scope("mlp.", |b| both(b, Role::Mlp)),
            Network::Experts {
                experts,
                router_bias,
            } => b.scope("mlp.", |b| {
                b.linear(
                    "router.classifier",
                    Role::Router,
                    experts,
                    hidden,
                    router_bias,
                );
                let numbers = Numbers::Below(u32::try_from(experts).unwrap_or(u32::MAX));
                b.routed(1, experts, |b| {
                    b.scope("experts.expert_", |b| {
                        b.each("", numbers, |b| both(b, Role::Expert));
                    });
                });
            }),
        }
        b.feed_forward(match network {
            Network::Experts { experts, .. } => FeedForward::Experts {
                experts,
                // A switch sends each token one way only.
                chosen: 1,
                width,
                shared_width: 0,
            },
            Network::Plain | Network::Gated | Network::Switch => FeedForward::Dense { width },
        });
    }
}

/// Whether the feed-forward network is gated: `feed_forward_proj` is `relu`, `gated-gelu` and the like. A stated
/// `is_gated_act`, which the class writes and reads back, comes first.
fn gated(fields: &Fields<'_>, default: bool) -> Result<bool> {
    if let Some(gated) = fields.opt_flag("is_gated_act")? {
        return Ok(gated);
    }
    let default = if default { "gated-gelu" } else { "relu" };
    let kind = fields.text_or("feed_forward_proj", default)?;
    match kind.split_once('-') {
        None => Ok(false),
        Some(("gated", activation)) if !activation.contains('-') => Ok(true),
        Some(_) => Err(fields.error(
            "feed_forward_proj",
            format!("{kind:?} is neither an activation nor gated-ACTIVATION"),
        )),
    }
}

/// Which layers of Switch have experts: every n-th, where n is stated or follows from how many there shall be. The class
/// counts so that one layer has experts where none shall.
fn switch(
    fields: &Fields<'_>,
    layers: u64,
    step_name: &str,
    sparse_name: &str,
) -> Result<Vec<Network>> {
    let experts = Network::Experts {
        experts: fields.repeats_or("num_experts", 8)?,
        router_bias: fields.flag_or("router_bias", false)?,
    };
    let step = match fields.opt_count(step_name)? {
        Some(step) => step,
        None => match fields.count_or(sparse_name, 3)? {
            0 => layers,
            sparse => layers / sparse,
        },
    };
    Ok((0..layers)
        .map(|layer| match step {
            0 => Network::Switch,
            1 => experts,
            step if layer % step == 1 => experts,
            _ => Network::Switch,
        })
        .collect())
}

/// What UDOP has beside T5: patches of the page, and tables of positions in two dimensions.
struct Udop {
    hidden: u64,
    heads: u64,
    patches: Patches,
    cells: u64,
    /// The first table is the first layer's own, except in a bare model.
    tables: Numbers,
}

impl Udop {
    fn read(fields: &Fields<'_>, model: &Model, form: Form) -> Result<Self> {
        const KINDS: [&str; 3] = ["1d", "horizontal", "vertical"];
        if let Some(stated) = fields.opt_list("relative_bias_args")? {
            let usual = stated.len() == KINDS.len()
                && stated.iter().zip(KINDS).all(|(table, kind)| {
                    table.as_object().is_some_and(|table| {
                        table.len() == 1
                            && table.get("type").and_then(|kind| kind.as_str()) == Some(kind)
                    })
                });
            if !usual {
                return Err(fields.error(
                    "relative_bias_args",
                    "only one plain table each for 1d, horizontal and vertical is derived",
                ));
            }
        }
        let first = u32::from(form != Form::Bare);
        Ok(Self {
            hidden: model.heads.hidden,
            heads: model.heads.heads,
            patches: Patches::read(fields, 224, 16)?,
            cells: fields.size_or("max_2d_position_embeddings", 1024)?,
            tables: Numbers::Listed((first..3).collect()),
        })
    }

    fn add(&self, b: &mut Builder, decoder: bool) {
        let hidden = self.hidden;
        let tables = |b: &mut Builder| {
            b.each("relative_bias.biases", self.tables.clone(), |b| {
                // These tables have the default number of buckets, whatever the config says of the attention's.
                b.embedding("relative_attention_bias", Role::Position, 32, self.heads);
            });
        };
        let patches = |b: &mut Builder, name| {
            let (height, width) = self.patches.sides;
            let shape = [hidden, self.patches.channels, height, width];
            b.weight_and_bias(name, Role::Embedding, &shape, hidden, true);
        };
        patches(b, "patch_embed.proj");
        b.scope("encoder.", |b| {
            let name = "cell_2d_embedding.x_position_embeddings";
            b.embedding(name, Role::Position, self.cells, hidden);
            let name = "cell_2d_embedding.y_position_embeddings";
            b.embedding(name, Role::Position, self.cells, hidden);
            tables(b);
        });
        if decoder {
            b.scope("decoder.", |b| {
                patches(b, "embed_patches.proj");
                tables(b);
            });
        }
    }
}
