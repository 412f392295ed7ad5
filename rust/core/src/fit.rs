//! The estimate: bytes per GPU by component, and whether they fit.
//!
//! ```text
//!  Subject + Deployment ─ check, settle ─► ranks ─ weights, engine ─► Used, room ─┐
//!                                                  caches ─ engine ─► reserved ───┴─► Fit
//! ```

use crate::architecture::config::Assumption;
use crate::deployment::{Deployment, FitError, Settings};
use crate::engine::{self, CachePlan, Pool, Rank, Used};
use crate::memory::ledger::{Account, Ledger, Origin, Part};
use crate::memory::stage::{self, Stage};
use crate::memory::store::{Kept, Store};
use crate::memory::weights;
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

    /// Bytes to spare, negative if they do not suffice.
    fn headroom(&self, usable: u64) -> i128 {
        let cache = self.room - i128::from(self.reserved);
        cache.min(i128::from(usable) - i128::from(self.held))
    }
}

/// Whether and how a deployment fits.
#[derive(Clone, Debug)]
pub struct Fit {
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
    /// Bytes to spare on the fullest GPU, negative if they do not suffice.
    pub headroom: i128,
    /// Bytes that the engine gives to the cache on the first stage, as it prints them there.
    pub cache_pool: u64,
    /// What the engine makes of its cache, as it prints it.
    pub pool: Pool,
    /// What was not said and was taken to hold.
    pub assumptions: Vec<Assumption>,
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
}

/// Works out whether and how a deployment of a model fits.
///
/// # Errors
/// If the deployment cannot be: the message says why, and what to change.
pub fn fit(subject: &Subject, deployment: &Deployment) -> Result<Fit, FitError> {
    let engine = &*deployment.engine;
    engine::check(engine, deployment, &subject.architecture)?;
    let mut assumptions = subject.notes.clone();
    let settings = engine.settle(subject, deployment, &mut assumptions)?;
    let pieces = subject.pieces(deployment.weights.as_deref());
    let stages = stage::stages(&subject.architecture, deployment.parallel);
    let ranks: Vec<Rank<'_>> = stages
        .iter()
        .map(|stage| rank(subject, deployment, &settings, stage))
        .collect();
    let plan = engine.cache(&ranks)?;
    let reserved = plan.reserved(settings.context, settings.concurrency);
    let usable = deployment.gpu.usable_bytes;
    let mut placed = Vec::with_capacity(ranks.len());
    for (rank, reserved) in ranks.iter().zip(reserved) {
        let parts = Parts {
            weights: weights_of(rank, &pieces),
            activations: account(|ledger| engine.activations(rank, ledger)),
            overhead: account(|ledger| engine.overhead(rank, ledger)),
            cuda_context: account(|ledger| engine.context(rank, ledger)),
            cuda_graphs: account(|ledger| engine.graphs(rank, ledger)),
        };
        let used = Used {
            weights: total(&parts.weights),
            activations: total(&parts.activations),
            overhead: total(&parts.overhead),
            context: total(&parts.cuda_context),
            graphs: total(&parts.cuda_graphs),
        };
        let room = match deployment.cache_memory {
            Some(bytes) => i128::from(bytes),
            None => engine.room(rank, &used),
        };
        placed.push(OnStage {
            stage: rank.stage.clone(),
            held: engine.held(rank, &used, reserved),
            needed: rank.needed(settings.context, settings.concurrency),
            used,
            parts,
            reserved,
            room,
        });
    }
    Ok(conclude(
        deployment,
        settings,
        placed,
        &*plan,
        usable,
        assumptions,
    ))
}

fn conclude(
    deployment: &Deployment,
    settings: Settings,
    stages: Vec<OnStage>,
    plan: &dyn CachePlan,
    usable: u64,
    assumptions: Vec<Assumption>,
) -> Fit {
    let rooms: Vec<u64> = stages
        .iter()
        .map(|stage| u64::try_from(stage.room.max(0)).unwrap_or(u64::MAX))
        .collect();
    // A pipeline has at least one stage.
    let (fullest, headroom) = stages
        .iter()
        .map(|stage| stage.headroom(usable))
        .enumerate()
        .min_by_key(|(_, headroom)| *headroom)
        .unwrap_or((0, 0));
    Fit {
        gpus: deployment.engine.gpus(deployment),
        deployment: deployment.clone(),
        settings,
        fullest,
        usable,
        headroom,
        cache_pool: rooms.first().copied().unwrap_or(0),
        pool: plan.pool(&rooms),
        stages,
        assumptions,
    }
}

fn rank<'a>(
    subject: &'a Subject,
    deployment: &'a Deployment,
    settings: &'a Settings,
    stage: &'a Stage,
) -> Rank<'a> {
    let layers: Vec<_> = stage.decoder(&subject.architecture).collect();
    let stores = layers
        .iter()
        .map(|layer| Store::of(layer, deployment.parallel.tensor))
        .collect();
    Rank {
        subject,
        deployment,
        settings,
        stage,
        layers,
        stores,
        kept: Kept {
            format: settings.cache,
            model_bytes: settings.model_bytes,
            encoder_tokens: settings.encoder_tokens,
        },
    }
}

fn account(fill: impl FnOnce(&mut dyn Ledger)) -> Vec<Part> {
    let mut account = Account::default();
    fill(&mut account);
    account.0
}

fn total(parts: &[Part]) -> u64 {
    parts
        .iter()
        .fold(0_u64, |sum, part| sum.saturating_add(part.bytes))
}

fn weights_of(rank: &Rank<'_>, pieces: &[crate::memory::body::Piece]) -> Vec<Part> {
    let engine = &*rank.deployment.engine;
    let parallel = rank.deployment.parallel;
    let sums = weights::on_stage(
        pieces,
        &rank.subject.architecture,
        rank.stage,
        parallel,
        engine.weight_rules(),
    );
    account(|ledger| {
        for (role, bytes) in sums {
            ledger.add(
                role.name(),
                bytes,
                Origin::Exact,
                "the tensors of this role, as the ranks share them",
                &|| {
                    format!(
                        "tensors of role {} on one of {} ranks",
                        role.name(),
                        parallel.tensor
                    )
                },
            );
        }
        engine.loaded(rank, ledger);
    })
}
