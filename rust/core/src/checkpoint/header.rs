//! The header of a safetensors file: JSON text to tensors, checked.
//!
//! Accepts what the `safetensors` crate 0.8 accepts, and is stricter or more lenient only where
//! `docs/problems.md` says so. It sees the header's bytes alone: the length field and the file are
//! `shard`'s business.

use super::form::{Form, Forms, Tensor};
use super::json::{Cursor, JsonError, JsonErrorKind, leading_integer, long_integer};
use super::name::{Fingerprint, NameHasher, NextName, Pattern, SeenNames, Series, number_segments};
use super::problem::{Code, Problems};
use super::template::{Templates, strip};
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Free text that the writer of a file put under `__metadata__`.
pub type Metadata = BTreeMap<String, String>;

/// The tensors of one header.
#[derive(Debug, Default)]
pub struct Header {
    /// Tensors in the order of the header.
    pub tensors: Vec<Tensor>,
    /// The numbers in their names; each tensor says where its own begin.
    pub numbers: Vec<u32>,
    /// What stands under `__metadata__`.
    pub metadata: Metadata,
    /// The end of the last tensor's data, counted from the end of the header.
    pub data_bytes: u64,
    /// The set of names.
    pub names: Fingerprint,
    /// Whether an entry was left out whose data range is not known: bytes that belong to no tensor may be its data.
    pub unplaced: bool,
    /// The data ranges of the other entries that were left out.
    left_out: Vec<(u64, u64)>,
    /// Whether some tensor's data does not begin where that of the one before it ends.
    scattered: bool,
    /// Whether some name does not stand behind the last one of its pattern: then one may stand twice.
    unordered: bool,
}

/// Reads headers; what it has learned from one serves the next.
#[derive(Debug)]
pub struct HeaderReader {
    /// Every pattern and form met so far.
    pub forms: Forms,
    hasher: NameHasher,
    templates: Templates<Kind>,
    /// The template learned for a form.
    learned: HashMap<u32, u32>,
    /// The names of each pattern.
    series: Vec<Series>,
    /// How many headers were read.
    headers: u64,
    seen: SeenNames,
    /// Whether templates are used; without them every entry goes through the parser.
    learns: bool,
}

/// What a template stands for: a form, what of it the fast path needs at hand, and the rest of the entry.
#[derive(Debug)]
struct Kind {
    form: u32,
    bytes: u64,
    /// The pattern of the name, and whether it has numbers.
    pattern: u32,
    numbered: bool,
    /// What stands between the two offsets, and what stands behind them.
    between: Box<[u8]>,
    closing: Box<[u8]>,
}

/// Where the data of a tensor ends: the number, and how it is written. Mostly that of the next begins there.
#[derive(Clone, Copy, Debug)]
struct End<'t> {
    value: u64,
    digits: &'t [u8],
}

/// What of a header was read by a template.
struct Read<'t> {
    end: End<'t>,
    /// What follows.
    rest: &'t [u8],
}

/// One entry as written, and where its integers stand.
#[derive(Debug, Default)]
struct Entry<'a> {
    dtype: Option<Cow<'a, str>>,
    shape: Option<Vec<u64>>,
    offsets: Option<(u64, u64)>,
    offset_gaps: [(usize, usize); 2],
}

impl Header {
    /// Adds a tensor whose numbers stand from this place on.
    #[inline]
    fn push(&mut self, form: u32, (begin, end): (u64, u64), numbers: usize, name: NextName) {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a header ends at 100 MB, so it has under 100 million numbers"
        )]
        let numbers = numbers as u32;
        self.tensors.push(Tensor {
            form,
            numbers,
            begin,
        });
        self.scattered |= begin != self.data_bytes;
        self.data_bytes = end;
        self.names.add(name.hash);
        self.unordered |= !name.ascends;
    }

    /// Remembers which bytes an entry takes that cannot be a tensor.
    fn leave_out(&mut self, offsets: Option<(u64, u64)>) {
        match offsets {
            Some((begin, end)) if begin <= end => self.left_out.push((begin, end)),
            _ => self.unplaced = true,
        }
    }
}

impl HeaderReader {
    /// A reader that has learned nothing yet. Its fingerprints may be compared with those of others that share the
    /// hasher.
    #[must_use]
    pub fn new(hasher: NameHasher) -> Self {
        Self {
            forms: Forms::default(),
            hasher,
            templates: Templates::default(),
            learned: HashMap::default(),
            series: Vec::new(),
            headers: 0,
            seen: SeenNames::default(),
            learns: true,
        }
    }

    /// A reader that never uses templates: the slow path, to hold the fast one against.
    #[must_use]
    pub fn without_templates(hasher: NameHasher) -> Self {
        Self {
            learns: false,
            ..Self::new(hasher)
        }
    }

    /// Reads one header.
    ///
    /// Entries that are wrong in themselves are reported and left out; wrong offsets are reported and the
    /// tensor is kept. `None` if the text is not a JSON object at all: then exactly one problem says why.
    pub fn read(&mut self, text: &[u8], problems: &mut Problems) -> Option<Header> {
        let mut header = Header {
            // Real entries take 90 to 150 bytes.
            tensors: Vec::with_capacity(text.len() / 90),
            numbers: Vec::with_capacity(text.len() / 60),
            ..Header::default()
        };
        self.templates.restart();
        self.headers += 1;
        // If the text turns out not to be JSON, what was found in the part before that is of no use.
        let mut found = problems.fork();
        if let Err(error) = self.read_entries(text, &mut header, &mut found) {
            let code = match error.kind {
                JsonErrorKind::NotUtf8 => Code::HeaderNotUtf8,
                _ => Code::HeaderNotJson,
            };
            problems.push(code, None, || error.to_string());
            return None;
        }
        problems.absorb(found);
        // A repeated entry still says which bytes are taken, so offsets come first.
        self.check_offsets(&mut header, problems);
        self.check_names(&mut header, problems);
        Some(header)
    }

    fn read_entries(
        &mut self,
        text: &[u8],
        header: &mut Header,
        problems: &mut Problems,
    ) -> Result<(), JsonError> {
        let mut cursor = Cursor::new(text);
        cursor.expect(b'{', "`{`, the beginning of the header")?;
        let mut first = true;
        let mut metadata_seen = false;
        let mut end = End {
            value: 0,
            digits: b"0",
        };
        loop {
            // Templates begin with the comma, which may not stand before the first entry.
            if self.learns && !first {
                let rest = self.read_by_templates(cursor.rest(), &mut end, header);
                cursor.seek(text.len() - rest.len());
            }
            let begin = cursor.position();
            if !cursor.next_item(b'}', &mut first)? {
                break;
            }
            let name = cursor.key()?;
            if name == "__metadata__" {
                if std::mem::replace(&mut metadata_seen, true) {
                    problems.push(Code::EntryInvalid, Some("__metadata__"), || {
                        "`__metadata__` stands twice; the first is kept".to_owned()
                    });
                    cursor.skip_value(1)?;
                } else {
                    read_metadata(&mut cursor, header, problems)?;
                }
                continue;
            }
            let entry = read_entry(&mut cursor, &name, problems)?;
            if let Some(kind) = self.enter(&name, &entry, header, problems)
                && self.learns
                && matches!(name, Cow::Borrowed(_))
            {
                self.learn(text, begin..cursor.position(), kind, &entry);
            }
        }
        if cursor.at_end() {
            Ok(())
        } else {
            Err(JsonError {
                kind: JsonErrorKind::Expected("nothing more after the header's closing `}`"),
                at: cursor.position(),
            })
        }
    }

    /// Reads as many entries as templates fit; what follows them. `end` is where the data of the last tensor ends.
    #[inline(never)]
    fn read_by_templates<'t>(
        &mut self,
        text: &'t [u8],
        end: &mut End<'t>,
        header: &mut Header,
    ) -> &'t [u8] {
        let mut read = Read {
            end: *end,
            rest: text,
        };
        while let Some(next) = self.read_by_template(read.rest, read.end, header) {
            read = next;
        }
        *end = read.end;
        read.rest
    }

    /// Reads one entry, with the comma before it, by a learned template; `before` is where the data of some earlier
    /// tensor ends.
    #[inline]
    fn read_by_template<'t>(
        &mut self,
        text: &'t [u8],
        before: End<'t>,
        header: &mut Header,
    ) -> Option<Read<'t>> {
        let fit = self.templates.predict(text)?;
        let (kind, leading) = self.templates.get(fit.id);
        let rest = text.get(fit.length..)?;
        // Nothing between the offsets begins with a digit, so the number ends where these digits do.
        let same = strip(rest, before.digits).and_then(|rest| strip(rest, &kind.between));
        let (begin, rest) = if let Some(rest) = same {
            (before.value, rest)
        } else {
            let (begin, length) = leading_integer(rest)?;
            (begin, strip(rest.get(length..)?, &kind.between)?)
        };
        let (value, length) = long_integer(rest, before.digits.len())?;
        let (digits, rest) = rest.split_at_checked(length)?;
        let rest = strip(rest, &kind.closing)?;
        if value.checked_sub(begin) != Some(kind.bytes) {
            return None;
        }
        let series = &mut self.series[kind.pattern as usize];
        let name = series.advance(self.headers, (fit.lead, leading), fit.last);
        header.push(kind.form, (begin, value), header.numbers.len(), name);
        for &number in leading {
            header.numbers.push(number);
        }
        if kind.numbered {
            header.numbers.push(fit.last.0);
        }
        self.templates.accept(fit.id);
        let end = End { value, digits };
        Some(Read { end, rest })
    }

    /// Enters a parsed entry; gives its form and pattern if a template may be learned from it.
    fn enter(
        &mut self,
        name: &str,
        entry: &Entry<'_>,
        header: &mut Header,
        problems: &mut Problems,
    ) -> Option<(u32, u32)> {
        let (Some(dtype), Some(shape), Some((begin, end))) =
            (&entry.dtype, &entry.shape, entry.offsets)
        else {
            // What is missing or wrong was reported where it was read.
            header.leave_out(entry.offsets);
            return None;
        };
        let Some(bytes) = end.checked_sub(begin) else {
            problems.push(Code::OffsetsReversed, Some(name), || {
                format!("data_offsets [{begin}, {end}] end before they begin")
            });
            header.leave_out(entry.offsets);
            return None;
        };
        let first_number = header.numbers.len();
        let pattern = Pattern::split(name, &mut header.numbers);
        let pattern = self.forms.pattern_id(pattern);
        let form = self.forms.form_id(pattern, dtype, shape, bytes);
        if self.series.len() <= pattern as usize {
            let pattern = &self.forms.form(form).pattern;
            self.series.push(Series::new(self.hasher.clone(), pattern));
        }
        let sound = check_size(self.forms.form(form), name, problems);
        if self.forms.form(form).elements().is_none() {
            header.numbers.truncate(first_number);
            header.leave_out(entry.offsets);
            return None;
        }
        let series = &mut self.series[pattern as usize];
        let name = series.advance_to(self.headers, &header.numbers[first_number..]);
        header.push(form, (begin, end), first_number, name);
        sound.then_some((form, pattern))
    }

    /// Makes a template of an entry that was just read, with the comma before it.
    fn learn(
        &mut self,
        text: &[u8],
        range: Range<usize>,
        (form, pattern): (u32, u32),
        entry: &Entry<'_>,
    ) {
        let known = self.learned.get(&form).copied();
        let raw = &text[range.clone()];
        if raw.first() != Some(&b',') {
            // The first entry of a file has no comma: it shows nothing of how the others look.
            self.templates.restart_after(known);
            return;
        }
        let quotes = || (0..raw.len()).filter(|&at| raw[at] == b'"');
        let (Some(open), Some(close)) = (quotes().next(), quotes().nth(1)) else {
            return;
        };
        let gaps: Vec<_> = number_segments(&raw[open + 1..close])
            .map(|(start, end)| (open + 1 + start, open + 1 + end))
            .collect();
        let [begin, end] = entry
            .offset_gaps
            .map(|(start, end)| start - range.start..end - range.start);
        let kind = Kind {
            form,
            bytes: self.forms.bytes(form),
            pattern,
            numbered: !gaps.is_empty(),
            between: raw[begin.end..end.start].into(),
            closing: raw[end.end..].into(),
        };
        if let Some(id) = self
            .templates
            .learn(&raw[..begin.start], &gaps, kind, known)
        {
            self.learned.insert(form, id);
        }
    }

    /// Reports names that stand twice and keeps the first of each.
    fn check_names(&mut self, header: &mut Header, problems: &mut Problems) {
        if !header.unordered {
            return;
        }
        let forms = &self.forms;
        let (tensors, numbers) = (&header.tensors, &header.numbers);
        let mut repeated = Vec::new();
        let mut pattern_hashes = vec![None; forms.len()];
        self.seen.reset(tensors.len());
        header.names = Fingerprint::default();
        for (ordinal, tensor) in (0_u32..).zip(tensors) {
            let form = forms.form(tensor.form);
            let hash = *pattern_hashes[tensor.form as usize]
                .get_or_insert_with(|| self.hasher.pattern(&form.pattern));
            let hash = self.hasher.name(hash, tensor.numbers(form, numbers));
            let first = self.seen.insert(hash, ordinal, |other| {
                forms.same_name(tensor, &tensors[other as usize], numbers)
            });
            if first.is_none() {
                header.names.add(hash);
            } else {
                repeated.push(ordinal as usize);
            }
        }
        if repeated.is_empty() {
            return;
        }
        for &ordinal in &repeated {
            let name = forms.name(&tensors[ordinal], numbers);
            problems.push(Code::TensorDuplicate, Some(&name), || {
                "this name stands twice in the header; the first is counted".to_owned()
            });
        }
        retain_others(&mut header.tensors, &repeated);
    }

    /// Checks that the data ranges cover the data without overlap or gap, and finds where the data ends.
    fn check_offsets(&self, header: &mut Header, problems: &mut Problems) {
        // Writers lay data out in header order; then nothing is left to be proved.
        if !header.scattered && header.left_out.is_empty() {
            return;
        }
        let mut ranges: Vec<_> = header
            .tensors
            .iter()
            .map(|tensor| {
                let end = tensor.begin.saturating_add(self.forms.bytes(tensor.form));
                (tensor.begin, end, Some(tensor))
            })
            .chain(
                header
                    .left_out
                    .iter()
                    .map(|&(begin, end)| (begin, end, None)),
            )
            .collect();
        ranges.sort_unstable_by_key(|&(begin, end, _)| (begin, end));
        let mut reached = 0_u64;
        for (begin, end, tensor) in ranges {
            if begin != reached
                && let Some(tensor) = tensor
            {
                let name = self.forms.name(tensor, &header.numbers);
                let range = format!("data_offsets [{begin}, {end}]");
                if begin < reached {
                    problems.push(Code::OffsetsOverlap, Some(&name), || {
                        format!("{range} begin inside the data of another tensor, which ends at {reached}")
                    });
                } else if !header.unplaced {
                    problems.push(Code::OffsetsGap, Some(&name), || {
                        let gap = begin - reached;
                        format!("{range} leave {gap} bytes before them that belong to no tensor")
                    });
                }
            }
            reached = reached.max(end);
        }
        header.data_bytes = reached;
    }
}

/// Removes the items with these ordinals, which ascend.
pub fn retain_others<T>(items: &mut Vec<T>, ordinals: &[usize]) {
    let mut next = ordinals.iter().peekable();
    let mut ordinal = 0;
    items.retain(|_| {
        let remove = next.next_if_eq(&&ordinal).is_some();
        ordinal += 1;
        !remove
    });
}

/// Reports a size that shape and dtype do not explain; true if there is nothing to report.
fn check_size(form: &Form, name: &str, problems: &mut Problems) -> bool {
    let Some(dtype) = form.dtype.known() else {
        problems.push(Code::DtypeUnknown, Some(name), || {
            format!(
                "dtype {:?} is not one this version knows; sized by its data offsets: {} bytes",
                form.dtype.name(),
                form.bytes
            )
        });
        if form.elements().is_none() {
            problems.push(Code::ShapeOverflow, Some(name), || {
                format!(
                    "the product of shape {} does not fit 64 bits",
                    sides(&form.shape)
                )
            });
        }
        return false;
    };
    let Some(bits) = form.elements().and_then(|n| n.checked_mul(dtype.bits())) else {
        problems.push(Code::ShapeOverflow, Some(name), || {
            format!(
                "the product of shape {} and {} bits does not fit 64 bits",
                sides(&form.shape),
                dtype.bits()
            )
        });
        return false;
    };
    // A sub-byte tensor must fill whole bytes.
    if form.bytes.checked_mul(8) == Some(bits) {
        return true;
    }
    problems.push(Code::SizeMismatch, Some(name), || {
        format!(
            "shape {} of {} needs {} bits, its data_offsets span {} bytes",
            sides(&form.shape),
            dtype.name(),
            bits,
            form.bytes
        )
    });
    false
}

/// A shape for a message. A hostile one has millions of sides; the first few tell enough.
fn sides(shape: &[u64]) -> String {
    const SHOWN: usize = 16;
    let listed: Vec<_> = shape.iter().take(SHOWN).map(u64::to_string).collect();
    let listed = listed.join(", ");
    match shape.len() {
        ..=SHOWN => format!("[{listed}]"),
        all => format!("[{listed}, ...] ({all} sides)"),
    }
}

fn read_metadata(
    cursor: &mut Cursor<'_>,
    header: &mut Header,
    problems: &mut Problems,
) -> Result<(), JsonError> {
    let begin = cursor.position();
    if cursor.eat_null() {
        return Ok(());
    }
    let mut sound = cursor.eat(b'{');
    let mut first = true;
    while sound && cursor.next_item(b'}', &mut first)? {
        let key = cursor.key()?;
        match cursor.string() {
            Ok(text) => {
                header.metadata.insert(key.into_owned(), text.into_owned());
            }
            Err(JsonError {
                kind: JsonErrorKind::Expected("a string"),
                ..
            }) => sound = false,
            Err(error) => return Err(error),
        }
    }
    if !sound {
        cursor.seek(begin);
        cursor.skip_value(1)?;
        problems.push(Code::EntryInvalid, Some("__metadata__"), || {
            "`__metadata__` is not an object of strings".to_owned()
        });
    }
    Ok(())
}

/// Reads a tensor's entry. Whatever is not of the right kind is reported once and passed.
fn read_entry<'a>(
    cursor: &mut Cursor<'a>,
    name: &str,
    problems: &mut Problems,
) -> Result<Entry<'a>, JsonError> {
    let begin = cursor.position();
    match read_fields(cursor) {
        Ok(entry) => {
            let missing = [
                (entry.dtype.is_none(), "dtype"),
                (entry.shape.is_none(), "shape"),
                (entry.offsets.is_none(), "data_offsets"),
            ];
            if let Some((_, field)) = missing.into_iter().find(|(missing, _)| *missing) {
                problems.push(Code::EntryInvalid, Some(name), || {
                    format!("field {field:?} is missing")
                });
            }
            Ok(entry)
        }
        Err(error) => {
            // If the value is JSON at all, only this entry is lost.
            cursor.seek(begin);
            cursor.skip_value(1)?;
            problems.push(Code::EntryInvalid, Some(name), || error.to_string());
            Ok(Entry::default())
        }
    }
}

fn read_fields<'a>(cursor: &mut Cursor<'a>) -> Result<Entry<'a>, JsonError> {
    let mut entry = Entry::default();
    cursor.expect(b'{', "an object with dtype, shape and data_offsets")?;
    let mut first = true;
    while cursor.next_item(b'}', &mut first)? {
        let at = cursor.position();
        let twice = |field| {
            Err(JsonError {
                kind: JsonErrorKind::Expected(field),
                at,
            })
        };
        match &*cursor.key()? {
            "dtype" if entry.dtype.is_some() => return twice("one field \"dtype\", not two,"),
            "shape" if entry.shape.is_some() => return twice("one field \"shape\", not two,"),
            "data_offsets" if entry.offsets.is_some() => {
                return twice("one field \"data_offsets\", not two,");
            }
            "dtype" => entry.dtype = Some(cursor.string()?),
            "shape" => entry.shape = Some(read_shape(cursor)?),
            "data_offsets" => read_offsets(cursor, &mut entry)?,
            _ => cursor.skip_value(2)?,
        }
    }
    Ok(entry)
}

fn read_shape(cursor: &mut Cursor<'_>) -> Result<Vec<u64>, JsonError> {
    let mut shape = Vec::new();
    cursor.expect(b'[', "a list of sizes")?;
    let mut first = true;
    while cursor.next_item(b']', &mut first)? {
        shape.push(cursor.size()?);
    }
    Ok(shape)
}

fn read_offsets(cursor: &mut Cursor<'_>, entry: &mut Entry<'_>) -> Result<(), JsonError> {
    cursor.expect(b'[', "two offsets")?;
    let mut first = true;
    let mut offsets = [0; 2];
    for (offset, gap) in offsets.iter_mut().zip(&mut entry.offset_gaps) {
        if !cursor.next_item(b']', &mut first)? {
            return Err(JsonError {
                kind: JsonErrorKind::Expected("two offsets"),
                at: cursor.position(),
            });
        }
        *offset = cursor.size()?;
        let end = cursor.position();
        // The value has no leading zeros, so its digits are those just before the cursor.
        let digits = offset.checked_ilog10().unwrap_or(0) as usize + 1;
        *gap = (end - digits, end);
    }
    cursor.expect(b']', "`]` after two offsets")?;
    entry.offsets = Some((offsets[0], offsets[1]));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{HeaderReader, sides};
    use crate::checkpoint::{Code, NameHasher, Problems};
    use std::path::PathBuf;
    use std::sync::Arc;

    fn codes(text: &str) -> Vec<Code> {
        let mut problems = Problems::new(Arc::new(PathBuf::new()));
        HeaderReader::new(NameHasher::default()).read(text.as_bytes(), &mut problems);
        problems
            .into_vec()
            .iter()
            .map(|problem| problem.code)
            .collect()
    }

    #[test]
    fn text_that_is_not_json_gives_one_problem_whatever_stood_before() {
        assert_eq!(
            codes(r#"{"a":5,"b":{"dtype":"F7","shape":[1],"data_offsets":[0,4]},"#),
            [Code::HeaderNotJson]
        );
        assert_eq!(codes(r#"{"a":5}"#), [Code::EntryInvalid]);
    }

    #[test]
    fn an_entry_that_is_left_out_makes_no_second_problem() {
        let sound = r#""b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}"#;
        for (left_out, code) in [
            (r#"{"shape":[4],"data_offsets":[0,4]}"#, Code::EntryInvalid),
            (r#"{"dtype":"U8","shape":[4]}"#, Code::EntryInvalid),
            (
                r#"{"dtype":"U8","shape":[4],"data_offsets":[4,0]}"#,
                Code::OffsetsReversed,
            ),
            (
                r#"{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,4]}"#,
                Code::ShapeOverflow,
            ),
        ] {
            assert_eq!(
                codes(&format!(r#"{{"a":{left_out},{sound}}}"#)),
                [code],
                "{left_out}"
            );
        }
        // Its bytes still are taken: another tensor may not have them.
        let taken = r#"{"a":{"shape":[6],"data_offsets":[0,6]},"#;
        assert_eq!(
            codes(&format!("{taken}{sound}}}")),
            [Code::EntryInvalid, Code::OffsetsOverlap]
        );
    }

    #[test]
    fn long_shapes_are_shortened_in_messages() {
        assert_eq!(sides(&[]), "[]");
        assert_eq!(sides(&[2, 3]), "[2, 3]");
        assert_eq!(
            sides(&[1; 17]),
            "[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, ...] (17 sides)"
        );
    }
}
