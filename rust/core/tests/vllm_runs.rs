//! What vLLM printed at its start, by published logs, against the estimate: `tests/golden/vllm_runs.json` holds the facts
//! of the logs with their sources.

use pondera::deployment::{Deployment, Share};
use pondera::engine;
use pondera::fit::{Fit, fit};
use pondera::hardware::Catalogue;
use pondera::model::{Model, builtin};
use pondera::request::Request;
use pondera::subject::Subject;
use serde::Deserialize;

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
    batched_tokens: u64,
    sequences: u64,
    cache: Option<String>,
    weights: Option<f64>,
    activations: Option<f64>,
    non_torch: Option<f64>,
    cuda_context: Option<f64>,
    pool: Option<f64>,
    tokens: Option<u64>,
}

/// The file.
#[derive(Deserialize)]
struct Runs {
    rows: Vec<Run>,
}

fn runs() -> Vec<Run> {
    let text = include_str!("../../../tests/golden/vllm_runs.json");
    serde_json::from_str::<Runs>(text).unwrap().rows
}

fn subject(name: &str) -> Subject {
    let known = builtin::find(name).unwrap();
    let config = Some(known.config.clone());
    Subject::of(&Model::of(name.to_owned(), None, config, None)).unwrap()
}

fn request(version: &str, tensor: u64, pipeline: u64, context: u64) -> Request {
    let gpu = Catalogue::built_in().find("H100-SXM-80GB").unwrap();
    let mut request = Request::new(gpu, &format!("vllm=={version}"));
    request.context = Some(context);
    request.options.parallel.tensor = tensor;
    request.options.parallel.pipeline = pipeline;
    request.options.batched_tokens = Some(8192);
    request.options.sequences = Some(1024);
    request
}

fn deployment(request: &Request) -> Deployment {
    request.deployment(&mut Vec::new()).unwrap()
}

fn fitted(run: &Run) -> Fit {
    let utilization: f64 = run.utilization.parse().unwrap();
    let mut asked = request(
        &run.version,
        run.tensor_parallel,
        run.pipeline_parallel,
        run.context,
    );
    asked.weights.clone_from(&run.scheme);
    asked.cache.clone_from(&run.cache);
    asked.options.memory_utilization =
        Some(Share(format!("{:.0}", utilization * 1e6).parse().unwrap()));
    asked.options.batched_tokens = Some(run.batched_tokens);
    asked.options.sequences = Some(run.sequences);
    fit(&subject(&run.model), &deployment(&asked))
        .unwrap_or_else(|error| panic!("{}: {error}", run.id))
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
        let stage = &fit.stages[usize::from(run.pipeline_parallel > 2)];
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
        hold("context", stage.used.context, run.cuda_context, 0.05);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[expect(clippy::cast_precision_loss, reason = "tokens of one server")]
fn pools_and_tokens_are_right_end_to_end() {
    let (mut pools, mut tokens) = (Vec::new(), Vec::new());
    for run in runs() {
        let fit = fitted(&run);
        let off = |estimate: f64, logged: f64| (estimate / logged - 1.0).abs();
        if let Some(logged) = run.pool {
            pools.push((off(gib(fit.cache_pool), logged), run.id.clone()));
        }
        if let Some(logged) = run.tokens {
            tokens.push((off(fit.pool.tokens as f64, logged as f64), run.id));
        }
    }
    for (what, mut all, mean, worst) in [
        ("pools", pools, 0.005, 0.02),
        ("tokens", tokens, 0.005, 0.02),
    ] {
        all.sort_by(|a, b| b.0.total_cmp(&a.0));
        let sum: f64 = all.iter().map(|(off, _)| off).sum();
        println!(
            "{what}: mean {:.5}, {:?}",
            sum / all.len() as f64,
            &all[..4]
        );
        assert!(sum / all.len() as f64 <= mean, "{what}: {all:?}");
        assert!(all[0].0 <= worst, "{what}: {all:?}");
    }
}

/// Models that vLLM can run, with every layout and version they allow.
#[test]
fn every_built_in_model_starts_within_reason() {
    const VERSIONS: [&str; 8] = [
        "0.11.0", "0.13.0", "0.16.0", "0.17.0", "0.19.0", "0.21.0", "0.27.0", "0.33.0",
    ];
    let mut fits = 0;
    for known in builtin::ALL.iter() {
        let subject = subject(&known.name);
        let architecture = &subject.architecture;
        for version in VERSIONS {
            let mut before: Option<Fit> = None;
            for tensor in [1, 2, 4, 8] {
                let asked = deployment(&request(
                    version,
                    tensor,
                    1,
                    2048.min(architecture.context.unwrap_or(2048)),
                ));
                // What a version does not have, nobody starts.
                if engine::lacks(&*asked.engine, &subject).is_some() {
                    continue;
                }
                let Ok(fit) = fit(&subject, &asked) else {
                    continue;
                };
                fits += 1;
                let used = fit.on_fullest().used;
                let name = format!("{} {version} {tensor}", known.name);
                let samples = fit
                    .on_fullest()
                    .parts
                    .activations
                    .iter()
                    .any(|part| part.name == "logits");
                let layer = fit
                    .on_fullest()
                    .parts
                    .activations
                    .iter()
                    .any(|part| part.name == "layer");
                let logits = 1024 * architecture.vocab_size.unwrap_or(0) * fit.settings.model_bytes;
                assert!(used.activations >= logits || layer && !samples, "{name}");
                // The largest is of gemma-3-27b at 0.11: 12.4 GiB. The workspace of latents has a block for every sequence
                // by the source, and blocks of hybrids are large.
                let parts = &fit.on_fullest().parts.activations;
                let workspace = parts
                    .iter()
                    .filter(|part| part.name == "expanded keys and values");
                let workspace: u64 = workspace.map(|part| part.bytes).sum();
                assert!(
                    used.activations - workspace < 16 << 30,
                    "{name}: {}",
                    gib(used.activations)
                );
                assert!(used.overhead < 4 << 30, "{name}: {}", gib(used.overhead));
                let tensors = fit.on_fullest().parts.weights.iter().filter(|part| {
                    pondera::checkpoint::Role::ALL
                        .iter()
                        .any(|role| role.name() == part.name)
                });
                let tensors: u64 = tensors.map(|part| part.bytes).sum();
                // A table of rotations of ten million positions is the largest that is known.
                let beside = used.weights - tensors;
                assert!(beside <= tensors / 8 + (4 << 30), "{name}: {}", gib(beside));
                if let Some(before) = before {
                    let before = before.on_fullest().used;
                    assert!(
                        used.weights <= before.weights,
                        "{name}: more ranks, more weights"
                    );
                    assert!(
                        used.activations <= before.activations,
                        "{name}: more ranks, more activations"
                    );
                    assert!(used.overhead >= before.overhead, "{name}");
                }
                before = Some(fit);
            }
        }
    }
    assert!(fits > 1000, "{fits}");
}
