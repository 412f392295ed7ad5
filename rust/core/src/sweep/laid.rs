//! Caches laid out: what plans of engines set aside, by context, for every number of requests of a sweep.

use super::hot::Place;
use super::plane::Plane;
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::engine::{CachePlan, Pool, Rank};
use crate::fit::rank;
use crate::memory::stage::Stage;
use crate::subject::Subject;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// Bytes that are set aside for requests of one context: of each stage a number for every number of requests.
#[derive(Debug)]
pub(super) struct Reserved {
    /// By stage.
    pub stages: Vec<Vec<u64>>,
    /// Whether more requests, in the order of the list, never take less on any stage.
    pub is_rising: bool,
}

/// What is set aside, by context.
type ByContext = HashMap<u64, Arc<Reserved>, foldhash::fast::RandomState>;

/// A plan with what was asked of it.
#[derive(Debug)]
pub(super) struct Laid {
    plan: Box<dyn CachePlan>,
    by_context: Mutex<ByContext>,
    plane: OnceLock<Option<Arc<Plane>>>,
}

impl Laid {
    /// The plan of an engine for the GPUs of a pipeline.
    ///
    /// # Errors
    /// If the engine has none.
    pub fn plan(ranks: &[Rank<'_>]) -> Result<Box<dyn CachePlan>, FitError> {
        let Some(first) = ranks.first() else {
            return Err(FitError::new(
                Reason::Layers,
                "there are no stages to lay a cache out on",
            ));
        };
        let plan = first.deployment.engine.cache(ranks)?;
        if plan.reserved(1, 1).len() >= ranks.len() {
            return Ok(plan);
        }
        Ok(Box::new(Needed {
            plan,
            subject: first.subject.clone(),
            deployment: first.deployment.clone(),
            settings: *first.settings,
            stages: ranks.iter().map(|rank| rank.stage.clone()).collect(),
        }))
    }

    /// With nothing asked yet.
    pub fn new(plan: Box<dyn CachePlan>) -> Self {
        Self {
            plan,
            by_context: Mutex::default(),
            plane: OnceLock::new(),
        }
    }

    /// What the engine makes of so many bytes on each stage.
    pub fn pool(&self, bytes: &[u64], context: u64, requests: u64) -> Pool {
        self.plan.pool(bytes, context, requests)
    }

    /// What is set aside for each of these numbers of requests, added to the list of each stage.
    pub fn reserve(&self, context: u64, each: &[u64], stages: &mut [Vec<u64>]) {
        self.plan.reserved_each(context, each, stages);
    }

    fn known(&self) -> MutexGuard<'_, ByContext> {
        self.by_context
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all numbers.
    pub fn forget(&self) {
        self.known().clear();
    }

    /// What is set aside for requests of a context: `each` has the requests of a replica for every number of the list.
    /// The second is how many numbers were worked out anew.
    pub fn reserved(&self, context: u64, each: &[u64], stages: usize) -> (Arc<Reserved>, usize) {
        if let Some(reserved) = self.known().get(&context) {
            return (Arc::clone(reserved), 0);
        }
        let mut lists = vec![Vec::with_capacity(each.len()); stages];
        self.plan.reserved_each(context, each, &mut lists);
        let reserved = Arc::new(Reserved {
            is_rising: lists.iter().all(|list| list.is_sorted()),
            stages: lists,
        });
        self.known().insert(context, Arc::clone(&reserved));
        (reserved, each.len().saturating_mul(stages))
    }

    /// Looks at what is set aside for all contexts and requests, as [`Laid::plane`] does, and remembers nothing of it.
    pub fn look_at(
        &self,
        contexts: &[Place],
        each: &[u64],
        stages: usize,
        most: usize,
    ) -> Option<Plane> {
        Plane::of(&*self.plan, contexts, each, stages, most)
    }

    /// What is set aside for all contexts and requests of a sweep, with up to so many numbers kept, if it rises with the
    /// requests. The second is how many numbers are kept anew.
    pub fn plane(
        &self,
        contexts: &[Place],
        each: &[u64],
        stages: usize,
        most: usize,
    ) -> (Option<Arc<Plane>>, usize) {
        let mut more = 0;
        let plane = self.plane.get_or_init(|| {
            let plane = self.look_at(contexts, each, stages, most).map(Arc::new);
            more = plane.as_deref().map_or(0, Plane::numbers);
            plane
        });
        (plane.clone(), more)
    }
}

/// A plan that lays nothing out on some stages, which then hold what requests need, as `fit` has it.
#[derive(Debug)]
struct Needed {
    plan: Box<dyn CachePlan>,
    subject: Subject,
    deployment: Deployment,
    settings: Settings,
    stages: Vec<Stage>,
}

impl CachePlan for Needed {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        let mut all = self.plan.reserved(context, concurrency);
        let laid = all.len();
        for stage in self.stages.iter().skip(laid) {
            let rank = rank(&self.subject, &self.deployment, &self.settings, stage);
            all.push(rank.needed(context, concurrency));
        }
        all
    }

    fn pool(&self, bytes: &[u64], context: u64, concurrency: u64) -> Pool {
        self.plan.pool(bytes, context, concurrency)
    }
}
