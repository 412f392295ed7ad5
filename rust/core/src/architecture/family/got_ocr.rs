//! GOT-OCR 2 and PP-Chart2Table: the encoder of Segment Anything, two convolutions, and Qwen2.
//!
//! Sources: transformers `models/got_ocr2`, `models/pp_chart2table`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::multimodal::{Language, Tied, known_class};
use crate::architecture::vision::sam::{NAMES, sam};
use crate::checkpoint::Role;

/// GOT-OCR 2.
pub const FAMILY: Family = Family {
    name: "got-ocr",
    model_types: &["got_ocr2", "pp_chart2table"],
    lower,
    text: None,
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    known_class(fields, &["GotOcr2ForConditionalGeneration"])?;
    let vision = fields.object("vision_config")?;
    let text = Language::whole("qwen2", Tied::Outer(true)).add(b, fields)?;
    let hidden = text.size("hidden_size")?;
    let widths = b.scope("vision_tower.", |b| sam(b, &vision, &NAMES))?;
    let seen = widths.output;
    b.scope("multi_modal_projector.", |b| {
        let role = Role::Projector;
        b.tensor("conv_upsampler1.weight", role, &[2 * seen, seen, 3, 3]);
        b.tensor("conv_upsampler2.weight", role, &[hidden, 2 * seen, 3, 3]);
        b.linear("multimodal_projector", role, hidden, hidden, true);
    });
    Ok(())
}
