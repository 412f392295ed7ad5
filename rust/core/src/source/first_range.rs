//! How much of a weight file to ask for before the length of its header is known.
//!
//! A header has an entry for each tensor of its file, and so has an index for each tensor of all its shards. So the
//! length of the index, which stands in the list of files, tells how long headers are before any byte is fetched. Of 37
//! published indexes, with headers as the `safetensors` crate writes them, the longest header of a repository has 1.8
//! times (median) the bytes that the index has per shard; twice that and 32 KiB is enough for every shard of 34 of
//! them. The headers of 102 published models, each taken as one file, have up to 128 KiB in 100 cases.

use crate::checkpoint::FileKind;

/// The first range of a shard: so many times its share of the index,
const TIMES: u64 = 2;
/// and so much more,
const MORE: u64 = 32 << 10;
/// but no more than this: a list of files may say anything of its index.
const MOST: u64 = 4 << 20;
/// The first range of a file that no index tells of.
const ALONE: u64 = 128 << 10;

/// What the names and lengths of the files of one folder tell of headers.
#[derive(Debug, Default)]
pub struct Lengths {
    index_bytes: u64,
    shards: u64,
}

impl Lengths {
    /// Takes a file of the folder into account.
    pub fn add(&mut self, name: &str, length: u64) {
        match FileKind::of(name) {
            FileKind::Index(_) => self.index_bytes = self.index_bytes.saturating_add(length),
            FileKind::Weights(parsed) if parsed.part.is_some() => self.shards += 1,
            _ => {}
        }
    }

    /// How much of a weight file of the folder to ask for.
    #[must_use]
    pub fn first_range(&self, name: &str) -> u64 {
        let is_shard =
            matches!(FileKind::of(name), FileKind::Weights(parsed) if parsed.part.is_some());
        let share = self.index_bytes.checked_div(self.shards);
        match share {
            Some(share) if is_shard && share > 0 => {
                share.saturating_mul(TIMES).saturating_add(MORE).min(MOST)
            }
            _ => ALONE,
        }
    }
}
