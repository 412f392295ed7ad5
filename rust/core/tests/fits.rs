//! What holds of every estimate, whatever the model, the engine and the layout.

use pondera::deployment::{Deployment, FitError};
use pondera::fit::{Fit, OnStage, fit};
use pondera::hardware::Catalogue;
use pondera::memory::ledger::Part;
use pondera::model::{Model, builtin};
use pondera::request::Request;
use pondera::subject::Subject;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::Arc;

/// One model of each kind: dense, windows, experts, latents, states beside attention, a tower, an encoder.
const MODELS: &[&str] = &[
    "llama-3.1-8b",
    "gemma-2-9b",
    "gemma-3-12b",
    "gpt-oss-20b",
    "qwen3-30b-a3b",
    "deepseek-v2-lite",
    "deepseek-v3",
    "nemotron-3-nano-30b-a3b",
    "qwen3-next-80b-a3b",
    "lfm2-1.2b",
    "qwen2.5-vl-7b",
    "falcon-7b",
];

const ENGINES: &[&str] = &[
    "vllm==0.11.0",
    "vllm==0.19.0",
    "vllm",
    "transformers==4.57.1",
    "transformers",
    "sglang",
    "tensorrt-llm",
    "llama.cpp",
];

fn subject_of(name: &str, config: Value) -> Subject {
    Subject::of(&Model::of(name.to_owned(), None, Some(config), None)).unwrap()
}

fn subject(name: &str) -> Subject {
    subject_of(name, builtin::find(name).unwrap().config.clone())
}

fn deployment(engine: &str, context: u64, concurrency: u64, tensor: u64) -> Deployment {
    let gpu = Catalogue::built_in().find("H200-SXM-141GB").unwrap();
    let mut request = Request::new(gpu, engine);
    request.context = Some(context);
    request.concurrency = concurrency;
    request.options.parallel.tensor = tensor;
    request.deployment(&mut Vec::new()).unwrap()
}

/// A refusal is an answer too; it says something.
fn placed(subject: &Subject, asked: &Deployment) -> Option<Fit> {
    match fit(subject, asked) {
        Ok(fit) => Some(fit),
        Err(FitError { message, .. }) => {
            assert!(message.len() > 20, "{message}");
            None
        }
    }
}

fn sum(parts: &[Part]) -> u64 {
    parts.iter().map(|part| part.bytes).sum()
}

fn the_parts_are_the_whole(stage: &OnStage) {
    let OnStage { used, parts, .. } = stage;
    assert_eq!(sum(&parts.weights), used.weights);
    assert_eq!(sum(&parts.activations), used.activations);
    assert_eq!(sum(&parts.overhead), used.overhead);
    assert_eq!(sum(&parts.cuda_context), used.context);
    assert_eq!(sum(&parts.cuda_graphs), used.graphs);
    let components = used.weights + used.activations + used.overhead + used.context + used.graphs;
    assert_eq!(stage.total(), components + stage.reserved);
    let named = [&parts.weights, &parts.activations, &parts.overhead];
    for part in named.into_iter().flatten() {
        assert!(
            !part.source.is_empty() && !part.formula.is_empty(),
            "{}",
            part.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn totals_are_sums_and_more_requests_never_take_less(
        model in prop::sample::select(MODELS),
        engine in prop::sample::select(ENGINES),
        context in 16_u64..4000,
        longer in 1_u64..3000,
        concurrency in 1_u64..32,
        more in 1_u64..32,
    ) {
        let subject = subject(model);
        let Some(one) = placed(&subject, &deployment(engine, context, concurrency, 1)) else {
            return Ok(());
        };
        one.stages.iter().for_each(the_parts_are_the_whole);
        let others = [(context + longer, concurrency), (context, concurrency + more)];
        for (context, concurrency) in others {
            let Some(other) = placed(&subject, &deployment(engine, context, concurrency, 1)) else {
                continue;
            };
            let (one, other) = (&one.stages[0], &other.stages[0]);
            prop_assert!(other.needed >= one.needed);
            prop_assert!(other.reserved >= one.reserved, "{} < {}", other.reserved, one.reserved);
            prop_assert_eq!(other.parts.weights.first(), one.parts.weights.first());
        }
    }

    #[test]
    fn more_gpus_never_take_more_of_each_but_for_what_they_say_to_each_other(
        model in prop::sample::select(MODELS),
        engine in prop::sample::select(ENGINES),
        context in 16_u64..4000,
        ranks in prop::sample::select(&[1_u64, 2, 4][..]),
    ) {
        let subject = subject(model);
        let at = |ranks| placed(&subject, &deployment(engine, context, 4, ranks));
        let (Some(fewer), Some(more)) = (at(ranks), at(ranks * 2)) else {
            return Ok(());
        };
        let (fewer, more) = (&fewer.stages[0], &more.stages[0]);
        prop_assert!(more.used.weights <= fewer.used.weights);
        prop_assert!(more.needed <= fewer.needed);
        prop_assert!(more.used.activations <= fewer.used.activations);
    }
}

#[test]
fn more_layers_take_more() {
    let with = |layers: u64| {
        let mut config = builtin::find("llama-3.1-8b").unwrap().config.clone();
        config["num_hidden_layers"] = json!(layers);
        subject_of("llama", config)
    };
    for engine in ENGINES {
        let mut before = (0, 0);
        for layers in [1, 2, 31, 32, 33] {
            let fit = placed(&with(layers), &deployment(engine, 4096, 4, 1)).unwrap();
            let now = (fit.stages[0].used.weights, fit.stages[0].reserved);
            assert!(
                now.0 > before.0 && now.1 > before.1,
                "{engine}: {before:?} {now:?}"
            );
            before = now;
        }
    }
}

#[test]
fn cards_that_no_link_joins_are_joined_for_little() {
    let on = |gpu: &str, engine: &str, tensor: u64| {
        let found = &Catalogue::built_in().find(gpu).unwrap().gpu;
        let asked = Deployment {
            gpu: Arc::new(found.clone()),
            ..deployment(engine, 2048, 1, tensor)
        };
        fit(&subject("llama-3.2-1b"), &asked).unwrap()
    };
    for engine in ["vllm==0.19.0", "vllm", "sglang"] {
        for gpu in ["T4", "RTX-4080", "V100-SXM-16GB"] {
            let fit = on(gpu, engine, 2);
            assert!(fit.fits(), "{engine} on two {gpu}: {}", fit.headroom);
            let said = |field: &str| fit.assumptions.iter().any(|note| note.field == field);
            assert!(said("links"), "{engine} on two {gpu}");
        }
        let joined = |gpu| {
            let [one, two] = [1, 2].map(|ranks| on(gpu, engine, ranks).stages[0].used);
            two.overhead + two.context - one.overhead - one.context
        };
        assert!(joined("RTX-4080") > 0);
        assert!(joined("RTX-4080") < joined("V100-SXM-16GB"));
        assert!(joined("V100-SXM-16GB") < joined("H100-SXM-80GB"));
    }
}

#[test]
fn what_is_needed_is_never_more_than_what_is_kept() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for known in builtin::ALL.iter() {
        let subject = subject(&known.name);
        for engine in ENGINES {
            for (context, concurrency, tensor) in [(100, 3, 1), (5000, 2, 2), (40_000, 1, 8)] {
                let context = context.min(subject.architecture.context.unwrap_or(context));
                let asked = deployment(engine, context, concurrency, tensor);
                let Some(fit) = placed(&subject, &asked) else {
                    continue;
                };
                seen += 1;
                let stage = &fit.stages[0];
                if stage.needed > stage.reserved {
                    let parts: Vec<_> = stage
                        .parts
                        .needed
                        .iter()
                        .map(|part| (part.name, part.bytes))
                        .collect();
                    wrong.push(format!(
                        "{} {engine} {context}x{concurrency} tp {tensor}: {} > {} {parts:?}",
                        known.name, stage.needed, stage.reserved
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {seen}\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn tokens_that_are_dealt_out_are_needed_once() {
    let needed = |over: u64| {
        let mut asked = deployment("vllm==0.19.0", 32_000, 2, 8);
        asked.options.parallel.context = over;
        let stage = fit(&subject("deepseek-v3"), &asked)
            .unwrap()
            .stages
            .remove(0);
        assert!(stage.needed <= stage.reserved);
        assert_eq!(sum(&stage.parts.needed), stage.needed);
        stage.needed
    };
    assert_eq!(needed(8) * 8, needed(1));
}

#[test]
fn every_stage_of_vllm_has_the_towers() {
    let on = |engine: &str| {
        let mut asked = deployment(engine, 8192, 1, 1);
        asked.options.parallel.pipeline = 2;
        fit(&subject("qwen2.5-vl-7b"), &asked).unwrap().stages
    };
    let part = |parts: &[Part], name: &str| {
        let named = parts.iter().filter(|part| part.name == name);
        named.map(|part| part.bytes).sum::<u64>()
    };
    for engine in ["vllm==0.11.0", "vllm==0.19.0"] {
        let stages = on(engine);
        let [first, last] = [0, 1].map(|at| part(&stages[at].parts.weights, "vision"));
        assert!(first > 0 && first == last, "{engine}: {first} {last}");
        let [first, last] = [0, 1].map(|at| part(&stages[at].parts.activations, "encoder cache"));
        assert!(
            last > 0 && (first == 0 || first == last),
            "{engine}: {first} {last}"
        );
    }
    assert_eq!(part(&on("transformers")[1].parts.weights, "vision"), 0);
}

#[test]
fn experts_work_on_the_tokens_of_all_replicas() {
    let activations = |model: &str, data: u64| {
        let mut asked = deployment("vllm==0.19.0", 4096, 16, 1);
        asked.options.parallel.data = data;
        asked.options.parallel.expert = if model == "qwen3-30b-a3b" { data } else { 1 };
        asked.options.batched_tokens = Some(8192);
        fit(&subject(model), &asked).unwrap().stages[0]
            .used
            .activations
    };
    // 8 experts of 2048 numbers in 2 bytes, in two workspaces, of 8192 tokens of each further replica.
    let workspaces = 8 * 8192 * 8 * 2048 * 2 * 2;
    let more = activations("qwen3-30b-a3b", 16) - activations("qwen3-30b-a3b", 8);
    assert!(more >= workspaces && more < workspaces * 5 / 4, "{more}");
    // Replicas of a dense model know nothing of each other.
    assert_eq!(
        activations("llama-3.1-8b", 2),
        activations("llama-3.1-8b", 1)
    );
}
