//! Points as Python numbers them: from either end, by slices, with whole numbers of any size.

use crate::errors::PonderaError;
use pondera::sweep::MOST_ROWS;
use pyo3::exceptions::PyIndexError;
use pyo3::prelude::*;
use pyo3::types::{PyRange, PySlice};
use std::ops::Range;

/// Further than any point is from any other one.
const FAR: i128 = 1 << 65;

/// A whole number; what is further away than all points is somewhere beyond them.
fn whole(given: &Bound<'_, PyAny>) -> PyResult<i128> {
    let number = given
        .py()
        .import("operator")?
        .call_method1("index", (given,))?;
    let far = if number.lt(0)? { -FAR } else { FAR };
    Ok(number
        .extract::<i128>()
        .map_or(far, |number| number.clamp(-FAR, FAR)))
}

/// The point of an index, which counts from the end if it is negative.
pub fn index(given: &Bound<'_, PyAny>, points: u64) -> PyResult<u64> {
    let number = whole(given)?;
    let place = if number < 0 {
        number + i128::from(points)
    } else {
        number
    };
    u64::try_from(place)
        .ok()
        .filter(|&place| place < points)
        .ok_or_else(|| {
            PyIndexError::new_err(format!("there is no point {given}; the sweep has {points}"))
        })
}

/// The points of a range, of which either end may be left out.
pub fn range(
    start: Option<&Bound<'_, PyAny>>,
    stop: Option<&Bound<'_, PyAny>>,
    points: u64,
) -> PyResult<Range<u64>> {
    let end = |given: Option<&Bound<'_, PyAny>>, otherwise: u64| match given {
        None => Ok(otherwise),
        Some(given) => u64::try_from(whole(given)?).map_err(|_| {
            PonderaError::new_err(format!(
                "points up to {given} are not within the sweep, which has {points}"
            ))
        }),
    };
    Ok(end(start, 0)?..end(stop, points)?)
}

/// Points of a slice.
pub enum Points {
    /// One after the other.
    Range(Range<u64>),
    /// These, in this order.
    Each(Vec<u64>),
}

/// The points that a slice takes, as it takes them of a list.
pub fn slice(given: &Bound<'_, PySlice>, points: u64) -> PyResult<Points> {
    let py = given.py();
    let all = py.get_type::<PyRange>().call1((points,))?;
    let taken = all.get_item(given)?;
    let part = |name: &str| whole(&taken.getattr(name)?);
    let (start, end, step) = (part("start")?, part("stop")?, part("step")?);
    let length = if step > 0 {
        (end - start + step - 1) / step
    } else {
        (start - end - step - 1) / -step
    };
    let length = length.max(0);
    if length > i128::from(MOST_ROWS) {
        return Err(PonderaError::new_err(format!(
            "a table has at most {MOST_ROWS} rows, not {length}; ask for it in pieces"
        )));
    }
    let at = |place: i128| u64::try_from(place).unwrap_or(0);
    if step == 1 {
        return Ok(Points::Range(at(start)..at(start + length)));
    }
    let places = (0..length).map(|place| at(start + place * step));
    Ok(Points::Each(places.collect()))
}
