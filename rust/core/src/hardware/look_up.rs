//! Finding a GPU by what people and drivers call it.

use super::catalogue::Catalogue;
use super::gpu::{Gpu, Vendor};
use crate::size::{is_size, parse_bytes};
use crate::wording::{counted, distance};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A GPU that was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Found {
    /// The GPU.
    pub gpu: Gpu,
    /// What was taken for granted, in a sentence, where the name left something open.
    pub assumed: Option<String>,
}

/// No GPU has the name, or several have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownGpu {
    /// The name that was asked for.
    pub name: String,
    /// The GPUs that it may mean; empty if there are none.
    pub candidates: Vec<String>,
    /// GPUs whose names are close, closest first.
    pub close: Vec<String>,
    /// What is wrong with it, where it was read as a size of memory.
    pub size: Option<String>,
    /// The maker that it names, if it names no more.
    pub vendor: Option<Vendor>,
}

impl fmt::Display for UnknownGpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = self.name.chars().take(LONGEST).collect();
        let shown = shown.escape_debug();
        if let Some(reason) = &self.size {
            return write!(f, "no GPU has {reason}");
        }
        if !self.candidates.is_empty() {
            return write!(
                f,
                "'{shown}' may be any of {}; give one of these names",
                self.candidates.join(", ")
            );
        }
        write!(f, "no GPU is known as '{shown}'")?;
        if let Some(vendor) = self.vendor {
            return write!(
                f,
                "; `pondera gpus --vendor {0}` lists those of {0}",
                vendor.name()
            );
        }
        if !self.close.is_empty() {
            write!(f, "; close names are {}", self.close.join(", "))?;
        }
        f.write_str("; `pondera gpus` lists all, and a size such as 24GiB may stand for any GPU")
    }
}

impl std::error::Error for UnknownGpu {}

/// Longer names are of no GPU, and are not compared.
const LONGEST: usize = 100;

/// Words in front of a name that do not tell one GPU of the catalogue from another.
const BRANDS: &[(&str, Vendor)] = &[
    ("aws", Vendor::Amazon),
    ("amazon", Vendor::Amazon),
    ("amd", Vendor::Amd),
    ("apple", Vendor::Apple),
    ("geforce", Vendor::Nvidia),
    ("google", Vendor::Google),
    ("instinct", Vendor::Amd),
    ("intel", Vendor::Intel),
    ("nvidia", Vendor::Nvidia),
    ("radeon", Vendor::Amd),
    ("tesla", Vendor::Nvidia),
];

/// What names of computers begin with, and whose they are: they hold one of several GPUs.
const COMPUTERS: &[(&str, Vendor)] = &[("mac", Vendor::Apple), ("imac", Vendor::Apple)];

/// The maker that a plain name stands for, where it names a computer or no more than a brand.
fn maker(wanted: &str) -> Option<Vendor> {
    let brand = BRANDS.iter().find(|(name, _)| *name == wanted);
    let computer = COMPUTERS.iter().find(|(name, _)| wanted.starts_with(name));
    brand.or(computer).map(|(_, vendor)| *vendor)
}

/// A name in small letters without punctuation and brands: `NVIDIA GeForce RTX 4090` is `rtx4090`.
pub fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace("(tm)", "").replace("(r)", "");
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).collect();
    let mut rest = letters.replace("gib", "gb");
    while let Some(shorter) = BRANDS
        .iter()
        .find_map(|(brand, _)| rest.strip_prefix(brand).filter(|rest| !rest.is_empty()))
    {
        rest = shorter.to_owned();
    }
    rest
}

/// The words of a name, each plain.
fn words(name: &str) -> Vec<String> {
    name.split(|c: char| !c.is_alphanumeric())
        .map(plain)
        .filter(|word| !word.is_empty() && !BRANDS.iter().any(|(brand, _)| brand == word))
        .collect()
}

impl Catalogue {
    /// The GPU of this name.
    ///
    /// Case, punctuation and the maker's name are passed over, and what drivers report is known:
    /// `h100-sxm-80gb`, `H100 SXM 80GB` and `NVIDIA H100 80GB HBM3` are one. A name that leaves something open, such
    /// as `h100`, is the stated default, and `assumed` says so. A size such as `24GB` is any GPU with that much usable
    /// memory, of which nothing else is known.
    ///
    /// # Errors
    /// Nothing is known by this name (the error has close ones), or several GPUs are (it lists them).
    pub fn find(&self, name: &str) -> Result<Found, UnknownGpu> {
        let unknown = UnknownGpu {
            name: name.to_owned(),
            candidates: Vec::new(),
            close: Vec::new(),
            size: None,
            vendor: None,
        };
        if is_size(name) {
            return of_size(name, unknown);
        }
        let wanted = plain(name);
        if wanted.is_empty() || wanted.chars().count() > LONGEST {
            return Err(unknown);
        }
        let among = |names: &[String]| names.iter().any(|known| plain(known) == wanted);
        if let Some(gpu) = self
            .iter()
            .find(|gpu| plain(&gpu.name) == wanted || among(&gpu.aliases))
        {
            return Ok(Found {
                gpu: gpu.clone(),
                assumed: None,
            });
        }
        let candidates = self.holding(&words(name));
        if let Some(gpu) = self.iter().find(|gpu| among(&gpu.default_for)) {
            let others: Vec<&str> = candidates
                .iter()
                .filter(|other| other.name != gpu.name)
                .map(|other| other.name.as_str())
                .collect();
            let beside = if others.is_empty() {
                String::new()
            } else {
                format!("; there are also {}", others.join(", "))
            };
            let assumed = Some(format!("'{name}' is taken as {}{beside}", gpu.name));
            return Ok(Found {
                gpu: gpu.clone(),
                assumed,
            });
        }
        match candidates.as_slice() {
            [gpu] => Ok(Found {
                gpu: (*gpu).clone(),
                assumed: Some(format!(
                    "'{name}' is taken as {}, the only one with these words in its name",
                    gpu.name
                )),
            }),
            [] if wanted.bytes().all(|byte| byte.is_ascii_digit()) => Err(UnknownGpu {
                size: Some(format!(
                    "the name '{wanted}'; write {wanted}GB or {wanted}GiB for any GPU with so much memory"
                )),
                ..unknown
            }),
            [] => Err(UnknownGpu {
                close: self.close_to(&wanted),
                vendor: maker(&wanted),
                ..unknown
            }),
            several => Err(UnknownGpu {
                candidates: several.iter().map(|gpu| gpu.name.clone()).collect(),
                ..unknown
            }),
        }
    }

    /// GPUs whose canonical names have all these words.
    fn holding(&self, wanted: &[String]) -> Vec<&Gpu> {
        let holds = |gpu: &&Gpu| {
            let own = words(&gpu.name);
            !wanted.is_empty() && wanted.iter().all(|word| own.contains(word))
        };
        self.iter().filter(holds).collect()
    }

    /// The names closest to a plain one.
    fn close_to(&self, wanted: &str) -> Vec<String> {
        const SHOWN: usize = 3;
        let mut close: Vec<(usize, &str)> = self
            .iter()
            .filter_map(|gpu| {
                let names = std::iter::once(&gpu.name)
                    .chain(&gpu.aliases)
                    .chain(&gpu.default_for);
                let nearest = names
                    .map(|known| plain(known))
                    .map(|known| {
                        let far = distance(wanted, &known);
                        // A name that is part of the other is nearer than letters tell.
                        let near =
                            known.len() > 2 && (known.contains(wanted) || wanted.contains(&known));
                        let within = far <= (wanted.len().max(known.len()) / 3).max(1);
                        (near || within, if near { far.min(1) } else { far })
                    })
                    .filter(|(close, _)| *close)
                    .map(|(_, far)| far)
                    .min()?;
                Some((nearest, gpu.name.as_str()))
            })
            .collect();
        close.sort_unstable();
        close
            .into_iter()
            .take(SHOWN)
            .map(|(_, name)| name.to_owned())
            .collect()
    }
}

fn of_size(name: &str, unknown: UnknownGpu) -> Result<Found, UnknownGpu> {
    match parse_bytes(name) {
        Ok(bytes) if bytes > 0 => Ok(Found {
            gpu: Gpu::of_size(name.trim(), bytes),
            assumed: Some(format!(
                "'{}' is taken as any GPU with {} of usable memory; its bandwidth and operations are unknown",
                name.trim(),
                counted(bytes, "byte")
            )),
        }),
        Ok(_) => Err(UnknownGpu {
            size: Some(format!("'{}' of memory; give a size above 0", name.trim())),
            ..unknown
        }),
        Err(error) => Err(UnknownGpu {
            size: Some(format!("this memory: {error}")),
            ..unknown
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::plain;
    use crate::hardware::{Catalogue, Vendor};

    #[test]
    fn what_is_nearly_a_name_is_told_what_to_write() {
        let said = |name: &str| Catalogue::built_in().find(name).unwrap_err().to_string();
        assert!(said("h1000").contains("H100-SXM-80GB"), "{}", said("h1000"));
        assert!(said("24").contains("write 24GB or 24GiB"), "{}", said("24"));
        for name in ["mac", "MacBook Pro", "iMac", "apple"] {
            assert!(said(name).contains("--vendor apple"), "{}", said(name));
        }
        assert!(said("GeForce").contains("--vendor nvidia"));
    }

    #[test]
    fn names_are_plain_without_case_punctuation_and_brands() {
        for (name, expected) in [
            ("NVIDIA GeForce RTX 4090", "rtx4090"),
            ("rtx_4090", "rtx4090"),
            ("H100 SXM 80GiB", "h100sxm80gb"),
            ("AMD Radeon(TM) RX 7900 XTX", "rx7900xtx"),
            ("Intel(R) Arc(TM) A770", "arca770"),
            ("nvidia", "nvidia"),
            ("--", ""),
        ] {
            assert_eq!(plain(name), expected);
        }
    }

    #[test]
    fn one_gpu_has_many_spellings() {
        for name in [
            "H100-SXM-80GB",
            "h100-sxm-80gb",
            "H100 SXM 80GB",
            "h100sxm80gb",
            "NVIDIA H100 80GB HBM3",
            "nvidia/h100_sxm_80gb",
        ] {
            let found = Catalogue::built_in().find(name).unwrap();
            assert_eq!(found.gpu.name, "H100-SXM-80GB", "{name}");
            assert_eq!(found.assumed, None, "{name}");
        }
        for (name, expected) in [
            ("NVIDIA GeForce RTX 4090", "RTX-4090"),
            ("4090", "RTX-4090"),
            ("NVIDIA A100-SXM4-80GB", "A100-SXM-80GB"),
            ("Tesla T4", "T4"),
            ("NVIDIA GB10", "DGX-Spark"),
        ] {
            let found = Catalogue::built_in().find(name).unwrap();
            assert_eq!(
                (found.gpu.name.as_str(), found.assumed),
                (expected, None),
                "{name}"
            );
        }
    }

    #[test]
    fn a_default_is_taken_and_said() {
        let found = Catalogue::built_in().find("h100").unwrap();
        assert_eq!(found.gpu.name, "H100-SXM-80GB");
        let assumed = found.assumed.unwrap();
        assert!(
            assumed.starts_with("'h100' is taken as H100-SXM-80GB; there are also "),
            "{assumed}"
        );
        assert!(assumed.contains("H100-PCIE-80GB"), "{assumed}");
        let only = Catalogue::built_in().find("h100 nvl 94").unwrap_err();
        assert!(only.close.contains(&"H100-NVL-94GB".to_owned()), "{only}");
        let one = Catalogue::built_in().find("sxm 141GB H200").unwrap();
        assert_eq!(one.gpu.name, "H200-SXM-141GB");
        assert!(one.assumed.unwrap().contains("the only one"));
    }

    #[test]
    fn without_a_default_the_candidates_are_listed() {
        let error = Catalogue::built_in().find("jetson").unwrap_err();
        assert!(error.candidates.len() > 3, "{error}");
        let words = error.to_string();
        assert!(
            words.contains("'jetson' may be any of Jetson-AGX-Orin-32GB, "),
            "{words}"
        );
    }

    #[test]
    fn unknown_names_give_close_ones() {
        let error = Catalogue::built_in().find("RTX 5091").unwrap_err();
        assert!(error.close.contains(&"RTX-5090".to_owned()), "{error}");
        assert!(
            error
                .to_string()
                .contains("no GPU is known as 'RTX 5091'; close names are "),
            "{error}"
        );
        for name in ["", "  ", "--", "\u{0}", "no such thing at all"] {
            let error = Catalogue::built_in().find(name).unwrap_err().to_string();
            assert!(error.contains("`pondera gpus` lists all"), "{error}");
        }
        let long = Catalogue::built_in()
            .find(&"h".repeat(100_000))
            .unwrap_err();
        assert!(long.to_string().len() < 400);
    }

    #[test]
    fn a_size_is_any_gpu_with_that_memory() {
        let found = Catalogue::built_in().find("79.19GiB").unwrap();
        assert_eq!(found.gpu.vendor, Vendor::Any);
        assert_eq!(found.gpu.usable_bytes, 85_029_615_042);
        assert_eq!(found.gpu.bandwidth, None);
        assert!(found.assumed.unwrap().contains("85,029,615,042 bytes"));
        assert_eq!(
            Catalogue::built_in().find("24GB").unwrap().gpu.usable_bytes,
            24_000_000_000
        );
        for name in ["0GB", "99999999EiB"] {
            let error = Catalogue::built_in().find(name).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
