//! Kimi-VL, Kimi K2.5 and LocateAnything: language models behind MoonViT.
//!
//! Sources: the header of the published Kimi-K2.5, from which the names that transformers 5 saves differ;
//! `modeling_kimi_vl.py` beside the published Kimi-VL; the index of the published LocateAnything-3B, which stores its
//! head though its config ties it.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Projector, Tied, known_class};
use crate::architecture::vision::moon::{Seen, moon};
use crate::checkpoint::Role;

/// Kimi with eyes.
pub const FAMILY: Family = Family {
    name: "kimi-vl",
    model_types: &["kimi_k25", "kimi_vl", "locateanything"],
    lower,
    text: None,
};

/// In what they differ.
struct Kin {
    classes: &'static [&'static str],
    text: &'static str,
    tied: Tied,
    tower: &'static str,
    /// The projector, its norm and its two matrices.
    projector: [&'static str; 4],
    /// Whether the norm is as wide as what comes out of the tower, or as the patches that are joined.
    before: bool,
}

const KIMI_25: Kin = Kin {
    classes: &[
        "KimiK25ForConditionalGeneration",
        "Kimi_K25ForConditionalGeneration",
    ],
    text: "deepseek_v3",
    tied: Tied::Outer(true),
    tower: "vision_tower.",
    projector: ["mm_projector.", "pre_norm", "proj.0", "proj.2"],
    before: true,
};

const KIMI_VL: Kin = Kin {
    classes: &["KimiVLForConditionalGeneration"],
    tied: Tied::Inner,
    projector: ["multi_modal_projector.", "pre_norm", "linear_1", "linear_2"],
    ..KIMI_25
};

const LOCATE: Kin = Kin {
    classes: &["LocateAnythingForConditionalGeneration"],
    text: "qwen2",
    tied: Tied::Never,
    tower: "vision_model.",
    projector: ["mlp1.", "0", "1", "3"],
    before: false,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let kin = match fields.opt_text("model_type")? {
        Some("kimi_vl") => &KIMI_VL,
        Some("locateanything") => &LOCATE,
        _ => &KIMI_25,
    };
    known_class(fields, kin.classes)?;
    let vision = fields.object("vision_config")?;
    for (name, known) in [
        ("merge_type", "sd2_tpool"),
        ("mm_projector_type", "patchmerger"),
        ("pos_emb_type", "divided_fixed"),
    ] {
        if let Some(other) = vision.opt_text(name)?.filter(|stated| *stated != known) {
            return Err(vision.error(name, format!("{other:?} is not known, only {known:?}")));
        }
    }
    if let Some(layers) = fields.opt_count("mlp_connector_layers")?
        && layers != 2
    {
        return Err(fields.error("mlp_connector_layers", "is not 2, and no other is known"));
    }
    let text = Language::whole(kin.text, kin.tied).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    let Seen {
        hidden: seen,
        merged,
    } = b.scope(kin.tower, |b| moon(b, &vision))?;
    // Three sizes of at most 2^21.
    let joined = seen * merged;
    // The norm has a width of its own, which is the tower's in every published model.
    let normed = match fields.opt_size("projection_hidden_size")? {
        _ if !kin.before => joined,
        Some(width) => width,
        None => vision.opt_size("mm_hidden_size")?.unwrap_or(seen),
    };
    let [prefix, norm, first, second] = kin.projector;
    b.scope(prefix, |b| {
        b.all_as(Role::Projector, |b| {
            b.norm(norm, normed, true);
            let projector = Projector {
                inputs: joined,
                // LocateAnything has the connector of InternVL, which is as wide as the language model.
                inner: if kin.before { joined } else { hidden },
                outputs: hidden,
                bias: true,
            };
            projector.add(b, [first, second]);
        });
    });
    Ok(())
}
