//! Words for how two numbers differ. What is exact is said in whole numbers; what is rounded says so.

use crate::size::format_bytes;

/// Fractions with a larger denominator are told in per cent.
const LARGEST: i128 = 128;

/// Names of the parts that a whole is cut into.
const PARTS: [&str; 11] = [
    "half", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth",
];

/// How large a number is beside another one: `one eighth`, `3 times`, `3/8`; rounded, `12.5 % more`, `about 2.41 times`,
/// `about 1/71`.
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
        (1, 1) => Some("the same".to_owned()),
        (2, 1) => Some("twice".to_owned()),
        (times, 1) => Some(format!("{times} times")),
        (1, parts) if parts <= LARGEST => {
            let at = usize::try_from(parts - 2).ok();
            let name = at.and_then(|at| PARTS.get(at));
            Some(name.map_or_else(|| format!("1/{parts}"), |name| format!("one {name}")))
        }
        (part, whole) if part < whole && whole <= 16 => Some(format!("{part}/{whole}")),
        _ => None,
    }
}

/// A ratio between a half and two, in per cent.
fn near(before: i128, after: i128) -> Option<String> {
    let is_near = after < before.saturating_mul(2) && before < after.saturating_mul(2);
    is_near.then(|| percent(before, after))
}

/// Any other ratio, rounded.
fn far(before: i128, after: i128) -> String {
    if after < before / 10 {
        return format!("about 1/{}", (2 * before + after) / (2 * after));
    }
    let hundredths = (200 * after + before) / (2 * before);
    format!("about {}.{:02} times", hundredths / 100, hundredths % 100)
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
        if 2 * count < 1999 * scale && (scale > 1 || count < 1000) {
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

/// The greatest common divisor of two numbers above 0.
const fn divisor(mut one: i128, mut other: i128) -> i128 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}
