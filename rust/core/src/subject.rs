//! A model made ready to be placed: its mind, and its weights as pieces.

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::checkpoint::Checkpoint;
use crate::deployment::{Deployment, FitError, Reason};
use crate::memory::body::{self, Piece};
use crate::memory::stored;
use crate::model::{Model, storage};
use crate::quantization::scheme::Scheme;
use crate::size::format_bytes;
use crate::wording::counted;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A model that deployments can be tried on.
#[derive(Clone, Debug)]
pub struct Subject {
    /// What it is called.
    pub name: String,
    /// Its mind.
    pub architecture: Arc<Architecture>,
    /// Its config.
    pub config: Arc<Value>,
    /// The config of what prepares its images and sounds, if there is one.
    pub processor: Option<Arc<Value>>,
    /// Its weights, as they are stored.
    pub stored: Arc<Vec<Piece>>,
    /// The scheme or dtype of its config, or what its tensors show: what measurements of others are found by.
    pub storage: String,
    /// How they are stored, in a word.
    pub label: String,
    /// What had to be assumed of them.
    pub notes: Vec<Assumption>,
    /// What whoever reads the estimate must know of them, in a sentence each.
    pub warnings: Vec<String>,
}

impl Subject {
    /// Makes a model ready.
    ///
    /// # Errors
    /// If its mind is not known: then nothing but its weights could be told.
    pub fn of(model: &Model) -> Result<Self, FitError> {
        let architecture = model.architecture.as_ref().map_err(|error| {
            let weights = model.checkpoint.as_ref().map_or_else(String::new, |body| {
                format!(
                    "; its weights alone take {} ({})",
                    counted(body.total().bytes, "byte"),
                    format_bytes(u64::try_from(body.total().bytes).unwrap_or(u64::MAX))
                )
            });
            FitError::new(Reason::Model, format!("{}: {error}{weights}", model.name))
        })?;
        let config = model.config.clone().unwrap_or_default();
        let mut notes = architecture.assumptions.clone();
        let mut warnings = Vec::new();
        let mut read = Vec::new();
        let scheme = Scheme::of_config(&config, architecture, &mut read);
        let (stored, storage, label) = match (&model.checkpoint, scheme) {
            // Files say themselves what they take; a config only gives it a name.
            (Some(checkpoint), scheme) => {
                let mut pieces = stored::stored(checkpoint, architecture, &mut notes);
                warnings.extend(stored::complete(
                    checkpoint,
                    architecture,
                    &model.disagreements,
                    scheme.as_ref().ok(),
                    &mut pieces,
                ));
                let label = storage::of_body(checkpoint, scheme.as_ref().ok());
                let storage = match (scheme, &checkpoint.quantization) {
                    (Ok(scheme), method) if !scheme.is_plain() || method.is_none() => scheme.name,
                    (_, Some(method)) => method.clone(),
                    (_, None) => "a scheme that is not known".to_owned(),
                };
                (pieces, storage, label)
            }
            (None, Ok(scheme)) => {
                notes.append(&mut read);
                let label = storage::of_config(&scheme, architecture);
                (body::planned(architecture, &scheme), scheme.name, label)
            }
            (None, Err(error)) => {
                let message = format!("{}: {error}", model.name);
                return Err(FitError::new(Reason::Model, message));
            }
        };
        Ok(Self {
            name: model.name.clone(),
            architecture: Arc::clone(architecture),
            config,
            processor: model.processor.clone(),
            stored: Arc::new(stored),
            storage,
            label,
            notes,
            warnings,
        })
    }

    /// The model that this is of: its config, with a checkpoint where its weights are those of one.
    #[must_use]
    pub fn model(&self, checkpoint: Option<&Arc<Checkpoint>>, assume: Option<&str>) -> Model {
        let config = (*self.config).clone();
        let name = self.name.clone();
        Model {
            processor: self.processor.clone(),
            ..Model::of(name, checkpoint.cloned(), Some(config), assume)
        }
    }

    /// Its weights in a scheme, or as they are stored, which they also are if the scheme is the one they are stored in.
    #[must_use]
    pub fn pieces(&self, scheme: Option<&Scheme>) -> Cow<'_, [Piece]> {
        match scheme {
            None => Cow::Borrowed(&self.stored),
            Some(scheme) if self.is_stored_in(scheme) => Cow::Borrowed(&self.stored),
            Some(scheme) => Cow::Owned(body::planned(&self.architecture, scheme)),
        }
    }

    /// Whether the weights were quantized by this scheme already.
    fn is_stored_in(&self, scheme: &Scheme) -> bool {
        !scheme.is_plain() && scheme.name == self.storage
    }

    /// Notes what a scheme assumes of weights as these are stored.
    pub fn note_weights(&self, scheme: Option<&Scheme>, notes: &mut Vec<Assumption>) {
        let Some(scheme) = scheme.filter(|scheme| !self.is_stored_in(scheme)) else {
            return;
        };
        if !scheme.is_plain() {
            notes.push(Assumption::new(
                "weights",
                scheme.name.as_str(),
                format!("made from the config's shapes: {}", scheme.summary()),
            ));
        }
        let plain = Scheme::named(&self.storage).is_ok_and(|storage| storage.is_plain());
        if !plain {
            notes.push(Assumption::new(
                "weights",
                scheme.name.as_str(),
                format!(
                    "the weights are stored as {}; they are taken to be expanded and stored anew, which loses precision \
                     twice",
                    self.label
                ),
            ));
        }
    }

    /// Its weights as a deployment holds them.
    #[must_use]
    pub fn held(&self, deployment: &Deployment) -> Cow<'_, [Piece]> {
        let pieces = self.pieces(deployment.weights.as_deref());
        let is_float = self.architecture.dtype.as_deref() == Some("float32");
        if deployment.weights.is_some() || !is_float || !deployment.engine.halves_floats() {
            return pieces;
        }
        Cow::Owned(pieces.iter().map(Piece::halved).collect())
    }

    /// The context of a deployment: what it says, or else what the model allows.
    ///
    /// # Errors
    /// If neither says one.
    pub fn context(
        &self,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<u64, FitError> {
        if let Some(context) = deployment.context {
            if let Some(allowed) = self.architecture.context.filter(|most| context > *most) {
                notes.push(Assumption::new(
                    "context",
                    context.to_string(),
                    format!(
                        "it is longer than the {allowed} tokens that the config allows; bytes are as if the model took them"
                    ),
                ));
            }
            return Ok(context);
        }
        let Some(context) = self.architecture.context else {
            return Err(FitError::new(
                Reason::Context,
                format!(
                    "{}: the config states no context, and its class has no limit by default; say one, as context=32768 \
                     or --context 32k",
                    self.name
                ),
            ));
        };
        notes.push(Assumption::new(
            "context",
            context.to_string(),
            "none was said; the longest that the config allows is taken",
        ));
        Ok(context)
    }
}
