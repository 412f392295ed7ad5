//! Files that lie elsewhere: known by name and length, with as much of the beginning of each as was fetched so far.

use super::Entry;
use super::first_range::Lengths;
use crate::checkpoint::{FileKind, HEADER_LIMIT, LENGTH_FIELD};
use crate::wording::{counted, grouped};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Longer files are not fetched whole. The longest real indexes have some 20 MB.
const WHOLE_LIMIT: u64 = 64 << 20;

/// Longer names are refused: no system can hold such a file, and each folder in a name takes room.
const LONGEST_NAME: usize = 4096;

/// What no part of a name may have: elsewhere than on Windows a backslash is a letter like others.
const NOT_IN_NAMES: &[char] = if cfg!(windows) {
    &['\\', ':', '\0']
} else {
    &['\0']
};

/// Files that lie elsewhere.
#[derive(Debug)]
pub struct Listed {
    root: PathBuf,
    files: BTreeMap<PathBuf, Known>,
    folders: BTreeMap<PathBuf, Folder>,
    /// What was asked for and is not there yet. Readers on several threads enter it.
    wanted: Mutex<BTreeMap<PathBuf, (u64, u64, Why)>>,
}

#[derive(Debug, Default)]
struct Folder {
    entries: BTreeMap<OsString, Entry>,
    lengths: Lengths,
}

/// What is known of one file.
#[derive(Debug)]
struct Known {
    length: u64,
    /// Whether it begins with a header.
    is_weights: bool,
    /// Its beginning, as far as it was brought.
    held: Option<Vec<u8>>,
    /// Why nothing more of it will be brought.
    refused: Option<String>,
}

/// What bytes are wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// A small JSON file, whole.
    Config,
    /// The index of a set of shards, whole.
    Index,
    /// The beginning of a weight file, long enough for most headers.
    Header,
    /// What that beginning lacks of the header.
    HeaderRest,
}

impl Why {
    /// `config`, `index`, `header` or `header-rest`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Index => "index",
            Self::Header => "header",
            Self::HeaderRest => "header-rest",
        }
    }
}

/// Bytes that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    /// The file, by the name it was listed with.
    pub file: String,
    /// The first byte.
    pub start: u64,
    /// The byte behind the last one.
    pub end: u64,
    /// What they are wanted for.
    pub why: Why,
}

/// What is wrong with a listing, or with bytes that were brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedError {
    /// A name that is no path below the root.
    Name(String),
    /// A name that stands twice, with different lengths.
    Twice(String),
    /// A name that was not listed.
    Unknown(String),
    /// Bytes that do not follow those that are there.
    Place {
        /// The file.
        file: String,
        /// Where the bytes should begin.
        expected: u64,
        /// Where they begin.
        start: u64,
    },
    /// More bytes than the file has.
    Long {
        /// The file.
        file: String,
        /// Its length.
        length: u64,
        /// Where the bytes end.
        end: u64,
    },
}

impl fmt::Display for ListedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(file) => write!(
                f,
                "the list of files names {:?}, which is no path below its root",
                shown(file)
            ),
            Self::Twice(file) => write!(
                f,
                "the list of files names {:?} twice, with different lengths",
                shown(file)
            ),
            Self::Unknown(file) => write!(f, "{:?} is not in the list of files", shown(file)),
            Self::Place {
                file,
                expected,
                start,
            } => write!(
                f,
                "{file:?}: bytes from {start} were brought, those from {expected} are wanted"
            ),
            Self::Long { file, length, end } => write!(
                f,
                "{file:?}: bytes up to {end} were brought, the file has {length}"
            ),
        }
    }
}

impl std::error::Error for ListedError {}

/// As much of a name as a message has room for.
fn shown(name: &str) -> String {
    const SHOWN: usize = 200;
    let mut shown: String = name.chars().take(SHOWN).collect();
    if shown.len() < name.len() {
        shown.push_str("...");
    }
    shown
}

/// The beginning of a file that lies elsewhere.
#[derive(Debug)]
pub struct Reader<'s> {
    held: &'s [u8],
    at: usize,
    whole: bool,
}

impl Reader<'_> {
    /// How many bytes are there.
    pub const fn held(&self) -> u64 {
        self.held.len() as u64
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = &self.held[self.at..];
        if left.is_empty() && !self.whole && !buffer.is_empty() {
            return Err(not_there_yet());
        }
        let read = left.len().min(buffer.len());
        buffer[..read].copy_from_slice(&left[..read]);
        self.at += read;
        Ok(read)
    }
}

/// What readers get for bytes that were not brought yet. Whatever is made of it is thrown away: the bytes are wanted,
/// and when they are there all is read again.
fn not_there_yet() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "not fetched yet")
}

fn not_found() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "not in the list of files")
}

impl Known {
    const fn whole(text: Vec<u8>) -> Self {
        Self {
            length: text.len() as u64,
            is_weights: false,
            held: Some(text),
            refused: None,
        }
    }
}

impl Listed {
    /// Files by name (with `/` between folders) and length, below a root that only has to look well in messages.
    ///
    /// # Errors
    /// If a name leads out of the root, or stands twice.
    pub fn new(
        root: PathBuf,
        files: impl IntoIterator<Item = (String, u64)>,
    ) -> Result<Self, ListedError> {
        let mut listed = Self::empty(root);
        for (name, length) in files {
            let path = listed.below(&name)?;
            let known = Known {
                length,
                is_weights: matches!(kind_of(&path), FileKind::Weights(_)),
                held: None,
                refused: None,
            };
            match listed.files.insert(path.clone(), known) {
                None => listed.enter(&path, length),
                Some(before) if before.length == length => {}
                Some(_) => return Err(ListedError::Twice(name)),
            }
        }
        Ok(listed)
    }

    fn empty(root: PathBuf) -> Self {
        Self {
            folders: BTreeMap::from([(root.clone(), Folder::default())]),
            root,
            files: BTreeMap::new(),
            wanted: Mutex::default(),
        }
    }

    /// The path of a name below the root.
    ///
    /// # Errors
    /// If the name leads elsewhere.
    pub fn below(&self, name: &str) -> Result<PathBuf, ListedError> {
        let sound = name.len() <= LONGEST_NAME
            && name
                .split('/')
                .all(|part| !matches!(part, "" | "." | "..") && !part.contains(NOT_IN_NAMES));
        if sound {
            Ok(self.root.join(name))
        } else {
            Err(ListedError::Name(name.to_owned()))
        }
    }

    /// A listed file by its name.
    fn file(&mut self, name: &str) -> Result<(PathBuf, &mut Known), ListedError> {
        let path = self.below(name)?;
        match self.files.get_mut(&path) {
            Some(known) => Ok((path, known)),
            None => Err(ListedError::Unknown(name.to_owned())),
        }
    }

    /// Files that are all there, below a root.
    #[must_use]
    pub fn whole(root: PathBuf, files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let mut listed = Self::empty(root);
        for (name, text) in files {
            if let Ok(path) = listed.below(&name) {
                listed.enter(&path, text.len() as u64);
                listed.files.insert(path, Known::whole(text));
            }
        }
        listed
    }

    /// What all files are below.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Enters a file in the folder above it, and that in the one above, up to one that is known.
    fn enter(&mut self, file: &Path, length: u64) {
        let mut entry = Entry::File;
        for path in file.ancestors() {
            let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
                return;
            };
            let is_known = self.folders.contains_key(parent);
            let folder = self.folders.entry(parent.to_owned()).or_default();
            folder.entries.insert(name.to_owned(), entry);
            if entry == Entry::File {
                folder.lengths.add(&name.to_string_lossy(), length);
            }
            if is_known {
                return;
            }
            entry = Entry::Folder;
        }
    }

    /// Enters bytes of a file that follow those that are there. Of a weight file nothing is kept behind the header.
    ///
    /// # Errors
    /// If the file was not listed, or the bytes are not in their place.
    pub fn give(&mut self, name: &str, start: u64, bytes: &[u8]) -> Result<(), ListedError> {
        let (path, known) = self.file(name)?;
        let held = known.held.get_or_insert_default();
        let expected = held.len() as u64;
        if start != expected {
            let file = name.to_owned();
            return Err(ListedError::Place {
                file,
                expected,
                start,
            });
        }
        let end = start.saturating_add(bytes.len() as u64);
        if end > known.length {
            let (file, length) = (name.to_owned(), known.length);
            return Err(ListedError::Long { file, length, end });
        }
        held.extend_from_slice(bytes);
        if known.is_weights
            && let Some(header) = header_end(held)
        {
            held.truncate(usize::try_from(header).unwrap_or(usize::MAX));
            held.shrink_to_fit();
        }
        self.lacks().remove(&path);
        Ok(())
    }

    /// Notes that a file cannot be had, and why; it counts as unreadable.
    ///
    /// # Errors
    /// If it was not listed.
    pub fn refuse(&mut self, name: &str, why: String) -> Result<(), ListedError> {
        let (path, known) = self.file(name)?;
        known.refused = Some(why);
        self.lacks().remove(&path);
        Ok(())
    }

    /// What is there of a file: of a weight file the length field and the header, of others everything.
    #[must_use]
    pub fn held(&self, name: &str) -> Option<&[u8]> {
        let path = self.below(name).ok()?;
        self.files.get(&path)?.held.as_deref()
    }

    /// What was asked for since the last call and is not there.
    pub fn take_wanted(&self) -> Vec<Want> {
        let wanted = std::mem::take(&mut *self.lacks());
        wanted
            .into_iter()
            .map(|(path, (start, end, why))| Want {
                file: self.name(&path),
                start,
                end,
                why,
            })
            .collect()
    }

    /// Whether something is wanted of such a file.
    pub fn wants(&self, is_such: impl Fn(&Path) -> bool) -> bool {
        self.lacks().keys().any(|path| is_such(path))
    }

    /// What a model keeps of the files of a folder that are there, by name.
    #[must_use]
    pub fn beside(&self, folder: &Path, names: &[&str]) -> BTreeMap<String, Vec<u8>> {
        let held = names.iter().filter_map(|&name| {
            let known = self.files.get(&folder.join(name))?;
            let held = known.held.as_ref()?;
            (held.len() as u64 == known.length).then(|| (name.to_owned(), held.clone()))
        });
        held.collect()
    }

    fn name(&self, path: &Path) -> String {
        let below = path.strip_prefix(&self.root).unwrap_or(path);
        below.to_string_lossy().into_owned()
    }

    fn lacks(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, (u64, u64, Why)>> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn want(&self, path: &Path, start: u64, end: u64, why: Why) {
        self.lacks().insert(path.to_owned(), (start, end, why));
    }

    fn known(&self, path: &Path) -> io::Result<&Known> {
        self.files.get(path).ok_or_else(not_found)
    }

    /// Wants a file whole unless it is there, has more than `limit` bytes, or cannot be had.
    pub fn prefetch(&self, path: &Path, limit: u64) {
        if let Ok(known) = self.known(path)
            && known.length <= limit
        {
            self.want_whole(path, known);
        }
    }

    fn want_whole(&self, path: &Path, known: &Known) -> bool {
        let held = known.held.as_ref().map_or(0, Vec::len) as u64;
        let lacks = held < known.length && known.refused.is_none() && known.length <= WHOLE_LIMIT;
        if lacks {
            self.want(path, held, known.length, why(path));
        }
        lacks
    }

    /// Wants what is missing of the header of a weight file.
    pub fn prefetch_header(&self, path: &Path) {
        if let Ok(known) = self.known(path) {
            self.want_header(path, known);
        }
    }

    fn want_header(&self, path: &Path, known: &Known) -> bool {
        let held = known.held.as_deref().unwrap_or_default();
        if known.refused.is_some() || held.len() as u64 == known.length {
            return false;
        }
        let (end, why) = match held.split_first_chunk::<LENGTH_FIELD>() {
            Some((length, _)) => {
                let length = u64::from_le_bytes(*length);
                let end = length.saturating_add(LENGTH_FIELD as u64);
                if length > HEADER_LIMIT || end > known.length || end <= held.len() as u64 {
                    // There is no such header, or it is all there.
                    return false;
                }
                (end, Why::HeaderRest)
            }
            None => (self.first_range(path, known.length), Why::Header),
        };
        self.want(path, held.len() as u64, end, why);
        true
    }

    /// How much of a weight file to ask for before the length of its header is known.
    fn first_range(&self, path: &Path, length: u64) -> u64 {
        let folder = path.parent().and_then(|parent| self.folders.get(parent));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        folder.map_or(length, |folder| {
            folder.lengths.first_range(&name).min(length)
        })
    }

    /// Opens a file; its length and what is there of it.
    pub fn open(&self, path: &Path) -> io::Result<(u64, Reader<'_>)> {
        let known = self.known(path)?;
        if let Some(why) = &known.refused {
            return Err(io::Error::other(why.clone()));
        }
        if !known.is_weights && known.length > WHOLE_LIMIT {
            return Err(io::Error::other(format!(
                "it has {}; no more than {} are fetched",
                counted(known.length, "byte"),
                grouped(WHOLE_LIMIT)
            )));
        }
        let lacks = if known.is_weights {
            self.want_header(path, known)
        } else {
            self.want_whole(path, known)
        };
        if lacks {
            return Err(not_there_yet());
        }
        let held = known.held.as_deref().unwrap_or_default();
        let reader = Reader {
            held,
            at: 0,
            whole: held.len() as u64 == known.length,
        };
        Ok((known.length, reader))
    }

    /// Reads a file whole, if it has no more than `limit` bytes.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let known = self.known(path)?;
        if known.length > limit {
            return Err(io::Error::other(format!("it has more than {limit} bytes")));
        }
        let mut text = Vec::new();
        self.open(path)?.1.read_to_end(&mut text)?;
        Ok(text)
    }

    /// Calls `each` with everything that lies directly in a folder.
    pub fn entries(&self, folder: &Path, mut each: impl FnMut(OsString, Entry)) -> io::Result<()> {
        let folder = self.folders.get(folder).ok_or_else(not_found)?;
        for (name, &entry) in &folder.entries {
            each(name.clone(), entry);
        }
        Ok(())
    }

    /// Whether a path leads to a folder.
    pub fn is_folder(&self, path: &Path) -> io::Result<bool> {
        if self.folders.contains_key(path) {
            return Ok(true);
        }
        self.known(path).map(|_| false)
    }

    /// Length of a file.
    pub fn length(&self, path: &Path) -> io::Result<u64> {
        self.known(path).map(|known| known.length)
    }
}

fn kind_of(path: &Path) -> FileKind {
    FileKind::of(&path.file_name().unwrap_or_default().to_string_lossy())
}

/// What a file is wanted for whole.
fn why(path: &Path) -> Why {
    match kind_of(path) {
        FileKind::Index(_) => Why::Index,
        _ => Why::Config,
    }
}

/// Where the header of a file ends that begins with these bytes, if all of it is among them.
fn header_end(held: &[u8]) -> Option<u64> {
    let (length, _) = held.split_first_chunk::<LENGTH_FIELD>()?;
    let end = u64::from_le_bytes(*length).checked_add(LENGTH_FIELD as u64)?;
    (end <= held.len() as u64).then_some(end)
}
