//! DeepSeek-VL: Llama behind SigLIP, and in the larger model behind the encoder of Segment Anything as well.
//!
//! Source: transformers `models/deepseek_vl` and `models/deepseek_vl_hybrid`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Projector, known_class};
use crate::architecture::vision::clip::siglip;
use crate::architecture::vision::sam::{NAMES, Widths, neck, sam};
use crate::checkpoint::Role;

/// DeepSeek-VL.
pub const FAMILY: Family = Family {
    name: "deepseek-vl",
    model_types: &["deepseek_vl", "deepseek_vl_hybrid"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let hybrid = fields.opt_text("model_type")? == Some("deepseek_vl_hybrid");
    known_class(
        fields,
        &[if hybrid {
            "DeepseekVLHybridForConditionalGeneration"
        } else {
            "DeepseekVLForConditionalGeneration"
        }],
    )?;
    let vision = fields.object("vision_config")?;
    let text = Language::new("llama", "model.language_model.", true).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    b.scope("model.", |b| {
        let seen = b.scope("vision_model.", |b| siglip(b, &vision, true))?;
        if hybrid {
            let fine = fields.object("high_res_vision_config")?;
            let fine = high_resolution(b, &fine)?;
            let half = fields.divide("text_config.hidden_size", hidden, "hidden_size", 2)?;
            b.scope("aligner.", |b| {
                let role = Role::Projector;
                b.linear("vision_proj", role, half, seen, true);
                b.linear("high_res_vision_proj", role, half, fine, true);
                b.linear("proj", role, hidden, hidden, true);
            });
        } else {
            let aligner = Projector {
                inputs: seen,
                inner: hidden,
                outputs: hidden,
                bias: true,
            };
            b.scope("aligner.", |b| aligner.add(b, ["linear1", "linear2"]));
        }
        Ok(())
    })
}

/// Adds the encoder for high resolutions, a second neck for what its first global layer sees, and what brings both to
/// the grid of the other tower. Returns the width of what comes out.
fn high_resolution(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    let Widths { hidden, output } = b.scope("high_res_vision_model.vision_encoder.", |b| {
        sam(b, fields, &NAMES)
    })?;
    let role = Role::Vision;
    b.all_as(role, |b| {
        b.tensor("high_res_vision_alpha", role, &[1]);
        b.scope("high_res_vision_neck.", |b| neck(b, &NAMES, hidden, output));
        b.scope("high_res_vision_proj.", |b| {
            b.tensor("conv1.weight", role, &[2 * output, output, 3, 3]);
            b.tensor("conv2.weight", role, &[4 * output, 2 * output, 3, 3]);
        });
    });
    Ok(4 * output)
}
