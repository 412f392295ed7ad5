//! How far each component of an estimate was from what was measured: the error bands, as data.
//!
//! A component that is counted has no band but its own value; one that was never measured has none at all.

use crate::engine::Version;
use serde::Deserialize;
use std::sync::LazyLock;

const BUILT_IN: &str = include_str!("../data/residuals.toml");

/// What measurements say of one component of one engine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Residual {
    /// The engine.
    pub engine: String,
    /// The oldest version that was measured.
    pub from: String,
    /// The newest.
    pub to: String,
    /// The component.
    pub component: String,
    /// How many measurements there are.
    pub rows: u64,
    /// Mean absolute difference in bytes.
    pub mean: u64,
    /// Largest absolute difference in bytes.
    pub largest: u64,
    /// Where the measurements are.
    pub source: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    residual: Vec<Residual>,
}

/// All that was measured.
#[must_use]
pub fn all() -> &'static [Residual] {
    static ALL: LazyLock<Vec<Residual>> = LazyLock::new(|| {
        // A test reads the same text, so it is sound.
        read(BUILT_IN).unwrap_or_default()
    });
    &ALL
}

/// What was measured of a component of an engine at a version.
#[must_use]
pub fn of(engine: &str, version: &Version, component: &str) -> Option<&'static Residual> {
    find(all(), engine, version, component)
}

/// Whether a component of an engine was measured at any version.
#[must_use]
pub fn is_measured(engine: &str, component: &str) -> bool {
    all()
        .iter()
        .any(|row| row.engine == engine && row.component == component)
}

fn find<'a>(
    rows: &'a [Residual],
    engine: &str,
    version: &Version,
    component: &str,
) -> Option<&'a Residual> {
    rows.iter().find(|row| {
        let [from, to] = [&row.from, &row.to].map(|text| Version::parse(text));
        row.engine == engine
            && row.component == component
            && from.is_some_and(|from| from <= *version)
            && to.is_some_and(|to| *version <= to)
    })
}

fn read(text: &str) -> Result<Vec<Residual>, String> {
    toml::from_str(text)
        .map(|file: File| file.residual)
        .map_err(|error| error.to_string())
}

impl Residual {
    /// The band around an estimate: as far as any measurement was from its own.
    #[must_use]
    pub const fn band(&self, bytes: u64) -> (u64, u64) {
        (
            bytes.saturating_sub(self.largest),
            bytes.saturating_add(self.largest),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, find, read};
    use crate::engine::{ENGINES, Version};
    use crate::fit::Component;

    #[test]
    fn the_data_are_sound_sorted_and_sourced() {
        let rows = read(BUILT_IN).unwrap();
        let key = |at: usize| (&rows[at].engine, &rows[at].component);
        for (at, row) in rows.iter().enumerate() {
            assert!(ENGINES.iter().any(|engine| engine.name == row.engine));
            let known = Component::ALL.iter().any(|one| one.name() == row.component);
            assert!(known || row.component == "cache_pool", "{row:?}");
            let [from, to] = [&row.from, &row.to].map(|text| Version::parse(text).unwrap());
            assert!(from <= to, "{row:?}");
            assert!(row.rows > 0 && row.mean <= row.largest, "{row:?}");
            assert!(!row.source.is_empty(), "{row:?}");
            assert!(at == 0 || key(at - 1) <= key(at), "{row:?} is out of order");
        }
    }

    #[test]
    fn versions_in_between_are_found_and_others_are_not() {
        let rows = read(
            "[[residual]]\nengine = \"vllm\"\nfrom = \"0.17\"\nto = \"0.19.1\"\ncomponent = \"overhead\"\n\
             rows = 3\nmean = 5\nlargest = 10\nsource = \"a test\"\n",
        )
        .unwrap();
        let band = |version: &str| {
            find(&rows, "vllm", &Version::parse(version)?, "overhead").map(|row| row.band(8))
        };
        assert_eq!(band("0.17.0"), Some((0, 18)));
        assert_eq!(band("0.19.1"), Some((0, 18)));
        assert_eq!(band("0.20"), None);
        assert!(read("[[residual]]\nengine = 1").is_err());
        assert!(read("other = 1").is_err());
    }
}
