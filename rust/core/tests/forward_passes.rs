//! Forward passes of transformers that were measured on a GPU, against what the engine says of them: cache and
//! activations together, which is what PyTorch's allocator counts over the weights.
//!
//! The rows lie in `tests/golden/gpu_runs.json` and were measured with `benches/gpu/measure.py`.

use pondera::architecture::Architecture;
use pondera::deployment::{Deployment, Options};
use pondera::engine;
use pondera::fit::fit;
use pondera::hardware::Gpu;
use pondera::model::Model;
use pondera::model::builtin::ALL;
use pondera::subject::Subject;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

/// Rows that say nothing of what is stated, and why.
const OTHERWISE: &[(&str, &str)] = &[(
    "mamba-codestral-7b",
    "measured without the kernels of mamba-ssm, which are taken to be there",
)];

/// Cache and activations that the engine states for a row, and what was measured.
fn estimate(row: &Value, version: &str) -> Option<(String, u64, u64)> {
    let measured = row["prefill_peak"].as_u64()?;
    let name = row["model"].as_str()?;
    if OTHERWISE.iter().any(|(other, _)| *other == name) {
        return None;
    }
    let builtin = ALL.iter().find(|model| model.name == name)?;
    let mut config = builtin.config.clone();
    let fields = config.as_object_mut()?;
    fields.remove("torch_dtype");
    fields.insert("dtype".to_owned(), row["dtype"].clone());
    let architecture = Architecture::from_config(config.clone(), None).ok()?;
    let subject = Subject::of(&Model {
        name: name.to_owned(),
        checkpoint: None,
        config: Some(Arc::new(config)),
        architecture: Ok(Arc::new(architecture)),
        disagreements: Vec::new(),
        processor: None,
    })
    .ok()?;
    let deployment = Deployment {
        gpu: Arc::new(Gpu::of_size("test", 1 << 37)),
        engine: engine::find(&format!("transformers=={version}"), &mut Vec::new()).ok()?,
        weights: None,
        cache: None,
        context: row["tokens"].as_u64(),
        concurrency: row["batch"].as_u64()?,
        options: Options {
            eager: true,
            ..Options::default()
        },
    };
    let fit = fit(&subject, &deployment).ok()?;
    let stage = fit.on_fullest();
    let place = format!("{name} {}x{}", row["batch"], row["tokens"]);
    Some((place, stage.reserved + stage.used.activations, measured))
}

#[test]
fn measured_passes_are_met() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/gpu_runs.json");
    let runs: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let version = runs["transformers"].as_str().unwrap();
    let mut errors = Vec::new();
    for row in runs["forward"].as_array().unwrap() {
        if let Some((place, stated, measured)) = estimate(row, version) {
            // In parts per thousand of what was measured.
            let error = stated.abs_diff(measured) * 1000 / measured;
            println!("{place}: {stated} for {measured}, off by {error} in 1000");
            errors.push(error);
        }
    }
    assert!(errors.len() >= 10, "{} rows were compared", errors.len());
    let mean = errors.iter().sum::<u64>() / errors.len() as u64;
    assert!(mean <= 20, "{mean} in 1000");
    // The worst write GELU out as a chain of products, and one attends in 32 bits, of which configs tell nothing.
    errors.sort_unstable();
    assert!(errors[errors.len() - 3] <= 40, "{errors:?}");
}
