//! What engines say that an answer does not change with does not change it.

use super::laid::Laid;
use super::tests::models;
use crate::deployment::{Deployment, Reason, Settings, Share};
use crate::engine::{Answer, Pool, Reads, find};
use crate::fit::Spread;
use crate::hardware::Catalogue;
use crate::quantization::cache_format::CacheFormat;
use crate::request;
use crate::subject::Subject;
use std::sync::Arc;

const ENGINES: [&str; 8] = [
    "vllm==0.11.0",
    "vllm==0.19.0",
    "vllm",
    "sglang==0.5.3",
    "sglang",
    "llama.cpp",
    "tensorrt-llm",
    "transformers",
];

const COMPONENTS: [Answer; 5] = [
    Answer::Loaded,
    Answer::Activations,
    Answer::Overhead,
    Answer::Context,
    Answer::Graphs,
];

type Change = Box<dyn Fn(&mut Deployment)>;
type Answered = (Answer, Result<Vec<u64>, Reason>);

/// What is read, with everything that a deployment may say of it.
fn changes() -> Vec<(Reads, Vec<Change>)> {
    let gpu = |name: &str| -> Change {
        let gpu = Arc::new(Catalogue::built_in().find(name).unwrap().gpu);
        Box::new(move |asked| asked.gpu = Arc::clone(&gpu))
    };
    let weights = |name: &str| -> Change {
        let scheme = request::scheme(name).unwrap();
        Box::new(move |asked| asked.weights = Some(Arc::clone(&scheme)))
    };
    let cache = |name: &str| -> Change {
        let format = CacheFormat::named(name).unwrap();
        Box::new(move |asked| asked.cache = Some(format))
    };
    let each = |list: &[u64], set: fn(&mut Deployment, u64)| -> Vec<Change> {
        list.iter()
            .map(|&value| -> Change { Box::new(move |asked| set(asked, value)) })
            .collect()
    };
    vec![
        (Reads::GPU, ["L4", "B200", "H200"].map(gpu).into()),
        (Reads::WEIGHTS, ["fp8", "awq", "fp32"].map(weights).into()),
        (Reads::CACHE, ["fp8", "fp16", "q8_0"].map(cache).into()),
        (
            Reads::CONTEXT,
            each(&[1, 100, 1024, 4096], |asked, value| {
                asked.context = Some(value);
            }),
        ),
        (
            Reads::CONCURRENCY,
            each(&[2, 3, 7], |asked, value| asked.concurrency = value),
        ),
        (
            Reads::UTILIZATION,
            each(&[500_000, 1_000_000], |asked, value| {
                let share = Share(u32::try_from(value).unwrap());
                asked.options.memory_utilization = Some(share);
            }),
        ),
        (
            Reads::BATCHED_TOKENS,
            each(&[64, 1024, 65_536], |asked, value| {
                asked.options.batched_tokens = Some(value);
            }),
        ),
        (
            Reads::SEQUENCES,
            each(&[8, 100, 300], |asked, value| {
                asked.options.sequences = Some(value);
            }),
        ),
        (
            Reads::BLOCK,
            each(&[16, 64, 128], |asked, value| {
                asked.options.block = Some(value);
            }),
        ),
        (
            Reads::PREFIX_CACHING,
            each(&[0, 1], |asked, value| {
                asked.options.prefix_caching = Some(value == 1);
            }),
        ),
        (
            Reads::EAGER,
            each(&[1], |asked, value| asked.options.eager = value == 1),
        ),
        (
            Reads::CACHE_MEMORY,
            each(&[0, 1 << 30], |asked, value| {
                asked.options.cache_memory = Some(value);
            }),
        ),
    ]
}

/// What was settled, but for one thing that was settled for another deployment.
fn mixed(settings: &Settings, other: &Settings, reads: Reads) -> Settings {
    let mut mixed = *settings;
    match reads {
        Reads::CACHE => mixed.cache = other.cache,
        Reads::CONTEXT => mixed.context = other.context,
        Reads::CONCURRENCY => {
            if settings.sequences == settings.concurrency && other.sequences == other.concurrency {
                mixed.sequences = other.sequences;
            }
            mixed.concurrency = other.concurrency;
        }
        Reads::UTILIZATION => mixed.memory_utilization = other.memory_utilization,
        Reads::BATCHED_TOKENS => mixed.batched_tokens = other.batched_tokens,
        Reads::SEQUENCES => mixed.sequences = other.sequences,
        Reads::BLOCK => mixed.block = other.block,
        Reads::PREFIX_CACHING => mixed.prefix_caching = other.prefix_caching,
        _ => {}
    }
    mixed
}

/// Every answer about a deployment but the settings.
fn answers(
    subject: &Subject,
    deployment: &Deployment,
    settings: &Settings,
) -> Option<Vec<Answered>> {
    let spread = Spread::of(subject, deployment).ok()?;
    let ranks = spread.ranks(subject, deployment, settings);
    let mut all: Vec<_> = COMPONENTS
        .iter()
        .map(|&answer| (answer, Ok(spread.component(answer, &ranks))))
        .collect();
    let reserved = Laid::plan(&ranks)
        .map_err(|error| error.reason)
        .map(|plan| {
            let asked = [(1, 1), (100, 3), (8192, 2), (1 << 20, 256)];
            asked
                .iter()
                .flat_map(|&(context, requests)| plan.reserved(context, requests))
                .collect()
        });
    all.push((Answer::Reserved, reserved));
    Some(all)
}

fn pool(subject: &Subject, deployment: &Deployment, settings: &Settings) -> Option<Vec<Pool>> {
    let spread = Spread::of(subject, deployment).ok()?;
    let ranks = spread.ranks(subject, deployment, settings);
    let plan = Laid::plan(&ranks).ok()?;
    let bytes = [0, 1 << 30, 100 << 30];
    let of = |bytes: &u64| {
        let bytes = vec![*bytes; ranks.len()];
        plan.pool(&bytes, settings.context, settings.concurrency)
    };
    Some(bytes.iter().map(of).collect())
}

fn settle(subject: &Subject, deployment: &Deployment) -> Result<Settings, Reason> {
    deployment
        .engine
        .settle(subject, deployment, &mut Vec::new())
        .map_err(|error| error.reason)
}

#[test]
fn what_is_not_read_changes_no_answer() {
    let changes = changes();
    let mut compared = 0;
    for subject in models() {
        for engine in ENGINES {
            let engine = find(engine, &mut Vec::new()).unwrap();
            for parallel in [(1, 1), (2, 1), (1, 2)] {
                let mut base = crate::engine::samples::asked("vllm", 512, 1);
                crate::engine::samples::put_on(&mut base, "H100-SXM-80GB");
                base.engine = Arc::clone(&engine);
                base.options.parallel.tensor = parallel.0;
                base.options.parallel.pipeline = parallel.1;
                let settings = settle(&subject, &base);
                let read = |answer| engine.reads(answer, &subject);
                for (reads, list) in &changes {
                    for change in list {
                        let mut other = base.clone();
                        change(&mut other);
                        let say = |answer: Answer| {
                            format!("{} {engine:?} {answer:?} {base:?} {other:?}", subject.name)
                        };
                        let again = settle(&subject, &other);
                        if !read(Answer::Settings).has(*reads) {
                            let concurrency = again.as_ref().map_or(0, |one| one.concurrency);
                            let settings = settings.map(|one| Settings { concurrency, ..one });
                            assert_eq!(settings, again, "{}", say(Answer::Settings));
                            compared += 1;
                        }
                        let (Ok(settings), Ok(again)) = (&settings, &again) else {
                            continue;
                        };
                        if !again.runs(again.concurrency) {
                            continue;
                        }
                        let mixed = mixed(settings, again, *reads);
                        let before = answers(&subject, &base, settings);
                        let after = answers(&subject, &other, &mixed);
                        if !read(Answer::Pool).has(*reads) && *reads == Reads::CONCURRENCY {
                            let after = pool(&subject, &other, &mixed);
                            assert_eq!(
                                pool(&subject, &base, settings),
                                after,
                                "{}",
                                say(Answer::Pool)
                            );
                        }
                        let both = before
                            .into_iter()
                            .flatten()
                            .zip(after.into_iter().flatten());
                        for ((answer, before), (_, after)) in both {
                            let mut all = read(answer);
                            if answer == Answer::Loaded {
                                // Tensors lie beside what is loaded with them.
                                all = all | Reads::WEIGHTS;
                            }
                            if !all.has(*reads) {
                                assert_eq!(before, after, "{}", say(answer));
                                compared += 1;
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(compared > 1000, "{compared}");
}
