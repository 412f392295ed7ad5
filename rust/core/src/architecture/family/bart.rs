//! BART and what is built like it: two stacks over one vocabulary, with small differences in norms, positions and the
//! encoder's attention.
//!
//! Sources: transformers `models/bart`, `mbart`, `plbart`, `mvp`, `m2m_100`, `pegasus`, `pegasus_x`, `blenderbot`,
//! `blenderbot_small`, `marian`, `led`, `bigbird_pegasus`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder_decoder::{Block, Form, Side, Sizes, unknown_class};
use crate::architecture::heads::{Multihead, Source};
use crate::architecture::layer::Stack;
use crate::architecture::place::{class, labels, saved_by};
use crate::checkpoint::Role;

/// BART and its kin.
pub const FAMILY: Family = Family {
    name: "bart",
    model_types: &[
        "bart",
        "bigbird_pegasus",
        "blenderbot",
        "blenderbot-small",
        "led",
        "m2m_100",
        "marian",
        "mbart",
        "mvp",
        "pegasus",
        "pegasus_x",
        "plbart",
    ],
    lower,
    text: None,
};

/// How positions are told to a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Positions {
    /// A table of `max_position_embeddings` rows, so many by default, and so many rows more.
    Table { rows: u64, more: u64 },
    /// LED states the rows of each stack by itself.
    TableEach { encoder: u64, decoder: u64 },
    /// Sines in a table that the first published files hold and that the class no longer saves.
    Sines { rows: u64 },
    /// Sines that are computed and not stored.
    None,
}

/// What the attention of the encoder is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seeing {
    /// As in the decoder.
    Plain,
    /// Longformer's, with a second set of projections for global tokens.
    Longformer,
    /// BigBird's, in BERT's names.
    BigBird,
    /// Pegasus-X: global tokens with a table and a norm in every layer.
    Global,
}

/// In what the kin of BART differ.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each of them is there or not, whatever the others are"
)]
struct Kin {
    /// What stands before the names of both stacks.
    model: &'static str,
    sizes: Sizes,
    vocabulary: u64,
    positions: Positions,
    /// A norm behind the embeddings.
    embedding_norm: bool,
    /// A norm behind the last layer.
    final_norm: bool,
    /// A bias of the logits, kept as a buffer.
    logits_bias: bool,
    seeing: Seeing,
    /// Whether the attention has biases where `use_bias` does not say.
    bias: bool,
}

const fn sizes(hidden: u64, encoder: [u64; 3], decoder: [u64; 3]) -> Sizes {
    let [encoder_layers, encoder_heads, encoder_width] = encoder;
    let [layers, heads, width] = decoder;
    Sizes {
        hidden,
        encoder: Side {
            layers: encoder_layers,
            heads: encoder_heads,
            width: encoder_width,
        },
        decoder: Side {
            layers,
            heads,
            width,
        },
    }
}

const LARGE: Sizes = sizes(1024, [12, 16, 4096], [12, 16, 4096]);

const BART: Kin = Kin {
    model: "model.",
    sizes: LARGE,
    vocabulary: 50265,
    positions: Positions::Table {
        rows: 1024,
        more: 2,
    },
    embedding_norm: true,
    final_norm: false,
    logits_bias: true,
    seeing: Seeing::Plain,
    bias: true,
};

/// The table: every kind, and in what it differs from BART. The sizes are the defaults of the classes.
#[rustfmt::skip]
const KIN: &[(&str, Kin)] = &[
    ("bart", BART),
    ("mvp", Kin { vocabulary: 50267, ..BART }),
    ("plbart", Kin { vocabulary: 50005, sizes: sizes(768, [6, 12, 3072], [6, 12, 3072]), ..BART }),
    ("mbart", Kin { final_norm: true, ..BART }),
    ("m2m_100", Kin {
        vocabulary: 128_112, positions: Positions::None, embedding_norm: false, final_norm: true, logits_bias: false,
        ..BART
    }),
    ("pegasus", Kin {
        positions: Positions::Table { rows: 1024, more: 0 }, embedding_norm: false, final_norm: true, ..BART
    }),
    ("pegasus_x", Kin {
        vocabulary: 96103, sizes: sizes(1024, [16, 16, 4096], [16, 16, 4096]), positions: Positions::None,
        embedding_norm: false, final_norm: true, logits_bias: false, seeing: Seeing::Global, bias: false, ..BART
    }),
    ("blenderbot", Kin {
        vocabulary: 8008, sizes: sizes(2560, [2, 32, 10240], [24, 32, 10240]),
        positions: Positions::Table { rows: 128, more: 0 }, embedding_norm: false, final_norm: true, ..BART
    }),
    ("blenderbot-small", Kin {
        sizes: sizes(512, [8, 16, 2048], [8, 16, 2048]), positions: Positions::Table { rows: 512, more: 0 }, ..BART
    }),
    ("marian", Kin {
        vocabulary: 58101, positions: Positions::Sines { rows: 1024 }, embedding_norm: false, ..BART
    }),
    ("led", Kin {
        model: "led.", positions: Positions::TableEach { encoder: 16384, decoder: 1024 }, seeing: Seeing::Longformer,
        ..BART
    }),
    ("bigbird_pegasus", Kin {
        vocabulary: 96103, sizes: sizes(1024, [16, 16, 4096], [16, 16, 4096]),
        positions: Positions::Table { rows: 4096, more: 0 }, seeing: Seeing::BigBird, bias: false, ..BART
    }),
];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (model_type, kin) = kin(fields)?;
    let form = Form::of(fields)?;
    let model = Model::read(fields, kin, form)?;
    let root = if form == Form::Bare { "" } else { kin.model };
    match form {
        Form::Causal => model.causal(b, fields, Source::Nothing),
        Form::Generation | Form::Bare | Form::SequenceClassifier | Form::QuestionAnswering => {
            b.scope(root, |b| model.both(b, fields))?;
            model.top(b, fields, form, model_type)
        }
        Form::Encoder | Form::TokenClassifier => {
            Err(unknown_class(fields, class(fields)?.unwrap_or_default()))
        }
    }
}

fn kin<'c>(fields: &Fields<'c>) -> Result<(&'c str, Kin)> {
    let model_type = fields.opt_text("model_type")?.unwrap_or("bart");
    if fields.opt_flag("use_prompt")? == Some(true) {
        return Err(fields.error("use_prompt", "prompts inside the layers are not derived"));
    }
    let kin = KIN
        .iter()
        .find(|(known, _)| *known == model_type)
        .map_or(BART, |&(_, kin)| kin);
    Ok((model_type, kin))
}

/// Adds the decoder alone with its head, as it stands behind an encoder of another kind.
///
/// # Errors
/// If a field is wrong.
pub fn decoder(b: &mut Builder, fields: &Fields<'_>, source: Source) -> Result<()> {
    let (_, kin) = kin(fields)?;
    Model::read(fields, kin, Form::Causal)?.causal(b, fields, source)
}

/// Adds both stacks and nothing on top, as they stand behind a tower.
///
/// # Errors
/// If a field is wrong.
pub fn both(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let (_, kin) = kin(fields)?;
    Model::read(fields, kin, Form::Bare)?.both(b, fields)
}

struct Model {
    kin: Kin,
    sizes: Sizes,
    block: Block,
    /// Entries of the encoder's vocabulary.
    vocabulary: u64,
    /// Entries of the decoder's, which only Marian may have apart.
    decoder_vocabulary: u64,
    /// Whether both stacks use one table by way of `shared`.
    shared: bool,
    tied: bool,
    positions: Option<(u64, u64)>,
}

impl Model {
    fn read(fields: &Fields<'_>, kin: Kin, form: Form) -> Result<Self> {
        let vocabulary = fields.size_or("vocab_size", kin.vocabulary)?;
        let shared = fields
            .opt_flag("share_encoder_decoder_embeddings")?
            .unwrap_or(true);
        let tied = fields.flag_or("tie_word_embeddings", true)?;
        let decoder_vocabulary = match fields.opt_size("decoder_vocab_size")? {
            // A table that both stacks share has the entries of the encoder's; a decoder alone has its own.
            Some(own) if own != vocabulary && shared && form != Form::Causal => {
                if !tied {
                    return Err(fields.error(
                        "decoder_vocab_size",
                        format!("is {own}, and the stacks share a vocabulary of {vocabulary}"),
                    ));
                }
                vocabulary
            }
            own => own.unwrap_or(vocabulary),
        };
        let positions = match kin.positions {
            Positions::None => None,
            Positions::Sines { .. } if saved_by(fields)?.is_some_and(|version| version >= 5) => {
                None
            }
            Positions::Sines { rows } => {
                let rows = fields.size_or("max_position_embeddings", rows)?;
                fields.assume(
                    "embed_positions",
                    "stored",
                    "the first published files hold the sines of positions; files saved since leave them out",
                );
                Some((rows, rows))
            }
            Positions::Table { rows, more } => {
                let rows = fields.size_or("max_position_embeddings", rows)? + more;
                Some((rows, rows))
            }
            Positions::TableEach { encoder, decoder } => Some((
                fields.size_or("max_encoder_position_embeddings", encoder)?,
                fields.size_or("max_decoder_position_embeddings", decoder)?,
            )),
        };
        let bias = if kin.seeing == Seeing::BigBird {
            fields.flag_or("use_bias", kin.bias)?
        } else {
            kin.bias
        };
        Ok(Self {
            kin,
            sizes: Sizes::read(fields, kin.sizes)?,
            block: Block {
                bias: [bias; 4],
                ..Block::BART
            },
            vocabulary,
            decoder_vocabulary,
            shared,
            tied,
            positions,
        })
    }

    /// The decoder alone, and its head.
    fn causal(&self, b: &mut Builder, fields: &Fields<'_>, source: Source) -> Result<()> {
        b.scope(self.kin.model, |b| {
            b.scope("decoder.", |b| {
                b.embedding(
                    "embed_tokens",
                    Role::Embedding,
                    self.decoder_vocabulary,
                    self.sizes.hidden,
                );
                self.decoder(b, fields, source)
            })
        })?;
        // The class of BigBird-Pegasus alone does not say that its head is tied.
        if !self.tied || self.kin.seeing == Seeing::BigBird {
            self.head(b);
        }
        Ok(())
    }

    /// Both stacks and their embeddings.
    fn both(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        let hidden = self.sizes.hidden;
        if self.shared {
            b.embedding("shared", Role::Embedding, self.vocabulary, hidden);
        }
        // Without tying, each stack has a table of its own beside the shared one, which then serves nobody.
        let own = !self.shared || !self.tied;
        b.scope("encoder.", |b| {
            if own {
                b.embedding("embed_tokens", Role::Embedding, self.vocabulary, hidden);
            }
            self.encoder(b, fields)
        })?;
        b.scope("decoder.", |b| {
            if own {
                b.embedding(
                    "embed_tokens",
                    Role::Embedding,
                    self.decoder_vocabulary,
                    hidden,
                );
            }
            self.decoder(b, fields, Source::Encoder { tokens: None })
        })
    }

    fn frame(&self, b: &mut Builder, rows: Option<u64>) {
        let hidden = self.sizes.hidden;
        if let Some(rows) = rows {
            b.embedding("embed_positions", Role::Position, rows, hidden);
        }
        if self.kin.embedding_norm {
            b.norm("layernorm_embedding", hidden, true);
        }
        if self.kin.final_norm {
            b.norm("layer_norm", hidden, true);
        }
    }

    fn encoder(&self, b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
        let hidden = self.sizes.hidden;
        let side = self.sizes.encoder;
        self.frame(b, self.positions.map(|(rows, _)| rows));
        let heads = self
            .block
            .heads(fields, hidden, "encoder_attention_heads", side.heads)?;
        if self.kin.seeing == Seeing::Global {
            let tokens = fields.size_or("num_global_tokens", 32)?;
            b.embedding("embed_global", Role::Embedding, tokens, hidden);
        }
        b.layers(Stack::Encoder, "layers", &side.numbers(), |b| {
            match self.kin.seeing {
                Seeing::Plain | Seeing::Global => b.scope("self_attn.", |b| heads.attend(b)),
                Seeing::Longformer => b.scope("self_attn.", |b| longformer(b, &heads)),
                Seeing::BigBird => {
                    let names = ["self.query", "self.key", "self.value", "output"];
                    b.scope("self_attn.", |b| Multihead { names, ..heads }.attend(b));
                }
            }
            b.norm("self_attn_layer_norm", hidden, true);
            if self.kin.seeing == Seeing::Global {
                b.norm("global_self_attn_layer_norm", hidden, true);
            }
            self.block.dense(b, hidden, side.width);
        });
        Ok(())
    }

    fn decoder(&self, b: &mut Builder, fields: &Fields<'_>, source: Source) -> Result<()> {
        let hidden = self.sizes.hidden;
        self.frame(b, self.positions.map(|(_, rows)| rows));
        self.block
            .decoder(b, fields, hidden, &self.sizes.decoder, source, hidden)
    }

    fn head(&self, b: &mut Builder) {
        b.linear(
            "lm_head",
            Role::Head,
            self.decoder_vocabulary,
            self.sizes.hidden,
            false,
        );
    }

    fn top(
        &self,
        b: &mut Builder,
        fields: &Fields<'_>,
        form: Form,
        model_type: &str,
    ) -> Result<()> {
        let hidden = self.sizes.hidden;
        match form {
            Form::Generation => {
                if self.kin.logits_bias {
                    b.buffer(
                        "final_logits_bias",
                        Role::Head,
                        &[1, self.decoder_vocabulary],
                    );
                }
                if !self.tied {
                    self.head(b);
                }
            }
            Form::SequenceClassifier => {
                // BART was published for entailment, so its class has three labels by default.
                let labels = if model_type == "bart" && !fields.has("id2label") {
                    fields.size_or("num_labels|_num_labels", 3)?
                } else {
                    labels(fields)?
                };
                b.scope("classification_head.", |b| {
                    b.linear("dense", Role::Head, hidden, hidden, true);
                    b.linear("out_proj", Role::Head, labels, hidden, true);
                });
            }
            Form::QuestionAnswering => b.linear("qa_outputs", Role::Head, 2, hidden, true),
            Form::Causal | Form::Bare | Form::Encoder | Form::TokenClassifier => {}
        }
        Ok(())
    }
}

/// Longformer's attention: projections for the window and others for global tokens, which the output shares.
fn longformer(b: &mut Builder, heads: &Multihead<'_>) {
    let names = [
        "longformer_self_attn.query",
        "longformer_self_attn.key",
        "longformer_self_attn.value",
        "output",
    ];
    Multihead { names, ..*heads }.attend(b);
    for name in ["query_global", "key_global", "value_global"] {
        let name = format!("longformer_self_attn.{name}");
        b.linear(&name, Role::Attention, heads.hidden, heads.hidden, true);
    }
}
