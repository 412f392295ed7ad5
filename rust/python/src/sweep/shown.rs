//! Values of axes as Python has them.

use crate::checkpoint::loads;
use pondera::sweep::Value;
use pyo3::prelude::*;

/// A value of an axis as Python has it.
pub fn shown<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    Ok(match value {
        Value::Open => py.None().into_bound(py),
        Value::Count(count) => count.into_pyobject(py)?.into_any(),
        Value::Flag(flag) => flag.into_pyobject(py)?.to_owned().into_any(),
        Value::Share(share) => (f64::from(share.0) / 1e6).into_pyobject(py)?.into_any(),
        Value::Json(text) => loads(py, text)?,
        Value::Gpu(_) | Value::Text(_) => value.to_string().into_pyobject(py)?.into_any(),
    })
}

/// A value that can be the key of a dict.
pub fn key<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    let value_shown = shown(py, value)?;
    match value_shown.hash() {
        Ok(_) => Ok(value_shown),
        Err(_) => Ok(value.to_string().into_pyobject(py)?.into_any()),
    }
}
