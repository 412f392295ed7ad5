//! The nearest deployments that fit, where one does not.

use super::answer::Answer;
use super::layouts::{MOST_GPUS, min_gpus};
use super::limits::{max_concurrency, max_context};
use super::precision::{Precision, best_quantization};
use crate::deployment::Deployment;
use crate::fit::{Fit, fit};
use crate::hardware::Catalogue;
use crate::memory::layout::Parallel;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use crate::wording::counted;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// One change with which a deployment fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A shorter context: the longest that fits.
    Context(u64),
    /// Fewer requests at one time: the most that fit.
    Concurrency(u64),
    /// More GPUs: the fewest that do.
    Gpus(u64, Parallel),
    /// Weights in another scheme: the most precise that fits.
    Weights(String),
    /// A cache of fewer bits.
    Cache(&'static str),
    /// A bigger GPU: the smallest common one that does.
    Gpu(String),
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
            Self::Context(_) => "context",
            Self::Concurrency(_) => "concurrency",
            Self::Gpus(..) => "gpus",
            Self::Weights(_) => "weights",
            Self::Cache(_) => "cache",
            Self::Gpu(_) => "gpu",
        }
    }

    /// What it is changed to.
    #[must_use]
    pub fn value(&self) -> Value {
        match self {
            Self::Context(number) | Self::Concurrency(number) | Self::Gpus(number, _) => {
                (*number).into()
            }
            Self::Weights(name) | Self::Gpu(name) => name.as_str().into(),
            Self::Cache(name) => (*name).into(),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context(tokens) => write!(f, "a context of {}", counted(*tokens, "token")),
            Self::Concurrency(requests) => {
                write!(f, "{} at one time", counted(*requests, "request"))
            }
            Self::Gpus(gpus, parallel) => write!(f, "{}: {parallel}", counted(*gpus, "GPU")),
            Self::Weights(scheme) => write!(f, "weights in {scheme}"),
            Self::Cache(format) => write!(f, "a cache in {format}"),
            Self::Gpu(name) => write!(f, "a {name}"),
        }
    }
}

/// Deployments that fit and are one change away from one that does not: at most one of each kind of [`Change`], in that
/// order. What cannot be, such as a cache of 8 bits where the engine has none, is left out.
#[must_use]
pub fn nearest(
    subject: &Subject,
    deployment: &Deployment,
    catalogue: &Catalogue,
) -> Vec<Alternative> {
    [
        context(subject, deployment),
        concurrency(subject, deployment),
        gpus(subject, deployment),
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
        change: Change::Gpus(gpus, fit.deployment.parallel),
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

fn cache(subject: &Subject, deployment: &Deployment) -> Option<Alternative> {
    let format = CacheFormat::named("fp8").ok()?;
    let changed = Deployment {
        cache: Some(format),
        ..deployment.clone()
    };
    let fit = fit(subject, &changed).ok().filter(Fit::fits)?;
    Some(Alternative {
        change: Change::Cache(format.name),
        fit,
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
            change: Change::Gpu(gpu.name.clone()),
            fit,
        })
    })
}
