//! Ranges of whole numbers as people write them: `4k..1m`, `4k..1m:64`, `1..8+1`.

use super::refused;
use crate::deployment::FitError;
use crate::size;

/// How many values a range has at most.
const MOST: u64 = 1 << 24;

/// How a range goes from its first number to its last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    /// Each is twice the one before; the last number ends it, whether it is met or not.
    Doubling,
    /// So many, the ratio of one to the next being the same but for rounding. Each number comes once, so that there may be fewer.
    Even(u64),
    /// By this much, up to the last number and not beyond.
    By(u64),
}

/// Whether a text is a range, and no single number.
#[must_use]
pub fn is_range(text: &str) -> bool {
    text.contains("..")
}

/// Whether a text is a range of which both ends read as numbers, where other texts may have two dots, too.
#[must_use]
pub fn has_numbers_for_ends(text: &str) -> bool {
    let Some((first, rest)) = text.split_once("..") else {
        return false;
    };
    let last = rest.split([':', '+']).next().unwrap_or(rest);
    size::parse_count(first).is_ok() && size::parse_count(last).is_ok()
}

/// The numbers of a range that was written down: `A..B` doubles from A up to B, `A..B:64` has 64 numbers at even ratios,
/// and `A..B+8` goes by steps of 8.
///
/// ```
/// use pondera::sweep::range;
/// assert_eq!(range("context", "4k..20k")?, [4096, 8192, 16384, 20480]);
/// assert_eq!(range("context", "1..100:3")?, [1, 10, 100]);
/// assert_eq!(range("concurrency", "1..8+3")?, [1, 4, 7]);
/// # Ok::<(), pondera::deployment::FitError>(())
/// ```
///
/// # Errors
/// If it is none; the message names the field.
pub fn range(field: &str, text: &str) -> Result<Vec<u64>, FitError> {
    let count =
        |text: &str| size::parse_count(text).map_err(|error| refused(format!("{field}: {error}")));
    let Some((first, rest)) = text.split_once("..") else {
        return Ok(vec![count(text)?]);
    };
    let (last, steps) = if let Some((last, count_of)) = rest.split_once(':') {
        (last, Steps::Even(count(count_of)?))
    } else if let Some((last, step)) = rest.split_once('+') {
        (last, Steps::By(count(step)?))
    } else {
        (rest, Steps::Doubling)
    };
    series(field, count(first)?, count(last)?, steps)
}

/// The numbers from one to another, both included but for the last of [`Steps::By`], in ascending order.
///
/// # Errors
/// If there is no such range, or it has too many numbers; the message names the field.
pub fn series(field: &str, first: u64, last: u64, steps: Steps) -> Result<Vec<u64>, FitError> {
    let refuse = |why: &str| Err(refused(format!("{field}: {why}")));
    if first > last {
        return refuse(&format!("a range goes upwards, not from {first} to {last}"));
    }
    match steps {
        Steps::Doubling | Steps::Even(_) if first == 0 => {
            refuse("a range that grows by ratios begins above 0; or give it steps, as 0..8+1")
        }
        Steps::Doubling => {
            let next = |&number: &u64| number.checked_mul(2).filter(|&next| next < last);
            let mut all: Vec<u64> = std::iter::successors(Some(first), next).collect();
            if first != last {
                all.push(last);
            }
            Ok(all)
        }
        Steps::Even(count) if count < 2 => {
            refuse("a range of so many numbers has at least its two ends")
        }
        Steps::Even(count) if count > MOST => refuse(&too_many(count)),
        Steps::Even(count) => Ok(even(first, last, count)),
        Steps::By(0) => refuse("a range goes by steps of at least 1"),
        Steps::By(step) => {
            let count = (last - first) / step + 1;
            if count > MOST {
                return refuse(&too_many(count));
            }
            Ok((0..count).map(|place| first + place * step).collect())
        }
    }
}

fn too_many(count: u64) -> String {
    format!("a range has at most {MOST} numbers, not {count}")
}

/// Numbers at even ratios: ratios are no bytes, so that floating point may round them.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rounded to whole numbers within the two ends"
)]
fn even(first: u64, last: u64, count: u64) -> Vec<u64> {
    let ratio = last as f64 / first as f64;
    let mut all: Vec<u64> = (0..count)
        .map(|place| {
            if place + 1 == count {
                return last;
            }
            let share = place as f64 / (count - 1) as f64;
            let number = (first as f64 * ratio.powf(share)).round() as u64;
            number.clamp(first, last)
        })
        .collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::{Steps, has_numbers_for_ends, range, series};

    #[test]
    fn ranges_begin_and_end_where_they_say() {
        assert_eq!(
            range("c", "4k..1m").unwrap(),
            (12..=20).map(|power| 1 << power).collect::<Vec<u64>>()
        );
        assert_eq!(range("c", "3..20").unwrap(), [3, 6, 12, 20]);
        assert_eq!(range("c", "7..7").unwrap(), [7]);
        assert_eq!(range("c", "9").unwrap(), [9]);
        assert_eq!(range("c", "0..1k+512").unwrap(), [0, 512, 1024]);
        let even = range("c", "4k..1m:64").unwrap();
        assert_eq!((even.len(), even[0], even[63]), (64, 4096, 1 << 20));
        assert!(even.is_sorted_by(|one, next| one < next));
        // 256 to the power of 1/63 is 1.0920, and 4096 times that 4472.9.
        assert_eq!(even[1], 4473);
        // Between 1 and 4 there are four whole numbers, however many are asked for.
        assert_eq!(range("c", "1..4:100").unwrap(), [1, 2, 3, 4]);
        let end = u64::MAX;
        let doubled = series("c", 1, end, Steps::Doubling).unwrap();
        assert_eq!((doubled.len(), doubled[64]), (65, end));
        assert_eq!(
            series("c", end - 1, end, Steps::By(1)).unwrap(),
            [end - 1, end]
        );
        assert_eq!(
            *series("c", 1, end, Steps::Even(9)).unwrap().last().unwrap(),
            end
        );
    }

    #[test]
    fn texts_with_two_dots_are_ranges_if_their_ends_are_numbers() {
        for text in ["4k..1m", "4..8:3", "4..8+2", "8..4", "4..8:x"] {
            assert!(has_numbers_for_ends(text), "{text}");
        }
        for text in ["../x", "a..b", "1..", "..8", "4", "1..8..9", "v1..v2+3", ""] {
            assert!(!has_numbers_for_ends(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_its_field() {
        for bad in [
            "8..4",
            "0..8",
            "0..8:3",
            "1..8:1",
            "1..8:0",
            "1..8+0",
            "1..",
            "..8",
            "a..b",
            "1..8:x",
            "0..100g+1",
            "1..1g:100g",
            "1..8..9",
            "",
        ] {
            let error = range("context", bad).unwrap_err();
            assert!(error.message.starts_with("context: "), "{bad}: {error}");
        }
    }
}
