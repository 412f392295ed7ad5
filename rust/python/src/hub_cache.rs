//! `scan_cache` and what it returns: the cache of the Hub on this machine.

use crate::checkpoint::{
    Checkpoint, loads, not_empty, problems, reduce, restore, tallies, threads_or_default,
};
use crate::errors::scan_error;
use crate::run::watched;
use pondera::checkpoint as core;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

/// Scan every model of a cache that `huggingface_hub` keeps.
///
/// Args:
///     path: Its folder.
///     threads: Number of threads to read with; one per core if not given.
///     progress: Called as by `scan_tree`.
///
/// Returns:
///     Its repositories of models, with what each revision weighs and takes on disk.
///
/// Raises:
///     FileNotFoundError: There is no such folder.
///     OSError: The folder cannot be looked at.
///     ValueError: The path is empty, or `threads` is less than 1.
#[pyfunction]
#[pyo3(signature = (path, *, threads=None, progress=None))]
pub fn scan_cache(
    py: Python<'_>,
    path: PathBuf,
    threads: Option<i64>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<HubCache> {
    not_empty(&path)?;
    let threads = threads_or_default(threads)?;
    watched(py, progress.as_ref(), |control| {
        core::HubCache::scan(&path, threads, control)
    })?
    .map(|core| HubCache(Arc::new(core)))
    .map_err(|error| scan_error(py, error))
}

/// The cache that `huggingface_hub` keeps for a user.
#[pyclass(frozen, eq, module = "pondera")]
#[derive(PartialEq, Eq)]
pub struct HubCache(Arc<core::HubCache>);

#[pymethods]
impl HubCache {
    /// Its folder.
    #[getter]
    fn path(&self) -> &OsStr {
        self.0.path.as_os_str()
    }

    /// Its repositories of models, by name.
    #[getter]
    fn repos<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let repos = (0..self.0.repos.len()).map(|repo| CachedRepo {
            cache: Arc::clone(&self.0),
            repo,
        });
        PyTuple::new(py, repos)
    }

    /// Length of all files of all repositories in bytes, each counted once.
    #[getter]
    fn disk_bytes(&self) -> u128 {
        self.0.disk_bytes()
    }

    /// What was found outside all checkpoints; each checkpoint has its own list.
    #[getter]
    fn problems<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        problems(py, &self.0.problems)
    }

    /// The whole cache as JSON text, schema `pondera.cache/1`.
    fn to_json(&self, py: Python<'_>) -> String {
        py.detach(|| self.0.to_json())
    }

    /// The whole cache as a dict, schema `pondera.cache/1`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.to_json(py))
    }

    fn __repr__(&self) -> String {
        format!(
            "HubCache({:?}, repos={}, disk_bytes={})",
            self.path().to_string_lossy(),
            self.0.repos.len(),
            self.disk_bytes()
        )
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

/// A repository as far as it is in the cache.
#[pyclass(frozen, module = "pondera._native")]
pub struct CachedRepo {
    cache: Arc<core::HubCache>,
    repo: usize,
}

impl CachedRepo {
    fn core(&self) -> &core::CachedRepo {
        &self.cache.repos[self.repo]
    }
}

#[pymethods]
impl CachedRepo {
    /// As `org/name`.
    #[getter]
    fn name(&self) -> &str {
        &self.core().name
    }

    /// Its folder.
    #[getter]
    fn path(&self) -> &OsStr {
        self.core().path.as_os_str()
    }

    /// Its revisions, by commit.
    #[getter]
    fn revisions<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let revisions = (0..self.core().revisions.len()).map(|revision| CachedRevision {
            cache: Arc::clone(&self.cache),
            repo: self.repo,
            revision,
        });
        PyTuple::new(py, revisions)
    }

    /// Length of all its files in bytes, each counted once.
    #[getter]
    fn disk_bytes(&self) -> u128 {
        self.core().disk_bytes
    }

    /// Files of which only a part has come: where the part is, and its length in bytes.
    #[getter]
    fn incomplete(&self) -> Vec<(&OsStr, u64)> {
        let parts = self.core().incomplete.iter();
        parts
            .map(|part| (part.path.as_os_str(), part.bytes))
            .collect()
    }

    fn __repr__(&self) -> String {
        format!(
            "CachedRepo({:?}, revisions={}, disk_bytes={})",
            self.name(),
            self.core().revisions.len(),
            self.disk_bytes()
        )
    }
}

/// A revision of a repository in the cache.
#[pyclass(frozen, module = "pondera._native")]
pub struct CachedRevision {
    cache: Arc<core::HubCache>,
    repo: usize,
    revision: usize,
}

impl CachedRevision {
    fn core(&self) -> &core::CachedRevision {
        &self.cache.repos[self.repo].revisions[self.revision]
    }
}

#[pymethods]
impl CachedRevision {
    /// The commit.
    #[getter]
    fn commit(&self) -> &str {
        &self.core().commit
    }

    /// The branches and tags that it was known by when it was last asked for.
    #[getter]
    fn refs<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.core().refs)
    }

    /// The models in it.
    #[getter]
    fn checkpoints<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let all = self.core().checkpoints.iter();
        PyTuple::new(
            py,
            all.map(|one| Checkpoint(Arc::clone(one)))
                .collect::<Vec<_>>(),
        )
    }

    /// Logical parameters of all its models together.
    #[getter]
    fn parameters(&self) -> u128 {
        self.core().total().parameters
    }

    /// Bytes of tensor data of all its models together, each counted in full.
    #[getter]
    fn stored_bytes(&self) -> u128 {
        self.core().total().bytes
    }

    /// Sums by role over all its models, in display order; roles without tensors are left out.
    #[getter]
    fn roles<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let roles = self.core().by_role();
        tallies(
            py,
            roles.into_iter().map(|(role, tally)| (role.name(), tally)),
        )
    }

    /// Length of all its files in bytes, each counted once.
    #[getter]
    fn disk_bytes(&self) -> u128 {
        self.core().disk_bytes
    }

    /// Length in bytes of those files that no other revision of the repository has: what its removal would free.
    #[getter]
    fn own_bytes(&self) -> u128 {
        self.core().own_bytes
    }

    fn __repr__(&self) -> String {
        format!(
            "CachedRevision({:?}, refs={:?}, disk_bytes={})",
            self.commit(),
            self.core().refs,
            self.disk_bytes()
        )
    }
}
