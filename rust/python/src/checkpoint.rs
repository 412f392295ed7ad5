//! `scan`, `scan_tree` and what they return.

use crate::errors::{PonderaError, scan_error};
use crate::run::watched;
use crate::table::{Table, html};
use pondera::checkpoint::{self as core, Code, Detail, Role, ScanError};
use pondera::parallel::default_threads;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use serde::{Serialize, de::DeserializeOwned};
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Scan one model: a folder, a `.safetensors` file or a `.safetensors.index.json`.
///
/// Only headers are read, never tensor data. What is wrong with a file does not raise: it is listed in
/// `Checkpoint.problems`, and the rest is still tallied. Other Python threads run meanwhile; Ctrl-C works.
///
/// Args:
///     path: The folder or file. A folder that is a model and has others below it counts as that model alone.
///     threads: Number of threads to read with; one per core if not given.
///
/// Returns:
///     The checkpoint.
///
/// Raises:
///     FileNotFoundError: There is nothing at the path.
///     OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
///     NoCheckpoint: There are no safetensors at or below the path, or the file is of another kind.
///     SeveralCheckpoints: The folder holds several checkpoints and is not one itself; `paths` names them.
///     ValueError: The path is empty, or `threads` is less than 1.
#[pyfunction]
#[pyo3(signature = (path, *, threads=None))]
pub fn scan(py: Python<'_>, path: PathBuf, threads: Option<i64>) -> PyResult<Checkpoint> {
    not_empty(&path)?;
    let threads = threads_or_default(threads)?;
    watched(py, None, |control| core::scan(&path, threads, control))?
        .map(|core| Checkpoint(Arc::new(core)))
        .map_err(|error| scan_error(py, error))
}

/// Scan every model at or below a path, in path order.
///
/// A folder without models gives an empty tree.
///
/// Args:
///     path: The folder or file.
///     threads: Number of threads to read with; one per core if not given.
///     progress: Called about every 50 ms, on the calling thread, with the number of files read and of files found
///         so far (0 while folders are being listed). What it raises stops the scan and is raised here.
///
/// Returns:
///     All checkpoints that were found.
///
/// Raises:
///     FileNotFoundError: There is nothing at the path.
///     OSError: The path cannot be looked at; `PermissionError` if that is not allowed.
///     NoCheckpoint: The path is a file of another kind.
///     ValueError: The path is empty, or `threads` is less than 1.
#[pyfunction]
#[pyo3(signature = (path, *, threads=None, progress=None))]
pub fn scan_tree(
    py: Python<'_>,
    path: PathBuf,
    threads: Option<i64>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Tree> {
    not_empty(&path)?;
    let threads = threads_or_default(threads)?;
    watched(py, progress.as_ref(), |control| {
        core::scan_tree(&path, threads, control)
    })?
    .map(|core| Tree(Arc::new(core)))
    .map_err(|error| scan_error(py, error))
}

/// The number of threads asked for, or one per core.
pub fn threads_or_default(threads: Option<i64>) -> PyResult<usize> {
    match threads {
        Some(threads) => usize::try_from(threads)
            .ok()
            .filter(|&threads| threads > 0)
            .ok_or_else(|| {
                PyValueError::new_err(format!("threads must be at least 1, not {threads}"))
            }),
        None => Ok(default_threads()),
    }
}

/// An empty path is what an unset variable leaves; the system's own error for it names nothing.
pub fn not_empty(path: &Path) -> PyResult<()> {
    if path.as_os_str().is_empty() {
        return Err(PyValueError::new_err(
            "the path is empty; name a folder or a file, or `.` for the working folder",
        ));
    }
    Ok(())
}

/// Bytes that the weight files of several trees take on disk together, each file counted once.
#[pyfunction]
pub fn disk_bytes(trees: Vec<Bound<'_, Tree>>) -> u128 {
    core::disk_bytes(trees.iter().map(|tree| &*tree.get().0))
}

/// Trees without the checkpoints that an earlier one of them has.
#[pyfunction]
pub fn distinct(py: Python<'_>, trees: Vec<Bound<'_, Tree>>) -> Vec<Tree> {
    let trees: Vec<_> = trees.iter().map(|tree| Arc::clone(&tree.get().0)).collect();
    let left = py.detach(|| core::distinct(&trees));
    left.into_iter().map(Tree).collect()
}

/// The error that `scan` raises where `scan_tree` gives this empty tree.
#[pyfunction]
pub fn no_checkpoint(py: Python<'_>, tree: &Tree) -> Py<PyAny> {
    let nothing = ScanError::Nothing(tree.0.path.clone(), tree.0.problems.clone());
    scan_error(py, nothing).into_value(py).into_any()
}

/// Names of the roles, in display order.
#[pyfunction]
pub fn role_names() -> Vec<&'static str> {
    Role::ALL.map(Role::name).to_vec()
}

/// What has each role, in display order.
#[pyfunction]
pub fn role_meanings() -> Vec<(&'static str, &'static str)> {
    Role::ALL.map(|role| (role.name(), role.meaning())).to_vec()
}

/// Every problem code with its severity and meaning.
#[pyfunction]
pub fn problem_codes() -> Vec<(&'static str, &'static str, &'static str)> {
    Code::ALL
        .iter()
        .map(|code| (code.name(), code.severity().name(), code.meaning()))
        .collect()
}

/// `__reduce__` of an object that is restored from bytes.
pub fn reduce<'py>(
    object: &Bound<'py, PyAny>,
    core: &impl Serialize,
) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
    let bytes = packed(core)?;
    let restore = object.get_type().getattr("_from_bytes")?;
    Ok((restore, (PyBytes::new(object.py(), &bytes),)))
}

/// What [`restore`] reads.
pub fn packed(core: &impl Serialize) -> PyResult<Vec<u8>> {
    postcard::to_extend(core, vec![STORED_FORM])
        .map_err(|error| PonderaError::new_err(error.to_string()))
}

/// The object that [`reduce`] wrote. The types check themselves what refers to what.
pub fn restore<T: DeserializeOwned>(bytes: &[u8]) -> PyResult<T> {
    let error =
        |why: &str| PonderaError::new_err(format!("cannot restore from these bytes: {why}"));
    match bytes.split_first() {
        Some((&STORED_FORM, rest)) => match postcard::take_from_bytes(rest) {
            Ok((core, [])) => Ok(core),
            Ok(_) => Err(error("there are too many")),
            Err(why) => Err(error(&why.to_string())),
        },
        Some((form, _)) => Err(error(&format!(
            "their first is {form}, this version of pondera writes {STORED_FORM}"
        ))),
        None => Err(error("there are none")),
    }
}

/// The first byte of every stored object: to be raised when any of them changes its form.
const STORED_FORM: u8 = 2;

/// A sum over tensors.
#[pyclass(frozen, eq, hash, module = "pondera")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Tally(core::Tally);

#[pymethods]
impl Tally {
    /// How many tensors.
    #[getter]
    const fn tensors(&self) -> u64 {
        self.0.tensors
    }

    /// Logical parameters.
    #[getter]
    const fn parameters(&self) -> u128 {
        self.0.parameters
    }

    /// Bytes of tensor data as stored.
    #[getter]
    const fn bytes(&self) -> u128 {
        self.0.bytes
    }

    fn __repr__(&self) -> String {
        let core::Tally {
            tensors,
            parameters,
            bytes,
        } = self.0;
        format!("Tally(tensors={tensors}, parameters={parameters}, bytes={bytes})")
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
}

/// One thing that is wrong with a checkpoint, and where.
#[pyclass(frozen, eq, module = "pondera")]
#[derive(Clone, PartialEq, Eq)]
pub struct Problem(core::Problem);

#[pymethods]
impl Problem {
    /// Stable code, as `shard-missing`.
    #[getter]
    const fn code(&self) -> &'static str {
        self.0.code.name()
    }

    /// `error`, `warning` or `info`.
    #[getter]
    const fn severity(&self) -> &'static str {
        self.0.severity().name()
    }

    /// The file or folder it was found in.
    #[getter]
    fn path(&self) -> &OsStr {
        self.0.path.as_os_str()
    }

    /// The tensor it concerns, if it concerns one.
    #[getter]
    fn tensor(&self) -> Option<&str> {
        self.0.tensor.as_deref()
    }

    /// What exactly is wrong.
    #[getter]
    fn message(&self) -> &str {
        &self.0.message
    }

    fn __str__(&self) -> String {
        self.0.to_string()
    }

    fn __repr__(&self) -> String {
        format!("Problem({}: {})", self.severity(), self.0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.code(), &self.0.path, &self.0.tensor, &self.0.message).hash(&mut hasher);
        hasher.finish()
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
}

/// One file of a checkpoint.
#[pyclass(frozen, module = "pondera")]
pub struct ShardFile {
    checkpoint: Arc<core::Checkpoint>,
    ordinal: usize,
}

impl ShardFile {
    fn core(&self) -> &core::ShardFile {
        &self.checkpoint.files[self.ordinal]
    }
}

#[pymethods]
impl ShardFile {
    /// Where it is.
    #[getter]
    fn path(&self) -> &OsStr {
        self.core().path.as_os_str()
    }

    /// Length of the whole file in bytes.
    #[getter]
    fn file_bytes(&self) -> u64 {
        self.core().file_bytes
    }

    /// Length of the header in bytes, with its length field; 0 if it could not be read.
    #[getter]
    fn header_bytes(&self) -> u64 {
        self.core().header_bytes
    }

    /// How many tensors it holds.
    #[getter]
    fn tensors(&self) -> usize {
        self.core().tensors.len()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        // Tensors refer to the groups of their checkpoint, and mean the same only if those are equal too.
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            self.core() == other.core() && self.checkpoint.groups == other.checkpoint.groups
        })
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.path(), self.core().file_bytes, self.tensors()).hash(&mut hasher);
        hasher.finish()
    }

    fn __repr__(&self) -> String {
        format!(
            "ShardFile({:?}, tensors={}, file_bytes={})",
            self.path().to_string_lossy(),
            self.tensors(),
            self.file_bytes()
        )
    }

    fn __reduce__<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<(Bound<'py, PyAny>, (Checkpoint, usize))> {
        let item = py.get_type::<Self>().getattr("_of")?;
        Ok((
            item,
            (Checkpoint(Arc::clone(&self.checkpoint)), self.ordinal),
        ))
    }

    #[staticmethod]
    fn _of(checkpoint: &Checkpoint, ordinal: usize) -> PyResult<Self> {
        if ordinal >= checkpoint.0.files.len() {
            return Err(PyValueError::new_err("no such file"));
        }
        Ok(Self {
            checkpoint: Arc::clone(&checkpoint.0),
            ordinal,
        })
    }
}

/// The body of a model: every tensor on disk, tallied by role, dtype and layer.
#[pyclass(frozen, module = "pondera")]
pub struct Checkpoint(pub Arc<core::Checkpoint>);

#[pymethods]
impl Checkpoint {
    /// The folder or file it was read from.
    #[getter]
    fn path(&self) -> &OsStr {
        self.0.path.as_os_str()
    }

    /// A name for people: `org/model@revision` in the Hub's cache layout and, with the folder, on the Hub itself; else
    /// the last part of the path.
    #[getter]
    fn name(&self) -> String {
        self.0.name()
    }

    /// Format of the files: `safetensors`.
    #[getter]
    fn format(&self) -> &'static str {
        self.0.format()
    }

    /// `model`, `adapter` or `pipeline`.
    #[getter]
    fn kind(&self) -> &'static str {
        self.0.kind.name()
    }

    /// The quantization method that the configuration states or the tensors show.
    #[getter]
    fn quantization(&self) -> Option<&str> {
        self.0.quantization.as_deref()
    }

    /// Names of the component folders of a pipeline; empty for a model.
    #[getter]
    fn components<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let names = self.0.components.iter().filter(|name| !name.is_empty());
        PyTuple::new(py, names.collect::<Vec<_>>())
    }

    /// How many files it has.
    #[getter]
    fn shards(&self) -> usize {
        self.0.files.len()
    }

    /// Its files in path order.
    #[getter]
    fn files<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let files = (0..self.0.files.len()).map(|ordinal| ShardFile {
            checkpoint: Arc::clone(&self.0),
            ordinal,
        });
        PyTuple::new(py, files)
    }

    /// How many tensors it has.
    #[getter]
    fn tensors(&self) -> u64 {
        self.0.total().tensors
    }

    /// Logical parameters: packed weights count as what they stand for, scales and buffers not at all.
    #[getter]
    fn parameters(&self) -> u128 {
        self.0.total().parameters
    }

    /// Bytes of tensor data as stored.
    #[getter]
    fn stored_bytes(&self) -> u128 {
        self.0.total().bytes
    }

    /// Length of all files in bytes, headers included.
    #[getter]
    fn file_bytes(&self) -> u128 {
        self.0.file_bytes()
    }

    /// Sums by role, in display order; roles without tensors are left out.
    #[getter]
    fn roles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let roles = self.0.by_role();
        tallies(
            py,
            roles.into_iter().map(|(role, tally)| (role.name(), tally)),
        )
    }

    /// Sums by storage dtype.
    #[getter]
    fn dtypes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        tallies(py, self.0.by_dtype())
    }

    /// Sums by layer, as `model.layers.3`; tensors outside all layers are under `outside`.
    #[getter]
    fn layers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let layers = py.detach(|| self.0.by_layer());
        tallies(
            py,
            layers
                .into_iter()
                .map(|(layer, tally)| (layer.to_string(), tally)),
        )
    }

    /// What is wrong with it, worst first.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        problems(py, &self.0.problems)
    }

    /// What its first file states about itself under `__metadata__`.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let metadata = PyDict::new(py);
        for (key, value) in &self.0.metadata {
            metadata.set_item(key, value)?;
        }
        Ok(metadata)
    }

    /// The model that an adapter was trained for, as its `adapter_config.json` names it.
    #[getter]
    fn base(&self) -> Option<&str> {
        self.0.base.as_deref()
    }

    /// One row per tensor.
    fn table(&self, py: Python<'_>) -> Table {
        Table(Arc::new(py.detach(|| self.0.table())))
    }

    /// The checkpoint as JSON text: an element of `checkpoints` of the schema `pondera.scan/1`.
    ///
    /// Args:
    ///     layers: Whether to give sums by layer too, under `layers`; a large model has hundreds of layers.
    #[pyo3(signature = (*, layers=false))]
    fn to_json(&self, layers: bool) -> String {
        self.0.to_json(Detail { layers })
    }

    /// The checkpoint as a dict: an element of `checkpoints` of the schema `pondera.scan/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.0.to_json(Detail::default()))
    }

    fn __repr__(&self) -> String {
        let total = self.0.total();
        format!(
            "Checkpoint({:?}, parameters={}, stored_bytes={}, tensors={}, shards={}, problems={})",
            self.path().to_string_lossy(),
            total.parameters,
            total.bytes,
            total.tensors,
            self.0.files.len(),
            self.0.problems.len()
        )
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "checkpoint_html")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| *self.0 == *other.get().0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let total = self.0.total();
        (&self.0.path, total.tensors, total.parameters, total.bytes).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        reduce(slf.as_any(), &*slf.get().0)
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        restore(bytes).map(|core| Self(Arc::new(core)))
    }
}

/// All checkpoints at or below a path.
#[pyclass(frozen, module = "pondera")]
pub struct Tree(pub Arc<core::Tree>);

#[pymethods]
impl Tree {
    /// The path that was scanned.
    #[getter]
    fn path(&self) -> &OsStr {
        self.0.path.as_os_str()
    }

    /// The checkpoints in path order.
    #[getter]
    fn checkpoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all = self.0.checkpoints.iter();
        PyTuple::new(
            py,
            all.map(|one| Checkpoint(Arc::clone(one)))
                .collect::<Vec<_>>(),
        )
    }

    /// What was found outside all checkpoints; each checkpoint has its own list.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        problems(py, &self.0.problems)
    }

    /// How many tensors all checkpoints have together.
    #[getter]
    fn tensors(&self) -> u64 {
        self.0.total().tensors
    }

    /// Logical parameters of all checkpoints together.
    #[getter]
    fn parameters(&self) -> u128 {
        self.0.total().parameters
    }

    /// Bytes of tensor data of all checkpoints together, each counted in full.
    #[getter]
    fn stored_bytes(&self) -> u128 {
        self.0.total().bytes
    }

    /// Bytes that the weight files take on disk: a file that several checkpoints link to counts once.
    #[getter]
    fn disk_bytes(&self) -> u128 {
        self.0.disk_bytes()
    }

    /// The whole scan as JSON text, schema `pondera.scan/1`.
    ///
    /// Args:
    ///     layers: Whether to give sums by layer too, under `layers`; a large model has hundreds of layers.
    #[pyo3(signature = (*, layers=false))]
    fn to_json(&self, py: Python<'_>, layers: bool) -> String {
        py.detach(|| self.0.to_json(Detail { layers }))
    }

    /// The whole scan as a dict, schema `pondera.scan/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let text = py.detach(|| self.0.to_json(Detail::default()));
        loads(py, &text)
    }

    fn __len__(&self) -> usize {
        self.0.checkpoints.len()
    }

    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.checkpoints(py)?.as_any().get_item(index)
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.checkpoints(py)?.as_any().try_iter()?.into_any())
    }

    fn __repr__(&self) -> String {
        let total = self.0.total();
        format!(
            "Tree({:?}, checkpoints={}, parameters={}, stored_bytes={})",
            self.path().to_string_lossy(),
            self.0.checkpoints.len(),
            total.parameters,
            total.bytes
        )
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "tree_html")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| *self.0 == *other.get().0)
    }

    fn __hash__(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let total = self.0.total();
        (&self.0.path, total.tensors, total.parameters, total.bytes).hash(&mut hasher);
        hasher.finish()
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        reduce(slf.as_any(), &*slf.get().0)
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        restore(bytes).map(|core| Self(Arc::new(core)))
    }
}

pub fn tallies<'py, K: IntoPyObject<'py>>(
    py: Python<'py>,
    tallies: impl IntoIterator<Item = (K, core::Tally)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (key, tally) in tallies {
        dict.set_item(key, Tally(tally))?;
    }
    Ok(dict)
}

pub fn problems<'py>(py: Python<'py>, problems: &[core::Problem]) -> PyResult<Bound<'py, PyTuple>> {
    PyTuple::new(
        py,
        problems.iter().cloned().map(Problem).collect::<Vec<_>>(),
    )
}

/// The Python object of a JSON text.
pub fn loads<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (text,))
}
