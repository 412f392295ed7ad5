//! Scanning: from a path to checkpoints, reading all headers on several threads.

use super::assemble::{Gathered, Roles, assemble};
use super::body::Checkpoint;
use super::discover::{Candidate, Found, discover, single_file};
use super::index::{Index, IndexReader};
use super::name::NameHasher;
use super::problem::{Code, Problem, Problems};
use super::shard::{Shard, ShardReader};
use super::tally::Tally;
use crate::parallel::{self, Control};
use crate::source::Source;
use crate::wording::counted;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Why a scan gave nothing at all.
#[derive(Debug)]
pub enum ScanError {
    /// There is nothing at the path.
    NotFound(PathBuf),
    /// The path cannot be looked at.
    Unreadable(PathBuf, std::io::Error),
    /// The file is not one that can be scanned.
    NotAModelFile(PathBuf),
    /// The folder holds no safetensors; what else was found.
    Nothing(PathBuf, Vec<Problem>),
    /// The folder holds several checkpoints where one was asked for.
    Several(PathBuf, Vec<PathBuf>),
    /// The scan was asked to stop.
    Cancelled,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{}: no such file or folder", path.display()),
            Self::Unreadable(path, error) => write!(f, "{}: {error}", path.display()),
            Self::NotAModelFile(path) => write!(
                f,
                "{}: neither a .safetensors file nor a .safetensors.index.json; name one of these, or a folder",
                path.display()
            ),
            Self::Nothing(path, beside) => {
                write!(f, "{}: no safetensors here or below", path.display())?;
                let mut listed = beside.iter().take(3);
                if let Some(first) = listed.next() {
                    write!(f, "; found {first}")?;
                    listed.try_for_each(|problem| write!(f, "; {problem}"))?;
                }
                if beside.len() > 3 {
                    write!(f, "; and {} more", beside.len() - 3)?;
                }
                Ok(())
            }
            Self::Several(path, found) => {
                write!(
                    f,
                    "{}: {} checkpoints where one was asked for; name one of them, or scan the tree: ",
                    path.display(),
                    found.len()
                )?;
                let listed: Vec<_> = found
                    .iter()
                    .take(5)
                    .map(|path| path.display().to_string())
                    .collect();
                write!(f, "{}", listed.join(", "))?;
                if found.len() > 5 {
                    write!(f, ", ...")?;
                }
                Ok(())
            }
            Self::Cancelled => write!(f, "the scan was stopped"),
        }
    }
}

impl std::error::Error for ScanError {}

/// All checkpoints below a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tree {
    /// The folder.
    #[serde(with = "crate::os_path")]
    pub path: PathBuf,
    /// Checkpoints in path order.
    pub checkpoints: Vec<Arc<Checkpoint>>,
    /// What was found outside all of them.
    pub problems: Vec<Problem>,
}

impl Tree {
    /// The sum over all checkpoints.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.checkpoints.iter().map(|one| one.total()).sum()
    }

    /// Bytes that the weight files take on disk: a file that several checkpoints link to counts once.
    #[must_use]
    pub fn disk_bytes(&self) -> u128 {
        disk_bytes([self])
    }
}

/// Bytes that the weight files of several scans take on disk together, each file counted once.
#[must_use]
pub fn disk_bytes<'t>(trees: impl IntoIterator<Item = &'t Tree>) -> u128 {
    let mut seen = HashSet::new();
    trees
        .into_iter()
        .flat_map(|tree| &tree.checkpoints)
        .flat_map(|checkpoint| &checkpoint.files)
        .filter(|file| file.id.is_none_or(|id| seen.insert(id)))
        .map(|file| u128::from(file.file_bytes))
        .sum()
}

/// Several scans without the checkpoints that an earlier one has: paths may overlap. A checkpoint is the same if its
/// files are, by whatever path their folders were reached.
#[must_use]
pub fn distinct(trees: &[Arc<Tree>]) -> Vec<Arc<Tree>> {
    let mut folders: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut real = |path: &Path| {
        // A file may be a link to one that other checkpoints have too; its folder may not.
        let folder = path.parent().unwrap_or(path);
        let real = folders.entry(folder.to_owned()).or_insert_with(|| {
            let folder = if folder.as_os_str().is_empty() {
                Path::new(".")
            } else {
                folder
            };
            fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned())
        });
        real.join(path.file_name().unwrap_or_default())
    };
    let mut seen: HashSet<Vec<PathBuf>> = HashSet::new();
    let mut left = Vec::with_capacity(trees.len());
    for tree in trees {
        let mut own: Vec<Vec<PathBuf>> = Vec::new();
        let mut checkpoints = Vec::new();
        for checkpoint in &tree.checkpoints {
            let files: Vec<PathBuf> = if checkpoint.files.is_empty() {
                vec![real(&checkpoint.path)]
            } else {
                checkpoint
                    .files
                    .iter()
                    .map(|file| real(&file.path))
                    .collect()
            };
            if !seen.contains(&files) {
                checkpoints.push(Arc::clone(checkpoint));
                own.push(files);
            }
        }
        if checkpoints.len() == tree.checkpoints.len() {
            left.push(Arc::clone(tree));
        } else {
            left.push(Arc::new(Tree {
                checkpoints,
                ..(**tree).clone()
            }));
        }
        seen.extend(own);
    }
    left
}

/// Scans one model: a folder, a safetensors file or an index file.
///
/// # Errors
/// If there is no checkpoint at the path, or more than one and none of them is the folder's own.
pub fn scan(path: &Path, threads: usize, control: &Control) -> Result<Checkpoint, ScanError> {
    scan_in(Source::Disk, path, threads, control)
}

/// [`scan`], wherever the files lie.
///
/// # Errors
/// As for [`scan`].
pub fn scan_in(
    source: Source<'_>,
    path: &Path,
    threads: usize,
    control: &Control,
) -> Result<Checkpoint, ScanError> {
    let hasher = NameHasher::default();
    let found = find(source, path, &hasher, threads, control)?;
    let only = choose(path, found)?;
    read(source, vec![only], &hasher, threads, control)?
        .pop()
        .ok_or(ScanError::Cancelled)
}

/// Scans every model at or below a path. A tree without models is empty, not an error.
///
/// # Errors
/// If the path cannot be looked at, or the scan was stopped.
pub fn scan_tree(path: &Path, threads: usize, control: &Control) -> Result<Tree, ScanError> {
    scan_tree_in(Source::Disk, path, threads, control)
}

/// [`scan_tree`], wherever the files lie.
///
/// # Errors
/// As for [`scan_tree`].
pub fn scan_tree_in(
    source: Source<'_>,
    path: &Path,
    threads: usize,
    control: &Control,
) -> Result<Tree, ScanError> {
    let hasher = NameHasher::default();
    let found = find(source, path, &hasher, threads, control)?;
    Ok(Tree {
        path: path.to_owned(),
        checkpoints: read(source, found.candidates, &hasher, threads, control)?
            .into_iter()
            .map(Arc::new)
            .collect(),
        problems: found.problems,
    })
}

/// The one checkpoint among those that were found that a path means.
///
/// # Errors
/// If there is none, or more than one and none of them is the folder's own.
pub fn choose(path: &Path, mut found: Found) -> Result<Candidate, ScanError> {
    if found.candidates.len() > 1
        && let Some(own) = found.candidates.iter().position(|c| c.path == path)
    {
        // The folder is a model; others below it (training checkpoints, say) are not part of it.
        let others = found.candidates.len() as u64 - 1;
        let mut own = found.candidates.swap_remove(own);
        let mut notes = Problems::new(Arc::new(path.to_owned()));
        notes.push(Code::MoreBelow, None, || {
            let (verb, pronoun) = if others == 1 {
                ("lies", "it is")
            } else {
                ("lie", "they are")
            };
            let more = counted(others, "more checkpoint");
            format!("{more} {verb} beside or below this one; {pronoun} not counted")
        });
        own.problems.extend(notes.into_vec());
        return Ok(own);
    }
    match found.candidates.len() {
        0 => Err(ScanError::Nothing(path.to_owned(), found.problems)),
        1 => {
            let mut only = found.candidates.swap_remove(0);
            only.problems.append(&mut found.problems);
            Ok(only)
        }
        _ => Err(ScanError::Several(
            path.to_owned(),
            found.candidates.into_iter().map(|c| c.path).collect(),
        )),
    }
}

/// The checkpoints at or below a path, not yet read.
///
/// # Errors
/// If the path cannot be looked at, or the search was stopped.
pub fn find(
    source: Source<'_>,
    path: &Path,
    hasher: &NameHasher,
    threads: usize,
    control: &Control,
) -> Result<Found, ScanError> {
    let is_folder = source.is_folder(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => ScanError::NotFound(path.to_owned()),
        _ => ScanError::Unreadable(path.to_owned(), error),
    })?;
    if is_folder {
        let found = discover(source, path, hasher, threads, control);
        if control.is_cancelled() {
            return Err(ScanError::Cancelled);
        }
        let is_itself =
            |problem: &Problem| problem.code == Code::FolderUnreadable && *problem.path == path;
        if found.candidates.is_empty()
            && found.problems.iter().any(is_itself)
            && let Err(error) = source.entries(path, |_, _| ())
        {
            return Err(ScanError::Unreadable(path.to_owned(), error));
        }
        return Ok(found);
    }
    let candidate = single_file(source, path, hasher, control)
        .ok_or_else(|| ScanError::NotAModelFile(path.to_owned()))?;
    Ok(Found {
        candidates: vec![candidate],
        problems: Vec::new(),
    })
}

/// One file to read.
enum Job {
    Index(PathBuf),
    Shard(Arc<PathBuf>),
}

/// What a job gave.
enum Output {
    Index(Result<Index, String>),
    Shard(Box<Shard>, Vec<Problem>),
}

struct Readers {
    shards: ShardReader,
    indexes: IndexReader,
}

/// Reads all files of all candidates and puts each checkpoint together.
fn read(
    source: Source<'_>,
    candidates: Vec<Candidate>,
    hasher: &NameHasher,
    threads: usize,
    control: &Control,
) -> Result<Vec<Checkpoint>, ScanError> {
    let mut jobs = Vec::new();
    for component in candidates
        .iter()
        .flat_map(|candidate| &candidate.components)
    {
        // An index takes longer than any one shard, so it goes first.
        if component.known_index.is_none() {
            jobs.extend(component.index.iter().cloned().map(Job::Index));
        }
        jobs.extend(
            component
                .files
                .iter()
                .map(|file| Job::Shard(Arc::new(file.clone()))),
        );
    }
    control.expect(jobs.len());
    let outputs = parallel::map(
        &jobs,
        threads,
        control,
        || Readers {
            shards: ShardReader::new(hasher.clone()),
            indexes: IndexReader::new(hasher.clone()),
        },
        |readers, job| {
            let output = match job {
                Job::Shard(path) => {
                    let (shard, problems) = readers.shards.read(source, path);
                    Output::Shard(Box::new(shard), problems)
                }
                Job::Index(path) => Output::Index(readers.indexes.open(source, path)),
            };
            control.finish_one();
            output
        },
    );
    if control.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    let mut outputs = outputs.into_iter().flatten();
    let gathered: Vec<_> = candidates
        .into_iter()
        .map(|candidate| Mutex::new(Some(gather(candidate, &mut outputs))))
        .collect();
    let checkpoints = parallel::map(
        &gathered,
        threads,
        control,
        Roles::default,
        |roles, gathered| {
            let gathered = gathered
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take();
            gathered.and_then(|gathered| assemble(source, gathered, roles, control))
        },
    );
    if control.is_cancelled() {
        return Err(ScanError::Cancelled);
    }
    Ok(checkpoints.into_iter().flatten().flatten().collect())
}

fn index_invalid(path: &Path, message: String) -> Problem {
    Problem {
        code: Code::IndexInvalid,
        path: Arc::new(path.to_owned()),
        tensor: None,
        message,
    }
}

/// Takes a candidate's outputs from the common list, which is in the order of the jobs.
fn gather(mut candidate: Candidate, outputs: &mut impl Iterator<Item = Output>) -> Gathered {
    let mut shards = Vec::new();
    let mut indexes = BTreeMap::new();
    let mut read_problems = Vec::new();
    for (ordinal, component) in candidate.components.iter_mut().enumerate() {
        let mut index = component.known_index.take();
        let unread = component.index.is_some() && index.is_none();
        let expected = usize::from(unread) + component.files.len();
        for output in outputs.by_ref().take(expected) {
            match output {
                Output::Shard(shard, problems) => {
                    shards.push((ordinal, *shard));
                    read_problems.extend(problems);
                }
                Output::Index(read) => index = Some(read),
            }
        }
        match (&component.index, index) {
            (_, Some(Ok(index))) => drop(indexes.insert(ordinal, index)),
            (Some(path), Some(Err(message))) => read_problems.push(index_invalid(path, message)),
            _ => {}
        }
    }
    candidate.problems.extend(read_problems);
    Gathered {
        candidate,
        shards,
        indexes,
    }
}
