//! Frontiers: for every combination of other axes, the largest value of one with which it fits.

use super::answer::{Partial, Question};
use super::batch::Batch;
use super::expression::{Condition, Left, Rows};
use super::field::Field;
use super::memo::{ENTRY, Furthest, MOST_FURTHEST, Memo};
use super::plane::Walk;
use super::{Run, Sweep, SweepError};
use crate::deployment::FitError;
use crate::parallel::Control;
use std::cmp::Reverse;
use std::ops::Range;
use std::sync::Arc;

/// How the values of contexts and of requests stand to each other, as places of their lists.
#[derive(Debug)]
pub(super) struct Ends {
    /// Contexts, the furthest first.
    contexts: Vec<usize>,
    /// The furthest of the first requests, for each number of these from one on.
    requests: Vec<usize>,
}

/// What tells which value of an axis is the furthest: the largest, then the one of the lowest place. Of values that are no
/// numbers it is the last.
fn furthest_first(numbers: &[Option<i128>]) -> impl Fn(usize) -> (i128, Reverse<usize>) {
    let are_names = numbers.iter().all(Option::is_none);
    move |row| {
        if are_names {
            (row as i128, Reverse(row))
        } else {
            (numbers[row].unwrap_or(0), Reverse(row))
        }
    }
}

impl Ends {
    fn of(contexts: &[Option<i128>], requests: &[Option<i128>]) -> Self {
        let mut falling: Vec<usize> = (0..contexts.len()).collect();
        let value = furthest_first(contexts);
        falling.sort_by_key(|&row| Reverse(value(row)));
        let value = furthest_first(requests);
        let mut best = 0;
        let rising = (0..requests.len()).map(|row| {
            if value(row) > value(best) {
                best = row;
            }
            best
        });
        Self {
            requests: rising.collect(),
            contexts: falling,
        }
    }
}

/// A deployment whose planes are gone through.
struct Along {
    at: Vec<u64>,
    walk: Option<Walk>,
}

impl Sweep {
    /// How many combinations there are beside an axis.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn combinations(&self, axis: &str) -> Result<u64, FitError> {
        let digit = self.digit[self.axis(axis)?];
        Ok(self.points() / self.grid.digits[digit].radix)
    }

    /// The frontier of a range of combinations as [`Question::Frontier`] has it, in one list.
    ///
    /// # Errors
    /// If it was stopped, or the axis or the combinations are not known.
    pub fn frontier(
        &self,
        axis: &str,
        condition: Option<&Condition>,
        combinations: Range<u64>,
        run: Run<'_>,
    ) -> Result<Vec<Option<u64>>, SweepError> {
        let axis = axis.to_owned();
        let found = self.answer(&Question::Frontier { axis }, condition, combinations, run)?;
        Ok(match found {
            Partial::Frontier(pieces) => pieces.into_iter().flat_map(|(_, piece)| piece).collect(),
            _ => Vec::new(),
        })
    }

    /// The first point of a combination beside an axis.
    ///
    /// # Errors
    /// If there is no such axis.
    pub fn first_of(&self, axis: &str, combination: u64) -> Result<u64, FitError> {
        let inner = self.digit[self.axis(axis)?];
        let order = self.order_of(inner);
        let mut at = vec![0; self.grid.digits.len()];
        let place = combination.saturating_mul(self.grid.digits[inner].radix);
        self.grid.decode(&order, place, &mut at);
        Ok(self.grid.index(&at))
    }

    /// The order in which points are numbered, but for one digit that moves fastest.
    fn order_of(&self, inner: usize) -> Vec<usize> {
        let mut order = self.grid.natural();
        order.retain(|&digit| digit != inner);
        order.push(inner);
        order
    }

    /// The furthest point of each of these combinations; of some of them only, if it was stopped.
    pub(super) fn furthest_each(
        &self,
        axis: usize,
        condition: Option<&Condition>,
        (memo, batch): (&mut Memo, &mut Batch),
        combinations: Range<u64>,
        control: &Control,
    ) -> Vec<Option<u64>> {
        let inner = self.digit[axis];
        let radix = self.grid.digits[inner].radix;
        let mut found = Vec::new();
        let mut along = None;
        let places = combinations.start * radix..combinations.end * radix;
        self.grid.runs(&self.order_of(inner), places, |at, count| {
            if control.is_cancelled() {
                return false;
            }
            let known = self.told_at_once(axis, at, condition, memo, &mut along);
            found.push(known.unwrap_or_else(|| {
                batch.clear();
                batch.run(self, memo, inner, at, count);
                self.furthest(axis, inner, at, batch, condition)
            }));
            true
        });
        found
    }

    /// How many combinations a chunk has that would have so many, if cells are best not cut.
    pub(super) fn whole_cells(&self, axis: usize, chunk: u64) -> u64 {
        let cell = match self.concurrency {
            Some(requests) if self.context == Some(axis) => {
                self.grid.digits[self.digit[requests]].radix
            }
            _ => 1,
        };
        let is_near = chunk.saturating_mul(4) >= cell;
        let whole = is_near.then(|| chunk.checked_next_multiple_of(cell));
        whole.flatten().unwrap_or(chunk)
    }

    /// Whether an axis moves by itself, if there is one.
    fn is_alone(&self, axis: Option<usize>) -> bool {
        axis.is_none_or(|axis| self.grid.digits[self.digit[axis]].axes.len() == 1)
    }

    /// The furthest point of a combination of contexts or of requests, where that is told without working out all of its
    /// points.
    #[expect(
        clippy::option_option,
        reason = "what is not told is not that nothing fits"
    )]
    fn told_at_once(
        &self,
        axis: usize,
        at: &[u64],
        condition: Option<&Condition>,
        memo: &mut Memo,
        along: &mut Option<Along>,
    ) -> Option<Option<u64>> {
        let is_of_contexts = self.context == Some(axis);
        let is_told = is_of_contexts || self.concurrency == Some(axis);
        if !is_told
            || !self.requests_may_be
            || !self.is_alone(self.context)
            || !self.is_alone(self.concurrency)
        {
            return None;
        }
        let inner = self.digit[axis];
        if let Some(condition) = condition {
            let view = Rows {
                sweep: self,
                inner,
                at,
                count: self.axes[axis].values.len(),
                batch: None,
            };
            match condition.left_by_axes(&view) {
                Left::None => return Some(None),
                Left::All if condition.is_of_axes() => {}
                _ => return None,
            }
        }
        let (context, requests) = self.hot(at);
        let place = if is_of_contexts {
            let contexts = self.furthest_contexts(memo, at)?;
            let place = contexts.get(requests);
            place.map(|&place| u64::from(place))
        } else {
            let is_same = |along: &&mut Along| {
                let digits = along.at.iter().zip(at).zip(&self.moves);
                let mut digits = digits.map(|((known, at), moves)| !moves.is_cold || known == at);
                digits.all(|is_same| is_same)
            };
            let along = match along.as_mut().filter(is_same) {
                Some(along) => along,
                None => along.insert(Along {
                    at: at.to_vec(),
                    walk: Walk::of(self.cell(memo, at)),
                }),
            };
            let walk = along.walk.as_mut()?;
            let reach = walk.reach(memo, &self.source, context)?;
            let last = reach.fits.checked_sub(1);
            last.map(|last| self.ends().requests[last] as u64)
        };
        Some(place.map(|place| self.grid.index(at) + self.grid.digits[inner].stride * place))
    }

    fn ends(&self) -> &Ends {
        let numbers = |axis: Option<usize>| axis.map_or(&[][..], |axis| &self.numbers[axis]);
        self.ends
            .get_or_init(|| Ends::of(numbers(self.context), numbers(self.concurrency)))
    }

    /// The furthest context of a cell for every number of requests; none where that must be told one by one.
    fn furthest_contexts(&self, memo: &mut Memo, at: &[u64]) -> Option<Arc<Furthest>> {
        let digits = at.iter().zip(&self.moves);
        let key = digits.map(|(&at, moves)| if moves.is_cold { at } else { 0 });
        let key: Vec<u64> = key.collect();
        if let Some(known) = memo.furthest.get(&key) {
            return known.clone();
        }
        let numbers = self.source.hot.concurrency.len() + ENTRY;
        if memo.furthest.len() >= (MOST_FURTHEST / numbers).max(1) {
            if self.are_cells_mixed() {
                // Cells come again after more others than are remembered.
                return None;
            }
            memo.furthest.clear();
        }
        let found = self.find_furthest(memo, at).map(Arc::new);
        memo.furthest.insert(key, found.clone());
        found
    }

    /// Whether combinations of one cell do not follow each other where contexts are left out.
    fn are_cells_mixed(&self) -> bool {
        let after = self.concurrency.map_or(0, |axis| self.digit[axis] + 1);
        let mut digits = self.grid.digits.iter().zip(&self.moves).skip(after);
        after > 0 && digits.any(|(digit, moves)| moves.is_cold && digit.radix > 1)
    }

    fn find_furthest(&self, memo: &mut Memo, at: &[u64]) -> Option<Furthest> {
        let mut walk = Walk::of(self.cell(memo, at))?;
        let mut found = Vec::new();
        for &context in &self.ends().contexts {
            let reach = walk.reach(memo, &self.source, context)?;
            // Those that fit at a context further out have that one.
            if reach.fits > found.len() {
                found.resize(reach.fits, u32::try_from(context).ok()?);
            }
            if found.len() == self.source.hot.concurrency.len() {
                break;
            }
        }
        Some(found)
    }

    fn furthest(
        &self,
        axis: usize,
        inner: usize,
        at: &[u64],
        batch: &Batch,
        condition: Option<&Condition>,
    ) -> Option<u64> {
        let view = Rows {
            sweep: self,
            inner,
            at,
            count: batch.rows(),
            batch: Some(batch),
        };
        let left = condition.map_or(Left::All, |condition| {
            condition.left_by_fields(condition.left_by_axes(&view), &view)
        });
        let fits = batch.column(Field::Fits);
        let value = furthest_first(&self.numbers[axis]);
        let fitting = (0..batch.rows()).filter(|&row| fits[row] != 0 && left.has(row));
        let best = fitting.max_by_key(|&row| value(row));
        best.map(|row| self.number(&view, row))
    }
}
