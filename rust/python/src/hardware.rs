//! The catalogue of GPUs, seen from Python.

use crate::checkpoint::{loads, reduce, restore};
use crate::errors::{PonderaError, catalogue_error};
use pondera::hardware::{Catalogue, Found, Vendor};
use pondera::size;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::borrow::Cow;
use std::path::PathBuf;

/// One GPU, or another chip that holds a model.
#[pyclass(frozen, eq, hash, module = "pondera")]
#[derive(PartialEq, Eq, Hash)]
pub struct Gpu(pub Found);

#[pymethods]
impl Gpu {
    /// Its canonical name.
    #[getter]
    fn name(&self) -> &str {
        &self.0.gpu.name
    }

    /// Who makes it.
    #[getter]
    const fn vendor(&self) -> &'static str {
        self.0.gpu.vendor.name()
    }

    /// What a look-up took for granted; None if the name left nothing open.
    #[getter]
    fn assumed(&self) -> Option<&str> {
        self.0.assumed.as_deref()
    }

    /// Other names for it.
    #[getter]
    fn aliases(&self) -> Vec<String> {
        self.0.gpu.aliases.clone()
    }

    /// Shorter names that mean this one of several.
    #[getter]
    fn default_for(&self) -> Vec<String> {
        self.0.gpu.default_for.clone()
    }

    /// Whether tables show it when no GPU is chosen.
    #[getter]
    const fn common(&self) -> bool {
        self.0.gpu.common
    }

    /// The kind of its memory.
    #[getter]
    const fn memory_kind(&self) -> &'static str {
        self.0.gpu.memory.name()
    }

    /// Bytes of memory on the board.
    #[getter]
    const fn nominal_bytes(&self) -> u64 {
        self.0.gpu.nominal_bytes
    }

    /// Bytes that a runtime reports as the total.
    #[getter]
    const fn usable_bytes(&self) -> u64 {
        self.0.gpu.usable_bytes
    }

    /// Whether a runtime reported `usable_bytes`.
    #[getter]
    const fn measured(&self) -> bool {
        self.0.gpu.measured()
    }

    /// Where `usable_bytes` come from.
    #[getter]
    fn usable_source(&self) -> &str {
        self.0.gpu.usable_source()
    }

    /// Whether the memory is shared with the CPU.
    #[getter]
    const fn unified(&self) -> bool {
        self.0.gpu.unified
    }

    /// Bytes per second between memory and chip.
    #[getter]
    const fn bandwidth(&self) -> Option<u64> {
        self.0.gpu.bandwidth
    }

    /// Dense operations per second by type of number, those that are known.
    #[getter]
    fn flops<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let flops = PyDict::new(py);
        for (name, rate) in self.0.gpu.flops.by_name() {
            if let Some(rate) = rate {
                flops.set_item(name, rate)?;
            }
        }
        Ok(flops)
    }

    /// Name and bytes per second of the link to the other GPUs of a node.
    #[getter]
    fn interconnect(&self) -> Option<(String, u64)> {
        self.0
            .gpu
            .interconnect
            .as_ref()
            .map(|link| (link.name.clone(), link.bytes_per_second))
    }

    /// GPUs in the usual node.
    #[getter]
    const fn per_node(&self) -> u64 {
        self.0.gpu.per_node
    }

    /// Bytes that a process takes before it allocates anything.
    #[getter]
    const fn context_bytes(&self) -> Option<u64> {
        self.0.gpu.context_bytes
    }

    /// Where `context_bytes` were measured.
    #[getter]
    fn context_source(&self) -> Option<&str> {
        self.0.gpu.context_source.as_deref()
    }

    /// NVIDIA's compute capability.
    #[getter]
    const fn compute_capability(&self) -> Option<(u8, u8)> {
        self.0.gpu.compute_capability
    }

    /// Where the figures were read.
    #[getter]
    fn source(&self) -> &str {
        &self.0.gpu.source
    }

    /// What a reader of the figures should know.
    #[getter]
    fn note(&self) -> Option<&str> {
        self.0.gpu.note.as_deref()
    }

    /// All fields as JSON text.
    fn to_json(&self) -> String {
        self.0.gpu.to_json()
    }

    /// All fields as a dict.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.gpu.to_json())
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        reduce(slf.as_any(), &slf.get().0)
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        restore(bytes).map(Self)
    }

    fn __repr__(&self) -> String {
        format!(
            "Gpu({:?}, usable_bytes={}, {})",
            self.0.gpu.name,
            self.0.gpu.usable_bytes,
            if self.0.gpu.measured() {
                "measured"
            } else {
                "not measured"
            },
        )
    }
}

/// The built-in rows, or those with a user's over them.
pub fn catalogue(py: Python<'_>, file: Option<PathBuf>) -> PyResult<Cow<'static, Catalogue>> {
    match file {
        None => Ok(Cow::Borrowed(Catalogue::built_in())),
        Some(path) => py
            .detach(|| Catalogue::with_file(&path))
            .map(Cow::Owned)
            .map_err(|error| catalogue_error(py, error)),
    }
}

/// Every GPU of the catalogue, sorted by name.
#[pyfunction]
#[pyo3(signature = (*, gpu_file=None))]
pub fn gpus(py: Python<'_>, gpu_file: Option<PathBuf>) -> PyResult<Vec<Gpu>> {
    let all = catalogue(py, gpu_file)?;
    Ok(all
        .iter()
        .map(|gpu| {
            Gpu(Found {
                gpu: gpu.clone(),
                assumed: None,
            })
        })
        .collect())
}

/// The GPU of a name, or any GPU with so much memory, as the core gives it.
pub fn find(py: Python<'_>, name: &str, file: Option<PathBuf>) -> PyResult<Found> {
    catalogue(py, file)?
        .find(name)
        .map_err(|error| PonderaError::new_err(error.to_string()))
}

/// The GPU of a name, or any GPU with so much memory.
#[pyfunction]
#[pyo3(signature = (name, *, gpu_file=None))]
pub fn gpu(py: Python<'_>, name: &str, gpu_file: Option<PathBuf>) -> PyResult<Gpu> {
    find(py, name, gpu_file).map(Gpu)
}

/// Every vendor that a row may name.
#[pyfunction]
pub fn gpu_vendors() -> Vec<&'static str> {
    Vendor::ALL.map(Vendor::name).to_vec()
}

/// Bytes from a text such as `79.19GiB`.
#[pyfunction]
pub fn parse_bytes(text: &str) -> PyResult<u64> {
    size::parse_bytes(text).map_err(|error| PonderaError::new_err(error.to_string()))
}

/// A count from a text such as `32k`, where k is 1024.
#[pyfunction]
pub fn parse_count(text: &str) -> PyResult<u64> {
    size::parse_count(text).map_err(|error| PonderaError::new_err(error.to_string()))
}
