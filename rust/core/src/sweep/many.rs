//! Arbitrary deployments, one a row: columns in, columns out.
//!
//! Rows that have the same of everything but the context and the requests share all that these do not change; only what is
//! set aside for them is worked out for each.

use super::axis::{Axis, Value, What};
use super::batch::Batch;
use super::field::{Field, Fields};
use super::hot::Hot;
use super::memo::{self, Memo};
use super::names::Asked;
use super::singles::{Row, Singles};
use super::table::{Filling, Piece, chunks, empty_field, finished_field, split};
use super::{Run, Sweep, SweepError, Target, refused};
use crate::deployment::FitError;
use crate::parallel;
use crate::request::Request;
use crate::table::Table;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Rows of a chunk, if not said: enough that many are alike but for the context and the requests, and few enough that a
/// column of them stays in the cache of a processor.
const CHUNK: u64 = 1 << 15;
/// The most: the number of a row within its chunk has so many bits.
const MOST_CHUNK: u64 = 1 << ROW_BITS;
const ROW_BITS: u32 = 16;

/// What a column of deployments says, a row each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// Whole numbers.
    Counts(Vec<u64>),
    /// Values of which there are few: a place in the list for each row.
    Values {
        /// Place in `values`, row by row.
        codes: Vec<u32>,
        /// The values.
        values: Vec<Value>,
    },
}

impl Given {
    fn len(&self) -> usize {
        match self {
            Self::Counts(counts) => counts.len(),
            Self::Values { codes, .. } => codes.len(),
        }
    }
}

/// A column while rows are worked out: numbers as they are, or places in the values of an axis.
enum Source<'a> {
    Counts(&'a [u64]),
    Codes(&'a [u32], usize),
}

/// What columns say, sorted out.
struct Asking<'a> {
    rows: usize,
    /// Values of which there are few.
    axes: Vec<Axis>,
    contexts: Option<Source<'a>>,
    requests: Option<Source<'a>>,
    /// All others.
    rest: Vec<(&'a What, Source<'a>)>,
}

impl<'a> Asking<'a> {
    fn of(columns: &'a [(What, Given)]) -> Result<Self, FitError> {
        let mut asking = Self {
            rows: columns.first().map_or(1, |(_, given)| given.len()),
            axes: Vec::new(),
            contexts: None,
            requests: None,
            rest: Vec::new(),
        };
        for (at, (what, given)) in columns.iter().enumerate() {
            let name = what.name();
            if given.len() != asking.rows {
                return Err(refused(format!(
                    "the column {name} has {} rows and another one {}; make them equally long",
                    given.len(),
                    asking.rows
                )));
            }
            if what.is_of_model() {
                return Err(refused(format!(
                    "{name} is of the model, which is one for all rows"
                )));
            }
            if columns[..at].iter().any(|(known, _)| known == what) {
                return Err(refused(format!("the column {name} comes twice")));
            }
            let source = asking.source(what, given)?;
            match what {
                What::Context => asking.contexts = Some(source),
                What::Concurrency => asking.requests = Some(source),
                _ => asking.rest.push((what, source)),
            }
        }
        Ok(asking)
    }

    /// Whether two rows ask for the same, context and requests aside.
    fn alike(&self, one: usize, other: usize) -> bool {
        self.rest.iter().all(|(_, column)| match column {
            Source::Counts(counts) => counts[one] == counts[other],
            Source::Codes(codes, _) => codes[one] == codes[other],
        })
    }

    fn source(&mut self, what: &What, given: &'a Given) -> Result<Source<'a>, FitError> {
        match given {
            Given::Counts(counts) => {
                // Whether numbers go with it at all.
                Axis::counts(what.clone(), [1])?;
                Ok(Source::Counts(counts))
            }
            // Without rows there need be no values, which an axis would have.
            Given::Values { codes, .. } if codes.is_empty() => Ok(Source::Counts(&[])),
            Given::Values { codes, values } => {
                if let Some(code) = codes.iter().find(|&&code| code as usize >= values.len()) {
                    return Err(refused(format!(
                        "the column {} has the code {code}, but only {} values",
                        what.name(),
                        values.len()
                    )));
                }
                self.axes.push(Axis::new(what.clone(), values.clone())?);
                // The first axis of a sweep is that of its targets.
                Ok(Source::Codes(codes, self.axes.len()))
            }
        }
    }
}

/// The number that a column says in a row, or else what the request does.
fn said(
    sweep: &Sweep,
    source: Option<&Source<'_>>,
    row: usize,
    otherwise: Option<u64>,
) -> Option<u64> {
    match source {
        None => otherwise,
        Some(Source::Counts(counts)) => Some(counts[row]),
        Some(Source::Codes(codes, place)) => sweep.axes[*place].values[codes[row] as usize].count(),
    }
}

/// Fits of one model for many deployments, a row each: what no column says is as the request says. The table has the
/// fields that are asked for, in the same order of rows, with 0 in all of them but the reason where a deployment cannot
/// be.
///
/// # Errors
/// If it was stopped, a column comes twice or is not of the right kind, or columns differ in length.
pub fn fit_many(
    target: &Target,
    request: &Request,
    columns: &[(What, Given)],
    fields: &[Field],
    run: Run<'_>,
) -> Result<Table, SweepError> {
    let mut asking = Asking::of(columns)?;
    let rows = asking.rows;
    let axes = std::mem::take(&mut asking.axes);
    let sweep = Sweep::new(vec![target.clone()], request.clone(), axes, &[])?;
    // The contexts of all rows stand for those of axes.
    let source = memo::Source {
        hot: match &asking.contexts {
            None => Hot::between(request.context.into_iter()),
            Some(Source::Counts(counts)) => Hot::between(counts.iter().copied()),
            Some(Source::Codes(_, place)) => {
                Hot::between(sweep.axes[*place].all_counts().into_iter().flatten())
            }
        },
        ..sweep.source.clone()
    };
    let cells = Arc::default();
    let mut filling: Vec<Filling> = fields.iter().map(|&one| empty_field(one, rows)).collect();
    let chunk = run.chunk.unwrap_or(CHUNK).clamp(1, MOST_CHUNK);
    let ranges = chunks(0..rows as u64, chunk);
    let done = {
        let size = usize::try_from(chunk).unwrap_or(usize::MAX);
        let mut pieces: Vec<Vec<Piece<'_>>> = ranges.iter().map(|_| Vec::new()).collect();
        for column in &mut filling {
            split(column, size, &mut pieces);
        }
        let jobs: Vec<_> = ranges
            .into_iter()
            .enumerate()
            .zip(pieces.into_iter().map(Mutex::new))
            .collect();
        run.control.expect(jobs.len());
        parallel::map(
            &jobs,
            run.threads,
            run.control,
            || Worker {
                memo: Memo::sharing(&cells),
                batch: Batch::of(Fields::of(fields)),
                ..Worker::default()
            },
            |worker, (range, pieces)| {
                worker.work(&sweep, &source, &asking, range.clone());
                let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                for (&field, piece) in fields.iter().zip(pieces.iter_mut()) {
                    scatter(worker.batch.column(field), &worker.order, piece);
                }
                run.control.finish_one();
            },
        )
    };
    if done.iter().any(Option::is_none) {
        return Err(SweepError::Stopped);
    }
    let filled = filling
        .into_iter()
        .zip(fields)
        .map(|(column, &field)| (field.name(), finished_field(column)));
    Ok(Table::new(rows, filled.collect()))
}

/// What a thread works with.
#[derive(Default)]
struct Worker {
    memo: Memo,
    batch: Batch,
    singles: Singles,
    /// Marks of rows, with the numbers of the rows in the lowest bits.
    marks: Vec<u64>,
    /// The rows of the batch, as they stand in it.
    order: Vec<u32>,
}

impl Worker {
    /// Works out a chunk of rows: those that ask for the same together.
    fn work(
        &mut self,
        sweep: &Sweep,
        source: &memo::Source,
        asking: &Asking<'_>,
        (number, rows): (usize, Range<u64>),
    ) {
        // Numbers one after another are far from each other with their bits turned around.
        let turn = u8::try_from(number % 256).unwrap_or(0).reverse_bits();
        let turn = usize::from(turn);
        self.batch.clear();
        self.order.clear();
        let first = usize::try_from(rows.start).unwrap_or(usize::MAX);
        let count = usize::try_from(rows.end - rows.start).unwrap_or(usize::MAX);
        mark(asking, first, count, &mut self.marks);
        self.marks.sort_unstable();
        let place = |mark: u64| (mark & (MOST_CHUNK - 1)) as u32;
        let row = |mark: u64| first + place(mark) as usize;
        let marks = &self.marks;
        // Chunks begin with different groups, so that threads do not make the same cells at the same time.
        let (rest, begin) = marks.split_at(count * turn / 256);
        // Equal marks of rows that ask for different things are no harm: such rows are only not told to be alike.
        let alike = |&one: &u64, &other: &u64| {
            one >> ROW_BITS == other >> ROW_BITS && asking.alike(row(one), row(other))
        };
        let groups = begin.chunk_by(alike).chain(rest.chunk_by(alike));
        for group in groups {
            let Some(&mark) = group.first() else { continue };
            let cell = self.memo.cell(source, &asked(sweep, asking, row(mark)));
            let rows = group.iter().map(|&mark| {
                let at = row(mark);
                let request = &sweep.request;
                let concurrency = said(sweep, asking.requests.as_ref(), at, None);
                Row {
                    number: place(mark),
                    context: said(sweep, asking.contexts.as_ref(), at, request.context),
                    concurrency: concurrency.unwrap_or(request.concurrency),
                }
            });
            self.singles.add(
                (source, &mut self.memo),
                &cell,
                rows,
                (&mut self.batch, &mut self.order),
            );
        }
    }
}

/// Marks rows so that those that ask for the same, context and requests aside, come together when marks are sorted.
fn mark(asking: &Asking<'_>, first: usize, count: usize, marks: &mut Vec<u64>) {
    // An odd number whose bits look random: the golden ratio in 64 bits.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |mark: &mut u64, value: u64| {
        *mark = (*mark ^ value).wrapping_mul(FACTOR);
        *mark ^= *mark >> 29;
    };
    marks.clear();
    marks.resize(count, 0);
    for (_, column) in &asking.rest {
        match column {
            Source::Counts(counts) => {
                let counts = &counts[first..first + count];
                for (mark, &value) in marks.iter_mut().zip(counts) {
                    mix(mark, value);
                }
            }
            Source::Codes(codes, _) => {
                let codes = &codes[first..first + count];
                for (mark, &code) in marks.iter_mut().zip(codes) {
                    mix(mark, u64::from(code));
                }
            }
        }
    }
    for (mark, row) in marks.iter_mut().zip(0_u64..) {
        *mark = mark.wrapping_mul(FACTOR) & !(MOST_CHUNK - 1) | row;
    }
}

/// Writes the values of rows in an order of their own to their places.
fn scatter(values: &[u64], order: &[u32], piece: &mut Piece<'_>) {
    fn to<T>(out: &mut [T], order: &[u32], values: impl Iterator<Item = T>) {
        for (&row, value) in order.iter().zip(values) {
            if let Some(out) = out.get_mut(row as usize) {
                *out = value;
            }
        }
    }
    let values = values.iter();
    match piece {
        Piece::Numbers(out) => to(out, order, values.copied()),
        Piece::Codes(out) => to(
            out,
            order,
            values.map(|&value| u32::try_from(value).unwrap_or(u32::MAX)),
        ),
        Piece::Signed(out) => to(out, order, values.map(|value| value.cast_signed())),
        Piece::Flags(out) => to(out, order, values.map(|&value| value != 0)),
    }
}

/// What a row asks for, beside context and requests.
fn asked(sweep: &Sweep, asking: &Asking<'_>, row: usize) -> Asked {
    let mut asked = sweep.base;
    for (what, column) in &asking.rest {
        match column {
            Source::Counts(counts) => {
                asked.set(what, &Value::Count(counts[row]), None);
            }
            Source::Codes(codes, place) => {
                let code = codes[row] as usize;
                let number = sweep.named[*place].get(code).copied();
                asked.set(what, &sweep.axes[*place].values[code], number);
            }
        }
    }
    asked
}
