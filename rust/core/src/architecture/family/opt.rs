//! OPT, XGLM and BioGPT: decoders in the names of fairseq, with biases and norms of layers.
//!
//! Source: transformers `models/opt` (with Galactica), `models/xglm` and `models/biogpt`. OPT-350M keeps its
//! embedding narrower than its layers and projects in and out. Positions of XGLM are computed, not stored.

use super::Family;
use crate::architecture::attention::Attention;
use crate::architecture::builder::Builder;
use crate::architecture::classic;
use crate::architecture::config::{Fields, Result};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{Head, Place};
use crate::checkpoint::Role;

/// OPT and its kin.
pub const FAMILY: Family = Family {
    name: "opt",
    model_types: &["biogpt", "opt", "xglm"],
    lower,
    text: Some(text),
};

/// In what the kin of OPT differ, and the fields that count.
struct Kin {
    /// What stands before the model's own names in a class with a top.
    model: &'static str,
    /// What stands before them always.
    inside: &'static str,
    hidden: &'static str,
    heads: &'static str,
    layers: &'static str,
    width: &'static str,
    /// Positions where the config does not say; nothing where they are computed. Two more rows are kept.
    positions: Option<u64>,
    /// The norm after the last layer.
    norm: &'static str,
    /// Whether the flags of OPT count: embedding widths, biases, and where norms are.
    flags: bool,
}

const OPT: Kin = Kin {
    model: "model.",
    inside: "decoder.",
    hidden: "hidden_size",
    heads: "num_attention_heads",
    layers: "num_hidden_layers",
    width: "ffn_dim",
    positions: Some(2048),
    norm: "final_layer_norm",
    flags: true,
};

const XGLM: Kin = Kin {
    model: "model.",
    inside: "",
    hidden: "d_model|hidden_size",
    heads: "attention_heads|num_attention_heads",
    layers: "num_layers|num_hidden_layers",
    width: "ffn_dim",
    positions: None,
    norm: "layer_norm",
    flags: false,
};

const BIOGPT: Kin = Kin {
    model: "biogpt.",
    inside: "",
    hidden: "hidden_size",
    heads: "num_attention_heads",
    layers: "num_hidden_layers",
    width: "intermediate_size",
    positions: Some(1024),
    norm: "layer_norm",
    flags: false,
};

fn kin(fields: &Fields<'_>) -> Result<Kin> {
    Ok(match fields.opt_text("model_type")? {
        Some("xglm") => XGLM,
        Some("biogpt") => BIOGPT,
        _ => OPT,
    })
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    classic::whole(b, fields, kin(fields)?.model, text)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields)?;
    let hidden = fields.size(kin.hidden)?;
    let heads = fields.size(kin.heads)?;
    let head_dim = fields.divide(kin.hidden, hidden, kin.heads, heads)?;
    let flag = |name: &str, default: bool| {
        if kin.flags {
            fields.flag_or(name, default)
        } else {
            Ok(default)
        }
    };
    let bias = flag("enable_bias", true)?;
    let norms = flag("layer_norm_elementwise_affine", true)?;
    let last_norm =
        flag("do_layer_norm_before", true)? && !flag("_remove_final_layer_norm", false)?;
    let narrow = if kin.flags {
        fields.size_from(
            "word_embed_proj_dim",
            hidden,
            "not in the config: as wide as the layers",
        )?
    } else {
        hidden
    };
    let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
    let attention = Attention {
        bias,
        output_bias: bias,
        ..Attention::of_heads(names, hidden, heads, head_dim, false)
    };
    let cross = kin.inside.is_empty()
        && kin.positions.is_none()
        && fields.opt_flag("add_cross_attention")?.unwrap_or(false);
    let width = fields.size(kin.width)?;
    let layers = fields.repeats(kin.layers)?;
    let vocabulary = fields.size("vocab_size")?;
    let positions = match kin.positions {
        Some(default) => Some(fields.size_or("max_position_embeddings", default)?),
        None => None,
    };
    let norm = |b: &mut Builder, name: &str| {
        if norms {
            b.norm(name, hidden, true);
        }
    };
    b.scope(place.model, |b| {
        b.scope(kin.inside, |b| {
            b.embedding("embed_tokens", Role::Embedding, vocabulary, narrow);
            if let Some(positions) = positions {
                b.embedding("embed_positions", Role::Position, positions + 2, hidden);
            }
            if narrow != hidden {
                b.linear("project_in", Role::Embedding, hidden, narrow, false);
                b.linear("project_out", Role::Head, narrow, hidden, false);
            }
            b.layers(Stack::Decoder, "layers", &classic::all(layers), |b| {
                b.scope("self_attn.", |b| attention.add(b));
                norm(b, "self_attn_layer_norm");
                if cross {
                    b.scope("encoder_attn.", |b| {
                        for name in names {
                            b.linear(name, Role::Attention, hidden, hidden, true);
                        }
                    });
                    norm(b, "encoder_attn_layer_norm");
                    b.mixer(classic::cross(heads, head_dim));
                }
                plain(b, ["fc1", "fc2"], Role::Mlp, hidden, width, bias);
                norm(b, "final_layer_norm");
                b.feed_forward(FeedForward::Dense { width });
            });
            if last_norm {
                norm(b, kin.norm);
            }
        });
    });
    let head = Head {
        name: if kin.model == BIOGPT.model {
            "output_projection"
        } else {
            "lm_head"
        },
        vocabulary,
        hidden: narrow,
        bias: false,
        tied: match place.tied {
            Some(tied) => tied,
            None => fields.flag_or("tie_word_embeddings", true)?,
        },
    };
    place.top(b, fields, &head)
}
