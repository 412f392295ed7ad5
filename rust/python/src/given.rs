//! Arguments as people give them: whole numbers or texts such as `32k` and `10GiB`, ratios, GPUs and models.

use crate::architecture::{Architecture, Model, to_value};
use crate::checkpoint::Checkpoint;
use crate::errors::{PonderaError, model_error};
use crate::hardware::{self, Gpu};
use crate::run::watched;
use pondera::deployment::{FitError, Share};
use pondera::hardware::Found;
use pondera::model;
use pondera::parallel::default_threads;
use pondera::request;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyString};
use std::path::PathBuf;
use std::sync::Arc;

/// The Python exception for a deployment that cannot be.
pub fn fit_error(error: FitError) -> PyErr {
    PonderaError::new_err(error.message)
}

/// A number as it was given: whole, or in words for the core to read. What is wrong is said by who knows the field.
pub enum Given {
    /// A whole number.
    Whole(u64),
    /// A text such as `32k`, or a whole number beyond 64 bits or below 0.
    Text(String),
    /// Something of this type, which is no number.
    Wrong(String),
    /// A whole number that Python refuses to write out.
    Endless,
}

impl<'py> FromPyObject<'_, 'py> for Given {
    type Error = PyErr;

    fn extract(value: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if value.is_instance_of::<PyString>() {
            return Ok(Self::Text(value.extract()?));
        }
        if value.is_instance_of::<PyBool>() || !value.hasattr("__index__")? {
            return Ok(Self::Wrong(value.get_type().name()?.extract()?));
        }
        // Arrays have the method, and refuse.
        let Ok(number) = value.call_method0("__index__") else {
            return Ok(Self::Wrong(value.get_type().name()?.extract()?));
        };
        if let Ok(number) = number.extract() {
            return Ok(Self::Whole(number));
        }
        match number.str() {
            Ok(text) => Ok(Self::Text(text.extract()?)),
            Err(_) => Ok(Self::Endless),
        }
    }
}

impl Given {
    /// As a count.
    pub fn count(self, field: &str) -> PyResult<u64> {
        self.read(field, "32k", request::count)
    }

    /// As a size in bytes.
    pub fn bytes(self, field: &str) -> PyResult<u64> {
        self.read(field, "10GiB", request::bytes)
    }

    fn read(
        self,
        field: &str,
        example: &str,
        parse: fn(&str, &str) -> Result<u64, FitError>,
    ) -> PyResult<u64> {
        match self {
            Self::Whole(number) => Ok(number),
            Self::Text(text) => parse(field, &text).map_err(fit_error),
            Self::Wrong(kind) => Err(PyTypeError::new_err(format!(
                "{field} must be a whole number or a text such as '{example}', not {kind}"
            ))),
            Self::Endless => Err(PonderaError::new_err(format!(
                "{field} has thousands of digits, which cannot be counted; write less"
            ))),
        }
    }
}

/// A ratio that may be left out.
pub fn share(field: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Share>> {
    value
        .map(|value| {
            if value.is_instance_of::<PyBool>() {
                let kind = value.get_type().name()?;
                return Err(PyTypeError::new_err(format!(
                    "{field} must be a number above 0 and at most 1, not {kind}"
                )));
            }
            let ratio = value.cast::<PyFloat>().map(|float| float.extract::<f64>());
            let ratio = ratio.unwrap_or_else(|_| value.extract()).map_err(|_| {
                PyTypeError::new_err(format!(
                    "{field} must be a number above 0 and at most 1, such as 0.9"
                ))
            })?;
            request::share(field, ratio).map_err(fit_error)
        })
        .transpose()
}

/// The GPU of a name or a size of memory, with a user's file over the catalogue if one is named; or a GPU that was
/// looked up before.
pub fn gpu(value: &Bound<'_, PyAny>, file: Option<PathBuf>) -> PyResult<Found> {
    if let Ok(gpu) = value.cast::<Gpu>() {
        return Ok(gpu.get().0.clone());
    }
    let Ok(name) = value.extract::<String>() else {
        let kind = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "gpu must be the name of a GPU, a size of memory such as '24GiB' or a Gpu, not {kind}"
        )));
    };
    hardware::find(value.py(), &name, file)
}

/// The model of a target: a folder, a config.json, a mapping, a built-in name, or what was read from one of them.
pub fn model(
    target: &Bound<'_, PyAny>,
    assume: Option<String>,
) -> PyResult<(Arc<model::Model>, Option<String>)> {
    let py = target.py();
    if let Ok(model) = target.cast::<Model>() {
        let Model(core, own) = model.get();
        return Ok((Arc::clone(core), own.clone()));
    }
    if let Ok(architecture) = target.cast::<Architecture>() {
        let architecture = architecture.get();
        return Ok((Arc::new(architecture.model()), architecture.assume.clone()));
    }
    if let Ok(checkpoint) = target.cast::<Checkpoint>() {
        let body = Arc::clone(&checkpoint.get().0);
        let core = py
            .detach(|| model::Model::of_checkpoint(body, assume.as_deref()))
            .map_err(|error| model_error(py, error))?;
        return Ok((Arc::new(core), assume));
    }
    if target.hasattr("keys")? {
        let architecture = Architecture::derive(to_value(target)?, assume.clone())?;
        return Ok((Arc::new(architecture.model()), assume));
    }
    open(target, assume, default_threads())
}

/// The model of a path or a name: of the Hub if it can be a repo's name and no such path is here.
pub fn open(
    target: &Bound<'_, PyAny>,
    assume: Option<String>,
    threads: usize,
) -> PyResult<(Arc<model::Model>, Option<String>)> {
    let py = target.py();
    if let Some(found) = of_hub(target, assume.as_deref())? {
        let Model(core, own) = found.get();
        return Ok((Arc::clone(core), own.clone()));
    }
    let path: PathBuf = target.extract().map_err(|_| {
        PyTypeError::new_err(
            "the target must be a path, the name of a built-in model, a repo of the Hub, a config as a mapping, a \
             Checkpoint, an Architecture or a Model",
        )
    })?;
    let path = path.to_string_lossy();
    let core = watched(py, None, |control| {
        model::Model::open(&path, assume.as_deref(), threads, control)
    })?
    .map_err(|error| model_error(py, error))?;
    Ok((Arc::new(core), assume))
}

/// The model of a repo, if the target names one. The network is the business of Python, which is not asked for what
/// cannot be a repo's name.
fn of_hub<'py>(
    target: &Bound<'py, PyAny>,
    assume: Option<&str>,
) -> PyResult<Option<Bound<'py, Model>>> {
    let Ok(text) = target.cast::<PyString>() else {
        return Ok(None);
    };
    if !text.to_string_lossy().contains('/') {
        return Ok(None);
    }
    let found = target
        .py()
        .import("pondera._hub")?
        .call_method1("model_of", (text, assume))?;
    if found.is_none() {
        return Ok(None);
    }
    Ok(Some(found.cast_into::<Model>()?))
}
