//! A fit in two steps: the weights of a layout, dealt out once, and then whatever is asked of it.

use super::{Fit, OnStage, Parts, conclude, fullest};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::shared::Shared;
use crate::deployment::{Deployment, FitError, Settings};
use crate::engine::{self, Answer, CachePlan, Rank, Used};
use crate::memory::body::Piece;
use crate::memory::ledger::{Account, Ledger, Origin, Sum};
use crate::memory::needed;
use crate::memory::stage::{self, Stage};
use crate::memory::store::{Kept, Store};
use crate::memory::weights::{self as dealt, OfRole};
use crate::subject::Subject;
use std::sync::Arc;

/// The weights of a model, dealt out to the stages of a layout: what neither context, users, the GPU nor the format of
/// the cache changes, so that a search works it out once.
#[derive(Clone, Debug)]
pub struct Spread {
    stages: Vec<Dealt>,
}

/// What is dealt out to one stage.
#[derive(Clone, Debug)]
struct Dealt {
    stage: Stage,
    weights: Vec<OfRole>,
    stores: Arc<[Shared<Store>]>,
}

impl Spread {
    /// Deals out the weights as a deployment says.
    ///
    /// # Errors
    /// If the model cannot be laid out so.
    pub fn of(subject: &Subject, deployment: &Deployment) -> Result<Self, FitError> {
        let pieces = subject.held(deployment);
        Self::with(subject, deployment, &pieces)
    }

    /// Deals out these pieces as a deployment says.
    ///
    /// # Errors
    /// If the model cannot be laid out so.
    pub fn with(
        subject: &Subject,
        deployment: &Deployment,
        pieces: &[Piece],
    ) -> Result<Self, FitError> {
        let engine = &*deployment.engine;
        let architecture = &subject.architecture;
        engine::check(engine, deployment, architecture)?;
        let parallel = deployment.options.parallel;
        let stages = stage::stages(architecture, parallel)
            .into_iter()
            .map(|stage| {
                let rules = engine.weight_rules();
                let sums = dealt::on_stage(pieces, architecture, &stage, parallel, rules);
                Dealt {
                    stores: stores(architecture, &stage, parallel.tensor),
                    weights: sums,
                    stage,
                }
            })
            .collect();
        Ok(Self { stages })
    }

    /// Bytes of the tensors on the GPUs of each stage, without what an engine loads beside them.
    pub fn weights(&self) -> impl Iterator<Item = u64> {
        self.stages.iter().map(|dealt| {
            dealt
                .weights
                .iter()
                .fold(0, |sum: u64, one| sum.saturating_add(one.bytes))
        })
    }

    /// The estimate for a deployment of the same layout, engine and weights as this was made for.
    ///
    /// # Errors
    /// If the deployment cannot be: the message says why, and what to change.
    pub fn fit(&self, subject: &Subject, deployment: &Deployment) -> Result<Fit, FitError> {
        let mut assumptions = subject.notes.clone();
        subject.note_weights(deployment.weights.as_deref(), &mut assumptions);
        let settings = Self::settle(subject, deployment, &mut assumptions)?;
        engine::check_sequences(&*deployment.engine, &settings)?;
        note_nodes(deployment, &mut assumptions);
        let (stages, plan) = self.place(
            subject,
            deployment,
            &settings,
            Account::total,
            |[
                weights,
                activations,
                overhead,
                cuda_context,
                cuda_graphs,
                needed,
            ]| Parts {
                weights: weights.0,
                activations: activations.0,
                overhead: overhead.0,
                cuda_context: cuda_context.0,
                cuda_graphs: cuda_graphs.0,
                needed: needed.0,
            },
        )?;
        Ok(conclude(
            subject,
            deployment,
            settings,
            stages,
            &*plan,
            assumptions,
        ))
    }

    /// The stages as [`Spread::fit`] has them, without the parts and notes that nobody asked for, and the settings.
    ///
    /// # Errors
    /// As for [`Spread::fit`].
    pub fn probe(&self, subject: &Subject, deployment: &Deployment) -> Result<Probe, FitError> {
        let probe = self.probe_at_once(subject, deployment)?;
        engine::check_sequences(&*deployment.engine, &probe.settings)?;
        Ok(probe)
    }

    /// The same as if all requests ran at one time, however few sequences the engine runs.
    ///
    /// # Errors
    /// As for [`Spread::fit`], but for the number of requests.
    pub(crate) fn probe_at_once(
        &self,
        subject: &Subject,
        deployment: &Deployment,
    ) -> Result<Probe, FitError> {
        let settings = Self::settle(subject, deployment, &mut Vec::new())?;
        let (stages, _) = self.place(
            subject,
            deployment,
            &settings,
            |sum: &Sum| sum.0,
            |_| Parts::default(),
        )?;
        let (fullest, headroom) = fullest(&stages, deployment.gpu.usable_bytes);
        Ok(Probe {
            settings,
            stages,
            fullest,
            headroom,
        })
    }

    /// The GPUs of the stages.
    pub(crate) fn ranks<'a>(
        &'a self,
        subject: &'a Subject,
        deployment: &'a Deployment,
        settings: &'a Settings,
    ) -> Vec<Rank<'a>> {
        self.stages
            .iter()
            .map(|dealt| {
                let stores = Arc::clone(&dealt.stores);
                rank_of(subject, deployment, settings, &dealt.stage, stores)
            })
            .collect()
    }

    /// Bytes of one component on each of the GPUs, as [`Spread::probe`] has them.
    pub(crate) fn component(&self, answer: Answer, ranks: &[Rank<'_>]) -> Vec<u64> {
        ranks
            .iter()
            .zip(&self.stages)
            .map(|(rank, dealt)| {
                let engine = &*rank.deployment.engine;
                let sum: Sum = filled(|ledger| match answer {
                    Answer::Loaded => weights(&dealt.weights, rank, ledger),
                    Answer::Activations => engine.activations(rank, ledger),
                    Answer::Overhead => engine.overhead(rank, ledger),
                    Answer::Context => engine.context(rank, ledger),
                    Answer::Graphs => engine.graphs(rank, ledger),
                    Answer::Settings | Answer::Reserved | Answer::Pool => {}
                });
                sum.0
            })
            .collect()
    }

    fn settle(
        subject: &Subject,
        deployment: &Deployment,
        notes: &mut Vec<Assumption>,
    ) -> Result<Settings, FitError> {
        let engine = &*deployment.engine;
        engine::check_numbers(engine, deployment)?;
        engine.settle(subject, deployment, notes)
    }

    /// What lies on each stage. `total` sums a ledger up, `keep` makes parts of those of a stage.
    fn place<L: Ledger + Default>(
        &self,
        subject: &Subject,
        deployment: &Deployment,
        settings: &Settings,
        total: fn(&L) -> u64,
        keep: fn([L; 6]) -> Parts,
    ) -> Result<(Vec<OnStage>, Box<dyn CachePlan>), FitError> {
        let engine = &*deployment.engine;
        let ranks = self.ranks(subject, deployment, settings);
        let plan = engine.cache(&ranks)?;
        let reserved = plan.reserved(settings.context, settings.concurrency);
        let mut placed = Vec::with_capacity(ranks.len());
        // An engine that lays nothing out holds what is needed: a stage that it says nothing of is not left out.
        for (at, (rank, dealt)) in ranks.iter().zip(&self.stages).enumerate() {
            let reserved = reserved
                .get(at)
                .copied()
                .unwrap_or_else(|| rank.needed(settings.context, settings.concurrency));
            let ledgers = [
                filled(|ledger| weights(&dealt.weights, rank, ledger)),
                filled(|ledger| engine.activations(rank, ledger)),
                filled(|ledger| engine.overhead(rank, ledger)),
                filled(|ledger| engine.context(rank, ledger)),
                filled(|ledger| engine.graphs(rank, ledger)),
                filled(|ledger| needed::account(rank, ledger)),
            ];
            let [weights, activations, overhead, context, graphs, needed] =
                ledgers.each_ref().map(total);
            let used = Used {
                weights,
                activations,
                overhead,
                context,
                graphs,
            };
            let room = room(rank, &used);
            placed.push(OnStage {
                stage: rank.stage.clone(),
                held: engine.held(rank, &used).bytes(reserved),
                needed,
                used,
                parts: keep(ledgers),
                reserved,
                room,
            });
        }
        Ok((placed, plan))
    }
}

/// A fit in numbers alone, for searches.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What was settled for what was left open.
    pub settings: Settings,
    /// Every stage of the pipeline, without parts.
    pub stages: Vec<OnStage>,
    /// Which of them is the fullest.
    pub fullest: usize,
    /// Bytes to spare on the fullest GPU, negative if they do not suffice.
    pub headroom: i128,
}

impl Probe {
    /// Whether everything fits on every GPU.
    #[must_use]
    pub const fn fits(&self) -> bool {
        self.headroom >= 0
    }
}

pub(crate) fn rank<'a>(
    subject: &'a Subject,
    deployment: &'a Deployment,
    settings: &'a Settings,
    stage: &'a Stage,
) -> Rank<'a> {
    let tensor = deployment.options.parallel.tensor;
    let stores = stores(&subject.architecture, stage, tensor);
    rank_of(subject, deployment, settings, stage, stores)
}

/// What each layer of a stage remembers on one of so many tensor-parallel ranks.
fn stores(architecture: &Architecture, stage: &Stage, tensor: u64) -> Arc<[Shared<Store>]> {
    Store::of_each(stage.decoder(architecture), tensor).into()
}

fn rank_of<'a>(
    subject: &'a Subject,
    deployment: &'a Deployment,
    settings: &'a Settings,
    stage: &'a Stage,
    stores: Arc<[Shared<Store>]>,
) -> Rank<'a> {
    Rank {
        subject,
        deployment,
        settings,
        stage,
        layers: stage.decoder(&subject.architecture).collect(),
        stores,
        kept: Kept {
            format: settings.cache,
            model_bytes: settings.model_bytes,
            encoder_tokens: settings.encoder_tokens,
        },
    }
}

/// Notes ranks of one layer on several nodes. What the links between nodes carry takes time and no memory here.
fn note_nodes(deployment: &Deployment, notes: &mut Vec<Assumption>) {
    let (ranks, node) = (deployment.options.parallel.tensor, deployment.gpu.per_node);
    if node > 1 && ranks > node {
        notes.push(Assumption::new(
            "interconnect",
            format!("between nodes of {node}"),
            format!(
                "the {ranks} tensor-parallel ranks are more than the {node} GPUs of a usual node, so that they send each other \
                 every layer over the network: no more memory is counted for it, and it is much slower than within a node"
            ),
        ));
    }
}

/// Bytes that are left for the cache, or that it was given.
pub(crate) fn room(rank: &Rank<'_>, used: &Used) -> i128 {
    match rank.deployment.options.cache_memory {
        Some(bytes) => i128::from(bytes),
        None => rank.deployment.engine.room(rank, used),
    }
}

fn filled<L: Ledger + Default>(fill: impl FnOnce(&mut dyn Ledger)) -> L {
    let mut ledger = L::default();
    fill(&mut ledger);
    ledger
}

fn weights(sums: &[OfRole], rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    add_weights(sums, rank, ledger);
    rank.deployment.engine.loaded(rank, ledger);
}

fn add_weights(sums: &[OfRole], rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    for one in sums {
        ledger.add(
            one.role.name(),
            one.bytes,
            Origin::Exact,
            "the tensors of this role, as the ranks share them",
            &|| one.formula(rank.deployment.options.parallel),
        );
    }
}
