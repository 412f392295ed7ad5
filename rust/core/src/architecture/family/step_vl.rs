//! Step 3.7: the text model of Step 3.5 under a vision tower in the names of CLIP, with two convolutions that merge
//! its patches.
//!
//! Source: transformers `models/step3p7`, whose `conversion_mapping.py` gives the published names.

use super::{Family, step};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result, SIZE_LIMIT};
use crate::architecture::feed_forward::plain;
use crate::architecture::layer::{FeedForward, Stack};
use crate::architecture::place::{Place, Top};
use crate::architecture::template::Numbers;
use crate::architecture::vision::Patches;
use crate::checkpoint::Role;

/// Step 3.7.
pub const FAMILY: Family = Family {
    name: "step-vl",
    model_types: &["step3p7"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place {
        model: "model.",
        head: "",
        top: Top::of(fields)?,
        tied: None,
    };
    let Some(inner) = fields.opt_object("text_config")? else {
        // A config without parts describes the text model alone.
        let reason = "not in the config; only the text model is derived";
        fields.assume("vision_config", "none", reason);
        return step::text(b, fields, &place);
    };
    step::text(b, &inner, &place)?;
    let hidden = inner.size("hidden_size")?;
    let vision = fields.object("vision_config")?;
    let seen = b.scope("vision_model.", |b| tower(b, &vision))?;
    let bias = fields.flag_or("projector_bias", false)?;
    b.linear(
        "vit_large_projector",
        Role::Projector,
        hidden,
        4 * seen,
        bias,
    );
    Ok(())
}

/// Adds the tower and returns its width.
fn tower(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let hidden = fields.size_or("width|hidden_size", 1536)?;
    let layers = fields.repeats_or("layers|num_hidden_layers", 47)?;
    let patches = Patches::read(fields, 728, 14)?;
    let ratio = fields.ratio_or("mlp_ratio", 8960.0 / 1536.0)?;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "the class cuts off too; sizes are exact in 64 bits, and what is out of range is an error"
    )]
    let width = (hidden as f64 * ratio) as u64;
    if !(1..=SIZE_LIMIT).contains(&width) {
        return Err(fields.error("mlp_ratio", format!("gives a width of {width}")));
    }
    let role = Role::Vision;
    b.all_as(role, |b| {
        let (height, across) = patches.sides;
        let shape = [hidden, patches.channels, height, across];
        b.tensor("conv1.weight", role, &shape);
        b.tensor("positional_embedding", role, &[patches.count, hidden]);
        b.norm("ln_pre", hidden, true);
        let numbers = Numbers::Below(u32::try_from(layers).unwrap_or(u32::MAX));
        b.layers(Stack::Vision, "transformer.resblocks", &numbers, |b| {
            b.scope("attn.", |b| {
                b.tensor("in_proj_weight", role, &[3 * hidden, hidden]);
                b.tensor("in_proj_bias", role, &[3 * hidden]);
                b.linear("out_proj", role, hidden, hidden, true);
            });
            b.scope("mlp.", |b| {
                plain(b, ["c_fc", "c_proj"], role, hidden, width, true);
            });
            b.feed_forward(FeedForward::Dense { width });
            for norm in ["ln_1", "ln_2"] {
                b.norm(norm, hidden, true);
            }
            for scale in ["ls_1.gamma", "ls_2.gamma"] {
                b.tensor(scale, role, &[hidden]);
            }
        });
        for (name, outputs, inputs) in [
            ("vit_downsampler1", 2 * hidden, hidden),
            ("vit_downsampler2", 4 * hidden, 2 * hidden),
        ] {
            b.weight_and_bias(name, role, &[outputs, inputs, 3, 3], outputs, true);
        }
    });
    Ok(hidden)
}
