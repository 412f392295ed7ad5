//! What vLLM printed at its start, by published logs, against the estimate: `tests/golden/vllm_runs.json` holds the facts
//! of the logs with their sources.

use pondera::deployment::{Deployment, Share};
use pondera::engine;
use pondera::fit::{Fit, fit};
use pondera::hardware::Catalogue;
use pondera::memory::layout::Parallel;
use pondera::model::{Model, builtin};
use pondera::quantization::cache_format::CacheFormat;
use pondera::quantization::scheme::Scheme;
use pondera::subject::Subject;
use serde::Deserialize;
use std::sync::Arc;

/// A start of a server.
#[derive(Deserialize)]
struct Run {
    id: String,
    model: String,
    scheme: Option<String>,
    version: String,
    tensor_parallel: u64,
    pipeline_parallel: u64,
    context: u64,
    utilization: String,
    cache: Option<String>,
    weights: Option<f64>,
    activations: Option<f64>,
    non_torch: Option<f64>,
}

fn runs() -> Vec<Run> {
    serde_json::from_str(include_str!("../../../tests/golden/vllm_runs.json")).unwrap()
}

fn subject(name: &str) -> Subject {
    let known = builtin::find(name).unwrap();
    let config = Some(known.config.clone());
    Subject::of(&Model::of(name.to_owned(), None, config, None)).unwrap()
}

fn deployment(run: &Run, subject: &Subject) -> Deployment {
    let utilization: f64 = run.utilization.parse().unwrap();
    let gpu = &Catalogue::built_in().find("H100-SXM-80GB").unwrap().gpu;
    let scheme = run.scheme.as_deref();
    let _ = subject;
    Deployment {
        gpu: Arc::new(gpu.clone()),
        gpus: None,
        engine: engine::find(&format!("vllm=={}", run.version), &mut Vec::new()).unwrap(),
        weights: scheme.map(|name| Arc::new(Scheme::named(name).unwrap())),
        cache: run
            .cache
            .as_deref()
            .map(|name| CacheFormat::named(name).unwrap()),
        context: Some(run.context),
        concurrency: 1,
        parallel: Parallel {
            tensor: run.tensor_parallel,
            pipeline: run.pipeline_parallel,
            ..Parallel::default()
        },
        memory_utilization: Some(Share(format!("{:.0}", utilization * 1e6).parse().unwrap())),
        batched_tokens: Some(8192),
        sequences: Some(1024),
        block: None,
        prefix_caching: None,
        eager: false,
        cache_memory: None,
    }
}

fn fitted(run: &Run) -> Fit {
    let subject = subject(&run.model);
    fit(&subject, &deployment(run, &subject)).unwrap_or_else(|error| panic!("{}: {error}", run.id))
}

#[expect(clippy::cast_precision_loss, reason = "bytes of one GPU")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

#[test]
fn the_start_is_as_the_logs_print_it() {
    let mut wrong = Vec::new();
    for run in runs() {
        let fit = fitted(&run);
        // Every worker of a pipeline prints its own; the published row has weights of an end and the rest of a middle.
        let stage = &fit.stages[if run.pipeline_parallel > 2 { 1 } else { 0 }];
        let mut hold = |what: &str, bytes: u64, logged: Option<f64>, within: f64| {
            let Some(logged) = logged else { return };
            let estimate = gib(bytes);
            println!(
                "{:44} {:24} {:8} {what:11} {estimate:8.3} {logged:8.2} {:+.3}",
                run.id,
                run.model,
                run.version,
                estimate - logged
            );
            // Logs round to hundredths.
            if (estimate - logged).abs() > within + 0.005 {
                wrong.push(format!(
                    "{} {what}: {estimate:.3} GiB, logged {logged}",
                    run.id
                ));
            }
        };
        let weights = if run.pipeline_parallel > 1 {
            &fit.stages[0]
        } else {
            stage
        };
        hold(
            "weights",
            weights.used.weights,
            run.weights,
            run.weights.unwrap_or(0.0) * 0.005,
        );
        hold("activations", stage.used.activations, run.activations, 0.05);
        hold("non-torch", stage.used.overhead, run.non_torch, 0.05);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
