//! `Sweep`: many deployments, and the questions that are asked of them all.

use super::place::{self, Points};
use super::shown::{key, shown};
use super::{Opened, axes, stream, subject, sweep_error};
use crate::architecture::{Written, read, written};
use crate::checkpoint::{reduce, restore, threads_or_default};
use crate::errors::PonderaError;
use crate::fit::Fit;
use crate::given::fit_error;
use crate::run::watched;
use crate::table::{Table, html};
use pondera::parallel::{Control, default_threads};
use pondera::request::Request;
use pondera::sweep::{
    self as core, Axis, By, Column, Condition, Field, Partial, Question, Run, SweepError, Tally,
    Target,
};
use pondera::table::{self, Table as CoreTable};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PySlice, PyTuple};
use std::sync::Arc;

/// Rows of a frontier at the most: some gigabytes with all columns.
const MOST_COMBINATIONS: u64 = 1 << 24;

/// What a sweep is made of, for another process to make it again.
type Parts = (
    Vec<Written<pondera::checkpoint::Checkpoint>>,
    Request,
    Vec<Axis>,
    Vec<Vec<String>>,
    Option<String>,
);

/// Many deployments of one or more models: every combination of the values of its axes, each a point with a number.
///
/// Nothing is worked out until it is asked for: any point or range of points is worked out by its number alone. What
/// many points share is remembered from one answer to the next, in bounded memory, and points themselves are not kept.
#[pyclass(frozen, module = "pondera")]
pub struct Sweep {
    core: Arc<core::Sweep>,
    condition: Option<Arc<Condition>>,
    /// The texts that it was put together from.
    conditions: Vec<String>,
    models: Arc<Vec<Opened>>,
    request: Request,
    linked: Vec<Vec<String>>,
    threads: usize,
}

impl Sweep {
    /// A sweep over models that were opened.
    pub fn of(
        py: Python<'_>,
        models: Vec<Opened>,
        request: Request,
        axes: Vec<Axis>,
        linked: Vec<Vec<String>>,
        threads: usize,
    ) -> PyResult<Self> {
        let targets = models
            .iter()
            .map(|(model, assume)| Ok(Target::new(subject(py, model)?, assume.clone())))
            .collect::<PyResult<Vec<_>>>()?;
        let core = py
            .detach(|| core::Sweep::new(targets, request.clone(), axes, &linked))
            .map_err(fit_error)?;
        Ok(Self {
            core: Arc::new(core),
            condition: None,
            conditions: Vec::new(),
            models: Arc::new(models),
            request,
            linked,
            threads,
        })
    }

    fn condition(&self) -> Option<&Condition> {
        self.condition.as_deref()
    }

    /// Runs work over many points away from the interpreter.
    fn watched<R: Send>(
        &self,
        py: Python<'_>,
        progress: Option<&Bound<'_, PyAny>>,
        work: impl FnOnce(&core::Sweep, Run<'_>) -> Result<R, SweepError> + Send,
    ) -> PyResult<R> {
        watched(py, progress, |control| {
            let run = Run {
                threads: self.threads,
                control,
                chunk: None,
            };
            work(&self.core, run)
        })?
        .map_err(sweep_error)
    }

    /// The answer to a question over all points: worked out here, or gathered from elsewhere.
    fn ask(
        &self,
        py: Python<'_>,
        question: &Question,
        progress: Option<&Bound<'_, PyAny>>,
        gather: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Partial> {
        let places = self.core.places(question).map_err(fit_error)?;
        if let Some(gather) = gather {
            let merged: Vec<u8> = gather.call1((to_json(question)?, places))?.extract()?;
            return restore(&merged);
        }
        self.watched(py, progress, |sweep, run| {
            sweep.answer(question, self.condition(), 0..places, run)
        })
    }

    fn columns_named(&self, names: Option<Vec<String>>) -> PyResult<Vec<Column>> {
        match names {
            None => Ok(self.core.columns()),
            Some(names) => names
                .iter()
                .map(|name| self.core.column(name).map_err(fit_error))
                .collect(),
        }
    }

    fn rows(
        &self,
        py: Python<'_>,
        points: &[u64],
        columns: Option<Vec<String>>,
    ) -> PyResult<Table> {
        let columns = self.columns_named(columns)?;
        self.watched(py, None, |sweep, run| sweep.rows(points, &columns, run))
            .map(|table| Table(Arc::new(table)))
    }

    fn tallies(
        &self,
        py: Python<'_>,
        by: Vec<By>,
        progress: Option<&Bound<'_, PyAny>>,
        gather: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Vec<Tally>> {
        match self.ask(py, &Question::Count { by }, progress, gather)? {
            Partial::Count(tallies) => Ok(tallies),
            _ => Err(mixed_up()),
        }
    }

    /// The best points by a column.
    fn best(
        &self,
        py: Python<'_>,
        question: &Question,
        columns: Option<Vec<String>>,
        progress: Option<&Bound<'_, PyAny>>,
        gather: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let points: Vec<u64> = match self.ask(py, question, progress, gather)? {
            Partial::Top(lists) => lists.iter().flatten().map(|ranked| ranked.point).collect(),
            Partial::Pareto(front) => front.iter().map(|ranked| ranked.point).collect(),
            _ => return Err(mixed_up()),
        };
        self.rows(py, &points, columns)
    }
}

fn how_many(k: i64) -> PyResult<usize> {
    usize::try_from(k).map_err(|_| PonderaError::new_err(format!("k must be at least 0, not {k}")))
}

fn mixed_up() -> PyErr {
    PonderaError::new_err("what was gathered is the answer to another question")
}

fn to_json(question: &Question) -> PyResult<String> {
    serde_json::to_string(question).map_err(|error| PonderaError::new_err(error.to_string()))
}

fn from_json(question: &str) -> PyResult<Question> {
    serde_json::from_str(question).map_err(|error| PonderaError::new_err(error.to_string()))
}

fn packed<'py>(py: Python<'py>, partial: &Partial) -> PyResult<Bound<'py, PyBytes>> {
    crate::checkpoint::packed(partial).map(|bytes| PyBytes::new(py, &bytes))
}

#[pymethods]
impl Sweep {
    /// How many points there are.
    #[getter]
    fn points(&self) -> u64 {
        self.core.points()
    }

    /// How many values each axis has, linked axes together; the product of all is the number of points.
    #[getter]
    fn shape<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.core.shape())
    }

    /// The values of every axis by name, that of the targets first. The last axis moves fastest.
    #[getter]
    fn axes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for axis in self.core.axes() {
            let values = axis.values.iter().map(|value| shown(py, value));
            let values = values.collect::<PyResult<Vec<_>>>()?;
            all.set_item(axis.what.name(), PyTuple::new(py, values)?)?;
        }
        Ok(all)
    }

    /// Names of the axes that move together, group by group.
    #[getter]
    fn linked(&self) -> Vec<Vec<String>> {
        self.linked.clone()
    }

    /// Names of all columns: `point`, the axes, and what comes of a deployment.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let columns = self.core.columns();
        PyTuple::new(py, columns.iter().map(|&one| self.core.name_of(one)))
    }

    /// The condition that points must meet; None if there is none.
    #[getter(condition)]
    fn condition_text(&self) -> Option<&str> {
        self.condition().map(Condition::text)
    }

    /// Threads that answers are worked out with. They are not pickled: a sweep that is restored, here or on another machine,
    /// works with as many as there are processors.
    #[getter]
    const fn threads(&self) -> usize {
        self.threads
    }

    fn __len__(&self) -> PyResult<usize> {
        usize::try_from(self.core.points())
            .ok()
            .filter(|&points| isize::try_from(points).is_ok())
            .ok_or_else(|| {
                PyOverflowError::new_err("there are more points than len can tell; see points")
            })
    }

    // There is at least one point, which is more than len can tell where there are very many.
    #[expect(clippy::unused_self, reason = "Python asks a sweep")]
    const fn __bool__(&self) -> bool {
        true
    }

    /// One point as a dict of all columns, or a slice of points as a table. The condition is not looked at.
    fn __getitem__<'py>(
        &self,
        py: Python<'py>,
        index: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let points = self.core.points();
        if let Ok(slice) = index.cast::<PySlice>() {
            let columns = self.core.columns();
            let table = match place::slice(slice, points)? {
                Points::Range(range) => {
                    self.watched(py, None, |sweep, run| sweep.table(range, &columns, run))?
                }
                Points::Each(places) => {
                    self.watched(py, None, |sweep, run| sweep.rows(&places, &columns, run))?
                }
            };
            return Ok(Bound::new(py, Table(Arc::new(table)))?.into_any());
        }
        let point = place::index(&index, points)?;
        let columns = self.core.columns();
        let table = self.watched(py, None, |sweep, run| sweep.rows(&[point], &columns, run))?;
        let row = PyDict::new(py);
        let at = self.core.at(point).map_err(fit_error)?;
        for (name, column) in table.columns() {
            let axis = self.core.axis(name).ok();
            let value = match (axis, column) {
                (Some(axis), _) => shown(py, &self.core.axes()[axis].values[at[axis]])?,
                (None, table::Column::Category { codes, values }) => {
                    let value = &values[codes[0] as usize];
                    let value = Some(value).filter(|value| !value.is_empty());
                    value.into_pyobject(py)?
                }
                (None, table::Column::Signed(values)) => values[0].into_pyobject(py)?.into_any(),
                (None, table::Column::Flags(values)) => {
                    values[0].into_pyobject(py)?.to_owned().into_any()
                }
                (None, table::Column::Unsigned(values)) => values[0].into_pyobject(py)?.into_any(),
                (None, _) => py.None().into_bound(py),
            };
            row.set_item(name, value)?;
        }
        Ok(row.into_any())
    }

    /// The same points with a condition that they must meet, beside the one there is.
    #[pyo3(name = "where")]
    fn with_condition(&self, condition: &str) -> PyResult<Self> {
        // By itself first, so that an error shows what was given.
        let mut read = Condition::parse(condition, &self.core).map_err(fit_error)?;
        let mut conditions = self.conditions.clone();
        conditions.push(condition.to_owned());
        if conditions.len() > 1 {
            let all = format!("({})", conditions.join(") and ("));
            read = Condition::parse(&all, &self.core).map_err(fit_error)?;
        }
        Ok(Self {
            condition: Some(Arc::new(read)),
            conditions,
            ..self.shared()
        })
    }

    /// The same sweep worked out with so many threads; as many as there are processors, if not given, and after pickling.
    #[pyo3(signature = (threads=None))]
    fn with_threads(&self, threads: Option<i64>) -> PyResult<Self> {
        Ok(Self {
            threads: threads_or_default(threads)?,
            ..self.shared()
        })
    }

    /// The points of a range as a table, those that meet the condition.
    ///
    /// Of deployments that cannot be, `reason` says why and all other results are 0.
    ///
    /// Args:
    ///     start: The first point.
    ///     stop: The one after the last.
    ///     columns: Names of columns; all of them, if not given.
    ///     progress: Called about every 50 ms with how many pieces of the work are done and how many there are.
    #[pyo3(signature = (start=None, stop=None, *, columns=None, progress=None))]
    fn table(
        &self,
        py: Python<'_>,
        start: Option<Bound<'_, PyAny>>,
        stop: Option<Bound<'_, PyAny>>,
        columns: Option<Vec<String>>,
        progress: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let columns = self.columns_named(columns)?;
        let range = place::range(start.as_ref(), stop.as_ref(), self.core.points())?;
        let condition = self.condition();
        self.watched(py, progress.as_ref(), |sweep, run| {
            if condition.is_none() {
                return sweep.table(range, &columns, run);
            }
            let points = sweep.select(range, condition, false, run)?;
            sweep.rows(&points, &columns, run)
        })
        .map(|table| Table(Arc::new(table)))
    }

    /// How many points fit: in all, or a dict for each value of an axis.
    #[pyo3(signature = (by=None, *, progress=None, gather=None))]
    fn count<'py>(
        &self,
        py: Python<'py>,
        by: Option<String>,
        progress: Option<Bound<'py, PyAny>>,
        gather: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let axis = by.as_deref().map(|name| self.core.axis(name));
        let axis = axis.transpose().map_err(fit_error)?;
        let by = by.iter().map(|name| By::values(name)).collect();
        let tallies = self.tallies(py, by, progress.as_ref(), gather.as_ref())?;
        let Some(axis) = axis else {
            let fits: u64 = tallies.iter().map(|tally| tally.fits).sum();
            return Ok(fits.into_pyobject(py)?.into_any());
        };
        let counts = PyDict::new(py);
        let values = &self.core.axes()[axis].values;
        for (value, tally) in values.iter().zip(&tallies) {
            let key = key(py, value)?;
            let known: Option<u64> = counts
                .get_item(&key)?
                .map(|one| one.extract())
                .transpose()?;
            counts.set_item(key, known.unwrap_or(0) + tally.fits)?;
        }
        Ok(counts.into_any())
    }

    /// How many points there are, can be and fit, as a table: one row, or one for each value of an axis, or for each
    /// combination of values of several.
    ///
    /// Args:
    ///     by: An axis, or `reason`; several of these; or a mapping of them to how many values that follow each other are
    ///         taken together, of which the table names the first.
    #[pyo3(signature = (by=None, *, progress=None, gather=None))]
    fn tally(
        &self,
        py: Python<'_>,
        by: Option<Bound<'_, PyAny>>,
        progress: Option<Bound<'_, PyAny>>,
        gather: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let by = by.map_or_else(|| Ok(Vec::new()), |by| axes::grouped(&by))?;
        let groups = self.core.groups(&by).map_err(fit_error)?;
        let tallies = self.tallies(py, by.clone(), progress.as_ref(), gather.as_ref())?;
        let mut columns = Vec::new();
        let mut stride = tallies.len();
        for (by, group) in by.iter().zip(&groups) {
            stride /= group.groups;
            let first = |row: usize| row / stride % group.groups * group.each;
            let column = self
                .core
                .values_at(group.axis, (0..tallies.len()).map(first));
            columns.push((by.name.as_str(), column));
        }
        let each =
            |of: fn(&Tally) -> u64| table::Column::Unsigned(tallies.iter().map(of).collect());
        columns.push(("points", each(|tally| tally.points)));
        columns.push(("possible", each(|tally| tally.possible)));
        columns.push(("fits", each(|tally| tally.fits)));
        Ok(Table(Arc::new(CoreTable::new(tallies.len(), columns))))
    }

    /// The best of the points that fit, as a table.
    ///
    /// Args:
    ///     k: How many.
    ///     by: The column that is compared; of equals the lower number comes first.
    ///     largest: Whether more is better.
    ///     columns: Names of columns; all of them, if not given.
    #[pyo3(signature = (k=10, *, by="headroom_bytes", largest=true, columns=None, progress=None, gather=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one keyword for each thing that may be asked"
    )]
    fn top(
        &self,
        py: Python<'_>,
        k: i64,
        by: &str,
        largest: bool,
        columns: Option<Vec<String>>,
        progress: Option<Bound<'_, PyAny>>,
        gather: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let question = Question::Top {
            most: how_many(k)?,
            by: by.to_owned(),
            descending: largest,
            per: None,
        };
        self.best(py, &question, columns, progress.as_ref(), gather.as_ref())
    }

    /// The best of the points that fit for each value of an axis, as a table.
    #[pyo3(signature = (axis, *, by="headroom_bytes", largest=true, k=1, columns=None, progress=None, gather=None))]
    #[expect(
        clippy::too_many_arguments,
        reason = "one keyword for each thing that may be asked"
    )]
    fn best_per(
        &self,
        py: Python<'_>,
        axis: String,
        by: &str,
        largest: bool,
        k: i64,
        columns: Option<Vec<String>>,
        progress: Option<Bound<'_, PyAny>>,
        gather: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let question = Question::Top {
            most: how_many(k)?,
            by: by.to_owned(),
            descending: largest,
            per: Some(axis),
        };
        self.best(py, &question, columns, progress.as_ref(), gather.as_ref())
    }

    /// The points that fit and that no other one is better than in every one of these columns, as a table.
    ///
    /// Of points that are alike in all of them the one of the lowest number stands for all.
    #[pyo3(signature = (*, minimise=None, maximise=None, columns=None, progress=None, gather=None))]
    fn pareto(
        &self,
        py: Python<'_>,
        minimise: Option<Vec<String>>,
        maximise: Option<Vec<String>>,
        columns: Option<Vec<String>>,
        progress: Option<Bound<'_, PyAny>>,
        gather: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let question = Question::Pareto {
            minimise: minimise.unwrap_or_default(),
            maximise: maximise.unwrap_or_default(),
        };
        self.best(py, &question, columns, progress.as_ref(), gather.as_ref())
    }

    /// For every combination of the other axes the point of the largest value of one with which it fits, as a table.
    ///
    /// Where nothing fits, the row is that of the first value, of which `fits` is False. More than 2^24 combinations are
    /// refused before any work.
    #[pyo3(signature = (axis, *, columns=None, progress=None, gather=None))]
    fn frontier(
        &self,
        py: Python<'_>,
        axis: String,
        columns: Option<Vec<String>>,
        progress: Option<Bound<'_, PyAny>>,
        gather: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Table> {
        let question = Question::Frontier { axis: axis.clone() };
        self.combinations(&axis)?;
        let Partial::Frontier(pieces) =
            self.ask(py, &question, progress.as_ref(), gather.as_ref())?
        else {
            return Err(mixed_up());
        };
        let columns = self.columns_named(columns)?;
        self.watched(py, None, |sweep, run| {
            let found: Vec<_> = pieces.into_iter().flat_map(|(_, piece)| piece).collect();
            let points = (0..)
                .zip(&found)
                .map(|(combination, point)| match point {
                    Some(point) => Ok(*point),
                    None => sweep.first_of(&axis, combination),
                })
                .collect::<Result<Vec<_>, _>>()
                .map_err(SweepError::Refused)?;
            let mut table = sweep.rows(&points, &columns, run)?;
            // The first value may fit, and yet not meet the condition.
            if let Some(table::Column::Flags(fits)) = table.column_mut(Field::Fits.name()) {
                for (fits, point) in fits.iter_mut().zip(&found) {
                    *fits &= point.is_some();
                }
            }
            Ok(table)
        })
        .map(|table| Table(Arc::new(table)))
    }

    /// How many rows the frontier of an axis has, if not too many.
    #[pyo3(name = "_combinations")]
    fn combinations(&self, axis: &str) -> PyResult<u64> {
        let combinations = self.core.combinations(axis).map_err(fit_error)?;
        if combinations <= MOST_COMBINATIONS {
            return Ok(combinations);
        }
        Err(PonderaError::new_err(format!(
            "frontier: beside {axis} there are {combinations} combinations, of which each would be a row, and \
             {MOST_COMBINATIONS} are the most; give the other axes fewer values, or make a sweep for each part of them"
        )))
    }

    /// The same answers from an executor: `run(executor=...)` cuts the work into pieces, gives them out, gives out anew what
    /// failed, and merges what comes back. Options are those of `SweepRun`.
    #[pyo3(signature = (executor, **options))]
    fn run<'py>(
        slf: &Bound<'py, Self>,
        executor: Bound<'py, PyAny>,
        options: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("pondera._executor")?
            .getattr("SweepRun")?
            .call((slf, executor), options.as_ref())
    }

    /// The whole estimate of a point, as `fit` gives it.
    fn explain(&self, py: Python<'_>, point: Bound<'_, PyAny>) -> PyResult<Fit> {
        let point = place::index(&point, self.core.points())?;
        let at = self.core.at(point).map_err(fit_error)?;
        let (subject, request) = self.core.point(point).map_err(fit_error)?;
        let (model, assume) = &self.models[at[0]];
        let model = if model.config.as_ref() == Some(&subject.config) {
            Arc::clone(model)
        } else {
            Arc::new(subject.model(model.checkpoint.as_ref(), assume.as_deref()))
        };
        Fit::with(py, model, assume.clone(), subject, request)
    }

    /// The answer to a question, as JSON, over some places of the work, as bytes.
    #[pyo3(signature = (question, start, stop, threads=1))]
    fn _part<'py>(
        &self,
        py: Python<'py>,
        question: &str,
        start: u64,
        stop: u64,
        threads: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let question = from_json(question)?;
        let partial = watched(py, None, |control: &Control| {
            let run = Run {
                threads,
                control,
                chunk: None,
            };
            self.core
                .answer(&question, self.condition(), start..stop, run)
        })?
        .map_err(sweep_error)?;
        packed(py, &partial)
    }

    /// Two such answers together.
    #[staticmethod]
    fn _merged<'py>(
        py: Python<'py>,
        question: &str,
        one: &[u8],
        other: &[u8],
    ) -> PyResult<Bound<'py, PyBytes>> {
        let question = from_json(question)?;
        let (one, other): (Partial, Partial) = (restore(one)?, restore(other)?);
        let merged = py
            .detach(|| one.merge(other, &question))
            .map_err(fit_error)?;
        packed(py, &merged)
    }

    /// The Arrow stream of all points that meet the condition, in batches that are worked out as they are read.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, pyo3::types::PyCapsule>> {
        // The interface asks producers that cannot cast to give their own schema.
        drop(requested_schema);
        stream::capsule(
            py,
            Arc::clone(&self.core),
            self.condition.clone(),
            self.threads,
        )
    }

    fn __repr__(&self) -> String {
        let axes = self.core.axes().iter();
        let axes: Vec<_> = axes
            .map(|axis| format!("{} {}", axis.values.len(), axis.what.name()))
            .collect();
        let condition = self.condition().map_or_else(String::new, |condition| {
            format!(", where {:?}", condition.text())
        });
        format!(
            "Sweep({} points: {}{condition})",
            self.core.points(),
            axes.join(" x ")
        )
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "sweep_html")
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        let this = slf.get();
        let models = this.models.iter();
        let parts = (
            models
                .map(|(model, assume)| written(model, assume.as_deref()))
                .collect::<Vec<_>>(),
            &this.request,
            &this.core.axes()[1..],
            &this.linked,
            this.condition().map(Condition::text),
        );
        reduce(slf.as_any(), &parts)
    }

    #[staticmethod]
    fn _from_bytes(py: Python<'_>, bytes: &[u8]) -> PyResult<Self> {
        let (models, request, axes, linked, condition): Parts = restore(bytes)?;
        let models = models
            .into_iter()
            .map(|written| read(written).map(|(model, assume)| (Arc::new(model), assume)))
            .collect::<PyResult<_>>()?;
        let made = Self::of(py, models, request, axes, linked, default_threads())?;
        match condition {
            Some(condition) => made.with_condition(&condition),
            None => Ok(made),
        }
    }
}

impl Sweep {
    fn shared(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            condition: self.condition.clone(),
            conditions: self.conditions.clone(),
            models: Arc::clone(&self.models),
            request: self.request.clone(),
            linked: self.linked.clone(),
            threads: self.threads,
        }
    }
}
