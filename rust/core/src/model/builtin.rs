//! Well-known models by name: their defining fields, where these come from, and the counts that were published.
//!
//! The data are in `data/models.json`, a row per model: names, source, published counts, config. Nothing derived is
//! stored there.

use crate::wording::distance;
use serde::Deserialize;
use serde_json::Value;
use std::sync::LazyLock;

/// A well-known model.
#[derive(Clone, Debug, Deserialize)]
pub struct BuiltIn {
    /// Its name, in small letters: `llama-3.1-70b`.
    pub name: String,
    /// Other names for it.
    #[serde(default)]
    pub aliases: Vec<String>,
    /// Where the fields come from: repository and commit, or a page.
    pub source: String,
    /// What its publishers say of its size.
    #[serde(default)]
    pub published: Published,
    /// The fields of its config that determine it.
    pub config: Value,
}

/// What publishers say of a model's size.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Published {
    /// All parameters.
    pub total: Option<u64>,
    /// Parameters that one token goes through.
    pub active: Option<u64>,
    /// Where that is said.
    pub source: Option<String>,
}

/// All of them, sorted by name.
pub static ALL: LazyLock<Vec<BuiltIn>> = LazyLock::new(|| {
    // A test reads the same text, so it is sound.
    serde_json::from_str(include_str!("../../data/models.json")).unwrap_or_default()
});

/// Names without case, and with one kind of separator: `Meta-Llama/Llama-3.1_8B` is `llama-3.1-8b`.
fn plain(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    last.to_lowercase().replace(['_', ' ', ':'], "-")
}

/// The model of this name, in any case and with any separators; an organisation in front is passed over.
#[must_use]
pub fn find(name: &str) -> Option<&'static BuiltIn> {
    let name = plain(name);
    ALL.iter()
        .find(|model| model.name == name || model.aliases.iter().any(|alias| plain(alias) == name))
}

/// Names that are close to this one, closest first.
#[must_use]
pub fn close_to(name: &str) -> Vec<String> {
    const SHOWN: usize = 3;
    let name = plain(name);
    if name.len() > 100 {
        return Vec::new();
    }
    let mut close: Vec<(usize, &str)> = ALL
        .iter()
        .flat_map(|model| {
            std::iter::once(&model.name)
                .chain(&model.aliases)
                .map(move |known| (known, model))
        })
        .map(|(known, model)| {
            let known = plain(known);
            // `llama-3.1-8b-instruct` is nearer to `llama-3.1-8b` than letters tell.
            let tail = name
                .strip_prefix(&known)
                .or_else(|| known.strip_prefix(&name));
            let near = tail.is_some_and(|tail| tail.starts_with('-'));
            let distance = if near { 1 } else { distance(&name, &known) };
            (distance, model.name.as_str())
        })
        .filter(|(distance, known)| *distance <= (name.len().max(known.len()) / 3).max(2))
        .collect();
    close.sort_unstable();
    let mut names: Vec<String> = Vec::new();
    for (_, known) in close {
        if names.len() < SHOWN && !names.iter().any(|name| name == known) {
            names.push(known.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::BuiltIn;

    #[test]
    fn the_data_are_sound_sorted_and_unique() {
        let all: Vec<BuiltIn> =
            serde_json::from_str(include_str!("../../data/models.json")).unwrap();
        assert!(all.windows(2).all(|pair| pair[0].name < pair[1].name));
        for model in &all {
            assert!(!model.source.is_empty(), "{}", model.name);
            assert_eq!(model.name, super::plain(&model.name));
        }
        let mut names: Vec<&String> = all
            .iter()
            .flat_map(|model| std::iter::once(&model.name).chain(&model.aliases))
            .collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
