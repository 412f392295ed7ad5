//! Words for how two numbers differ. What is exact is said in whole numbers; what is rounded says so.

use crate::size::format_bytes;
use crate::wording::grouped;

/// Names of the parts that a whole is cut into.
const PARTS: [&str; 11] = [
    "half", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
];

/// How a number is beside an equal one.
pub const SAME: &str = "the same";

/// How large a number is beside another one, in one way throughout: below twice in per cent (`12.5 % more`, `69.0 % less`),
/// from there on `3 times` or `about 2.41 times`; fractions where they are exact (`one eighth`, `3/8`) or small
/// (`about 1/71`).
///
/// Both are above 0.
#[must_use]
pub fn ratio(before: i128, after: i128) -> String {
    exact(before, after)
        .or_else(|| near(before, after))
        .unwrap_or_else(|| far(before, after))
}

/// A difference with how large it is: `one fourth: 1.50 GiB less`, `1.29 B more (19.2 %)`.
#[must_use]
pub fn change(before: i128, after: i128, difference: &str) -> String {
    let words = match exact(before, after) {
        Some(words) => words,
        None if near(before, after).is_some() => {
            return format!("{difference} ({})", share(before, after));
        }
        None => far(before, after),
    };
    format!("{words}: {difference}")
}

/// A ratio in whole numbers, where these are small.
fn exact(before: i128, after: i128) -> Option<String> {
    let common = divisor(before, after);
    match (after / common, before / common) {
        (1, 1) => Some(SAME.to_owned()),
        (2, 1) => Some("twice".to_owned()),
        (times, 1) => Some(format!("{} times", digits(times))),
        (1, parts) => {
            let at = usize::try_from(parts - 2).ok();
            let name = at.and_then(|at| PARTS.get(at));
            Some(name.map_or_else(
                || format!("1/{}", digits(parts)),
                |name| format!("one {name}"),
            ))
        }
        (part, whole) if 2 * part < whole && whole <= 16 => Some(format!("{part}/{whole}")),
        _ => None,
    }
}

/// A ratio below two, in per cent, down to a twentieth.
fn near(before: i128, after: i128) -> Option<String> {
    let is_near = after < before.saturating_mul(2) && before < after.saturating_mul(20);
    is_near.then(|| match percent(before, after) {
        // What rounds to the double is called so.
        words if words == "100.0 % more" => "about twice".to_owned(),
        words => words,
    })
}

/// Any other ratio, rounded to the hundredth.
fn far(before: i128, after: i128) -> String {
    if after < before {
        return format!("about 1/{}", digits((2 * before + after) / (2 * after)));
    }
    let hundredths = (200 * after + before) / (2 * before);
    let about = if hundredths * before == 100 * after {
        ""
    } else {
        "about "
    };
    format!(
        "{about}{}.{:02} times",
        digits(hundredths / 100),
        hundredths % 100
    )
}

/// By how much a number is larger or smaller than another one above 0: `12.5 % more`.
#[must_use]
pub fn percent(before: i128, after: i128) -> String {
    let word = if after < before { "less" } else { "more" };
    format!("{} {word}", share(before, after))
}

/// The difference from a number above 0 as a share of it: `12.5 %`.
fn share(before: i128, after: i128) -> String {
    let thousandths = (2000 * (after - before).abs() + before) / (2 * before);
    if thousandths == 0 {
        return "less than 0.1 %".to_owned();
    }
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// A difference of bytes: `1.50 GiB less`.
#[must_use]
pub fn bytes(change: i128) -> String {
    differ(change, |size| {
        u64::try_from(size).map_or_else(|_| format!("{size} B"), format_bytes)
    })
}

/// A difference of parameters: `1.29 B more`.
#[must_use]
pub fn parameters(change: i128) -> String {
    differ(change, short)
}

/// A count in thousands (K), millions (M), billions (B) or trillions (T), rounded half up, as `684.49 B`.
#[must_use]
pub fn short(count: i128) -> String {
    let mut scale = 1_i128;
    let mut shown = count.to_string();
    for unit in ["K", "M", "B", "T", "Q"] {
        // What rounds to a thousand of a unit is one of the next.
        if 200 * count < 199_999 * scale {
            break;
        }
        scale *= 1000;
        let hundredths = (200 * count + scale) / (2 * scale);
        shown = format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
    }
    shown
}

fn differ(change: i128, show: impl Fn(i128) -> String) -> String {
    let word = if change < 0 { "less" } else { "more" };
    format!("{} {word}", show(change.abs()))
}

/// A number above 0 with separators.
fn digits(number: i128) -> String {
    grouped(number.unsigned_abs())
}

/// The greatest common divisor of two numbers above 0.
const fn divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::{PARTS, change, percent, ratio, short};
    use proptest::prelude::*;

    #[test]
    fn ratios_are_said_as_people_say_them() {
        for (before, after, expected) in [
            (64, 8, "one eighth"),
            (2, 1, "one half"),
            (8, 16, "twice"),
            (8, 64, "8 times"),
            (8, 3, "3/8"),
            (4, 3, "25.0 % less"),
            (2, 3, "50.0 % more"),
            (1000, 310, "69.0 % less"),
            (1000, 51, "94.9 % less"),
            (1000, 49, "about 1/20"),
            (40_960, 576, "about 1/71"),
            (5, 32, "6.40 times"),
            (1000, 2410, "2.41 times"),
            (1000, 1125, "12.5 % more"),
            (1000, 999, "0.1 % less"),
            (10_000, 9999, "less than 0.1 % less"),
            (7, 7, "the same"),
            (100_000, 199_999, "about twice"),
            (1, 100, "100 times"),
            (100, 1, "1/100"),
            (1000, 1, "1/1,000"),
            (9999, 2, "about 1/5,000"),
        ] {
            assert_eq!(ratio(before, after), expected);
        }
        assert_eq!(change(4, 1, "3 less"), "one fourth: 3 less");
        assert_eq!(change(1000, 1125, "125 more"), "125 more (12.5 %)");
    }

    #[test]
    fn counts_are_rounded_half_up_to_the_hundredth() {
        for (count, expected) in [
            (999, "999"),
            (1000, "1.00 K"),
            (8_030_261_248, "8.03 B"),
            (684_489_845_504, "684.49 B"),
            (999_994_999, "999.99 M"),
            (999_999_999, "1.00 B"),
        ] {
            assert_eq!(short(count), expected);
        }
    }

    /// The fraction that words stand for, and whether they are exact.
    fn read(words: &str) -> Option<(i128, i128)> {
        if words.contains("about") || words.contains('%') {
            return None;
        }
        let words = words.replace(',', "");
        Some(match words.as_str() {
            "the same" => (1, 1),
            "twice" => (2, 1),
            _ => {
                if let Some(name) = words.strip_prefix("one ") {
                    let at = PARTS.iter().position(|part| *part == name)?;
                    (1, i128::try_from(at).ok()? + 2)
                } else if let Some((part, whole)) = words.split_once('/') {
                    (part.parse().ok()?, whole.parse().ok()?)
                } else {
                    let times = words.strip_suffix(" times")?;
                    match times.split_once('.') {
                        Some((whole, rest)) => (
                            whole.parse::<i128>().ok()? * 100 + rest.parse::<i128>().ok()?,
                            100,
                        ),
                        None => (times.parse().ok()?, 1),
                    }
                }
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_not_called_rounded_is_exact(before in 1..10_000_i128, after in 1..10_000_i128) {
            let words = ratio(before, after);
            if let Some((part, whole)) = read(&words) {
                prop_assert_eq!(before * part, after * whole, "{}", words);
            } else {
                prop_assert!(words.contains("about") || words.contains('%'), "{}", words);
            }
        }

        #[test]
        fn per_cents_are_near(before in 1..1_000_000_i128, after in 1..1_000_000_i128) {
            let words = percent(before, after);
            prop_assert_eq!(words.ends_with("less"), after < before);
            if let Ok(said) = words.split(' ').next().unwrap_or_default().parse::<f64>() {
                #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
                let true_share = 100.0 * (after - before).abs() as f64 / before as f64;
                prop_assert!((said - true_share).abs() <= 0.051, "{} {}", words, true_share);
            }
        }
    }
}
