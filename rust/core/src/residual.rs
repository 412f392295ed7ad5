//! How far each component of an estimate was from what was measured: the error bands, as data.
//!
//! A component that is counted has no band but its own value; one that was never measured has none at all.

use crate::engine::Version;
use crate::memory::layout::Parallel;
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
    /// The GPU it was measured on, by its name in the catalogue.
    pub gpu: String,
    /// The layouts that were measured: tensor-parallel ranks and stages of a pipeline. None was spread in another way.
    pub layouts: Vec<[u64; 2]>,
    /// How the weights were stored.
    pub storages: Vec<String>,
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

/// What an estimate is of, as far as measurements may be of the same.
#[derive(Clone, Copy, Debug)]
pub struct Conditions<'a> {
    /// The engine.
    pub engine: &'a str,
    /// Its version.
    pub version: &'a Version,
    /// The GPU, by its name in the catalogue.
    pub gpu: &'a str,
    /// How the model is spread.
    pub parallel: Parallel,
    /// How the weights are stored.
    pub storage: &'a str,
}

/// What was measured of a component under these conditions.
#[must_use]
pub fn of(conditions: Conditions<'_>, component: &str) -> Option<&'static Residual> {
    find(all(), conditions, component)
}

/// Whether a component of an engine was measured at all, under whatever conditions.
#[must_use]
pub fn is_measured(engine: &str, component: &str) -> bool {
    all()
        .iter()
        .any(|row| row.engine == engine && row.component == component)
}

fn find<'a>(
    rows: &'a [Residual],
    conditions: Conditions<'_>,
    component: &str,
) -> Option<&'a Residual> {
    rows.iter()
        .find(|row| row.component == component && row.is_of(conditions))
}

fn read(text: &str) -> Result<Vec<Residual>, String> {
    toml::from_str(text)
        .map(|file: File| file.residual)
        .map_err(|error| error.to_string())
}

impl Residual {
    /// Whether measurements under these conditions are among its own.
    fn is_of(&self, conditions: Conditions<'_>) -> bool {
        let [from, to] = [&self.from, &self.to].map(|text| Version::parse(text));
        let of_layout = |&[tensor, pipeline]: &[u64; 2]| {
            conditions.parallel
                == Parallel {
                    tensor,
                    pipeline,
                    ..Parallel::default()
                }
        };
        self.engine == conditions.engine
            && self.gpu == conditions.gpu
            && from.is_some_and(|from| from <= *conditions.version)
            && to.is_some_and(|to| *conditions.version <= to)
            && self.layouts.iter().any(of_layout)
            && self.storages.iter().any(|one| one == conditions.storage)
    }

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
    use super::{BUILT_IN, Conditions, find, read};
    use crate::engine::{ENGINES, Version};
    use crate::fit::Component;
    use crate::hardware::Catalogue;
    use crate::memory::layout::Parallel;

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
            assert!(Catalogue::built_in().iter().any(|gpu| gpu.name == row.gpu));
            assert!(
                !row.layouts.is_empty() && row.layouts.is_sorted(),
                "{row:?}"
            );
            assert!(!row.storages.is_empty() && row.storages.is_sorted());
            assert!(row.rows > 0 && row.mean <= row.largest, "{row:?}");
            assert!(!row.source.is_empty(), "{row:?}");
            assert!(at == 0 || key(at - 1) <= key(at), "{row:?} is out of order");
        }
    }

    const ROW: &str = "[[residual]]\nengine = \"vllm\"\nfrom = \"0.17\"\nto = \"0.19.1\"\n\
        gpu = \"H100-SXM-80GB\"\nlayouts = [[1, 1], [1, 4], [2, 1]]\nstorages = [\"bf16\", \"fp8\"]\n\
        component = \"overhead\"\nrows = 3\nmean = 5\nlargest = 10\nsource = \"a test\"\n";

    #[test]
    fn versions_in_between_are_found_and_others_are_not() {
        let rows = read(ROW).unwrap();
        let band = |version: &str| {
            let conditions = Conditions {
                engine: "vllm",
                version: &Version::parse(version)?,
                gpu: "H100-SXM-80GB",
                parallel: Parallel::default(),
                storage: "fp8",
            };
            find(&rows, conditions, "overhead").map(|row| row.band(8))
        };
        assert_eq!(band("0.17.0"), Some((0, 18)));
        assert_eq!(band("0.19.1"), Some((0, 18)));
        assert_eq!(band("0.20"), None);
        assert!(read("[[residual]]\nengine = 1").is_err());
        assert!(read("other = 1").is_err());
    }

    #[test]
    fn what_was_measured_elsewhere_is_not_measured_here() {
        let rows = read(ROW).unwrap();
        let version = Version::parse("0.19.0").unwrap();
        let measured = Conditions {
            engine: "vllm",
            version: &version,
            gpu: "H100-SXM-80GB",
            parallel: Parallel::default(),
            storage: "bf16",
        };
        let spread = |tensor, pipeline, data| Conditions {
            parallel: Parallel {
                tensor,
                pipeline,
                data,
                ..Parallel::default()
            },
            ..measured
        };
        let found = |conditions| find(&rows, conditions, "overhead").is_some();
        assert!(found(measured) && found(spread(2, 1, 1)) && found(spread(1, 4, 1)));
        assert!(!found(spread(2, 4, 1)) && !found(spread(8, 1, 1)) && !found(spread(1, 1, 2)));
        for other in [
            Conditions {
                gpu: "L4-24GB",
                ..measured
            },
            Conditions {
                engine: "sglang",
                ..measured
            },
            Conditions {
                storage: "nvfp4",
                ..measured
            },
        ] {
            assert!(!found(other), "{other:?}");
        }
        assert!(find(&rows, measured, "weights").is_none());
    }
}
