//! What a config states about how its weights are stored.
use super::Scheme;
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use serde_json::Value;

pub(super) fn of_config(
    config: &Value,
    architecture: &Architecture,
    notes: &mut Vec<Assumption>,
) -> Result<Scheme, String> {
    let _ = (config, notes);
    Scheme::named(if super::dtype_bytes(architecture) == Some(4) {
        "fp32"
    } else {
        "bf16"
    })
}
