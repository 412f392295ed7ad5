//! `max_context`, `max_concurrency`, `min_gpus`, `best_quantization` and `cheapest_gpu`: what a search finds from an
//! estimate.

use crate::checkpoint::loads;
use crate::errors::PonderaError;
use crate::fit::{Asked, Fit, Source};
use crate::given::{Given, fit_error};
use crate::hardware;
use pondera::deployment::{Deployment, FitError};
use pondera::fit as core;
use pondera::hardware::Catalogue;
use pondera::solve::{self, Bound as Limit, Memory, Offer, Precision, Prices};
use pondera::subject::Subject;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::{Value, json};
use std::path::PathBuf;

/// What a search found: the best that fits, with its estimate and what stops the next one.
#[pyclass(frozen, module = "pondera")]
pub struct Answer {
    value: Value,
    memory: Option<Memory>,
    binds: Limit,
    fit: Py<Fit>,
}

#[pymethods]
impl Answer {
    /// Tokens, requests or GPUs, or the name of the scheme; None if nothing fits.
    #[getter]
    fn value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        loads(py, &self.value.to_string())
    }

    /// Whether anything fits.
    #[getter]
    const fn found(&self) -> bool {
        !matches!(self.value, Value::Null)
    }

    /// The estimate there; if nothing fits, the one that came closest.
    #[getter]
    fn fit(&self, py: Python<'_>) -> Py<Fit> {
        self.fit.clone_ref(py)
    }

    /// What stops the next one: a component, `model_context`, `sequences`, `refused`, ...
    #[getter]
    const fn binds(&self) -> &'static str {
        self.binds.name()
    }

    /// The same in words.
    #[getter]
    fn limit(&self) -> String {
        self.binds.to_string()
    }

    /// How many memory alone would hold, where something else stops first; None if that is not known or has no end.
    #[getter]
    const fn memory_holds(&self) -> Option<u64> {
        match self.memory {
            Some(Memory::Holds(number)) => Some(number),
            _ => None,
        }
    }

    /// The answer as a dict: `value`, `found`, `binds`, `limit`, `memory_holds` and `fit`.
    fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let shown = PyDict::new(py);
        shown.set_item("value", self.value(py)?)?;
        shown.set_item("found", self.found())?;
        shown.set_item("binds", self.binds())?;
        shown.set_item("limit", self.limit())?;
        shown.set_item("memory_holds", self.memory_holds())?;
        shown.set_item("fit", self.fit.bind(py).call_method0("to_dict")?)?;
        Ok(shown)
    }

    fn __repr__(&self) -> String {
        let value = match &self.value {
            Value::Null => "None".to_owned(),
            other => other.to_string(),
        };
        format!("Answer(value={value}, binds={:?})", self.binds())
    }
}

impl Answer {
    fn of(
        py: Python<'_>,
        from: &Asked,
        value: Value,
        memory: Option<Memory>,
        binds: Limit,
        at: &core::Fit,
    ) -> PyResult<Self> {
        let fit = Py::new(py, from.changed(py, &at.deployment)?)?;
        Ok(Self {
            value,
            memory,
            binds,
            fit,
        })
    }

    fn of_search(
        py: Python<'_>,
        from: &Asked,
        search: impl Fn(&Subject, &Deployment) -> Result<solve::Answer, FitError> + Send + Sync,
    ) -> PyResult<Self> {
        let answer = py
            .detach(|| search(&from.subject, &from.deployment))
            .map_err(fit_error)?;
        let limit = answer.limit();
        Self::of(
            py,
            from,
            limit.map_or(Value::Null, |limit| limit.value.into()),
            limit.map(|limit| limit.memory),
            answer.binds().clone(),
            answer.fit(),
        )
    }
}

/// The longest context with which an estimate fits, exact to the token.
#[pyfunction]
pub fn max_context(py: Python<'_>, fit: Source) -> PyResult<Answer> {
    Answer::of_search(py, &fit.asked(), solve::max_context)
}

/// The most requests at one time with which an estimate fits.
#[pyfunction]
pub fn max_concurrency(py: Python<'_>, fit: Source) -> PyResult<Answer> {
    Answer::of_search(py, &fit.asked(), solve::max_concurrency)
}

/// The fewest GPUs on which an estimate fits, and how to lay it out on them.
#[pyfunction]
#[pyo3(signature = (fit, most=None))]
pub fn min_gpus(py: Python<'_>, fit: Source, most: Option<Given>) -> PyResult<Answer> {
    let most = most.map(|most| most.count("most")).transpose()?;
    let most = most.unwrap_or(solve::MOST_GPUS);
    Answer::of_search(py, &fit.asked(), move |subject, deployment| {
        solve::min_gpus(subject, deployment, most)
    })
}

/// The scheme of the least loss of precision with which an estimate fits.
#[pyfunction]
pub fn best_quantization(py: Python<'_>, fit: Source) -> PyResult<Answer> {
    let fit = fit.asked();
    let found = py
        .detach(|| solve::best_quantization(&fit.subject, &fit.deployment))
        .map_err(fit_error)?;
    match found {
        Precision::Found {
            scheme,
            fit: at,
            binds,
        } => {
            let name = scheme.map_or_else(|| fit.subject.label.clone(), |one| one.name.clone());
            Answer::of(py, &fit, name.into(), None, binds, &at)
        }
        Precision::Nothing(nothing) => Answer::of(
            py,
            &fit,
            Value::Null,
            None,
            nothing.binds.clone(),
            &nothing.fit,
        ),
    }
}

/// What an estimate takes of every GPU of a price file, the cheapest first.
#[pyfunction]
#[pyo3(signature = (fit, prices, most=None, gpu_file=None))]
pub fn cheapest_gpu(
    py: Python<'_>,
    fit: Source,
    prices: PathBuf,
    most: Option<Given>,
    gpu_file: Option<PathBuf>,
) -> PyResult<Bound<'_, PyAny>> {
    let catalogue = hardware::catalogue(py, gpu_file)?;
    let prices = Prices::read(&prices, &catalogue)
        .map_err(|error| PonderaError::new_err(error.to_string()))?;
    let most = most.map(|most| most.count("most")).transpose()?;
    let most = most.unwrap_or(solve::MOST_GPUS);
    let fit = fit.asked();
    let offers = py.detach(|| solve::cheapest_gpu(&fit.subject, &fit.deployment, &prices, most));
    let shown: Vec<Value> = offers.iter().map(offer).collect();
    loads(py, &Value::from(shown).to_string())
}

fn offer(offer: &Offer) -> Value {
    let limit = offer.answer.as_ref().ok().and_then(solve::Answer::limit);
    let why = match &offer.answer {
        Ok(answer) => answer.binds().to_string(),
        Err(error) => error.to_string(),
    };
    json!({
        "gpu": offer.gpu.name,
        "gpus": limit.map(|limit| limit.value),
        "assumed": offer.assumed,
        "each": offer.each.to_string(),
        "price": offer.total().map(|total| total.to_string()),
        "parallel": limit.map(|limit| limit.fit.deployment.options.parallel),
        "limit": why,
    })
}

/// What would fit, as JSON text.
pub fn alternatives(fit: &Fit) -> String {
    let found = solve::nearest(&fit.subject, &fit.core.deployment, Catalogue::built_in());
    let shown: Vec<Value> = found
        .iter()
        .map(|one| {
            json!({
                "change": one.change.name(),
                "value": one.change.value(),
                "words": one.change.to_string(),
                "gpu": one.fit.deployment.gpu.name,
                "gpus": one.fit.gpus,
                "parallel": one.fit.deployment.options.parallel,
                "total": one.fit.on_fullest().total(),
                "usable": one.fit.usable,
                "headroom": i64::try_from(one.fit.headroom).unwrap_or(i64::MAX),
            })
        })
        .collect();
    Value::from(shown).to_string()
}
