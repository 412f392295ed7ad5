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
use super::table::{Filling, Piece, chunks, empty_field, finished_field, split, write};
use super::{Run, Sweep, SweepError, Target, refused};
use crate::deployment::FitError;
use crate::parallel;
use crate::request::Request;
use crate::table::Table;
use std::sync::{Mutex, PoisonError};

/// Rows of a chunk, if not said.
const CHUNK: u64 = 8192;

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

    fn source(&mut self, what: &What, given: &'a Given) -> Result<Source<'a>, FitError> {
        match given {
            Given::Counts(counts) => {
                // Whether numbers go with it at all.
                Axis::counts(what.clone(), [1])?;
                Ok(Source::Counts(counts))
            }
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
        Some(Source::Codes(codes, place)) => sweep.numbers[*place][codes[row] as usize],
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
    let contexts = match &asking.contexts {
        None => vec![request.context],
        Some(Source::Counts(counts)) => counts.iter().copied().map(Some).collect(),
        Some(Source::Codes(_, place)) => sweep.numbers[*place].clone(),
    };
    // The contexts of all rows stand for those of axes.
    let source = memo::Source {
        hot: Hot::only(contexts),
        ..sweep.source.clone()
    };
    let mut filling: Vec<Filling> = fields.iter().map(|&one| empty_field(one, rows)).collect();
    let chunk = run.chunk.unwrap_or(CHUNK).max(1);
    let ranges = chunks(0..rows as u64, chunk);
    let done = {
        let size = usize::try_from(chunk).unwrap_or(usize::MAX);
        let mut pieces: Vec<Vec<Piece<'_>>> = ranges.iter().map(|_| Vec::new()).collect();
        for column in &mut filling {
            split(column, size, &mut pieces);
        }
        let jobs: Vec<_> = ranges
            .into_iter()
            .zip(pieces.into_iter().map(Mutex::new))
            .collect();
        run.control.expect(jobs.len());
        parallel::map(
            &jobs,
            run.threads,
            run.control,
            || (Memo::default(), Batch::of(Fields::of(fields))),
            |(memo, batch), (range, pieces)| {
                batch.clear();
                let at = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
                for row in at(range.start)..at(range.end) {
                    let cell = memo.cell(&source, &asked(&sweep, &asking, row));
                    let context = said(&sweep, asking.contexts.as_ref(), row, request.context);
                    let requests = said(&sweep, asking.requests.as_ref(), row, None);
                    let requests = requests.unwrap_or(request.concurrency);
                    batch.single(&source, memo, &cell, context, requests);
                }
                let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                for (&field, piece) in fields.iter().zip(pieces.iter_mut()) {
                    write(batch.column(field), piece);
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
