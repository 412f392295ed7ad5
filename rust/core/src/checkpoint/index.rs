//! Index files (`model.safetensors.index.json`): which shard should hold which tensor, against what the shards hold.
//!
//! In the normal case everything agrees, and then nothing but a fingerprint per shard is ever built. Only where a
//! fingerprint differs is the index read again, name by name, to say what exactly is wrong.

use super::json::{Cursor, JsonError, JsonErrorKind};
use super::name::{Fingerprint, NameHasher, NextName, Pattern, Series, number_segments};
use super::problem::{Code, Problem, Problems};
use super::shard::Shard;
use super::template::{TEMPLATES, Templates, strip};
use crate::source::Source;
use crate::wording::counted;
use foldhash::HashMap;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// What an index says, summed up.
#[derive(Debug, Default)]
pub struct Index {
    /// `metadata.total_size`, if it is there as a whole number.
    pub total_size: Option<u64>,
    /// The shard files it names, in order of first mention, each with the fingerprint of its names.
    pub files: Vec<(String, Fingerprint)>,
    /// Whether names of one kind stand in ascending order: then it is certain that none stands twice.
    pub ascending: bool,
}

/// What a first look at an index file shows.
#[derive(Debug)]
pub struct Glance<'r> {
    /// Its beginning.
    pub begin: &'r [u8],
    /// What it says, or what is wrong with it, if the beginning is all of it.
    pub index: Option<Result<Index, String>>,
}

/// Reads index files, one after another; what it has learned from one serves the next.
#[derive(Debug)]
pub struct IndexReader {
    buffer: Vec<u8>,
    names: Names,
}

/// Names that differ only in their numbers.
#[derive(Debug)]
struct Kind {
    series: Series,
    /// Their template.
    learned: Option<u32>,
}

/// Every kind of name met so far.
#[derive(Debug)]
struct Names {
    hasher: NameHasher,
    kinds: Vec<Kind>,
    by_pattern: HashMap<Pattern, usize>,
    /// Templates of entries up to the file, each for a kind.
    templates: Templates<usize>,
    /// How many indexes were read.
    indexes: u64,
    /// Whether templates are used; without them every entry goes through the parser.
    learns: bool,
}

impl Names {
    fn new(hasher: NameHasher) -> Self {
        Self {
            hasher,
            kinds: Vec::new(),
            by_pattern: HashMap::default(),
            templates: Templates::default(),
            indexes: 0,
            learns: true,
        }
    }

    /// The kind of names of a pattern, which is entered if it is new and there is room.
    fn kind(&mut self, pattern: Pattern) -> Option<usize> {
        if let Some(&kind) = self.by_pattern.get(&pattern) {
            return Some(kind);
        }
        if self.kinds.len() >= TEMPLATES || pattern.text().len() > PATTERN_LIMIT {
            return None;
        }
        self.kinds.push(Kind {
            series: Series::new(self.hasher.clone(), &pattern),
            learned: None,
        });
        let kind = self.kinds.len() - 1;
        self.by_pattern.insert(pattern, kind);
        Some(kind)
    }
}

/// A buffer that moves over a source.
struct Window<'b, R> {
    source: R,
    buffer: &'b mut Vec<u8>,
    filled: usize,
    /// Bytes that the buffer has left behind.
    dropped: usize,
    /// Whether the source has no more.
    ended: bool,
}

/// A longer pattern is not kept, lest a hostile index fill the memory.
const PATTERN_LIMIT: usize = 4096;
/// How much of an index is looked at at once: all of it for most models, and small enough for a core's own cache.
const WINDOW: usize = 128 << 10;
/// One entry may not be longer than this.
const WINDOW_LIMIT: usize = 64 << 20;

impl<'b, R: Read> Window<'b, R> {
    const fn new(source: R, buffer: &'b mut Vec<u8>) -> Self {
        Self {
            source,
            buffer,
            filled: 0,
            dropped: 0,
            ended: false,
        }
    }

    fn text(&self) -> &[u8] {
        &self.buffer[..self.filled]
    }

    /// Drops the bytes before `from` and reads more behind the rest; false if the buffer may not grow further.
    fn refill(&mut self, from: usize) -> io::Result<bool> {
        self.buffer.copy_within(from..self.filled, 0);
        self.filled -= from;
        self.dropped += from;
        if self.filled == self.buffer.len() {
            if self.buffer.len() >= WINDOW_LIMIT {
                return Ok(false);
            }
            self.buffer.resize((2 * self.filled).max(WINDOW), 0);
        }
        while self.filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[self.filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

/// Where in an index a reader is.
#[derive(Clone, Copy, Debug)]
enum Place {
    Start,
    Members { first: bool },
    Map { first: bool },
    End,
}

/// Whether the index is read, or more of it is needed.
enum Step {
    Done,
    More,
}

/// What one pass over an index has found so far.
struct Pass {
    place: Place,
    /// Everything before this byte of the window is read.
    at: usize,
    index: Index,
    file_ids: HashMap<String, usize>,
    /// The names of the files, in quotes as they mostly stand in the text.
    quoted_files: Vec<Box<[u8]>>,
    /// The file of the last entry, and the one before that: where the order of names is not that of numbers, two files
    /// take turns for a while.
    file: usize,
    other_file: usize,
    /// The last name of those for whose kinds there was no room.
    last_odd: Option<String>,
    map_seen: bool,
}

impl Pass {
    fn new() -> Self {
        Self {
            place: Place::Start,
            at: 0,
            index: Index {
                ascending: true,
                ..Index::default()
            },
            file_ids: HashMap::default(),
            quoted_files: Vec::new(),
            file: 0,
            other_file: 0,
            last_odd: None,
            map_seen: false,
        }
    }

    #[inline]
    fn enter(&mut self, name: NextName) {
        self.index.files[self.file].1.add(name.hash);
        self.index.ascending &= name.ascends;
    }

    /// Reads the file of an entry and makes it the one that names are entered for; what follows it in the text.
    #[inline]
    fn read_file<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        if let Some(rest) = strip(text, &self.quoted_files[self.file]) {
            return Some(rest);
        }
        self.read_other_file(text)
    }

    #[inline(never)]
    fn read_other_file<'t>(&mut self, text: &'t [u8]) -> Option<&'t [u8]> {
        if let Some(rest) = strip(text, &self.quoted_files[self.other_file]) {
            std::mem::swap(&mut self.file, &mut self.other_file);
            return Some(rest);
        }
        let mut cursor = Cursor::new(text);
        let file = cursor.string().ok()?;
        self.set_file(&file);
        Some(cursor.rest())
    }

    /// Makes this the file that names are entered for.
    fn set_file(&mut self, file: &str) {
        let id = self.file_ids.get(file).copied().unwrap_or_else(|| {
            let plain = file
                .bytes()
                .all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
            // A name that needs escapes goes through the parser each time: no text begins with a bare NUL.
            let quotes = if plain { "\"" } else { "\0" };
            let in_text = [quotes, file, quotes].concat();
            self.quoted_files.push(in_text.into_bytes().into());
            self.index
                .files
                .push((file.to_owned(), Fingerprint::default()));
            let id = self.index.files.len() - 1;
            self.file_ids.insert(file.to_owned(), id);
            id
        });
        if id != self.file {
            self.other_file = std::mem::replace(&mut self.file, id);
        }
    }
}

impl IndexReader {
    /// A reader whose fingerprints may be compared with those of header readers that share the hasher.
    #[must_use]
    pub fn new(hasher: NameHasher) -> Self {
        Self {
            buffer: Vec::new(),
            names: Names::new(hasher),
        }
    }

    /// Reads an index file; what is wrong with it, in words, if it is none.
    pub fn open(&mut self, source: Source<'_>, path: &Path) -> Result<Index, String> {
        let file = source.open(path).map_err(|error| error.to_string())?;
        let length = file.length;
        // With its length known, nothing needs to be read to see that it ends.
        match self.read(file.take(length)) {
            Ok(Ok(index)) => Ok(index),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Looks at the beginning of an index file and reads it at once if that is all of it.
    pub fn glance(&mut self, source: Source<'_>, path: &Path) -> io::Result<Glance<'_>> {
        let mut file = source.open(path)?;
        if self.buffer.len() < WINDOW {
            self.buffer.resize(WINDOW, 0);
        }
        let length = usize::try_from(file.length).map_or(WINDOW, |length| length.min(WINDOW));
        file.read_exact(&mut self.buffer[..length])?;
        let whole = file.length <= length as u64;
        let index = whole.then(|| {
            let window = Window {
                filled: length,
                ended: true,
                ..Window::new(io::empty(), &mut self.buffer)
            };
            self.names
                .read_through(window)
                .map_err(|error| error.to_string())
                .and_then(|read| read.map_err(|error| error.to_string()))
        });
        Ok(Glance {
            begin: &self.buffer[..length],
            index,
        })
    }

    /// Reads an index piece by piece, so that memory and caches see a small buffer and never the whole file.
    pub fn read(&mut self, source: impl Read) -> io::Result<Result<Index, JsonError>> {
        // An index over several windows leaves the buffer as it found it: no larger than one.
        let index = self
            .names
            .read_through(Window::new(source, &mut self.buffer));
        self.buffer.truncate(WINDOW);
        index
    }
}

impl Names {
    fn read_through(
        &mut self,
        mut window: Window<'_, impl Read>,
    ) -> io::Result<Result<Index, JsonError>> {
        if self.kinds.len() >= TEMPLATES {
            // What a hostile index taught must not burden the others.
            *self = Self {
                learns: self.learns,
                ..Self::new(self.hasher.clone())
            };
        }
        self.indexes += 1;
        self.templates.restart();
        let mut pass = Pass::new();
        loop {
            let result = self.advance(window.text(), window.ended, &mut pass);
            match result {
                Ok(Step::Done) => break,
                Ok(Step::More) => {}
                // At the end of the buffer an error may only mean that the rest is not there yet.
                Err(_) if !window.ended => {}
                Err(mut error) => {
                    error.at += window.dropped;
                    return Ok(Err(error));
                }
            }
            if !window.refill(pass.at)? {
                return Ok(Err(JsonError {
                    kind: JsonErrorKind::Expected("entries of less than 64 MiB"),
                    at: window.dropped,
                }));
            }
            pass.at = 0;
        }
        if pass.map_seen {
            Ok(Ok(pass.index))
        } else {
            Ok(Err(JsonError {
                kind: JsonErrorKind::Expected("a `weight_map` object in the index"),
                at: 0,
            }))
        }
    }

    /// Reads as many whole items as the text holds. What is passed is noted in `pass` item by item, so that after
    /// an error reading can go on from the last whole one.
    fn advance(&mut self, text: &[u8], ended: bool, pass: &mut Pass) -> Result<Step, JsonError> {
        let mut cursor = Cursor::new(text);
        cursor.seek(pass.at);
        loop {
            if let Place::Map { first: false } = pass.place
                && self.learns
            {
                let rest = self.read_by_templates(cursor.rest(), pass);
                pass.at = text.len() - rest.len();
                cursor.seek(pass.at);
            }
            let mut total_size = None;
            let place = match pass.place {
                Place::Start => {
                    cursor.expect(b'{', "`{`, the beginning of the index")?;
                    Place::Members { first: true }
                }
                Place::Members { mut first } => {
                    if cursor.next_item(b'}', &mut first)? {
                        let key_at = cursor.position();
                        match &*cursor.key()? {
                            "weight_map" if pass.map_seen => {
                                return Err(JsonError {
                                    kind: JsonErrorKind::Expected("one `weight_map`, not two,"),
                                    at: key_at,
                                });
                            }
                            "weight_map" => {
                                cursor
                                    .expect(b'{', "an object from tensor names to shard files")?;
                                Place::Map { first: true }
                            }
                            "metadata" => {
                                total_size = Some(read_total_size(&mut cursor)?);
                                Place::Members { first }
                            }
                            _ => {
                                cursor.skip_value(1)?;
                                Place::Members { first }
                            }
                        }
                    } else {
                        Place::End
                    }
                }
                Place::Map { mut first } => {
                    let begin = cursor.position();
                    if cursor.next_item(b'}', &mut first)? {
                        self.read_entry(text, begin, &mut cursor, ended, pass)?;
                        Place::Map { first }
                    } else {
                        Place::Members { first: false }
                    }
                }
                Place::End => {
                    if !cursor.at_end() {
                        return Err(JsonError {
                            kind: JsonErrorKind::Expected(
                                "nothing more after the index's closing `}`",
                            ),
                            at: cursor.position(),
                        });
                    }
                    return Ok(if ended { Step::Done } else { Step::More });
                }
            };
            if cursor.position() == text.len() && !ended {
                // A number or a word could go on in the next piece.
                return Ok(Step::More);
            }
            if let Some(total_size) = total_size {
                pass.index.total_size = total_size;
            }
            pass.map_seen |= matches!(place, Place::Map { first: true });
            pass.place = place;
            pass.at = cursor.position();
        }
    }

    /// Reads as many entries as templates fit; what follows them.
    #[inline(never)]
    fn read_by_templates<'t>(&mut self, mut text: &'t [u8], pass: &mut Pass) -> &'t [u8] {
        while let Some(rest) = self.read_by_template(text, pass) {
            text = rest;
        }
        text
    }

    /// Reads one entry, with the comma before it, by a learned template; what follows it.
    #[inline]
    fn read_by_template<'t>(&mut self, text: &'t [u8], pass: &mut Pass) -> Option<&'t [u8]> {
        let fit = self.templates.predict(text)?;
        let rest = pass.read_file(text.get(fit.length..)?)?;
        let (&kind, leading) = self.templates.get(fit.id);
        let series = &mut self.kinds[kind].series;
        pass.enter(series.advance(self.indexes, (fit.lead, leading), fit.last));
        self.templates.accept(fit.id);
        Some(rest)
    }

    /// Reads one entry of the map by the parser; it begins, with the comma before it, at `begin`.
    fn read_entry(
        &mut self,
        text: &[u8],
        begin: usize,
        cursor: &mut Cursor<'_>,
        ended: bool,
        pass: &mut Pass,
    ) -> Result<(), JsonError> {
        let name = cursor.key()?;
        let file_at = cursor.skip_space();
        let file = cursor.string()?;
        if cursor.position() == text.len() && !ended {
            // It will be read again with what follows.
            return Ok(());
        }
        pass.set_file(&file);
        let mut numbers = Vec::new();
        let pattern = Pattern::split(&name, &mut numbers);
        let Some(kind) = self.kind(pattern) else {
            let before = pass.last_odd.replace(name.clone().into_owned());
            let ascends = before.is_none_or(|before| *before < *name);
            let hash = self.hasher.hash(&name);
            pass.enter(NextName { hash, ascends });
            return Ok(());
        };
        let learned = matches!(name, Cow::Borrowed(_))
            .then(|| self.learn(&text[begin..file_at], kind))
            .flatten();
        let kind = &mut self.kinds[kind];
        kind.learned = learned.or(kind.learned);
        pass.enter(kind.series.advance_to(self.indexes, &numbers));
        Ok(())
    }

    /// Makes a template of an entry that was just read, with the comma before it and up to the file.
    fn learn(&mut self, entry: &[u8], kind: usize) -> Option<u32> {
        let known = self.kinds[kind].learned;
        if entry.first() != Some(&b',') {
            // The first entry has no comma: it shows nothing of how the others look.
            self.templates.restart_after(known);
            return None;
        }
        let quotes = || (0..entry.len()).filter(|&at| entry[at] == b'"');
        let (open, close) = (quotes().next()?, quotes().nth(1)?);
        let gaps: Vec<_> = number_segments(&entry[open + 1..close])
            .map(|(start, end)| (open + 1 + start, open + 1 + end))
            .collect();
        self.templates.learn(entry, &gaps, kind, known)
    }
}

/// Calls `entry` with every name and file of an index that was read before.
fn walk<'a>(
    text: &'a [u8],
    mut entry: impl FnMut(Cow<'a, str>, Cow<'a, str>),
) -> Result<(), JsonError> {
    let mut cursor = Cursor::new(text);
    cursor.expect(b'{', "`{`, the beginning of the index")?;
    let mut first = true;
    while cursor.next_item(b'}', &mut first)? {
        if cursor.key()? != "weight_map" {
            cursor.skip_value(1)?;
            continue;
        }
        cursor.expect(b'{', "an object from tensor names to shard files")?;
        let mut first = true;
        while cursor.next_item(b'}', &mut first)? {
            let name = cursor.key()?;
            entry(name, cursor.string()?);
        }
    }
    Ok(())
}

/// Passes the `metadata` of the index; its `total_size`, if it is an object with one that is a whole number.
fn read_total_size(cursor: &mut Cursor<'_>) -> Result<Option<u64>, JsonError> {
    let mut total = None;
    if !cursor.eat(b'{') {
        cursor.skip_value(1)?;
        return Ok(None);
    }
    let mut first = true;
    while cursor.next_item(b'}', &mut first)? {
        let is_total = cursor.key()? == "total_size";
        let at = cursor.position();
        if is_total {
            total = cursor.size().ok();
            cursor.seek(at);
        }
        cursor.skip_value(2)?;
    }
    Ok(total)
}

/// Whether a shard's name is that of a file beside the index.
fn is_plain(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none()
}

/// Whether the shards hold exactly what the index says, by fingerprint; `shards` go by file name.
#[must_use]
pub fn agrees(index: &Index, shards: &BTreeMap<&str, &Shard>) -> bool {
    index.ascending
        && index.files.len() == shards.len()
        && index
            .files
            .iter()
            .all(|(file, names)| shards.get(&**file).is_some_and(|s| s.names == *names))
}

/// Compares an index with the shards, name by name, and words every difference.
///
/// `shards` go by the file name that the index uses. Shards that could not be read are in `broken`: what they
/// should hold is not reported as missing, since the file itself already is.
pub fn differences(
    path: &Arc<PathBuf>,
    text: &[u8],
    shards: &BTreeMap<&str, &Shard>,
    broken: &[&str],
) -> Vec<Problem> {
    let mut problems = Problems::new(Arc::clone(path));
    let mut holders: HashMap<String, Vec<&str>> = HashMap::default();
    for (&file, shard) in shards {
        for tensor in &shard.tensors {
            holders.entry(shard.name(tensor)).or_default().push(file);
        }
    }
    let mut listed: HashMap<Cow<'_, str>, Cow<'_, str>> = HashMap::default();
    let mut missing_files: BTreeMap<Cow<'_, str>, u64> = BTreeMap::new();
    let walked = walk(text, |name: Cow<'_, str>, file: Cow<'_, str>| {
        if let Some(before) = listed.insert(name.clone(), file.clone()) {
            problems.push(Code::IndexInvalid, Some(&name), || {
                format!("the index names this tensor twice, in {before:?} and in {file:?}")
            });
        }
        if !shards.contains_key(&*file) && !broken.contains(&&*file) {
            *missing_files.entry(file).or_default() += 1;
            return;
        }
        match holders.get(&*name) {
            Some(found) if found.contains(&&*file) => {}
            Some(found) => problems.push(Code::TensorMisplaced, Some(&name), || {
                format!("the index says {file:?}, it is in {:?}", found[0])
            }),
            None if broken.contains(&&*file) => {}
            None => problems.push(Code::TensorMissing, Some(&name), || {
                format!("the index says {file:?}, which does not hold it")
            }),
        }
    });
    if let Err(error) = walked {
        // It was read once before, so it has changed since.
        problems.push(Code::IndexInvalid, None, || error.to_string());
    }
    for (file, tensors) in missing_files {
        problems.push(Code::ShardMissing, None, || {
            let held = counted(tensors, "tensor");
            if is_plain(&file) {
                format!("shard {file:?}, which should hold {held}, is not there")
            } else {
                format!(
                    "shard {file:?}, which should hold {held}, is not a file of this folder; names that lead elsewhere are not followed"
                )
            }
        });
    }
    let mut unlisted: Vec<_> = holders
        .iter()
        .filter(|(name, _)| !listed.contains_key(&***name))
        .collect();
    unlisted.sort_unstable();
    for (name, files) in unlisted {
        problems.push(Code::TensorUnlisted, Some(name), || {
            format!("it is in {:?}, the index does not name it", files[0])
        });
    }
    problems.into_vec()
}

#[cfg(test)]
mod tests {
    use super::{Index, IndexReader, JsonError};
    use crate::checkpoint::name::{Fingerprint, NameHasher};
    use std::fmt::Write as _;

    fn read(hasher: NameHasher, text: &str) -> Result<Index, JsonError> {
        IndexReader::new(hasher).read(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_are_summed_per_file() {
        let mut text = String::from("{\"metadata\": {\"total_size\": 12}, \"weight_map\": {");
        let mut expected = [Fingerprint::default(); 3];
        let hasher = NameHasher::default();
        for n in 0..300_u32 {
            let (layer, file) = (n / 10, n % 3);
            let name = format!("model.layers.{layer}.mlp.experts.{}.up_proj.weight", n % 10);
            let comma = if n == 0 { "" } else { "," };
            let _ = write!(text, "{comma}\n  \"{name}\": \"part-{file}.safetensors\"");
            expected[file as usize].add(hasher.hash(&name));
        }
        text.push_str("\n}}");
        let index = read(hasher, &text).unwrap();
        assert_eq!(index.total_size, Some(12));
        assert!(!index.ascending, "9.x comes after 10.x in byte order");
        assert_eq!(index.files.len(), 3);
        for (file, names) in &index.files {
            let ordinal: usize = file[5..6].parse().unwrap();
            assert_eq!(*names, expected[ordinal]);
        }
    }

    #[test]
    fn the_window_may_end_anywhere() {
        // Longer than a window, in pieces that end at every possible place of an entry.
        let mut text = String::from("{\"weight_map\": {");
        for n in 0..6000_u32 {
            let comma = if n == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{comma} \"layers.{n:05}.w\": \"f{}.safetensors\"",
                n / 1000
            );
        }
        text.push_str("}, \"metadata\": {\"total_size\": 123456}}");
        assert!(text.len() > super::WINDOW);
        let hasher = NameHasher::default();
        let whole = read(hasher.clone(), &text).unwrap();
        assert!(whole.ascending);
        assert_eq!(whole.total_size, Some(123_456));
        assert_eq!(whole.files.len(), 6);
        for shift in 0..60 {
            let shifted = format!("{}{text}", " ".repeat(shift));
            let index = read(hasher.clone(), &shifted).unwrap();
            assert_eq!(index.files, whole.files, "{shift}");
            assert!(index.ascending);
            assert_eq!(index.total_size, whole.total_size);
        }
        let broken = text.replacen("layers.05999.w\":", "layers.05999.w\"", 1);
        let error = read(hasher, &broken).unwrap_err();
        // Where the colon should be, the file's name begins.
        assert!(broken[error.at..].starts_with("\"f5.safetensors"));
    }

    #[test]
    fn a_repeated_name_is_not_ascending() {
        for (text, ascending) in [
            (r#"{"weight_map":{"a":"x","b":"x","c":"y"}}"#, true),
            (r#"{"weight_map":{"a":"x","b":"x","b":"y"}}"#, false),
            (r#"{"weight_map":{"":"x","a":"x"}}"#, true),
        ] {
            let index = read(NameHasher::default(), text).unwrap();
            assert_eq!(index.ascending, ascending, "{text}");
        }
    }

    #[test]
    fn the_last_name_is_remembered_while_the_window_grows() {
        // The long entry takes several refills, between which no name is entered.
        for long in [super::WINDOW, 5 * super::WINDOW] {
            let long = "c".repeat(long);
            for (text, ascending) in [
                (format!(r#""b":"x","{long}":"y","b":"z""#), false),
                (format!(r#""b.1":"x","a":"{long}","b.1":"x""#), false),
                (format!(r#""b.1":"x","a":"{long}","b.2":"x""#), true),
                (format!(r#""{long}":"x","b":"x","{long}":"x""#), false),
                (format!(r#""{long}":"x","b":"x","{long}c":"x""#), true),
            ] {
                let text = format!(r#"{{"weight_map":{{{text}}}}}"#);
                let index = read(NameHasher::default(), &text).unwrap();
                assert_eq!(index.ascending, ascending);
            }
        }
    }

    #[test]
    fn an_index_that_templates_read_is_read_by_them_wherever_it_is_broken() {
        let mut text = String::from("{\"metadata\": {\"total_size\": 12}, \"weight_map\": {");
        for n in 0..8_u32 {
            let comma = if n == 0 { "" } else { "," };
            let (name, part) = (["norm", "mlp.7.up", "bias"][n as usize % 3], n / 3);
            let _ = write!(
                text,
                "{comma}\n  \"h.{}.{name}\": \"part-{part}\"",
                9 + n / 2
            );
        }
        text.push_str("\n}}");
        let hasher = NameHasher::default();
        let mut fast = IndexReader::new(hasher.clone());
        let mut slow = IndexReader::new(hasher);
        slow.names.learns = false;
        let reading = |reader: &mut IndexReader, text: &[u8]| {
            let read = reader.read(text).unwrap();
            read.map(|index| (index.total_size, index.files, index.ascending))
        };
        assert!(reading(&mut fast, text.as_bytes()).is_ok());
        for at in 0..text.len() {
            for byte in *b"0129a,:.\"\\{}[] -\n\xff" {
                let mut broken = text.clone().into_bytes();
                broken[at] = byte;
                assert_eq!(
                    reading(&mut fast, &broken),
                    reading(&mut slow, &broken),
                    "{}",
                    String::from_utf8_lossy(&broken)
                );
            }
        }
    }

    #[test]
    fn names_are_ordered_by_their_numbers_as_text() {
        for (names, ascending) in [
            (&["a.1.b.9", "a.10.b.0", "a.10.b.1"][..], true),
            (&["a.1.b", "a.2.b", "a.10.b"], false),
            (&["a.10.b", "a.1.c", "a.2.b", "a.10.c"], true),
            (&["a.1.b.1", "a.2.b.1", "a.1.b.1"], false),
            (&["a.1.b.2", "a.1.b.2"], false),
            (&["a.1.b.2.c.3", "a.1.b.3.c.3", "a.1.b.3.c.2"], false),
        ] {
            let entries: Vec<String> = names
                .iter()
                .map(|name| format!(r#""{name}":"x""#))
                .collect();
            let text = format!(r#"{{"weight_map":{{{}}}}}"#, entries.join(", "));
            // What was learned from one index says nothing of the order of the next.
            let mut reader = IndexReader::new(NameHasher::default());
            for _ in 0..2 {
                let index = reader.read(text.as_bytes()).unwrap().unwrap();
                assert_eq!(index.ascending, ascending, "{text}");
            }
        }
    }

    #[test]
    fn the_total_size_is_that_of_the_last_metadata() {
        for (members, expected) in [
            (r#""metadata":{"total_size":1}"#, Some(1)),
            (r#""metadata":{"total_size":1,"total_size":2}"#, Some(2)),
            (
                r#""metadata":{"total_size":1},"metadata":{"total_size":2}"#,
                Some(2),
            ),
            (r#""metadata":{"total_size":1},"metadata":{}"#, None),
            (r#""metadata":{"total_size":-1}"#, None),
            (r#""metadata":{"total_size":"1"}"#, None),
            (r#""metadata":[1],"other":{"total_size":1}"#, None),
        ] {
            let text = format!(r#"{{{members},"weight_map":{{}}}}"#);
            assert_eq!(
                read(NameHasher::default(), &text).unwrap().total_size,
                expected,
                "{members}"
            );
        }
    }

    #[test]
    fn names_and_files_must_be_utf8_wherever_they_stand() {
        for text in [
            &b"{\"weight_map\":{\"\xff\":\"x\"}}"[..],
            b"{\"weight_map\":{\"a\":\"x\",\"\xff\":\"x\"}}",
            b"{\"weight_map\":{\"a\":\"x\",\"b\":\"\xff\"}}",
            b"{\"weight_map\":{\"a\":\"x\",\"b\x01\":\"x\"}}",
        ] {
            let read = IndexReader::new(NameHasher::default()).read(text).unwrap();
            assert!(read.is_err(), "{}", String::from_utf8_lossy(text));
        }
        let text = "{\"weight_map\":{\"a\":\"x\",\"\u{e9}\":\"x\"}}";
        assert!(read(NameHasher::default(), text).unwrap().ascending);
    }

    #[test]
    fn what_is_no_index_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "{\"weight_map\":[]}",
            "{\"weight_map\":{\"a\":1}}",
            "{\"weight_map\":{}} x",
            "{\"weight_map\":{},\"weight_map\":{}}",
        ] {
            assert!(read(NameHasher::default(), text).is_err(), "{text}");
        }
        let text = "{\"metadata\":{\"total_size\":1.5e9},\"weight_map\":{}}";
        assert_eq!(read(NameHasher::default(), text).unwrap().total_size, None);
    }
}
