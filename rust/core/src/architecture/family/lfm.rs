//! Liquid's LFM2, with experts too, and LFM3: short convolutions and now and then attention.
//!
//! Source: transformers `models/lfm2`, `models/lfm2_moe` and `models/lfm3`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, Layout, gated};
use crate::architecture::layer::{FeedForward, Reach};
use crate::architecture::place::Place;
use crate::architecture::short_convolution;
use crate::checkpoint::Role;

/// LFM.
pub const FAMILY: Family = Family {
    name: "lfm",
    model_types: &["lfm2", "lfm2_moe", "lfm3"],
    lower,
    text: Some(text),
};

/// In what the model types differ.
#[derive(Clone, Copy, PartialEq)]
enum Kin {
    Second,
    SecondWithExperts,
    Third,
}

/// Gate, up and down in this family's names.
const NAMES: [&str; 3] = ["w1", "w3", "w2"];

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("lfm2_moe") => Kin::SecondWithExperts,
        Some("lfm3") => Kin::Third,
        _ => Kin::Second,
    };
    let tied = match fields.opt_flag("tie_embedding")? {
        Some(tied) if kin != Kin::Third => Some(tied),
        _ => None,
    };
    let place = &Place {
        tied: place.tied.or(tied),
        ..*place
    };
    let frame = Frame {
        norm: Some(("embedding_norm", false)),
        tied: true,
        ..Frame::llama(fields)?
    };
    let hidden = frame.hidden;
    let layers = fields.repeats("num_hidden_layers")?;
    let attention = attention(fields, hidden, kin)?;
    let kernel = fields.size_or("conv_L_cache", if kin == Kin::Third { 7 } else { 3 })?;
    let bias = fields.flag_or("conv_bias", false)?;
    let width = width(fields, kin)?;
    let experts = match kin {
        Kin::SecondWithExperts => Some(experts(fields, hidden)?),
        Kin::Second | Kin::Third => None,
    };
    let dense_layers = match kin {
        Kin::SecondWithExperts => fields.count_or("num_dense_layers", 2)?,
        Kin::Second | Kin::Third => layers,
    };
    let norms: &[&str] = if kin == Kin::Third && fields.flag_or("use_sandwich_norm", true)? {
        &[
            "operator_norm",
            "ffn_norm",
            "post_operator_norm",
            "post_ffn_norm",
        ]
    } else {
        &["operator_norm", "ffn_norm"]
    };
    let reaches = reaches(fields, kin, layers)?;
    let plans = (0..layers)
        .zip(reaches)
        .map(|(layer, reach)| (reach, layer < dense_layers));
    frame.add(b, fields, place, plans, |b, &(reach, dense)| {
        match reach {
            Some(reach) => b.scope("self_attn.", |b| {
                Attention {
                    reach,
                    ..attention.clone()
                }
                .add(b);
            }),
            None => b.scope("conv.", |b| short_convolution::add(b, hidden, kernel, bias)),
        }
        b.scope("feed_forward.", |b| match &experts {
            Some(experts) if !dense => experts.add(b),
            _ => {
                gated(b, NAMES, Role::Mlp, hidden, width, false);
                b.feed_forward(FeedForward::Dense { width });
            }
        });
        for norm in norms {
            b.norm(norm, hidden, false);
        }
        Ok(())
    })
}

fn attention(fields: &Fields<'_>, hidden: u64, kin: Kin) -> Result<Attention<'static>> {
    if kin != Kin::Third {
        return Ok(Attention {
            names: ["q_proj", "k_proj", "v_proj", "out_proj"],
            norm: HeadNorm::PerHead,
            norm_names: ["q_layernorm", "k_layernorm"],
            ..Attention::read(fields, hidden)?
        });
    }
    let attention = Attention::read_with_head_dim(fields, hidden, Some(128))?;
    let bias = fields.flag_or("attention_bias", false)?;
    let gate = fields.flag_or("use_attention_gate", true)?;
    Ok(Attention {
        bias,
        output_bias: bias,
        norm: HeadNorm::PerHead,
        gate: gate.then_some(("gate_proj", attention.heads)),
        ..attention
    })
}

/// How far each layer sees; nothing for a convolution.
fn reaches(fields: &Fields<'_>, kin: Kin, layers: u64) -> Result<Vec<Option<Reach>>> {
    let window = match kin {
        Kin::Third => fields.opt_size("sliding_window")?,
        Kin::Second | Kin::SecondWithExperts => None,
    };
    let sliding = || match (kin, window) {
        (Kin::Third, Some(window)) => Ok(Some(Reach::Sliding(window))),
        (Kin::Third, None) => Ok(Some(Reach::Sliding(fields.size_or("sliding_window", 256)?))),
        _ => Err(fields.error(
            "layer_types",
            "has sliding layers, which LFM2 does not have",
        )),
    };
    if let Some(types) = fields.opt_layer_texts("layer_types", layers)? {
        let reach = |kind| match kind {
            "conv" => Ok(None),
            "full_attention" => Ok(Some(Reach::Full)),
            "sliding_attention" => sliding(),
            other => Err(fields.error(
                "layer_types",
                format!("{other:?} is not a kind of layer this family has"),
            )),
        };
        return types.into_iter().map(reach).collect();
    }
    match kin {
        Kin::Third => (0..layers)
            .map(|layer| match layer % 4 {
                2 => Ok(Some(Reach::Full)),
                0 if layer > 0 => sliding(),
                _ => Ok(None),
            })
            .collect(),
        Kin::Second | Kin::SecondWithExperts => match fields.opt_counts("full_attn_idxs")? {
            Some(attending) => Ok((0..layers)
                .map(|layer| attending.contains(&layer).then_some(Reach::Full))
                .collect()),
            None => Err(fields.error(
                "layer_types",
                "is missing, and full_attn_idxs too: which layers attend depends on them",
            )),
        },
    }
}

/// The inner width, which LFM2 takes two thirds of and rounds up, unless told not to.
fn width(fields: &Fields<'_>, kin: Kin) -> Result<u64> {
    if kin != Kin::Second {
        return fields.size("intermediate_size");
    }
    let width = fields.size("block_ff_dim|intermediate_size")?;
    if !fields.flag_or("block_auto_adjust_ff_dim", true)? {
        return Ok(width);
    }
    let adjusted = 2 * width / 3;
    let adjusted = match fields.value("block_ffn_dim_multiplier") {
        Some(_) => {
            let factor = fields.ratio_or("block_ffn_dim_multiplier", 1.0)?;
            fields.scale("block_ffn_dim_multiplier", adjusted, factor)?
        }
        None => adjusted,
    };
    let multiple = fields.size_or("block_multiple_of", 256)?;
    Ok(adjusted.div_ceil(multiple) * multiple)
}

fn experts(fields: &Fields<'_>, hidden: u64) -> Result<Experts<'static>> {
    let correction = fields.flag_or("use_expert_bias", true)?;
    Ok(Experts {
        correction: correction.then_some("expert_bias"),
        layout: Layout::Each(NAMES),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts", 32)?,
            fields.size_or("num_experts_per_tok", 4)?,
            fields.size_or("moe_intermediate_size", 1792)?,
        )
    })
}
