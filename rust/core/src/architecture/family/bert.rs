//! BERT and the encoders that keep its layer: RoBERTa, ELECTRA, ERNIE, Longformer, ESM and many more.
//!
//! Source: the files of transformers under `models/` named like the model types. Relative positions of the kind
//! `relative_key` are those of version 4 (`BertSelfAttention.distance_embedding`). Positions that are rotated or
//! biased (JinaBERT, MosaicBERT, the flash-attention XLM-RoBERTa) belong to other code under the same model type, and
//! are refused. Sentence transformers are bare models with a pooler.

use super::Family;
use super::bert_kin::{Kin, Narrow, kin};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::encoder::{Seat, Shape};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// BERT and its kin.
pub const FAMILY: Family = Family {
    name: "bert",
    model_types: &[
        "bert",
        "bert-generation",
        "big_bird",
        "camembert",
        "data2vec-text",
        "electra",
        "ernie",
        "esm",
        "layoutlm",
        "longformer",
        "megatron-bert",
        "mra",
        "nystromformer",
        "rembert",
        "roberta",
        "roberta-prelayernorm",
        "roc_bert",
        "roformer",
        "tapas",
        "xlm-roberta",
        "xlm-roberta-xl",
        "xmod",
        "yoso",
    ],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kin = kin(fields.opt_text("model_type")?.unwrap_or("bert"));
    model(b, fields, kin, &Seat::whole(fields, kin.model)?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields.opt_text("model_type")?.unwrap_or("bert"));
    model(b, fields, kin, &Seat::inside(place))
}

fn model(b: &mut Builder, fields: &Fields<'_>, kin: &Kin, seat: &Seat<'_>) -> Result<()> {
    let mut shape = Shape::read(fields)?;
    if fields.opt_flag("is_decoder")?.unwrap_or(false) && kin.decodes {
        shape.decodes = true;
    }
    if fields.opt_flag("add_cross_attention")?.unwrap_or(false) {
        if !shape.decodes {
            return Err(fields.error("add_cross_attention", "goes with is_decoder only"));
        }
        shape.cross = true;
    }
    let positions = Positions::read(fields, kin)?;
    let narrow = narrow(fields, kin.narrow, shape.hidden)?;
    b.scope(seat.model, |b| -> Result<()> {
        b.scope("embeddings.", |b| {
            embeddings(b, fields, kin, &shape, positions, narrow)
        })?;
        if let Some(projection) = kin.narrow
            && (projection.always || narrow != shape.hidden)
        {
            b.linear(projection.name, Role::Embedding, shape.hidden, narrow, true);
        }
        shape.stacked(b, "encoder.layer", |b| {
            shape.block(b, kin.norms, |b| {
                attention(b, fields, kin, &shape, positions)
            })?;
            kin.layer.map_or(Ok(()), |more| more(b, fields, &shape))
        })?;
        if let Some(more) = kin.encoder {
            more(b, fields, &shape)?;
        }
        if let Some(norm) = kin.last_norm {
            b.norm(norm, shape.hidden, true);
        }
        kin.tops.pool(b, seat, shape.hidden);
        Ok(())
    })?;
    kin.tops.add(b, fields, seat, &shape, narrow)
}

/// Where a model knows positions from.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Positions {
    /// Rows of a table for the input.
    table: Option<u64>,
    /// Rows of a table of distances in every layer.
    distances: Option<u64>,
}

impl Positions {
    fn read(fields: &Fields<'_>, kin: &Kin) -> Result<Self> {
        let Some((default, extra)) = kin.positions else {
            return Ok(Self {
                table: None,
                distances: None,
            });
        };
        if fields.has("alibi_starting_size") {
            return Err(fields.error(
                "alibi_starting_size",
                "belongs to MosaicBERT, which is built of other blocks",
            ));
        }
        let most = fields.size_or("max_position_embeddings", default)?;
        let mut positions = Self {
            table: Some(most + extra),
            distances: None,
        };
        match fields.opt_text("position_embedding_type")? {
            None | Some("absolute") => {}
            Some("relative_key" | "relative_key_query") if kin.relative => {
                positions.distances = Some(2 * most - 1);
            }
            // ESM-2 stores the table it does not use, as the class of version 4 makes it in any case.
            Some("rotary") if kin.rotary => {}
            Some(other) => {
                return Err(fields.error(
                    "position_embedding_type",
                    format!("{other:?} is not what the class of this model type builds"),
                ));
            }
        }
        Ok(positions)
    }
}

/// The width of the embedding, where it may be narrower than the layers.
fn narrow(fields: &Fields<'_>, narrow: Option<Narrow>, hidden: u64) -> Result<u64> {
    match narrow {
        None => Ok(hidden),
        Some(Narrow {
            field,
            default: Some(default),
            ..
        }) => fields.size_or(field, default),
        Some(Narrow { field, .. }) => {
            fields.size_from(field, hidden, "not in the config: as wide as the layers")
        }
    }
}

fn embeddings(
    b: &mut Builder,
    fields: &Fields<'_>,
    kin: &Kin,
    shape: &Shape,
    positions: Positions,
    width: u64,
) -> Result<()> {
    b.embedding("word_embeddings", Role::Embedding, shape.vocabulary, width);
    if let Some(rows) = positions.table {
        b.embedding("position_embeddings", Role::Position, rows, width);
    }
    if let Some(default) = kin.types {
        let types = fields.count_or("type_vocab_size", default)?;
        b.embedding("token_type_embeddings", Role::Embedding, types, width);
    }
    if kin.embedding_norm {
        b.norm("LayerNorm", width, true);
    }
    kin.embeddings.map_or(Ok(()), |more| more(b, fields, shape))
}

fn attention(
    b: &mut Builder,
    fields: &Fields<'_>,
    kin: &Kin,
    shape: &Shape,
    positions: Positions,
) -> Result<()> {
    let bias = !kin.use_bias || fields.flag_or("use_bias", true)?;
    shape.projections(b, bias);
    if let Some(rows) = positions.distances {
        b.embedding("distance_embedding", Role::Position, rows, shape.head_dim);
    }
    kin.attention.map_or(Ok(()), |more| more(b, fields, shape))
}
