//! Sizes, counts and rates as people write them, read with whole numbers alone: `79.19GiB`, `80 GB`, `32k`, `989.4T`.
//!
//! A decimal point is exact: the digits are multiplied by the unit before they are divided by the power of ten, and
//! what is left of a byte is dropped, so `79.19GiB` is 85029615042 bytes (of 85029615042.56). Case, spaces and
//! underscores between digits do not matter.
//!
//! What this module does not do: it never guesses a unit (`24G` may mean either of two and is refused), and it reads
//! no bits.

use std::fmt;

/// Why a text is not the number that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SizeError {
    /// The text, as given.
    pub text: String,
    /// What is wrong with it, and what to write instead.
    pub reason: String,
    /// Whether it is a number, but below 0 or beyond 64 bits.
    pub beyond: bool,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A text of any length may be given; its beginning says which one it was.
        const SHOWN: usize = 40;
        let shown: String = self.text.chars().take(SHOWN).collect();
        let more = if self.text.chars().nth(SHOWN).is_some() {
            "…"
        } else {
            ""
        };
        write!(f, "'{}{more}' {}", shown.escape_debug(), self.reason)
    }
}

impl std::error::Error for SizeError {}

/// A unit and what one of it is.
type Unit = (&'static str, u64);

const KIBI: u64 = 1024;
const KILO: u64 = 1000;

/// Units of bytes: SI powers of 1000, IEC powers of 1024.
const BYTES: &[Unit] = &[
    ("b", 1),
    ("kb", KILO),
    ("mb", KILO.pow(2)),
    ("gb", KILO.pow(3)),
    ("tb", KILO.pow(4)),
    ("pb", KILO.pow(5)),
    ("eb", KILO.pow(6)),
    ("kib", KIBI),
    ("mib", KIBI.pow(2)),
    ("gib", KIBI.pow(3)),
    ("tib", KIBI.pow(4)),
    ("pib", KIBI.pow(5)),
    ("eib", KIBI.pow(6)),
];

/// Units of counts. Contexts are named by powers of two: the 32k of a model card are `max_position_embeddings` 32768.
const COUNTS: &[Unit] = &[("k", KIBI), ("m", KIBI.pow(2)), ("g", KIBI.pow(3))];

/// Units of rates of work: powers of 1000, as data sheets have them.
const RATES: &[Unit] = &[
    ("k", KILO),
    ("m", KILO.pow(2)),
    ("g", KILO.pow(3)),
    ("t", KILO.pow(4)),
    ("p", KILO.pow(5)),
    ("e", KILO.pow(6)),
];

/// Bytes from a text: `80GB` (powers of 1000), `79.19GiB` (powers of 1024), `512 MiB`, or bare digits.
///
/// The rest of a byte that a decimal leaves is dropped.
///
/// ```
/// use pondera::size::parse_bytes;
/// assert_eq!(parse_bytes("80GB").unwrap(), 80_000_000_000);
/// assert_eq!(parse_bytes("79.19 GiB").unwrap(), 85_029_615_042);
/// assert_eq!(parse_bytes("85_899_345_920").unwrap(), 80 << 30);
/// assert!(parse_bytes("24G").is_err());
/// ```
///
/// # Errors
/// The text is empty, negative, no number, of an unknown or missing unit, or beyond 2^64 - 1 bytes.
pub fn parse_bytes(text: &str) -> Result<u64, SizeError> {
    let number = Number::read(text, "a size", "80GB, 79.19GiB or 512MiB")?;
    let scale = match number.unit.as_str() {
        "" => return number.whole(),
        "k" | "m" | "g" | "t" | "p" | "e" | "ki" | "mi" | "gi" | "ti" | "pi" | "ei" => {
            return Err(number.refused(&format!(
                "has no clear unit; write {0}B for powers of 1000 or {0}iB for powers of 1024",
                number.unit[..1].to_uppercase()
            )));
        }
        unit => number.scale(BYTES, unit)?,
    };
    number.times(scale)
}

/// Whether the text is a number with a unit of bytes, so that it can only be meant as a size.
#[must_use]
pub fn is_size(text: &str) -> bool {
    Number::read(text, "a size", "80GB")
        .is_ok_and(|number| BYTES.iter().any(|(unit, _)| *unit == number.unit))
}

/// A count from a text, such as tokens of context: bare digits, or with `k` for 1024, `m` for 1024^2, `g` for 1024^3.
///
/// Powers of two, for so the field names contexts: 4k is 4096, 32k is 32768, 128k is 131072 and 1m is 1048576 tokens.
/// Who means thousands writes them out (`32000`, `32_000`, `32e3`).
///
/// ```
/// use pondera::size::parse_count;
/// assert_eq!(parse_count("32k").unwrap(), 32_768);
/// assert_eq!(parse_count("1.5k").unwrap(), 1_536);
/// assert_eq!(parse_count("32_000").unwrap(), 32_000);
/// ```
///
/// # Errors
/// The text is empty, negative, no number, not whole, of an unknown unit, or beyond 2^64 - 1.
pub fn parse_count(text: &str) -> Result<u64, SizeError> {
    let number = Number::read(text, "a count", "32768, 32_768 or 32k")?;
    let scale = match number.unit.as_str() {
        "" => 1,
        unit => number.scale(COUNTS, unit)?,
    };
    number.exactly(scale)
}

/// Operations per second from a text: `989.4T` is 989400000000000. The rest of one is dropped.
///
/// # Errors
/// The text is empty, negative, no number, of an unknown unit, or beyond 2^64 - 1.
pub fn parse_operations(text: &str) -> Result<u64, SizeError> {
    let number = Number::read(text, "a rate", "989.4T")?;
    let scale = match number.unit.as_str() {
        "" => return number.whole(),
        unit => number.scale(RATES, unit)?,
    };
    number.times(scale)
}

/// Bytes per second from a text: a size, with `/s` behind it or not. The rest of a byte is dropped.
///
/// # Errors
/// As `parse_bytes`.
pub fn parse_bandwidth(text: &str) -> Result<u64, SizeError> {
    let trimmed = text.trim();
    let size = trimmed
        .strip_suffix("/s")
        .or_else(|| trimmed.strip_suffix("/S"))
        .unwrap_or(trimmed);
    parse_bytes(size)
}

/// Bytes in powers of 1024 with two decimals, rounded half up, as `79.19 GiB`. For people only: it is not exact.
#[must_use]
pub fn format_bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scale = 1_u128;
    let mut shown = format!("{bytes} B");
    for unit in UNITS {
        scale *= u128::from(KIBI);
        if u128::from(bytes) < scale {
            break;
        }
        let hundredths = (200 * u128::from(bytes) + scale) / (2 * scale);
        shown = format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100);
    }
    shown
}

/// A decimal number with a unit: `digits / 10^decimals`.
struct Number<'a> {
    text: &'a str,
    kind: &'static str,
    example: &'static str,
    digits: u128,
    decimals: u32,
    /// In small letters.
    unit: String,
}

impl<'a> Number<'a> {
    fn read(text: &'a str, kind: &'static str, example: &'static str) -> Result<Self, SizeError> {
        let mut number = Number {
            text,
            kind,
            example,
            digits: 0,
            decimals: 0,
            unit: String::new(),
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(number.refused(&format!("is empty; write {kind} such as {example}")));
        }
        if let Some(rest) = trimmed.strip_prefix('-') {
            return Err(SizeError {
                beyond: rest.starts_with(|c: char| c.is_ascii_digit())
                    && Number::read(rest, kind, example).is_ok(),
                ..number.refused(&format!("is negative; {kind} is 0 or more"))
            });
        }
        let end = trimmed
            .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_'))
            .unwrap_or(trimmed.len());
        let (digits, rest) = trimmed.split_at(end);
        let (exponent, unit) = split_exponent(rest);
        number.unit = unit.trim().to_lowercase();
        let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
        let well_formed = [before, behind]
            .iter()
            .all(|part| !part.starts_with('_') && !part.ends_with('_') && !part.contains("__"));
        if !digits.bytes().any(|byte| byte.is_ascii_digit()) || !well_formed || behind.contains('.')
        {
            return Err(number.refused(&format!("is not {kind}; write one such as {example}")));
        }
        for digit in before.bytes().chain(behind.bytes()) {
            if digit != b'_' {
                number.digits = number
                    .digits
                    .checked_mul(10)
                    .and_then(|tens| tens.checked_add(u128::from(digit - b'0')))
                    .ok_or_else(|| number.too_large())?;
            }
        }
        let behind = behind.bytes().filter(u8::is_ascii_digit).count();
        number.decimals = u32::try_from(behind).map_err(|_| number.too_large())?;
        number.shift(exponent)?;
        Ok(number)
    }

    /// Multiplies by a power of ten.
    fn shift(&mut self, exponent: &str) -> Result<(), SizeError> {
        if exponent.is_empty() || self.digits == 0 {
            return Ok(());
        }
        let exponent: u32 = exponent.parse().map_err(|_| self.too_large())?;
        let taken = exponent.min(self.decimals);
        self.decimals -= taken;
        self.digits = 10_u128
            .checked_pow(exponent - taken)
            .and_then(|power| self.digits.checked_mul(power))
            .ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn scale(&self, units: &[Unit], wanted: &str) -> Result<u64, SizeError> {
        units
            .iter()
            .find(|(unit, _)| *unit == wanted)
            .map(|(_, scale)| *scale)
            .ok_or_else(|| {
                let shown: String = wanted.chars().take(20).collect();
                self.refused(&format!(
                    "has the unknown unit '{}'; write {} such as {}",
                    shown.escape_debug(),
                    self.kind,
                    self.example
                ))
            })
    }

    /// The number times the scale, without what is left of one; and what is left.
    fn divided(&self, scale: u64) -> Result<(u64, u128), SizeError> {
        let too_long = || self.refused("has more digits than can be read; write fewer");
        let power = 10_u128.checked_pow(self.decimals).ok_or_else(too_long)?;
        if self.digits / power > u128::from(u64::MAX) {
            return Err(self.too_large());
        }
        let product = self
            .digits
            .checked_mul(u128::from(scale))
            .ok_or_else(too_long)?;
        let whole = u64::try_from(product / power).map_err(|_| self.too_large())?;
        Ok((whole, product % power))
    }

    fn times(&self, scale: u64) -> Result<u64, SizeError> {
        Ok(self.divided(scale)?.0)
    }

    fn exactly(&self, scale: u64) -> Result<u64, SizeError> {
        match self.divided(scale)? {
            (whole, 0) => Ok(whole),
            _ => Err(self.refused(&format!(
                "is not whole; write {} such as {}",
                self.kind, self.example
            ))),
        }
    }

    fn whole(&self) -> Result<u64, SizeError> {
        match self.divided(1)? {
            (whole, 0) => Ok(whole),
            _ => Err(self.refused(&format!(
                "is not whole and has no unit; write {} such as {}",
                self.kind, self.example
            ))),
        }
    }

    fn too_large(&self) -> SizeError {
        SizeError {
            beyond: true,
            ..self
                .refused("is beyond 18446744073709551615, the most that can be counted; write less")
        }
    }

    fn refused(&self, reason: &str) -> SizeError {
        SizeError {
            text: self.text.to_owned(),
            reason: reason.to_owned(),
            beyond: false,
        }
    }
}

/// The digits of an exponent (`e9`, `e+9`) and what stands behind it. `eb` and `e` alone are units.
fn split_exponent(rest: &str) -> (&str, &str) {
    let Some(tail) = rest.strip_prefix(['e', 'E']) else {
        return ("", rest);
    };
    let tail = tail.strip_prefix('+').unwrap_or(tail);
    let end = tail
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(tail.len());
    match tail.split_at(end) {
        ("", _) => ("", rest),
        split => split,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        format_bytes, is_size, parse_bandwidth, parse_bytes, parse_count, parse_operations,
    };

    #[test]
    fn bytes_are_exact_and_the_rest_of_one_is_dropped() {
        for (text, expected) in [
            ("0", 0),
            ("123", 123),
            ("1_000", 1000),
            ("1e9", 1_000_000_000),
            ("1.5e3", 1500),
            ("1E+2 kB", 100_000),
            ("80GB", 80_000_000_000),
            ("80gb", 80_000_000_000),
            (" 80 GB ", 80_000_000_000),
            ("80GiB", 85_899_345_920),
            // 79.19 * 1073741824 = 85029615042.56 by hand:
            // 79 * 1073741824 = 84825604096; 0.19 * 1073741824 = 204010946.56.
            ("79.19GiB", 85_029_615_042),
            ("512MiB", 536_870_912),
            (".5KiB", 512),
            ("1.KiB", 1024),
            ("0.1b", 0),
            // 0.1 is no binary fraction: a float would give 107374182.40000000596.
            ("0.1GiB", 107_374_182),
            // 2^53 + 1 is the first whole number that a float cannot hold.
            ("9007199254740993", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("15.999999EiB", 18_446_742_920_788_047_009),
            ("1tb", 1_000_000_000_000),
            ("1PiB", 1 << 50),
        ] {
            assert_eq!(parse_bytes(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_size_is_refused_in_one_sentence() {
        for (text, part) in [
            ("", "is empty"),
            ("  ", "is empty"),
            ("-1GB", "is negative"),
            ("-", "is negative"),
            ("GB", "is not a size"),
            (".", "is not a size"),
            ("1.2.3GB", "is not a size"),
            ("1__0", "is not a size"),
            ("_1", "is not a size"),
            ("nan", "is not a size"),
            (
                "24G",
                "write GB for powers of 1000 or GiB for powers of 1024",
            ),
            ("24Gi", "write GB for"),
            ("24 apples", "unknown unit 'apples'"),
            ("80GB/s", "unknown unit 'gb/s'"),
            ("1.5", "is not whole and has no unit"),
            ("18446744073709551616", "beyond 18446744073709551615"),
            ("16EiB", "beyond"),
            ("1e30", "beyond"),
            ("999999999999999999999999999999GB", "beyond"),
            ("1.0000000000000000000000000000000GB", "more digits"),
            ("1e99999999999", "beyond"),
            ("99999999999999999999999999999999999999999", "beyond"),
            (
                "0.00000000000000000000000000000000000000001GB",
                "more digits",
            ),
        ] {
            let error = parse_bytes(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
        let long = parse_bytes(&"x".repeat(10_000)).unwrap_err().to_string();
        assert!(long.len() < 200, "{long}");
    }

    #[test]
    fn counts_are_named_by_powers_of_two() {
        for (text, expected) in [
            ("4k", 4096),
            ("32K", 32_768),
            ("128k", 131_072),
            ("1m", 1_048_576),
            ("1.5k", 1536),
            ("32_000", 32_000),
            ("32e3", 32_000),
            ("0", 0),
        ] {
            assert_eq!(parse_count(text), Ok(expected), "{text}");
        }
        for (text, part) in [
            ("0.3k", "is not whole"),
            ("1.5", "is not whole"),
            ("1kb", "unknown unit 'kb'"),
            ("-3", "is negative"),
            ("1e30", "beyond"),
            ("", "is empty"),
        ] {
            let error = parse_count(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn rates_are_powers_of_a_thousand() {
        assert_eq!(parse_operations("989.4T"), Ok(989_400_000_000_000));
        assert_eq!(parse_operations("2.5P"), Ok(2_500_000_000_000_000));
        assert_eq!(parse_bandwidth("3.35TB/s"), Ok(3_350_000_000_000));
        assert_eq!(parse_bandwidth("936.2 GB"), Ok(936_200_000_000));
        assert!(parse_operations("5 apples").is_err());
        assert!(parse_bandwidth("5GT/s").is_err());
    }

    #[test]
    fn a_size_is_told_from_a_name() {
        for text in ["24GB", "79.19 GiB", "1tb"] {
            assert!(is_size(text), "{text}");
        }
        for text in ["24", "4090", "H100", "", "24G", "-24GB"] {
            assert!(!is_size(text), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_powers_of_1024() {
        for (bytes, expected) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1536, "1.50 KiB"),
            (85_029_615_043, "79.19 GiB"),
            (u64::MAX, "16.00 EiB"),
        ] {
            assert_eq!(format_bytes(bytes), expected);
        }
    }
}
