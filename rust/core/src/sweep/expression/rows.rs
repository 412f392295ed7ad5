//! Working a condition out for a run of rows.

use super::{MISSING, Node, Operator};
use crate::sweep::Sweep;
use crate::sweep::batch::Batch;
use crate::sweep::field::Field;
use crate::sweep::table::Column;

/// A run of rows that a condition is tried on.
pub(in crate::sweep) struct Rows<'a> {
    /// The sweep.
    pub sweep: &'a Sweep,
    /// The digit that moves.
    pub inner: usize,
    /// The digits of the first row.
    pub at: &'a [u64],
    /// How many rows.
    pub count: usize,
    /// What comes of them; nothing if that is not worked out yet.
    pub batch: Option<&'a Batch>,
}

/// The values of a node: the same for all rows, or one for each.
#[derive(Clone, Debug)]
pub(in crate::sweep) enum Values {
    /// The same.
    One(i128),
    /// One for each.
    Each(Vec<i128>),
}

impl Values {
    fn at(&self, row: usize) -> i128 {
        match self {
            Self::One(value) => *value,
            Self::Each(values) => values.get(row).copied().unwrap_or(MISSING),
        }
    }

    /// The number of a row, if it is not missing.
    pub fn number(&self, row: usize) -> Option<i128> {
        Some(self.at(row)).filter(|&value| value != MISSING)
    }

    fn map(self, of: impl Fn(i128) -> i128) -> Self {
        match self {
            Self::One(value) => Self::One(of(value)),
            Self::Each(mut values) => {
                for value in &mut values {
                    *value = of(*value);
                }
                Self::Each(values)
            }
        }
    }
}

fn apply(operator: Operator, left: i128, right: i128) -> i128 {
    let truth = i128::from;
    match operator {
        Operator::And => return truth(holds(left) && holds(right)),
        Operator::Or => return truth(holds(left) || holds(right)),
        _ => {}
    }
    if left == MISSING || right == MISSING {
        let compares = !matches!(
            operator,
            Operator::Add
                | Operator::Subtract
                | Operator::Multiply
                | Operator::Divide
                | Operator::Remainder
        );
        return if compares { 0 } else { MISSING };
    }
    match operator {
        Operator::Add => left.checked_add(right).unwrap_or(MISSING),
        Operator::Subtract => left.checked_sub(right).unwrap_or(MISSING),
        Operator::Multiply => left.checked_mul(right).unwrap_or(MISSING),
        Operator::Divide => floor(left, right),
        Operator::Remainder => floor(left, right)
            .checked_mul(right)
            .and_then(|whole| left.checked_sub(whole))
            .filter(|_| right != 0)
            .unwrap_or(MISSING),
        Operator::Equal => truth(left == right),
        Operator::Unequal => truth(left != right),
        Operator::Less => truth(left < right),
        Operator::AtMost => truth(left <= right),
        Operator::Greater => truth(left > right),
        Operator::AtLeast => truth(left >= right),
        Operator::And | Operator::Or => 0,
    }
}

/// A quotient rounded down.
fn floor(left: i128, right: i128) -> i128 {
    let Some(quotient) = left.checked_div(right) else {
        return MISSING;
    };
    let is_short = left % right != 0 && (left < 0) != (right < 0);
    quotient - i128::from(is_short)
}

/// Whether a value is true.
pub(super) const fn holds(value: i128) -> bool {
    value != 0 && value != MISSING
}

impl Rows<'_> {
    fn axis(&self, axis: usize, of: impl Fn(usize) -> i128) -> Values {
        let digit = self.sweep.digit[axis];
        let first = usize::try_from(self.at[digit]).unwrap_or(usize::MAX);
        if digit == self.inner {
            Values::Each((first..first + self.count).map(of).collect())
        } else {
            Values::One(of(first))
        }
    }

    /// The values of a column: missing where there are none.
    pub fn column(&self, column: Column) -> Values {
        match column {
            Column::Axis(axis) => {
                let numbers = &self.sweep.numbers[axis];
                self.axis(axis, |place| {
                    numbers.get(place).copied().flatten().unwrap_or(MISSING)
                })
            }
            Column::Point => Values::One(MISSING),
            Column::Field(field) => {
                let Some(batch) = self.batch else {
                    return Values::One(MISSING);
                };
                let reasons = batch.column(Field::Reason);
                let known = matches!(field, Field::Reason | Field::Fits);
                let value = |(value, reason): (&u64, &u64)| {
                    if *reason != 0 && !known {
                        MISSING
                    } else if field == Field::Headroom {
                        i128::from(value.cast_signed())
                    } else {
                        i128::from(*value)
                    }
                };
                Values::Each(batch.column(field).iter().zip(reasons).map(value).collect())
            }
        }
    }

    /// The values of a node.
    pub(super) fn values(&self, node: &Node) -> Values {
        match node {
            Node::Number(number) | Node::Ratio(number) => Values::One(*number),
            Node::Axis(axis) => self.column(Column::Axis(*axis)),
            Node::Field(field) => self.column(Column::Field(*field)),
            Node::Among(axis, marked) => self.axis(*axis, |place| {
                i128::from(marked.get(place).copied().unwrap_or(false))
            }),
            Node::Not(node) => self.values(node).map(|value| i128::from(!holds(value))),
            Node::Negate(node) => self
                .values(node)
                .map(|value| value.checked_neg().unwrap_or(MISSING)),
            Node::Both(operator, left, right) => {
                let (left, right) = (self.values(left), self.values(right));
                if let (Values::One(left), Values::One(right)) = (&left, &right) {
                    return Values::One(apply(*operator, *left, *right));
                }
                let rows = 0..self.count;
                Values::Each(
                    rows.map(|row| apply(*operator, left.at(row), right.at(row)))
                        .collect(),
                )
            }
        }
    }
}

/// Which rows of a run are left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sweep) enum Left {
    /// All.
    All,
    /// None.
    None,
    /// Those marked.
    Some(Vec<bool>),
}

impl Left {
    /// Whether a row is.
    pub fn has(&self, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Some(marked) => marked.get(row).copied().unwrap_or(false),
        }
    }

    /// Those of them for which a value holds, too.
    pub(super) fn and(self, values: &Values) -> Self {
        match (self, values) {
            (Self::None, _) => Self::None,
            (left, Values::One(value)) => {
                if holds(*value) {
                    left
                } else {
                    Self::None
                }
            }
            (Self::All, Values::Each(values)) => {
                Self::Some(values.iter().map(|value| holds(*value)).collect())
            }
            (Self::Some(mut marked), Values::Each(values)) => {
                for (marked, value) in marked.iter_mut().zip(values) {
                    *marked &= holds(*value);
                }
                Self::Some(marked)
            }
        }
    }
}
