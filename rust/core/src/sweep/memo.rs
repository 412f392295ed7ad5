//! Component tables: every answer of an engine, by what it reads, worked out once by the functions that `fit` calls.
//!
//! ```text
//!  Asked ─ cell ─► Open (deployment, Spread) ─ settings ─► Settings ─ placed ─► Placed (bytes, room, plan) ─ reserved
//! ```
//!
//! One of these belongs to a thread. What it remembers is bounded: it forgets all and begins anew when it has too much.

use super::hot::{Hot, Place, may_be};
use super::key::{Key, Named};
use super::laid::{Laid, Reserved};
use super::minds::{Mind, Target};
use super::names::{Asked, Names};
use super::plane::Plane;
use super::settled::{Outcome, Runs};
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::engine::{self, Answer, Engine, Held, Pool, Reads, Used};
use crate::fit::{Spread, headroom, room};
use crate::memory::body::Piece;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// How many numbers of bytes set aside all threads together remember, of single contexts and again of planes: 32 MiB of
/// them.
const MOST_RESERVED: usize = 1 << 22;
/// How many a thread may remember at the least, however many threads there are: 4 MiB.
const LEAST_RESERVED: usize = 1 << 19;
/// How many values of frontiers a thread remembers: 2 MiB.
pub(super) const MOST_FURTHEST: usize = 1 << 19;
/// What an entry of a table of numbers takes itself, in numbers.
pub(super) const ENTRY: usize = 64;
/// How many entries the tables of components have in all.
const MOST_ENTRIES: usize = 1 << 13;
/// How many rows of cells are remembered.
const MOST_ROWS: usize = 1 << 16;
/// How many cells.
const MOST_CELLS: usize = 1 << 14;
/// How many models. What is known of them is forgotten with them: of many models each is met once.
const MOST_SUBJECTS: usize = 64;
/// From how many numbers of requests on plans are compared, so that those that are alike share what they set aside.
const SHARED_FROM: usize = 16;

type Map<K, V> = HashMap<K, V, foldhash::fast::RandomState>;

/// What lies on each GPU of one stage, before requests are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OnStage {
    /// Bytes beside the cache.
    pub used: Used,
    /// Bytes left for the cache.
    pub room: i128,
    /// Bytes held with a cache.
    pub held: Held,
}

impl OnStage {
    /// Bytes to spare with so many set aside.
    pub fn headroom(&self, usable: u64, reserved: u64) -> i128 {
        headroom(self.room, reserved, usable, self.held.bytes(reserved))
    }

    /// Bytes that the engine makes a pool of.
    pub fn pool_bytes(&self) -> u64 {
        u64::try_from(self.room.max(0)).unwrap_or(u64::MAX)
    }

    /// The most that can be set aside with nothing short; none where it is short already. Less can then always be.
    pub fn most(&self, usable: u64) -> Option<u64> {
        if self.held.least > usable {
            return None;
        }
        let room = u64::try_from(self.room).ok().or_else(|| {
            // Beyond 64 bits whatever is set aside has room.
            (self.room > 0).then_some(u64::MAX)
        })?;
        match self.held.beside {
            // A sum that ends at 64 bits fits only what has all of them.
            Some(_) if usable == u64::MAX => Some(room),
            Some(beside) => Some(room.min(usable.checked_sub(beside)?)),
            None => Some(room),
        }
    }
}

/// What lies on the GPUs.
#[derive(Debug)]
pub(super) struct Body {
    /// The stages.
    pub stages: Vec<OnStage>,
    /// What sets the cache aside.
    pub laid: Arc<Laid>,
}

impl Body {
    /// What the engine makes of its cache, asked for so many requests in a replica, as [`Fit::pool`](crate::fit::Fit::pool).
    pub fn pool(&self, context: u64, requests: u64) -> Pool {
        if let [stage] = &*self.stages {
            return self.laid.pool(&[stage.pool_bytes()], context, requests);
        }
        let rooms: Vec<u64> = self.stages.iter().map(OnStage::pool_bytes).collect();
        self.laid.pool(&rooms, context, requests)
    }
}

impl Placed {
    /// What lies on the GPUs with so many requests in a replica.
    ///
    /// # Errors
    /// Why they cannot run: more than run at one time are refused before anything of the cache is.
    pub fn with(&self, requests: u64) -> Result<&Body, Reason> {
        if self.settings.runs(requests) {
            self.body.as_ref().map_err(|reason| *reason)
        } else {
            Err(Reason::Value)
        }
    }
}

/// Everything of a deployment at one context, whatever the requests.
#[derive(Debug)]
pub(super) struct Placed {
    /// The stages, and what sets the cache aside, or why there is nothing that does.
    pub body: Result<Body, Reason>,
    /// What was settled.
    pub settings: Settings,
}

/// Answers of one deployment by context, or by run of contexts.
type Rows = Map<u64, Result<Arc<Placed>, Reason>>;

/// A deployment that is not refused whatever context and requests are.
#[derive(Debug)]
pub(super) struct Open {
    /// The model.
    pub subject: Arc<Subject>,
    /// The deployment, of one request of an open context.
    pub deployment: Deployment,
    /// GPUs in all.
    pub gpus: u64,
    /// What it is told apart by.
    pub key: Key,
    /// Its weights.
    pub spread: Arc<Spread>,
    reads: [Reads; Answer::ALL.len()],
    reads_requests: bool,
    /// Requests of a replica, for each number of the list.
    pub requests: Arc<Vec<u64>>,
    /// Whether these, in the order of the list, never become fewer.
    pub is_rising: bool,
    rows: Mutex<Rows>,
    /// What every context settles to, where that does not change with the requests.
    runs: OnceLock<Arc<Runs>>,
}

impl Open {
    /// What an answer about it may change with.
    pub fn reads(&self, answer: Answer) -> Reads {
        self.reads[answer as usize]
    }

    /// Bytes that the runtime reports of each GPU.
    pub fn usable(&self) -> u64 {
        self.deployment.gpu.usable_bytes
    }

    /// Requests of a replica.
    pub fn requests_of(&self, concurrency: u64) -> u64 {
        self.deployment.requests_of(concurrency)
    }

    /// Whether what lies beside the cache, or what is settled, changes with the requests.
    pub const fn reads_requests(&self) -> bool {
        self.reads_requests
    }

    /// Whether one plan sets the caches of all requests aside.
    pub fn has_one_plan(&self) -> bool {
        !self.reads(Answer::Reserved).has(Reads::CONCURRENCY)
    }

    /// Whether the whole cache is told otherwise for other numbers of requests.
    pub fn pool_reads_requests(&self) -> bool {
        self.reads(Answer::Pool).has(Reads::CONCURRENCY)
    }

    /// What the engine settles.
    ///
    /// # Errors
    /// Why it cannot run so.
    pub fn settle(&self, context: Option<u64>, concurrency: u64) -> Outcome {
        let deployment = Deployment {
            context,
            concurrency,
            ..self.deployment.clone()
        };
        deployment
            .engine
            .settle(&self.subject, &deployment, &mut Vec::new())
            .map_err(|error| reason(&error))
    }

    fn any(&self, reads: Reads) -> bool {
        let mut fixed = FIXED.iter();
        fixed.any(|&answer| self.reads(answer).has(reads))
    }
}

/// A deployment but for context and requests.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// Its model or something it names is not known.
    Unknown(Reason),
    /// Refused whatever the context, if that and the requests are numbers that may be.
    Refused(Reason),
    /// Not refused yet.
    Open(Arc<Open>),
}

/// What a sweep is made of, as its threads share it.
#[derive(Clone, Debug)]
pub(super) struct Source {
    /// The models.
    pub targets: Vec<Target>,
    /// Fields of configs that are changed.
    pub minds: Vec<Mind>,
    /// What is asked for by name.
    pub names: Names,
    /// Contexts and requests.
    pub hot: Hot,
}

/// The tables of one thread.
#[derive(Debug, Default)]
pub(super) struct Memo {
    subjects: Map<u64, Result<Arc<Subject>, Reason>>,
    pieces: Map<(u64, u32, u32), Arc<Vec<Piece>>>,
    spreads: Map<Key, Result<Arc<Spread>, Reason>>,
    components: [Map<Key, Arc<[u64]>>; 5],
    runs: Map<Key, Arc<Runs>>,
    /// The runs that were asked for last, which others are often like.
    like: Option<Arc<Runs>>,
    open: Map<Key, Outcome>,
    laid: Map<Key, Result<Arc<Laid>, Reason>>,
    alike: Map<String, Arc<Laid>>,
    formats: Vec<CacheFormat>,
    requests: Map<u64, Arc<Vec<u64>>>,
    /// What is settled for the numbers of requests of a context.
    pub settled: Map<Key, Arc<Runs>>,
    /// Components for numbers of requests, from a place of the list to another.
    pub crowds: Map<(Answer, Key, usize, usize), Arc<Lists>>,
    cells: Map<Asked, Cell>,
    /// Cells that threads share.
    shared: Option<Arc<Shared>>,
    /// The last cell, and the digits of it.
    pub last: Option<(Vec<u64>, Cell)>,
    /// The contexts that reach furthest, as places of the list, for each number of requests: by the digits of a cell.
    /// Nothing where that must be told one by one.
    pub furthest: Map<Vec<u64>, Option<Arc<Furthest>>>,
    reserved: usize,
    planes: usize,
    rows: usize,
    /// How many threads share what may be remembered; one, if not said.
    threads: usize,
}

/// A place of the list of contexts for each number of requests with which anything fits: the first ones of the list.
pub(super) type Furthest = Vec<u32>;

/// Numbers of bytes, of each stage one for every number of requests.
pub(super) type Lists = Vec<Vec<u64>>;

/// Cells by what is asked, for several threads.
pub(super) type Shared = Mutex<Map<Asked, Cell>>;

/// The components beside the cache, in the order of [`Memo::components`].
pub(super) const COMPONENTS: [Answer; 5] = [
    Answer::Loaded,
    Answer::Activations,
    Answer::Overhead,
    Answer::Context,
    Answer::Graphs,
];

/// What follows from a deployment and what is settled for it, the pool aside.
const FIXED: [Answer; 6] = [
    Answer::Loaded,
    Answer::Activations,
    Answer::Overhead,
    Answer::Context,
    Answer::Graphs,
    Answer::Reserved,
];

/// Whether what lies beside the cache, or what is settled, changes with the requests.
pub(super) fn reads_requests(engine: &dyn Engine, subject: &Subject) -> bool {
    let reads = |answer| engine.reads(answer, subject);
    FIXED
        .iter()
        .any(|&answer| reads(answer).has(Reads::CONCURRENCY))
        || reads(Answer::Settings).has(Reads::CONCURRENCY)
}

fn reason(error: &FitError) -> Reason {
    error.reason
}

/// Forgets a table that has grown too large.
fn bound<K: Eq + Hash, V>(map: &mut Map<K, V>, most: usize) {
    if map.len() > most {
        map.clear();
    }
}

impl Memo {
    /// One that makes no cell that another made.
    pub fn sharing(cells: &Arc<Shared>) -> Self {
        Self {
            shared: Some(Arc::clone(cells)),
            ..Self::default()
        }
    }

    /// Remembers no more than is the part of one of so many threads.
    pub fn share(&mut self, threads: usize) {
        self.threads = threads;
    }

    /// How many numbers of bytes set aside may be remembered.
    fn most(&self) -> usize {
        (MOST_RESERVED / self.threads.max(1)).max(LEAST_RESERVED)
    }

    /// Forgets what has grown too large.
    fn forget(&mut self) {
        if self.rows > MOST_ROWS || self.cells.len() > MOST_CELLS {
            self.cells.clear();
            self.rows = 0;
        }
        if self.subjects.len() > MOST_SUBJECTS {
            self.subjects.clear();
            self.pieces.clear();
            self.spreads.clear();
            self.runs.clear();
            self.open.clear();
            self.laid.clear();
            for map in &mut self.components {
                map.clear();
            }
            self.cells.clear();
            self.rows = 0;
        }
        bound(&mut self.pieces, MOST_ENTRIES / 8);
        bound(&mut self.spreads, MOST_ENTRIES / 8);
        bound(&mut self.runs, MOST_ENTRIES);
        bound(&mut self.open, MOST_ENTRIES);
        bound(&mut self.laid, MOST_ENTRIES);
        if self.alike.len() > MOST_ENTRIES / 8 || self.planes > self.most() {
            // Cells and plans go together: numbers of those that others forgot would not be counted.
            self.planes = 0;
            self.alike.clear();
            self.laid.clear();
            self.cells.clear();
            self.rows = 0;
            self.last = None;
        }
        for map in &mut self.components {
            bound(map, MOST_ENTRIES);
        }
    }

    /// The model of a number.
    pub fn subject(&mut self, source: &Source, number: u64) -> Result<Arc<Subject>, Reason> {
        if let Some(known) = self.subjects.get(&number) {
            return known.clone();
        }
        let subject = source.subject(number).map_err(|error| reason(&error));
        self.subjects.insert(number, subject.clone());
        subject
    }

    /// The cell of a deployment.
    pub fn cell(&mut self, source: &Source, asked: &Asked) -> Cell {
        if let Some(cell) = self.cells.get(asked) {
            return cell.clone();
        }
        self.forget();
        let shared = self.shared.clone();
        let known = shared
            .as_deref()
            .and_then(|shared| lock(shared).get(asked).cloned());
        let cell = known.unwrap_or_else(|| {
            let cell = self.make(source, asked);
            if let Some(shared) = shared.as_deref() {
                let mut shared = lock(shared);
                bound(&mut shared, MOST_CELLS);
                shared.insert(*asked, cell.clone());
            }
            cell
        });
        self.cells.insert(*asked, cell.clone());
        cell
    }

    fn make(&mut self, source: &Source, asked: &Asked) -> Cell {
        let subject = match self.subject(source, asked.subject) {
            Ok(subject) => subject,
            Err(reason) => return Cell::Unknown(reason),
        };
        let deployment = match asked.deployment(&source.names) {
            Ok(deployment) => deployment,
            Err(reason) => return Cell::Unknown(reason),
        };
        if let Err(error) = engine::check_numbers(&*deployment.engine, &deployment) {
            return Cell::Refused(error.reason);
        }
        let key = Key::of(
            Named {
                subject: asked.subject,
                engine: u64::from(asked.engine),
                gpu: u64::from(asked.gpu),
                weights: u64::from(asked.weights),
                cache: u64::from(asked.cache),
            },
            &deployment,
        );
        let spread = match self.spread(asked, &key, &subject, &deployment) {
            Ok(spread) => spread,
            Err(reason) => return Cell::Refused(reason),
        };
        let requests = self.requests(source, &deployment);
        let engine = &*deployment.engine;
        Cell::Open(Arc::new(Open {
            gpus: engine.gpus(&deployment),
            key,
            spread,
            reads: Answer::ALL.map(|answer| engine.reads(answer, &subject)),
            reads_requests: reads_requests(engine, &subject),
            is_rising: requests.is_sorted(),
            requests,
            rows: Mutex::default(),
            runs: OnceLock::new(),
            subject,
            deployment,
        }))
    }

    fn requests(&mut self, source: &Source, deployment: &Deployment) -> Arc<Vec<u64>> {
        let list = self
            .requests
            .entry(deployment.options.parallel.data)
            .or_insert_with(|| {
                let list = source.hot.concurrency.iter();
                Arc::new(list.map(|&all| deployment.requests_of(all)).collect())
            });
        Arc::clone(list)
    }

    fn spread(
        &mut self,
        asked: &Asked,
        key: &Key,
        subject: &Arc<Subject>,
        deployment: &Deployment,
    ) -> Result<Arc<Spread>, Reason> {
        let key = key.read(Reads::WEIGHTS);
        if let Some(known) = self.spreads.get(&key) {
            return known.clone();
        }
        let pieces = self
            .pieces
            .entry((asked.subject, asked.engine, asked.weights))
            .or_insert_with(|| Arc::new(subject.held(deployment).into_owned()));
        // The numbers of this deployment were found right, so that what is refused is the layout.
        let spread = Spread::with(subject, deployment, pieces)
            .map(Arc::new)
            .map_err(|error| reason(&error));
        self.spreads.insert(key, spread.clone());
        spread
    }

    /// What an engine settles for a context and a number of requests, both of which may be.
    pub fn settings(
        &mut self,
        source: &Source,
        open: &Open,
        place: Place,
        concurrency: u64,
    ) -> Outcome {
        let reads = open.reads(Answer::Settings);
        let asked = if reads.has(Reads::CONCURRENCY) {
            concurrency
        } else {
            1
        };
        let key = open.key.at(None, asked).read(reads);
        let settle = |context: Option<u64>| open.settle(context, asked);
        let outcome = match place {
            Place::At(context) if source.hot.is_fleeting() && reads.has(Reads::CONCURRENCY) => {
                settle(Some(context))
            }
            Place::At(context) => {
                let like = self.like.as_deref();
                let runs = self.runs.entry(key).or_insert_with(|| {
                    let settle = |context| settle(Some(context));
                    Arc::new(Runs::of(&source.hot.sorted, like, settle))
                });
                self.like = Some(Arc::clone(runs));
                let known = at(runs, context).map(|(_, outcome)| outcome);
                known.unwrap_or_else(|| settle(Some(context)))
            }
            _ => *self.open.entry(key).or_insert_with(|| settle(None)),
        };
        outcome.map(|settings| Settings {
            concurrency: open.requests_of(concurrency),
            ..settings
        })
    }

    /// What lies beside the cache of a deployment at a context, for a number of requests.
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn placed(
        &mut self,
        source: &Source,
        open: &Open,
        place: Place,
        concurrency: u64,
    ) -> Result<Arc<Placed>, Reason> {
        if open.reads_requests() {
            let settings = self.settings(source, open, place, concurrency)?;
            if !settings.runs(settings.concurrency) {
                return Err(Reason::Value);
            }
            return Ok(self.place(
                open,
                place,
                concurrency,
                (settings, source.hot.is_fleeting()),
            ));
        }
        let reads_context = open.any(Reads::CONTEXT);
        let known = match (place, open.runs.get()) {
            (Place::At(context), Some(runs)) => at(runs, context),
            _ => None,
        };
        // Where nothing beside the cache reads the context, all of a run have the same.
        let slot = |run: Option<usize>| match (place, run) {
            (Place::At(_), Some(run)) if !reads_context => u64::MAX - 1 - run as u64,
            (Place::At(context), _) => context,
            _ => u64::MAX,
        };
        if let Some((_, Err(reason))) = known {
            return Err(reason);
        }
        if let Some(placed) = rows(open).get(&slot(known.map(|(run, _)| run))) {
            return placed.clone();
        }
        let settings = self.settings(source, open, place, 1);
        let key = open.key.at(None, 1).read(open.reads(Answer::Settings));
        let run = match (place, self.runs.get(&key)) {
            (Place::At(context), Some(runs)) => {
                let runs = open.runs.get_or_init(|| Arc::clone(runs));
                at(runs, context).map(|(run, _)| run)
            }
            _ => None,
        };
        let placed = settings
            .map(|settings| self.place(open, place, 1, (settings, source.hot.is_fleeting())));
        rows(open).insert(slot(run), placed.clone());
        self.rows += 1;
        placed
    }

    /// The same with all contexts, from one to another, of which it is so whatever the requests are.
    pub fn placed_between(
        &mut self,
        source: &Source,
        open: &Open,
        context: u64,
    ) -> (u64, u64, Result<Arc<Placed>, Reason>) {
        let placed = self.placed(source, open, Place::At(context), 1);
        let runs = open.runs.get().filter(|_| !open.any(Reads::CONTEXT));
        let between = runs.and_then(|runs| runs.contexts(runs.at(context)?.0));
        let (first, last) = between.unwrap_or((context, context));
        (first, last, placed)
    }

    fn place(
        &mut self,
        open: &Open,
        place: Place,
        concurrency: u64,
        (settings, is_fleeting): (Settings, bool),
    ) -> Arc<Placed> {
        let deployment = Deployment {
            context: matches!(place, Place::At(_)).then_some(settings.context),
            concurrency,
            ..open.deployment.clone()
        };
        let key = open
            .key
            .at(deployment.context, concurrency)
            .settled(&settings, self.format(settings.cache));
        let ranks = open.spread.ranks(&open.subject, &deployment, &settings);
        let laid = match self.laid(open, &key, || Laid::plan(&ranks)) {
            Ok(laid) => laid,
            Err(reason) => {
                return Arc::new(Placed {
                    body: Err(reason),
                    settings,
                });
            }
        };
        let mut bytes: [Option<Arc<[u64]>>; 5] = Default::default();
        for ((answer, table), bytes) in COMPONENTS
            .into_iter()
            .zip(&mut self.components)
            .zip(&mut bytes)
        {
            let mut reads = open.reads(answer);
            if answer == Answer::Loaded {
                // Tensors lie beside what is loaded with them.
                reads = reads | Reads::WEIGHTS;
            }
            let asked = Reads::CONTEXT | Reads::CONCURRENCY;
            if is_fleeting && reads.without(asked) != reads {
                // What is asked for once is not worth to be remembered.
                *bytes = Some(open.spread.component(answer, &ranks).into());
                continue;
            }
            let component = table
                .entry(key.read(reads))
                .or_insert_with(|| open.spread.component(answer, &ranks).into());
            *bytes = Some(Arc::clone(component));
        }
        let of = |component: usize, stage: usize| {
            let list = bytes[component].as_deref();
            list.and_then(|list| list.get(stage)).copied().unwrap_or(0)
        };
        let stages = ranks
            .iter()
            .enumerate()
            .map(|(stage, rank)| {
                let used = Used {
                    weights: of(0, stage),
                    activations: of(1, stage),
                    overhead: of(2, stage),
                    context: of(3, stage),
                    graphs: of(4, stage),
                };
                OnStage {
                    used,
                    room: room(rank, &used),
                    held: deployment.engine.held(rank, &used),
                }
            })
            .collect();
        Arc::new(Placed {
            body: Ok(Body { stages, laid }),
            settings,
        })
    }

    /// A number for a format of the cache.
    pub fn format(&mut self, format: CacheFormat) -> u64 {
        let known = self.formats.iter().position(|known| *known == format);
        let place = known.unwrap_or_else(|| {
            self.formats.push(format);
            self.formats.len() - 1
        });
        place as u64
    }

    /// The plan of a deployment.
    ///
    /// # Errors
    /// Why there is none.
    pub fn laid(
        &mut self,
        open: &Open,
        key: &Key,
        plan: impl FnOnce() -> Result<Box<dyn engine::CachePlan>, FitError>,
    ) -> Result<Arc<Laid>, Reason> {
        // What requests need is what an engine sets aside that lays nothing out.
        let reads = open.reads(Answer::Reserved)
            | Reads::CACHE
            | Reads::MODEL_BYTES
            | Reads::ENCODER_TOKENS;
        let key = key.read(reads);
        if let Some(known) = self.laid.get(&key) {
            return known.clone();
        }
        let laid = plan().map_err(|error| reason(&error)).map(|plan| {
            if open.requests.len() < SHARED_FROM {
                return Arc::new(Laid::new(plan));
            }
            let text = format!("{} {plan:?}", open.deployment.options.parallel.data);
            let known = self.alike.entry(text);
            Arc::clone(known.or_insert_with(|| Arc::new(Laid::new(plan))))
        });
        self.laid.insert(key, laid.clone());
        laid
    }

    /// What is set aside at every context of the sweep, for every number of requests, if it rises with these.
    pub fn plane(&mut self, source: &Source, open: &Open, body: &Body) -> Option<Arc<Plane>> {
        let stages = body.stages.len();
        // Several are remembered, or none.
        let most = self.most() / 4;
        let (places, each) = (&source.hot.places, &open.requests);
        let (plane, more) = body.laid.plane(places, each, stages, most);
        self.planes += more;
        plane
    }

    /// What is set aside at a context, for every number of requests of the list.
    pub fn reserved(&mut self, open: &Open, body: &Body, context: u64) -> Arc<Reserved> {
        self.reserved_of(open, &body.laid, body.stages.len(), context)
    }

    /// The same of a plan for so many stages.
    pub fn reserved_of(
        &mut self,
        open: &Open,
        laid: &Laid,
        stages: usize,
        context: u64,
    ) -> Arc<Reserved> {
        let (reserved, more) = laid.reserved(context, &open.requests, stages);
        self.remember(more);
        reserved
    }

    /// Makes room for what is settled for the requests of one more context.
    pub fn bound_settled(&mut self) {
        bound(&mut self.settled, MOST_ENTRIES);
    }

    /// Counts numbers that are remembered, and forgets them all where they are too many.
    pub fn remember(&mut self, more: usize) {
        if more > 0 {
            self.reserved += more + ENTRY;
        }
        if self.reserved > self.most() {
            self.reserved = 0;
            self.crowds.clear();
            for laid in self.alike.values() {
                laid.forget();
            }
        }
    }
}

/// The run of a context, and what it settles to; nothing where there are too many runs to tell.
fn at(runs: &Runs, context: u64) -> Option<(usize, Outcome)> {
    let (run, outcome) = runs.at(context)?;
    let outcome = outcome.map(|settings| Settings {
        context,
        ..settings
    });
    Some((run, outcome))
}

fn rows(open: &Open) -> MutexGuard<'_, Rows> {
    lock(&open.rows)
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether engines take the numbers that the inner loops run over.
pub(super) fn is_number(place: Place, concurrency: u64) -> bool {
    place != Place::Out && may_be(concurrency)
}

impl Source {
    /// The number of a model: its target, and the value of each digit that changes fields.
    pub fn number(&self, target: u64, values: impl Iterator<Item = u64>) -> u64 {
        self.minds
            .iter()
            .zip(values)
            .fold(target, |number, (mind, value)| {
                number.saturating_mul(mind.radix).saturating_add(value)
            })
    }

    /// The model of a number.
    ///
    /// # Errors
    /// If its config cannot be derived.
    pub fn subject(&self, mut number: u64) -> Result<Arc<Subject>, FitError> {
        let mut fields = Vec::new();
        for mind in self.minds.iter().rev() {
            let place = usize::try_from(number % mind.radix.max(1)).unwrap_or(0);
            number /= mind.radix.max(1);
            for (name, values) in mind.fields.iter().rev() {
                if let Some(value) = values.get(place) {
                    fields.push((name.clone(), value.clone()));
                }
            }
        }
        fields.reverse();
        let target = usize::try_from(number).ok();
        let target = target.and_then(|target| self.targets.get(target));
        let target = target.ok_or_else(|| {
            FitError::new(Reason::Value, "this sweep has no target of that number")
        })?;
        target.with(&fields)
    }
}
