//! Points as numbers: digits of mixed radix, the last one fastest.

use super::axis::{Axis, What};
use crate::deployment::{FitError, Reason};
use std::ops::Range;

/// One digit: an axis, or several that move together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digit {
    /// Its axes, as places in the list of axes.
    pub axes: Vec<usize>,
    /// How many values it has.
    pub radix: u64,
    /// By how much the number of a point grows with it.
    pub stride: u64,
}

/// The digits of a sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    /// The digits, the slowest first.
    pub digits: Vec<Digit>,
    /// How many points there are.
    pub points: u64,
    /// The digits in the order of work: those that never move, those of the model, other parts of a deployment, then the
    /// context and the requests.
    pub work: Vec<usize>,
}

fn refuse<T>(message: String) -> Result<T, FitError> {
    Err(FitError::new(Reason::Value, message))
}

impl Grid {
    /// The digits of axes of which some are linked.
    ///
    /// # Errors
    /// If linked axes are not known, are linked twice, or differ in length, or if there are more points than 2^64 - 1.
    pub fn of(axes: &[Axis], linked: &[Vec<String>]) -> Result<Self, FitError> {
        let mut group: Vec<Option<usize>> = vec![None; axes.len()];
        for (number, names) in linked.iter().enumerate() {
            for name in names {
                let Some(place) = axes.iter().position(|axis| axis.what.name() == name) else {
                    return refuse(format!("{name} is linked, but is no axis of this sweep"));
                };
                if axes[place].what == What::Target {
                    return refuse("targets cannot be linked to other axes".to_owned());
                }
                if group[place].replace(number).is_some() {
                    return refuse(format!("{name} is linked twice; link an axis once"));
                }
            }
        }
        let mut digits: Vec<Digit> = Vec::new();
        let mut begun: Vec<Option<usize>> = vec![None; linked.len()];
        for (place, axis) in axes.iter().enumerate() {
            let radix = axis.values.len() as u64;
            if let Some(digit) = group[place].and_then(|number| begun[number]) {
                let first = &axes[digits[digit].axes[0]];
                if digits[digit].radix != radix {
                    return refuse(format!(
                        "{} and {} are linked, but have {} and {radix} values; give them equally many",
                        first.what.name(),
                        axis.what.name(),
                        first.values.len()
                    ));
                }
                if first.what.is_of_model() != axis.what.is_of_model() {
                    return refuse(format!(
                        "{} is of the model and {} is not, so that they cannot be linked",
                        first.what.name(),
                        axis.what.name()
                    ));
                }
                digits[digit].axes.push(place);
                continue;
            }
            if let Some(number) = group[place] {
                begun[number] = Some(digits.len());
            }
            digits.push(Digit {
                axes: vec![place],
                radix,
                stride: 1,
            });
        }
        let mut points = 1_u64;
        for digit in digits.iter_mut().rev() {
            digit.stride = points;
            match points.checked_mul(digit.radix) {
                Some(more) => points = more,
                None => return refuse("a sweep has at most 2^64 - 1 points".to_owned()),
            }
        }
        let mut work: Vec<usize> = (0..digits.len()).collect();
        let speed = |digit: &usize| {
            let axes = digits[*digit].axes.iter().map(|&place| &axes[place].what);
            axes.map(|what| match what {
                What::Target | What::Mind(_) => 0,
                What::Context => 2,
                What::Concurrency => 3,
                _ => 1,
            })
            .min()
            .unwrap_or(0)
        };
        // What never moves would make for runs of one point each, if it came last.
        work.sort_by_key(|digit| (digits[*digit].radix > 1, speed(digit)));
        Ok(Self {
            digits,
            points,
            work,
        })
    }

    /// Whether a digit moves nothing but the context or the requests.
    pub fn is_hot(&self, axes: &[Axis], digit: usize) -> bool {
        let mut own = self.digits[digit].axes.iter();
        own.all(|&place| axes[place].what.is_hot())
    }

    /// The values of all digits at the place of an order, which lists digits, the slowest first.
    pub fn decode(&self, order: &[usize], mut place: u64, at: &mut [u64]) {
        for &digit in order.iter().rev() {
            let radix = self.digits[digit].radix;
            at[digit] = place % radix;
            place /= radix;
        }
    }

    /// The number of the point with these values.
    pub fn index(&self, at: &[u64]) -> u64 {
        self.digits
            .iter()
            .zip(at)
            .fold(0, |sum, (digit, value)| sum + digit.stride * value)
    }

    /// The order in which points are numbered.
    pub fn natural(&self) -> Vec<usize> {
        (0..self.digits.len()).collect()
    }

    /// Calls `run` for each piece of a range of places in which the last digit of the order alone moves, with the values of
    /// all digits at its first point and how many points it has. Stops early where `run` says so.
    pub fn runs(
        &self,
        order: &[usize],
        range: Range<u64>,
        mut run: impl FnMut(&[u64], u64) -> bool,
    ) {
        let Some(&last) = order.last() else { return };
        let radix = self.digits[last].radix;
        let mut at = vec![0; self.digits.len()];
        let mut place = range.start;
        self.decode(order, place, &mut at);
        while place < range.end {
            let count = (radix - at[last]).min(range.end - place);
            if !run(&at, count) {
                return;
            }
            place += count;
            at[last] += count;
            for pair in (0..order.len()).rev() {
                let digit = order[pair];
                if at[digit] < self.digits[digit].radix {
                    break;
                }
                at[digit] = 0;
                if pair > 0 {
                    at[order[pair - 1]] += 1;
                }
            }
        }
    }
}
