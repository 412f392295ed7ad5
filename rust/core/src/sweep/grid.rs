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
                    let (model, other) = if first.what.is_of_model() {
                        (first, axis)
                    } else {
                        (axis, first)
                    };
                    return refuse(format!(
                        "{} is of the model and {} is not, so that they cannot be linked",
                        model.what.name(),
                        other.what.name()
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
        let mut grid = Self {
            work: (0..digits.len()).collect(),
            digits,
            points,
        };
        grid.sort(axes, [0, 1, 2, 3]);
        Ok(grid)
    }

    /// Sorts the order of work: by the speeds of the model, of other parts of a deployment, of the context and of the
    /// requests.
    fn sort(&mut self, axes: &[Axis], speeds: [u8; 4]) {
        let digits = &self.digits;
        self.work.sort_by_key(|&digit| {
            let kinds = digits[digit].axes.iter().map(|&place| &axes[place].what);
            let speed = kinds
                .map(|what| match what {
                    What::Target | What::Mind(_) => speeds[0],
                    What::Context => speeds[2],
                    What::Concurrency => speeds[3],
                    _ => speeds[1],
                })
                .min()
                .unwrap_or(0);
            // What never moves would make for runs of one point each, if it came last.
            (digits[digit].radix > 1, speed)
        });
    }

    /// Works on all deployments of a context before the next one, if those are no more than so many and the requests still
    /// are the fastest: what they have in common at a context need then not be remembered for other ones.
    pub fn put_contexts_first(&mut self, axes: &[Axis], most: u64) {
        let is_of = |digit: &usize, what: &What| {
            let own = &self.digits[*digit].axes;
            own.len() == 1 && axes[own[0]].what == *what
        };
        let fastest = self.work.last();
        let between = self.work.iter().filter(|digit| {
            let mut own = self.digits[**digit].axes.iter();
            !own.any(|&place| axes[place].what.is_of_model() || axes[place].what.is_hot())
        });
        let cells = between
            .map(|&digit| self.digits[digit].radix)
            .fold(1, u64::saturating_mul);
        if cells <= most && fastest.is_some_and(|digit| is_of(digit, &What::Concurrency)) {
            self.sort(axes, [0, 2, 1, 3]);
        }
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
