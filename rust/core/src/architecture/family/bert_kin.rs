//! In what the kin of BERT differ, as a table.

use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{BERT_WORDS, ROBERTA_WORDS, Shape, Task, Words, tied};
use crate::architecture::encoder_top::{
    ALWAYS, Answers, BERT_TOPS, Choice, PreTraining, ROBERTA_TOPS, Sequences, Tops,
};
use crate::checkpoint::Role;

/// Something a model has beyond BERT, added in the scope where it lies.
type More = fn(&mut Builder, &Fields<'_>, &Shape) -> Result<()>;

/// An embedding that may be narrower than the layers.
#[derive(Clone, Copy)]
pub struct Narrow {
    /// The field of its width.
    pub field: &'static str,
    /// The width where the config does not say; nothing for that of the layers.
    pub default: Option<u64>,
    /// The projection to the width of the layers.
    pub name: &'static str,
    /// Whether the projection is there even where the widths are equal.
    pub always: bool,
}

/// One of the kin.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one way in which the kin differ"
)]
pub struct Kin {
    /// What stands before the model's names where there is a top.
    pub model: &'static str,
    /// Positions where the config does not say, and rows of the table beyond them; nothing for no table.
    pub positions: Option<(u64, u64)>,
    /// Whether relative positions can be asked for.
    pub relative: bool,
    /// Whether rotary positions can be asked for.
    pub rotary: bool,
    /// Types of tokens where the config does not say; nothing for no table.
    pub types: Option<u64>,
    /// A narrower embedding.
    pub narrow: Option<Narrow>,
    /// Whether the embedding has a norm.
    pub embedding_norm: bool,
    /// The norm within `attention.` and the norm of the layer.
    pub norms: [&'static str; 2],
    /// A norm after the last layer.
    pub last_norm: Option<&'static str>,
    /// Whether `use_bias` sets biases of queries, keys and values.
    pub use_bias: bool,
    /// Whether `is_decoder` makes a decoder of it.
    pub decodes: bool,
    /// What its classes put on top.
    pub tops: Tops,
    /// More in `embeddings.`.
    pub embeddings: Option<More>,
    /// More in `attention.self.` of a layer.
    pub attention: Option<More>,
    /// More in a layer.
    pub layer: Option<More>,
    /// More in the model.
    pub encoder: Option<More>,
}

static BERT: Kin = Kin {
    model: "bert.",
    positions: Some((512, 0)),
    relative: true,
    rotary: false,
    types: Some(2),
    narrow: None,
    embedding_norm: true,
    norms: ["output.LayerNorm", "output.LayerNorm"],
    last_norm: None,
    use_bias: false,
    decodes: true,
    embeddings: None,
    attention: None,
    layer: None,
    encoder: None,
    tops: BERT_TOPS,
};

static ROBERTA: Kin = Kin {
    model: "roberta.",
    tops: ROBERTA_TOPS,
    ..BERT
};

/// BERT with an approximation of attention: no pooler, a layer before the choice.
static APPROXIMATE: Kin = Kin {
    decodes: false,
    tops: Tops {
        pooled: &[],
        pretraining: PreTraining::None,
        sequences: Sequences::Within,
        choice: Choice::Layer,
        ..BERT_TOPS
    },
    ..BERT
};

static BERT_GENERATION: Kin = Kin {
    types: None,
    relative: false,
    tops: Tops {
        pooled: &[],
        words: |b, fields, shape, _| {
            b.tensor("lm_head.bias", Role::Head, &[shape.vocabulary]);
            if !tied(fields)? {
                let (rows, columns) = (shape.vocabulary, shape.hidden);
                b.linear("lm_head.decoder", Role::Head, rows, columns, true);
            }
            Ok(())
        },
        pretraining: PreTraining::None,
        ..BERT_TOPS
    },
    ..BERT
};

static BIG_BIRD: Kin = Kin {
    positions: Some((4096, 0)),
    relative: false,
    use_bias: true,
    tops: Tops {
        pooled: &[
            Task::Bare,
            Task::MaskedWords,
            Task::Words,
            Task::PreTraining,
            Task::Sequence,
            Task::Token,
            Task::Choice,
        ],
        pooler: "pooler",
        sequences: Sequences::Within,
        answers: Answers::Network,
        ..BERT_TOPS
    },
    ..BERT
};

static DATA2VEC: Kin = Kin {
    model: "data2vec_text.",
    ..ROBERTA
};

static ELECTRA: Kin = Kin {
    model: "electra.",
    narrow: Some(Narrow {
        field: "embedding_size",
        default: Some(128),
        name: "embeddings_project",
        always: false,
    }),
    tops: Tops {
        pooled: &[],
        words: |b, fields, shape, narrow| {
            b.linear(
                "generator_predictions.dense",
                Role::Head,
                narrow,
                shape.hidden,
                true,
            );
            b.norm("generator_predictions.LayerNorm", narrow, true);
            b.tensor("generator_lm_head.bias", Role::Head, &[shape.vocabulary]);
            if !tied(fields)? {
                let rows = shape.vocabulary;
                b.tensor("generator_lm_head.weight", Role::Head, &[rows, narrow]);
            }
            Ok(())
        },
        pretraining: PreTraining::Discriminator,
        sequences: Sequences::Within,
        choice: Choice::Summary,
        ..BERT_TOPS
    },
    ..BERT
};

static ERNIE: Kin = Kin {
    model: "ernie.",
    embeddings: Some(|b, fields, shape| {
        if fields.flag_or("use_task_id", false)? {
            let tasks = fields.size_or("task_type_vocab_size", 3)?;
            b.embedding("task_type_embeddings", Role::Embedding, tasks, shape.hidden);
        }
        Ok(())
    }),
    ..BERT
};

static ESM: Kin = Kin {
    model: "esm.",
    positions: Some((1026, 0)),
    relative: false,
    rotary: true,
    types: None,
    embedding_norm: false,
    norms: ["LayerNorm", "LayerNorm"],
    last_norm: Some("encoder.emb_layer_norm_after"),
    embeddings: Some(|b, fields, shape| {
        if fields.opt_flag("is_folding_model")?.unwrap_or(false) {
            return Err(fields.error("is_folding_model", "models that fold are not derived"));
        }
        if fields.opt_flag("emb_layer_norm_before")?.unwrap_or(false) {
            b.norm("layer_norm", shape.hidden, true);
        }
        Ok(())
    }),
    // The frequencies of the rotation are stored with every layer, as the class of version 4 registers them.
    attention: Some(|b, fields, shape| {
        if fields.opt_text("position_embedding_type")? == Some("rotary") {
            let frequencies = [shape.head_dim / 2];
            b.buffer("rotary_embeddings.inv_freq", Role::Position, &frequencies);
        }
        Ok(())
    }),
    encoder: Some(|b, _, shape| {
        let inputs = shape.layers * shape.heads;
        b.linear("contact_head.regression", Role::Head, 1, inputs, true);
        Ok(())
    }),
    tops: Tops {
        pooled: &[Task::Bare],
        words: |b, fields, shape, _| {
            let head = Words {
                decoder_bias: false,
                ..ROBERTA_WORDS
            };
            words(b, fields, shape, shape.hidden, &head)
        },
        ..ROBERTA_TOPS
    },
    ..ROBERTA
};

static LAYOUTLM: Kin = Kin {
    model: "layoutlm.",
    relative: false,
    decodes: false,
    embeddings: Some(|b, fields, shape| {
        let places = fields.size_or("max_2d_position_embeddings", 1024)?;
        for name in ["x", "y", "h", "w"] {
            let name = format!("{name}_position_embeddings");
            b.embedding(&name, Role::Position, places, shape.hidden);
        }
        Ok(())
    }),
    tops: Tops {
        pooled: ALWAYS,
        pretraining: PreTraining::None,
        ..BERT_TOPS
    },
    ..BERT
};

static LONGFORMER: Kin = Kin {
    model: "longformer.",
    relative: false,
    decodes: false,
    attention: Some(|b, _, shape| {
        for name in ["query_global", "key_global", "value_global"] {
            b.linear(name, Role::Attention, shape.hidden, shape.hidden, true);
        }
        Ok(())
    }),
    ..ROBERTA
};

static MEGATRON: Kin = Kin {
    embedding_norm: false,
    norms: ["ln", "ln"],
    last_norm: Some("encoder.ln"),
    ..BERT
};

static MRA: Kin = Kin {
    model: "mra.",
    positions: Some((512, 2)),
    types: Some(1),
    relative: false,
    embeddings: Some(|b, fields, _| {
        let positions = fields.size_or("max_position_embeddings", 512)?;
        b.buffer("position_ids", Role::Position, &[1, positions]);
        Ok(())
    }),
    ..APPROXIMATE
};

static NYSTROMFORMER: Kin = Kin {
    model: "nystromformer.",
    positions: Some((510, 2)),
    relative: false,
    attention: Some(|b, fields, shape| {
        // Null turns the convolution off, where a missing field has the default of the class.
        let off = fields.names().any(|name| name == "conv_kernel_size")
            && !fields.has("conv_kernel_size");
        if !off {
            let kernel = fields.size_or("conv_kernel_size", 65)?;
            convolution(b, shape, kernel);
        }
        Ok(())
    }),
    ..APPROXIMATE
};

static REMBERT: Kin = Kin {
    model: "rembert.",
    relative: false,
    narrow: Some(Narrow {
        field: "input_embedding_size",
        default: Some(256),
        name: "encoder.embedding_hidden_mapping_in",
        always: true,
    }),
    tops: Tops {
        words: |b, fields, shape, _| {
            if fields.flag_or("tie_word_embeddings", false)? {
                return Err(fields.error(
                    "tie_word_embeddings",
                    "the head of this model is wider than its embedding, and never tied",
                ));
            }
            let inner = fields.size_or("output_embedding_size", 1664)?;
            b.scope("cls.predictions.", |b| {
                b.linear("dense", Role::Head, inner, shape.hidden, true);
                b.norm("LayerNorm", inner, true);
                b.linear("decoder", Role::Head, shape.vocabulary, inner, true);
            });
            Ok(())
        },
        pretraining: PreTraining::None,
        ..BERT_TOPS
    },
    ..BERT
};

static ROBERTA_PRE: Kin = Kin {
    model: "roberta_prelayernorm.",
    norms: ["LayerNorm", "intermediate.LayerNorm"],
    last_norm: Some("LayerNorm"),
    ..ROBERTA
};

static ROC_BERT: Kin = Kin {
    model: "roc_bert.",
    embeddings: Some(roc_bert),
    tops: Tops {
        pretraining: PreTraining::Words,
        ..BERT_TOPS
    },
    ..BERT
};

static ROFORMER: Kin = Kin {
    model: "roformer.",
    positions: None,
    relative: false,
    narrow: Some(Narrow {
        field: "embedding_size",
        default: None,
        name: "embeddings_project",
        always: false,
    }),
    encoder: Some(|b, fields, shape| {
        let positions = fields.size_or("max_position_embeddings", 1536)?;
        let width = shape.head_dim;
        b.embedding("encoder.embed_positions", Role::Position, positions, width);
        Ok(())
    }),
    tops: Tops {
        pooled: &[],
        words: |b, fields, shape, narrow| words(b, fields, shape, narrow, &BERT_WORDS),
        pretraining: PreTraining::None,
        sequences: Sequences::Within,
        ..BERT_TOPS
    },
    ..BERT
};

static TAPAS: Kin = Kin {
    model: "tapas.",
    positions: Some((1024, 0)),
    relative: false,
    types: None,
    embeddings: Some(|b, fields, shape| {
        let types = fields
            .opt_counts("type_vocab_sizes|type_vocab_size")?
            .unwrap_or_else(|| {
                fields.assume(
                    "type_vocab_sizes",
                    "[3, 256, 256, 2, 256, 256, 10]",
                    "not in the config; the default of its model class",
                );
                vec![3, 256, 256, 2, 256, 256, 10]
            });
        for (at, &rows) in types.iter().enumerate() {
            let name = format!("token_type_embeddings_{at}");
            b.embedding(&name, Role::Embedding, rows, shape.hidden);
        }
        Ok(())
    }),
    tops: Tops {
        pooled: &[Task::Bare, Task::Sequence, Task::Answer],
        pretraining: PreTraining::None,
        answers: Answers::Cells,
        ..BERT_TOPS
    },
    ..BERT
};

static XLM_ROBERTA_XL: Kin = Kin {
    positions: Some((514, 0)),
    types: Some(1),
    embedding_norm: false,
    norms: ["self_attn_layer_norm", "LayerNorm"],
    last_norm: Some("encoder.LayerNorm"),
    ..ROBERTA
};

static XMOD: Kin = Kin {
    layer: Some(xmod),
    encoder: Some(|b, fields, shape| {
        if fields.flag_or("pre_norm", false)? {
            b.norm("encoder.LayerNorm", shape.hidden, true);
        }
        Ok(())
    }),
    ..ROBERTA
};

static YOSO: Kin = Kin {
    model: "yoso.",
    positions: Some((4096, 2)),
    types: Some(1),
    relative: false,
    attention: Some(|b, fields, shape| {
        if let Some(kernel) = fields.opt_size("conv_window")? {
            convolution(b, shape, kernel);
        }
        Ok(())
    }),
    ..APPROXIMATE
};

/// The one of this model type.
pub fn kin(model_type: &str) -> &'static Kin {
    match model_type {
        "bert-generation" => &BERT_GENERATION,
        "big_bird" => &BIG_BIRD,
        "camembert" | "roberta" | "xlm-roberta" => &ROBERTA,
        "data2vec-text" => &DATA2VEC,
        "electra" => &ELECTRA,
        "ernie" => &ERNIE,
        "esm" => &ESM,
        "layoutlm" => &LAYOUTLM,
        "longformer" => &LONGFORMER,
        "megatron-bert" => &MEGATRON,
        "mra" => &MRA,
        "nystromformer" => &NYSTROMFORMER,
        "rembert" => &REMBERT,
        "roberta-prelayernorm" => &ROBERTA_PRE,
        "roc_bert" => &ROC_BERT,
        "roformer" => &ROFORMER,
        "tapas" => &TAPAS,
        "xlm-roberta-xl" => &XLM_ROBERTA_XL,
        "xmod" => &XMOD,
        "yoso" => &YOSO,
        _ => &BERT,
    }
}

fn words(
    b: &mut Builder,
    fields: &Fields<'_>,
    shape: &Shape,
    inner: u64,
    head: &Words,
) -> Result<()> {
    head.add(b, fields, shape.hidden, inner, shape.vocabulary)
}

/// A convolution over the values, one filter for each head.
fn convolution(b: &mut Builder, shape: &Shape, kernel: u64) {
    let filters = [shape.heads, 1, kernel, 1];
    b.tensor("conv.weight", Role::Attention, &filters);
}

/// How a character sounds and looks.
fn roc_bert(b: &mut Builder, fields: &Fields<'_>, shape: &Shape) -> Result<()> {
    let mut width = shape.hidden;
    for (name, on, rows, columns, default) in [
        (
            "pronunciation_embed",
            "enable_pronunciation",
            "pronunciation_vocab_size",
            "pronunciation_embed_dim",
            (910, 768),
        ),
        (
            "shape_embed",
            "enable_shape",
            "shape_vocab_size",
            "shape_embed_dim",
            (24858, 512),
        ),
    ] {
        let rows = fields.size_or(rows, default.0)?;
        let columns = fields.size_or(columns, default.1)?;
        b.embedding(name, Role::Embedding, rows, columns);
        if fields.flag_or(on, true)? {
            width += columns;
        }
    }
    if fields.flag_or("concat_input", true)? {
        let hidden = shape.hidden;
        b.linear("map_inputs_layer", Role::Embedding, hidden, width, true);
    }
    Ok(())
}

/// A bottleneck for each language.
fn xmod(b: &mut Builder, fields: &Fields<'_>, shape: &Shape) -> Result<()> {
    let hidden = shape.hidden;
    let factor = fields.size_or("adapter_reduction_factor", 2)?;
    let width = (hidden / factor).max(1);
    let languages = fields.opt_texts("languages")?.unwrap_or_else(|| {
        fields.assume(
            "languages",
            "en_XX",
            "not in the config; the default of its model class",
        );
        vec!["en_XX"]
    });
    b.scope("output.", |b| {
        if fields.opt_flag("adapter_layer_norm")?.unwrap_or(false) {
            b.norm("adapter_layer_norm", hidden, true);
        }
        for language in languages {
            b.scope(&format!("adapter_modules.{language}."), |b| {
                b.linear("dense1", Role::Adapter, width, hidden, true);
                b.linear("dense2", Role::Adapter, hidden, width, true);
            });
        }
        Ok(())
    })
}
