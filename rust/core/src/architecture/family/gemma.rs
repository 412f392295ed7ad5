//! Gemma: a tied head, heads of their own width, and from the second version on norms before and after, windows in
//! a pattern; the third has norms of queries and keys. VaultGemma keeps only the norms before.
//!
//! Source: transformers `models/gemma`, `models/gemma2`, `models/gemma3` (its text model) and `models/vaultgemma`.

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, PRE_NORMS, refuse_foreign};
use crate::architecture::layer::Stack;
use crate::architecture::place::Place;

/// Gemma, all versions that are dense and read text.
pub const FAMILY: Family = Family {
    name: "gemma",
    model_types: &["gemma", "gemma2", "gemma3_text", "vaultgemma"],
    lower,
    text: Some(text),
};

/// In what the versions differ.
struct Kin {
    stems: &'static [&'static str],
    defaults: Defaults,
    norms: &'static [&'static str],
    head_norm: HeadNorm,
    /// Every so many-th layer sees everything, where neither `layer_types` nor `sliding_window_pattern` says.
    /// Nothing without windows.
    period: Option<u64>,
}

const FOUR_NORMS: &[&str] = &[
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
];

fn kin(fields: &Fields<'_>) -> Result<Kin> {
    let second = Defaults::new(256_000, 2304, 9216, 26, 8)
        .kv(4)
        .dim(256)
        .tied();
    Ok(match fields.opt_text("model_type")?.unwrap_or("gemma") {
        "gemma2" => Kin {
            stems: &["Gemma2"],
            defaults: second,
            norms: FOUR_NORMS,
            head_norm: HeadNorm::None,
            period: Some(2),
        },
        "gemma3_text" => Kin {
            stems: &["Gemma3", "Gemma3Text"],
            defaults: Defaults {
                vocabulary: 262_208,
                ..second
            },
            norms: FOUR_NORMS,
            head_norm: HeadNorm::PerHead,
            period: Some(6),
        },
        "vaultgemma" => Kin {
            stems: &["VaultGemma"],
            defaults: second,
            norms: &["input_layernorm", "pre_feedforward_layernorm"],
            head_norm: HeadNorm::None,
            period: Some(2),
        },
        _ => Kin {
            stems: &["Gemma"],
            defaults: Defaults::new(256_000, 3072, 24_576, 28, 16)
                .kv(16)
                .dim(256)
                .tied(),
            norms: PRE_NORMS,
            head_norm: HeadNorm::None,
            period: None,
        },
    })
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::of_class(fields, kin(fields)?.stems, "model.", "model.")?;
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields)?;
    refuse_foreign(fields, &["attention_bias"])?;
    let mut model = Dense::read(fields, &kin.defaults)?;
    let bias = fields.flag_or("attention_bias", false)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    model.attention.norm = kin.head_norm;
    model.norms = kin.norms;
    let reaches = match kin.period {
        None => dense::reaches(fields, model.layers, None, |_| false)?,
        Some(period) => {
            let window = dense::window(fields, Some(4096))?;
            // Configs of before transformers 4.53 give the period, or nothing for the class's own.
            let period = fields
                .opt_size("sliding_window_pattern|_sliding_window_pattern")?
                .unwrap_or(period);
            dense::reaches(fields, model.layers, window, |layer| {
                !(layer + 1).is_multiple_of(period)
            })?
        }
    };
    // EmbeddingGemma reads text as a whole and so keeps nothing. Gemma as the text model of PaliGemma has the same
    // flag and writes tokens: only its prompt is read so.
    let whole = kin.head_norm == HeadNorm::PerHead
        && fields
            .opt_flag("use_bidirectional_attention")?
            .unwrap_or(false);
    let stack = if whole {
        Stack::Encoder
    } else {
        Stack::Decoder
    };
    model
        .frame
        .add_as(stack, b, fields, place, reaches, |b, &reach| {
            model.add_attention(b, reach);
            model.add_network(b);
            model.add_norms(b);
            Ok(())
        })
}
