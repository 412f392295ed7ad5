//! Mixtral and what names its experts alike: `w1`, `w2` and `w3` in `block_sparse_moe`.
//!
//! Source: transformers `models/mixtral`, `models/phimoe` and `models/minimax_m2`, saved under the names of the
//! published checkpoints, which version 5 keeps.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::Mixture;
use crate::architecture::place::Place;

/// Mixtral and its kin.
pub const FAMILY: Family = Family {
    name: "mixtral",
    model_types: &["minimax_m2", "mixtral", "phimoe"],
    lower,
    text: Some(text),
};

/// In what they differ.
struct Kin {
    /// Experts, experts chosen and heads of keys and values, where the config does not say.
    defaults: [u64; 3],
    /// Numbers per head, where the config does not say and it is not `hidden_size / num_attention_heads`.
    head_dim: Option<u64>,
    /// Norms of queries and keys.
    norm: HeadNorm,
    /// Whether the router has a correction.
    correction: bool,
    /// Whether norms have biases, and `attention_bias` and `lm_head_bias` count.
    biases: bool,
    /// Whether `sliding_window` counts.
    slides: bool,
}

fn kin(model_type: &str) -> Kin {
    let mixtral = Kin {
        defaults: [8, 2, 8],
        head_dim: None,
        norm: HeadNorm::None,
        correction: false,
        biases: false,
        slides: true,
    };
    match model_type {
        "phimoe" => Kin {
            defaults: [16, 2, 8],
            biases: true,
            ..mixtral
        },
        "minimax_m2" => Kin {
            defaults: [256, 8, 8],
            head_dim: Some(128),
            norm: HeadNorm::Whole,
            correction: true,
            slides: false,
            ..mixtral
        },
        _ => mixtral,
    }
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields.opt_text("model_type")?.unwrap_or("mixtral"));
    let [experts, chosen, kv_heads] = kin.defaults;
    let mut frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, kin.head_dim, Some(kv_heads))?;
    attention.norm = kin.norm;
    if kin.biases {
        let bias = fields.flag_or("attention_bias", false)?;
        (attention.bias, attention.output_bias) = (bias, bias);
        frame.head_bias = fields.flag_or("lm_head_bias", false)?;
        frame.norm = Some(("norm", true));
    }
    if kin.correction {
        minimax(fields, &mut attention)?;
    }
    let experts = Experts {
        correction: kin.correction.then_some("e_score_correction_bias"),
        layout: Layout::Each(["w1", "w3", "w2"]),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_local_experts|num_experts", experts)?,
            fields.size_or("num_experts_per_tok", chosen)?,
            fields.size("intermediate_size")?,
        )
    };
    let mixture = Mixture {
        experts_prefix: "block_sparse_moe.",
        norm_bias: kin.biases,
        ..Mixture::new(attention, experts, None)
    };
    let reach = match fields.opt_size("sliding_window")? {
        Some(window) if kin.slides => Reach::Sliding(window),
        _ => Reach::Full,
    };
    let layers = fields.repeats("num_hidden_layers")?;
    mixture.add(b, fields, place, &frame, (0..layers).map(|_| (reach, true)))
}

/// What the published configs of MiniMax-M2 say beyond the class of transformers, which has none of these switches.
fn minimax(fields: &Fields<'_>, attention: &mut Attention<'_>) -> Result<()> {
    if fields.opt_flag("use_qk_norm")? == Some(false) {
        attention.norm = HeadNorm::None;
    }
    if fields
        .opt_count("shared_intermediate_size")?
        .is_some_and(|width| width > 0)
    {
        return Err(fields.error(
            "shared_intermediate_size",
            "a shared expert is not known of this model type",
        ));
    }
    match fields.opt_text("qk_norm_type")? {
        None | Some("per_layer") => Ok(()),
        Some(other) => Err(fields.error(
            "qk_norm_type",
            format!("{other:?} is not known, only \"per_layer\" is"),
        )),
    }
}
