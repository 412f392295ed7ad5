//! What small files beside the weights say of a checkpoint: its quantization, the base of an adapter, and, where the
//! weights lie elsewhere, the configurations that the model needs later.

use super::body::Beside;
use super::discover::{Candidate, Component, Kind};
use super::problem::{Code, Problem, Problems};
use crate::json_file;
use crate::model::CONFIGS;
use crate::quantization::config::QuantizationConfig;
use crate::source::Source;
use std::path::PathBuf;
use std::sync::Arc;

/// The file that says what an adapter of PEFT is.
const ADAPTER_CONFIG: &str = "adapter_config.json";

impl Component {
    /// The configurations beside it that a scan reads, if they are there.
    pub fn wanted_configs(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.configs.iter().map(String::as_str);
        let all = names.chain([ADAPTER_CONFIG]);
        all.map(|name| self.folder.join(name))
    }

    /// What is stated about its quantization.
    pub(super) fn quantization(
        &self,
        source: Source<'_>,
        problems: &mut Vec<Problem>,
    ) -> Option<QuantizationConfig> {
        QuantizationConfig::read(source, &self.folder, &self.configs).unwrap_or_else(
            |(file, error)| {
                problems.extend(invalid(self.folder.join(file), error));
                None
            },
        )
    }
}

impl Candidate {
    /// The model that it was trained for, if it is an adapter and the configuration beside it names one.
    pub(super) fn base(&self, source: Source<'_>, problems: &mut Vec<Problem>) -> Option<String> {
        let (Kind::Adapter, [only]) = (self.kind, &self.components[..]) else {
            return None;
        };
        let path = only.folder.join(ADAPTER_CONFIG);
        match json_file::read(source, &path) {
            Ok(config) => {
                let named = config?.get("base_model_name_or_path")?.as_str()?.to_owned();
                (!named.is_empty()).then_some(named)
            }
            Err(error) => {
                problems.extend(invalid(path, error));
                None
            }
        }
    }

    /// The configurations of a model that is not on this machine.
    pub(super) fn beside(&self, source: Source<'_>) -> Option<Beside> {
        match source {
            Source::Disk => None,
            Source::Listed(listed) => Some(listed.beside(source.folder(&self.path), CONFIGS)),
        }
    }
}

fn invalid(path: PathBuf, error: String) -> Vec<Problem> {
    let mut notes = Problems::new(Arc::new(path));
    notes.push(Code::ConfigInvalid, None, || error);
    notes.into_vec()
}
