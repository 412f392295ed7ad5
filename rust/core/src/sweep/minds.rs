//! The models of a sweep: its targets, each as it is or with fields of its config changed.

use super::axis::{Axis, Value, What};
use super::grid::Digit;
use crate::architecture::{Architecture, is_known, near};
use crate::deployment::{FitError, Reason};
use crate::memory::body;
use crate::model::Model;
use crate::quantization::scheme::Scheme;
use crate::subject::Subject;
use serde_json::Value as Json;
use std::sync::Arc;

/// A model that a sweep is made for.
#[derive(Clone, Debug)]
pub struct Target {
    /// The model.
    pub subject: Arc<Subject>,
    /// The model type that was taken where the config's own is not known.
    pub assume: Option<String>,
    /// Whether its weights are those that the config plans, and not those of a checkpoint.
    is_planned: bool,
}

impl Target {
    /// A model, with the model type that was taken for its own, if one was.
    #[must_use]
    pub fn new(subject: Arc<Subject>, assume: Option<String>) -> Self {
        let scheme = Scheme::of_config(&subject.config, &subject.architecture, &mut Vec::new());
        let is_planned = scheme
            .is_ok_and(|scheme| *subject.stored == body::planned(&subject.architecture, &scheme));
        Self {
            subject,
            assume,
            is_planned,
        }
    }

    /// The model with fields of its config changed: derived anew, with the weights that the config then plans. A
    /// checkpoint's weights stay where names and shapes of all tensors do.
    ///
    /// # Errors
    /// If the config cannot be derived so.
    pub fn with(&self, fields: &[(String, Json)]) -> Result<Arc<Subject>, FitError> {
        let before = &*self.subject;
        if fields.is_empty() {
            return Ok(Arc::clone(&self.subject));
        }
        let refuse = |error: &dyn std::fmt::Display| {
            FitError::new(Reason::Model, format!("{}: {error}", before.name))
        };
        let config = before
            .architecture
            .changed(&before.config, fields)
            .map_err(|error| refuse(&error))?;
        let name = fields
            .iter()
            .fold(before.name.clone(), |name, (field, value)| {
                format!("{name} {field}={value}")
            });
        let config = Arc::new(config);
        let architecture =
            Architecture::without_fields(Arc::clone(&config), self.assume.as_deref()).map(Arc::new);
        let subject = Subject::of(&Model {
            name,
            checkpoint: None,
            config: Some(config),
            processor: before.processor.clone(),
            architecture,
            disagreements: Vec::new(),
        })?;
        if !self.is_planned && before.architecture.has_body_of(&subject.architecture) {
            return Ok(Arc::new(Subject {
                stored: Arc::clone(&before.stored),
                storage: before.storage.clone(),
                label: before.label.clone(),
                notes: before.notes.clone(),
                warnings: before.warnings.clone(),
                ..subject
            }));
        }
        Ok(Arc::new(subject))
    }
}

/// The fields of configs that axes vary, each with its first value.
pub(super) fn first_of(all: &[Axis]) -> Vec<(String, Json)> {
    let field = |axis: &Axis| match (&axis.what, axis.values.first()) {
        (What::Mind(name), Some(Value::Json(text))) => {
            Some((name.clone(), serde_json::from_str(text).unwrap_or_default()))
        }
        _ => None,
    };
    all.iter().filter_map(field).collect()
}

/// Whether no field that a sweep varies has a slip of the pen in its name: it is in the config of some target, or is read
/// where it is set, or is like no other.
///
/// # Errors
/// If one has.
pub(super) fn check_fields(targets: &[Target], fields: &[(String, Json)]) -> Result<(), FitError> {
    let mut slips: Vec<Option<String>> = vec![None; fields.len()];
    let mut settled = vec![false; fields.len()];
    for target in targets {
        let before = &target.subject;
        let derive = |config| Architecture::from_config(config, target.assume.as_deref());
        let changed = before.architecture.changed(&before.config, fields);
        // What cannot be derived is told point by point.
        let Ok(after) = changed.and_then(derive) else {
            return Ok(());
        };
        for (at, (name, _)) in fields.iter().enumerate() {
            settled[at] |= is_known(name, &[&after], &before.config);
            // A field that nothing reads is inert, as it is for a what-if; one that is nearly another is a slip.
            if let Some(known) = near(name, &[&after], &before.config) {
                slips[at].get_or_insert_with(|| known.to_owned());
            }
        }
    }
    let found = fields
        .iter()
        .zip(slips)
        .zip(settled)
        .find_map(|(((name, _), slip), settled)| {
            slip.filter(|_| !settled).map(|slip| (name, slip))
        });
    match found {
        None => Ok(()),
        Some((name, near)) => Err(FitError::new(
            Reason::Value,
            format!(
                "{name} is no field of the config, and nothing reads it (did you mean {near}?)"
            ),
        )),
    }
}

/// Fields of a config that change together.
#[derive(Clone, Debug)]
pub(super) struct Mind {
    /// How many values each has.
    pub radix: u64,
    /// The fields and their values.
    pub fields: Vec<(String, Vec<Json>)>,
}

impl Mind {
    /// The fields of a digit that is of a config.
    pub fn of(all: &[Axis], digit: &Digit) -> Self {
        let json = |value: &Value| match value {
            Value::Json(text) => serde_json::from_str(text).unwrap_or_default(),
            _ => Json::Null,
        };
        let field = |&place: &usize| {
            let axis = &all[place];
            let name = axis.what.name().to_owned();
            (name, axis.values.iter().map(json).collect())
        };
        Self {
            radix: digit.radix,
            fields: digit.axes.iter().map(field).collect(),
        }
    }
}
