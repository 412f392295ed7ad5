//! What can be wrong with a checkpoint: one table of codes, and the problems themselves.
//!
//! A code is stable: scripts may test for it. `docs/problems.md` is generated from this table.

use crate::wording::grouped;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing; nothing is wrong.
    Info,
    /// Probably not what was meant; the tally stands.
    Warning,
    /// The checkpoint is broken or incomplete; what could be read is still tallied.
    Error,
}

impl Severity {
    /// `info`, `warning` or `error`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $meaning:literal),+ $(,)?) => {
        /// The kinds of problem a scan can find.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum Code { $(#[doc = $meaning] $variant,)+ }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The stable name, in kebab case.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }

            /// The severity every problem of this code has.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }

            /// One sentence on what it means and what to do.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),+ }
            }
        }
    };
}

codes! {
    FileUnreadable "file-unreadable" Error "The operating system would not open or read the file: check permissions and links.",
    FileTooShort "file-too-short" Error "The file has fewer than the 8 bytes that hold the header length: download it again.",
    HeaderTooLarge "header-too-large" Error "The header length is over the 100,000,000 bytes that safetensors allows: this is not a safetensors file, or it is damaged.",
    HeaderTruncated "header-truncated" Error "The file ends inside its header: the download is unfinished.",
    HeaderNotUtf8 "header-not-utf8" Error "The header holds bytes that are not UTF-8.",
    HeaderNotJson "header-not-json" Error "The header is not the JSON object that safetensors asks for.",
    EntryInvalid "entry-invalid" Error "A tensor's entry lacks `dtype`, `shape` or `data_offsets`, or one of them is of the wrong kind.",
    TensorDuplicate "tensor-duplicate" Error "One name stands twice in one header; the first is counted.",
    ShapeOverflow "shape-overflow" Error "The product of a shape and its dtype does not fit 64 bits.",
    SizeMismatch "size-mismatch" Error "Shape times dtype is not the length of the tensor's byte range.",
    OffsetsReversed "offsets-reversed" Error "A tensor's data range ends before it begins.",
    OffsetsOverlap "offsets-overlap" Error "Two tensors of one file share bytes.",
    OffsetsGap "offsets-gap" Error "There are bytes between two tensors that belong to neither.",
    DataTruncated "data-truncated" Error "The file is shorter than its tensors need: the download is unfinished.",
    DataTrailing "data-trailing" Error "The file is longer than its header and tensors.",
    IndexInvalid "index-invalid" Error "The index file cannot be read as a weight map.",
    ShardMissing "shard-missing" Error "A shard that the index, or the numbering of its siblings, names is not there.",
    TensorMissing "tensor-missing" Error "The index names a tensor that no shard holds.",
    TensorMisplaced "tensor-misplaced" Error "A tensor is in another shard than the index says.",
    TensorTwice "tensor-twice" Error "Two shards of one model hold a tensor of the same name; the first is counted.",
    TensorUnlisted "tensor-unlisted" Warning "A shard holds a tensor that the index does not name.",
    ShardUnlisted "shard-unlisted" Warning "A shard file beside the index is not named by it; it is not counted.",
    IndexStale "index-stale" Warning "The index names shards none of which is here, though other weights are; these are counted without it.",
    TotalSizeWrong "total-size-wrong" Warning "The index states another `total_size` than its tensors have.",
    DtypeUnknown "dtype-unknown" Warning "A dtype this version does not know; it is sized by its data offsets.",
    ConfigInvalid "config-invalid" Warning "A configuration file beside the weights could not be read; the scan went on without it.",
    ComponentMissing "component-missing" Warning "The pipeline names a component whose folder holds no safetensors.",
    UnfinishedDownload "unfinished-download" Warning "A partial, hidden or lock file of a download lies here: finish the download, or remove the file.",
    FolderUnreadable "folder-unreadable" Warning "A folder could not be listed; what is below it was not scanned.",
    LinkBroken "link-broken" Error "A symbolic link to a weight file points to nothing.",
    PathNotScanned "path-not-scanned" Error "A path of the command line gave nothing: it is not there, cannot be read or holds no safetensors. Only in the JSON of several paths.",
    CopyNotCounted "copy-not-counted" Info "By its name another copy of a model that is counted (another layout or precision); it is not read and not counted.",
    MoreBelow "more-below" Info "`scan` was asked for one model, and the folder is one; others beside or below it are not counted. `scan_tree` and the command line count each as a model of its own.",
    PartAlone "part-alone" Info "The file that was asked for is one part of a model; the others are not counted.",
    NotRead "not-read" Info "A weight file in another format than safetensors; it is listed with its size and not read.",
    PackingUnknown "packing-unknown" Warning "Weights that are packed, or seem to be, in a layout that this version does not know; each stored element counts as one parameter, and there may be more.",
    PackingAssumed "packing-assumed" Info "Packed weights whose bits per weight are not stated anywhere; the count rests on the assumption named.",
    MoreOfSame "more-of-same" Info "Further problems of the same code in the same place were left out of the list.",
}

impl Code {
    /// Whether tensors of a file are not known because of it.
    #[must_use]
    pub const fn hides_tensors(self) -> bool {
        matches!(
            self,
            Self::FileUnreadable
                | Self::FileTooShort
                | Self::HeaderTooLarge
                | Self::HeaderTruncated
                | Self::HeaderNotUtf8
                | Self::HeaderNotJson
                | Self::ShardMissing
                | Self::LinkBroken
        )
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What kind it is; the severity follows from it.
    pub code: Code,
    /// The file or folder it was found in.
    #[serde(with = "crate::os_path")]
    pub path: Arc<PathBuf>,
    /// The tensor it concerns, if it concerns one.
    pub tensor: Option<String>,
    /// What exactly is wrong, in lower case, with numbers.
    pub message: String,
}

impl Problem {
    /// The severity of its code.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.code.severity()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(tensor) = &self.tensor {
            write!(f, "{tensor}: ")?;
        }
        write!(f, "{} [{}]", self.message, self.code.name())
    }
}

/// How many problems of one code are listed per file before the rest are only counted.
pub const LISTED_PER_CODE: u64 = 50;

/// Collects the problems of one file or folder, with a bound per code: a hostile file must not grow the list
/// without end, nor cost the time to word a million messages.
#[derive(Debug)]
pub struct Problems {
    path: Arc<PathBuf>,
    list: Vec<Problem>,
    seen: BTreeMap<Code, u64>,
}

impl Problems {
    /// An empty list for one file or folder.
    #[must_use]
    pub const fn new(path: Arc<PathBuf>) -> Self {
        Self {
            path,
            list: Vec::new(),
            seen: BTreeMap::new(),
        }
    }

    /// An empty list for the same file or folder, to be absorbed or dropped later.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::new(Arc::clone(&self.path))
    }

    /// Adds a problem; the message is worded only if it will be listed.
    pub fn push(&mut self, code: Code, tensor: Option<&str>, message: impl FnOnce() -> String) {
        let seen = self.seen.entry(code).or_default();
        *seen += 1;
        if *seen <= LISTED_PER_CODE {
            self.list.push(Problem {
                code,
                path: Arc::clone(&self.path),
                tensor: tensor.map(str::to_owned),
                message: message(),
            });
        }
    }

    /// Takes over the problems of another list, which may be about another place.
    pub fn absorb(&mut self, other: Self) {
        self.list.extend(other.into_vec());
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The finished list, which says how many were left out.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<Problem> {
        for (code, seen) in &self.seen {
            if *seen > LISTED_PER_CODE {
                self.list.push(Problem {
                    code: Code::MoreOfSame,
                    path: Arc::clone(&self.path),
                    tensor: None,
                    message: format!(
                        "{} more of code {}",
                        grouped(seen - LISTED_PER_CODE),
                        code.name()
                    ),
                });
            }
        }
        self.list
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn names_are_unique_kebab_case_and_explained() {
        let mut names: Vec<_> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(
                code.name()
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            );
            assert!(code.meaning().ends_with('.'));
        }
    }
}
