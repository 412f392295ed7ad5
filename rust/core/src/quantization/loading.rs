//! Which engine loads what which library writes.

use crate::engine::{Engine, Version};

/// A library whose schemes an engine loads.
#[derive(Clone, Copy, Debug)]
struct Loads {
    engine: &'static str,
    library: &'static str,
    /// The first version, of those read, that has dropped it.
    until: Option<&'static str>,
}

const fn loads(engine: &'static str, library: &'static str) -> Loads {
    Loads {
        engine,
        library,
        until: None,
    }
}

const fn dropped(engine: &'static str, library: &'static str, until: &'static str) -> Loads {
    Loads {
        engine,
        library,
        until: Some(until),
    }
}

/// Engines and libraries, by engine.
///
/// - llama.cpp: it reads its own files alone.
/// - sglang 0.5.3 and 0.5.23, `srt/layers/quantization/__init__.py:BASE_QUANTIZATION_METHODS`.
/// - tensorrt-llm: what `ModelOpt` 0.37 exports to it, `torch/export/model_config.py`.
/// - transformers 4.57.1 and 5.23.0, `quantizers/auto.py:AUTO_QUANTIZATION_CONFIG_MAPPING`; its `fp8` is in blocks.
/// - vllm 0.11, 0.16, 0.17, 0.19, 0.21, 0.26 and 0.33, `layers/quantization/__init__.py:QuantizationMethods`.
///   Its reading of GGUF files, dropped by 0.26, is left out: which architectures it took was not read.
const LOADS: &[Loads] = &[
    loads("llama.cpp", "llama.cpp"),
    loads("sglang", "awq"),
    loads("sglang", "bitsandbytes"),
    loads("sglang", "compressed-tensors"),
    loads("sglang", "gptq"),
    loads("sglang", "modelopt"),
    loads("sglang", "openai"),
    loads("sglang", "vllm"),
    loads("tensorrt-llm", "awq"),
    loads("tensorrt-llm", "modelopt"),
    loads("tensorrt-llm", "openai"),
    loads("tensorrt-llm", "vllm"),
    loads("transformers", "awq"),
    loads("transformers", "bitsandbytes"),
    loads("transformers", "compressed-tensors"),
    loads("transformers", "gptq"),
    loads("transformers", "hqq"),
    loads("transformers", "openai"),
    loads("transformers", "torchao"),
    loads("vllm", "awq"),
    dropped("vllm", "bitsandbytes", "0.33"),
    loads("vllm", "compressed-tensors"),
    loads("vllm", "gptq"),
    dropped("vllm", "hqq", "0.16"),
    loads("vllm", "modelopt"),
    loads("vllm", "openai"),
    loads("vllm", "torchao"),
    loads("vllm", "vllm"),
];

/// Whether an engine loads what a library writes; `any` is what all load. An engine without rows is taken to load
/// everything.
#[must_use]
pub fn does_load(engine: &dyn Engine, library: &str) -> bool {
    let mut rows = LOADS
        .iter()
        .filter(|row| row.engine == engine.name())
        .peekable();
    let still = |row: &Loads| {
        row.until
            .and_then(Version::parse)
            .is_none_or(|until| *engine.version() < until)
    };
    library == "any"
        || rows.peek().is_none()
        || rows.any(|row| row.library == library && still(row))
}

#[cfg(test)]
mod tests {
    use super::{LOADS, Version, does_load};
    use crate::engine::find;
    use crate::quantization::scheme::SCHEMES;

    #[test]
    fn the_table_is_sorted_and_names_libraries_that_schemes_have() {
        assert!(
            LOADS
                .windows(2)
                .all(|pair| (pair[0].engine, pair[0].library) < (pair[1].engine, pair[1].library))
        );
        for row in LOADS {
            assert!(SCHEMES.iter().any(|scheme| scheme.library == row.library));
            assert!(row.until.is_none_or(|text| Version::parse(text).is_some()));
        }
    }

    #[test]
    fn what_an_engine_does_not_read_is_no_candidate() {
        let engine = find("transformers", &mut Vec::new()).unwrap();
        assert!(does_load(&*engine, "any"));
        assert!(does_load(&*engine, "bitsandbytes"));
        assert!(!does_load(&*engine, "mlx"));
    }
}
