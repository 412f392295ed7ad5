//! A range of points as a table: the values of their axes, and what comes of them.

use super::batch::Batch;
use super::expression::{Condition, Left, Rows};
use super::field::{Field, Fields, REASONS};
use super::{Run, Sweep, SweepError, Value, What, refused};
use crate::deployment::FitError;
use crate::parallel;
use crate::table::{self, Table};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Points of a chunk, if not said: their columns stay in the caches of a processor.
const CHUNK: u64 = 8192;
/// Pieces that points are looked through in, at the most.
const MOST_CHUNKS: u64 = 1 << 16;
/// Rows of a table at the most; more are asked for in several.
pub const MOST_ROWS: u64 = 1 << 32;
/// The name of the column of the numbers of points.
const POINT: &str = "point";

/// Whether a column that every sweep may have is called so.
pub(super) fn is_taken(name: &str) -> bool {
    name == POINT
        || What::named(name).is_some()
        || Field::ALL.into_iter().any(|field| field.name() == name)
}

/// A column of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Column {
    /// The number of the point.
    Point,
    /// The values of the axis at a place.
    Axis(usize),
    /// What comes of a deployment.
    Field(Field),
}

/// A piece of a column that one chunk fills.
pub(super) enum Piece<'a> {
    Numbers(&'a mut [u64]),
    Codes(&'a mut [u32]),
    Signed(&'a mut [i64]),
    Flags(&'a mut [bool]),
}

/// A whole column while it is filled.
pub(super) enum Filling {
    Numbers(Vec<u64>),
    Codes(Vec<u32>),
    Signed(Vec<i64>),
    Flags(Vec<bool>),
}

impl Sweep {
    /// Every column: the number of the point, the axes, then all fields.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let axes = (0..self.axes.len()).map(Column::Axis);
        let axes = std::iter::once(Column::Point).chain(axes);
        axes.chain(Field::ALL.map(Column::Field)).collect()
    }

    /// The column of a name: an axis goes before a field.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn column(&self, name: &str) -> Result<Column, FitError> {
        if let Ok(axis) = self.axis(name) {
            return Ok(Column::Axis(axis));
        }
        if name == POINT {
            return Ok(Column::Point);
        }
        Field::named(name).map(Column::Field).ok_or_else(|| {
            let names: Vec<_> = self
                .columns()
                .iter()
                .map(|one| self.name_of(*one))
                .collect();
            refused(format!(
                "{name:?} is no column of this sweep; there are {}",
                names.join(", ")
            ))
        })
    }

    /// The name of a column.
    #[must_use]
    pub fn name_of(&self, column: Column) -> &str {
        match column {
            Column::Axis(place) => self.axes.get(place).map_or("", |axis| axis.what.name()),
            Column::Field(field) => field.name(),
            Column::Point => POINT,
        }
    }

    /// These points, in the order in which they are given, otherwise as [`Sweep::table`].
    ///
    /// # Errors
    /// If it was stopped, or a point is not within the sweep.
    pub fn rows(
        &self,
        points: &[u64],
        columns: &[Column],
        run: Run<'_>,
    ) -> Result<Table, SweepError> {
        if let Some(point) = points.iter().find(|&&point| point >= self.points()) {
            return Err(refused(format!(
                "there is no point {point}; the sweep has {}, counted from 0",
                self.points()
            ))
            .into());
        }
        self.filled(points.len() as u64, columns, run, |rows, each| {
            let order = self.grid.natural();
            let at = |row: u64| usize::try_from(row).unwrap_or(usize::MAX);
            for &point in &points[at(rows.start)..at(rows.end)] {
                self.grid.runs(&order, point..point + 1, &mut *each);
            }
        })
    }

    /// The points of a range for which a condition holds, in order of their numbers; of these only those that can be, if so
    /// asked.
    ///
    /// # Errors
    /// If it was stopped, or the range is not within the sweep.
    pub fn select(
        &self,
        range: Range<u64>,
        condition: Option<&Condition>,
        possible: bool,
        run: Run<'_>,
    ) -> Result<Vec<u64>, SweepError> {
        self.check(&range)?;
        let wanted = condition.map(Condition::fields).unwrap_or_default();
        let wanted = wanted.and(Fields::of(&[Field::Reason]));
        let order = self.grid.natural();
        let inner = order.len() - 1;
        let share = (range.end - range.start) / MOST_CHUNKS;
        let ranges = chunks(range, run.chunk.unwrap_or_else(|| share.max(CHUNK)));
        run.control.expect(ranges.len());
        let done = parallel::map(
            &ranges,
            run.threads,
            run.control,
            || (self.memo(run.threads), Batch::of(wanted)),
            |(kept, batch), range| {
                let mut found = Vec::new();
                self.grid.runs(&order, range.clone(), |at, count| {
                    let mut view = Rows {
                        sweep: self,
                        inner,
                        at,
                        count: usize::try_from(count).unwrap_or(usize::MAX),
                        batch: None,
                    };
                    let left = condition.map_or(Left::All, |one| one.left_by_axes(&view));
                    if left == Left::None {
                        return true;
                    }
                    batch.clear();
                    batch.run(self, &mut kept.memo, inner, at, count);
                    view.batch = Some(batch);
                    let left = match condition {
                        Some(condition) => condition.left_by_fields(left, &view),
                        None => left,
                    };
                    let reasons = batch.column(Field::Reason);
                    let rows = (0..view.count).filter(|&row| left.has(row));
                    let rows = rows.filter(|&row| !possible || reasons[row] == 0);
                    found.extend(rows.map(|row| self.number(&view, row)));
                    !run.control.is_cancelled()
                });
                run.control.finish_one();
                found
            },
        );
        if run.control.is_cancelled() {
            return Err(SweepError::Stopped);
        }
        let mut found = Vec::new();
        for some in done {
            found.append(&mut some.ok_or(SweepError::Stopped)?);
        }
        Ok(found)
    }

    fn check(&self, range: &Range<u64>) -> Result<(), FitError> {
        if range.end > self.points() || range.start > range.end {
            return Err(refused(format!(
                "points {} to {} are not within the sweep, which has {}",
                range.start,
                range.end,
                self.points()
            )));
        }
        Ok(())
    }

    /// The points of a range, in order of their numbers. An axis of whole numbers is a column of numbers; any other is one
    /// of texts. Of points that cannot be all fields but `reason` are 0.
    ///
    /// # Errors
    /// If it was stopped, or the range is not within the sweep.
    pub fn table(
        &self,
        range: Range<u64>,
        columns: &[Column],
        run: Run<'_>,
    ) -> Result<Table, SweepError> {
        self.check(&range)?;
        let order = self.grid.natural();
        self.filled(range.end - range.start, columns, run, |rows, each| {
            let points = range.start + rows.start..range.start + rows.end;
            self.grid.runs(&order, points, each);
        })
    }

    /// A table of so many rows. `walk` calls a function for every run of points of a range of rows.
    fn filled(
        &self,
        count: u64,
        columns: &[Column],
        run: Run<'_>,
        walk: impl Fn(Range<u64>, &mut dyn FnMut(&[u64], u64) -> bool) + Sync,
    ) -> Result<Table, SweepError> {
        if count > MOST_ROWS {
            return Err(refused(format!(
                "a table has at most {MOST_ROWS} rows, not {count}; ask for it in pieces"
            ))
            .into());
        }
        let rows = usize::try_from(count).map_err(|_| refused("the table is too large"))?;
        let mut filling: Vec<Filling> = columns
            .iter()
            .map(|&column| self.empty(column, rows))
            .collect();
        let chunk = run.chunk.unwrap_or(CHUNK).max(1);
        let ranges = chunks(0..count, chunk);
        {
            let size = usize::try_from(chunk).unwrap_or(usize::MAX);
            let mut pieces: Vec<Vec<Piece<'_>>> = ranges.iter().map(|_| Vec::new()).collect();
            for column in &mut filling {
                split(column, size, &mut pieces);
            }
            let jobs: Vec<_> = ranges
                .into_iter()
                .zip(pieces.into_iter().map(Mutex::new))
                .collect();
            let wanted = Fields::of(&fields(columns));
            // Points are numbered so that the last digit moves fastest.
            let inner = self.grid.digits.len() - 1;
            run.control.expect(jobs.len());
            let done = parallel::map(
                &jobs,
                run.threads,
                run.control,
                || (self.memo(run.threads), Batch::of(wanted)),
                |(kept, batch), (range, pieces)| {
                    batch.clear();
                    let mut pieces = pieces.lock().unwrap_or_else(PoisonError::into_inner);
                    let mut row = 0;
                    walk(range.clone(), &mut |at, count| {
                        batch.run(self, &mut kept.memo, inner, at, count);
                        let length = usize::try_from(count).unwrap_or(usize::MAX);
                        for (column, piece) in columns.iter().zip(pieces.iter_mut()) {
                            match *column {
                                Column::Axis(axis) => {
                                    self.axis_values(axis, inner, at, row..row + length, piece);
                                }
                                Column::Point => {
                                    self.numbers_of(inner, at, row..row + length, piece);
                                }
                                Column::Field(_) => {}
                            }
                        }
                        row += length;
                        true
                    });
                    for (column, piece) in columns.iter().zip(pieces.iter_mut()) {
                        if let Column::Field(field) = *column {
                            write(batch.column(field), piece);
                        }
                    }
                    run.control.finish_one();
                },
            );
            if done.iter().any(Option::is_none) {
                return Err(SweepError::Stopped);
            }
        }
        let filled = filling
            .into_iter()
            .zip(columns)
            .map(|(column, &which)| (self.name_of(which), self.finished(which, column)));
        Ok(Table::new(rows, filled.collect()))
    }

    fn is_counted(&self, axis: usize) -> bool {
        let mut values = self.axes[axis].values.iter();
        values.all(|value| match value {
            Value::Count(_) => true,
            Value::Json(text) => serde_json::from_str::<u64>(text).is_ok(),
            _ => false,
        })
    }

    /// The values of an axis at some places of its list, as a column of a table; of no axis, the reasons of these codes.
    /// Every place must be within its list.
    #[must_use]
    pub fn values_at(
        &self,
        axis: Option<usize>,
        places: impl Iterator<Item = usize>,
    ) -> table::Column {
        let codes = |places: &mut dyn Iterator<Item = usize>| {
            places
                .map(|place| u32::try_from(place).unwrap_or(u32::MAX))
                .collect()
        };
        let mut places = places;
        let Some(axis) = axis else {
            let codes = Filling::Codes(codes(&mut places));
            return self.finished(Column::Field(Field::Reason), codes);
        };
        let column = Column::Axis(axis);
        if self.is_counted(axis) {
            let numbers = &self.numbers[axis];
            let number = |place: usize| {
                let found = numbers.get(place).copied().flatten();
                found
                    .and_then(|number| u64::try_from(number).ok())
                    .unwrap_or(0)
            };
            return table::Column::Unsigned(places.map(number).collect());
        }
        self.finished(column, Filling::Codes(codes(&mut places)))
    }

    fn empty(&self, column: Column, rows: usize) -> Filling {
        match column {
            Column::Axis(axis) if self.is_counted(axis) => Filling::Numbers(vec![0; rows]),
            Column::Point => Filling::Numbers(vec![0; rows]),
            Column::Axis(_) => Filling::Codes(vec![0; rows]),
            Column::Field(field) => empty_field(field, rows),
        }
    }

    fn finished(&self, which: Column, column: Filling) -> table::Column {
        match (which, column) {
            (Column::Axis(axis), Filling::Codes(codes)) => table::Column::Category {
                codes,
                values: self.axes[axis]
                    .values
                    .iter()
                    .map(Value::to_string)
                    .collect(),
            },
            (_, column) => finished_field(column),
        }
    }

    /// Writes the numbers of a run of points.
    fn numbers_of(&self, inner: usize, at: &[u64], rows: Range<usize>, piece: &mut Piece<'_>) {
        if let Piece::Numbers(out) = piece {
            let (first, stride) = (self.grid.index(at), self.grid.digits[inner].stride);
            for (step, number) in (0..).zip(&mut out[rows]) {
                *number = first + stride * step;
            }
        }
    }

    /// Writes the values of an axis for a run of points.
    fn axis_values(
        &self,
        axis: usize,
        inner: usize,
        at: &[u64],
        rows: Range<usize>,
        piece: &mut Piece<'_>,
    ) {
        let digit = self.digit[axis];
        let first = usize::try_from(at[digit]).unwrap_or(usize::MAX);
        let values = &self.axes[axis].values;
        let number = |place: usize| {
            let found = values.get(place).and_then(Value::number);
            found
                .and_then(|number| u64::try_from(number).ok())
                .unwrap_or(0)
        };
        match piece {
            Piece::Numbers(out) => {
                let out = &mut out[rows];
                if digit == inner {
                    for (place, value) in out.iter_mut().enumerate() {
                        *value = number(first + place);
                    }
                } else {
                    out.fill(number(first));
                }
            }
            Piece::Codes(out) => {
                let out = &mut out[rows];
                let first = u32::try_from(first).unwrap_or(u32::MAX);
                if digit == inner {
                    for (value, code) in out.iter_mut().zip(first..) {
                        *value = code;
                    }
                } else {
                    out.fill(first);
                }
            }
            Piece::Signed(_) | Piece::Flags(_) => {}
        }
    }
}

/// Room for the values of a field.
pub(super) fn empty_field(field: Field, rows: usize) -> Filling {
    match field {
        Field::Reason => Filling::Codes(vec![0; rows]),
        Field::Headroom => Filling::Signed(vec![0; rows]),
        Field::Fits => Filling::Flags(vec![false; rows]),
        _ => Filling::Numbers(vec![0; rows]),
    }
}

/// The column of a field.
pub(super) fn finished_field(column: Filling) -> table::Column {
    match column {
        Filling::Numbers(values) => table::Column::Unsigned(values),
        Filling::Signed(values) => table::Column::Signed(values),
        Filling::Flags(values) => table::Column::Flags(values),
        Filling::Codes(codes) => table::Column::Category {
            codes,
            values: std::iter::once("")
                .chain(REASONS.iter().map(|(_, name)| *name))
                .map(str::to_owned)
                .collect(),
        },
    }
}

/// The fields among columns.
fn fields(columns: &[Column]) -> Vec<Field> {
    let field = |column: &Column| match column {
        Column::Field(field) => Some(*field),
        Column::Axis(_) | Column::Point => None,
    };
    columns.iter().filter_map(field).collect()
}

/// A range in chunks.
pub(super) fn chunks(range: Range<u64>, chunk: u64) -> Vec<Range<u64>> {
    let chunks = Chunks::of(range, chunk);
    (0..chunks.count())
        .map(|number| chunks.get(number))
        .collect()
}

/// A range in chunks, of which none is written down.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    range: Range<u64>,
    chunk: u64,
}

impl Chunks {
    /// Of so many each, but for the last.
    pub fn of(range: Range<u64>, chunk: u64) -> Self {
        Self {
            range,
            chunk: chunk.max(1),
        }
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        let places = self.range.end.saturating_sub(self.range.start);
        places.div_ceil(self.chunk)
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Range<u64> {
        let from = self.range.start + number * self.chunk;
        from..from.saturating_add(self.chunk).min(self.range.end)
    }
}

/// Deals a column out to chunks.
pub(super) fn split<'a>(column: &'a mut Filling, size: usize, pieces: &mut [Vec<Piece<'a>>]) {
    fn deal<'a, T>(
        values: &'a mut [T],
        size: usize,
        pieces: &mut [Vec<Piece<'a>>],
        make: fn(&'a mut [T]) -> Piece<'a>,
    ) {
        for (values, pieces) in values.chunks_mut(size).zip(pieces) {
            pieces.push(make(values));
        }
    }
    match column {
        Filling::Numbers(values) => deal(values, size, pieces, Piece::Numbers),
        Filling::Codes(values) => deal(values, size, pieces, Piece::Codes),
        Filling::Signed(values) => deal(values, size, pieces, Piece::Signed),
        Filling::Flags(values) => deal(values, size, pieces, Piece::Flags),
    }
}

/// Writes the values of a field for a chunk.
pub(super) fn write(values: &[u64], piece: &mut Piece<'_>) {
    match piece {
        Piece::Numbers(out) => out.copy_from_slice(values),
        Piece::Codes(out) => {
            for (out, value) in out.iter_mut().zip(values) {
                *out = u32::try_from(*value).unwrap_or(u32::MAX);
            }
        }
        Piece::Signed(out) => {
            for (out, value) in out.iter_mut().zip(values) {
                *out = value.cast_signed();
            }
        }
        Piece::Flags(out) => {
            for (out, value) in out.iter_mut().zip(values) {
                *out = *value != 0;
            }
        }
    }
}
