//! `HubScan`: a scan of files that lie elsewhere. The network is the business of Python; this says what to fetch.

use crate::architecture::Model;
use crate::checkpoint::{Checkpoint, Tree, threads_or_default};
use crate::errors::{PonderaError, model_error, scan_error};
use crate::run::watched;
use pondera::parallel::Control;
use pondera::remote::Remote;
use pondera::source::{ListedError, Want};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A scan of files that lie elsewhere: known by name and length, and given as far as they are wanted.
///
/// Ask `wanted()` what to fetch and `give()` it, until nothing is wanted. Then `checkpoint()`, `tree()` and `model()`
/// are what a scan of the same files on this machine gives, problems and all.
///
/// Args:
///     root: What the files are below, as it stands in paths of the answer: `hf://org/name@revision`.
///     files: Name, with `/` between folders, and length of every file.
///     path: A folder or file among them to scan; all if not given.
///     tree: Whether every model at the path is wanted, for `tree()`, and not one, for `checkpoint()` and `model()`.
///
/// Raises:
///     PonderaError: A name is no path below the root, or stands twice with different lengths.
#[pyclass(frozen, module = "pondera._native")]
pub struct HubScan(Mutex<Remote>);

fn listed_error(error: ListedError) -> PyErr {
    PonderaError::new_err(error.to_string())
}

impl HubScan {
    fn lock(&self) -> MutexGuard<'_, Remote> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer of `work`, unless it lacks something.
    fn answer<R: Send>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(&Remote, &Control) -> R + Send,
    ) -> PyResult<R> {
        let (answer, lacking) = watched(py, progress, |control| {
            let remote = self.lock();
            remote.lacking();
            let answer = work(&remote, control);
            (answer, remote.lacking())
        })?;
        match lacking.first() {
            None => Ok(answer),
            Some(want) => Err(PonderaError::new_err(format!(
                "{}: bytes {} to {} are wanted and were not given",
                want.file, want.start, want.end
            ))),
        }
    }
}

#[pymethods]
impl HubScan {
    #[new]
    #[pyo3(signature = (root, files, *, path="", tree=false))]
    fn new(root: &str, files: Vec<(String, u64)>, path: &str, tree: bool) -> PyResult<Self> {
        Remote::new(root, files, path, tree)
            .map(|remote| Self(Mutex::new(remote)))
            .map_err(listed_error)
    }

    /// What must be given before there is an answer: file, first byte, the byte behind the last one, and what it is for.
    ///
    /// Empty if nothing is. A range begins where what was given of its file ends; what it is for is `config` or `index`
    /// (the whole file), `header` (enough for most headers) or `header-rest`. The first call asks for all that most
    /// repositories need.
    #[pyo3(signature = (*, threads=None))]
    fn wanted(
        &self,
        py: Python<'_>,
        threads: Option<i64>,
    ) -> PyResult<Vec<(String, u64, u64, &'static str)>> {
        let threads = threads_or_default(threads)?;
        let wanted = watched(py, None, |control| self.lock().wanted(threads, control))?
            .map_err(|error| scan_error(py, error))?;
        let row = |want: Want| (want.file, want.start, want.end, want.why.name());
        Ok(wanted.into_iter().map(row).collect())
    }

    /// Enter bytes of a file that begin at `start`, where what was given of it before ends.
    ///
    /// Any number of them: less than was wanted is wanted again from there, and a whole file or header may be given
    /// unasked. Of a weight file nothing is kept behind its header.
    ///
    /// Raises:
    ///     PonderaError: The file is not in the list, is shorter, or lacks bytes before these.
    fn give(&self, py: Python<'_>, file: &str, start: u64, data: PyBackedBytes) -> PyResult<()> {
        py.detach(|| self.lock().give(file, start, &data))
            .map_err(listed_error)
    }

    /// Note that nothing more can be had of a file, and why; it counts as `file-unreadable`, as on this machine.
    fn refuse(&self, py: Python<'_>, file: &str, why: String) -> PyResult<()> {
        py.detach(|| self.lock().refuse(file, why))
            .map_err(listed_error)
    }

    /// What was given of a file: of a weight file no more than the length field and the header.
    fn held<'py>(&self, py: Python<'py>, file: &str) -> Option<Bound<'py, PyBytes>> {
        let held = py.detach(|| self.lock().held(file).map(<[u8]>::to_vec))?;
        Some(PyBytes::new(py, &held))
    }

    /// The one checkpoint at the path, as `scan` gives it; what it raises is the same.
    #[pyo3(signature = (*, threads=None))]
    fn checkpoint(&self, py: Python<'_>, threads: Option<i64>) -> PyResult<Checkpoint> {
        let threads = threads_or_default(threads)?;
        self.answer(py, None, |remote, control| {
            remote.checkpoint(threads, control)
        })?
        .map(|core| Checkpoint(Arc::new(core)))
        .map_err(|error| scan_error(py, error))
    }

    /// Every checkpoint at or below the path, as `scan_tree` gives them; what it raises is the same.
    #[pyo3(signature = (*, threads=None))]
    fn tree(&self, py: Python<'_>, threads: Option<i64>) -> PyResult<Tree> {
        let threads = threads_or_default(threads)?;
        self.answer(py, None, |remote, control| remote.tree(threads, control))?
            .map(|core| Tree(Arc::new(core)))
            .map_err(|error| scan_error(py, error))
    }

    /// The model at the path, as `Model.open` gives it; what it raises is the same.
    #[pyo3(signature = (*, assume=None, threads=None))]
    fn model(
        &self,
        py: Python<'_>,
        assume: Option<String>,
        threads: Option<i64>,
    ) -> PyResult<Model> {
        let threads = threads_or_default(threads)?;
        self.answer(py, None, |remote, control| {
            remote.model(assume.as_deref(), threads, control)
        })?
        .map(|core| Model(Arc::new(core), assume.clone()))
        .map_err(|error| model_error(py, error))
    }
}
