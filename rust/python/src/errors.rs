//! Errors of the core as Python exceptions: one tree under `PonderaError`, and Python's own `OSError` where the
//! operating system is what refused.

use pondera::checkpoint::ScanError;
use pondera::hardware::CatalogueError;
use pondera::model::ModelError;
use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyFileNotFoundError, PyKeyboardInterrupt, PyOSError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::io;
use std::path::Path;

create_exception!(
    pondera,
    PonderaError,
    PyException,
    "Base of all errors that pondera raises for bad input."
);
create_exception!(
    pondera,
    NoCheckpoint,
    PonderaError,
    "There are no safetensors at or below the path, or the file is of another kind."
);
create_exception!(
    pondera,
    SeveralCheckpoints,
    PonderaError,
    "The path holds several checkpoints where one was asked for; `paths` names them."
);

/// `ENOENT`, which has this number everywhere.
const NOT_FOUND: i32 = 2;

/// Python's own error for what the system said of a path: its class follows from the number.
fn os_error(number: i32, reason: &str, path: &Path) -> PyErr {
    PyOSError::new_err((number, reason.to_owned(), path.as_os_str().to_owned()))
}

/// What the system says for an error number, as Python words it.
fn reason(py: Python<'_>, number: i32) -> PyResult<String> {
    py.import("os")?
        .call_method1("strerror", (number,))?
        .extract()
}

/// The Python exception for a file that the system would not give; a message where the system has no number for it.
fn unreadable(py: Python<'_>, path: &Path, error: &io::Error, message: String) -> PyErr {
    match error.raw_os_error() {
        Some(number) => match reason(py, number) {
            Ok(reason) => os_error(number, &reason, path),
            Err(other) => other,
        },
        None => PyOSError::new_err(message),
    }
}

/// The Python exception for a file that is no catalogue of GPUs.
pub fn catalogue_error(py: Python<'_>, error: CatalogueError) -> PyErr {
    let message = error.to_string();
    match error {
        CatalogueError::Unreadable(path, error) => unreadable(py, &path, &error, message),
        CatalogueError::Malformed { .. } | CatalogueError::Row { .. } => {
            PonderaError::new_err(message)
        }
    }
}

/// The Python exception for a scan that gave nothing.
pub fn scan_error(py: Python<'_>, error: ScanError) -> PyErr {
    let message = error.to_string();
    match error {
        ScanError::NotFound(path) => os_error(NOT_FOUND, "no such file or folder", &path),
        ScanError::Unreadable(path, error) => unreadable(py, &path, &error, message),
        ScanError::NotAModelFile(_) | ScanError::Nothing(..) => NoCheckpoint::new_err(message),
        ScanError::Several(_, found) => {
            let error = SeveralCheckpoints::new_err(message);
            let paths = found.iter().map(|path| path.as_os_str());
            match PyTuple::new(py, paths.collect::<Vec<_>>())
                .and_then(|paths| error.value(py).setattr("paths", paths))
            {
                Ok(()) => error,
                Err(other) => other,
            }
        }
        ScanError::Cancelled => PyKeyboardInterrupt::new_err(()),
    }
}

/// The Python exception for a target that gave nothing.
pub fn model_error(py: Python<'_>, error: ModelError) -> PyErr {
    let message = error.to_string();
    match error {
        ModelError::Scan(error) => scan_error(py, error),
        ModelError::Nothing(_) => NoCheckpoint::new_err(message),
        ModelError::Config(..) => PonderaError::new_err(message),
        ModelError::Unknown(..) => PyFileNotFoundError::new_err(message),
    }
}
