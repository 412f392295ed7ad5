//! The small matcher under the role tables. What a glob means is said in the parent module.

use std::collections::HashMap;

/// No published name comes near this depth; deeper names are [`super::Role::Other`].
const MAX_SEGMENTS: usize = 64;

/// A name cut at its dots.
pub(super) struct Segments<'a> {
    segments: [&'a str; MAX_SEGMENTS],
    count: usize,
}

impl<'a> Segments<'a> {
    pub(super) fn new(lower: &'a str) -> Option<Self> {
        let mut segments = [""; MAX_SEGMENTS];
        let mut count = 0;
        for segment in lower.split('.') {
            *segments.get_mut(count)? = segment;
            count += 1;
        }
        Some(Self { segments, count })
    }

    fn as_slice(&self) -> &[&'a str] {
        &self.segments[..self.count]
    }

    /// Where the segment at `index` starts in the name.
    pub(super) fn offset(&self, index: usize) -> usize {
        self.segments[..index]
            .iter()
            .map(|segment| segment.len() + 1)
            .sum()
    }
}

enum Segment {
    Literal(&'static str),
    Number,
    Wild(&'static str),
}

impl Segment {
    fn text(&self) -> &'static str {
        match self {
            Self::Literal(text) | Self::Wild(text) => text,
            Self::Number => "",
        }
    }

    fn literal(&self) -> Option<&'static str> {
        matches!(self, Self::Literal(_)).then(|| self.text())
    }

    fn wild(&self) -> Option<&'static [u8]> {
        matches!(self, Self::Wild(_)).then(|| self.text().as_bytes())
    }

    fn matches(&self, segment: &str) -> bool {
        match self {
            Self::Literal(literal) => *literal == segment,
            Self::Number => is_number(segment),
            Self::Wild(glob) => wildcard(glob, segment),
        }
    }
}

fn is_number(segment: &str) -> bool {
    segment == "*" || (!segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Whether `glob`, in which `*` stands for any characters, matches all of `text`.
///
/// Taking the leftmost place for each middle piece never loses a match, so there is no
/// backtracking and the time is linear for the short globs of the tables.
pub(super) fn wildcard(glob: &str, text: &str) -> bool {
    let mut pieces = glob.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

struct Glob {
    segments: Vec<Segment>,
    at_start: bool,
    at_end: bool,
}

impl Glob {
    fn parse(text: &'static str) -> Self {
        let (text, at_start) = text
            .strip_prefix('^')
            .map_or((text, false), |rest| (rest, true));
        let (text, at_end) = text
            .strip_suffix('$')
            .map_or((text, false), |rest| (rest, true));
        let segments = text
            .split('.')
            .map(|segment| match segment {
                "#" => Segment::Number,
                wild if wild.contains('*') => Segment::Wild(wild),
                literal => Segment::Literal(literal),
            })
            .collect();
        Self {
            segments,
            at_start,
            at_end,
        }
    }

    /// The first segment of a kind, and its place.
    fn first<T>(&self, kind: impl Fn(&Segment) -> Option<T>) -> Option<(usize, T)> {
        let mut segments = self.segments.iter().enumerate();
        segments.find_map(|(at, segment)| Some((at, kind(segment)?)))
    }

    fn matches_at(&self, name: &[&str], start: usize) -> bool {
        let end = start + self.segments.len();
        name.get(start..end).is_some_and(|run| {
            (!self.at_start || start == 0)
                && (!self.at_end || end == name.len())
                && self
                    .segments
                    .iter()
                    .zip(run)
                    .all(|(glob, segment)| glob.matches(segment))
        })
    }
}

/// One glob, filed under its most telling segment.
struct Entry {
    /// The rule or context that the glob belongs to: entries are tried in this order.
    owner: usize,
    glob: usize,
    /// Which segment of the glob it is filed under.
    offset: usize,
    /// The letters of that segment.
    letters: u64,
}

/// The set of bytes of a text, folded into 64 bits. A text can hold another only if its set holds
/// the other's, which spares nearly all searches for the inside of a wild segment.
fn letters(text: &[u8]) -> u64 {
    let stars_aside = text.iter().filter(|byte| **byte != b'*');
    stars_aside.fold(0, |set, byte| set | 1 << (byte & 63))
}

/// The globs of a table by one of their segments, so that a name meets only the globs that share
/// a segment with it. A glob without a literal segment is filed under the first or last byte of a
/// wild one.
#[derive(Default)]
pub(super) struct Index {
    globs: Vec<Glob>,
    literal: HashMap<&'static str, Vec<Entry>>,
    first_byte: HashMap<u8, Vec<Entry>>,
    last_byte: HashMap<u8, Vec<Entry>>,
    anywhere: Vec<Entry>,
}

impl Index {
    pub(super) fn new(globs: impl Iterator<Item = (usize, &'static str)>) -> Self {
        let mut index = Self::default();
        for (owner, text) in globs {
            let glob = Glob::parse(text);
            let literal = glob.first(Segment::literal);
            let wild = glob.first(Segment::wild);
            let (offset, bucket) = match (literal, wild) {
                (Some((at, literal)), _) => (at, index.literal.entry(literal).or_default()),
                (None, Some((at, [first, ..]))) if *first != b'*' => {
                    (at, index.first_byte.entry(*first).or_default())
                }
                (None, Some((at, [.., last]))) if *last != b'*' => {
                    (at, index.last_byte.entry(*last).or_default())
                }
                (None, wild) => (wild.map_or(0, |(at, _)| at), &mut index.anywhere),
            };
            bucket.push(Entry {
                owner,
                glob: index.globs.len(),
                offset,
                letters: letters(glob.segments[offset].text().as_bytes()),
            });
            index.globs.push(glob);
        }
        index
    }

    /// Calls `hit` with the owner and the first matched segment of each matching glob whose owner
    /// is wanted. `wanted` must be false from some owner on: entries are in the order of owners.
    pub(super) fn scan(
        &self,
        name: &Segments,
        wanted: impl Fn(usize) -> bool,
        mut hit: impl FnMut(usize, usize),
    ) {
        let name = name.as_slice();
        for (position, segment) in name.iter().enumerate() {
            let bytes = segment.as_bytes();
            let missing = !letters(bytes);
            let buckets = [
                self.literal.get(segment),
                bytes.first().and_then(|byte| self.first_byte.get(byte)),
                bytes.last().and_then(|byte| self.last_byte.get(byte)),
                Some(&self.anywhere),
            ];
            for entry in buckets
                .into_iter()
                .flatten()
                .flat_map(|bucket| bucket.iter().take_while(|entry| wanted(entry.owner)))
            {
                if entry.letters & missing != 0 {
                    continue;
                }
                let start = position.checked_sub(entry.offset);
                if let Some(start) = start.filter(|at| self.globs[entry.glob].matches_at(name, *at))
                {
                    hit(entry.owner, start);
                }
            }
        }
    }
}
