//! Built-in models and plain deployments for the tests of engines.

use super::find;
use crate::deployment::{Deployment, FitError, Options};
use crate::fit::{Fit, fit};
use crate::hardware::{Catalogue, Gpu};
use crate::model::Model;
use crate::subject::Subject;
use serde_json::Value;
use std::sync::Arc;

/// A model of a config.
pub fn of_config(name: &str, config: Value) -> Subject {
    let model = Model::of(name.to_owned(), None, Some(config), None);
    Subject::of(&model).unwrap()
}

/// A built-in model.
pub fn subject(name: &str) -> Subject {
    of_config(
        name,
        crate::model::builtin::find(name).unwrap().config.clone(),
    )
}

/// So many requests of so many tokens on a GPU of 1 TiB, everything else left open.
pub fn asked(engine: &str, context: u64, concurrency: u64) -> Deployment {
    Deployment {
        gpu: Arc::new(Gpu::of_size("any", 1 << 40)),
        engine: find(engine, &mut Vec::new()).unwrap(),
        weights: None,
        cache: None,
        context: Some(context),
        concurrency,
        options: Options::default(),
    }
}

/// The estimate of a built-in model as [`asked`] has it, with something changed.
pub fn changed(
    engine: &str,
    name: &str,
    change: impl FnOnce(&mut Deployment),
) -> Result<Fit, FitError> {
    let mut deployment = asked(engine, 8192, 1);
    change(&mut deployment);
    fit(&subject(name), &deployment)
}

/// Puts a deployment on a GPU of the catalogue.
pub fn put_on(deployment: &mut Deployment, name: &str) {
    deployment.gpu = Arc::new(Catalogue::built_in().find(name).unwrap().gpu);
}
