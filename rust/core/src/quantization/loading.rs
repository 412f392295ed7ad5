//! Which engine loads what a library writes, from which version on, and on which GPUs.

use super::scheme::SCHEMES;
use crate::engine::{Engine, Version};
use crate::hardware::Gpu;

/// Schemes that an engine loads.
#[derive(Clone, Copy, Debug)]
struct Loads {
    engine: &'static str,
    /// The scheme, or the library, all of whose schemes it loads alike.
    what: &'static str,
    /// The first version, of those read, that has it so; the oldest that is described, if none is said.
    since: &'static str,
    /// The first version, of those read, that has it so no more.
    until: &'static str,
    /// The least compute capability, as 75 for 7.5; 0 if the engine asks for none.
    least: u16,
    /// The compute capability from which on it runs no more.
    below: u16,
}

const fn loads(engine: &'static str, what: &'static str, least: u16) -> Loads {
    Loads {
        engine,
        what,
        since: "",
        until: "",
        least,
        below: u16::MAX,
    }
}

impl Loads {
    const fn since(self, since: &'static str) -> Self {
        Self { since, ..self }
    }

    const fn until(self, until: &'static str) -> Self {
        Self { until, ..self }
    }

    const fn below(self, below: u16) -> Self {
        Self { below, ..self }
    }

    fn is_in(&self, version: &Version) -> bool {
        let from = Version::parse(self.since).is_none_or(|since| *version >= since);
        from && Version::parse(self.until).is_none_or(|until| *version < until)
    }

    /// Where no capability is known, the GPU is another maker's or any at all: what only NVIDIA's GPUs since Blackwell
    /// run is then left out.
    fn runs_on(&self, gpu: &Gpu) -> bool {
        match gpu.compute_capability {
            Some((major, minor)) => {
                (self.least..self.below).contains(&(u16::from(major) * 10 + u16::from(minor)))
            }
            None => self.least < BLACKWELL,
        }
    }
}

/// The compute capability of the first GPUs that multiply 4-bit floats.
const BLACKWELL: u16 = 100;

/// Engines and schemes, sorted.
///
/// - llama.cpp: it reads its own files alone.
/// - sglang 0.5.3 and 0.5.23, `srt/layers/quantization/__init__.py:BASE_QUANTIZATION_METHODS` and `get_min_capability` of
///   each class; of compressed-tensors, that of each class in `compressed_tensors/schemes`. Of GPTQ, 0.5.23 has the
///   Marlin kernels alone. What 0.5.3 takes from an installed vLLM is left out.
/// - tensorrt-llm 1.x, `docs/source/features/quantization.md`, its matrix of hardware.
/// - transformers 4.57.1 and 5.23.0, `quantizers/auto.py:AUTO_QUANTIZATION_CONFIG_MAPPING`; its `fp8` is in blocks;
///   capabilities by `validate_environment` in `quantizers/quantizer_mxfp4.py`, `quantizer_finegrained_fp8.py` and
///   `quantizer_nvfp4.py`; where it would expand the weights instead, that is no loading.
/// - vllm 0.11, 0.16, 0.17, 0.19, 0.21, 0.26 and 0.33, `layers/quantization/__init__.py:QuantizationMethods` and
///   `get_min_capability` of each class; of compressed-tensors, that of each class in `compressed_tensors/schemes`, where
///   8-bit floats fall back to 16-bit activations; 8-bit integers end before Blackwell, csrc
///   `w8a8/cutlass/c3x/scaled_mm_helper.hpp:dispatch_scaled_mm`. MXFP8 came as `modelopt_mxfp8`, 0.16, and is made while
///   loading since 0.19, `mxfp8.py`; since 0.21 `online/base.py`, with kernels for older GPUs too. Its reading of GGUF
///   files, dropped by 0.26, is left out: which architectures it took was not read.
const LOADS: &[Loads] = &[
    loads("llama.cpp", "llama.cpp", 0),
    loads("sglang", "awq", 75),
    loads("sglang", "bitsandbytes", 70).since("0.5.23"),
    loads("sglang", "fp8", 80),
    loads("sglang", "fp8-block", 80),
    loads("sglang", "fp8-channel", 80),
    loads("sglang", "gptq", 60).until("0.5.23"),
    loads("sglang", "gptq", 80).since("0.5.23"),
    loads("sglang", "int8", 89).until("0.5.23"),
    loads("sglang", "int8", 80).since("0.5.23"),
    loads("sglang", "mxfp4", 80),
    loads("sglang", "mxfp8", 100).since("0.5.23"),
    loads("sglang", "nvfp4", 100).until("0.5.23"),
    loads("sglang", "nvfp4", 80).since("0.5.23"),
    loads("sglang", "w4a16", 80).since("0.5.23"),
    loads("tensorrt-llm", "awq", 80).below(100),
    loads("tensorrt-llm", "fp8", 89),
    loads("tensorrt-llm", "fp8-block", 90).below(120),
    loads("tensorrt-llm", "mxfp4", 100),
    loads("tensorrt-llm", "nvfp4", 100),
    loads("transformers", "awq", 0),
    loads("transformers", "bitsandbytes", 0),
    loads("transformers", "compressed-tensors", 0),
    loads("transformers", "fp8-block", 89),
    loads("transformers", "gptq", 0),
    loads("transformers", "hqq", 0),
    loads("transformers", "mxfp4", 75),
    loads("transformers", "nvfp4", 100).since("5.23"),
    loads("transformers", "torchao", 0),
    loads("vllm", "awq", 75),
    loads("vllm", "bitsandbytes", 70).until("0.33"),
    loads("vllm", "fp8", 80).until("0.16"),
    loads("vllm", "fp8", 75).since("0.16"),
    loads("vllm", "fp8-block", 80).until("0.16"),
    loads("vllm", "fp8-block", 75).since("0.16"),
    loads("vllm", "fp8-channel", 80).until("0.16"),
    loads("vllm", "fp8-channel", 75).since("0.16"),
    loads("vllm", "gptq", 60),
    loads("vllm", "hqq", 80).until("0.16"),
    loads("vllm", "int8", 75).below(BLACKWELL),
    loads("vllm", "mxfp4", 80),
    loads("vllm", "mxfp8", 100).since("0.16").until("0.21"),
    loads("vllm", "mxfp8", 75).since("0.21"),
    loads("vllm", "nvfp4", 80).until("0.16"),
    loads("vllm", "nvfp4", 75).since("0.16"),
    loads("vllm", "torchao", 75),
    loads("vllm", "w4a16", 80).until("0.16"),
    loads("vllm", "w4a16", 75).since("0.16"),
];

/// Whether an engine loads weights in a scheme and runs them on a GPU.
#[must_use]
pub fn does_load(engine: &dyn Engine, gpu: &Gpu, scheme: &str) -> bool {
    refusal(engine, gpu, scheme).is_none()
}

/// Why an engine is not known to load weights in a scheme and to run them on a GPU, if it is not. What the library `any`
/// writes all load, and an engine without rows is taken to load everything.
#[must_use]
pub fn refusal(engine: &dyn Engine, gpu: &Gpu, scheme: &str) -> Option<String> {
    let library = library_of(scheme);
    let mut of_engine = LOADS
        .iter()
        .filter(|row| row.engine == engine.name())
        .peekable();
    if library == "any" || of_engine.peek().is_none() {
        return None;
    }
    let row = of_engine
        .filter(|row| row.what == scheme || row.what == library)
        .find(|row| row.is_in(engine.version()));
    let who = format!("{} {} is not known to", engine.name(), engine.version());
    match row {
        None => Some(format!("{who} load weights in {scheme}")),
        Some(row) if row.runs_on(gpu) => None,
        Some(_) => Some(format!("{who} run weights in {scheme} on {}", gpu.name)),
    }
}

/// The library that writes a scheme: that of its row, or the name before its bits, as in `exl2-4.0bpw`.
fn library_of(scheme: &str) -> &str {
    let row = SCHEMES.iter().find(|row| row.name == scheme);
    let begin = || scheme.split('-').next().unwrap_or(scheme);
    row.map_or_else(begin, |row| row.library)
}

#[cfg(test)]
mod tests {
    use super::{LOADS, Version, does_load, refusal};
    use crate::engine::{ENGINES, find};
    use crate::hardware::Catalogue;
    use crate::quantization::scheme::SCHEMES;

    fn loads(engine: &str, gpu: &str, name: &str) -> bool {
        let engine = find(engine, &mut Vec::new()).unwrap();
        let gpu = Catalogue::built_in().find(gpu).unwrap().gpu;
        does_load(&*engine, &gpu, name)
    }

    #[test]
    fn the_table_is_sorted_and_names_what_there_is() {
        for row in LOADS {
            assert!(ENGINES.iter().any(|entry| entry.name == row.engine));
            let scheme = SCHEMES.iter().find(|scheme| scheme.name == row.what);
            let of_library = SCHEMES.iter().any(|scheme| scheme.library == row.what);
            assert!(scheme.is_some() || of_library, "{row:?}");
            // No scheme has rows of its own beside one of its library.
            let beside = |other: &&super::Loads| {
                other.engine == row.engine && other.what == scheme.map_or("", |one| one.library)
            };
            assert!(
                row.what == scheme.map_or(row.what, |one| one.library)
                    || !LOADS.iter().any(|one| beside(&one))
            );
            for text in [row.since, row.until] {
                assert!(text.is_empty() || Version::parse(text).is_some());
            }
            assert!(row.least < row.below);
        }
        for pair in LOADS.windows(2) {
            let [a, b] = [pair[0], pair[1]];
            assert!((a.engine, a.what) <= (b.engine, b.what), "{b:?}");
            // Rows of one scheme follow each other without overlap.
            if (a.engine, a.what) == (b.engine, b.what) {
                assert_eq!(a.until, b.since, "{b:?}");
                assert!(!a.until.is_empty());
            }
        }
    }

    #[test]
    fn what_an_engine_does_not_read_is_no_candidate() {
        for engine in [
            "transformers",
            "sglang",
            "tensorrt-llm",
            "vllm",
            "llama.cpp",
        ] {
            assert!(loads(engine, "H100-SXM-80GB", "bf16"), "{engine}");
            assert!(!loads(engine, "H100-SXM-80GB", "mlx-4"), "{engine}");
        }
        assert!(loads("transformers", "T4", "nf4"));
        assert!(loads("llama.cpp", "V100-SXM2-16GB", "q4_k_m"));
        assert!(!loads("vllm", "H100-SXM-80GB", "q4_k_m"));
    }

    #[test]
    fn a_gpu_runs_what_the_engine_has_kernels_for() {
        let on = |engine: &str, gpu: &str, expected: &[(&str, bool)]| {
            for (name, runs) in expected {
                assert_eq!(loads(engine, gpu, name), *runs, "{engine} {gpu} {name}");
            }
        };
        let vllm = "vllm==0.19.0";
        on(
            vllm,
            "V100-SXM2-16GB",
            &[
                ("int4-g128", true),
                ("nf4", true),
                ("fp8", false),
                ("awq", false),
            ],
        );
        on(
            vllm,
            "T4",
            &[
                ("fp8", true),
                ("int8", true),
                ("mxfp8", false),
                ("mxfp4", false),
            ],
        );
        on(
            vllm,
            "A100-SXM4-80GB",
            &[("fp8", true), ("mxfp8", false), ("mxfp4", true)],
        );
        on(
            vllm,
            "H100-SXM-80GB",
            &[("fp8", true), ("mxfp8", false), ("nvfp4", true)],
        );
        on(
            vllm,
            "B200",
            &[
                ("fp8", true),
                ("mxfp8", true),
                ("nvfp4", true),
                ("int8", false),
            ],
        );
        on("vllm==0.11.0", "B200", &[("mxfp8", false), ("nvfp4", true)]);
        on(
            "vllm==0.11.0",
            "T4",
            &[("fp8", false), ("nvfp4", false), ("w4a16", false)],
        );
        on(
            "sglang==0.5.3",
            "H100-SXM-80GB",
            &[("fp8", true), ("nvfp4", false), ("mxfp8", false)],
        );
        on(
            "sglang==0.5.23",
            "B200",
            &[("fp8", true), ("nvfp4", true), ("mxfp8", true)],
        );
        on(
            "sglang==0.5.23",
            "T4",
            &[("fp8", false), ("awq", true), ("nvfp4", false)],
        );
        let tensorrt = "tensorrt-llm==1.0";
        on(
            tensorrt,
            "T4",
            &[("fp8", false), ("awq", false), ("nvfp4", false)],
        );
        on(tensorrt, "A100-SXM4-80GB", &[("fp8", false), ("awq", true)]);
        on(
            tensorrt,
            "H100-SXM-80GB",
            &[("fp8", true), ("mxfp8", false), ("nvfp4", false)],
        );
        on(
            tensorrt,
            "B200",
            &[("fp8", true), ("nvfp4", true), ("awq", false)],
        );
        on(
            tensorrt,
            "RTX-5090",
            &[("nvfp4", true), ("fp8-block", false)],
        );
    }

    #[test]
    fn a_refusal_says_whether_it_is_the_version_or_the_gpu() {
        let gpu = Catalogue::built_in().find("T4").unwrap().gpu;
        let old = find("vllm==0.11.0", &mut Vec::new()).unwrap();
        let why = refusal(&*old, &gpu, "mxfp8").unwrap();
        assert_eq!(why, "vllm 0.11.0 is not known to load weights in mxfp8");
        let why = refusal(&*old, &gpu, "fp8").unwrap();
        assert_eq!(why, "vllm 0.11.0 is not known to run weights in fp8 on T4");
        // Another maker's GPU has no compute capability: what needs Blackwell is not taken to run there.
        let other = Catalogue::built_in().find("MI300X").unwrap().gpu;
        let new = find("vllm==0.19.0", &mut Vec::new()).unwrap();
        assert!(refusal(&*new, &other, "fp8").is_none());
        assert!(refusal(&*new, &other, "mxfp8").is_some());
    }
}
