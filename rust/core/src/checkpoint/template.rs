//! Learned templates: why reading a header takes a few nanoseconds per byte less than parsing it.
//!
//! Headers are long lists of entries that differ only in a few integers:
//!
//! ```text
//! "model.layers.3.mlp.experts.17.up_proj.weight":{"dtype":"F8_E4M3","shape":[2048,7168],"data_offsets":[88,14680152]}
//! ```
//!
//! The first entry of a kind is read by the full parser. Its own bytes, with the integers cut out, become a
//! template. Later entries are held against the template that followed last time: literals must be equal byte
//! for byte and every gap must hold an integer in canonical form, so whatever a template accepts the parser
//! would have read the same way. What no template accepts goes to the parser. A property test holds the two
//! paths against each other.

use super::json::leading_integer;

/// More templates than this are not learned: a file this irregular gains nothing from them.
const TEMPLATES: usize = 4096;
/// An entry longer than this is not learned.
const LENGTH: usize = 4096;
/// Most gaps one entry may have.
pub const GAPS: usize = 6;

/// An entry with its integers cut out.
#[derive(Debug)]
struct Template {
    /// The literals, one after another.
    text: Box<[u8]>,
    /// Where each literal but the last ends in `text`: there an integer stands.
    ends: Box<[u32]>,
    /// The gap whose place is to be reported.
    marked: usize,
}

/// What of a text a template covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// How many bytes.
    pub length: usize,
    /// Where the integer in the marked gap begins.
    pub mark: usize,
}

impl Template {
    /// Cuts `entry` at the given gaps, which are byte ranges of integers in ascending order.
    fn cut(entry: &[u8], gaps: &[(usize, usize)], marked: usize) -> Option<Self> {
        let mut text = Vec::with_capacity(entry.len());
        let mut ends = Vec::with_capacity(gaps.len());
        let mut from = 0;
        for &(start, end) in gaps {
            text.extend_from_slice(entry.get(from..start)?);
            ends.push(u32::try_from(text.len()).ok()?);
            from = end;
        }
        text.extend_from_slice(entry.get(from..)?);
        Some(Self {
            text: text.into(),
            ends: ends.into(),
            marked,
        })
    }

    /// Holds the template against the beginning of `text`: what it covers, with the integers in `values`.
    #[inline]
    fn matches(&self, text: &[u8], values: &mut [u64; GAPS]) -> Option<Covered> {
        let mut rest = text;
        let mut from = 0;
        let mut mark = 0;
        for ((gap, &end), value) in self.ends.iter().enumerate().zip(values) {
            rest = strip(rest, self.text.get(from..end as usize)?)?;
            if gap == self.marked {
                mark = text.len() - rest.len();
            }
            let (number, length) = leading_integer(rest)?;
            *value = number;
            rest = rest.get(length..)?;
            from = end as usize;
        }
        rest = strip(rest, self.text.get(from..)?)?;
        Some(Covered {
            length: text.len() - rest.len(),
            mark,
        })
    }
}

/// `text` without this literal at its beginning: `strip_prefix`, but without a call for each short literal.
#[inline]
fn strip<'t>(text: &'t [u8], literal: &[u8]) -> Option<&'t [u8]> {
    let (front, rest) = text.split_at_checked(literal.len())?;
    same(front, literal).then_some(rest)
}

/// Whether two texts of one length are equal; short ones, which are most, are compared without a call.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    // Two words, one from the front and one that ends at the end, cover every length from one to two words.
    match one.len() {
        1 => one[0] == other[0],
        2 => one[0] == other[0] && one[1] == other[1],
        length @ 8..=16 => {
            let word = |text: &[u8], at: usize| text[at..].first_chunk::<8>().copied();
            word(one, 0) == word(other, 0) && word(one, length - 8) == word(other, length - 8)
        }
        _ => one == other,
    }
}

/// Templates, each with the value it stands for, and which followed which.
#[derive(Debug)]
pub struct Templates<T> {
    learned: Vec<(Template, T)>,
    /// For every template, the two that came after it most recently.
    next: Vec<[u32; 2]>,
    /// The same for the beginning of a file and for entries that were not learned.
    start: [u32; 2],
    /// The template of the last entry.
    last: u32,
    /// Those that came after it.
    candidates: [u32; 2],
}

/// Stands for "no template": before the first entry, or after one that was not learned.
const NONE: u32 = u32::MAX;

impl<T> Default for Templates<T> {
    fn default() -> Self {
        Self {
            learned: Vec::new(),
            next: Vec::new(),
            start: [NONE; 2],
            last: NONE,
            candidates: [NONE; 2],
        }
    }
}

impl<T: Copy> Templates<T> {
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

    /// Tries the templates that followed the last entry before: the one that fits, its value and what it
    /// covers, with its integers in `values`. The caller confirms with [`Self::accept`].
    #[inline]
    pub fn predict(&self, text: &[u8], values: &mut [u64; GAPS]) -> Option<(u32, T, Covered)> {
        let mut attempt = |id: u32| {
            let (template, value) = self.learned.get(id as usize)?;
            let covered = template.matches(text, values)?;
            Some((id, *value, covered))
        };
        let [first, second] = self.candidates;
        attempt(first).or_else(|| attempt(second))
    }

    /// Confirms a prediction, by the template it named: the next one will start from it.
    #[inline]
    pub fn accept(&mut self, id: u32) {
        if self.candidates[0] != id {
            let followers = self.next.get_mut(self.last as usize);
            *followers.unwrap_or(&mut self.start) = [id, self.candidates[0]];
        }
        self.go_on_from(id);
    }

    /// Learns from an entry that the parser has read: its bytes, where its integers stand, which of
    /// them is marked, and what it means.
    ///
    /// `known` is the template learned for the same value before, as an earlier call returned it.
    pub fn learn(
        &mut self,
        entry: &[u8],
        gaps: &[(usize, usize)],
        marked: usize,
        value: T,
        known: Option<u32>,
    ) -> Option<u32> {
        let id = known.or_else(|| {
            (self.learned.len() < TEMPLATES)
                .then(|| u32::try_from(self.learned.len()).ok())
                .flatten()
        });
        let template = (entry.len() <= LENGTH && gaps.len() <= GAPS)
            .then(|| Template::cut(entry, gaps, marked))
            .flatten();
        let (Some(id), Some(template)) = (id, template) else {
            self.restart();
            return known;
        };
        if let Some(slot) = self.learned.get_mut(id as usize) {
            *slot = (template, value);
        } else {
            self.learned.push((template, value));
            self.next.push([NONE; 2]);
        }
        self.accept(id);
        Some(id)
    }
}
