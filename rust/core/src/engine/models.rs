//! Which version of an engine has which models, as far as their sources list them: `data/engine_models.toml`.

use super::{Engine, Version};
use crate::subject::Subject;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

const BUILT_IN: &str = include_str!("../../data/engine_models.toml");

/// What of a config an engine goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    Class,
    ModelType,
}

impl By {
    /// What may still run a model that is not listed.
    const fn otherwise(self) -> &'static str {
        match self {
            Self::Class => "a class of transformers",
            Self::ModelType => "code that comes with the model",
        }
    }
}

/// The models of an engine.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    engine: String,
    by: By,
    read: Vec<String>,
    source: String,
    /// The first version that was read and has it, and the last, where a later one has it no more.
    #[serde(rename = "models")]
    known: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    engine: Vec<Models>,
}

static ALL: LazyLock<Vec<Models>> = LazyLock::new(|| {
    // A test reads the same text, so it is sound.
    toml::from_str(BUILT_IN).map_or_else(|_| Vec::new(), |file: File| file.engine)
});

/// Why a version of an engine is not known to have a model, if it is not. Versions in between those that were read are
/// taken to be like the newer one.
#[must_use]
pub fn lacks(engine: &dyn Engine, subject: &Subject) -> Option<String> {
    let models = ALL.iter().find(|models| models.engine == engine.name())?;
    let architecture = &subject.architecture;
    let name = match models.by {
        By::Class => architecture.class.as_deref()?,
        By::ModelType => architecture.model_type.as_str(),
    };
    let (asked, version) = (engine.version(), |text: &str| Version::parse(text));
    let of_engine = format!("{} {asked}", engine.name());
    let Some(span) = models.known.get(name) else {
        let newest = models.read.last().map_or("", String::as_str);
        return Some(format!(
            "{of_engine} is not known to have {name}, which {} up to {newest} does not list: it may run it by {}",
            models.source,
            models.by.otherwise()
        ));
    };
    let (first, last) = match span.split_once(' ') {
        Some((first, last)) => (first, Some(last)),
        None => (span.as_str(), None),
    };
    // The version that was read before the first: the model came after it.
    let at = models.read.iter().position(|read| read == first)?;
    let before = at.checked_sub(1).and_then(|at| version(&models.read[at]));
    if before.is_some_and(|before| *asked <= before) {
        return Some(format!(
            "{of_engine} is not known to have {name}; the first version read that lists it is {first}"
        ));
    }
    let last = last.filter(|last| version(last).is_some_and(|last| *asked > last))?;
    Some(format!(
        "{of_engine} is not known to have {name}; the last version read that lists it is {last}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{ALL, BUILT_IN, File, Version, lacks};
    use crate::engine::{ENGINES, find, samples};

    #[test]
    fn the_data_are_sound() {
        assert!(toml::from_str::<File>(BUILT_IN).is_ok());
        for models in ALL.iter() {
            assert!(ENGINES.iter().any(|engine| engine.name == models.engine));
            assert!(!models.source.is_empty());
            assert!(models.known.len() > 100, "{}", models.engine);
            let read: Vec<_> = models
                .read
                .iter()
                .map(|text| Version::parse(text))
                .collect();
            assert!(read.windows(2).all(|pair| pair[0] < pair[1]));
            for span in models.known.values() {
                assert!(
                    span.split(' ')
                        .all(|version| models.read.contains(&version.to_owned()))
                );
            }
        }
    }

    #[test]
    fn models_are_there_from_their_version_on() {
        let why = |model: &str, engine: &str| {
            let engine = find(engine, &mut Vec::new()).unwrap();
            lacks(&*engine, &samples::subject(model))
        };
        for engine in [
            "vllm==0.11.0",
            "vllm",
            "sglang==0.5.3",
            "transformers==4.57.1",
            "transformers",
        ] {
            assert_eq!(why("llama-3.1-8b", engine), None, "{engine}");
        }
        for engine in ["vllm==0.11.0", "sglang==0.5.3", "transformers==4.57.1"] {
            let why = why("glm-5", engine).unwrap();
            assert!(why.contains("first version read"), "{why}");
        }
        for engine in ["vllm", "sglang", "transformers"] {
            assert_eq!(why("glm-5", engine), None, "{engine}");
        }
        assert_eq!(why("glm-5", "llama.cpp"), None);
    }
}
