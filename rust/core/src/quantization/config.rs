//! What a publisher states about quantization: method, bits and group size.
//!
//! Only what is needed to count logical parameters is read; the rest of the configuration is for the architecture.

use crate::json_file;
use crate::source::Source;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Bits and group size of one module, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grid {
    /// Bits per weight.
    pub bits: Option<u64>,
    /// Weights that share a scale.
    pub group_size: Option<u64>,
}

/// What is stated for a checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QuantizationConfig {
    /// `gptq`, `awq`, `fp8`, `compressed-tensors`, `mlx`, ...
    pub method: Option<String>,
    /// What holds for every module not named below.
    pub grid: Grid,
    /// The grids of which each module has one, where several are stated and none for all (compressed-tensors).
    pub groups: Vec<Grid>,
    /// Modules with a grid of their own (MLX names them one by one).
    pub modules: BTreeMap<String, Grid>,
}

/// What is stated for one module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stated<'c> {
    /// The method.
    pub method: Option<&'c str>,
    /// The grid.
    pub grid: Grid,
    /// Grids of which the module has one, if the configuration states several.
    pub groups: &'c [Grid],
}

impl QuantizationConfig {
    /// What holds for every module without a grid of its own.
    #[must_use]
    pub fn for_all(&self) -> Stated<'_> {
        Stated {
            method: self.method.as_deref(),
            grid: self.grid,
            groups: &self.groups,
        }
    }

    /// What holds for a module.
    #[must_use]
    pub fn for_module(&self, module: &str) -> Stated<'_> {
        match self.modules.get(module) {
            Some(&grid) => Stated {
                grid,
                groups: &[],
                ..self.for_all()
            },
            None => self.for_all(),
        }
    }

    /// Reads the statement that lies in a folder, from whichever of these files holds one.
    ///
    /// `Err` names the file that cannot be read or is not JSON. No file, or none with a statement, is `Ok(None)`.
    pub fn read(
        source: Source<'_>,
        folder: &Path,
        files: &[String],
    ) -> Result<Option<Self>, (&'static str, String)> {
        for (file, keys) in PLACES {
            if !files.iter().any(|here| here == file) {
                continue;
            }
            let read =
                json_file::read(source, &folder.join(file)).map_err(|error| (*file, error))?;
            let Some(value) = read else {
                continue;
            };
            if keys.is_empty() {
                return Ok(Some(Self::parse(&value)));
            }
            for key in *keys {
                if let Some(stated) = value.pointer(key).filter(|v| v.is_object()) {
                    let mut config = Self::parse(stated);
                    if *key == MLX
                        && *file == "config.json"
                        && config.grid.bits.is_some()
                        && config.method.is_none()
                    {
                        config.method = Some("mlx".to_owned());
                    }
                    return Ok(Some(config));
                }
            }
        }
        Ok(None)
    }

    fn parse(stated: &Value) -> Self {
        let text = |keys: &[&str]| {
            keys.iter()
                .find_map(|key| stated.get(key)?.as_str())
                .map(str::to_lowercase)
        };
        let mut config = Self {
            method: text(&["quant_method", "quant_algo", "quant_type"]),
            grid: Grid::parse(stated),
            groups: Vec::new(),
            modules: BTreeMap::new(),
        };
        if stated.get("load_in_4bit").and_then(Value::as_bool) == Some(true) {
            config.grid.bits = Some(4);
        }
        if let Some(weights) = stated.pointer("/quant_config/weight_quant_params") {
            // HQQ states grids for weights, scales and zero points.
            config.grid = Grid::parse(weights);
        }
        if let Some(groups) = stated.get("config_groups").and_then(Value::as_object) {
            // compressed-tensors: one entry per group of targets. If they disagree, nothing is stated for all.
            config.groups = groups
                .values()
                .filter_map(|group| group.get("weights"))
                .map(Grid::parse)
                .collect();
            config.groups.sort_unstable();
            config.groups.dedup();
            if let [only] = config.groups[..] {
                config.grid = only;
                config.groups.clear();
            }
        }
        if let Some(fields) = stated.as_object() {
            config.modules = fields
                .iter()
                .filter(|(_, value)| value.get("bits").is_some())
                .map(|(module, value)| (module.clone(), Grid::parse(value)))
                .collect();
        }
        config
    }
}

impl Grid {
    fn parse(value: &Value) -> Self {
        let number = |keys: &[&str]| keys.iter().find_map(|key| value.get(key)?.as_u64());
        Self {
            bits: number(&["bits", "num_bits", "w_bit", "nbits"]),
            group_size: number(&["group_size", "q_group_size"]),
        }
    }
}

/// Where mlx-lm states what it did. What stands under `quantization_config` beside it is a copy, or the statement of
/// the model it was converted from.
const MLX: &str = "/quantization";

/// Names of the files that may state a quantization.
pub fn files() -> impl Iterator<Item = &'static str> {
    PLACES.iter().map(|(file, _)| *file)
}

/// Whether a file beside a config states how the weights of a folder, or those of a file in it, are stored.
#[must_use]
pub fn states_beside(weights: &Path) -> bool {
    let folder = if weights.is_dir() {
        Some(weights)
    } else {
        weights.parent()
    };
    let beside = || files().filter(|file| *file != "config.json");
    folder.is_some_and(|folder| beside().any(|file| folder.join(file).exists()))
}

/// The files that state a quantization, and where in them; no place means the whole file.
const PLACES: &[(&str, &[&str])] = &[
    (
        "config.json",
        &[
            MLX,
            "/quantization_config",
            "/compression_config",
            "/text_config/quantization_config",
        ],
    ),
    // ModelOpt.
    ("hf_quant_config.json", &["/quantization"]),
    ("quantize_config.json", &[]),
    ("quant_config.json", &[]),
];

#[cfg(test)]
mod tests {
    use super::{Grid, QuantizationConfig, files};
    use crate::source::Source;
    use serde_json::json;

    fn all() -> Vec<String> {
        files().map(str::to_owned).collect()
    }

    #[test]
    fn reads_what_each_publisher_states() {
        let grid = |bits, group_size| Grid { bits, group_size };
        for (stated, method, expected) in [
            (
                json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": false}),
                Some("gptq"),
                grid(Some(4), Some(128)),
            ),
            (
                json!({"w_bit": 4, "q_group_size": 64, "version": "GEMM"}),
                None,
                grid(Some(4), Some(64)),
            ),
            (
                json!({"quant_method": "compressed-tensors", "config_groups":
                    {"group_0": {"weights": {"num_bits": 4, "group_size": 32}}}}),
                Some("compressed-tensors"),
                grid(Some(4), Some(32)),
            ),
            (
                json!({"quant_algo": "NVFP4", "group_size": 16}),
                Some("nvfp4"),
                grid(None, Some(16)),
            ),
            (
                json!({"quant_method": "bitsandbytes", "load_in_4bit": true}),
                Some("bitsandbytes"),
                grid(Some(4), None),
            ),
            (
                json!({"quant_method": "hqq", "quant_config":
                    {"weight_quant_params": {"nbits": 3, "group_size": 64, "axis": 1}, "scale_quant_params": null}}),
                Some("hqq"),
                grid(Some(3), Some(64)),
            ),
        ] {
            let config = QuantizationConfig::parse(&stated);
            assert_eq!(config.method.as_deref(), method);
            assert_eq!(config.grid, expected);
        }
    }

    #[test]
    fn reads_the_file_that_states_it() {
        let folder = tempfile::tempdir().unwrap();
        let read = |file: &str, text: &str| {
            let path = folder.path().join(file);
            std::fs::write(&path, text).unwrap();
            let config = QuantizationConfig::read(Source::Disk, folder.path(), &all());
            std::fs::remove_file(path).unwrap();
            config
        };
        let method = |file, text| read(file, text).unwrap().and_then(|config| config.method);
        assert_eq!(
            QuantizationConfig::read(Source::Disk, folder.path(), &all()),
            Ok(None)
        );
        assert_eq!(read("config.json", "{}"), Ok(None));
        assert_eq!(read("config.json", "{").unwrap_err().0, "config.json");
        // Mamba 2 configurations hold a word that is not JSON.
        let text = r#"{"time_step_limit": [0.0, Infinity], "quantization_config": {"quant_algo": "NVFP4"}}"#;
        assert_eq!(method("config.json", text).as_deref(), Some("nvfp4"));
        // A conversion by mlx-lm may keep the statement of its source.
        let text = r#"{"quantization_config": {"quant_method": "fp8"}, "quantization": {"bits": 4, "group_size": 64}}"#;
        assert_eq!(method("config.json", text).as_deref(), Some("mlx"));
        // TensorRT-LLM uses the same key without bits.
        assert_eq!(
            method("config.json", r#"{"quantization": {"quant_algo": null}}"#),
            None
        );
        assert_eq!(
            method(
                "hf_quant_config.json",
                r#"{"quantization": {"quant_algo": "FP8"}}"#
            )
            .as_deref(),
            Some("fp8")
        );
        std::fs::create_dir(folder.path().join("quant_config.json")).unwrap();
        assert_eq!(
            QuantizationConfig::read(Source::Disk, folder.path(), &all())
                .unwrap_err()
                .0,
            "quant_config.json"
        );
    }

    #[test]
    fn a_module_may_have_its_own_grid() {
        let config = QuantizationConfig::parse(&json!({
            "bits": 4, "group_size": 64, "model.embed_tokens": {"bits": 8, "group_size": 64}, "lm_head": false
        }));
        assert_eq!(config.for_module("model.embed_tokens").grid.bits, Some(8));
        assert_eq!(config.for_module("lm_head").grid.bits, Some(4));
    }

    #[test]
    fn groups_that_differ_are_all_kept() {
        let group =
            |bits| json!({"targets": ["Linear"], "weights": {"num_bits": bits, "group_size": 128}});
        let groups = |bits: [u64; 3]| {
            let [a, b, c] = bits.map(group);
            QuantizationConfig::parse(&json!({"config_groups": {"a": a, "b": b, "c": c}}))
        };
        let grid = |bits| Grid {
            bits: Some(bits),
            group_size: Some(128),
        };
        let differing = groups([8, 4, 8]);
        assert_eq!(differing.grid, Grid::default());
        assert_eq!(differing.groups, [grid(4), grid(8)]);
        let alike = groups([4, 4, 4]);
        assert_eq!(alike.grid, grid(4));
        assert_eq!(alike.groups, []);
    }
}
