//! Models side by side.

use crate::architecture::WhatIf;
use crate::errors::PonderaError;
use crate::fit::Fit;
use crate::given;
use pondera::compare::{Comparison, Entry, Placed, Tried};
use pyo3::prelude::*;
use std::sync::Arc;

/// A model on a GPU: the estimate, or why there is none.
#[derive(FromPyObject)]
pub enum Attempt {
    Fit(Py<Fit>),
    Why(String),
}

impl Attempt {
    fn placed(self) -> Result<Placed, String> {
        match self {
            Self::Fit(fit) => {
                let fit = fit.get();
                Ok(Placed {
                    subject: Arc::clone(&fit.subject),
                    fit: fit.core.clone(),
                })
            }
            Self::Why(why) => Err(why),
        }
    }
}

/// What models have in common and in what they differ, as JSON text of the schema `pondera.compare/1`.
///
/// `variants` has for each target what was changed where it is the first with another mind, and `tried` for each GPU the
/// estimate of each target.
#[pyfunction]
#[pyo3(signature = (targets, variants, tried, assume=None))]
pub fn compare_facts(
    py: Python<'_>,
    targets: Vec<Bound<'_, PyAny>>,
    variants: Vec<Option<Py<WhatIf>>>,
    tried: Vec<(String, Vec<Attempt>)>,
    assume: Option<String>,
) -> PyResult<String> {
    let entries = targets
        .iter()
        .zip(variants)
        .map(|(target, variant)| {
            let (model, assume) = given::model(target, assume.clone())?;
            Ok(Entry {
                model,
                assume,
                variant: variant.map(|what_if| Arc::clone(&what_if.get().core)),
            })
        })
        .collect::<PyResult<Vec<_>>>()?;
    let tried: Vec<Tried> = tried
        .into_iter()
        .map(|(gpu, fits)| Tried {
            gpu,
            fits: fits.into_iter().map(Attempt::placed).collect(),
        })
        .collect();
    py.detach(|| Comparison::of(&entries, &tried).map(|comparison| comparison.to_json()))
        .map_err(|error| PonderaError::new_err(error.to_string()))
}
