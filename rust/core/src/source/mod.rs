//! Where files lie: on this machine, or in a listing of files whose beginnings are fetched when they are wanted.
//!
//! Scans and models read through a [`Source`] alone, so what lies elsewhere is judged by the very same code. A source
//! knows nothing of networks: [`Listed`] says which bytes it lacks, and someone else brings them.

mod first_range;
mod listed;

pub use listed::{Listed, ListedError, Want, Why};

use crate::checkpoint::FileId;
use crate::regular_file;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// Where files lie.
#[derive(Clone, Copy, Debug)]
pub enum Source<'s> {
    /// In the file system of this machine.
    Disk,
    /// Elsewhere.
    Listed(&'s Listed),
}

/// What stands in a folder under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder.
    Folder,
    /// A link to a folder.
    FolderLink,
    /// Anything else.
    File,
}

/// A file that is being read from its beginning.
#[derive(Debug)]
pub struct Opened<'s> {
    /// Its length.
    pub length: u64,
    /// Which file it is, links followed, where that is known.
    pub id: Option<FileId>,
    /// How many bytes of it can be read.
    at_hand: u64,
    reader: Reader<'s>,
}

#[derive(Debug)]
enum Reader<'s> {
    Disk(File),
    Listed(listed::Reader<'s>),
}

impl Read for Opened<'_> {
    #[inline]
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.reader {
            Reader::Disk(file) => file.read(buffer),
            Reader::Listed(reader) => reader.read(buffer),
        }
    }
}

impl Opened<'_> {
    /// How many of the first `most` bytes can be read at once: all that there are, of a file on this machine.
    #[must_use]
    pub fn at_hand(&self, most: usize) -> usize {
        usize::try_from(self.at_hand).map_or(most, |at_hand| at_hand.min(most))
    }
}

impl<'s> Source<'s> {
    /// Opens a file for reading if it is a regular one, links followed.
    ///
    /// # Errors
    /// If it is none, or not there, or nothing of it was fetched yet.
    pub fn open(self, path: &Path) -> io::Result<Opened<'s>> {
        match self {
            Self::Disk => {
                let (file, metadata) = regular_file::open(path)?;
                Ok(Opened {
                    length: metadata.len(),
                    id: FileId::of(&metadata),
                    at_hand: metadata.len(),
                    reader: Reader::Disk(file),
                })
            }
            Self::Listed(listed) => {
                let (length, reader) = listed.open(path)?;
                Ok(Opened {
                    length,
                    id: None,
                    at_hand: reader.held(),
                    reader: Reader::Listed(reader),
                })
            }
        }
    }

    /// Reads a file whole, if it has no more than `limit` bytes.
    ///
    /// # Errors
    /// As for [`Source::open`], or if it has more.
    pub fn read(self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        match self {
            Self::Disk => regular_file::read(path, limit),
            Self::Listed(listed) => listed.read(path, limit),
        }
    }

    /// Calls `each` with everything that lies directly in a folder.
    ///
    /// # Errors
    /// If it cannot be listed.
    pub fn entries(self, folder: &Path, mut each: impl FnMut(OsString, Entry)) -> io::Result<()> {
        match self {
            Self::Disk => {
                for entry in fs::read_dir(folder)? {
                    let entry = entry?;
                    let kind = entry.file_type()?;
                    let kind = if kind.is_dir() {
                        Entry::Folder
                    } else if kind.is_symlink() && entry.path().is_dir() {
                        Entry::FolderLink
                    } else {
                        Entry::File
                    };
                    each(entry.file_name(), kind);
                }
                Ok(())
            }
            Self::Listed(listed) => listed.entries(folder, each),
        }
    }

    /// Whether a path leads to a folder.
    ///
    /// # Errors
    /// If it leads to nothing, or cannot be looked at.
    pub fn is_folder(self, path: &Path) -> io::Result<bool> {
        match self {
            Self::Disk => Ok(fs::metadata(path)?.is_dir()),
            Self::Listed(listed) => listed.is_folder(path),
        }
    }

    /// Length of a file.
    ///
    /// # Errors
    /// If there is none, or it cannot be looked at.
    pub fn length(self, path: &Path) -> io::Result<u64> {
        match self {
            Self::Disk => Ok(fs::metadata(path)?.len()),
            Self::Listed(listed) => listed.length(path),
        }
    }

    /// Which file or folder a path leads to, where that is known.
    #[must_use]
    pub fn id(self, path: &Path) -> Option<FileId> {
        match self {
            Self::Disk => fs::metadata(path).ok().and_then(|found| FileId::of(&found)),
            // Nothing there is a link, so no two paths lead to one folder.
            Self::Listed(_) => None,
        }
    }

    /// The folder at a path, or the one that the file at the path is in.
    #[must_use]
    pub fn folder(self, path: &Path) -> &Path {
        if self.is_folder(path).unwrap_or(false) {
            return path;
        }
        path.parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or_else(|| Path::new("."))
    }

    /// Whether a path is a link.
    #[must_use]
    pub fn is_link(self, path: &Path) -> bool {
        match self {
            Self::Disk => path.is_symlink(),
            Self::Listed(_) => false,
        }
    }
}
