//! `sweep`, `Sweep` and `fit_many`: many estimates at once.

mod axes;
mod class;
mod columns;
mod place;
mod shown;
mod stream;

pub use class::Sweep;

use crate::checkpoint::threads_or_default;
use crate::errors::PonderaError;
use crate::given::{self, Given, fit_error};
use crate::run::watched;
use crate::table::Table;
use pondera::hardware::{Catalogue, Found};
use pondera::model::Model;
use pondera::subject::Subject;
use pondera::sweep::{self as core, Field, Run, Steps, SweepError, Target, Value, What};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::path::PathBuf;
use std::sync::Arc;

/// The Python exception for a sweep that has no answer.
fn sweep_error(error: SweepError) -> PyErr {
    match error {
        SweepError::Refused(error) => fit_error(error),
        SweepError::Stopped => PyKeyboardInterrupt::new_err(()),
    }
}

/// A model that a sweep is made for, and the model type that was taken for its own.
type Opened = (Arc<Model>, Option<String>);

/// Makes a sweep: `asked` are keywords of `fit`, of which a list is an axis.
#[pyfunction]
#[pyo3(signature = (targets, asked, mind=None, linked=None, assume=None, gpu_file=None, threads=None))]
#[expect(
    clippy::too_many_arguments,
    reason = "one for each thing that may be asked"
)]
pub fn sweep(
    py: Python<'_>,
    targets: Vec<Bound<'_, PyAny>>,
    asked: Bound<'_, PyDict>,
    mind: Option<Bound<'_, PyDict>>,
    linked: Option<Vec<Vec<String>>>,
    assume: Option<String>,
    gpu_file: Option<PathBuf>,
    threads: Option<i64>,
) -> PyResult<Sweep> {
    let threads = threads_or_default(threads)?;
    let (request, axes) = axes::read(&asked, mind.as_ref(), gpu_file)?;
    let models = targets
        .iter()
        .map(|target| given::model(target, assume.clone()))
        .collect::<PyResult<Vec<_>>>()?;
    let linked = linked.unwrap_or_default();
    Sweep::of(py, models, request, axes, linked, threads)
}

/// Whole numbers from one to another at even ratios, each once, both ends included: `count` of them, or one for each
/// doubling if not given.
#[pyfunction]
#[pyo3(signature = (first, last, count=None))]
pub fn grid(first: Given, last: Given, count: Option<Given>) -> PyResult<Vec<u64>> {
    let steps = match count {
        Some(count) => Steps::Even(count.count("count")?),
        None => Steps::Doubling,
    };
    core::series("grid", first.count("first")?, last.count("last")?, steps).map_err(fit_error)
}

/// Estimates of arbitrary deployments of one model, a row each.
#[pyfunction]
#[pyo3(signature = (target, table, asked, columns=None, assume=None, gpu_file=None, threads=None, progress=None))]
#[expect(
    clippy::too_many_arguments,
    reason = "one for each thing that may be asked"
)]
pub fn fit_many(
    py: Python<'_>,
    target: Bound<'_, PyAny>,
    table: Bound<'_, PyAny>,
    asked: Bound<'_, PyDict>,
    columns: Option<Vec<String>>,
    assume: Option<String>,
    gpu_file: Option<PathBuf>,
    threads: Option<i64>,
    progress: Option<Bound<'_, PyAny>>,
) -> PyResult<Table> {
    let threads = threads_or_default(threads)?;
    let given = columns::read(&table, gpu_file.as_ref())?;
    for name in asked.keys() {
        let keyword = axes::what(&name.extract::<String>()?)?;
        if given.iter().any(|(what, _)| *what == keyword) {
            let name = keyword.name();
            return Err(PonderaError::new_err(format!(
                "{name} is a column of the table and a keyword too; leave one of the two out"
            )));
        }
    }
    let gpu = given.iter().find_map(|(what, given)| match given {
        core::Given::Values { values, .. } if *what == What::Gpu => {
            values.first().cloned().or_else(any_gpu)
        }
        _ => None,
    });
    let request = axes::request(&asked, gpu.as_ref(), gpu_file)?;
    let fields = match columns {
        None => Field::ALL.to_vec(),
        Some(names) => names
            .iter()
            .map(|name| Field::named(name).ok_or_else(|| no_field(name)))
            .collect::<PyResult<_>>()?,
    };
    let (model, assume) = given::model(&target, assume)?;
    let subject = subject(py, &model)?;
    let target = Target::new(subject, assume);
    let table = watched(py, progress.as_ref(), |control| {
        let run = Run {
            threads,
            control,
            chunk: None,
        };
        core::fit_many(&target, &request, &given, &fields, run)
    })?
    .map_err(sweep_error)?;
    Ok(Table(Arc::new(table)))
}

/// Stands for the GPU of a column that has no rows.
fn any_gpu() -> Option<Value> {
    let gpu = Catalogue::built_in().iter().next()?.clone();
    let assumed = None;
    Some(Value::Gpu(Box::new(Found { gpu, assumed })))
}

fn no_field(name: &str) -> PyErr {
    let known: Vec<_> = Field::ALL.iter().map(|field| field.name()).collect();
    PonderaError::new_err(format!(
        "{name:?} is no column of results; there are {}",
        known.join(", ")
    ))
}

fn subject(py: Python<'_>, model: &Model) -> PyResult<Arc<Subject>> {
    py.detach(|| Subject::of(model))
        .map(Arc::new)
        .map_err(fit_error)
}
