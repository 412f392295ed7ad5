//! The estimate: bytes per GPU by component, and whether they fit.
//!
//! ```text
//!  Subject + layout ─ check ─► Spread: stages, weights ─┐
//!  Deployment ─ settle ─► Settings ─► ranks ────────────┴─ engine ─► Used, room ─┐
//!                                       caches ─ engine ─► reserved ─────────────┴─► Fit
//! ```

mod component;
mod explain;
mod report;
mod spread;

pub use component::Component;
pub use report::{SCHEMA, SEVERAL_SCHEMA};
pub use spread::{Probe, Spread};
pub(crate) use spread::{rank, room};

use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Settings};
use crate::engine::{self, CachePlan, Pool, Used};
use crate::memory::ledger::Part;
use crate::memory::stage::Stage;
use crate::quantization::loading::refusal;
use crate::solve::Bound;
use crate::subject::Subject;
use serde::Serialize;

/// The parts of each component, in the order of display.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Parts {
    /// Weights by role, and what is loaded beside them.
    pub weights: Vec<Part>,
    /// Activations at their peak.
    pub activations: Vec<Part>,
    /// What the engine and its libraries take beside.
    pub overhead: Vec<Part>,
    /// What the driver takes for a process.
    pub cuda_context: Vec<Part>,
    /// Captured graphs.
    pub cuda_graphs: Vec<Part>,
    /// What the asked requests need of the cache.
    pub needed: Vec<Part>,
}

/// What lies on each GPU of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OnStage {
    /// The stage.
    pub stage: Stage,
    /// Bytes beside the cache.
    pub used: Used,
    /// What these are made of.
    pub parts: Parts,
    /// Bytes that the asked requests need of the cache.
    pub needed: u64,
    /// Bytes that the engine sets aside for them.
    pub reserved: u64,
    /// Bytes that are left for the cache.
    pub room: i128,
    /// Bytes the GPU holds once the engine has laid out its cache.
    pub held: u64,
}

impl OnStage {
    /// Weights, activations, overhead and the cache of the asked requests.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.used.total().saturating_add(self.reserved)
    }

    fn headroom(&self, usable: u64) -> i128 {
        headroom(self.room, self.reserved, usable, self.held)
    }
}

/// Bytes to spare in the room for the cache, negative if they do not suffice there or on the GPU. What the GPU has
/// beyond the engine's budget is not to spare: requests get none of it.
pub(crate) fn headroom(room: i128, reserved: u64, usable: u64, held: u64) -> i128 {
    let cache = room - i128::from(reserved);
    match i128::from(usable) - i128::from(held) {
        memory if memory < 0 => cache.min(memory),
        _ => cache,
    }
}

/// Whether and how a deployment fits.
#[derive(Clone, Debug)]
pub struct Fit {
    /// What the model is called.
    pub name: String,
    /// The scheme or dtype of its weights: what measurements of others are found by.
    pub storage: String,
    /// How its weights are stored, in a word.
    pub label: String,
    /// What was asked.
    pub deployment: Deployment,
    /// What was settled for what was left open.
    pub settings: Settings,
    /// GPUs in all.
    pub gpus: u64,
    /// Every stage of the pipeline.
    pub stages: Vec<OnStage>,
    /// Which of them is the fullest: the one with the least to spare.
    pub fullest: usize,
    /// Bytes that the runtime reports of each GPU.
    pub usable: u64,
    /// Bytes to spare in the room for the cache on the fullest GPU, negative if they do not suffice.
    pub headroom: i128,
    /// Bytes that the engine gives to the cache on the first stage, as it prints them there.
    pub cache_pool: u64,
    /// What the engine makes of its cache, as it prints it.
    pub pool: Pool,
    /// What was not said and was taken to hold.
    pub assumptions: Vec<Assumption>,
    /// What whoever reads it must know, in a sentence each.
    pub warnings: Vec<String>,
}

impl Fit {
    /// The fullest stage.
    #[must_use]
    pub fn on_fullest(&self) -> &OnStage {
        &self.stages[self.fullest]
    }

    /// Whether everything fits on every GPU.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.headroom >= 0
    }

    /// What does not fit on the fullest GPU any more; nothing where everything fits.
    #[must_use]
    pub fn binds(&self) -> Option<Bound> {
        Bound::of_fit(self)
    }
}

/// Works out whether and how a deployment of a model fits.
///
/// # Errors
/// If the deployment cannot be: the message says why, and what to change.
pub fn fit(subject: &Subject, deployment: &Deployment) -> Result<Fit, FitError> {
    Spread::of(subject, deployment)?.fit(subject, deployment)
}

/// The stage with the least to spare, and how much that is. A pipeline has at least one stage.
fn fullest(stages: &[OnStage], usable: u64) -> (usize, i128) {
    fullest_of(stages.iter().map(|stage| stage.headroom(usable)))
}

/// Which of these has the least to spare, the first of several, and how much that is.
pub(crate) fn fullest_of(headroom: impl Iterator<Item = i128>) -> (usize, i128) {
    headroom
        .enumerate()
        .min_by_key(|(_, headroom)| *headroom)
        .unwrap_or((0, 0))
}

/// What is wrong with the files, and what the engine is not known to load and to run.
fn warnings(subject: &Subject, deployment: &Deployment) -> Vec<String> {
    let asked = deployment.weights.as_deref();
    let why = asked.and_then(|scheme| refusal(&*deployment.engine, &deployment.gpu, &scheme.name));
    let mut warnings = subject.warnings.clone();
    let lacks = engine::lacks(&*deployment.engine, subject);
    warnings.extend(
        [why, lacks]
            .into_iter()
            .flatten()
            .map(|why| format!("{why}; the bytes are as if it did")),
    );
    warnings
}

fn conclude(
    subject: &Subject,
    deployment: &Deployment,
    settings: Settings,
    stages: Vec<OnStage>,
    plan: &dyn CachePlan,
    assumptions: Vec<Assumption>,
) -> Fit {
    let rooms: Vec<u64> = stages
        .iter()
        .map(|stage| u64::try_from(stage.room.max(0)).unwrap_or(u64::MAX))
        .collect();
    let usable = deployment.gpu.usable_bytes;
    let (fullest, headroom) = fullest(&stages, usable);
    let scheme = deployment.weights.as_deref();
    Fit {
        name: subject.name.clone(),
        storage: scheme.map_or_else(|| subject.storage.clone(), |scheme| scheme.name.clone()),
        label: scheme.map_or_else(|| subject.label.clone(), |scheme| scheme.name.clone()),
        gpus: deployment.engine.gpus(deployment),
        deployment: deployment.clone(),
        settings,
        fullest,
        usable,
        headroom,
        cache_pool: rooms.first().copied().unwrap_or(0),
        pool: plan.pool(&rooms, settings.context, settings.concurrency),
        stages,
        assumptions,
        warnings: warnings(subject, deployment),
    }
}
