//! Learned templates: why reading a header or an index takes a few nanoseconds per byte less than parsing it.
//!
//! Headers are long lists of entries that differ only in a few integers, and so are indexes:
//!
//! ```text
//! "model.layers.3.mlp.experts.17.up_proj.weight":{"dtype":"F8_E4M3","shape":[2048,7168],"data_offsets":[88,14680152]}
//! ```
//!
//! The first entry of a kind is read by the full parser. Its own bytes, up to what is not the template's business
//! (the offsets in a header, the file in an index), with the numbers of the name cut out, become a template. Later
//! entries are held against the template that followed last time: literals must be equal byte for byte and every gap
//! must hold a number in canonical form, so whatever a template accepts the parser would have read the same way. What
//! no template accepts goes to the parser. A property test holds the two paths against each other.

use super::json::leading_integer;
use super::name::{Lead, NUMBER_LIMIT, text_order};

/// More templates than this are not learned: a file this irregular gains nothing from them.
pub const TEMPLATES: usize = 4096;
/// An entry longer than this is not learned.
const LENGTH: usize = 4096;

/// The beginning of an entry with the numbers of its name cut out.
#[derive(Debug)]
struct Template {
    /// The literals, one after another.
    text: Box<[u8]>,
    /// Where each literal but the last ends in `text`: there a number stands.
    ends: Box<[u32]>,
    /// Where the literal behind the last number begins in `text`; without any number, the end.
    tail: usize,
    /// All that stood before the last number when the template fitted last. From one entry to the next mostly only
    /// the last number changes, so this is compared in one piece.
    lead: Vec<u8>,
    /// The numbers in it, and what stands for them.
    leading: Vec<u32>,
    leading_as: Lead,
}

/// How a text fits a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The template.
    pub id: u32,
    /// How many bytes of the text it covers.
    pub length: usize,
    /// What stands for the numbers before the last one.
    pub lead: Lead,
    /// The last number of the name and its place in the order of text; both 0 if it has none.
    pub last: (u32, u64),
}

impl Template {
    /// Cuts `entry` at the given gaps, which are byte ranges of numbers in ascending order. `leads` counts the leads.
    fn cut(entry: &[u8], gaps: &[(usize, usize)], leads: &mut Lead) -> Option<Self> {
        let mut text = Vec::with_capacity(entry.len());
        let mut ends = Vec::with_capacity(gaps.len());
        let mut from = 0;
        for &(start, end) in gaps {
            text.extend_from_slice(entry.get(from..start)?);
            ends.push(u32::try_from(text.len()).ok()?);
            from = end;
        }
        text.extend_from_slice(entry.get(from..)?);
        let mut template = Self {
            tail: ends.last().map_or(text.len(), |&end| end as usize),
            text: text.into(),
            ends: ends.into(),
            lead: Vec::new(),
            leading: Vec::new(),
            leading_as: 0,
        };
        template.lead_anew(entry, leads)?;
        Some(template)
    }

    /// Holds the template, whose id is given, against the beginning of a text.
    #[expect(
        clippy::inline_always,
        reason = "a call for each entry costs a tenth of a scan"
    )]
    #[inline(always)]
    fn fit(&mut self, id: u32, text: &[u8], leads: &mut Lead) -> Option<Fit> {
        let rest = match strip(text, &self.lead) {
            Some(rest) => rest,
            None => self.lead_anew(text, leads)?,
        };
        let tail = &self.text[self.tail..];
        // Nothing stands behind the last number only if there is none: at least the name's quote follows it.
        let (rest, last) = if tail.is_empty() {
            (rest, (0, 0))
        } else {
            let (number, digits) = leading_number(rest)?;
            let order = text_order(number, digits);
            (strip(rest.get(digits..)?, tail)?, (number, order))
        };
        Some(Fit {
            id,
            length: text.len() - rest.len(),
            lead: self.leading_as,
            last,
        })
    }

    /// Holds all literals and numbers but the last number and the tail against a text, and keeps what stands there as
    /// the new lead; the rest of the text.
    #[inline(never)]
    fn lead_anew<'t>(&mut self, text: &'t [u8], leads: &mut Lead) -> Option<&'t [u8]> {
        if self.ends.len() < 2 && !self.lead.is_empty() {
            // Then no number is in it, and it was just held against the text.
            return None;
        }
        let known = self.leading.len();
        let mut rest = text;
        let mut from = 0;
        let mut fits = || {
            for (ordinal, &end) in self.ends.iter().enumerate() {
                if ordinal > 0 {
                    let (number, length) = leading_number(rest)?;
                    self.leading.push(number);
                    rest = rest.get(length..)?;
                }
                rest = strip(rest, self.text.get(from..end as usize)?)?;
                from = end as usize;
            }
            if self.ends.is_empty() {
                rest = strip(rest, &self.text)?;
            }
            Some(rest)
        };
        let fitted = fits();
        // The new numbers stand behind the old ones until it is clear that they are to stay.
        if let Some(rest) = fitted {
            self.leading.drain(..known);
            *leads += 1;
            self.leading_as = *leads;
            self.lead.clear();
            self.lead
                .extend_from_slice(&text[..text.len() - rest.len()]);
        } else {
            self.leading.truncate(known);
        }
        fitted
    }
}

/// The number in canonical form that the text begins with, if it is one that names have, and its length.
#[inline]
fn leading_number(text: &[u8]) -> Option<(u32, usize)> {
    // Most have one to three digits: those are read where they stand.
    if let Some(front) = text.first_chunk::<4>() {
        let digit = |at: usize| u32::from(front[at].wrapping_sub(b'0'));
        let first = digit(0);
        if first > 9 {
            return None;
        }
        if first == 0 || digit(1) > 9 {
            return Some((first, 1));
        }
        let two = first * 10 + digit(1);
        if digit(2) > 9 {
            return Some((two, 2));
        }
        if digit(3) > 9 {
            return Some((two * 10 + digit(2), 3));
        }
    }
    let (number, length) = leading_integer(text)?;
    let number = u32::try_from(number).ok()?;
    // Longer runs of digits are not numbers of a name: the parser must see them.
    (number <= NUMBER_LIMIT).then_some((number, length))
}

/// `text` without this literal at its beginning: `strip_prefix`, but without a call for each short literal.
#[inline]
pub fn strip<'t>(text: &'t [u8], literal: &[u8]) -> Option<&'t [u8]> {
    let (front, rest) = text.split_at_checked(literal.len())?;
    same(front, literal).then_some(rest)
}

/// Whether two texts of one length are equal.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    /// Two pieces, one at the front and one at the end, cover every length from one to two pieces.
    #[inline]
    fn ends<const N: usize>(one: &[u8], other: &[u8]) -> bool {
        one.first_chunk::<N>() == other.first_chunk::<N>()
            && one.last_chunk::<N>() == other.last_chunk::<N>()
    }
    // Long ones are asked for first: most of what templates hold is.
    let length = one.len();
    if length > 32 {
        let ((ones, _), (others, _)) = (one.as_chunks::<32>(), other.as_chunks::<32>());
        ones.iter().zip(others).all(|(one, other)| one == other)
            && one.last_chunk::<32>() == other.last_chunk::<32>()
    } else if length >= 16 {
        ends::<16>(one, other)
    } else if length >= 8 {
        ends::<8>(one, other)
    } else if length >= 4 {
        ends::<4>(one, other)
    } else {
        one.iter().zip(other).all(|(one, other)| one == other)
    }
}

/// Templates, each with the value it stands for, and which followed which.
#[derive(Debug)]
pub struct Templates<T> {
    learned: Vec<(Template, T)>,
    /// How many leads there were so far.
    leads: Lead,
    /// For every template, the few that came after it most recently.
    next: Vec<Followers>,
    /// The same for the beginning of a file and for entries that were not learned.
    start: Followers,
    /// The template of the last entry.
    last: u32,
    /// Those that came after it.
    candidates: Followers,
}

/// Templates in the order in which they are to be tried.
type Followers = [u32; 4];

/// Stands for "no template": before the first entry, or after one that was not learned.
const NONE: u32 = u32::MAX;

impl<T> Default for Templates<T> {
    fn default() -> Self {
        Self {
            learned: Vec::new(),
            leads: 0,
            next: Vec::new(),
            start: [NONE; 4],
            last: NONE,
            candidates: [NONE; 4],
        }
    }
}

impl<T> Templates<T> {
    /// Says that a new file begins.
    pub fn restart(&mut self) {
        self.go_on_from(NONE);
    }

    /// Says that an entry went by which was not read by a template, but whose template may be known.
    pub fn restart_after(&mut self, known: Option<u32>) {
        self.go_on_from(known.unwrap_or(NONE));
    }

    #[inline]
    fn go_on_from(&mut self, id: u32) {
        self.last = id;
        self.candidates = self.next.get(id as usize).copied().unwrap_or(self.start);
    }

    /// Tries the templates that followed the last entry before. The caller confirms with [`Self::accept`].
    #[inline]
    pub fn predict(&mut self, text: &[u8]) -> Option<Fit> {
        let [first, others @ ..] = self.candidates;
        let (template, _) = self.learned.get_mut(first as usize)?;
        match template.fit(first, text, &mut self.leads) {
            None => self.try_others(others, text),
            fit => fit,
        }
    }

    #[inline(never)]
    fn try_others(&mut self, others: [u32; 3], text: &[u8]) -> Option<Fit> {
        others.into_iter().find_map(|id| {
            let (template, _) = self.learned.get_mut(id as usize)?;
            template.fit(id, text, &mut self.leads)
        })
    }

    /// What a template stands for, and the numbers that it found before the last one.
    #[inline]
    pub fn get(&self, id: u32) -> (&T, &[u32]) {
        let (template, value) = &self.learned[id as usize];
        (value, &template.leading)
    }

    /// Confirms a prediction, by the template it named: the next one will start from it.
    #[inline]
    pub fn accept(&mut self, id: u32) {
        if self.candidates[0] != id {
            self.prefer(id);
        }
        self.go_on_from(id);
    }

    /// Puts this template first among those that follow the last one.
    #[inline(never)]
    fn prefer(&mut self, id: u32) {
        let followers = self.next.get_mut(self.last as usize);
        let followers = followers.unwrap_or(&mut self.start);
        let known = followers.iter().position(|&follower| follower == id);
        let place = known.unwrap_or(followers.len() - 1);
        followers[..=place].rotate_right(1);
        followers[0] = id;
    }

    /// Learns from an entry that the parser has read: its bytes up to what is not the template's business, where the
    /// numbers of its name stand in them, and what it means.
    ///
    /// `known` is the template learned for the same value before, as an earlier call returned it.
    pub fn learn(
        &mut self,
        entry: &[u8],
        gaps: &[(usize, usize)],
        value: T,
        known: Option<u32>,
    ) -> Option<u32> {
        let id = known.or_else(|| {
            (self.learned.len() < TEMPLATES)
                .then(|| u32::try_from(self.learned.len()).ok())
                .flatten()
        });
        let template = (entry.len() <= LENGTH)
            .then(|| Template::cut(entry, gaps, &mut self.leads))
            .flatten();
        let (Some(id), Some(template)) = (id, template) else {
            self.restart();
            return known;
        };
        if let Some(slot) = self.learned.get_mut(id as usize) {
            *slot = (template, value);
        } else {
            self.learned.push((template, value));
            self.next.push([NONE; 4]);
        }
        self.accept(id);
        Some(id)
    }
}
