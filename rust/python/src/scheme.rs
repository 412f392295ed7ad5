//! Schemes of quantization, seen from Python: the tables, and what a scheme makes of a model.

use crate::architecture::Architecture;
use crate::errors::PonderaError;
use pondera::quantization::cache_format::FORMATS;
use pondera::quantization::scheme::{SCHEMES, Scheme, account};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Every scheme of quantization, as a dict: `name`, `aliases`, `bits` and `weights` (so many bits for so many weights of
/// most of what it touches), `library`, `summary`, `source`.
#[pyfunction]
pub fn weight_schemes(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    SCHEMES
        .iter()
        .map(|one| {
            let row = PyDict::new(py);
            row.set_item("name", one.name)?;
            row.set_item("aliases", one.aliases)?;
            row.set_item("bits", one.bits.0)?;
            row.set_item("weights", one.bits.1)?;
            row.set_item("library", one.library)?;
            row.set_item("summary", one.summary)?;
            row.set_item("source", one.source)?;
            Ok(row)
        })
        .collect()
}

/// Every format of cached keys and values, as a dict: `name`, `aliases`, `numbers` of a block and its `bytes`, `per_head`
/// (bytes of scales per token and head), `source`.
#[pyfunction]
pub fn cache_formats(py: Python<'_>) -> PyResult<Vec<Bound<'_, PyDict>>> {
    FORMATS
        .iter()
        .map(|one| {
            let row = PyDict::new(py);
            row.set_item("name", one.name)?;
            row.set_item("aliases", one.aliases)?;
            row.set_item("numbers", one.numbers)?;
            row.set_item("bytes", one.bytes)?;
            row.set_item("per_head", one.per_head)?;
            row.set_item("source", one.source)?;
            Ok(row)
        })
        .collect()
}

/// What a scheme makes of a model, by role, and what was assumed: the scheme's name, rows of (role, whether it is
/// quantized, tensors, parameters, bytes), and notes of (field, value, reason). Without a scheme, the one that the config
/// states.
#[pyfunction]
#[pyo3(signature = (architecture, scheme=None))]
#[expect(clippy::type_complexity, reason = "three lists of plain rows")]
pub fn planned_weights(
    architecture: &Architecture,
    scheme: Option<&str>,
) -> PyResult<(
    String,
    Vec<(&'static str, bool, u64, u64, u64)>,
    Vec<(String, String, String)>,
)> {
    let mut notes = Vec::new();
    let scheme = match scheme {
        Some(name) => Scheme::named(name),
        None => Scheme::of_config(&architecture.config, &architecture.core, &mut notes),
    }
    .map_err(PonderaError::new_err)?;
    let rows = account(&scheme, &architecture.core)
        .into_iter()
        .map(|line| {
            (
                line.role.name(),
                line.touched,
                line.tensors,
                line.parameters,
                line.bytes,
            )
        })
        .collect();
    let notes = notes
        .into_iter()
        .map(|note| (note.field, note.value, note.reason))
        .collect();
    Ok((scheme.name, rows, notes))
}
