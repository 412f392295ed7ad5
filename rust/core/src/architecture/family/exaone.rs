//! EXAONE 3 and 3.5: Llama under names of GPT-2, its attention one module deeper.
//!
//! Source: `modeling_exaone.py` beside the published checkpoints.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{Defaults, Dense, Network, refuse_foreign};
use crate::architecture::place::Place;

/// EXAONE 3 and 3.5.
pub const FAMILY: Family = Family {
    name: "exaone",
    model_types: &["exaone"],
    lower,
    text: Some(text),
};

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::of_class(fields, &["Exaone"], "transformer.", "transformer.")?;
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    refuse_foreign(fields, &[])?;
    let hidden = fields.size_or("hidden_size", 2048)?;
    let defaults = Defaults::new(102_400, hidden, 4 * hidden, 32, 32).tied();
    let mut model = Dense::read(fields, &defaults)?;
    model.frame.embedding = "wte";
    model.frame.stack = "h";
    model.frame.norm = Some(("ln_f", false));
    model.attention.names = ["q_proj", "k_proj", "v_proj", "out_proj"];
    model.attention_prefix = "attn.attention.";
    model.network = Network::Gated(["c_fc_0", "c_fc_1", "c_proj"]);
    model.norms = &["ln_1", "ln_2"];
    model.add(b, fields, place, model.full())
}
