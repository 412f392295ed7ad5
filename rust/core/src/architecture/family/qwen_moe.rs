//! Qwen with experts: Qwen2-MoE, with a shared expert behind a gate, and Qwen3-MoE, without; the text models of
//! Qwen3-VL and Qwen3-Omni, and Mellum, which are built like the latter.
//!
//! Source: transformers `models/qwen2_moe`, `models/qwen3_moe`, `models/qwen3_vl_moe`, `models/qwen3_omni_moe` and
//! `models/mellum`.

use super::Family;
use crate::architecture::attention::{Attention, HeadNorm, reaches};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::decoder::Frame;
use crate::architecture::feed_forward::{Experts, GATED, Layout};
use crate::architecture::layer::Reach;
use crate::architecture::mixture::{Mixture, sparse_layers};
use crate::architecture::place::{Place, saved_by};
use crate::architecture::prediction;

/// Qwen with experts.
pub const FAMILY: Family = Family {
    name: "qwen-moe",
    model_types: &[
        "mellum",
        "qwen2_moe",
        "qwen3_moe",
        "qwen3_omni_moe_text",
        "qwen3_vl_moe_text",
    ],
    lower,
    text: Some(text),
};

/// Which layers slide where `layer_types` does not say, or does not count.
#[derive(Clone, Copy, PartialEq)]
enum Windows {
    /// Every other one before `max_window_layers`, if `use_sliding_window` is on.
    Alternate,
    /// All, if `use_sliding_window` is on.
    All,
    /// None.
    None,
}

/// In what they differ.
struct Kin {
    /// Numbers per head, where the config does not say and it is not `hidden_size / num_attention_heads`.
    head_dim: Option<u64>,
    /// Heads of keys and values, experts, and how many are chosen, where the config does not say.
    defaults: [u64; 3],
    /// Whether there is a shared expert behind a gate; and biases of queries, keys and values, but no norms.
    shared: bool,
    /// How experts are laid out.
    layout: Layout<'static>,
    /// Which layers slide.
    windows: Windows,
}

fn kin(model_type: &str) -> Kin {
    let third = Kin {
        head_dim: None,
        defaults: [4, 128, 8],
        shared: false,
        layout: Layout::Each(GATED),
        windows: Windows::All,
    };
    match model_type {
        "qwen2_moe" => Kin {
            defaults: [16, 60, 4],
            shared: true,
            windows: Windows::Alternate,
            ..third
        },
        "mellum" => Kin {
            head_dim: Some(128),
            defaults: [4, 64, 8],
            windows: Windows::None,
            ..third
        },
        "qwen3_vl_moe_text" => Kin {
            defaults: [16, 60, 4],
            layout: Layout::FusedTransposed(["gate_up_proj", "down_proj"]),
            windows: Windows::None,
            ..third
        },
        _ => third,
    }
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    text(b, fields, &Place::whole(fields, "model.")?)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let mut kin = kin(fields.opt_text("model_type")?.unwrap_or("qwen3_moe"));
    if let Layout::FusedTransposed(names) = kin.layout
        && saved_by(fields)?.is_some_and(|major| major >= 5)
    {
        // The publisher's experts are transposed; transformers 5 turns them around and saves them so.
        kin.layout = Layout::Fused(names);
    }
    let [kv_heads, experts, chosen] = kin.defaults;
    let frame = Frame::llama(fields)?;
    let hidden = frame.hidden;
    let mut attention = Attention::read_with(fields, hidden, kin.head_dim, Some(kv_heads))?;
    if kin.shared {
        attention.bias = fields.flag_or("qkv_bias", true)?;
    } else {
        attention.norm = HeadNorm::PerHead;
        let bias = fields.flag_or("attention_bias", false)?;
        (attention.bias, attention.output_bias) = (bias, bias);
    }
    let shared = if kin.shared {
        Some(fields.size_or("shared_expert_intermediate_size", 5632)?)
    } else {
        None
    };
    let experts = Experts {
        layout: kin.layout,
        shared: shared.map(|width| (width, "shared_expert.")),
        shared_gate: kin.shared.then_some("shared_expert_gate"),
        ..Experts::new(
            hidden,
            fields.repeats_or("num_experts|num_local_experts", experts)?,
            fields.size_or("num_experts_per_tok", chosen)?,
            fields.size("moe_intermediate_size")?,
        )
    };
    let layers = fields.repeats("num_hidden_layers")?;
    let step = fields.size_or("decoder_sparse_step", 1)?;
    let dense_layers = fields.opt_counts("mlp_only_layers")?.unwrap_or_default();
    let any = experts.experts > 0;
    let sparse = sparse_layers(fields, layers, |layer| {
        any && !dense_layers.contains(&layer) && (layer + 1).is_multiple_of(step)
    })?;
    let mixture = Mixture::new(attention, experts, fields.opt_size("intermediate_size")?);
    let plans = windows(fields, layers, kin.windows)?
        .into_iter()
        .zip(sparse);
    mixture.add(b, fields, place, &frame, plans)?;
    // Mellum publishes one such layer; the others never have the field.
    prediction::add_apart(b, fields, hidden, |b| {
        let sparse = match fields.opt_texts("mtp_mlp_layer_types")?.as_deref() {
            None | Some([]) => true,
            Some(kinds) if kinds.iter().all(|kind| *kind == "sparse") => true,
            Some(kinds) if kinds.iter().all(|kind| *kind == "dense") => false,
            Some(_) => {
                return Err(
                    fields.error("mtp_mlp_layer_types", "layers of two kinds are not known")
                );
            }
        };
        mixture.block(b, fields, Reach::Full, sparse)
    })
}

fn windows(fields: &Fields<'_>, layers: u64, windows: Windows) -> Result<Vec<Reach>> {
    let on = match windows {
        Windows::None => true,
        Windows::All | Windows::Alternate => fields.flag_or("use_sliding_window", false)?,
    };
    // Where windows are off, the classes write a window of 0, or none.
    let window = match fields.opt_count("sliding_window")? {
        Some(0) => None,
        None if on => Some(fields.size_or("sliding_window", 4096)?),
        window => window,
    };
    let sliding = window.map_or(Reach::Full, Reach::Sliding);
    match windows {
        Windows::All if on => Ok((0..layers).map(|_| sliding).collect()),
        Windows::All => Ok((0..layers).map(|_| Reach::Full).collect()),
        Windows::None => reaches(fields, layers, window, |_| Reach::Full),
        Windows::Alternate => {
            let below = fields.count_or("max_window_layers", 28)?;
            reaches(fields, layers, window, |layer| {
                if on && layer < below && layer.is_multiple_of(2) {
                    sliding
                } else {
                    Reach::Full
                }
            })
        }
    }
}
