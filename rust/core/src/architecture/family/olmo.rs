//! OLMo and EXAONE 4: no norms with parameters at all in the first, and norms only after attention and network, with
//! norms of queries and keys, in the others.
//!
//! Source: transformers `models/olmo`, `models/olmo2`, `models/olmo3` and `models/exaone4`.

use super::Family;
use crate::architecture::attention::HeadNorm;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, Flag, refuse_foreign};
use crate::architecture::layer::Reach;
use crate::architecture::place::Place;

/// OLMo 1 to 3 and EXAONE 4.
pub const FAMILY: Family = Family {
    name: "olmo",
    model_types: &["exaone4", "olmo", "olmo2", "olmo3"],
    lower,
    text: Some(text),
};

/// In what they differ.
struct Kin {
    stems: &'static [&'static str],
    defaults: Defaults,
    bias: Flag,
    /// The norms of queries and keys; nothing for a model without any norm that has parameters.
    norm: Option<HeadNorm>,
    /// Whether some layers have a window.
    slides: bool,
    answers: &'static str,
}

fn kin(fields: &Fields<'_>) -> Result<Kin> {
    let first = Kin {
        stems: &["Olmo"],
        defaults: Defaults::new(50_304, 4096, 11_008, 32, 32),
        bias: Flag::Read("attention_bias", false),
        norm: None,
        slides: false,
        answers: "model.",
    };
    Ok(match fields.opt_text("model_type")?.unwrap_or("olmo") {
        "olmo2" => Kin {
            stems: &["Olmo2"],
            norm: Some(HeadNorm::Whole),
            ..first
        },
        "olmo3" => Kin {
            stems: &["Olmo3"],
            norm: Some(HeadNorm::Whole),
            slides: true,
            ..first
        },
        "exaone4" => Kin {
            stems: &["Exaone4"],
            defaults: Defaults::new(102_400, 4096, 16_384, 32, 32).kv(32),
            bias: Flag::Is(false),
            norm: Some(HeadNorm::PerHead),
            slides: true,
            answers: "transformer.",
        },
        _ => first,
    })
}

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kin = kin(fields)?;
    let place = Place::of_class(fields, kin.stems, "model.", kin.answers)?;
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let kin = kin(fields)?;
    match kin.bias {
        Flag::Read(name, _) => refuse_foreign(fields, &[name])?,
        Flag::Is(_) => refuse_foreign(fields, &[])?,
    }
    let mut model = Dense::read(fields, &kin.defaults)?;
    let bias = kin.bias.get(fields)?;
    (model.attention.bias, model.attention.output_bias) = (bias, bias);
    if let Some(norm) = kin.norm {
        model.attention.norm = norm;
        model.norms = &["post_attention_layernorm", "post_feedforward_layernorm"];
    } else {
        model.norms = &[];
        model.frame.norm = None;
    }
    let reaches = if kin.slides {
        reaches(fields, model.layers)?
    } else {
        dense::reaches(fields, model.layers, None, |_| false)?
    };
    model.add(b, fields, place, reaches)
}

/// Three layers with a window and one without, unless `layer_types` or `sliding_window_pattern` says otherwise. The
/// pattern of EXAONE 4 is a period, or a letter for each layer of a period: `LLLG`.
fn reaches(fields: &Fields<'_>, layers: u64) -> Result<Vec<Reach>> {
    const PATTERN: &str = "sliding_window_pattern";
    let window = dense::window(fields, Some(4096))?;
    let letters = match fields.value(PATTERN) {
        Some(value) if value.is_string() => fields.opt_text(PATTERN)?,
        Some(_) | None => None,
    };
    if let Some(letters) = letters {
        if letters.is_empty() || letters.chars().any(|letter| !"LG".contains(letter)) {
            return Err(fields.error(PATTERN, "must be letters L and G, or a period"));
        }
        let letters = letters.as_bytes();
        return dense::reaches(fields, layers, window, |layer| {
            usize::try_from(layer)
                .ok()
                .and_then(|layer| letters.get(layer % letters.len()))
                .is_some_and(|&letter| letter == b'L')
        });
    }
    let period = fields.opt_count(PATTERN)?.unwrap_or(4);
    dense::reaches(fields, layers, window, |layer| {
        period > 0 && !(layer + 1).is_multiple_of(period)
    })
}
