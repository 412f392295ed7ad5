//! Donut's Swin transformer, which stores the index of relative positions and has no norm behind it.
//!
//! Source: transformers `models/donut/modeling_donut_swin.py`.

use super::swin::{Distances, swin};
use crate::architecture::builder::Builder;
use crate::architecture::config::{Fields, Result};

/// Adds the tower (`donut-swin`), and returns the width of its last stage.
///
/// # Errors
/// If a field is wrong.
pub fn donut(b: &mut Builder, fields: &Fields<'_>) -> Result<u64> {
    swin(b, fields, Distances::Table { index: true }, false)
}
