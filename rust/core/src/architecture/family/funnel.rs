//! Funnel: blocks of layers that halve the sequence from block to block, and a decoder that restores it.
//!
//! Source: transformers `models/funnel`. Classes that look at whole sequences have no decoder.

use super::Family;
use crate::architecture::builder::{Builder, group};
use crate::architecture::classic;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result};
use crate::architecture::encoder::{Seat, Task, answers, classifier, refuse, tied};
use crate::architecture::layer::{FeedForward, Mixer, Reach, Stack};
use crate::architecture::place::{class, labels};
use crate::checkpoint::Role;

/// Funnel.
pub const FAMILY: Family = Family {
    name: "funnel",
    model_types: &["funnel"],
    lower,
    text: None,
};

/// A layer.
struct Block {
    hidden: u64,
    heads: u64,
    head_dim: u64,
    width: u64,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "funnel.")?;
    let hidden = fields.size("d_model|hidden_size")?;
    let block = Block {
        hidden,
        heads: fields.size("n_head|num_attention_heads")?,
        head_dim: fields.size_or("d_head", 64)?,
        width: fields.size("d_inner")?,
    };
    let vocabulary = fields.size("vocab_size")?;
    let sizes = fields.opt_counts("block_sizes")?.unwrap_or_else(|| {
        fields.assume(
            "block_sizes",
            "[4, 4, 4]",
            "not in the config; the default of its model class",
        );
        vec![4, 4, 4]
    });
    let blocks = sizes.len() as u64;
    let all = sizes
        .iter()
        .fold(blocks, |sum, &size| sum.saturating_add(size));
    if all > COUNT_LIMIT {
        return Err(fields.error("block_sizes", "has more layers than can be derived"));
    }
    let base = class(fields)? == Some("FunnelBaseModel");
    let restores = !base && !matches!(seat.task, Task::Sequence | Task::Choice);
    let decoder = fields.repeats_or("num_decoder_layers", 2)?;
    b.scope(seat.model, |b| {
        b.embedding(
            "embeddings.word_embeddings",
            Role::Embedding,
            vocabulary,
            hidden,
        );
        b.norm("embeddings.layer_norm", hidden, true);
        for (size, numbers) in group(sizes) {
            b.layers(Stack::Encoder, "encoder.blocks", &numbers, |b| {
                b.each("", classic::all(size), |b| block.add(b));
                for _ in 0..size {
                    block.tell(b);
                }
            });
        }
        if restores {
            // It reads the whole sequence too, and keeps nothing.
            b.layers(
                Stack::Other,
                "decoder.layers",
                &classic::all(decoder),
                |b| {
                    block.add(b);
                    block.tell(b);
                },
            );
        }
    });
    b.scope(seat.top, |b| top(b, fields, &seat, hidden, vocabulary))
}

impl Block {
    fn add(&self, b: &mut Builder) {
        let Self {
            hidden,
            heads,
            head_dim,
            width,
        } = *self;
        let inner = heads * head_dim;
        b.scope("attention.", |b| {
            let role = Role::Attention;
            b.linear("q_head", role, inner, hidden, false);
            b.linear("k_head", role, inner, hidden, true);
            b.linear("v_head", role, inner, hidden, true);
            for name in ["r_w_bias", "r_r_bias", "r_s_bias"] {
                b.tensor(name, role, &[heads, head_dim]);
            }
            b.tensor("r_kernel", role, &[hidden, heads, head_dim]);
            b.tensor("seg_embed", role, &[2, heads, head_dim]);
            b.linear("post_proj", role, hidden, inner, true);
            b.norm("layer_norm", hidden, true);
        });
        b.scope("ffn.", |b| {
            b.linear("linear_1", Role::Mlp, width, hidden, true);
            b.linear("linear_2", Role::Mlp, hidden, width, true);
            b.norm("layer_norm", hidden, true);
        });
    }

    fn tell(&self, b: &mut Builder) {
        b.mixer(Mixer::Attention {
            heads: self.heads,
            kv_heads: self.heads,
            key_dim: self.head_dim,
            value_dim: self.head_dim,
            reach: Reach::Full,
            indexer_dim: 0,
            shared_with: None,
        });
        b.feed_forward(FeedForward::Dense { width: self.width });
    }
}

fn top(
    b: &mut Builder,
    fields: &Fields<'_>,
    seat: &Seat<'_>,
    hidden: u64,
    vocabulary: u64,
) -> Result<()> {
    let classes = |b: &mut Builder, outputs: u64| {
        b.linear("classifier.linear_hidden", Role::Head, hidden, hidden, true);
        b.linear("classifier.linear_out", Role::Head, outputs, hidden, true);
    };
    match seat.task {
        Task::Bare => {}
        Task::MaskedWords => {
            b.tensor("lm_head.bias", Role::Head, &[vocabulary]);
            if !tied(fields)? {
                b.linear("lm_head", Role::Head, vocabulary, hidden, false);
            }
        }
        Task::PreTraining => {
            let scope = "discriminator_predictions.";
            b.scope(scope, |b| {
                b.linear("dense", Role::Head, hidden, hidden, true);
                b.linear("dense_prediction", Role::Head, 1, hidden, true);
            });
        }
        Task::Sequence => classes(b, labels(fields)?),
        Task::Choice => classes(b, 1),
        Task::Token => classifier(b, fields, hidden)?,
        Task::Answer => answers(b, fields, hidden)?,
        Task::Words | Task::NextSentence => return refuse(fields),
    }
    Ok(())
}
