//! The nearest deployments that fit, where one does not.

use super::answer::Answer;
use super::layouts::{MOST_GPUS, best_layout, min_gpus};
use super::limits::{max_concurrency, max_context};
use super::precision::{Precision, best_quantization};
use crate::deployment::{Deployment, Share};
use crate::fit::{Fit, Spread, fit};
use crate::hardware::Catalogue;
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::{CacheFormat, FORMATS};
use crate::subject::Subject;
use crate::wording::counted;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// One change with which a deployment fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Another layout on as many GPUs: the one with the least bytes on the fullest of them.
    Layout(Parallel),
    /// Another share of a GPU's memory for the engine: the nearest hundredth that fits.
    Utilization(Share),
    /// A shorter context: the longest that fits.
    Context(u64),
    /// Fewer requests at one time: the most that fit.
    Concurrency(u64),
    /// Another number of GPUs: the fewest that do.
    Gpus(u64, Parallel),
    /// Weights in another scheme: the most precise that fits.
    Weights(String),
    /// A cache of fewer bits.
    Cache(&'static str),
    /// As many bigger GPUs: the smallest common ones that do.
    Gpu(String, u64),
}

/// A deployment that fits, one change away.
#[derive(Clone, Debug)]
pub struct Alternative {
    /// What is changed.
    pub change: Change,
    /// The estimate with it.
    pub fit: Fit,
}

impl Change {
    /// Its name in data: the argument that changes.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Layout(_) => "parallel",
            Self::Utilization(_) => "gpu_memory_utilization",
            Self::Context(_) => "context",
            Self::Concurrency(_) => "concurrency",
            Self::Gpus(..) => "gpus",
            Self::Weights(_) => "weights",
            Self::Cache(_) => "cache",
            Self::Gpu(..) => "gpu",
        }
    }

    /// What it is changed to.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Context(number) | Self::Concurrency(number) | Self::Gpus(number, _) => {
                (*number).into()
            }
            Self::Layout(parallel) => json!(parallel),
            Self::Utilization(share) => json!(share.ratio()),
            Self::Weights(name) | Self::Gpu(name, _) => name.as_str().into(),
            Self::Cache(name) => (*name).into(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layout(parallel) => write!(f, "another layout: {parallel}"),
            Self::Utilization(share) => write!(f, "gpu_memory_utilization {share}"),
            Self::Context(tokens) => write!(f, "a context of {}", counted(*tokens, "token")),
            Self::Concurrency(requests) => {
                write!(f, "{} at one time", counted(*requests, "request"))
            }
            Self::Gpus(gpus, parallel) if *parallel == Parallel::default() => {
                f.write_str(&counted(*gpus, "GPU"))
            }
            Self::Gpus(gpus, parallel) => write!(f, "{}: {parallel}", counted(*gpus, "GPU")),
            Self::Weights(scheme) => write!(f, "weights in {scheme}"),
            Self::Cache(format) => write!(f, "a cache in {format}"),
            Self::Gpu(name, 1) => write!(f, "another GPU: {name}"),
            Self::Gpu(name, gpus) => write!(f, "other GPUs: {gpus} x {name}"),
        }
    }
}

/// Deployments that fit and are one change away from one that does not: at most one of each kind of [`Change`], in that
/// order, and none for one that fits. Another number of GPUs is named where as many do not do in any layout. What cannot
/// be, such as a cache of 8 bits where the engine has none, is left out.
#[must_use]
pub fn nearest(
    subject: &Subject,
    deployment: &Deployment,
    catalogue: &Catalogue,
) -> Vec<Alternative> {
    if fit(subject, deployment).is_ok_and(|fit| fit.fits()) {
        return Vec::new();
    }
    let laid_out = layout(subject, deployment);
    let counted = match laid_out {
        Some(_) => None,
        None => gpus(subject, deployment),
    };
    [
        laid_out,
        utilization(subject, deployment),
        context(subject, deployment),
        concurrency(subject, deployment),
        counted,
        weights(subject, deployment),
        cache(subject, deployment),
        bigger(subject, deployment, catalogue),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn found(answer: Answer) -> Option<(u64, Fit)> {
    match answer {
        Answer::Found(limit) => Some((limit.value, limit.fit)),
        Answer::Nothing(_) => None,
    }
}

fn layout(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    let gpus = deployment.engine.gpus(deployment);
    if gpus <= 1 {
        return None;
    }
    let fit = best_layout(subject, deployment, gpus).ok()??;
    Some(Alternative {
        change: Change::Layout(fit.deployment.options.parallel),
        fit,
    })
}

/// The share may be too small for the cache or too large for the GPU, so that the nearest is looked for both ways.
fn utilization(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    const HUNDREDTH: u32 = Share::ONE.0 / 100;
    if deployment.options.cache_memory.is_some() {
        return None;
    }
    let spread = Spread::of(subject, deployment).ok()?;
    let settled = spread.probe(subject, deployment).ok()?.settings;
    let mut shares: Vec<Share> = (1..100).map(|part| Share(part * HUNDREDTH)).collect();
    shares.sort_by_key(|share| share.0.abs_diff(settled.memory_utilization.0));
    shares.into_iter().find_map(|share| {
        let mut changed = deployment.clone();
        changed.options.memory_utilization = Some(share);
        let probe = spread.probe(subject, &changed).ok()?;
        if !probe.fits() {
            return None;
        }
        Some(Alternative {
            change: Change::Utilization(share),
            fit: spread.fit(subject, &changed).ok()?,
        })
    })
}

fn context(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    let (tokens, fit) = found(max_context(subject, deployment).ok()?)?;
    Some(Alternative {
        change: Change::Context(tokens),
        fit,
    })
}

fn concurrency(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    if deployment.concurrency <= 1 {
        return None;
    }
    let (requests, fit) = found(max_concurrency(subject, deployment).ok()?)?;
    Some(Alternative {
        change: Change::Concurrency(requests),
        fit,
    })
}

fn gpus(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    let (gpus, fit) = found(min_gpus(subject, deployment, MOST_GPUS).ok()?)?;
    Some(Alternative {
        change: Change::Gpus(gpus, fit.deployment.options.parallel),
        fit,
    })
}

fn weights(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    match best_quantization(subject, deployment).ok()? {
        Precision::Found {
            scheme: Some(scheme),
            fit,
            ..
        } => Some(Alternative {
            change: Change::Weights(scheme.name.clone()),
            fit: *fit,
        }),
        _ => None,
    }
}

/// The format of most bits that fits, of those that take fewer than the settled one and that the engine has.
fn cache(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    let settled = fit(subject, deployment).ok()?.settings.cache;
    let mut smaller: Vec<CacheFormat> = FORMATS
        .iter()
        .filter(|format| format.bits_against(&settled).is_lt())
        .copied()
        .collect();
    smaller.sort_by(|one, other| other.bits_against(one));
    smaller.into_iter().find_map(|format| {
        let changed = Deployment {
            cache: Some(format),
            ..deployment.clone()
        };
        let fit = fit(subject, &changed).ok().filter(Fit::fits)?;
        Some(Alternative {
            change: Change::Cache(format.name),
            fit,
        })
    })
}

fn bigger(
    subject: &Subject,
    deployment: &Deployment,
    catalogue: &Catalogue,
) -> Option<Alternative> {
    let mut gpus: Vec<_> = catalogue
        .common()
        .filter(|gpu| gpu.usable_bytes > deployment.gpu.usable_bytes)
        .collect();
    gpus.sort_by_key(|gpu| (gpu.usable_bytes, &gpu.name));
    gpus.into_iter().find_map(|gpu| {
        let changed = Deployment {
            gpu: Arc::new(gpu.clone()),
            ..deployment.clone()
        };
        let fit = fit(subject, &changed).ok().filter(Fit::fits)?;
        Some(Alternative {
            change: Change::Gpu(gpu.name.clone(), fit.gpus),
            fit,
        })
    })
}
