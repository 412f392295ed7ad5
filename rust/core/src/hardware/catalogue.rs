//! The catalogue: the built-in rows, and a user's over them.

use super::gpu::{Gpu, Memory, Usable, Vendor};
use super::look_up::plain;
use super::row::{self, Row};
use crate::regular_file;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use toml::{Table, Value};

/// Name and version of the JSON that `pondera gpus --json` prints.
pub const SCHEMA: &str = "pondera.gpus/1";

/// Longer files are refused; the built-in one has some ten thousand bytes per hundred rows.
const LIMIT: u64 = 8 << 20;

const BUILT_IN: &str = include_str!("../../data/gpus.toml");

/// GPUs by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    gpus: Vec<Gpu>,
    shares: Shares,
}

/// Why a user's file is not a catalogue.
#[derive(Debug)]
pub enum CatalogueError {
    /// The file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// It is no TOML, or no list of GPUs.
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong where, and what to do.
        reason: String,
    },
    /// A field of a row is wrong.
    Row {
        /// The file.
        path: PathBuf,
        /// The row: its name, or its number.
        row: String,
        /// The field.
        field: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
}

impl fmt::Display for CatalogueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CatalogueError::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            CatalogueError::Malformed { path, reason } => {
                write!(f, "{}: {reason}", path.display())
            }
            CatalogueError::Row {
                path,
                row,
                field,
                reason,
            } => write!(f, "{}: {row}: `{field}` {reason}", path.display()),
        }
    }
}

impl std::error::Error for CatalogueError {}

/// Usable and nominal bytes of a measured row that stands for its maker and kind of memory.
type Shares = BTreeMap<Kin, (u64, u64)>;

/// Rows that are alike in what share of their memory is usable: of one maker, one kind of memory, and with Apple, whose
/// system gives GPUs two thirds of small memories and three quarters of large ones, on one side of [`APPLE_LARGE`].
type Kin = (Vendor, Memory, bool);

/// From here on an Apple's memory is large: of the measured rows those up to 32 GiB have two thirds, those from 36 GiB on
/// three quarters or more.
const APPLE_LARGE: u64 = 36 << 30;

fn kin(gpu: &Gpu) -> Kin {
    let large = gpu.vendor == Vendor::Apple && gpu.nominal_bytes >= APPLE_LARGE;
    (gpu.vendor, gpu.memory, large)
}

impl Catalogue {
    /// The rows that Pondera knows, sorted by name.
    #[must_use]
    pub fn built_in() -> &'static Catalogue {
        static ALL: LazyLock<Catalogue> = LazyLock::new(|| {
            // A test reads the same text, so it is sound.
            Catalogue::default()
                .merged(BUILT_IN, Path::new("gpus.toml"))
                .unwrap_or_default()
        });
        &ALL
    }

    /// The built-in rows with a user's TOML over them: a row replaces the one of the same name or is added, and takes
    /// its aliases from whichever row had them.
    ///
    /// # Errors
    /// The file cannot be read or is no such TOML; the error names the row, the field and what to do.
    pub fn with_file(path: &Path) -> Result<Catalogue, CatalogueError> {
        let unreadable = |error| CatalogueError::Unreadable(path.to_owned(), error);
        let text = regular_file::read(path, LIMIT).map_err(unreadable)?;
        let text = String::from_utf8(text).map_err(|_| CatalogueError::Malformed {
            path: path.to_owned(),
            reason: "the file is not UTF-8; save it as UTF-8".to_owned(),
        })?;
        Catalogue::built_in().clone().merged(&text, path)
    }

    /// All rows, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = &Gpu> {
        self.gpus.iter()
    }

    /// The few that a table shows when nothing is chosen.
    pub fn common(&self) -> impl Iterator<Item = &Gpu> {
        self.iter().filter(|gpu| gpu.common)
    }

    fn merged(mut self, text: &str, path: &Path) -> Result<Catalogue, CatalogueError> {
        let rows = read_rows(text, path)?;
        if self.gpus.is_empty() {
            self.shares = shares(&rows);
        }
        for Row { mut gpu, measured } in rows {
            self.free(&gpu, path)?;
            if !measured {
                (gpu.usable_bytes, gpu.usable) = derived(&gpu, &self.shares);
            }
            self.put(gpu);
        }
        self.gpus.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(self)
    }

    /// Refuses other names that are the name of another row, for a look-up could not tell the two apart.
    fn free(&self, gpu: &Gpu, path: &Path) -> Result<(), CatalogueError> {
        let own = plain(&gpu.name);
        for (field, names) in [("aliases", &gpu.aliases), ("default_for", &gpu.default_for)] {
            let taken = names.iter().find_map(|name| {
                let key = plain(name);
                let other = self.iter().find(|other| plain(&other.name) == key)?;
                (key != own).then_some((name, &other.name))
            });
            if let Some((name, other)) = taken {
                return Err(CatalogueError::Row {
                    path: path.to_owned(),
                    row: gpu.name.clone(),
                    field: field.to_owned(),
                    reason: format!("has '{name}', which is the name of {other}; drop it"),
                });
            }
        }
        Ok(())
    }

    /// Adds a row; others lose its name and the other names it has.
    fn put(&mut self, gpu: Gpu) {
        let name = plain(&gpu.name);
        self.gpus.retain(|other| plain(&other.name) != name);
        let taken: Vec<String> = std::iter::once(&gpu.name)
            .chain(&gpu.aliases)
            .chain(&gpu.default_for)
            .map(|name| plain(name))
            .collect();
        for other in &mut self.gpus {
            other.aliases.retain(|alias| !taken.contains(&plain(alias)));
            other
                .default_for
                .retain(|alias| !taken.contains(&plain(alias)));
        }
        self.gpus.push(gpu);
    }
}

/// For each maker and kind of memory the measured row with the median share of usable bytes; of two the lower.
fn shares(rows: &[Row]) -> Shares {
    let mut measured: BTreeMap<Kin, Vec<(u64, u64)>> = BTreeMap::new();
    for Row { gpu, .. } in rows {
        if matches!(gpu.usable, Usable::Measured { .. }) {
            measured
                .entry(kin(gpu))
                .or_default()
                .push((gpu.usable_bytes, gpu.nominal_bytes));
        }
    }
    let median = |mut of: Vec<(u64, u64)>| {
        of.sort_by_key(|&(usable, nominal)| parts_per_million(usable, nominal));
        of.get((of.len().max(1) - 1) / 2).copied()
    };
    measured
        .into_iter()
        .filter_map(|(kind, of)| Some((kind, median(of)?)))
        .collect()
}

/// What share of the nominal bytes is usable, rounded down.
fn parts_per_million(usable: u64, nominal: u64) -> u128 {
    1_000_000 * u128::from(usable) / u128::from(nominal.max(1))
}

/// The rule for usable bytes where none were measured: the median share of those rows of the same maker and kind of
/// memory that were; all of the nominal memory where nothing of the kind was measured.
fn derived(gpu: &Gpu, shares: &Shares) -> (u64, Usable) {
    let size = match (gpu.vendor, kin(gpu)) {
        (Vendor::Apple, (_, _, true)) => " from 36 GiB on",
        (Vendor::Apple, _) => " below 36 GiB",
        _ => "",
    };
    let kind = format!("{} {}{size}", gpu.vendor, gpu.memory.name());
    let Some(&(usable, nominal)) = shares.get(&kin(gpu)) else {
        let how = format!("all of the nominal memory, for nothing of {kind} was measured");
        return (gpu.nominal_bytes, Usable::Derived { how });
    };
    let share = parts_per_million(usable, nominal);
    // The share is at most a million, so the result fits; the product of two u64 fits 128 bits.
    let bytes = u64::try_from(u128::from(gpu.nominal_bytes) * share / 1_000_000)
        .unwrap_or(gpu.nominal_bytes);
    let how = format!(
        "{}.{:04} % of the nominal memory, the median of what was measured of {kind}",
        share / 10_000,
        share % 10_000
    );
    (bytes, Usable::Derived { how })
}

/// The rows of a text, in its order. No two have a name in common.
fn read_rows(text: &str, path: &Path) -> Result<Vec<Row>, CatalogueError> {
    let malformed = |reason: String| CatalogueError::Malformed {
        path: path.to_owned(),
        reason,
    };
    let table: Table = toml::from_str(text).map_err(|error: toml::de::Error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.lines().count().max(1));
        malformed(format!("line {line} is not TOML: {}", error.message()))
    })?;
    if let Some(key) = table.keys().find(|key| *key != "gpu") {
        return Err(malformed(format!(
            "`{}` is not known; the file is a list of [[gpu]]",
            key.escape_debug()
        )));
    }
    let values = match table.get("gpu") {
        Some(Value::Array(values)) => values.as_slice(),
        _ => {
            return Err(malformed(
                "it has no GPU; begin each with [[gpu]]".to_owned(),
            ));
        }
    };
    let mut rows: Vec<Row> = Vec::with_capacity(values.len());
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for (at, value) in values.iter().enumerate() {
        let own = value.get("name").and_then(Value::as_str);
        let row = own.map_or_else(|| format!("[[gpu]] number {}", at + 1), str::to_owned);
        let wrong = |field: String, reason: String| CatalogueError::Row {
            path: path.to_owned(),
            row: row.clone(),
            field,
            reason,
        };
        let read = value
            .as_table()
            .ok_or_else(|| {
                malformed("`gpu` must be a list of tables, each under [[gpu]]".to_owned())
            })
            .and_then(|table| row::read(table).map_err(|error| wrong(error.field, error.reason)))?;
        let gpu = &read.gpu;
        let all = std::iter::once(("name", &gpu.name))
            .chain(gpu.aliases.iter().map(|name| ("aliases", name)))
            .chain(gpu.default_for.iter().map(|name| ("default_for", name)));
        for (field, name) in all {
            let key = plain(name);
            if key.is_empty() {
                let reason = format!(
                    "has '{}', which has no letters or digits",
                    name.escape_debug()
                );
                return Err(wrong(field.to_owned(), reason));
            }
            if let Some(other) = names.insert(key, gpu.name.clone()) {
                let reason = format!("has '{name}', which {other} has too; drop one of the two");
                return Err(wrong(field.to_owned(), reason));
            }
        }
        rows.push(read);
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::{BUILT_IN, Catalogue};
    use crate::hardware::look_up::plain;
    use crate::hardware::{Gpu, Usable, Vendor};
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    const GIB: u64 = 1 << 30;

    fn read(text: &str) -> Result<Catalogue, String> {
        Catalogue::default()
            .merged(text, Path::new("some.toml"))
            .map_err(|error| error.to_string())
    }

    fn row(name: &str, more: &str) -> String {
        format!(
            "[[gpu]]\nname = \"{name}\"\nvendor = \"nvidia\"\nmemory = \"10GiB\"\nmemory_kind = \"hbm\"\n\
             source = \"a test\"\n{more}\n"
        )
    }

    fn get(catalogue: &Catalogue, name: &str) -> Gpu {
        catalogue.find(name).unwrap().gpu
    }

    #[test]
    fn the_data_are_sound_sorted_unique_and_sourced() {
        let catalogue = read(BUILT_IN).unwrap();
        let order: Vec<&str> = catalogue.iter().map(|gpu| gpu.name.as_str()).collect();
        let in_file: Vec<&str> = BUILT_IN
            .lines()
            .filter_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))
            .collect();
        assert_eq!(
            order, in_file,
            "the file is sorted and no row replaces another"
        );
        assert!(order.len() >= 100);
        let mut names = BTreeSet::new();
        for gpu in catalogue.iter() {
            let name = &gpu.name;
            assert!(!gpu.source.trim().is_empty(), "{name}");
            assert!(
                gpu.usable_bytes > 0 && gpu.usable_bytes <= gpu.nominal_bytes,
                "{name}"
            );
            assert_eq!(
                gpu.context_bytes.is_some(),
                gpu.context_source.is_some(),
                "{name}"
            );
            assert!(
                !matches!(gpu.usable, Usable::Given),
                "{name} says no source of its usable bytes"
            );
            assert!(
                name.chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-.".contains(c)),
                "{name}"
            );
            for other in std::iter::once(name)
                .chain(&gpu.aliases)
                .chain(&gpu.default_for)
            {
                assert!(
                    names.insert(plain(other)),
                    "{other} of {name} is there twice"
                );
            }
        }
    }

    #[test]
    fn the_catalogue_has_what_it_promises() {
        let catalogue = Catalogue::built_in();
        for name in [
            "H100-SXM-80GB",
            "H200-SXM-141GB",
            "A100-SXM-80GB",
            "L40S",
            "RTX-4090",
            "B200",
        ] {
            assert_eq!(get(catalogue, name).name, name);
        }
        let common = catalogue.common().count();
        assert!((8..=16).contains(&common), "{common}");
    }

    #[test]
    fn facts_are_read_from_the_row() {
        let h100 = get(Catalogue::built_in(), "H100-SXM-80GB");
        assert_eq!(h100.nominal_bytes, 80 * GIB);
        // 79.19 * 2^30, without the rest of a byte.
        assert_eq!(h100.usable_bytes, 85_029_615_042);
        assert!(matches!(h100.usable, Usable::Measured { .. }));
        assert_eq!(h100.bandwidth, Some(3_350_000_000_000));
        assert_eq!(h100.flops.bf16, Some(989_000_000_000_000));
        assert_eq!(h100.flops.fp4, None);
        let link = h100.interconnect.unwrap();
        assert_eq!(
            (link.name.as_str(), link.bytes_per_second),
            ("NVLink 4", 900_000_000_000)
        );
        assert_eq!((h100.per_node, h100.compute_capability), (8, Some((9, 0))));
        // 0.51 * 2^30 = 547608330.24.
        assert_eq!(h100.context_bytes, Some(547_608_330));
        assert!(!h100.unified);
        // More than 141 * 10^9 bytes are reported, so its GB are GiB.
        assert_eq!(get(Catalogue::built_in(), "H200").nominal_bytes, 141 * GIB);
    }

    #[test]
    fn what_was_not_measured_follows_the_median_of_its_kind() {
        let measured = |name: &str, usable: &str| {
            row(
                name,
                &format!("usable = \"{usable}\"\nusable_source = \"a test\""),
            )
        };
        let text = [
            measured("a", "9GiB"),
            measured("b", "8GiB"),
            measured("c", "5GiB"),
            row("d", ""),
            row("e", "").replace("\"hbm\"", "\"gddr\""),
        ]
        .concat();
        let catalogue = read(&text).unwrap();
        let d = get(&catalogue, "d");
        assert_eq!(d.usable_bytes, 8 * GIB);
        let Usable::Derived { how } = d.usable else {
            panic!("d was not measured")
        };
        assert!(how.starts_with("80.0000 % of the nominal memory"), "{how}");
        let e = get(&catalogue, "e");
        assert_eq!(e.usable_bytes, 10 * GIB);
        assert!(matches!(e.usable, Usable::Derived { how } if how.contains("all of the nominal")));
    }

    #[test]
    fn apples_of_one_size_have_the_share_that_was_measured_of_others() {
        let catalogue = Catalogue::built_in();
        for (name, third) in [("M1-8GB", 8), ("M3-Pro-18GB", 18)] {
            let gpu = get(catalogue, name);
            let off = gpu.usable_bytes.abs_diff(2 * third * GIB / 3);
            assert!(off < GIB / 500, "{name}: {}", gpu.usable_bytes);
            assert!(matches!(&gpu.usable, Usable::Derived { how } if how.contains("below 36 GiB")));
        }
        let large = get(catalogue, "M2-Max-96GB");
        assert!(large.usable_bytes.abs_diff(72 * GIB) < GIB / 500);
    }

    fn user_file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.toml");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn a_users_row_is_added_or_replaces() {
        let text = [
            row(
                "My-Card",
                "aliases = [\"H100 80GB HBM3\"]\nvendor = \"other\"",
            )
            .replace("vendor = \"nvidia\"\n", ""),
            row("l40-s", "usable = \"7GiB\""),
        ]
        .concat();
        let (_folder, path) = user_file(&text);
        let merged = Catalogue::with_file(&path).unwrap();
        let built_in = Catalogue::built_in();
        assert_eq!(merged.iter().count(), built_in.iter().count() + 1);
        assert_eq!(get(&merged, "my card").vendor, Vendor::Other);
        assert_eq!(get(&merged, "NVIDIA H100 80GB HBM3").name, "My-Card");
        let replaced = get(&merged, "L40S");
        assert_eq!(
            (replaced.name.as_str(), replaced.usable_bytes),
            ("l40-s", 7 * GIB)
        );
        assert_eq!(replaced.usable, Usable::Given);
        assert_eq!(get(built_in, "L40S").name, "L40S");
        // The rule is that of the built-in rows: nothing of this maker was measured there.
        assert_eq!(get(&merged, "my card").usable_bytes, 10 * GIB);
    }

    #[test]
    fn bad_files_name_the_row_the_field_and_what_to_do() {
        for (text, parts) in [
            ("", &["begin each with [[gpu]]"][..]),
            ("gpu = 3", &["begin each with [[gpu]]"]),
            ("gpu = [3]", &["list of tables"]),
            ("[[gpus]]", &["`gpus` is not known", "[[gpu]]"]),
            ("[[gpu]]\nname = \"x\"\nname", &["line 3", "is not TOML"]),
            (
                "[[gpu]]\nmemory = \"1GiB\"",
                &["number 1", "`memory_kind` is missing"],
            ),
            (
                &row("x", "bandwith = 3"),
                &["x: `bandwith` is not known", "bandwidth"],
            ),
            (
                &row("x", "bandwidth = -3"),
                &["x: `bandwidth` must be 0 or more"],
            ),
            (
                &row("x", "bandwidth = 1.5"),
                &["x: `bandwidth` must be a text with a unit"],
            ),
            (
                &row("x", "bandwidth = \"3 apples\""),
                &["x: `bandwidth` '3 apples' has the unknown unit"],
            ),
            (
                &row("x", "flops = { bf17 = \"1T\" }"),
                &["x: `flops.bf17` is not known", "bf16"],
            ),
            (
                &row("x", "flops = { bf16 = true }"),
                &["x: `flops.bf16` must be"],
            ),
            (
                &row("x", "usable = \"11GiB\""),
                &["x: `usable` must be above 0 and at most `memory`"],
            ),
            (
                &row("x", "usable_source = \"y\""),
                &["x: `usable_source` has no `usable`"],
            ),
            (
                &row("x", "interconnect = \"y\""),
                &["x: `interconnect` and `interconnect_bandwidth`"],
            ),
            (
                &row("x", "per_node = 0"),
                &["x: `per_node` must be 1 or more"],
            ),
            (
                &row("x", "compute_capability = \"9\""),
                &["x: `compute_capability` must be"],
            ),
            (
                &row("x", "aliases = \"y\""),
                &["x: `aliases` must be a list"],
            ),
            (
                &row("x", "aliases = [\"--\"]"),
                &["x: `aliases` has '--', which has no letters"],
            ),
            (
                &row("x", "common = 1"),
                &["x: `common` must be true or false"],
            ),
            (
                &row("x", "").replace("nvidia", "nvidea"),
                &["x: `vendor` must be one of", "nvidia"],
            ),
            (
                &row("x", "").replace("10GiB", "10G"),
                &["x: `memory` '10G' has no clear unit"],
            ),
            (
                &row("x", "").replace("\"a test\"", "\" \""),
                &["x: `source` must be a text"],
            ),
            (
                &[row("x", ""), row("X", "")].concat(),
                &["X: `name` has 'X', which x has too"],
            ),
            (
                &[row("x", ""), row("y", "aliases = [\"x\"]")].concat(),
                &["y: `aliases` has 'x', which x has too"],
            ),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with("some.toml: "), "{error}");
            assert!(!error.contains('\n'), "{error}");
            for part in parts {
                assert!(error.contains(part), "{text}\n{error}");
            }
        }
    }

    #[test]
    fn another_name_may_not_be_the_name_of_a_built_in_row() {
        let (_folder, path) = user_file(&row("mine", "aliases = [\"rtx 4090\"]"));
        let error = Catalogue::with_file(&path).unwrap_err().to_string();
        assert!(
            error.contains("mine: `aliases` has 'rtx 4090', which is the name of RTX-4090"),
            "{error}"
        );
        let error = Catalogue::with_file(Path::new("/nowhere/gpus.toml")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/gpus.toml"), "{error}");
    }
}
