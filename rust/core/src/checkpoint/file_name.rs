//! What the name of a file says: weights of which set, a part of how many, which variant; or an unfinished
//! download; or weights in a format that is not read.

/// What a file is, by its name alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// Safetensors weights.
    Weights(WeightName),
    /// `NAME.safetensors.index.json` or `NAME.safetensors.index.VARIANT.json`; the name of the set it indexes.
    Index(WeightName),
    /// A partial or hidden file of a download.
    Unfinished,
    /// The lock of a weight file.
    Lock,
    /// Weights in another format.
    NotRead,
    /// Anything else.
    Other,
}

/// The name of a weight file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WeightName {
    /// The set the file belongs to, as `model` of `model-00001-of-00004.fp16.safetensors`.
    pub stem: String,
    /// The variant, as `fp16`.
    pub variant: Option<String>,
    /// Which part of how many.
    pub part: Option<(u64, u64)>,
}

/// Stems that libraries give to the one set of weights in a folder, most usual first
/// (transformers, diffusers, peft: their `constants.py`/`utils`).
const STANDARD_STEMS: &[&str] = &[
    "model",
    "diffusion_pytorch_model",
    "pytorch_model",
    "adapter_model",
    "pytorch_lora_weights",
    "open_clip_model",
    "open_clip_pytorch_model",
];

/// Endings of files in formats that hold weights and are not read.
const OTHER_FORMATS: &[&str] = &[
    "bin", "pt", "pth", "ckpt", "gguf", "ggml", "onnx", "h5", "keras", "msgpack", "npz", "tflite",
    "pdparams", "mlmodel", "ot", "nemo", "engine", "marlin",
];

/// What ONNX calls the files that hold the weights of a model over 2 GB; a number may follow.
const ONNX_DATA: &[&str] = &[".onnx_data", ".onnx.data"];

/// Endings of files that a download has not finished.
const UNFINISHED: &[&str] = &[
    "incomplete",
    "part",
    "partial",
    "tmp",
    "temp",
    "download",
    "crdownload",
    "aria2",
    "filepart",
];

/// Small `.bin` files beside weights that hold none.
const NOT_WEIGHTS: &[&str] = &["training_args.bin", "tokenizer.bin", "scheduler.bin"];

impl FileKind {
    /// The kind of a file with this name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let extension_lower = extension.to_ascii_lowercase();
        if UNFINISHED.contains(&&*extension_lower) {
            return Self::Unfinished;
        }
        if extension_lower == "lock" {
            // Package managers lock too: `uv.lock`, `poetry.lock`.
            return match Self::of(stem) {
                Self::Weights(_) | Self::Index(_) | Self::NotRead => Self::Lock,
                _ => Self::Other,
            };
        }
        // `.model.safetensors.Xy12` and `.model.safetensors` alike: rsync and editors write hidden files.
        if name.starts_with('.') && name.contains(".safetensors") {
            return Self::Unfinished;
        }
        if let Some((set, rest)) = name.split_once(".safetensors.index.")
            && let Some(variant) = format!(".{rest}").strip_suffix(".json")
        {
            // transformers and diffusers put the variant of an index last: `model.safetensors.index.fp16.json`.
            let name = WeightName::parse(set);
            let variant = variant.strip_prefix('.').map(str::to_owned);
            return Self::Index(WeightName {
                variant: variant.or(name.variant),
                ..name
            });
        }
        if extension_lower == "safetensors" {
            return Self::Weights(WeightName::parse(stem));
        }
        if (OTHER_FORMATS.contains(&&*extension_lower) || is_onnx_data(name))
            && !name.starts_with('.')
            && !NOT_WEIGHTS.contains(&name)
        {
            return Self::NotRead;
        }
        Self::Other
    }
}

fn is_onnx_data(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ONNX_DATA.iter().any(|ending| {
        name.split_once(ending).is_some_and(|(_, rest)| {
            let number = rest.strip_prefix('_').unwrap_or("0");
            (rest.is_empty() || rest.starts_with('_'))
                && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

impl WeightName {
    /// Takes apart a file name without its `.safetensors`.
    #[must_use]
    pub fn parse(stem: &str) -> Self {
        let (before, part, after) = split_part(stem);
        // `model-00001-of-00002.fp16` has its variant behind the part, `model.fp16-00001-of-00002` before it.
        let (base, variant) = match after.strip_prefix('.') {
            Some(variant) if !variant.is_empty() => (before.to_owned(), Some(variant.to_owned())),
            _ => {
                let whole = format!("{before}{after}");
                STANDARD_STEMS
                    .iter()
                    .find_map(|standard| {
                        let variant = whole.strip_prefix(standard)?.strip_prefix('.')?;
                        // `model.safetensors-00001-of-00002.safetensors` is how some publishers name shards.
                        let real = !variant.is_empty() && variant != "safetensors";
                        real.then(|| ((*standard).to_owned(), Some(variant.to_owned())))
                    })
                    .unwrap_or((whole, None))
            }
        };
        Self {
            stem: base,
            variant,
            part,
        }
    }

    /// Whether libraries give this name to the one set of weights in a folder.
    #[must_use]
    pub fn is_standard(&self) -> bool {
        self.rank() < STANDARD_STEMS.len()
    }

    /// Position among the standard stems; past their end for all others.
    #[must_use]
    pub fn rank(&self) -> usize {
        let stem = self.stem.strip_suffix(".safetensors").unwrap_or(&self.stem);
        STANDARD_STEMS
            .iter()
            .position(|standard| *standard == stem)
            .unwrap_or(STANDARD_STEMS.len())
    }

    /// Whether this is the copy in the layout of the model's own code (Mistral and Llama publish one).
    #[must_use]
    pub fn is_consolidated(&self) -> bool {
        self.stem == "consolidated" || self.stem.starts_with("consolidated.")
    }

    /// What the parts of one set have in common: the stem, but `consolidated.00` for each of the `consolidated.00`,
    /// `consolidated.01`, ... that the original code of Llama and Mistral writes.
    #[must_use]
    pub fn series(&self) -> &str {
        match self.stem.split_once('.') {
            Some(("consolidated", part)) if part.bytes().all(|byte| byte.is_ascii_digit()) => {
                "consolidated.00"
            }
            _ => &self.stem,
        }
    }

    /// Whether the name marks an adapter.
    #[must_use]
    pub fn is_adapter(&self) -> bool {
        matches!(&*self.stem, "adapter_model" | "pytorch_lora_weights")
    }
}

/// Splits `A-N-of-MB` into `A`, `(N, M)` and `B`.
fn split_part(stem: &str) -> (&str, Option<(u64, u64)>, &str) {
    let found = stem.rmatch_indices("-of-").find_map(|(at, _)| {
        let digits_end = |text: &str| {
            text.find(|c: char| !c.is_ascii_digit())
                .unwrap_or(text.len())
        };
        let tail = &stem[at + 4..];
        let total = &tail[..digits_end(tail)];
        let head = &stem[..at];
        let start = head.trim_end_matches(|c: char| c.is_ascii_digit()).len();
        let before = head[..start].strip_suffix(['-', '_'])?;
        let part = (head[start..].parse().ok()?, total.parse().ok()?);
        Some((before, Some(part), &tail[total.len()..]))
    });
    found.unwrap_or((stem, None, ""))
}

#[cfg(test)]
mod tests {
    use super::{FileKind, WeightName};

    #[test]
    fn takes_names_apart() {
        for (name, stem, variant, part) in [
            ("model", "model", None, None),
            ("model.fp16", "model", Some("fp16"), None),
            ("model-00001-of-00163", "model", None, Some((1, 163))),
            (
                "model.fp16-00001-of-00002",
                "model",
                Some("fp16"),
                Some((1, 2)),
            ),
            (
                "model-00001-of-00002.fp16",
                "model",
                Some("fp16"),
                Some((1, 2)),
            ),
            ("model-1-of-2", "model", None, Some((1, 2))),
            (
                "model.safetensors-00003-of-00014",
                "model.safetensors",
                None,
                Some((3, 14)),
            ),
            (
                "diffusion_pytorch_model.non_ema",
                "diffusion_pytorch_model",
                Some("non_ema"),
                None,
            ),
            ("consolidated.00", "consolidated.00", None, None),
            (
                "consolidated-00001-of-00010",
                "consolidated",
                None,
                Some((1, 10)),
            ),
            ("gptq_model-4bit-128g", "gptq_model-4bit-128g", None, None),
            ("sd_xl_base_1.0", "sd_xl_base_1.0", None, None),
            ("a-of-b", "a-of-b", None, None),
            ("-of-", "-of-", None, None),
            ("modelé00001-of-00002", "modelé00001-of-00002", None, None),
            ("модель-00001-of-00002", "модель", None, Some((1, 2))),
            ("00001-of-00002", "00001-of-00002", None, None),
            (
                "a-1-of-18446744073709551615",
                "a",
                None,
                Some((1, u64::MAX)),
            ),
            (
                "a-1-of-18446744073709551616",
                "a-1-of-18446744073709551616",
                None,
                None,
            ),
        ] {
            let expected = WeightName {
                stem: stem.to_owned(),
                variant: variant.map(str::to_owned),
                part,
            };
            assert_eq!(WeightName::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn an_index_has_its_variant_in_either_place() {
        for name in [
            "model.fp16.safetensors.index.json",
            "model.safetensors.index.fp16.json",
        ] {
            let expected = WeightName {
                stem: "model".to_owned(),
                variant: Some("fp16".to_owned()),
                part: None,
            };
            assert_eq!(FileKind::of(name), FileKind::Index(expected), "{name}");
        }
    }

    #[test]
    fn tells_kinds_of_files_apart() {
        let kind = |name| match FileKind::of(name) {
            FileKind::Weights(_) => "weights",
            FileKind::Index(_) => "index",
            FileKind::Unfinished => "unfinished",
            FileKind::Lock => "lock",
            FileKind::NotRead => "not read",
            FileKind::Other => "other",
        };
        for (name, expected) in [
            ("model.safetensors", "weights"),
            ("model.safetensors.index.json", "index"),
            ("model.fp16.safetensors.index.json", "index"),
            ("model.safetensors.index.fp16.json", "index"),
            ("model.safetensors.index.json.bak", "other"),
            ("model.safetensors.index.", "other"),
            ("4f1c.incomplete", "unfinished"),
            ("model.safetensors.lock", "lock"),
            ("pytorch_model.bin.lock", "lock"),
            ("uv.lock", "other"),
            ("config.json.lock", "other"),
            (".lock", "other"),
            ("model.onnx.data", "not read"),
            ("model.onnx_data", "not read"),
            ("model.onnx_data_1", "not read"),
            ("model.onnx_database", "other"),
            (".model.safetensors.aB3dE9", "unfinished"),
            (".model.safetensors", "unfinished"),
            ("._model.safetensors.index.json", "unfinished"),
            ("pytorch_model.bin", "not read"),
            ("pytorch_model.bin.index.json", "other"),
            ("training_args.bin", "other"),
            ("q4_k_m.GGUF", "not read"),
            ("config.json", "other"),
            ("README", "other"),
            ("", "other"),
            (".", "other"),
        ] {
            assert_eq!(kind(name), expected, "{name}");
        }
    }
}
