//! A cursor over JSON text, for the two formats that are read in bulk: safetensors headers and index files.
//!
//! It accepts exactly the JSON grammar (RFC 8259) and builds no tree. Small configuration files are not its
//! business: those go through `serde_json`.

use std::borrow::Cow;
use std::fmt;

/// How deep values may nest, the outermost object counted: the limit of `serde_json`, so that both accept the same
/// headers.
const DEPTH_LIMIT: usize = 127;

/// What is wrong with the text, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonError {
    /// What was found or expected.
    pub kind: JsonErrorKind,
    /// The byte offset in the text.
    pub at: usize,
}

/// The ways in which text fails to be the JSON that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// Something else than this stands here.
    Expected(&'static str),
    /// Bytes that are not UTF-8.
    NotUtf8,
    /// A backslash that begins no known escape, or half of a surrogate pair.
    BadEscape,
    /// A raw control character inside a string.
    ControlCharacter,
    /// Values nested deeper than the limit.
    TooDeep,
    /// A number that is negative, fractional, or over 64 bits where a size is asked for.
    NotASize,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = self.at;
        match self.kind {
            JsonErrorKind::Expected(what) => write!(f, "expected {what} at byte {at}"),
            JsonErrorKind::NotUtf8 => write!(f, "bytes that are not UTF-8 at byte {at}"),
            JsonErrorKind::BadEscape => write!(f, "invalid escape in a string at byte {at}"),
            JsonErrorKind::ControlCharacter => {
                write!(f, "control character in a string at byte {at}")
            }
            JsonErrorKind::TooDeep => {
                write!(f, "values nested deeper than {DEPTH_LIMIT} at byte {at}")
            }
            JsonErrorKind::NotASize => write!(
                f,
                "expected a whole number from 0 to 18446744073709551615 at byte {at}"
            ),
        }
    }
}

type Result<T> = std::result::Result<T, JsonError>;

/// A position in JSON text.
#[derive(Clone, Debug)]
pub struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the first byte.
    #[must_use]
    pub const fn new(text: &'a [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// The byte offset.
    #[must_use]
    pub const fn position(&self) -> usize {
        self.at
    }

    /// Moves to a byte offset that an earlier `position` plus bytes already examined gave.
    pub const fn seek(&mut self, at: usize) {
        self.at = at;
    }

    /// The bytes not yet passed.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn error<T>(&self, kind: JsonErrorKind) -> Result<T> {
        Err(JsonError { kind, at: self.at })
    }

    /// Passes white space; the byte offset behind it.
    pub fn skip_space(&mut self) -> usize {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
        self.at
    }

    /// Passes one byte, after white space, or says what was expected.
    pub fn expect(&mut self, byte: u8, what: &'static str) -> Result<()> {
        if self.eat(byte) {
            Ok(())
        } else {
            self.error(JsonErrorKind::Expected(what))
        }
    }

    /// Passes this byte, after white space, if it is next.
    pub fn eat(&mut self, byte: u8) -> bool {
        self.skip_space();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Whether only white space is left.
    pub fn at_end(&mut self) -> bool {
        self.skip_space();
        self.at >= self.text.len()
    }

    /// Steps through the members of an object or the elements of an array whose opening bracket is passed:
    /// true where another one begins, false once the closing bracket is passed.
    pub fn next_item(&mut self, close: u8, first: &mut bool) -> Result<bool> {
        if self.eat(close) {
            // A closing bracket directly after a comma is caught here: `first` is only true before any item,
            // and after an item a comma is consumed below only together with the look at what follows.
            return Ok(false);
        }
        if !std::mem::take(first) {
            self.expect(
                b',',
                if close == b'}' {
                    "`,` or `}`"
                } else {
                    "`,` or `]`"
                },
            )?;
            self.skip_space();
            if self.peek() == Some(close) {
                return self.error(JsonErrorKind::Expected("another item after `,`"));
            }
        }
        Ok(true)
    }

    /// A member's key and the colon after it.
    pub fn key(&mut self) -> Result<Cow<'a, str>> {
        let key = self.string()?;
        self.expect(b':', "`:`")?;
        Ok(key)
    }

    /// A string, borrowed unless it holds escapes.
    pub fn string(&mut self) -> Result<Cow<'a, str>> {
        self.expect(b'"', "a string")?;
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.utf8(start, self.at)?;
                    self.at += 1;
                    return Ok(Cow::Borrowed(text));
                }
                Some(b'\\') => return self.escaped_string(start).map(Cow::Owned),
                Some(0..=0x1f) => return self.error(JsonErrorKind::ControlCharacter),
                Some(_) => self.at += 1,
                None => return self.error(JsonErrorKind::Expected("the end of a string")),
            }
        }
    }

    fn utf8(&self, start: usize, end: usize) -> Result<&'a str> {
        std::str::from_utf8(&self.text[start..end]).map_err(|error| JsonError {
            kind: JsonErrorKind::NotUtf8,
            at: start + error.valid_up_to(),
        })
    }

    fn escaped_string(&mut self, start: usize) -> Result<String> {
        let mut out = String::from(self.utf8(start, self.at)?);
        let mut run = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    out.push_str(self.utf8(run, self.at)?);
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    out.push_str(self.utf8(run, self.at)?);
                    out.push(self.escape()?);
                    run = self.at;
                }
                Some(0..=0x1f) => return self.error(JsonErrorKind::ControlCharacter),
                Some(_) => self.at += 1,
                None => return self.error(JsonErrorKind::Expected("the end of a string")),
            }
        }
    }

    /// One escape sequence; the cursor is at its backslash.
    fn escape(&mut self) -> Result<char> {
        let begin = self.at;
        let bad = JsonError {
            kind: JsonErrorKind::BadEscape,
            at: begin,
        };
        self.at += 1;
        let letter = self.peek().ok_or_else(|| bad.clone())?;
        self.at += 1;
        Ok(match letter {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = self.hex4().ok_or_else(|| bad.clone())?;
                let code = match unit {
                    0xd800..=0xdbff => {
                        let rest = self.rest();
                        if !rest.starts_with(b"\\u") {
                            return Err(bad);
                        }
                        self.at += 2;
                        let low = self.hex4().ok_or_else(|| bad.clone())?;
                        if !(0xdc00..=0xdfff).contains(&low) {
                            return Err(bad);
                        }
                        0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00)
                    }
                    _ => unit,
                };
                char::from_u32(code).ok_or(bad)?
            }
            _ => return Err(bad),
        })
    }

    fn hex4(&mut self) -> Option<u32> {
        let digits = self.text.get(self.at..self.at + 4)?;
        let mut value = 0;
        for &digit in digits {
            value = value * 16 + char::from(digit).to_digit(16)?;
        }
        self.at += 4;
        Some(value)
    }

    /// A whole number from 0 to 2^64 - 1, written without sign, fraction or exponent.
    pub fn size(&mut self) -> Result<u64> {
        self.skip_space();
        let begin = self.at;
        let not_a_size = JsonError {
            kind: JsonErrorKind::NotASize,
            at: begin,
        };
        let Some((value, length)) = leading_integer(self.rest()) else {
            return Err(not_a_size);
        };
        self.at += length;
        match self.peek() {
            Some(b'.' | b'e' | b'E' | b'0'..=b'9') => Err(not_a_size),
            _ => Ok(value),
        }
    }

    /// Passes `null` if it is next.
    pub fn eat_null(&mut self) -> bool {
        self.skip_space();
        let found = self.rest().starts_with(b"null");
        self.at += if found { 4 } else { 0 };
        found
    }

    /// Passes one value of any kind, checking its grammar; `outside` is how many brackets are open around it.
    pub fn skip_value(&mut self, outside: usize) -> Result<()> {
        // One bit per open bracket would do; a byte each keeps it plain. Depth is bounded.
        let mut open: Vec<(u8, bool)> = Vec::new();
        loop {
            self.skip_space();
            match self.peek() {
                Some(bracket @ (b'{' | b'[')) => {
                    if outside + open.len() >= DEPTH_LIMIT {
                        return self.error(JsonErrorKind::TooDeep);
                    }
                    self.at += 1;
                    open.push((if bracket == b'{' { b'}' } else { b']' }, true));
                }
                Some(b'"') => drop(self.string()?),
                Some(b'-' | b'0'..=b'9') => self.skip_number()?,
                Some(b't') => self.literal(b"true")?,
                Some(b'f') => self.literal(b"false")?,
                Some(b'n') => self.literal(b"null")?,
                _ => return self.error(JsonErrorKind::Expected("a value")),
            }
            // A value is complete, or a container has just opened: find where the next value begins.
            loop {
                let Some((close, first)) = open.last_mut() else {
                    return Ok(());
                };
                let close = *close;
                let mut is_first = std::mem::take(first);
                if self.next_item(close, &mut is_first)? {
                    if close == b'}' {
                        drop(self.key()?);
                    }
                    break;
                }
                open.pop();
            }
        }
    }

    fn literal(&mut self, word: &'static [u8]) -> Result<()> {
        if self.rest().starts_with(word) {
            self.at += word.len();
            Ok(())
        } else {
            self.error(JsonErrorKind::Expected("a value"))
        }
    }

    fn digits(&mut self) -> Result<()> {
        if !matches!(self.peek(), Some(b'0'..=b'9')) {
            return self.error(JsonErrorKind::Expected("a digit"));
        }
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        Ok(())
    }

    fn skip_number(&mut self) -> Result<()> {
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }
}

/// The whole number in canonical form (no leading zero) that the text begins with, and its length in bytes.
///
/// `None` if there is none or it does not fit 64 bits.
#[inline]
#[must_use]
pub fn leading_integer(text: &[u8]) -> Option<(u64, usize)> {
    // Numbers in names mostly have one to three digits: those are read where they stand.
    if let Some(front) = text.first_chunk::<4>() {
        let digit = |at: usize| u32::from(front[at].wrapping_sub(b'0'));
        let first = digit(0);
        if first > 9 {
            return None;
        }
        if first == 0 || digit(1) > 9 {
            return Some((first.into(), 1));
        }
        let two = first * 10 + digit(1);
        if digit(2) > 9 {
            return Some((two.into(), 2));
        }
        if digit(3) > 9 {
            return Some(((two * 10 + digit(2)).into(), 3));
        }
    }
    by_eights(text)
}

/// [`leading_integer`] where about this many digits are to be expected. Offsets have 9 to 12.
///
/// Where the number ends is looked up, not computed, if the guess is right: then what follows it can be examined
/// before its value is known.
#[inline]
#[must_use]
pub fn long_integer(text: &[u8], guess: usize) -> Option<(u64, usize)> {
    if let 1..=16 = guess
        && let Some(high) = text.first_chunk::<8>()
        && high[0] != b'0'
        && text.get(guess).is_some_and(|byte| !byte.is_ascii_digit())
    {
        let high = u64::from_le_bytes(*high) ^ ZEROS;
        if guess <= 8 {
            let digits = high << (64 - 8 * guess);
            if not_digits(digits) == 0 {
                return Some((eight_digits(digits), guess));
            }
        } else if let Some(low) = text[guess - 8..].first_chunk::<8>() {
            let low = u64::from_le_bytes(*low) ^ ZEROS;
            if (not_digits(high) | not_digits(low)) == 0 {
                let high = eight_digits(high << (64 - 8 * (guess - 8)));
                return Some((high * POWERS_OF_TEN[8] + eight_digits(low), guess));
            }
        }
    }
    leading_integer(text)
}

/// [`leading_integer`] eight digits at a time, without leading zero.
#[inline]
fn by_eights(text: &[u8]) -> Option<(u64, usize)> {
    if let Some((high, rest)) = text.split_first_chunk::<8>()
        && let Some(low) = rest.first_chunk::<8>()
        && high[0] != b'0'
    {
        let (high, count) = leading_digits(u64::from_le_bytes(*high));
        if count == 0 {
            return None;
        }
        if count < 8 {
            return Some((high, count));
        }
        let (low, count) = leading_digits(u64::from_le_bytes(*low));
        if count < 8 {
            return Some((high * POWERS_OF_TEN[count] + low, 8 + count));
        }
    }
    slow_integer(text)
}

/// [`leading_integer`] digit by digit: near the end of the text, and for numbers that may overflow.
#[cold]
fn slow_integer(text: &[u8]) -> Option<(u64, usize)> {
    if text.first() == Some(&b'0') {
        return Some((0, 1));
    }
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let mut length = 0;
    let mut value = 0_u64;
    for digit in digits {
        value = value
            .checked_mul(10)?
            .checked_add(u64::from(digit - b'0'))?;
        length += 1;
    }
    (length > 0).then_some((value, length))
}

const POWERS_OF_TEN: [u64; 9] = [
    1,
    10,
    100,
    1_000,
    10_000,
    100_000,
    1_000_000,
    10_000_000,
    100_000_000,
];

/// Eight times the digit `0`.
const ZEROS: u64 = 0x3030_3030_3030_3030;

/// The top bits of those bytes that are not digits, of eight bytes with `0` taken off each.
#[inline]
const fn not_digits(values: u64) -> u64 {
    // A byte is a digit when it is at most 9: then adding 0x76 does not reach its top bit.
    (values.wrapping_add(0x7676_7676_7676_7676) | values) & 0x8080_8080_8080_8080
}

/// The number that eight digits give, as values, the first one lowest.
#[inline]
const fn eight_digits(values: u64) -> u64 {
    // Neighbours are added: 8 digits to 4 pairs, to 2 fours, to 1 eight.
    let pairs = values.wrapping_mul(10).wrapping_add(values >> 8) & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100).wrapping_add(pairs >> 16) & 0x0000_ffff_0000_ffff;
    fours.wrapping_mul(10_000).wrapping_add(fours >> 32) & 0xffff_ffff
}

/// The decimal digits that eight bytes of text, first byte lowest, begin with: their value and how many there are.
#[inline]
const fn leading_digits(chunk: u64) -> (u64, usize) {
    let values = chunk ^ ZEROS;
    let count = (not_digits(values).trailing_zeros() / 8) as usize;
    if count == 0 {
        return (0, 0);
    }
    // The digits are moved to the top, so that zeros stand in front.
    (eight_digits(values << (64 - 8 * count)), count)
}

#[cfg(test)]
mod tests {
    use super::{Cursor, leading_integer, long_integer};

    fn skips(text: &str) -> bool {
        let mut cursor = Cursor::new(text.as_bytes());
        cursor.skip_value(0).is_ok() && cursor.at_end()
    }

    #[test]
    fn accepts_what_serde_json_accepts_and_nothing_else() {
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        let samples = [
            "1",
            "-0",
            "01",
            "1.",
            "1.5e-3",
            ".5",
            "1e",
            "true",
            "tru",
            "null",
            "nul",
            "{}",
            "[]",
            "[1,]",
            "[,1]",
            "{\"a\":1,}",
            "{\"a\" : [ {} , \"x\" ] }",
            "{\"a\"}",
            "\"\\u00e9\"",
            "\"\\ud83d\\ude00\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\x\"",
            "\"a\nb\"",
            "\"",
            "[1 2]",
            "{1:2}",
            "  [ ]  ",
            "[[],[[]],{}]",
            "\"\\",
            "--1",
            "+1",
            "1 1",
            "",
            "{\"a\":1 \"b\":2}",
        ];
        let generated = [deep(126), deep(127), deep(128), deep(5000)];
        for text in samples.iter().map(|s| (*s).to_owned()).chain(generated) {
            let expected = serde_json::from_str::<serde_json::Value>(&text).is_ok();
            assert_eq!(skips(&text), expected, "{}", &text[..text.len().min(60)]);
        }
    }

    #[test]
    fn brackets_around_a_skipped_value_count_towards_its_depth() {
        for (outside, inside) in [(0, 127), (2, 125), (127, 0)] {
            let nested = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
            let (fits, too_deep) = (nested(inside), nested(inside + 1));
            assert!(Cursor::new(fits.as_bytes()).skip_value(outside).is_ok());
            assert!(
                Cursor::new(too_deep.as_bytes())
                    .skip_value(outside)
                    .is_err()
            );
        }
    }

    #[test]
    fn integers_are_canonical_and_bounded() {
        assert_eq!(leading_integer(b"0"), Some((0, 1)));
        assert_eq!(leading_integer(b"007"), Some((0, 1)));
        assert_eq!(leading_integer(b"120,"), Some((120, 3)));
        assert_eq!(
            leading_integer(b"18446744073709551615]"),
            Some((u64::MAX, 20))
        );
        assert_eq!(leading_integer(b"18446744073709551616]"), None);
        assert_eq!(leading_integer(b"x"), None);
        // What is guessed about the length makes no difference.
        for text in [
            "0",
            "7",
            "42",
            "00",
            "1234567",
            "12345678",
            "123456789",
            "1234567890123456",
        ] {
            for guess in 0..20 {
                for after in [",", "x2345678901234567890", "0,23456789012345678901", ""] {
                    let text = format!("{text}{after}");
                    let expected = leading_integer(text.as_bytes());
                    assert_eq!(
                        long_integer(text.as_bytes(), guess),
                        expected,
                        "{text} {guess}"
                    );
                }
            }
        }
        for bad in [
            "-1",
            "1.0",
            "1e3",
            "00",
            "18446744073709551616",
            "\"1\"",
            "",
        ] {
            assert!(Cursor::new(bad.as_bytes()).size().is_err(), "{bad}");
        }
    }
}
