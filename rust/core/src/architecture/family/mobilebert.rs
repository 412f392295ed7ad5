//! MobileBERT: narrow layers between bottlenecks, each with several feed-forward networks.
//!
//! Source: transformers `models/mobilebert`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{COUNT_LIMIT, Fields, Result};
use crate::architecture::encoder::{Seat, Shape, tied};
use crate::architecture::encoder_top::{BERT_TOPS, Tops};
use crate::checkpoint::Role;

/// MobileBERT.
pub const FAMILY: Family = Family {
    name: "mobilebert",
    model_types: &["mobilebert"],
    lower,
    text: None,
};

const TOPS: Tops = Tops {
    words: |b, fields, shape, narrow| {
        let Shape {
            hidden, vocabulary, ..
        } = *shape;
        let tied = tied(fields)?;
        b.scope("cls.predictions.", |b| {
            b.linear("transform.dense", Role::Head, hidden, hidden, true);
            b.norm("transform.LayerNorm", hidden, true);
            // The table of the embedding is made wider by this one.
            let rest = [hidden.saturating_sub(narrow), vocabulary];
            b.tensor("dense.weight", Role::Head, &rest);
            b.tensor("bias", Role::Head, &[vocabulary]);
            if !tied {
                b.linear("decoder", Role::Head, vocabulary, narrow, true);
            }
        });
        Ok(())
    },
    ..BERT_TOPS
};

/// A layer.
struct Block {
    shape: Shape,
    /// Width inside the bottlenecks.
    inside: u64,
    /// Width that the bottlenecks give.
    bottleneck: u64,
    /// Whether there are bottlenecks.
    bottlenecks: bool,
    /// Whether queries and keys have one of their own.
    shared: bool,
    /// Width of what the values are made of.
    values: u64,
    /// Feed-forward networks.
    networks: u64,
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let seat = Seat::whole(fields, "mobilebert.")?;
    let mut shape = Shape::read(fields)?;
    let hidden = shape.hidden;
    let narrow = fields.size_or("embedding_size", 128)?;
    let positions = fields.size_or("max_position_embeddings", 512)?;
    let types = fields.count_or("type_vocab_size", 2)?;
    let times = if fields.flag_or("trigram_input", true)? {
        3
    } else {
        1
    };
    let bottlenecks = fields.flag_or("use_bottleneck", true)?;
    let bottleneck = fields.size_or("intra_bottleneck_size", 128)?;
    let inside = fields.size_from(
        "true_hidden_size",
        if bottlenecks { bottleneck } else { hidden },
        "not in the config: the width between the bottlenecks",
    )?;
    shape.head_dim = fields.divide(
        "true_hidden_size",
        inside,
        "num_attention_heads",
        shape.heads,
    )?;
    let block = Block {
        inside,
        bottleneck,
        bottlenecks,
        shared: fields.flag_or("key_query_shared_bottleneck", true)?,
        values: if fields.flag_or("use_bottleneck_attention", false)? {
            inside
        } else {
            hidden
        },
        networks: fields.repeats_or("num_feedforward_networks", 4)?,
        shape,
    };
    if block.networks * shape.layers > COUNT_LIMIT {
        return Err(fields.error(
            "num_feedforward_networks",
            "makes more networks than can be derived",
        ));
    }
    let pooled = fields.flag_or("classifier_activation", true)?;
    b.scope(seat.model, |b| {
        b.scope("embeddings.", |b| {
            b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, narrow);
            b.embedding("position_embeddings", Role::Position, positions, hidden);
            b.embedding("token_type_embeddings", Role::Embedding, types, hidden);
            let wide = times * narrow;
            b.linear(
                "embedding_transformation",
                Role::Embedding,
                hidden,
                wide,
                true,
            );
            b.norm("LayerNorm", hidden, true);
        });
        shape.stacked(b, "encoder.layer", |b| block.add(b));
        if pooled {
            TOPS.pool(b, &seat, hidden);
        }
    });
    TOPS.add(b, fields, &seat, &shape, narrow)
}

impl Block {
    fn add(&self, b: &mut Builder) {
        let inside = self.inside;
        let Shape { hidden, width, .. } = self.shape;
        if self.bottlenecks {
            b.linear(
                "bottleneck.input.dense",
                Role::Mlp,
                self.bottleneck,
                hidden,
                true,
            );
            b.norm("bottleneck.input.LayerNorm", self.bottleneck, true);
            if self.shared {
                let role = Role::Attention;
                b.linear(
                    "bottleneck.attention.dense",
                    role,
                    self.bottleneck,
                    hidden,
                    true,
                );
                b.norm("bottleneck.attention.LayerNorm", self.bottleneck, true);
            }
        }
        b.scope("attention.", |b| {
            let role = Role::Attention;
            b.linear("self.query", role, inside, inside, true);
            b.linear("self.key", role, inside, inside, true);
            b.linear("self.value", role, inside, self.values, true);
            b.linear("output.dense", role, inside, inside, true);
            b.norm("output.LayerNorm", inside, true);
        });
        b.mixer(self.shape.mixer());
        let network = |b: &mut Builder| {
            b.linear("intermediate.dense", Role::Mlp, width, inside, true);
            b.linear("output.dense", Role::Mlp, inside, width, true);
            b.norm("output.LayerNorm", inside, true);
        };
        let more = self.networks.saturating_sub(1);
        b.each("ffn", classic::all(more), network);
        network(b);
        for _ in 0..=more {
            b.feed_forward(self.shape.feed_forward());
        }
        if self.bottlenecks {
            b.linear("output.bottleneck.dense", Role::Mlp, hidden, inside, true);
            b.norm("output.bottleneck.LayerNorm", hidden, true);
        }
    }
}
