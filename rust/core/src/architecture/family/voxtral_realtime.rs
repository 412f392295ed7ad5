//! The text model of Voxtral Realtime: Mistral with a window, and in each layer a small network that scales what goes
//! into the feed-forward by how long the text may lag behind.
//!
//! Source: transformers `models/voxtral_realtime`.

use super::Family;
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};
use crate::architecture::dense::{self, Defaults, Dense, refuse_foreign};
use crate::architecture::place::Place;
use crate::checkpoint::Role;

/// The text model of Voxtral Realtime.
pub const FAMILY: Family = Family {
    name: "voxtral-realtime",
    model_types: &["voxtral_realtime_text"],
    lower,
    text: Some(text),
};

/// The inner width of the network that scales, which the class fixes.
const INNER: u64 = 32;

fn lower(b: &mut Builder, fields: &Fields<'_>) -> Result<()> {
    let place = Place::of_class(fields, &["VoxtralRealtimeText"], "model.", "model.")?;
    text(b, fields, &place)
}

fn text(b: &mut Builder, fields: &Fields<'_>, place: &Place<'_>) -> Result<()> {
    let defaults = Defaults::new(32_000, 4096, 14_336, 32, 32).kv(8);
    refuse_foreign(fields, &[])?;
    let model = Dense::read(fields, &defaults)?;
    let window = dense::window(fields, Some(4096))?;
    let reaches = dense::reaches(fields, model.layers, window, |_| true)?;
    let hidden = model.frame.hidden;
    model.add_with(b, fields, place, reaches, |b| {
        b.scope("ada_rms_norm.", |b| {
            b.linear("linear1", Role::Norm, INNER, hidden, false);
            b.linear("linear2", Role::Norm, hidden, INNER, false);
        });
    })
}
