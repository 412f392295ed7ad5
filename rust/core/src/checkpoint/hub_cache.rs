//! The cache that `huggingface_hub` keeps for a user: which repositories, which revisions of each, what they weigh and
//! what they take on disk.
//!
//! ```text
//! models--org--name/refs/main             the commit that `main` was when it was last asked for
//!                  /snapshots/<commit>/   a link for each file, which leads to
//!                  /blobs/<hash>          the file itself, which several revisions may share
//!                  /blobs/<hash>.incomplete
//! ```
//!
//! Where a system has no links, snapshots hold the files themselves. Repositories of data sets and spaces are passed
//! over.

use super::body::Checkpoint;
use super::file_name::FileKind;
use super::problem::Problem;
use super::role::Role;
use super::scan::{ScanError, scan_tree};
use super::shard::FileId;
use super::tally::Tally;
use crate::parallel::Control;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The cache of a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubCache {
    /// Its folder.
    #[serde(with = "crate::os_path")]
    pub path: PathBuf,
    /// Its repositories of models, by name.
    pub repos: Vec<CachedRepo>,
    /// What was found outside all checkpoints.
    pub problems: Vec<Problem>,
}

/// A repository as far as it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedRepo {
    /// As `org/name`.
    pub name: String,
    /// Its folder.
    #[serde(with = "crate::os_path")]
    pub path: PathBuf,
    /// Its revisions, by commit.
    pub revisions: Vec<CachedRevision>,
    /// Length of all its files, each counted once.
    pub disk_bytes: u128,
    /// Files of which only a part has come.
    pub incomplete: Vec<Incomplete>,
}

/// A revision of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedRevision {
    /// The name of its folder: the commit.
    pub commit: String,
    /// The branches and tags that it was known by.
    pub refs: Vec<String>,
    /// The models in it.
    pub checkpoints: Vec<Arc<Checkpoint>>,
    /// Length of all its files, each counted once.
    pub disk_bytes: u128,
    /// Length of those files that no other revision has: what its removal would free.
    pub own_bytes: u128,
}

/// A part of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incomplete {
    /// Where it is.
    #[serde(with = "crate::os_path")]
    pub path: PathBuf,
    /// Its length so far.
    pub bytes: u64,
}

impl HubCache {
    /// Scans a cache. What is no repository of a model in it is passed over.
    ///
    /// # Errors
    /// If there is no such folder, or the scan was stopped.
    pub fn scan(path: &Path, threads: usize, control: &Control) -> Result<Self, ScanError> {
        let tree = scan_tree(path, threads, control)?;
        let mut repos: BTreeMap<String, CachedRepo> = BTreeMap::new();
        let entries =
            fs::read_dir(path).map_err(|error| ScanError::Unreadable(path.to_owned(), error))?;
        for entry in entries.flatten() {
            if control.is_cancelled() {
                return Err(ScanError::Cancelled);
            }
            let folder = entry.file_name();
            let text = folder.to_string_lossy();
            let name = text.strip_prefix(REPO_PREFIX).unwrap_or_default();
            if !name.is_empty() && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                let name = name.replace("--", "/");
                repos.insert(name.clone(), CachedRepo::look_at(name, path.join(&folder)));
            }
        }
        let places: HashMap<PathBuf, String> = repos
            .values()
            .map(|repo| (repo.path.clone(), repo.name.clone()))
            .collect();
        for checkpoint in tree.checkpoints {
            let repo = checkpoint
                .path
                .ancestors()
                .find_map(|path| places.get(path));
            if let Some(repo) = repo.and_then(|name| repos.get_mut(name)) {
                repo.enter(checkpoint);
            }
        }
        let concerns = |problem: &Problem| {
            *problem.path == tree.path
                || problem
                    .path
                    .ancestors()
                    .any(|path| places.contains_key(path))
        };
        Ok(Self {
            problems: tree
                .problems
                .iter()
                .filter(|one| concerns(one))
                .cloned()
                .collect(),
            path: tree.path,
            repos: repos.into_values().collect(),
        })
    }

    /// Length of all files of all repositories, each counted once.
    #[must_use]
    pub fn disk_bytes(&self) -> u128 {
        self.repos.iter().map(|repo| repo.disk_bytes).sum()
    }

    /// Every model of every revision.
    pub fn checkpoints(&self) -> impl Iterator<Item = &Arc<Checkpoint>> {
        let revisions = self.repos.iter().flat_map(|repo| &repo.revisions);
        revisions.flat_map(|revision| &revision.checkpoints)
    }
}

/// What the name of a folder begins with that is the repository of a model.
const REPO_PREFIX: &str = "models--";

/// Files by what they are on disk, with their lengths.
#[derive(Default)]
struct Files(HashMap<Whole, u64>);

/// One file: by the identity that the system gives it, or by its path where there is none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Whole {
    Id(FileId),
    Path(PathBuf),
}

impl Files {
    /// Enters every file below a folder; links are followed to files, not to folders.
    fn fill(&mut self, folder: &Path) {
        let Ok(entries) = fs::read_dir(folder) else {
            // The scan has reported what cannot be listed.
            return;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                self.fill(&path);
            } else if let Ok(metadata) = fs::metadata(&path)
                && metadata.is_file()
            {
                let whole = FileId::of(&metadata).map_or_else(|| Whole::Path(path), Whole::Id);
                self.0.insert(whole, metadata.len());
            }
        }
    }

    fn bytes(&self) -> u128 {
        self.0.values().map(|&bytes| u128::from(bytes)).sum()
    }
}

impl CachedRepo {
    fn look_at(name: String, path: PathBuf) -> Self {
        let refs = refs(&path.join("refs"));
        let mut all = Files::default();
        all.fill(&path.join("blobs"));
        let mut revisions: Vec<(CachedRevision, Files)> = Vec::new();
        for entry in fs::read_dir(path.join(SNAPSHOTS))
            .into_iter()
            .flatten()
            .flatten()
        {
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let mut files = Files::default();
            files.fill(&entry.path());
            let commit = entry.file_name().to_string_lossy().into_owned();
            let revision = CachedRevision {
                refs: refs.get(&commit).cloned().unwrap_or_default(),
                commit,
                checkpoints: Vec::new(),
                disk_bytes: files.bytes(),
                own_bytes: 0,
            };
            revisions.push((revision, files));
        }
        let mut holders: HashMap<&Whole, u64> = HashMap::new();
        for whole in revisions.iter().flat_map(|(_, files)| files.0.keys()) {
            *holders.entry(whole).or_default() += 1;
        }
        let own = |files: &Files| -> u128 {
            let own = files.0.iter().filter(|(whole, _)| holders[whole] == 1);
            own.map(|(_, &bytes)| u128::from(bytes)).sum()
        };
        let own: Vec<u128> = revisions.iter().map(|(_, files)| own(files)).collect();
        let mut seen: Vec<CachedRevision> = Vec::with_capacity(revisions.len());
        for ((revision, files), own_bytes) in revisions.into_iter().zip(own) {
            all.0.extend(files.0);
            seen.push(CachedRevision {
                own_bytes,
                ..revision
            });
        }
        seen.sort_by(|a, b| a.commit.cmp(&b.commit));
        Self {
            name,
            revisions: seen,
            disk_bytes: all.bytes(),
            incomplete: incomplete(&path.join("blobs")),
            path,
        }
    }

    /// Enters a model in the revision that its path leads through.
    fn enter(&mut self, checkpoint: Arc<Checkpoint>) {
        let below = checkpoint.path.strip_prefix(&self.path).ok();
        let below = below.and_then(|below| below.strip_prefix(SNAPSHOTS).ok());
        let commit = below.and_then(|below| Some(below.iter().next()?.to_string_lossy()));
        let revision = commit.and_then(|commit| {
            let mut revisions = self.revisions.iter_mut();
            revisions.find(|revision| revision.commit == commit)
        });
        if let Some(revision) = revision {
            revision.checkpoints.push(checkpoint);
        }
    }
}

const SNAPSHOTS: &str = "snapshots";

/// The names that each commit was known by.
fn refs(folder: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // Names of branches may have slashes, which are folders here.
    let mut left = vec![(folder.to_owned(), String::new())];
    while let Some((folder, prefix)) = left.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                left.push((entry.path(), format!("{name}/")));
            } else if let Ok(text) = crate::regular_file::read(&entry.path(), REF_LIMIT) {
                let commit = String::from_utf8_lossy(&text).trim().to_owned();
                found.entry(commit).or_default().push(name);
            }
        }
    }
    for names in found.values_mut() {
        names.sort_unstable();
    }
    found
}

/// A ref is a commit; what is longer is none.
const REF_LIMIT: u64 = 1 << 10;

/// The parts of files among blobs.
fn incomplete(blobs: &Path) -> Vec<Incomplete> {
    let mut found: Vec<Incomplete> = fs::read_dir(blobs)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            matches!(FileKind::of(&name.to_string_lossy()), FileKind::Unfinished)
        })
        .filter_map(|entry| {
            Some(Incomplete {
                bytes: entry.metadata().ok()?.len(),
                path: entry.path(),
            })
        })
        .collect();
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

impl CachedRevision {
    /// Sums by role over all its models, in the order of [`Role::ALL`].
    #[must_use]
    pub fn by_role(&self) -> Vec<(Role, Tally)> {
        let mut tallies: BTreeMap<usize, (Role, Tally)> = BTreeMap::new();
        for (role, tally) in self.checkpoints.iter().flat_map(|one| one.by_role()) {
            let sum = tallies
                .entry(role.index())
                .or_insert((role, Tally::default()));
            sum.1 += tally;
        }
        tallies.into_values().collect()
    }

    /// The sum over all its models.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.checkpoints.iter().map(|one| one.total()).sum()
    }
}
