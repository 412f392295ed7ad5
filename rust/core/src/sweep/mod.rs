//! The sweep: many estimates at once, each exactly what [`fit`](crate::fit) says of it.
//!
//! ```text
//!  targets, Request, axes ─► Sweep ─ points as digits ─► Memo: tables of components ─► Batch ─► Table, answers
//! ```
//!
//! There are no formulas here. Every component depends on few axes; it is worked out once for each combination of those by
//! the function that `fit` calls, as [`Engine::reads`](crate::engine::Engine::reads) says, and added up over all points. What
//! is left for the inner loop over contexts and requests is to add and compare whole numbers. Nothing is kept of a point
//! unless it is asked for: any point is worked out by its number alone.
//!
//! What this does not do: it draws nothing, reads no files and starts no processes. A range of points is answered for by
//! itself, and partial answers are merged, so that whoever has machines may deal ranges out.

mod answer;
mod axis;
mod batch;
mod beside;
mod expression;
mod field;
mod frontier;
mod grid;
mod hot;
mod key;
mod laid;
mod many;
mod memo;
#[cfg(test)]
mod mind_tests;
mod minds;
mod names;
#[cfg(test)]
mod order_tests;
mod pareto;
mod plane;
#[cfg(test)]
mod reads_tests;
mod series;
mod settled;
mod singles;
mod table;
#[cfg(test)]
mod tests;

pub use answer::{By, Group, Partial, Question, Ranked, Tally};
pub use axis::{Axis, Kind, Value, What, set};
pub use expression::Condition;
pub use field::{Field, REASONS, code};
pub use many::{Given, fit_many};
pub use minds::Target;
pub use series::{Steps, has_numbers_for_ends, is_range, range, series};
pub use table::{Column, MOST_ROWS};

use crate::deployment::{FitError, Reason};
use crate::fit::Fit;
use crate::parallel::Control;
use crate::request::Request;
use crate::subject::Subject;
use frontier::Ends;
use grid::Grid;
use hot::Hot;
use memo::{Cell, Memo, Source};
use minds::Mind;
use names::{Asked, Names};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Why a sweep has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepError {
    /// What is asked cannot be.
    Refused(FitError),
    /// It was stopped.
    Stopped,
}

impl fmt::Display for SweepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => error.fmt(f),
            Self::Stopped => f.write_str("the sweep was stopped"),
        }
    }
}

impl std::error::Error for SweepError {}

impl From<FitError> for SweepError {
    fn from(error: FitError) -> Self {
        Self::Refused(error)
    }
}

/// An error of what was asked.
fn refused(message: impl Into<String>) -> FitError {
    FitError::new(Reason::Value, message)
}

/// How a job over many points is run. Neither number changes an answer.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// Threads.
    pub threads: usize,
    /// How it is watched and stopped; its items are chunks.
    pub control: &'a Control,
    /// Points of a chunk; a number that suits the caches of processors, if not said.
    pub chunk: Option<u64>,
}

/// What a digit moves.
#[derive(Clone, Copy, Debug, Default)]
struct Moves {
    /// Something beside the context and the requests.
    is_cold: bool,
    /// The context.
    context: bool,
}

/// Cells of one context that are worked on before those of the next one, where engines make that worth while.
const MOST_CELLS: u64 = 1 << 13;

/// Many deployments of one or more models.
#[derive(Debug)]
pub struct Sweep {
    axes: Vec<Axis>,
    grid: Grid,
    request: Request,
    source: Source,
    base: Asked,
    /// By axis, the numbers of what its values name.
    named: Vec<Vec<u32>>,
    /// By axis, its values as numbers.
    numbers: Vec<Vec<Option<i128>>>,
    /// By axis, its digit.
    digit: Vec<usize>,
    moves: Vec<Moves>,
    /// Digits of fields of configs, in the order of their numbers.
    minds: Vec<usize>,
    context: Option<usize>,
    concurrency: Option<usize>,
    requests_may_be: bool,
    /// How values of contexts and requests stand to each other.
    ends: OnceLock<Ends>,
    memos: Mutex<Vec<Memo>>,
}

impl Sweep {
    /// A sweep over models, with everything that no axis varies as the request says. Axes of equal names cannot be told
    /// apart, and are refused. Those whose names are linked move together; all others are crossed. The last axis is the
    /// fastest; the first is always that of the targets.
    ///
    /// # Errors
    /// If there is no target, an axis comes twice, linked axes do not go together, or a field's name has a slip.
    pub fn new(
        targets: Vec<Target>,
        request: Request,
        given: Vec<Axis>,
        linked: &[Vec<String>],
    ) -> Result<Self, FitError> {
        if targets.is_empty() {
            return Err(refused("a sweep has at least one target"));
        }
        let called = targets
            .iter()
            .map(|target| Value::Text(target.subject.name.clone()));
        let mut all = vec![Axis::new(What::Target, called.collect())?];
        for axis in given {
            let axis = Axis::new(axis.what, axis.values)?;
            let name = axis.what.name();
            if matches!(axis.what, What::Mind(_)) && table::is_taken(name) {
                return Err(refused(format!(
                    "{name} is the name of another column, and cannot be a field of a config"
                )));
            }
            if all.iter().any(|known| known.what.name() == name) {
                return Err(refused(format!(
                    "{name} is an axis twice; give all its values at once"
                )));
            }
            all.push(axis);
        }
        minds::check_fields(&targets, &minds::first_of(&all))?;
        let mut grid = Grid::of(&all, linked)?;
        let mut digit = vec![0; all.len()];
        for (number, one) in grid.digits.iter().enumerate() {
            for &place in &one.axes {
                digit[place] = number;
            }
        }
        let mut names = Names::default();
        let looked_up = all.iter().map(|axis| names.of(axis)).collect();
        let base = Asked::of(&request, &mut names);
        if names.engines().any(|engine| {
            let mut subjects = targets.iter().map(|target| &target.subject);
            subjects.any(|subject| memo::reads_requests(engine, subject))
        }) {
            grid.put_contexts_first(&all, MOST_CELLS);
        }
        let find = |what: &What| all.iter().position(|axis| axis.what == *what);
        let (context, concurrency) = (find(&What::Context), find(&What::Concurrency));
        let hot = Hot::of(
            context.map_or_else(|| vec![request.context], |place| all[place].all_counts()),
            concurrency.map_or_else(
                || vec![request.concurrency],
                |place| all[place].all_counts().into_iter().flatten().collect(),
            ),
        );
        let moves = grid
            .digits
            .iter()
            .enumerate()
            .map(|(number, one)| Moves {
                is_cold: !grid.is_hot(&all, number),
                context: one
                    .axes
                    .iter()
                    .any(|&place| all[place].what == What::Context),
            })
            .collect();
        let minds: Vec<usize> = (0..grid.digits.len())
            .filter(|&number| {
                let first = grid.digits[number].axes.first();
                first.is_some_and(|&place| matches!(all[place].what, What::Mind(_)))
            })
            .collect();
        Ok(Self {
            requests_may_be: hot.concurrency.iter().all(|&number| hot::may_be(number)),
            source: Source {
                targets,
                minds: minds
                    .iter()
                    .map(|&number| Mind::of(&all, &grid.digits[number]))
                    .collect(),
                names,
                hot,
            },
            numbers: all.iter().map(Axis::numbers).collect(),
            axes: all,
            grid,
            request,
            base,
            named: looked_up,
            digit,
            moves,
            minds,
            context,
            concurrency,
            ends: OnceLock::new(),
            memos: Mutex::default(),
        })
    }

    /// How many points there are.
    #[must_use]
    pub const fn points(&self) -> u64 {
        self.grid.points
    }

    /// The axes, that of the targets first.
    #[must_use]
    pub fn axes(&self) -> &[Axis] {
        &self.axes
    }

    /// How many values each digit has. A digit is an axis, or several that are linked; [`Sweep::digit_of`] tells which.
    #[must_use]
    pub fn shape(&self) -> Vec<u64> {
        self.grid.digits.iter().map(|digit| digit.radix).collect()
    }

    /// The digit of the axis at a place.
    #[must_use]
    pub fn digit_of(&self, axis: usize) -> Option<usize> {
        self.digit.get(axis).copied()
    }

    /// The place of the axis of this name.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn axis(&self, name: &str) -> Result<usize, FitError> {
        let found = self.axes.iter().position(|axis| axis.what.name() == name);
        found.ok_or_else(|| {
            let known: Vec<_> = self.axes.iter().map(|axis| axis.what.name()).collect();
            refused(format!(
                "{name:?} is no axis of this sweep; there are {}",
                known.join(", ")
            ))
        })
    }

    /// The number that the request says of something that no axis varies; nothing inside where it is left open.
    #[expect(
        clippy::option_option,
        reason = "what is not said is not what is left open"
    )]
    pub(super) fn said(&self, name: &str) -> Option<Option<u64>> {
        let request = &self.request;
        let (options, parallel) = (request.options, request.options.parallel);
        Some(match What::named(name)? {
            What::Gpus => options.gpus,
            What::Context => request.context,
            What::Concurrency => Some(request.concurrency),
            What::TensorParallel => Some(parallel.tensor),
            What::PipelineParallel => Some(parallel.pipeline),
            What::ExpertParallel => Some(parallel.expert),
            What::DataParallel => Some(parallel.data),
            What::ContextParallel => Some(parallel.context),
            What::MaxBatchedTokens => options.batched_tokens,
            What::MaxSequences => options.sequences,
            What::BlockSize => options.block,
            What::GpuMemoryUtilization => options.memory_utilization.map(|share| share.0.into()),
            What::PrefixCaching => options.prefix_caching.map(u64::from),
            What::Eager => Some(options.eager.into()),
            What::CacheMemory => options.cache_memory,
            What::Target
            | What::Gpu
            | What::Engine
            | What::Weights
            | What::Cache
            | What::Mind(_) => return None,
        })
    }

    /// What the request names of something that no axis varies.
    fn said_name(&self, name: &str) -> Option<(What, Value)> {
        let request = &self.request;
        let text = |text: &Option<String>| text.clone().map_or(Value::Open, Value::Text);
        let what = What::named(name)?;
        let value = match what {
            What::Gpu => Value::Gpu(Box::new(request.gpu.clone())),
            What::Engine => Value::Text(request.engine.clone()),
            What::Weights => text(&request.weights),
            What::Cache => text(&request.cache),
            _ => return None,
        };
        Some((what, value))
    }

    /// The value of every axis at a point, as places in the lists of their values.
    ///
    /// # Errors
    /// If there is no such point.
    pub fn at(&self, point: u64) -> Result<Vec<usize>, FitError> {
        let digits = self.digits(point)?;
        let place = |&digit: &usize| usize::try_from(digits[digit]).unwrap_or(usize::MAX);
        Ok(self.digit.iter().map(place).collect())
    }

    /// The model and the request of a point.
    ///
    /// # Errors
    /// If there is no such point, or the model's config cannot be derived there.
    pub fn point(&self, point: u64) -> Result<(Arc<Subject>, Request), FitError> {
        let digits = self.digits(point)?;
        let subject = self.source.subject(self.subject(&digits))?;
        let mut request = self.request.clone();
        for (axis, &digit) in self.axes.iter().zip(&self.digit) {
            let place = usize::try_from(digits[digit]).unwrap_or(usize::MAX);
            if let Some(value) = axis.values.get(place) {
                axis::set(&mut request, &axis.what, value);
            }
        }
        Ok((subject, request))
    }

    /// The whole estimate of a point.
    ///
    /// # Errors
    /// If there is no such point, or the deployment cannot be.
    pub fn fit(&self, point: u64) -> Result<Fit, FitError> {
        let (subject, request) = self.point(point)?;
        request.fit(&subject)
    }

    fn digits(&self, point: u64) -> Result<Vec<u64>, FitError> {
        if point >= self.grid.points {
            return Err(refused(format!(
                "there is no point {point}; the sweep has {}, counted from 0",
                self.grid.points
            )));
        }
        let mut at = vec![0; self.grid.digits.len()];
        self.grid.decode(&self.grid.natural(), point, &mut at);
        Ok(at)
    }

    /// The number of the model at these digits.
    fn subject(&self, at: &[u64]) -> u64 {
        let minds = self.minds.iter().map(|&digit| at[digit]);
        self.source.number(at[self.digit[0]], minds)
    }

    /// The places of context and requests in their lists.
    fn hot(&self, at: &[u64]) -> (usize, usize) {
        let place = |axis: Option<usize>| {
            axis.map_or(0, |axis| {
                usize::try_from(at[self.digit[axis]]).unwrap_or(usize::MAX)
            })
        };
        (place(self.context), place(self.concurrency))
    }

    /// What is asked at these digits, beside context and requests.
    fn asked(&self, at: &[u64]) -> Asked {
        let mut asked = Asked {
            subject: self.subject(at),
            ..self.base
        };
        for ((axis, &digit), named) in self.axes.iter().zip(&self.digit).zip(&self.named) {
            let place = usize::try_from(at[digit]).unwrap_or(usize::MAX);
            let Some(value) = axis.values.get(place) else {
                continue;
            };
            let number = named.get(place).copied();
            asked.set(&axis.what, value, number);
        }
        asked
    }

    /// The cell at these digits.
    fn cell(&self, memo: &mut Memo, at: &[u64]) -> Cell {
        if let Some((known, cell)) = &memo.last {
            let same = known
                .iter()
                .zip(at)
                .zip(&self.moves)
                .all(|((known, at), moves)| !moves.is_cold || known == at);
            if same {
                return cell.clone();
            }
        }
        let cell = memo.cell(&self.source, &self.asked(at));
        memo.last = Some((at.to_vec(), cell.clone()));
        cell
    }

    /// The tables of one of so many threads, as an earlier job left them.
    fn memo(&self, threads: usize) -> Kept<'_> {
        let mut memos = self.memos.lock().unwrap_or_else(PoisonError::into_inner);
        let mut memo = memos.pop().unwrap_or_default();
        memo.share(threads);
        Kept {
            memo,
            home: &self.memos,
        }
    }
}

/// Tables that go back to their sweep when a thread is done with them.
struct Kept<'a> {
    memo: Memo,
    home: &'a Mutex<Vec<Memo>>,
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        let mut memos = self.home.lock().unwrap_or_else(PoisonError::into_inner);
        memos.push(std::mem::take(&mut self.memo));
    }
}
