//! Answers over all points that need no table: how many fit, the best, those that nothing is better than.
//!
//! Points are worked on in an order of their own, the *work order*, in which the context and the requests move fastest.
//! Any range of it has a [`Partial`] answer, in memory that does not grow with the range; partial answers of ranges that do
//! not overlap are merged in any order, and always give the same.

use super::batch::Batch;
use super::expression::{Condition, Left, Rows};
use super::field::{Field, Fields, REASONS};
use super::memo::{Cell, Memo};
use super::pareto::{self, Front};
use super::table::{Chunks, Column};
use super::{Run, Sweep, SweepError, refused};
use crate::deployment::FitError;
use crate::parallel::{self, Control};
use serde::{Deserialize, Serialize};
use std::collections::BinaryHeap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// What is asked of all points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// How many points there are, can be and fit.
    Count {
        /// For each combination of these by itself, the last one fastest; all together, if there is none.
        by: Vec<By>,
    },
    /// The best of the points that fit: by a column, then the lower number. Points where the column is missing are left out.
    Top {
        /// How many.
        most: usize,
        /// The column.
        by: String,
        /// Whether the largest is the best.
        descending: bool,
        /// So many for each value of this axis.
        per: Option<String>,
    },
    /// The points that fit and that no other one is better than: as good in every column, and better in one. Of points
    /// that are alike in all of them the one of the lowest number stands for all.
    Pareto {
        /// Columns of which less is better.
        minimise: Vec<String>,
        /// Columns of which more is better.
        maximise: Vec<String>,
    },
    /// For every other combination of axes the largest value of one with which it fits. Names count by their
    /// places; numbers go with numbers alone. Nothing is taken for granted of what is between.
    Frontier {
        /// The axis.
        axis: String,
    },
}

/// What points are counted apart by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct By {
    /// An axis; or else `reason`, of which there are as many as [`REASONS`] and before them the lack of one.
    pub name: String,
    /// How many values that follow each other are taken together.
    pub each: u64,
}

impl By {
    /// Every value by itself.
    #[must_use]
    pub fn values(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            each: 1,
        }
    }
}

/// A [`By`] with its name looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The axis; none for the reasons.
    pub axis: Option<usize>,
    /// How many values are taken together.
    pub each: usize,
    /// How many groups there are.
    pub groups: usize,
}

/// How many points.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// There are, as far as the condition holds for them.
    pub points: u64,
    /// Of these can be.
    pub possible: u64,
    /// Of these fit.
    pub fits: u64,
}

/// A point with the columns that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ranked {
    /// The values: of columns that are minimised first, then of those that are maximised.
    pub values: Vec<i128>,
    /// The number of the point.
    pub point: u64,
}

/// An answer over some of the points.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Partial {
    /// One for each value of the axis, or one for all.
    Count(Vec<Tally>),
    /// The best first; one list for each value of the axis, or one for all.
    Top(Vec<Vec<Ranked>>),
    /// By the number of the point.
    Pareto(Vec<Ranked>),
    /// The numbers of points by combination, none where nothing fits: pieces, each with the combination that it begins at.
    /// Combinations are numbered as points are, with the digit of the axis left out.
    Frontier(Vec<(u64, Vec<Option<u64>>)>),
}

impl Partial {
    /// Both together.
    ///
    /// # Errors
    /// If they answer different questions.
    pub fn merge(self, other: Self, question: &Question) -> Result<Self, FitError> {
        match (self, other, question) {
            (Self::Count(mut one), Self::Count(other), Question::Count { .. })
                if one.len() == other.len() =>
            {
                for (one, other) in one.iter_mut().zip(other) {
                    add(one, other);
                }
                Ok(Self::Count(one))
            }
            (
                Self::Top(mut one),
                Self::Top(other),
                Question::Top {
                    most, descending, ..
                },
            ) if one.len() == other.len() => {
                for (one, other) in one.iter_mut().zip(other) {
                    one.extend(other);
                    one.sort_unstable_by_key(|ranked| order(*descending, ranked));
                    one.truncate(*most);
                }
                Ok(Self::Top(one))
            }
            (Self::Pareto(one), Self::Pareto(other), Question::Pareto { minimise, .. }) => {
                Ok(Self::Pareto(pareto::merge(one, other, minimise.len())))
            }
            (Self::Frontier(mut one), Self::Frontier(other), Question::Frontier { .. }) => {
                one.extend(other);
                one.sort_unstable_by_key(|(first, _)| *first);
                Ok(Self::Frontier(one))
            }
            _ => Err(refused(
                "these partial answers are not of this question; merge those of one sweep and one question",
            )),
        }
    }
}

/// The order of points: by value, then by number.
fn order(descending: bool, ranked: &Ranked) -> (i128, u64) {
    let value = ranked.values.first().copied().unwrap_or(0);
    // No column reaches the ends of 128 bits.
    (if descending { -value } else { value }, ranked.point)
}

/// A question with its columns looked up.
struct Plan {
    columns: Vec<Column>,
    axis: Option<usize>,
    groups: Vec<Group>,
    fields: Fields,
    is_count: bool,
}

/// Points of a chunk at the least, and at the most.
const LEAST: u64 = 1 << 14;
const MOST: u64 = 1 << 22;
/// Groups that points are counted apart by, at the most.
const MOST_GROUPS: usize = 1 << 24;

impl Sweep {
    /// Looks up what points are counted apart by.
    ///
    /// # Errors
    /// If there is no such axis, no values are to be taken together, or there are too many groups.
    pub fn groups(&self, by: &[By]) -> Result<Vec<Group>, FitError> {
        let group = |by: &By| {
            let axis = match self.axis(&by.name) {
                Err(_) if by.name == Field::Reason.name() => None,
                found => Some(found?),
            };
            let values = axis.map_or(REASONS.len() + 1, |axis| self.axes[axis].values.len());
            let each = usize::try_from(by.each).unwrap_or(usize::MAX);
            if each == 0 {
                return Err(refused(format!(
                    "{}: take 1 value or more together",
                    by.name
                )));
            }
            let groups = values.div_ceil(each);
            Ok(Group { axis, each, groups })
        };
        let groups = by.iter().map(group).collect::<Result<Vec<_>, _>>()?;
        let all = groups
            .iter()
            .try_fold(1_usize, |all, group| all.checked_mul(group.groups));
        match all {
            Some(all) if all <= MOST_GROUPS => Ok(groups),
            _ => Err(refused(format!(
                "points are counted apart by at most {MOST_GROUPS} groups; name fewer axes, or take values together"
            ))),
        }
    }

    /// A column of numbers, which points may be ranked by.
    fn ranking(&self, name: &str) -> Result<Column, FitError> {
        let column = self.column(name)?;
        let why = match column {
            Column::Axis(axis) => self.axes[axis].why_no_numbers(),
            Column::Point | Column::Field(Field::Reason) => Some(format!(
                "{name} says nothing of how good a point is; rank by another column"
            )),
            Column::Field(_) => None,
        };
        why.map_or(Ok(column), |why| Err(refused(why)))
    }

    fn plan(&self, question: &Question, condition: Option<&Condition>) -> Result<Plan, FitError> {
        let axis = |name: &Option<String>| match name {
            Some(name) => self.axis(name).map(Some),
            None => Ok(None),
        };
        let mut groups = Vec::new();
        let (names, axis): (Vec<&String>, _) = match question {
            Question::Count { by } => {
                groups = self.groups(by)?;
                (Vec::new(), None)
            }
            Question::Top { by, per, .. } => (vec![by], axis(per)?),
            Question::Pareto { minimise, maximise } => {
                if minimise.is_empty() && maximise.is_empty() {
                    return Err(refused("name a column to minimise or to maximise"));
                }
                (minimise.iter().chain(maximise).collect(), None)
            }
            Question::Frontier { axis: name } => {
                let axis = self.axis(name)?;
                if let Some(why) = self.axes[axis].why_no_largest() {
                    return Err(refused(why));
                }
                (Vec::new(), Some(axis))
            }
        };
        let columns = names
            .into_iter()
            .map(|name| self.ranking(name))
            .collect::<Result<Vec<_>, _>>()?;
        let fields = columns.iter().filter_map(|column| match column {
            Column::Field(field) => Some(*field),
            Column::Axis(_) | Column::Point => None,
        });
        let fields: Vec<_> = fields.chain([Field::Fits, Field::Reason]).collect();
        Ok(Plan {
            columns,
            axis,
            groups,
            fields: Fields::of(&fields).and(condition.map(Condition::fields).unwrap_or_default()),
            is_count: matches!(question, Question::Count { .. }),
        })
    }

    fn nothing(&self, question: &Question, plan: &Plan) -> Partial {
        let lists = plan.axis.map_or(1, |axis| self.axes[axis].values.len());
        match question {
            Question::Frontier { .. } => Partial::Frontier(Vec::new()),
            Question::Count { .. } => {
                let groups = plan.groups.iter().map(|group| group.groups).product();
                Partial::Count(vec![Tally::default(); groups])
            }
            Question::Top { .. } => Partial::Top(vec![Vec::new(); lists]),
            Question::Pareto { .. } => Partial::Pareto(Vec::new()),
        }
    }

    /// How many places of work a question has: as many as points, or as combinations for a frontier.
    ///
    /// # Errors
    /// If its axis is not known.
    pub fn places(&self, question: &Question) -> Result<u64, FitError> {
        match question {
            Question::Frontier { axis } => self.combinations(axis),
            _ => Ok(self.points()),
        }
    }

    /// The answer over some places of the work: of a frontier those are combinations, of any other question points in the
    /// work order. A condition leaves all points out for which it does not hold.
    ///
    /// # Errors
    /// If it was stopped, the range is not within the work, or a column or axis is not known.
    pub fn answer(
        &self,
        question: &Question,
        condition: Option<&Condition>,
        range: Range<u64>,
        run: Run<'_>,
    ) -> Result<Partial, SweepError> {
        let plan = self.plan(question, condition)?;
        let places = self.places(question)?;
        if range.end > places || range.start > range.end {
            return Err(refused(format!(
                "places {} to {} are not within the work, which has {places}",
                range.start, range.end,
            ))
            .into());
        }
        let count = range.end - range.start;
        // What a chunk of combinations costs goes with their points.
        let each = (self.points() / places.max(1)).max(1);
        let share = count.saturating_mul(each) / (run.threads.max(1) as u64).saturating_mul(128);
        let chunk = run.chunk.unwrap_or_else(|| share.clamp(LEAST, MOST)).max(1);
        let mut chunk = chunk.div_ceil(each);
        if let (Question::Frontier { .. }, Some(axis), None) = (question, plan.axis, run.chunk) {
            chunk = self.whole_cells(axis, chunk);
        }
        let chunks = Chunks::of(range, chunk);
        run.control
            .expect(usize::try_from(chunks.count()).unwrap_or(usize::MAX));
        let all = Mutex::new(Ok(self.nothing(question, &plan)));
        let is_done = parallel::each(
            chunks.count(),
            run.threads,
            run.control,
            || (self.memo(run.threads), Batch::of(plan.fields)),
            |(kept, batch), number| {
                let partial = self.partial(
                    (question, &plan, condition),
                    (&mut kept.memo, batch),
                    chunks.get(number),
                    run.control,
                );
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                let known = std::mem::replace(&mut *all, Ok(Partial::Pareto(Vec::new())));
                *all = known.and_then(|known| known.merge(partial, question));
                drop(all);
                run.control.finish_one();
            },
        );
        if !is_done {
            return Err(SweepError::Stopped);
        }
        Ok(all.into_inner().unwrap_or_else(PoisonError::into_inner)?)
    }

    /// The answer over a chunk; over some of it only, if it was stopped.
    fn partial(
        &self,
        (question, plan, condition): (&Question, &Plan, Option<&Condition>),
        (memo, batch): (&mut Memo, &mut Batch),
        range: Range<u64>,
        control: &Control,
    ) -> Partial {
        if let (Question::Frontier { .. }, Some(axis)) = (question, plan.axis) {
            let first = range.start;
            let found = self.furthest_each(axis, condition, (memo, batch), range, control);
            return Partial::Frontier(vec![(first, found)]);
        }
        let mut partial = self.nothing(question, plan);
        let mut heaps: Vec<BinaryHeap<(i128, u64)>> = Vec::new();
        if let Partial::Top(lists) = &partial {
            heaps = lists.iter().map(|_| BinaryHeap::new()).collect();
        }
        let mut front = Front::of(match question {
            Question::Pareto { minimise, .. } => minimise.len(),
            _ => 0,
        });
        let order = &self.grid.work;
        let inner = order.last().copied().unwrap_or(0);
        let is_still = |group: &Group| group.axis.is_some_and(|axis| self.digit[axis] != inner);
        let by_runs = plan.is_count && plan.groups.iter().all(is_still);
        let of_runs = |at: &[u64]| {
            let groups = plan.groups.iter();
            groups.fold(0, |place, group| {
                place * group.groups + self.group(group, inner, at, 0)
            })
        };
        let is_hot = |group: &Group| group.axis == self.context;
        let mut ranges = Vec::from([range.clone()]);
        if let Partial::Count(tallies) = &mut partial
            && by_runs
            && condition.is_none()
            && !plan.groups.iter().any(is_hot)
        {
            ranges = self.planes(memo, range, |at, tally| {
                add(&mut tallies[of_runs(at)], tally);
            });
        }
        let mut work = |at: &[u64], count: u64| {
            if control.is_cancelled() {
                return false;
            }
            let rows = usize::try_from(count).unwrap_or(usize::MAX);
            let mut view = Rows {
                sweep: self,
                inner,
                at,
                count: rows,
                batch: None,
            };
            let left = condition.map_or(Left::All, |condition| condition.left_by_axes(&view));
            if left == Left::None {
                return true;
            }
            let is_whole = left == Left::All && condition.is_none_or(Condition::is_of_axes);
            if by_runs
                && is_whole
                && let Partial::Count(tallies) = &mut partial
                && let Some(tally) = self.counted(memo, inner, at, rows)
            {
                add(&mut tallies[of_runs(at)], tally);
                return true;
            }
            batch.clear();
            batch.run(self, memo, inner, at, count);
            view.batch = Some(batch);
            let left = match condition {
                Some(condition) => condition.left_by_fields(left, &view),
                None => left,
            };
            if left == Left::None {
                return true;
            }
            match &mut partial {
                Partial::Count(tallies) => self.tally(tallies, plan, &view, batch, &left),
                Partial::Top(_) => self.rank(&mut heaps, (question, plan), &view, batch, &left),
                Partial::Pareto(_) => self.enter(&mut front, plan, &view, batch, &left),
                Partial::Frontier(_) => {}
            }
            true
        };
        for range in ranges {
            self.grid.runs(order, range, &mut work);
        }
        match (&mut partial, question) {
            (Partial::Top(lists), Question::Top { descending, .. }) => {
                for (list, heap) in lists.iter_mut().zip(heaps) {
                    let sorted = heap.into_sorted_vec().into_iter();
                    *list = sorted
                        .map(|(value, point)| Ranked {
                            values: vec![if *descending { -value } else { value }],
                            point,
                        })
                        .collect();
                }
            }
            (Partial::Pareto(found), _) => *found = front.finish(),
            _ => {}
        }
        partial
    }

    /// Counts the rows of a run that are left.
    fn tally(
        &self,
        tallies: &mut [Tally],
        plan: &Plan,
        view: &Rows<'_>,
        batch: &Batch,
        left: &Left,
    ) {
        let (fits, reasons) = (batch.column(Field::Fits), batch.column(Field::Reason));
        // What is the same for the whole run is looked up once.
        let (mut still, mut moving, mut stride) = (0, Vec::new(), 1);
        for group in plan.groups.iter().rev() {
            match group.axis {
                Some(axis) if self.digit[axis] != view.inner => {
                    still += stride * self.group(group, view.inner, view.at, 0);
                }
                _ => moving.push((group, stride)),
            }
            stride *= group.groups;
        }
        for row in (0..view.count).filter(|&row| left.has(row)) {
            let place = moving.iter().fold(still, |place, &(group, stride)| {
                let own = match group.axis {
                    Some(_) => self.group(group, view.inner, view.at, row),
                    None => usize::try_from(reasons[row]).unwrap_or(0) / group.each,
                };
                place + stride * own
            });
            add(
                &mut tallies[place],
                Tally {
                    points: 1,
                    possible: u64::from(reasons[row] == 0),
                    fits: fits[row],
                },
            );
        }
    }

    /// Keeps the best of the rows of a run that are left.
    fn rank(
        &self,
        heaps: &mut [BinaryHeap<(i128, u64)>],
        (question, plan): (&Question, &Plan),
        view: &Rows<'_>,
        batch: &Batch,
        left: &Left,
    ) {
        let (
            Question::Top {
                most, descending, ..
            },
            Some(&column),
        ) = (question, plan.columns.first())
        else {
            return;
        };
        let fits = batch.column(Field::Fits);
        let values = view.column(column);
        for row in (0..view.count).filter(|&row| fits[row] != 0 && left.has(row)) {
            let Some(value) = values.number(row) else {
                continue;
            };
            let place = plan
                .axis
                .map_or(0, |axis| self.place(axis, view.inner, view.at, row));
            let heap = &mut heaps[place];
            let entry = (
                if *descending { -value } else { value },
                self.number(view, row),
            );
            if heap.len() < *most {
                heap.push(entry);
            } else if heap.peek().is_some_and(|worst| entry < *worst) {
                heap.pop();
                heap.push(entry);
            }
        }
    }

    /// Enters the rows of a run that are left into a front.
    fn enter(&self, front: &mut Front, plan: &Plan, view: &Rows<'_>, batch: &Batch, left: &Left) {
        let columns: Vec<_> = plan.columns.iter().map(|&one| view.column(one)).collect();
        let fits = batch.column(Field::Fits);
        let mut values = vec![0; columns.len()];
        for row in (0..view.count).filter(|&row| fits[row] != 0 && left.has(row)) {
            let are_known = columns.iter().zip(&mut values).all(|(column, value)| {
                let number = column.number(row);
                *value = number.unwrap_or(0);
                number.is_some()
            });
            if are_known {
                front.enter(&values, self.number(view, row));
            }
        }
    }

    /// The number of the point of a row.
    pub(super) fn number(&self, view: &Rows<'_>, row: usize) -> u64 {
        self.grid.index(view.at) + self.grid.digits[view.inner].stride * row as u64
    }

    /// The place of the value of an axis in a row of a run.
    fn place(&self, axis: usize, inner: usize, at: &[u64], row: usize) -> usize {
        let digit = self.digit[axis];
        let first = usize::try_from(at[digit]).unwrap_or(usize::MAX);
        if digit == inner { first + row } else { first }
    }

    /// The group of the value of its axis in a row of a run.
    fn group(&self, group: &Group, inner: usize, at: &[u64], row: usize) -> usize {
        let place = group
            .axis
            .map_or(0, |axis| self.place(axis, inner, at, row));
        place / group.each
    }

    /// How many points of a run fit, where that is told without working them out one by one.
    fn counted(&self, memo: &mut Memo, inner: usize, at: &[u64], rows: usize) -> Option<Tally> {
        let points = rows as u64;
        let moves = &self.moves[inner];
        if moves.is_cold || moves.context || !self.requests_may_be {
            return None;
        }
        let refused = Some(Tally {
            points,
            ..Tally::default()
        });
        let open = match self.cell(memo, at) {
            Cell::Unknown(_) | Cell::Refused(_) => return refused,
            Cell::Open(open) => open,
        };
        if open.reads_requests() {
            return None;
        }
        let (context, requests) = self.hot(at);
        let place = self.source.hot.places[context];
        if place == super::hot::Place::Out {
            return refused;
        }
        let Ok(placed) = memo.placed(&self.source, &open, place, 1) else {
            return refused;
        };
        if !open.is_rising {
            return None;
        }
        let end = requests + rows;
        // Those that run at one time come first.
        let list = &open.requests[requests..end];
        let running = list.partition_point(|&each| placed.settings.runs(each));
        let Ok(body) = &placed.body else {
            return refused;
        };
        let tokens = self.source.hot.contexts[context].unwrap_or(placed.settings.context);
        let reserved = memo.reserved(&open, body, tokens);
        if body.stages.len() > 1 && !reserved.is_rising {
            return None;
        }
        let usable = open.usable();
        let mut fits = running;
        for (stage, list) in body.stages.iter().zip(&reserved.stages) {
            let list = &list[requests..requests + running];
            fits = fits.min(match stage.most(usable) {
                None => 0,
                // More requests never take less, so that those that fit come first.
                Some(most) if reserved.is_rising => list.partition_point(|&bytes| bytes <= most),
                Some(most) => list.iter().filter(|&&bytes| bytes <= most).count(),
            });
        }
        Some(Tally {
            points,
            possible: running as u64,
            fits: fits as u64,
        })
    }
}

pub(super) fn add(tally: &mut Tally, more: Tally) {
    tally.points += more.points;
    tally.possible += more.possible;
    tally.fits += more.fits;
}
