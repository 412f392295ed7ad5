//! One safetensors file: the length field, the header, and whether the file is as long as its tensors need.
//!
//! Tensor data is never looked at, only what follows a short header is read together with it.

use super::form::{Form, Tensor};
use super::header::{HeaderReader, Metadata};
use super::name::{Fingerprint, NameHasher};
use super::problem::{Code, Problem, Problems};
use crate::source::Source;
use crate::wording::{counted, grouped};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

/// The length limit that safetensors sets for a header (`MAX_HEADER_SIZE` of the crate).
pub const HEADER_LIMIT: u64 = 100_000_000;
/// Bytes of the length field in front of the header.
pub const LENGTH_FIELD: usize = 8;
/// How much of a file is read before the length of its header is known.
const FIRST_READ: usize = 16 << 10;
/// A reader that has met more forms than this starts afresh, so that a hostile file does not burden the rest.
const FORMS_KEPT: usize = 1 << 16;

/// What tells one file on disk from another, whatever path leads to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// The identity of an open file or of metadata, where the platform has one.
    #[cfg(unix)]
    #[must_use]
    pub fn of(metadata: &std::fs::Metadata) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        })
    }

    /// The identity of an open file or of metadata, where the platform has one.
    #[cfg(not(unix))]
    #[must_use]
    pub fn of(_: &std::fs::Metadata) -> Option<Self> {
        None
    }
}

/// A form and how a shard uses it.
#[derive(Clone, Debug)]
pub struct FormUse {
    /// The form.
    pub form: Arc<Form>,
    /// How many tensors of the shard have it.
    pub count: u64,
    /// The least and the greatest first number in their names; of no meaning where names have no numbers.
    pub first_numbers: (u32, u32),
}

/// One file as read, with its own list of forms.
#[derive(Debug)]
pub struct Shard {
    /// Where it was read.
    pub path: Arc<PathBuf>,
    /// Length of the whole file.
    pub file_bytes: u64,
    /// Length of the header with its length field; 0 if there is none.
    pub header_bytes: u64,
    /// Which file it is, links followed.
    pub id: Option<FileId>,
    /// What its tensors have in common; `Tensor::form` is an index into this list.
    pub forms: Vec<FormUse>,
    /// Tensors in the order of the header.
    pub tensors: Vec<Tensor>,
    /// The numbers in their names.
    pub numbers: Vec<u32>,
    /// What stands under `__metadata__`.
    pub metadata: Metadata,
    /// The set of names; only meaningful within one scan.
    pub names: Fingerprint,
}

impl Shard {
    /// A shard of which nothing but the path is known.
    #[must_use]
    pub fn unread(path: Arc<PathBuf>) -> Self {
        Self {
            path,
            file_bytes: 0,
            header_bytes: 0,
            id: None,
            forms: Vec::new(),
            tensors: Vec::new(),
            numbers: Vec::new(),
            metadata: Metadata::new(),
            names: Fingerprint::default(),
        }
    }

    /// A tensor's form.
    #[inline]
    #[must_use]
    pub fn form(&self, tensor: &Tensor) -> &Form {
        &self.forms[tensor.form as usize].form
    }

    /// A tensor's name.
    #[must_use]
    pub fn name(&self, tensor: &Tensor) -> String {
        let form = self.form(tensor);
        form.pattern.name(tensor.numbers(form, &self.numbers))
    }
}

/// Reads shards, one after another.
#[derive(Debug)]
pub struct ShardReader {
    hasher: NameHasher,
    headers: HeaderReader,
    buffer: Vec<u8>,
    /// For each form of the reader, its index in the shard at hand; `u32::MAX` if it has none there.
    local: Vec<u32>,
}

impl ShardReader {
    /// A reader whose fingerprints may be compared with those of others that share the hasher.
    #[must_use]
    pub fn new(hasher: NameHasher) -> Self {
        Self {
            headers: HeaderReader::new(hasher.clone()),
            hasher,
            buffer: Vec::new(),
            local: Vec::new(),
        }
    }

    /// Reads the header of one file. Whatever is wrong is in the list; the shard holds what could be read.
    pub fn read(&mut self, source: Source<'_>, path: &Arc<PathBuf>) -> (Shard, Vec<Problem>) {
        let mut problems = Problems::new(Arc::clone(path));
        let mut shard = Shard::unread(Arc::clone(path));
        match self.load(source, &mut shard, &mut problems) {
            Ok(Some(place)) => self.parse(place, &mut shard, &mut problems),
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && source.is_link(path) => {
                problems.push(Code::LinkBroken, None, || {
                    "the link points to a file that is not there".to_owned()
                });
            }
            Err(error) => problems.push(Code::FileUnreadable, None, || error.to_string()),
        }
        if self.headers.forms.len() > FORMS_KEPT {
            *self = Self::new(self.hasher.clone());
        }
        (shard, problems.into_vec())
    }

    /// Brings the header's text into the buffer; where it stands there, or `None` if the file has none.
    fn load(
        &mut self,
        source: Source<'_>,
        shard: &mut Shard,
        problems: &mut Problems,
    ) -> io::Result<Option<Range<usize>>> {
        let mut file = source.open(&shard.path)?;
        shard.file_bytes = file.length;
        shard.id = file.id;
        let Some(room) = shard.file_bytes.checked_sub(LENGTH_FIELD as u64) else {
            problems.push(Code::FileTooShort, None, || {
                format!(
                    "the file has {}; a safetensors file begins with 8 that hold the header length",
                    counted(shard.file_bytes, "byte")
                )
            });
            return Ok(None);
        };
        // One read brings the whole header of most files, and little more than that.
        if self.buffer.len() < FIRST_READ {
            self.buffer.resize(FIRST_READ, 0);
        }
        let first = file.at_hand(FIRST_READ);
        file.read_exact(&mut self.buffer[..first])?;
        let (length, _) = self.buffer.split_first_chunk().unwrap_or((&[0; 8], &[]));
        let length = u64::from_le_bytes(*length);
        if length > HEADER_LIMIT {
            problems.push(Code::HeaderTooLarge, None, || {
                format!(
                    "the length field says {} of header; the limit is {}",
                    counted(length, "byte"),
                    grouped(HEADER_LIMIT)
                )
            });
            return Ok(None);
        }
        if length > room {
            problems.push(Code::HeaderTruncated, None, || {
                format!(
                    "the header should take {}, the file has only {} after the length field",
                    counted(length, "byte"),
                    grouped(room)
                )
            });
            return Ok(None);
        }
        #[expect(clippy::cast_possible_truncation, reason = "at most HEADER_LIMIT")]
        let end = LENGTH_FIELD + length as usize;
        if self.buffer.len() < end {
            self.buffer.resize(end, 0);
        }
        if first < end {
            file.read_exact(&mut self.buffer[first..end])?;
        }
        Ok(Some(LENGTH_FIELD..end))
    }

    fn parse(&mut self, place: Range<usize>, shard: &mut Shard, problems: &mut Problems) {
        let end = place.end as u64;
        let Some(header) = self.headers.read(&self.buffer[place], problems) else {
            return;
        };
        shard.header_bytes = end;
        let needed = header.data_bytes.saturating_add(shard.header_bytes);
        let code = match shard.file_bytes.cmp(&needed) {
            Ordering::Less => Some(Code::DataTruncated),
            // What is left over may be the data of a tensor whose place could not be read.
            Ordering::Greater if !header.unplaced => Some(Code::DataTrailing),
            _ => None,
        };
        if let Some(code) = code {
            problems.push(code, None, || {
                format!(
                    "the file has {}, its header and tensors need {}",
                    counted(shard.file_bytes, "byte"),
                    grouped(needed)
                )
            });
        }
        shard.tensors = header.tensors;
        shard.numbers = header.numbers;
        shard.metadata = header.metadata;
        shard.names = header.names;
        self.localize(shard);
    }

    /// Gives the shard its own list of forms, so that it can outlive the reader.
    fn localize(&mut self, shard: &mut Shard) {
        const ABSENT: u32 = u32::MAX;
        let forms = &self.headers.forms;
        self.local.clear();
        self.local.resize(forms.len(), ABSENT);
        for tensor in &mut shard.tensors {
            let local = &mut self.local[tensor.form as usize];
            if *local == ABSENT {
                // No more forms than tensors, which are under 100 million.
                *local = u32::try_from(shard.forms.len()).unwrap_or(ABSENT);
                shard.forms.push(FormUse {
                    form: Arc::clone(forms.form(tensor.form)),
                    count: 0,
                    first_numbers: (u32::MAX, 0),
                });
            }
            tensor.form = *local;
            let used = &mut shard.forms[*local as usize];
            used.count += 1;
            // Where the name has no number this is another tensor's, and not looked at.
            let first = shard.numbers.get(tensor.numbers as usize);
            let first = first.copied().unwrap_or_default();
            let (least, greatest) = used.first_numbers;
            used.first_numbers = (least.min(first), greatest.max(first));
        }
    }
}
