//! The cache against what published logs print, and against itself.

use crate::deployment::{Deployment, FitError, Options, Reason, Share};
use crate::engine::{CachePlan, Pool, Rank, samples};
use crate::fit;
use crate::hardware::{Gpu, Vendor};
use crate::memory::layout::Parallel;
use crate::model::builtin;
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use crate::subject::Subject;
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

const GIB: u64 = 1 << 30;

/// A GPU by what vLLM asks of it.
fn gpu(name: &str, bytes: u64, capability: (u8, u8)) -> Arc<Gpu> {
    Arc::new(Gpu {
        vendor: Vendor::Nvidia,
        compute_capability: Some(capability),
        ..Gpu::of_size(name, bytes)
    })
}

fn h100() -> Arc<Gpu> {
    gpu("H100-SXM-80GB", 81_079 << 20, (9, 0))
}

fn deployment(version: &str, gpu: Arc<Gpu>) -> Deployment {
    Deployment {
        gpu,
        options: Options {
            memory_utilization: Some(Share(950_000)),
            batched_tokens: Some(8192),
            sequences: Some(1024),
            ..Options::default()
        },
        ..samples::asked(&format!("vllm=={version}"), 8192, 1)
    }
}

/// A plan, and what was settled to be asked of it.
#[derive(Debug)]
struct Planned {
    plan: Box<dyn CachePlan>,
    context: u64,
    concurrency: u64,
}

impl Planned {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        self.plan.reserved(context, concurrency)
    }

    fn pool(&self, bytes: &[u64]) -> Pool {
        self.plan.pool(bytes, self.context, self.concurrency)
    }
}

/// The plan of a deployment.
fn plan(subject: &Subject, deployment: &Deployment) -> Result<Planned, FitError> {
    let mut notes = Vec::new();
    let settings = deployment.engine.settle(subject, deployment, &mut notes)?;
    let stages = crate::memory::stage::stages(&subject.architecture, deployment.options.parallel);
    let ranks: Vec<Rank<'_>> = stages
        .iter()
        .map(|stage| fit::rank(subject, deployment, &settings, stage))
        .collect();
    Ok(Planned {
        plan: deployment.engine.cache(&ranks)?,
        context: settings.context,
        concurrency: settings.concurrency,
    })
}

fn shown((numerator, denominator): (u64, u64)) -> String {
    #[expect(clippy::cast_precision_loss, reason = "as Python prints it")]
    let quotient = numerator as f64 / denominator as f64;
    format!("{quotient:.2}")
}

#[derive(Deserialize)]
struct Golden {
    rows: Vec<Row>,
}

/// What a published log prints of a cache: GiB, rounded to two digits, of the first stage, and what becomes of them.
#[derive(Deserialize)]
struct Row {
    id: String,
    model: String,
    scheme: Option<String>,
    version: String,
    tensor_parallel: u64,
    pipeline_parallel: u64,
    context: u64,
    batched_tokens: u64,
    prefix_caching: Option<bool>,
    cache: Option<String>,
    pool: f64,
    tokens: Option<u64>,
    blocks: Option<u64>,
    concurrency: Option<f64>,
}

impl Row {
    /// The bytes that are printed so: those at the middle, and the least and the most.
    fn pools(&self) -> (u64, u64, u64) {
        let digits = format!("{:.2}", self.pool).replace('.', "");
        let hundredths: u64 = digits.parse().unwrap();
        let of = |thousandths: u64| thousandths * GIB / 1000;
        let middle = hundredths * 10;
        (of(middle), of(middle - 5), of(middle + 5))
    }

    fn deployment(&self) -> Deployment {
        let named = |name: &String| Arc::new(Scheme::named(name).unwrap());
        let plain = deployment(&self.version, h100());
        Deployment {
            cache: self
                .cache
                .as_deref()
                .map(|name| CacheFormat::named(name).unwrap()),
            // Only what runs in 32 bits keeps another cache.
            weights: self
                .scheme
                .as_ref()
                .filter(|name| *name == "fp32")
                .map(named),
            context: Some(self.context),
            options: Options {
                batched_tokens: Some(self.batched_tokens),
                block: Some(16),
                prefix_caching: self.prefix_caching,
                parallel: Parallel {
                    tensor: self.tensor_parallel,
                    pipeline: self.pipeline_parallel,
                    ..Parallel::default()
                },
                ..plain.options
            },
            ..plain
        }
    }
}

fn check(row: &Row, concurrency: &str) {
    let id = &row.id;
    let subject = samples::subject(&row.model);
    let plan = plan(&subject, &row.deployment()).unwrap();
    let stages = usize::try_from(row.pipeline_parallel).unwrap();
    let (middle, least, most) = row.pools();
    let pool = |bytes: u64| plan.pool(&vec![bytes; stages]);
    let (low, high) = (pool(least), pool(most));
    if let Some(tokens) = row.tokens {
        let at = pool(middle).tokens;
        if stages == 1 {
            assert!(low.tokens <= tokens && tokens <= high.tokens, "{id}: {at}");
            assert!(
                at.abs_diff(tokens) * 2000 <= tokens,
                "{id}: {at} for {tokens}"
            );
        } else {
            // A later stage has less room than the one that prints it.
            assert!(tokens <= high.tokens, "{id}: {at}");
        }
    }
    let each = low.concurrency.unwrap().1;
    if let Some(blocks) = row.blocks {
        if stages == 1 {
            let found = low.blocks.unwrap()..=high.blocks.unwrap();
            assert!(found.contains(&blocks), "{id}: {found:?}");
        }
        let bytes: Vec<u64> = plan
            .reserved(row.context, 1)
            .iter()
            .map(|reserved| reserved / each * blocks)
            .collect();
        let exact = plan.pool(&bytes);
        assert_eq!(exact.blocks, Some(blocks), "{id}");
        assert_eq!(Some(exact.tokens), row.tokens, "{id}");
        assert_eq!(shown(exact.concurrency.unwrap()), concurrency, "{id}");
    } else {
        let printed: Vec<String> = (low.blocks.unwrap()..=high.blocks.unwrap())
            .map(|blocks| shown((blocks, each)))
            .collect();
        assert!(
            printed.iter().any(|shown| shown == concurrency),
            "{id}: {printed:?}"
        );
    }
}

/// Tokens within 0.05 % of what is printed, and exact, like blocks and requests, within what the rounding of the pool
/// leaves open.
#[test]
fn tokens_and_blocks_are_those_of_published_logs() {
    let text = include_str!("../../../../../tests/golden/vllm_runs.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    let mut checked = 0;
    for row in &golden.rows {
        if let Some(concurrency) = row.concurrency {
            check(row, &format!("{concurrency:.2}"));
            checked += 1;
        }
    }
    assert!(checked >= 37, "{checked}");
}

/// The table says what the logs at hand beside the project say, where these are there.
#[test]
fn the_table_agrees_with_the_logs_at_hand() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/truth/vllm_runs.json");
    let Ok(text) = std::fs::read_to_string(path) else {
        return;
    };
    let golden: Golden =
        serde_json::from_str(include_str!("../../../../../tests/golden/vllm_runs.json")).unwrap();
    let runs: Vec<Value> = serde_json::from_str(&text).unwrap();
    for row in &golden.rows {
        let run = runs.iter().find(|run| run["id"] == *row.id).unwrap();
        assert_eq!(row.tokens, run["kv_tokens"].as_u64(), "{}", row.id);
        assert_eq!(row.blocks, run["num_gpu_blocks"].as_u64(), "{}", row.id);
        assert_eq!(
            Some(row.context),
            run["max_model_len"].as_u64(),
            "{}",
            row.id
        );
    }
}

/// A published log of Qwen3.8-27B, whose layers keep what those of Qwen3.5-27B do: 784 tokens in a block, and on two RTX
/// 3090 with an FP8 cache 1568; 4.99 GiB there make 302,921 tokens and 2.31 requests of 131,072.
#[test]
fn a_block_of_a_hybrid_holds_a_state() {
    let subject = samples::subject("qwen3.5-27b");
    let consumer = || gpu("RTX-3090", 24_124 << 20, (8, 6));
    let one = deployment("0.26.0", consumer());
    let settled = |deployment: &Deployment| {
        deployment
            .engine
            .settle(&subject, deployment, &mut Vec::new())
            .unwrap()
    };
    assert_eq!(settled(&one).block, 784);
    let mut two = Deployment {
        cache: Some(CacheFormat::named("fp8").unwrap()),
        context: Some(131_072),
        ..one
    };
    two.options.parallel.tensor = 2;
    let settings = settled(&two);
    assert!(settings.prefix_caching);
    assert_eq!(settings.block, 1568);
    let pool = plan(&subject, &two).unwrap().pool(&[499 * GIB / 100]);
    assert_eq!(pool.blocks, Some(208));
    assert_eq!(pool.tokens, 302_921);
    assert_eq!(shown(pool.concurrency.unwrap()), "2.31");
    // Without prefixes each request has one state of each of the three groups, and with them two.
    let mut bare = two.clone();
    bare.options.prefix_caching = Some(false);
    let each = |deployment: &Deployment| {
        let pool = plan(&subject, deployment).unwrap().pool(&[GIB]);
        pool.concurrency.unwrap().1
    };
    assert_eq!((each(&two), each(&bare)), (84 + 3 * 2, 84 + 3));
}

/// vllm#43308: the same pool of a Gemma 4 was printed as about 55 and then as about 525 thousand tokens.
#[test]
fn what_is_printed_of_windows_changed_with_0_20_1() {
    let subject = samples::subject("gemma-4-26b-a4b");
    let pool = |version| {
        let mut deployment = deployment(version, h100());
        deployment.context = Some(262_144);
        plan(&subject, &deployment).unwrap().pool(&[40 * GIB])
    };
    let (before, after) = (pool("0.20.0"), pool("0.20.1"));
    assert_eq!(
        (before.blocks, before.concurrency),
        (after.blocks, after.concurrency)
    );
    // Five of six groups are windows, whose blocks are free again.
    assert!(after.tokens > 8 * before.tokens);
}

#[test]
fn defaults_are_those_of_the_version_and_the_gpu() {
    let subject = samples::subject("llama-3.1-8b");
    let settled = |version: &str, gpu: Arc<Gpu>| {
        let mut notes = Vec::new();
        let deployment = Deployment {
            gpu,
            ..samples::asked(&format!("vllm=={version}"), 8192, 1)
        };
        let settings = deployment
            .engine
            .settle(&subject, &deployment, &mut notes)
            .unwrap();
        // Everything that was not said is noted.
        for field in [
            "gpu_memory_utilization",
            "cache",
            "prefix_caching",
            "block_size",
            "max_batched_tokens",
            "max_sequences",
        ] {
            assert!(notes.iter().any(|note| note.field == field), "{field}");
        }
        (
            settings.batched_tokens,
            settings.sequences,
            settings.memory_utilization.0,
        )
    };
    let a100 = || gpu("A100-SXM-80GB", 81_153 << 20, (8, 0));
    let b200 = || gpu("B200", 182_000 << 20, (10, 0));
    assert_eq!(settled("0.19.0", h100()), (8192, 1024, 900_000));
    assert_eq!(settled("0.20.0", a100()), (2048, 256, 920_000));
    assert_eq!(settled("0.27.0", b200()), (8192, 1024, 920_000));
    assert_eq!(settled("0.28.0", b200()), (16384, 1024, 920_000));
}

#[test]
fn short_contexts_shorten_a_step_from_0_12_on() {
    let subject = samples::subject("llama-3.1-8b");
    let tokens = |version: &str| {
        let deployment = Deployment {
            gpu: h100(),
            ..samples::asked(&format!("vllm=={version}"), 4, 1)
        };
        let settled = deployment
            .engine
            .settle(&subject, &deployment, &mut Vec::new());
        settled.unwrap().batched_tokens
    };
    assert_eq!(tokens("0.11.0"), 8192);
    assert_eq!(tokens("0.12.0"), 4 * 1024);
}

#[test]
fn kernels_of_latent_attention_choose_their_blocks() {
    let block = |model: &str, version: &str, gpu: Arc<Gpu>, cache: Option<&str>| {
        let deployment = Deployment {
            cache: cache.map(|name| CacheFormat::named(name).unwrap()),
            ..deployment(version, gpu)
        };
        deployment
            .engine
            .settle(&samples::subject(model), &deployment, &mut Vec::new())
            .unwrap()
            .block
    };
    let b200 = || gpu("B200", 182_000 << 20, (10, 0));
    let a100 = || gpu("A100-SXM-80GB", 81_153 << 20, (8, 0));
    assert_eq!(block("deepseek-v3", "0.11.0", h100(), None), 64);
    assert_eq!(block("deepseek-v3", "0.11.0", b200(), None), 128);
    assert_eq!(block("deepseek-v3", "0.11.0", a100(), None), 16);
    assert_eq!(block("deepseek-v3", "0.19.0", h100(), None), 16);
    assert_eq!(block("deepseek-v3", "0.19.0", h100(), Some("fp8")), 64);
    assert_eq!(block("deepseek-v3", "0.19.0", b200(), None), 32);
    assert_eq!(block("deepseek-v3.2", "0.19.0", h100(), None), 64);
}

/// 656 bytes of a token in 8 bits, 1152 in 16, and 132 of the indexer's in both (vLLM 0.19, `fp8_ds_mla`).
#[test]
fn sparse_latent_attention_has_its_own_layout() {
    let subject = samples::subject("deepseek-v3.2");
    let token = |version: &str, gpu: Arc<Gpu>, cache: &str| {
        let deployment = Deployment {
            cache: Some(CacheFormat::named(cache).unwrap()),
            ..deployment(version, gpu)
        };
        let plan = plan(&subject, &deployment).unwrap();
        let blocks = plan.pool(&[GIB]).concurrency.unwrap().1;
        plan.reserved(8192, 1)[0] / blocks / 64 / 61
    };
    let b200 = gpu("B200", 182_000 << 20, (10, 0));
    assert_eq!(token("0.19.0", h100(), "fp8"), 656 + 132);
    assert_eq!(token("0.19.0", h100(), "bf16"), 1152 + 132);
    assert_eq!(token("0.19.0", b200, "fp8"), 576 + 132);
}

/// DeepSeek V4 Flash: 43 layers with a window, 21 with entries of 4 tokens and an indexer, 20 with entries of 128.
#[test]
fn compressed_entries_share_a_pool_with_windows_and_states() {
    let subject = samples::subject("deepseek-v4-flash");
    let planned = |version: &str| {
        let mut deployment = deployment(version, h100());
        deployment.context = Some(1_048_576);
        plan(&subject, &deployment)
    };
    assert_eq!(planned("0.19.0").unwrap_err().reason, Reason::Engine);
    let block = |version: &str| {
        let plan = planned(version).unwrap();
        let each = plan.pool(&[GIB]).concurrency.unwrap().1;
        let blocks = each + u64::from(version >= "0.29.0");
        let reserved = plan.reserved(1_048_576, 1)[0];
        assert_eq!(reserved % blocks, 0);
        reserved / blocks
    };
    // 22 times a page of each size that is kept for ever: 43 windows, 21 and 20 states go into groups of 22.
    assert_eq!(block("0.21.0"), 22 * (37_440 + 8_640 + 1_728));
    // As many of each size as the group with most of them has.
    assert_eq!(block("0.26.0"), 22 * 37_440 + 21 * 8_640 + 20 * 1_728);
    // The group of what is kept for ever is the widest.
    assert_eq!(block("0.33.0"), 21 * (37_440 + 8_640) + 20 * 1_728);
}

#[test]
fn what_vllm_cannot_do_is_refused_with_its_reason() {
    let llama = samples::subject("llama-3.1-8b");
    let mixture = samples::subject("qwen3-30b-a3b");
    let refused = |subject: &Subject, change: &dyn Fn(&mut Deployment)| {
        let mut deployment = deployment("0.19.0", h100());
        change(&mut deployment);
        let error = deployment
            .engine
            .settle(subject, &deployment, &mut Vec::new())
            .unwrap_err();
        assert!(!error.message.ends_with('.'), "{error}");
        error.reason
    };
    let cache =
        |name: &'static str| move |d: &mut Deployment| d.cache = CacheFormat::named(name).ok();
    assert_eq!(
        refused(&llama, &|d| d.context = Some(131_073)),
        Reason::Context
    );
    assert_eq!(refused(&llama, &cache("q8_0")), Reason::Cache);
    assert_eq!(refused(&llama, &cache("nvfp4")), Reason::Cache);
    assert_eq!(refused(&llama, &cache("fp32")), Reason::Cache);
    assert_eq!(
        refused(&llama, &|d| d.options.block = Some(24)),
        Reason::Value
    );
    assert_eq!(
        refused(&llama, &|d| d.gpu = Arc::new(Gpu {
            vendor: Vendor::Apple,
            ..Gpu::of_size("M4", 64 * GIB)
        })),
        Reason::Engine
    );
    assert_eq!(
        refused(&mixture, &|d| {
            d.options.parallel.tensor = 4;
            d.options.parallel.expert = 2;
        }),
        Reason::Experts
    );
    let context_parallel = |tensor, context| {
        move |d: &mut Deployment| {
            d.options.parallel.tensor = tensor;
            d.options.parallel.context = context;
        }
    };
    assert_eq!(refused(&llama, &context_parallel(8, 3)), Reason::Value);
    assert_eq!(refused(&llama, &context_parallel(8, 2)), Reason::KvHeads);
    assert_eq!(
        refused(&samples::subject("gemma-2-2b"), &context_parallel(8, 2)),
        Reason::Engine
    );
}

/// Tokens dealt out within tensor parallelism take no GPUs of their own.
#[test]
fn context_parallelism_lies_within_tensor_parallelism() {
    let subject = samples::subject("deepseek-v3");
    let mut deployment = deployment("0.19.0", h100());
    deployment.options.parallel.tensor = 8;
    let whole = plan(&subject, &deployment).unwrap();
    deployment.options.parallel.context = 4;
    let dealt = plan(&subject, &deployment).unwrap();
    assert_eq!(deployment.engine.gpus(&deployment), 8);
    assert_eq!(whole.reserved(8192, 3)[0], 4 * dealt.reserved(8192, 3)[0]);
    assert_eq!(dealt.pool(&[GIB]).tokens, 4 * whole.pool(&[GIB]).tokens);
}

#[test]
fn vllm_takes_its_share_whatever_is_asked() {
    let subject = samples::subject("llama-3.1-8b");
    let requested = Share(950_000).of(h100().usable_bytes);
    for version in ["0.19.0", "0.21.0"] {
        let fit = fit::fit(&subject, &deployment(version, h100())).unwrap();
        let stage = fit.on_fullest();
        let used = stage.used;
        let within = if version == "0.21.0" { used.graphs } else { 0 };
        let profiled = used.weights + used.activations + used.overhead + within;
        assert_eq!(stage.room, i128::from(requested) - i128::from(profiled));
        assert_eq!(stage.held, requested + used.context + used.graphs - within);
        let mut given = deployment(version, h100());
        given.options.cache_memory = Some(GIB);
        let stage = fit::fit(&subject, &given).unwrap().on_fullest().clone();
        assert_eq!(stage.room, i128::from(GIB));
        assert_eq!(stage.held, GIB + used.total());
    }
}

/// Every built-in model is laid out by every version, or refused with a reason.
#[test]
fn every_model_is_laid_out_or_refused() {
    let mut laid_out = 0;
    for model in builtin::ALL.iter() {
        let subject = samples::subject(&model.name);
        for version in VERSIONS {
            let mut deployment = deployment(version, h100());
            deployment.context = Some(subject.architecture.context.unwrap_or(1024).min(1024));
            match plan(&subject, &deployment) {
                Ok(plan) => {
                    laid_out += 1;
                    let pool = plan.pool(&[40 * GIB]);
                    let keeps = plan.reserved(1024, 1)[0] > 0;
                    assert_eq!(keeps, pool.tokens > 0, "{} {version}", model.name);
                }
                Err(error) => assert!(
                    matches!(error.reason, Reason::Model | Reason::Cache | Reason::Engine),
                    "{} {version}: {error}",
                    model.name
                ),
            }
        }
    }
    assert!(laid_out > 700, "{laid_out}");
}

const VERSIONS: [&str; 7] = [
    "0.11.0", "0.14.0", "0.19.0", "0.21.0", "0.25.0", "0.28.0", "0.33.0",
];

/// Models that keep all there is: plain, windows, chunks, latent vectors, states, an encoder's.
const KINDS: [&str; 10] = [
    "llama-3.1-8b",
    "gemma-3-12b",
    "gpt-oss-20b",
    "llama-4-scout",
    "deepseek-v3.2",
    "qwen3-next-80b-a3b",
    "nemotron-3-nano-30b-a3b",
    "kimi-linear-48b-a3b",
    "lfm2-1.2b",
    "deepseek-v4-flash",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// What is set aside for requests holds them, and not with a block less; more of either never takes less.
    #[test]
    fn what_is_reserved_holds_the_requests(
        model in 0..KINDS.len(),
        version in 0..VERSIONS.len(),
        context in 1_u64..100_000,
        more in 0_u64..10_000,
        requests in 1_u64..300,
        stages in 1_u64..4,
        tensor in 0_u32..2,
        batched in 16_u64..20_000,
        prefix_caching: bool,
    ) {
        let subject = samples::subject(KINDS[model]);
        let longest = subject.architecture.context.unwrap_or(8192);
        let context = context.min(longest);
        let mut deployment = deployment(VERSIONS[version], h100());
        deployment.context = Some(context);
        deployment.options.batched_tokens = Some(batched);
        deployment.options.prefix_caching = Some(prefix_caching);
        deployment.options.parallel.pipeline = stages;
        deployment.options.parallel.tensor = 1 << tensor;
        let Ok(plan) = plan(&subject, &deployment) else {
            return Ok(());
        };
        let reserved = plan.reserved(context, requests);
        let (blocks, each) = plan.pool(&reserved).concurrency.unwrap();
        prop_assert!(blocks >= requests * each);
        // The block that is never given out is beside.
        let spare = blocks - requests * each;
        prop_assert!(spare <= 1);
        let less: Vec<u64> = reserved
            .iter()
            .map(|bytes| bytes - bytes / blocks * (spare + 1))
            .collect();
        let (fewer, _) = plan.pool(&less).concurrency.unwrap();
        prop_assert!(fewer < requests * each);
        let longer = plan.reserved(context + more, requests);
        let busier = plan.reserved(context, requests + more);
        for ((here, longer), busier) in reserved.iter().zip(longer).zip(busier) {
            prop_assert!(*here <= longer);
            prop_assert!(*here <= busier);
        }
    }
}
