//! Searches with the engines that are described: borders, and agreement with what they print.

use super::plain_engine::{Plain, deployment as bare};
use super::{
    Bound, Change, Memory, Precision, best_quantization, max_concurrency, max_context, min_gpus,
    nearest,
};
use crate::deployment::Deployment;
use crate::engine::find;
use crate::fit::fit;
use crate::hardware::Catalogue;
use crate::memory::layout::Parallel;
use crate::model::Model;
use crate::parallel::Control;
use crate::subject::Subject;

fn model(name: &str) -> Subject {
    Subject::of(&Model::open(name, None, 1, &Control::default()).unwrap()).unwrap()
}

fn on(gpu: &str, engine: &str) -> Deployment {
    Deployment {
        gpu: Catalogue::built_in().find(gpu).unwrap().gpu.into(),
        engine: find(engine, &mut Vec::new()).unwrap(),
        ..bare(1, Plain::default())
    }
}

/// What the search for requests finds fits as it is, one more is refused, in every engine and with sequences said or not.
#[test]
fn more_requests_than_sequences_are_refused_by_every_engine() {
    let model = model("llama-3.1-8b");
    for entry in crate::engine::ENGINES {
        for sequences in [None, Some(1), Some(20)] {
            let mut deployment = Deployment {
                context: Some(20),
                ..on("H100-SXM-80GB", entry.name)
            };
            deployment.options.sequences = sequences;
            let at = |concurrency| {
                let changed = Deployment {
                    concurrency,
                    ..deployment.clone()
                };
                fit(&model, &changed)
            };
            let answer = max_concurrency(&model, &deployment).unwrap();
            let limit = answer.limit().unwrap();
            let place = format!("{} {sequences:?} {}", entry.name, limit.value);
            assert!(at(limit.value).unwrap().fits(), "{place}");
            assert!(!at(limit.value + 1).is_ok_and(|fit| fit.fits()), "{place}");
            if let Some(sequences) = sequences {
                assert_eq!(
                    (limit.value, &limit.binds),
                    (sequences, &Bound::Sequences),
                    "{place}"
                );
                assert!(!matches!(limit.memory, Memory::Unknown), "{place}");
                let error = at(sequences + 1).unwrap_err();
                assert!(error.message.contains("max_sequences"), "{error}");
            }
        }
    }
}

const ENGINES: [&str; 3] = ["transformers", "vllm==0.11.0", "vllm==0.19.0"];

/// Dense, tied, of experts, with windows, latent, hybrid with states.
const MODELS: [&str; 6] = [
    "llama-3.1-8b",
    "gemma-3-4b",
    "gpt-oss-20b",
    "qwen3-30b-a3b",
    "deepseek-v2-lite",
    "qwen3.5-27b",
];

/// One more token, or request, than what is found does not fit, or is bound by something that is said; what is found
/// fits. Where the engine cannot run the model, both searches say so.
#[test]
fn borders_hold_for_every_engine_and_kind_of_cache() {
    let mut bound_by_bytes = 0;
    for name in MODELS {
        let model = model(name);
        for engine in ENGINES {
            for gpu in ["RTX-4090", "H100-SXM-80GB"] {
                let deployment = Deployment {
                    concurrency: 3,
                    ..on(gpu, engine)
                };
                let place = format!("{name} {engine} {gpu}");
                let at = |tokens| {
                    let changed = Deployment {
                        context: Some(tokens),
                        ..deployment.clone()
                    };
                    fit(&model, &changed).is_ok_and(|fit| fit.fits())
                };
                let answer = max_context(&model, &deployment).unwrap();
                if let Some(limit) = answer.limit() {
                    assert!(at(limit.value), "{place}");
                    match limit.binds {
                        Bound::ModelContext => assert!(!matches!(limit.memory, Memory::Unknown)),
                        _ => assert!(!at(limit.value + 1), "{place} {}", limit.value),
                    }
                    bound_by_bytes += u32::from(limit.binds.is_bytes());
                } else {
                    assert!(!at(1) && answer.binds().is_bytes(), "{place}");
                }
                let at = |requests| {
                    let changed = Deployment {
                        context: Some(3000),
                        concurrency: requests,
                        ..deployment.clone()
                    };
                    fit(&model, &changed).is_ok_and(|fit| fit.fits())
                };
                let deployment = Deployment {
                    context: Some(3000),
                    ..deployment.clone()
                };
                let answer = max_concurrency(&model, &deployment).unwrap();
                if let Some(limit) = answer.limit() {
                    assert!(at(limit.value), "{place}");
                    let sequences = limit.fit.settings.sequences;
                    if limit.binds == Bound::Sequences {
                        assert_eq!(limit.value, sequences, "{place}");
                    } else {
                        assert!(!at(limit.value + 1), "{place} {}", limit.value);
                        bound_by_bytes += 1;
                    }
                } else {
                    assert!(!at(1), "{place}");
                }
            }
        }
    }
    assert!(bound_by_bytes > 20, "{bound_by_bytes}");
}

/// vLLM prints how many requests of the full context its cache holds; no other number may be found here.
#[test]
fn the_most_requests_are_those_that_vllm_prints() {
    for name in MODELS {
        let model = model(name);
        for engine in ["vllm==0.11.0", "vllm==0.19.0"] {
            let deployment = Deployment {
                context: Some(4000),
                ..on("H100-SXM-80GB", engine)
            };
            let answer = max_concurrency(&model, &deployment).unwrap();
            let Some(limit) = answer.limit() else {
                continue;
            };
            let (blocks, each) = limit.fit.pool.concurrency.unwrap();
            // One block is never given out, which what is printed passes over.
            let printed = [blocks / each, (blocks - 1) / each];
            let Memory::Holds(requests) = limit.memory else {
                panic!("{name}: a cache of finite size holds so many");
            };
            assert!(
                printed.contains(&requests),
                "{name} {engine}: {requests} {printed:?}"
            );
        }
    }
}

#[test]
fn a_large_model_takes_a_node_or_more() {
    let model = model("llama-3.1-405b");
    let deployment = Deployment {
        context: Some(8192),
        ..on("H100-SXM-80GB", "vllm==0.19.0")
    };
    let answer = min_gpus(&model, &deployment, 64).unwrap();
    let limit = answer.limit().unwrap();
    // 810 GB of weights in GPUs that give at most 0.9 x 79.19 GiB, 76.5 GB, to vLLM.
    assert!(limit.value >= 11, "{}", limit.value);
    assert!(limit.binds.is_bytes());
    let parallel = limit.fit.deployment.options.parallel;
    assert_eq!(parallel.tensor * parallel.pipeline, limit.value);
    for tensor in [1, 2, 4, 8] {
        for pipeline in (1..).take_while(|pipeline| tensor * pipeline < limit.value) {
            let mut fewer = deployment.clone();
            fewer.options.parallel.tensor = tensor;
            fewer.options.parallel.pipeline = pipeline;
            assert!(!fit(&model, &fewer).unwrap().fits(), "{tensor} {pipeline}");
        }
    }
}

/// A search that works out the weights of a layout once gives the numbers of an estimate made afresh.
#[test]
fn searches_agree_with_estimates_made_afresh() {
    let model = model("qwen3-30b-a3b");
    let deployment = on("H100-SXM-80GB", "vllm==0.19.0");
    let limit = max_context(&model, &deployment).unwrap();
    let limit = limit.limit().unwrap();
    let fresh = fit(
        &model,
        &Deployment {
            context: Some(limit.value),
            ..deployment
        },
    )
    .unwrap();
    assert_eq!(fresh.stages, limit.fit.stages);
    assert_eq!(fresh.headroom, limit.fit.headroom);
}

/// A GPU without kernels for a scheme is not told to use it, although its bits would fit.
#[test]
fn the_best_scheme_is_one_that_the_gpu_runs() {
    let model = model("llama-3.1-8b");
    for (gpu, engine, expected) in [
        // 16 GB of weights do not fit; 8-bit floats in small blocks, which lose least, are for Blackwell.
        ("T4", "vllm==0.19.0", Some("int8")),
        // Nor does Volta have kernels for any scheme of 8 bits, but those of bitsandbytes.
        ("V100-SXM-16GB", "vllm==0.19.0", Some("int8-bnb")),
        ("T4", "tensorrt-llm==1.0", None),
        ("T4", "sglang==0.5.23", Some("int8-bnb")),
    ] {
        let deployment = Deployment {
            context: Some(2048),
            ..on(gpu, engine)
        };
        let scheme = match best_quantization(&model, &deployment).unwrap() {
            Precision::Found { scheme, fit, .. } => {
                assert!(fit.fits());
                scheme.map(|scheme| scheme.name.clone())
            }
            Precision::Nothing(_) => None,
        };
        assert_eq!(scheme.as_deref(), expected, "{gpu} {engine}");
    }
}

/// The fewest GPUs by trying every layout there is of up to eight.
fn brute_force(model: &Subject, deployment: &Deployment) -> Option<u64> {
    let fits = |parallel: Parallel| {
        let mut laid_out = deployment.clone();
        laid_out.options.parallel = parallel;
        fit(model, &laid_out).is_ok_and(|fit| fit.fits())
    };
    (1..=8_u64).find(|gpus| {
        let divisors = |of: u64| (1..=of).filter(move |divisor| of.is_multiple_of(*divisor));
        divisors(*gpus).any(|tensor| {
            divisors(gpus / tensor).any(|pipeline| {
                let data = gpus / tensor / pipeline;
                [1, tensor * data].into_iter().any(|expert| {
                    fits(Parallel {
                        tensor,
                        pipeline,
                        data,
                        expert,
                        context: 1,
                    })
                })
            })
        })
    })
}

/// Dense and of experts, with heads that divide by none but themselves, bound by weights and by requests.
#[test]
fn no_fewer_gpus_fit_in_any_layout_of_an_engine() {
    let mut several = 0;
    for (name, gpu, context, concurrency) in [
        ("minicpm3-4b", "T4", 100, 64),
        ("minicpm3-4b", "T4", 2048, 8),
        ("qwen2.5-14b", "L4", 8192, 4),
        ("llama-3.1-70b", "H100-SXM-80GB", 8192, 16),
        ("qwen3-30b-a3b", "L4", 8192, 16),
        ("deepseek-v2-lite", "L4", 4096, 200),
        ("llama-3.1-8b", "L4", 2048, 400),
    ] {
        let model = model(name);
        for engine in ["vllm==0.19.0", "sglang==0.5.23", "tensorrt-llm==1.0"] {
            let deployment = Deployment {
                context: Some(context),
                concurrency,
                ..on(gpu, engine)
            };
            let expected = brute_force(&model, &deployment);
            let found = min_gpus(&model, &deployment, 8);
            let found = found.ok().and_then(|answer| Some(answer.limit()?.value));
            assert_eq!(found, expected, "{name} {gpu} {engine}");
            several += u32::from(found.is_some_and(|gpus| gpus > 1));
        }
    }
    assert!(several > 5, "{several}");
}

/// Engines have formats of their own for a cache: llama.cpp none of 8-bit floats, but blocks of 8-bit integers.
#[test]
fn a_smaller_cache_is_one_that_the_engine_has() {
    let model = model("llama-3.1-8b");
    for (engine, expected) in [("llama.cpp", "q8_0"), ("vllm==0.19.0", "fp8")] {
        let longest = max_context(&model, &on("L4", engine)).unwrap();
        let longest = longest.limit().unwrap().value;
        // A third more than fits needs a cache of fewer bits, but none of the fewest.
        let deployment = Deployment {
            context: Some(longest + longest / 3),
            ..on("L4", engine)
        };
        assert!(!fit(&model, &deployment).unwrap().fits(), "{engine}");
        let changes: Vec<_> = nearest(&model, &deployment, Catalogue::built_in())
            .into_iter()
            .map(|alternative| alternative.change)
            .collect();
        assert!(
            changes.contains(&Change::Cache(expected)),
            "{engine}: {changes:?}"
        );
    }
}
