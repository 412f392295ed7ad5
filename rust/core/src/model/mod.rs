//! A model: a body with its mind, and where the two disagree.
//!
//! ```text
//!  folder ─► Checkpoint ─┐
//!                        ├─► Model ─► disagreements
//!  config.json ─► Architecture
//! ```
//!
//! Either half may be missing: a folder without a config has a body alone, a config without weights a mind alone. What
//! is known is delivered, and what is missing is said.

mod compare;
mod disagreement;
mod report;
pub(crate) mod storage;

pub mod builtin;
pub(crate) mod naming;

pub use disagreement::{Disagreement, Kind, Severity};
pub use report::{CONTEXTS, SCHEMA};

use crate::architecture::config::ConfigError;
use crate::architecture::{Architecture, WhatIf};
use crate::checkpoint::{Checkpoint, ScanError, scan_in};
use crate::json_file;
use crate::parallel::Control;
use crate::source::{Listed, Source};
use serde_json::{Map, Value};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of a folder that a model is read from, beside the weights.
pub const CONFIGS: &[&str] = &[CONFIG, MODELOPT_CONFIG, PROCESSOR_CONFIG];
const CONFIG: &str = "config.json";
const MODELOPT_CONFIG: &str = "hf_quant_config.json";
const PROCESSOR_CONFIG: &str = "preprocessor_config.json";

/// A body with its mind.
#[derive(Clone, Debug)]
pub struct Model {
    /// What it is called: a path, or the name of a built-in model.
    pub name: String,
    /// The weights, if there are any.
    pub checkpoint: Option<Arc<Checkpoint>>,
    /// The config as it was read, with what `hf_quant_config.json` beside it states.
    pub config: Option<Arc<Value>>,
    /// The config of what prepares images and sounds, where a folder has one.
    pub processor: Option<Arc<Value>>,
    /// What the config determines, or why that is not known.
    pub architecture: Result<Arc<Architecture>, ConfigError>,
    /// Where body and mind disagree, worst first.
    pub disagreements: Vec<Disagreement>,
}

/// Why nothing can be said of a target.
#[derive(Debug)]
pub enum ModelError {
    /// The weights cannot be scanned.
    Scan(ScanError),
    /// There is neither a config nor weights at the path.
    Nothing(PathBuf),
    /// The config cannot be read.
    Config(PathBuf, ConfigError),
    /// There is no path and no built-in model of this name; names that are close.
    Unknown(String, Vec<String>),
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan(error) => error.fmt(f),
            Self::Nothing(path) => write!(
                f,
                "{}: neither a config.json nor safetensors here; name a model folder, a config.json or a built-in model",
                path.display()
            ),
            Self::Config(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Unknown(name, close) => {
                write!(
                    f,
                    "{name}: no such file or folder, and no built-in model of that name"
                )?;
                if !close.is_empty() {
                    write!(f, " (did you mean {}?)", close.join(" or "))?;
                }
                f.write_str("; `pondera models` lists them")
            }
        }
    }
}

impl std::error::Error for ModelError {}

impl Model {
    /// Opens a target: a model folder, a config.json, or the name of a built-in model. A path goes before a name.
    ///
    /// `assume` names a model type to take where the config's own is unknown.
    ///
    /// # Errors
    /// If there is nothing at the target, or the scan was stopped.
    pub fn open(
        target: &str,
        assume: Option<&str>,
        threads: usize,
        control: &Control,
    ) -> Result<Self, ModelError> {
        let path = Path::new(target);
        match Source::Disk.is_folder(path) {
            Ok(_) => Self::open_in(Source::Disk, path, assume, threads, control),
            Err(_) => Self::built_in(target),
        }
    }

    /// Opens a model folder, a config.json or a weight file, wherever it lies.
    ///
    /// # Errors
    /// As for [`Model::open`].
    pub fn open_in(
        source: Source<'_>,
        path: &Path,
        assume: Option<&str>,
        threads: usize,
        control: &Control,
    ) -> Result<Self, ModelError> {
        let is_folder = source
            .is_folder(path)
            .map_err(|_| ModelError::Nothing(path.to_owned()))?;
        if is_folder {
            return Self::open_folder(source, path, assume, threads, control);
        }
        let name = path.to_string_lossy().into_owned();
        if path.extension().is_some_and(|end| end == "json")
            && !name.ends_with(".safetensors.index.json")
        {
            let config =
                read_config(source, path)?.ok_or_else(|| ModelError::Nothing(path.to_owned()))?;
            let architecture = Architecture::from_config(config.clone(), assume)
                .map_err(|error| ModelError::Config(path.to_owned(), error))?;
            return Ok(Self {
                name,
                checkpoint: None,
                config: Some(Arc::new(config)),
                processor: read_processor(source, folder_of(path)),
                architecture: Ok(Arc::new(architecture)),
                disagreements: Vec::new(),
            });
        }
        // A weight file: its config lies beside it.
        let checkpoint = scan_in(source, path, threads, control).map_err(ModelError::Scan)?;
        Self::of_body(source, name, Arc::new(checkpoint), folder_of(path), assume)
    }

    fn open_folder(
        source: Source<'_>,
        path: &Path,
        assume: Option<&str>,
        threads: usize,
        control: &Control,
    ) -> Result<Self, ModelError> {
        let config = read_config(source, &path.join(CONFIG))?;
        let checkpoint = match scan_in(source, path, threads, control) {
            Ok(checkpoint) => Some(Arc::new(checkpoint)),
            Err(ScanError::Nothing(..)) if config.is_some() => None,
            Err(ScanError::Nothing(..)) => return Err(ModelError::Nothing(path.to_owned())),
            Err(error) => return Err(ModelError::Scan(error)),
        };
        let model = Self::of(
            path.to_string_lossy().into_owned(),
            checkpoint,
            config,
            assume,
        );
        Ok(Self {
            processor: read_processor(source, path),
            ..model
        })
    }

    fn built_in(name: &str) -> Result<Self, ModelError> {
        let Some(known) = builtin::find(name) else {
            return Err(ModelError::Unknown(
                name.to_owned(),
                builtin::close_to(name),
            ));
        };
        Ok(Self::of(
            known.name.clone(),
            None,
            Some(known.config.clone()),
            None,
        ))
    }

    /// The same body with another mind: the config with fields changed, held against the weights.
    ///
    /// # Errors
    /// If there is no config, or it cannot be derived as it is or with the changes.
    pub fn what_if(
        &self,
        fields: &[(String, Value)],
        assume: Option<&str>,
    ) -> Result<(Self, WhatIf), ConfigError> {
        let config = match (&self.config, &self.architecture) {
            (Some(config), Ok(_)) => config,
            (_, Err(error)) => return Err(error.clone()),
            (None, Ok(_)) => return Err(ConfigError::new("", "there is no config to change")),
        };
        let what_if = WhatIf::derive(config, fields, assume)?;
        let model = Self::of(
            self.name.clone(),
            self.checkpoint.clone(),
            Some(what_if.config.clone()),
            assume,
        );
        let processor = self.processor.clone();
        Ok((Self { processor, ..model }, what_if))
    }

    /// A body that was scanned, with the config that lies beside it.
    ///
    /// # Errors
    /// If the config cannot be read.
    pub fn of_checkpoint(
        checkpoint: Arc<Checkpoint>,
        assume: Option<&str>,
    ) -> Result<Self, ModelError> {
        let path = checkpoint.path.clone();
        let name = path.to_string_lossy().into_owned();
        if let Some(beside) = checkpoint.beside.clone() {
            // The path may be that of a file, but what lies beside it is kept by name alone.
            let listed = Listed::whole(path.clone(), beside);
            return Self::of_body(Source::Listed(&listed), name, checkpoint, &path, assume);
        }
        let folder = Source::Disk.folder(&path);
        Self::of_body(Source::Disk, name, checkpoint, folder, assume)
    }

    /// A body with the configs that lie in a folder.
    fn of_body(
        source: Source<'_>,
        name: String,
        body: Arc<Checkpoint>,
        folder: &Path,
        assume: Option<&str>,
    ) -> Result<Self, ModelError> {
        let config = read_config(source, &folder.join(CONFIG))?;
        Ok(Self {
            processor: read_processor(source, folder),
            ..Self::of(name, Some(body), config, assume)
        })
    }

    /// Puts a body and a config together, and holds them against each other.
    #[must_use]
    pub fn of(
        name: String,
        checkpoint: Option<Arc<Checkpoint>>,
        config: Option<Value>,
        assume: Option<&str>,
    ) -> Self {
        let config = config.map(Arc::new);
        let architecture = config.as_ref().map_or_else(
            || {
                Err(ConfigError::new(
                    "",
                    "there is no config.json beside the weights",
                ))
            },
            |config| Architecture::from_config(Arc::clone(config), assume).map(Arc::new),
        );
        let disagreements = match (&checkpoint, &architecture) {
            (Some(checkpoint), Ok(architecture)) => {
                let stated = config.as_deref().unwrap_or(&Value::Null);
                let mut all = compare::compare(checkpoint, architecture);
                all.extend(storage::compare(checkpoint, architecture, stated));
                all.sort_by_key(|one| one.severity);
                all
            }
            _ => Vec::new(),
        };
        Self {
            name,
            checkpoint,
            config,
            processor: None,
            architecture,
            disagreements,
        }
    }
}

/// Parses the text of a config.json as Python writes it: `Infinity` and `NaN` are read as null.
///
/// # Errors
/// If it is not JSON.
pub fn parse_config(text: &str) -> Result<Value, ConfigError> {
    json_file::parse(text.as_bytes()).map_err(|error| ConfigError::new("", error))
}

/// Reads a config. `ModelOpt` up to 0.29 states a quantization in a file of its own, which stands for
/// `quantization_config` where the config has none (vLLM 0.19, `transformers_utils/config.py:get_config`).
fn read_config(source: Source<'_>, path: &Path) -> Result<Option<Value>, ModelError> {
    let read = json_file::read(source, path)
        .map_err(|error| ModelError::Config(path.to_owned(), ConfigError::new("", error)))?;
    Ok(read.map(|mut config| {
        if let Some(fields) = config.as_object_mut()
            && !states_quantization(fields)
            && let Some(stated) = read_modelopt(source, folder_of(path))
        {
            fields.insert("quantization_config".to_owned(), stated);
        }
        config
    }))
}

fn states_quantization(config: &Map<String, Value>) -> bool {
    let own = |fields: &Map<String, Value>| {
        ["quantization", "quantization_config", "compression_config"]
            .iter()
            .any(|key| fields.contains_key(*key))
    };
    let text = config.get("text_config").and_then(Value::as_object);
    own(config) || text.is_some_and(own)
}

/// What `ModelOpt` states beside a config, as it stands in the configs of later versions. A file that cannot be read is
/// a problem of the checkpoint, and is told there.
fn read_modelopt(source: Source<'_>, folder: &Path) -> Option<Value> {
    let file = json_file::read(source, &folder.join(MODELOPT_CONFIG)).ok()??;
    let mut stated = file.get("quantization")?.as_object()?.clone();
    stated
        .entry("quant_method")
        .or_insert_with(|| "modelopt".into());
    Some(Value::Object(stated))
}

/// The config of the processor in a folder. It only tells the size of dummy images: one that cannot be read is as good
/// as none.
fn read_processor(source: Source<'_>, folder: &Path) -> Option<Arc<Value>> {
    json_file::read(source, &folder.join(PROCESSOR_CONFIG))
        .ok()
        .flatten()
        .map(Arc::new)
}

/// The folder that a file is in.
fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."))
}

/// The config of a target: a config.json, a folder with one, or a built-in model.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn config_of(target: &str) -> Result<Value, ModelError> {
    let path = Path::new(target);
    let Ok(is_folder) = Source::Disk.is_folder(path) else {
        return builtin::find(target)
            .map(|known| known.config.clone())
            .ok_or_else(|| ModelError::Unknown(target.to_owned(), builtin::close_to(target)));
    };
    let file = if is_folder {
        path.join(CONFIG)
    } else {
        path.to_owned()
    };
    read_config(Source::Disk, &file)?.ok_or_else(|| ModelError::Nothing(path.to_owned()))
}
