//! The cache against what published logs print, and against itself.

use crate::deployment::{Deployment, FitError, Share};
use crate::engine::{CachePlan, Rank, samples};
use crate::fit;
use crate::hardware::{Gpu, Vendor};
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
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
        memory_utilization: Some(Share(950_000)),
        batched_tokens: Some(8192),
        sequences: Some(1024),
        ..samples::asked(&format!("vllm=={version}"), 8192, 1)
    }
}

/// The plan of a deployment.
fn plan(subject: &Subject, deployment: &Deployment) -> Result<Box<dyn CachePlan>, FitError> {
    let mut notes = Vec::new();
    let settings = deployment.engine.settle(subject, deployment, &mut notes)?;
    let stages = crate::memory::stage::stages(&subject.architecture, deployment.parallel);
    let ranks: Vec<Rank<'_>> = stages
        .iter()
        .map(|stage| fit::rank(subject, deployment, &settings, stage))
        .collect();
    deployment.engine.cache(&ranks)
}

fn shown((numerator, denominator): (u64, u64)) -> String {
    #[expect(clippy::cast_precision_loss, reason = "as Python prints it")]
    let quotient = numerator as f64 / denominator as f64;
    format!("{quotient:.2}")
}

#[derive(Deserialize)]
struct Golden {
    configs: BTreeMap<String, Derived>,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
struct Derived {
    config: Value,
}

#[derive(Deserialize)]
struct Row {
    id: String,
    caches_of: String,
    version: String,
    tensor_parallel: u64,
    pipeline_parallel: u64,
    context: u64,
    max_batched_tokens: u64,
    cache: Option<String>,
    pool_gib: String,
    tokens: Option<u64>,
    blocks: Option<u64>,
    concurrency: String,
}

impl Row {
    /// The bytes that are printed so: those at the middle, and the least and the most.
    fn pools(&self) -> (u64, u64, u64) {
        let (whole, digits) = self.pool_gib.split_once('.').unwrap();
        let hundredths: u64 = whole.parse::<u64>().unwrap() * 100 + digits.parse::<u64>().unwrap();
        let of = |thousandths: u64| thousandths * GIB / 1000;
        let middle = hundredths * 10;
        (of(middle), of(middle - 5), of(middle + 5))
    }

    fn deployment(&self) -> Deployment {
        let base = deployment(&self.version, h100());
        Deployment {
            cache: self
                .cache
                .as_deref()
                .map(|name| CacheFormat::named(name).unwrap()),
            context: Some(self.context),
            batched_tokens: Some(self.max_batched_tokens),
            block: Some(16),
            prefix_caching: Some(false),
            parallel: Parallel {
                tensor: self.tensor_parallel,
                pipeline: self.pipeline_parallel,
                ..Parallel::default()
            },
            ..base
        }
    }
}

fn check(golden: &Golden, row: &Row) {
    let id = &row.id;
    let subject = match golden.configs.get(&row.caches_of) {
        Some(derived) => samples::of_config(id, derived.config.clone()),
        None => samples::subject(&row.caches_of),
    };
    let deployment = row.deployment();
    let plan = plan(&subject, &deployment).unwrap();
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
        let found = low.blocks.unwrap()..=high.blocks.unwrap();
        if stages == 1 {
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
        assert_eq!(shown(exact.concurrency.unwrap()), row.concurrency, "{id}");
    } else {
        let printed: Vec<String> = (low.blocks.unwrap()..=high.blocks.unwrap())
            .map(|blocks| shown((blocks, each)))
            .collect();
        assert!(printed.contains(&row.concurrency), "{id}: {printed:?}");
    }
}

#[test]
fn tokens_and_blocks_are_those_of_published_logs() {
    let text = include_str!("../../../../../tests/golden/vllm_pools.json");
    let golden: Golden = serde_json::from_str(text).unwrap();
    assert!(golden.rows.len() >= 20);
    for row in &golden.rows {
        check(&golden, row);
    }
}
