//! GPT-2 and its kin: learned positions, one fused projection of queries, keys and values, a plain feed-forward.
//!
//! Source: transformers `models/gpt2`, `models/openai` (GPT, with its norms behind and none at the end) and
//! `models/gpt_bigcode` (StarCoder and SantaCoder, with one head of keys and values).
//! The matrices of GPT and GPT-2 are stored transposed, `[inputs, outputs]`. The very first files of GPT-2 lack the
//! prefix `transformer.` and hold the causal mask; the names here are those that the named class saves.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::layer::{FeedForward, Mixer, Reach};
use crate::architecture::place::{Place, Top, class};
use crate::checkpoint::Role;

/// GPT-2 and its kin.
pub const FAMILY: Family = Family {
    name: "gpt2",
    model_types: &["gpt-sw3", "gpt2", "gpt_bigcode", "openai-gpt"],
    lower,
    text: Some(text),
};

/// In what the kin of GPT-2 differ.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is one way in which the kin differ"
)]
struct Kin {
    /// Names of the embedding and of the table of positions.
    tables: [&'static str; 2],
    /// Whether matrices are stored as `[inputs, outputs]`.
    transposed: bool,
    /// Whether there is a norm after the last layer.
    final_norm: bool,
    /// Whether `n_inner` sets the width of the feed-forward.
    inner: bool,
    /// Whether `multi_query`, true unless said otherwise, leaves one head of keys and values.
    multi_query: bool,
    /// Positions where the config does not say.
    positions: u64,
}

const GPT2: Kin = Kin {
    tables: ["wte", "wpe"],
    transposed: true,
    final_norm: true,
    inner: true,
    multi_query: false,
    positions: 1024,
};

const BIGCODE: Kin = Kin {
    transposed: false,
    multi_query: true,
    ..GPT2
};

const GPT: Kin = Kin {
    tables: ["tokens_embed", "positions_embed"],
    final_norm: false,
    inner: false,
    positions: 512,
    ..GPT2
};

/// A layer.
struct Block {
    hidden: u64,
    heads: u64,
    kv_heads: u64,
    head_dim: u64,
    width: u64,
    transposed: bool,
    cross: bool,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    if class(fields)? != Some("GPT2DoubleHeadsModel") {
        return classic::whole(b, fields, "transformer.", text);
    }
    // A language model that also scores the answers to a question, one number each.
    let place = Place {
        top: Top::LanguageModel,
        model: "transformer.",
        head: "",
        tied: None,
    };
    text(b, fields, &place)?;
    if fields.flag_or("summary_use_proj", true)? {
        let hidden = fields.size("n_embd|hidden_size")?;
        b.linear("multiple_choice_head.summary", Role::Head, 1, hidden, true);
    }
    Ok(())
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("gpt_bigcode") => BIGCODE,
        Some("openai-gpt") => GPT,
        _ => GPT2,
    };
    if let Some(kind) = fields.opt_text("attention_head_type")?
        && kind != "multihead"
    {
        return Err(fields.error(
            "attention_head_type",
            format!("{kind:?} is not of GPT-2; such models are of type gpt_bigcode"),
        ));
    }
    let hidden = fields.size("n_embd|hidden_size")?;
    let heads = fields.size("n_head|num_attention_heads")?;
    let block = Block {
        hidden,
        heads,
        kv_heads: if kin.multi_query && fields.flag_or("multi_query", true)? {
            1
        } else {
            heads
        },
        head_dim: fields.divide("n_embd", hidden, "n_head", heads)?,
        width: if kin.inner {
            classic::inner(fields, "n_inner", hidden, 4)?
        } else {
            4 * hidden
        },
        transposed: kin.transposed,
        cross: fields.opt_flag("add_cross_attention")?.unwrap_or(false),
    };
    if block.cross && block.kv_heads != heads {
        return Err(fields.error(
            "add_cross_attention",
            "goes with as many heads of keys and values as of queries only",
        ));
    }
    let positions = fields.size_or("n_positions|max_position_embeddings|n_ctx", kin.positions)?;
    let layers = fields.repeats("n_layer|num_hidden_layers")?;
    let [tokens, places] = kin.tables;
    b.scope(place.model, |b| {
        b.embedding(places, Role::Position, positions, hidden);
    });
    let frame = Frame {
        hidden,
        vocabulary: fields.size("vocab_size")?,
        embedding: tokens,
        stack: "h",
        norm: kin.final_norm.then_some(("ln_f", true)),
        head: "lm_head",
        head_bias: false,
        tied: true,
    };
    frame.add(b, fields, place, (0..layers).map(|_| ()), |b, ()| {
        block.add(b);
        Ok(())
    })
}

impl Block {
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            heads,
            kv_heads,
            head_dim,
            width,
            ..
        } = *self;
        b.norm("ln_1", hidden, true);
        b.scope("attn.", |b| {
            let fused = hidden + 2 * kv_heads * head_dim;
            self.matrix(b, "c_attn", Role::Attention, fused, hidden);
            self.matrix(b, "c_proj", Role::Attention, hidden, hidden);
        });
        b.mixer(Mixer::Attention {
            heads,
            kv_heads,
            key_dim: head_dim,
            value_dim: head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        });
        if self.cross {
            b.norm("ln_cross_attn", hidden, true);
            b.scope("crossattention.", |b| {
                self.matrix(b, "c_attn", Role::Attention, 2 * hidden, hidden);
                self.matrix(b, "q_attn", Role::Attention, hidden, hidden);
                self.matrix(b, "c_proj", Role::Attention, hidden, hidden);
            });
            b.mixer(classic::cross(heads, head_dim));
        }
        b.norm("ln_2", hidden, true);
        b.scope("mlp.", |b| {
            self.matrix(b, "c_fc", Role::Mlp, width, hidden);
            self.matrix(b, "c_proj", Role::Mlp, hidden, width);
        });
        b.feed_forward(FeedForward::Dense { width });
    }

    fn matrix(&self, b: &mut Builder, name: &str, role: Role, outputs: u64, inputs: u64) {
        let shape = if self.transposed {
            [inputs, outputs]
        } else {
            [outputs, inputs]
        };
        b.weight_and_bias(name, role, &shape, outputs, true);
    }
}
