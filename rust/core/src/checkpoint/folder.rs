//! Listing folders: a whole tree, level by level, on several threads. What the files mean together is
//! `discover`'s business.

use super::file_name::{FileKind, WeightName};
use super::shard::FileId;
use crate::parallel::{self, Control};
use crate::source::{Entry, Source};
use std::collections::{BTreeMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// What lies directly in one folder, as far as it matters. All lists are sorted by name.
#[derive(Debug, Default)]
pub struct Folder {
    /// Safetensors files.
    pub weights: Vec<(OsString, WeightName)>,
    /// Index files.
    pub indexes: Vec<(OsString, WeightName)>,
    /// Weight files in other formats.
    pub not_read: Vec<OsString>,
    /// Parts of unfinished downloads.
    pub unfinished: Vec<OsString>,
    /// Names of the small JSON files.
    pub configs: Vec<String>,
    /// Sub-folders.
    pub folders: Vec<OsString>,
    /// Links to folders.
    pub links: Vec<OsString>,
    /// Why the folder could not be listed.
    pub error: Option<String>,
}

impl Folder {
    /// Lists one folder.
    #[must_use]
    pub fn list(source: Source<'_>, path: &Path) -> Self {
        let mut folder = Self::default();
        if let Err(error) = folder.fill(source, path) {
            folder.error = Some(error.to_string());
        }
        folder.weights.sort_unstable();
        folder.indexes.sort_unstable();
        folder.configs.sort_unstable();
        for names in [
            &mut folder.not_read,
            &mut folder.unfinished,
            &mut folder.folders,
            &mut folder.links,
        ] {
            names.sort_unstable();
        }
        folder
    }

    fn fill(&mut self, source: Source<'_>, path: &Path) -> io::Result<()> {
        let of_hub = is_of_hub(path);
        source.entries(path, |name, entry| match entry {
            Entry::Folder => self.folders.push(name),
            Entry::FolderLink => self.links.push(name),
            Entry::File => self.add_file(name, of_hub),
        })
    }

    fn add_file(&mut self, name: OsString, of_hub: bool) {
        // A name that is not Unicode is still known by its ending.
        let text = name.to_string_lossy();
        match FileKind::of(&text) {
            FileKind::Weights(parsed) => self.weights.push((name, parsed)),
            FileKind::Index(parsed) => self.indexes.push((name, parsed)),
            FileKind::Unfinished => self.unfinished.push(name),
            FileKind::Lock if !of_hub => self.unfinished.push(name),
            FileKind::NotRead => self.not_read.push(name),
            FileKind::Lock | FileKind::Other => {
                if Path::new(&name)
                    .extension()
                    .is_some_and(|end| end == "json")
                {
                    self.configs.push(text.into_owned());
                }
            }
        }
    }

    /// Whether safetensors files, or an index of some, are here.
    #[must_use]
    pub const fn has_weights(&self) -> bool {
        !self.weights.is_empty() || !self.indexes.is_empty()
    }

    /// Whether a JSON file of this name is here.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.configs
            .binary_search_by(|config| config.as_str().cmp(name))
            .is_ok()
    }
}

/// Whether a folder is `huggingface_hub`'s own, where the lock of a finished download stays for ever.
fn is_of_hub(path: &Path) -> bool {
    let mut parts = path.iter();
    parts.any(|part| part == OsStr::new(".cache"))
        && parts.next() == Some(OsStr::new("huggingface"))
}

/// Folders that hold no models and may be huge.
const SKIPPED: &[&str] = &[".git", ".locks", ".no_exist", "__pycache__"];

/// Lists a folder and everything below it, links to folders included; each real folder once.
#[must_use]
pub fn walk(
    source: Source<'_>,
    root: &Path,
    threads: usize,
    control: &Control,
) -> BTreeMap<PathBuf, Folder> {
    let mut found = BTreeMap::new();
    let mut seen: HashSet<FileId> = HashSet::new();
    let mut level = vec![root.to_owned()];
    let mut links: Vec<PathBuf> = Vec::new();
    while !level.is_empty() && !control.is_cancelled() {
        // A folder may be reached again through a link, also through one that leads up. That must be known before
        // it is listed: a thousand links to one large folder would cost a thousand times its size.
        let ids = parallel::map(&level, threads, control, || (), |(), path| source.id(path));
        let mut ids = ids.into_iter();
        level.retain(|_| {
            let id = ids.next().flatten().flatten();
            id.is_none_or(|id| seen.insert(id))
        });
        let listed = parallel::map(
            &level,
            threads,
            control,
            || (),
            |(), path| Folder::list(source, path),
        );
        let mut next = Vec::new();
        for (path, listed) in level.into_iter().zip(listed) {
            let Some(folder) = listed else {
                continue;
            };
            let below = |names: &[OsString]| -> Vec<PathBuf> {
                names.iter().map(|name| path.join(name)).collect()
            };
            next.extend(
                below(&folder.folders)
                    .into_iter()
                    .filter(|path| !SKIPPED.iter().any(|skipped| path.ends_with(skipped))),
            );
            links.extend(below(&folder.links));
            found.insert(path, folder);
        }
        // Real paths come first: a folder that has one is known by it, not by a link to it.
        level = if next.is_empty() {
            std::mem::take(&mut links)
        } else {
            next
        };
    }
    found
}
