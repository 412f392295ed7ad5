//! What is asked, in plain words and numbers, and the [`Deployment`] it stands for.
//!
//! ```text
//!  words, numbers ─► Request ─ deployment ─► Deployment, and what was taken for granted
//! ```
//!
//! Bindings, the program and sweeps all come through here, so that one text means the same everywhere. What this module
//! does not do: it settles nothing that an engine settles, and checks no layout against a model.

use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Options, Reason, Share};
use crate::engine::{self, Version};
use crate::fit::{self, Fit};
use crate::hardware::Found;
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use crate::size;
use crate::subject::Subject;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What one would run, in plain words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The GPU, as it was found.
    pub gpu: Found,
    /// The engine: `vllm` or `vllm==0.19.0`.
    pub engine: String,
    /// Name of the scheme of the weights; as they are stored, if not said.
    pub weights: Option<String>,
    /// Name of the format of the cache; as the engine would, if not said.
    pub cache: Option<String>,
    /// Tokens of the longest request.
    pub context: Option<u64>,
    /// Requests at one time.
    pub concurrency: u64,
    /// How it is spread, and what the engine is told.
    pub options: Options,
}

impl Request {
    /// One GPU, one request, and everything else as the engine would have it.
    #[must_use]
    pub fn new(gpu: Found, engine: &str) -> Self {
        Self {
            gpu,
            engine: engine.to_owned(),
            weights: None,
            cache: None,
            context: None,
            concurrency: 1,
            options: Options::default(),
        }
    }

    /// The deployment, with what was taken for granted noted.
    ///
    /// # Errors
    /// If the engine, the scheme or the format of the cache is not known.
    pub fn deployment(&self, notes: &mut Vec<Assumption>) -> Result<Deployment, FitError> {
        if let Some(why) = &self.gpu.assumed {
            notes.push(Assumption::new("gpu", &*self.gpu.gpu.name, why));
        }
        let engine = engine::find(&self.engine, notes)?;
        let weights = self.weights.as_deref().map(scheme).transpose()?;
        let cache = self.cache.as_deref().map(cache_format).transpose()?;
        Ok(Deployment {
            gpu: Arc::new(self.gpu.gpu.clone()),
            engine,
            weights,
            cache,
            context: self.context,
            concurrency: self.concurrency,
            options: laid_out(self.options, notes),
        })
    }

    /// The request for a deployment that a search found from this one.
    #[must_use]
    pub fn changed(&self, found: &Deployment) -> Self {
        let gpu = if found.gpu.name == self.gpu.gpu.name {
            self.gpu.clone()
        } else {
            Found {
                gpu: (*found.gpu).clone(),
                assumed: None,
            }
        };
        Self {
            gpu,
            weights: found.weights.as_ref().map(|scheme| scheme.name.clone()),
            cache: found.cache.map(|format| format.name.to_owned()),
            context: found.context,
            concurrency: found.concurrency,
            options: found.options,
            ..self.clone()
        }
    }

    /// Tells where a layout that cannot be comes from, if it was not said.
    fn name_gpus(&self, subject: &Subject, error: FitError) -> FitError {
        let Some(gpus) = of_gpus_alone(self.options).filter(|_| error.reason.is_of_layout()) else {
            return error;
        };
        let layers = subject.architecture.decoder().count() as u64;
        let instead = if gpus <= layers {
            format!("; stages instead of ranks are possible: pipeline_parallel {gpus}")
        } else {
            String::new()
        };
        FitError::new(
            error.reason,
            format!("{error} ({gpus} GPUs without a layout are tensor_parallel {gpus}{instead})"),
        )
    }

    /// Whether and how it fits a model.
    ///
    /// # Errors
    /// If something asked is not known, or cannot be.
    pub fn fit(&self, subject: &Subject) -> Result<Fit, FitError> {
        let mut notes = Vec::new();
        let deployment = self.deployment(&mut notes)?;
        let mut fit =
            fit::fit(subject, &deployment).map_err(|error| self.name_gpus(subject, error))?;
        notes.append(&mut fit.assumptions);
        fit.assumptions = notes;
        let version = deployment.engine.version();
        let asked = self.engine.split_once("==");
        if asked
            .and_then(|(_, asked)| Version::parse(asked.trim()))
            .is_some_and(|asked| asked > *version)
        {
            fit.warnings.push(format!(
                "{} is newer than what is described; it is taken as {}",
                self.engine,
                fit.engine()
            ));
        }
        Ok(fit)
    }
}

/// The number of GPUs, if the layout follows from that alone.
fn of_gpus_alone(options: Options) -> Option<u64> {
    options
        .gpus
        .filter(|&gpus| gpus > 1 && options.parallel == Parallel::default())
}

/// The options with a layout; if GPUs alone are said, all of them share every layer.
pub(crate) fn laid_out(mut options: Options, notes: &mut Vec<Assumption>) -> Options {
    if let Some(gpus) = of_gpus_alone(options) {
        notes.push(Assumption::new(
            "tensor_parallel",
            gpus.to_string(),
            "GPUs were said but no layout; all of them share every layer",
        ));
        options.parallel.tensor = gpus;
    }
    options
}

/// The scheme of this name.
pub(crate) fn scheme(name: &str) -> Result<Arc<Scheme>, FitError> {
    Scheme::named(name)
        .map(Arc::new)
        .map_err(|message| FitError::new(Reason::Value, message))
}

/// The format of this name for a cache.
pub(crate) fn cache_format(name: &str) -> Result<CacheFormat, FitError> {
    CacheFormat::named(name).map_err(|message| FitError::new(Reason::Cache, message))
}

/// A count that was written down: `32768`, `32k`.
///
/// # Errors
/// If it is none; the message names the field.
pub fn count(field: &str, text: &str) -> Result<u64, FitError> {
    size::parse_count(text).map_err(|error| {
        if error.beyond {
            return FitError::new(
                Reason::Value,
                engine::out_of_range(field, text.trim().escape_debug()),
            );
        }
        refused(field, &error.to_string())
    })
}

/// A size in bytes that was written down: `10GiB`.
///
/// # Errors
/// If it is none; the message names the field.
pub fn bytes(field: &str, text: &str) -> Result<u64, FitError> {
    size::parse_bytes(text).map_err(|error| refused(field, &error.to_string()))
}

/// A ratio above 0 and at most 1, to the millionth.
///
/// # Errors
/// If it is none, not a number included; the message names the field.
pub fn share(field: &str, ratio: f64) -> Result<Share, FitError> {
    // Negated, so that what is not a number is refused too.
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(refused(
            field,
            &format!("must be above 0 and at most 1, such as 0.9, not {ratio}"),
        ));
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and a million"
    )]
    let millionths = (ratio * 1e6).round() as u32;
    if millionths == 0 {
        return Err(refused(field, &format!("is too small: {ratio}")));
    }
    Ok(Share(millionths))
}

fn refused(field: &str, why: &str) -> FitError {
    FitError::new(Reason::Value, format!("{field}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::{Request, bytes, count, share};
    use crate::architecture::config::Assumption;
    use crate::deployment::Share;
    use crate::hardware::Catalogue;

    fn request() -> Request {
        Request::new(
            Catalogue::built_in().find("H100-SXM-80GB").unwrap(),
            "transformers",
        )
    }

    #[test]
    fn gpus_without_a_layout_share_every_layer_and_that_is_noted() {
        let mut notes = Vec::new();
        let mut asked = request();
        asked.options.gpus = Some(4);
        let tensor = |asked: &Request, notes: &mut Vec<Assumption>| {
            asked.deployment(notes).unwrap().options.parallel.tensor
        };
        assert_eq!(tensor(&asked, &mut notes), 4);
        assert!(notes.iter().any(|note| note.field == "tensor_parallel"));
        asked.options.parallel.pipeline = 4;
        notes.clear();
        assert_eq!(tensor(&asked, &mut notes), 1);
        assert!(!notes.iter().any(|note| note.field == "tensor_parallel"));
    }

    #[test]
    fn a_name_that_leaves_something_open_is_noted() {
        let gpu = Catalogue::built_in().find("h100").unwrap();
        let mut notes = Vec::new();
        Request::new(gpu, "transformers==5.23")
            .deployment(&mut notes)
            .unwrap();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].field, "gpu");
    }

    #[test]
    fn what_is_not_known_or_out_of_range_is_refused_with_its_field() {
        assert_eq!(count("context", "32k").unwrap(), 32_768);
        assert_eq!(bytes("cache_memory", "1GiB").unwrap(), 1 << 30);
        assert_eq!(share("u", 0.95).unwrap(), Share(950_000));
        for bad in [f64::NAN, 0.0, -0.5, 1.000_001, f64::INFINITY, 1e-9] {
            assert!(share("u", bad).unwrap_err().message.starts_with('u'));
        }
        let big = "1000000000000000000000000000000";
        let error = count("context", big).unwrap_err();
        let limits = "context must be between 1 and 1,099,511,627,776, not ";
        assert_eq!(error.message, format!("{limits}{big}"));
        for bad in ["-5", "1e30"] {
            assert_eq!(
                count("context", bad).unwrap_err().message,
                format!("{limits}{bad}")
            );
        }
        for bad in [
            Request {
                weights: Some("fp5".to_owned()),
                ..request()
            },
            Request {
                cache: Some("fp5".to_owned()),
                ..request()
            },
            Request {
                engine: "vvlm".to_owned(),
                ..request()
            },
        ] {
            let error = bad.deployment(&mut Vec::new()).unwrap_err();
            assert!(error.message.contains("not known"), "{error}");
        }
    }
}
