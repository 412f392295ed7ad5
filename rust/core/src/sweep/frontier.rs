//! Frontiers: for every combination of other axes, the largest value of one with which it fits.

use super::answer::{Partial, Question};
use super::batch::Batch;
use super::expression::{Condition, Left, Rows};
use super::field::Field;
use super::memo::Memo;
use super::{Run, Sweep, SweepError};
use crate::deployment::FitError;
use std::cmp::Reverse;
use std::ops::Range;

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

    /// The furthest point of each of these combinations.
    pub(super) fn furthest_each(
        &self,
        axis: usize,
        condition: Option<&Condition>,
        memo: &mut Memo,
        batch: &mut Batch,
        combinations: Range<u64>,
    ) -> Vec<Option<u64>> {
        let inner = self.digit[axis];
        let radix = self.grid.digits[inner].radix;
        let mut found = Vec::new();
        let places = combinations.start * radix..combinations.end * radix;
        self.grid.runs(&self.order_of(inner), places, |at, count| {
            batch.clear();
            batch.run(self, memo, inner, at, count);
            found.push(self.furthest(axis, inner, at, batch, condition));
            true
        });
        found
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
        let numbers = &self.numbers[axis];
        let are_names = numbers.iter().all(Option::is_none);
        let mut fitting = (0..batch.rows()).filter(|&row| fits[row] != 0 && left.has(row));
        let best = if are_names {
            fitting.next_back()
        } else {
            fitting.max_by_key(|&row| (numbers[row].unwrap_or(0), Reverse(row)))
        };
        best.map(|row| self.number(&view, row))
    }
}
