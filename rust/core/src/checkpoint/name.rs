//! Tensor names, split into a pattern and the numbers in it.
//!
//! A checkpoint has many names and few kinds of names: DeepSeek-V3 has 92,000 tensors and about 60 patterns.
//! `model.layers.3.mlp.experts.17.up_proj.weight` is the pattern `model.layers.*.mlp.experts.*.up_proj.weight`
//! with the numbers 3 and 17. The split loses nothing: pattern and numbers give back the name, so two names are
//! equal exactly when both parts are.

use serde::{Deserialize, Serialize};
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _};

/// Longest run of digits that is taken as a number; longer ones stay part of the pattern.
const DIGITS: usize = 9;
/// The greatest number that has no more digits.
pub const NUMBER_LIMIT: u32 = 999_999_999;

/// A name whose number segments are open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "RestoredPattern")]
pub struct Pattern {
    /// The name with `*` for every number. A `*` that the name itself holds is told apart by `holes`.
    text: Box<str>,
    /// Byte positions in `text` of the `*` that stand for numbers.
    holes: Box<[u32]>,
}

/// A pattern as it comes out of bytes that anyone may have written.
#[derive(Deserialize)]
struct RestoredPattern {
    text: Box<str>,
    holes: Box<[u32]>,
}

impl TryFrom<RestoredPattern> for Pattern {
    type Error = &'static str;

    fn try_from(RestoredPattern { text, holes }: RestoredPattern) -> Result<Self, Self::Error> {
        let ascending = holes.is_sorted_by(|hole, next| hole < next);
        let stars = holes
            .iter()
            .all(|&hole| text.as_bytes().get(hole as usize) == Some(&b'*'));
        if !(ascending && stars) {
            return Err("the numbers of a name pattern are not where its stars are");
        }
        Ok(Self { text, holes })
    }
}

impl Pattern {
    /// Splits a name, appending its numbers to `numbers`.
    pub fn split(name: &str, numbers: &mut Vec<u32>) -> Self {
        let mut text = String::with_capacity(name.len());
        let mut holes = Vec::new();
        let mut from = 0;
        for (start, end) in number_segments(name.as_bytes()) {
            text.push_str(&name[from..start]);
            // A name over 4 GiB cannot occur: headers end at 100 MB. Nine digits always fit.
            let (Ok(hole), Ok(number)) = (u32::try_from(text.len()), name[start..end].parse())
            else {
                text.push_str(&name[start..]);
                from = name.len();
                break;
            };
            holes.push(hole);
            numbers.push(number);
            text.push('*');
            from = end;
        }
        text.push_str(&name[from..]);
        Self {
            text: text.into(),
            holes: holes.into(),
        }
    }

    /// The name with `*` for every number.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How many numbers the pattern takes.
    #[must_use]
    pub fn arity(&self) -> usize {
        self.holes.len()
    }

    /// Appends the name that these numbers give.
    pub fn write_name(&self, numbers: &[u32], out: &mut String) {
        let mut from = 0;
        for (&hole, number) in self.holes.iter().zip(numbers) {
            let hole = hole as usize;
            out.push_str(&self.text[from..hole]);
            // Writing to a String cannot fail.
            let _ = write!(out, "{number}");
            from = hole + 1;
        }
        out.push_str(&self.text[from..]);
    }

    /// The name that these numbers give.
    #[must_use]
    pub fn name(&self, numbers: &[u32]) -> String {
        let mut out = String::with_capacity(self.text.len() + 2 * self.holes.len());
        self.write_name(numbers, &mut out);
        out
    }
}

/// The byte ranges of the numbers in a name: whole dot-separated segments of at most nine digits without leading
/// zeros.
pub fn number_segments(name: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    name.split(|&byte| byte == b'.').filter_map(move |segment| {
        let start = at;
        at += segment.len() + 1;
        let canonical = matches!(segment, [b'0'] | [b'1'..=b'9', ..])
            && segment.len() <= DIGITS
            && segment.iter().all(u8::is_ascii_digit);
        canonical.then_some((start, start + segment.len()))
    })
}

/// A number's place in the order of text, which sorted lists of names have: 10 stands before 9.
///
/// Numbers are at most [`NUMBER_LIMIT`] and compared by their digits with zeros appended; of two that are then the
/// same, the shorter comes first.
#[inline]
#[must_use]
pub fn text_order(number: u32, digits: usize) -> u64 {
    // By what a number of no digit, one digit, two digits and so on is brought to the greatest length.
    const SCALES: [u64; DIGITS + 1] = [
        0,
        100_000_000,
        10_000_000,
        1_000_000,
        100_000,
        10_000,
        1_000,
        100,
        10,
        1,
    ];
    // Thirty bits, and four for the digits: nothing can overflow.
    let scaled = u64::from(number).wrapping_mul(*SCALES.get(digits).unwrap_or(&1));
    scaled << 4 | digits as u64
}

/// How many digits a number has.
#[inline]
#[must_use]
pub fn digits(number: u32) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// Hashes names, with a key drawn anew for each scan so that no file can be built to collide.
#[derive(Clone, Debug, Default)]
pub struct NameHasher(foldhash::quality::RandomState);

impl NameHasher {
    /// The hash of a name.
    #[must_use]
    pub fn hash(&self, name: &str) -> u64 {
        let mut numbers = Vec::new();
        let pattern = Pattern::split(name, &mut numbers);
        self.name(self.pattern(&pattern), &numbers)
    }

    /// The hash of a pattern: what [`Self::name`] needs to know of it.
    #[must_use]
    pub fn pattern(&self, pattern: &Pattern) -> u64 {
        self.0.hash_one(pattern)
    }

    /// The hash of the name that a pattern, by its hash, and numbers give. A name is split in one way only, so equal
    /// names have equal hashes.
    #[must_use]
    pub fn name(&self, pattern: u64, numbers: &[u32]) -> u64 {
        let (&last, leading) = numbers.split_last().unwrap_or((&0, &[]));
        self.last(self.leading(pattern, leading), last)
    }

    /// The part of a name's hash that all names have in common which differ only in the last number.
    fn leading(&self, pattern: u64, leading: &[u32]) -> u64 {
        self.0.hash_one((pattern, leading))
    }

    #[inline]
    fn last(&self, leading: u64, last: u32) -> u64 {
        let mut hasher = self.0.build_hasher();
        hasher.write_u64(leading);
        hasher.write_u32(last);
        hasher.finish()
    }
}

/// The names of one pattern, as they come by in one list of names after another: the hash of each, and whether one may
/// stand twice in its list.
#[derive(Debug)]
pub struct Series {
    hasher: NameHasher,
    /// The hash of the pattern.
    pattern: u64,
    /// The last name: the ordinal of its list, of which the first is 1,
    list: u64,
    /// what is known to go with the numbers before the last one,
    lead: Lead,
    /// these numbers,
    leading: Vec<u32>,
    /// their part of the hash,
    leading_hash: u64,
    /// and the last number's place in the order of text.
    order: u64,
}

/// Stands for the numbers of a name before the last one, when one reader has read several names that have the same
/// ones; 0 stands for any.
pub type Lead = u64;

/// A name of a series.
#[derive(Clone, Copy, Debug)]
pub struct NextName {
    /// Its hash.
    pub hash: u64,
    /// Whether it is the first of its list or stands behind the last one, in the order of text. If that holds for all
    /// names of a list, none stands twice.
    pub ascends: bool,
}

impl Series {
    /// The series of a pattern.
    #[must_use]
    pub fn new(hasher: NameHasher, pattern: &Pattern) -> Self {
        let pattern = hasher.pattern(pattern);
        Self {
            leading_hash: hasher.leading(pattern, &[]),
            hasher,
            pattern,
            list: 0,
            lead: 0,
            leading: Vec::new(),
            order: 0,
        }
    }

    /// Goes on to the name with these numbers: those before the last one, with what stands for them, and the last one,
    /// with its place in the order of text; both are 0 if there is none.
    #[inline]
    pub fn advance(
        &mut self,
        list: u64,
        (lead, leading): (Lead, &[u32]),
        (number, order): (u32, u64),
    ) -> NextName {
        let first = std::mem::replace(&mut self.list, list) != list;
        let before = std::mem::replace(&mut self.order, order);
        let behind = if self.lead == lead && lead != 0 {
            before < order
        } else {
            self.lead = lead;
            self.lead_behind(leading).unwrap_or(before < order)
        };
        NextName {
            hash: self.hasher.last(self.leading_hash, number),
            ascends: first || behind,
        }
    }

    /// [`Self::advance`] with nothing but the numbers.
    pub fn advance_to(&mut self, list: u64, numbers: &[u32]) -> NextName {
        match numbers.split_last() {
            Some((&number, leading)) => {
                let order = text_order(number, digits(number));
                self.advance(list, (0, leading), (number, order))
            }
            None => self.advance(list, (0, &[]), (0, 0)),
        }
    }

    /// Takes over the numbers before the last one; if they are others, whether they stand behind those before.
    #[inline(never)]
    fn lead_behind(&mut self, leading: &[u32]) -> Option<bool> {
        if self.leading == leading {
            return None;
        }
        let mut pairs = self.leading.iter().zip(leading);
        let differing = pairs.find(|(one, other)| one != other);
        let behind = differing.is_some_and(|(&one, &other)| {
            text_order(one, digits(one)) < text_order(other, digits(other))
        });
        self.leading.clear();
        self.leading.extend_from_slice(leading);
        self.leading_hash = self.hasher.leading(self.pattern, leading);
        Some(behind)
    }
}

/// The sum over a set of names, in any order: two sets are taken as equal when count and sums are.
///
/// A false match needs a coincidence in 64 keyed bits. It decides only whether the exact, slower comparison runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint {
    count: u64,
    sum: u64,
    mixed: u64,
}

impl Fingerprint {
    /// Adds one name by its hash.
    #[inline]
    pub const fn add(&mut self, hash: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(hash);
        let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        self.mixed = self.mixed.wrapping_add(mixed ^ (mixed >> 32));
    }
}

/// Finds names that were seen before: an open-addressing table that holds a tag of the hash and an ordinal.
#[derive(Debug, Default)]
pub struct SeenNames {
    slots: Vec<u64>,
    used: usize,
}

impl SeenNames {
    /// Empties the table and makes room for this many names.
    pub fn reset(&mut self, names: usize) {
        let slots = (names.saturating_mul(2)).next_power_of_two().max(16);
        self.slots.clear();
        self.slots.resize(slots, 0);
        self.used = 0;
    }

    /// Enters a name; if an equal one was entered before, gives its ordinal instead.
    ///
    /// `equal` decides whether the name just entered equals the one with that ordinal. No more than the number
    /// given to `reset` may be entered.
    #[inline]
    pub fn insert(
        &mut self,
        hash: u64,
        ordinal: u32,
        mut equal: impl FnMut(u32) -> bool,
    ) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let tag = hash & 0xffff_ffff_0000_0000;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "the low bits choose the slot"
        )]
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot == 0 {
                debug_assert!(self.used * 2 <= mask + 1, "more names than announced");
                self.used += 1;
                self.slots[at] = tag | (u64::from(ordinal) + 1);
                return None;
            }
            if slot & 0xffff_ffff_0000_0000 == tag {
                #[expect(
                    clippy::cast_possible_truncation,
                    reason = "the low half is the ordinal"
                )]
                let found = (slot as u32) - 1;
                if equal(found) {
                    return Some(found);
                }
            }
            at = (at + 1) & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fingerprint, NameHasher, Pattern, SeenNames};

    #[test]
    fn splitting_loses_nothing() {
        for name in [
            "model.layers.3.mlp.experts.17.up_proj.weight",
            "",
            ".",
            "7",
            "007.1",
            "a.*.1.*",
            "*.0",
            "1234567890.x",
            "999999999",
            "h.0.attn.c_attn.bias",
            "é.1.ü",
            "1..2.",
        ] {
            let mut numbers = Vec::new();
            let pattern = Pattern::split(name, &mut numbers);
            assert_eq!(pattern.arity(), numbers.len());
            assert_eq!(pattern.name(&numbers), name);
        }
    }

    #[test]
    fn a_literal_star_is_not_a_number() {
        let (mut none, mut one) = (Vec::new(), Vec::new());
        let literal = Pattern::split("a.*", &mut none);
        let number = Pattern::split("a.1", &mut one);
        assert_eq!(literal.text(), number.text());
        assert_ne!(literal, number);
    }

    #[test]
    fn fingerprints_ignore_order_and_see_every_difference() {
        let hasher = NameHasher::default();
        let sum = |names: &[&str]| {
            let mut fingerprint = Fingerprint::default();
            for name in names {
                fingerprint.add(hasher.hash(name));
            }
            fingerprint
        };
        assert_eq!(sum(&["a", "b", "c"]), sum(&["c", "a", "b"]));
        assert_ne!(sum(&["a", "b", "c"]), sum(&["a", "b", "d"]));
        assert_ne!(sum(&["a", "b"]), sum(&["a", "b", "b"]));
    }

    #[test]
    fn numbers_are_ordered_as_their_digits_are() {
        let numbers = [0, 1, 2, 9, 10, 11, 19, 90, 99, 100, 101, 1_000, 123_456_789];
        for one in numbers.into_iter().chain([super::NUMBER_LIMIT]) {
            for other in numbers.into_iter().chain([super::NUMBER_LIMIT]) {
                let expected = one.to_string() < other.to_string();
                let [one, other] = [one, other].map(|n| super::text_order(n, super::digits(n)));
                assert_eq!(one < other, expected, "{one} {other}");
            }
        }
    }

    #[test]
    fn seen_names_finds_each_repetition() {
        let names = ["a", "b", "a", "c", "b"];
        let mut seen = SeenNames::default();
        seen.reset(names.len());
        let mut repeated = Vec::new();
        for (ordinal, name) in (0..).zip(names) {
            // A poor hash on purpose: equality must decide.
            if seen
                .insert(42, ordinal, |other| names[other as usize] == name)
                .is_some()
            {
                repeated.push(name);
            }
        }
        assert_eq!(repeated, ["a", "b"]);
    }
}
