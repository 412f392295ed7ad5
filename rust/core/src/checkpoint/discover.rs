//! From files to models: which files make one checkpoint, and which are copies of another.
//!
//! The rules, in the order they are tried:
//! 1. A folder with `model_index.json` (diffusers) or `modules.json` (sentence-transformers) is one pipeline: the
//!    weights of its component folders belong together.
//! 2. Files of one folder form sets by their names: `A-N-of-M` parts with the same `A` and `M`, files that an
//!    index names, or a single file.
//! 3. Sets that libraries would load as the folder's model (`model`, `diffusion_pytorch_model`, ...) are one model.
//!    The first of these is counted, the rest are named as copies: without variant before with variant (`fp16`),
//!    indexed before un-indexed, parts before a single file, `consolidated` last.
//! 4. An adapter is a checkpoint of its own, and so is every set of another name.

use super::file_name::{FileKind, WeightName};
use super::folder::{Folder, walk};
use super::index::Index;
use super::name::NameHasher;
use super::problem::{Code, Problem, Problems};
use super::sets::{Looking, sets};
use crate::json_file;
use crate::parallel::{self, Control};
use crate::quantization::config;
use crate::source::Source;
use crate::wording::{counted, grouped};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What kind of thing a checkpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Kind {
    /// The weights of one model.
    Model,
    /// Weights that modify a model (LoRA and the like).
    Adapter,
    /// Several models that work together, one per sub-folder.
    Pipeline,
}

impl Kind {
    /// `model`, `adapter` or `pipeline`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Adapter => "adapter",
            Self::Pipeline => "pipeline",
        }
    }
}

/// Files that together make one checkpoint, not yet read.
#[derive(Debug)]
pub struct Candidate {
    /// The folder, or the file where a folder holds several checkpoints.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// One for a model or adapter; one per component folder for a pipeline.
    pub components: Vec<Component>,
    /// What was found beside the weights.
    pub problems: Vec<Problem>,
}

/// One set of weights.
#[derive(Debug)]
pub struct Component {
    /// The sub-folder of a pipeline; empty for a model.
    pub name: String,
    /// Where its configuration lies.
    pub folder: PathBuf,
    /// The files there that may state a quantization.
    pub configs: Vec<String>,
    /// Its index, if it has one.
    pub index: Option<PathBuf>,
    /// What the index says, or what is wrong with it, if it was read already to find out which files it means.
    pub known_index: Option<Result<Index, String>>,
    /// Its files.
    pub files: Vec<PathBuf>,
}

/// All that was found below a path.
#[derive(Debug, Default)]
pub struct Found {
    /// Checkpoints in path order.
    pub candidates: Vec<Candidate>,
    /// What belongs to none of them.
    pub problems: Vec<Problem>,
}

/// A set of weight files of one folder.
#[derive(Debug)]
pub struct Set {
    /// What its files have in common.
    pub name: WeightName,
    /// Its files, sorted by name.
    pub files: Vec<(OsString, WeightName)>,
    /// Its index, if it has one.
    pub index: Option<OsString>,
    /// The index, or what is wrong with it, if it was read already.
    pub known_index: Option<Result<Index, String>>,
}

/// Finds every checkpoint at or below a folder. Indexes that are read for that are read with this hasher.
#[must_use]
pub fn discover(
    source: Source<'_>,
    root: &Path,
    hasher: &NameHasher,
    threads: usize,
    control: &Control,
) -> Found {
    let folders = walk(source, root, threads, control);
    let mut looking = Looking::new(source, hasher, control);
    let mut found = Found::default();
    // Folders whose weights a pipeline above them has taken.
    let mut taken = BTreeSet::new();
    for (path, folder) in &folders {
        // Outer folders come first: a component that describes itself as a pipeline is not counted again.
        if !taken.contains(path) && !control.is_cancelled() {
            pipeline(path, folder, &folders, &mut looking, &mut taken, &mut found);
        }
    }
    let left: Vec<(&PathBuf, &Folder)> = folders
        .iter()
        .filter(|(path, folder)| folder.has_weights() && !taken.contains(*path))
        .collect();
    let models = parallel::map(
        &left,
        threads,
        control,
        || Looking::new(source, hasher, control),
        |looking, (path, folder)| models(path, folder, looking),
    );
    for here in models.into_iter().flatten() {
        found.candidates.extend(here.candidates);
        found.problems.extend(here.problems);
    }
    found.candidates.sort_by(|a, b| a.path.cmp(&b.path));
    attach_notes(source, &folders, &mut found);
    found
}

/// The checkpoint that one file makes: an index with its shards, or a single safetensors file.
///
/// `None` if the file is neither.
#[must_use]
pub fn single_file(
    source: Source<'_>,
    path: &Path,
    hasher: &NameHasher,
    control: &Control,
) -> Option<Candidate> {
    let name = path.file_name()?;
    let text = name.to_string_lossy();
    // The parent of a bare file name is an empty path, which cannot be listed.
    let folder = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or_else(|| Path::new("."));
    let listed = Folder::list(source, folder);
    let mut notes = Problems::new(Arc::new(folder.to_owned()));
    let set = if let FileKind::Index(index) = FileKind::of(&text) {
        let mut looking = Looking::new(source, hasher, control);
        let found = sets(folder, &listed, &mut looking, &mut notes)
            .into_iter()
            .find(|set| set.index.as_deref() == Some(name));
        found.unwrap_or_else(|| {
            // In its folder it would be passed over: it is no index, or none of its shards is here. But this is the
            // file that was asked for, so the scan shall read it and say what is wrong.
            notes = notes.fork();
            Set {
                name: index,
                files: Vec::new(),
                index: Some(name.to_owned()),
                known_index: None,
            }
        })
    } else {
        let (stem, extension) = text.rsplit_once('.')?;
        if !extension.eq_ignore_ascii_case("safetensors") {
            return None;
        }
        let parsed = WeightName::parse(stem);
        if let Some((part, total)) = parsed.part
            && total > 1
        {
            notes.push(Code::PartAlone, None, || {
                format!(
                    "{text} is part {} of {}; the others are not counted: name the folder, or the index",
                    grouped(part),
                    grouped(total)
                )
            });
        }
        Set {
            name: parsed.clone(),
            files: vec![(name.to_owned(), parsed)],
            index: None,
            known_index: None,
        }
    };
    Some(Candidate {
        path: path.to_owned(),
        kind: set.kind(),
        components: vec![set.into_component("", folder, &listed)],
        problems: notes.into_vec(),
    })
}

impl Set {
    fn kind(&self) -> Kind {
        if self.name.is_adapter() {
            Kind::Adapter
        } else {
            Kind::Model
        }
    }

    /// Sorts sets that hold the same model: the one to count comes first.
    fn preference(&self) -> impl Ord + use<> {
        (
            self.name.is_consolidated(),
            self.name.variant.clone(),
            self.index.is_none(),
            !self.is_complete(),
            self.name.part.is_none(),
            self.name.rank(),
            self.name.clone(),
        )
    }

    fn is_complete(&self) -> bool {
        self.name
            .part
            .is_none_or(|(_, total)| self.files.len() as u64 == total)
    }

    /// The file by which the set is known where its folder holds several checkpoints.
    fn file(&self) -> &OsStr {
        self.index
            .as_deref()
            .or_else(|| self.files.first().map(|(name, _)| name.as_os_str()))
            .unwrap_or_default()
    }

    fn describe(&self) -> String {
        let file = self.file().display();
        match self.files.len() {
            1 => file.to_string(),
            files => format!("{file} ({})", counted(files as u64, "file")),
        }
    }

    fn into_component(self, name: &str, path: &Path, folder: &Folder) -> Component {
        Component {
            name: name.to_owned(),
            folder: path.to_owned(),
            configs: config::files()
                .filter(|file| folder.has(file))
                .map(str::to_owned)
                .collect(),
            index: self.index.map(|index| path.join(index)),
            known_index: self.known_index,
            files: self
                .files
                .into_iter()
                .map(|(file, _)| path.join(file))
                .collect(),
        }
    }

    /// Reports parts that the numbering of the others promises.
    fn check_parts(&self, notes: &mut Problems) {
        let Some((_, total)) = self.name.part else {
            return;
        };
        if self.index.is_some() {
            return;
        }
        let here: BTreeSet<u64> = self
            .files
            .iter()
            .filter_map(|(_, name)| Some(name.part?.0))
            .collect();
        // Some publishers count from 0.
        let first = u64::from(!here.contains(&0));
        let end = first.saturating_add(total);
        let missing = total.saturating_sub(here.range(first..end).count() as u64);
        if missing > 0 {
            let sample: Vec<String> = (first..end)
                .filter(|part| !here.contains(part))
                .take(5)
                .map(|part| part.to_string())
                .collect();
            notes.push(Code::ShardMissing, None, || {
                format!(
                    "{} of {} parts of {:?} are not there (part {}{})",
                    grouped(missing),
                    grouped(total),
                    self.name.stem,
                    sample.join(", "),
                    if missing > 5 { ", ..." } else { "" }
                )
            });
        }
    }
}

/// Reports a shard that its index does not name.
pub fn shard_unlisted(file: &Path, index: &Path, notes: &mut Problems) {
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    notes.push(Code::ShardUnlisted, None, || {
        format!(
            "{} is not named by {}; it is not counted",
            name(file),
            name(index)
        )
    });
}

/// Splits sets into the folder's own model, adapters and sets of other names; copies of the model are reported.
fn divide(mut sets: Vec<Set>, notes: &mut Problems) -> (Option<Set>, Vec<Set>) {
    sets.sort_by_cached_key(Set::preference);
    let mut main: Option<Set> = None;
    let mut others: Vec<Set> = Vec::new();
    // The place of each stem among the others: folders with many thousands of single files exist.
    let mut known: HashMap<String, usize> = HashMap::new();
    for set in sets {
        let folder_model =
            !set.name.is_adapter() && (set.name.is_standard() || set.name.is_consolidated());
        let counted = if folder_model {
            main.as_ref()
        } else {
            known.get(set.name.series()).map(|&place| &others[place])
        };
        if let Some(counted) = counted {
            notes.push(Code::CopyNotCounted, None, || {
                format!(
                    "{} is taken for another copy of {} by its name; it is not counted",
                    set.describe(),
                    counted.describe()
                )
            });
        } else if folder_model {
            main = Some(set);
        } else {
            known.insert(set.name.series().to_owned(), others.len());
            others.push(set);
        }
    }
    if main.is_none() && others.len() == 1 {
        main = others.pop();
    }
    (main, others)
}

/// The checkpoints that lie directly in one folder.
fn models(path: &Path, folder: &Folder, looking: &mut Looking<'_>) -> Found {
    let mut found = Found::default();
    let mut notes = Problems::new(Arc::new(path.to_owned()));
    let (main, others) = divide(sets(path, folder, looking, &mut notes), &mut notes);
    if let Some(set) = main {
        set.check_parts(&mut notes);
        found.candidates.push(Candidate {
            path: path.to_owned(),
            kind: set.kind(),
            components: vec![set.into_component("", path, folder)],
            problems: notes.into_vec(),
        });
    } else {
        found.problems.extend(notes.into_vec());
    }
    enter_others(path, folder, others, &mut found);
    found
}

/// Enters the sets of a folder that are not its own model, each as a checkpoint known by its file.
fn enter_others(path: &Path, folder: &Folder, others: Vec<Set>, found: &mut Found) {
    for set in others {
        let mut notes = Problems::new(Arc::new(path.to_owned()));
        set.check_parts(&mut notes);
        found.candidates.push(Candidate {
            path: path.join(set.file()),
            kind: set.kind(),
            components: vec![set.into_component("", path, folder)],
            problems: notes.into_vec(),
        });
    }
}

/// The files that name the components of a pipeline.
const PIPELINE_FILES: &[&str] = &["model_index.json", "modules.json"];

/// Whether a file of this name names the components of a pipeline.
#[must_use]
pub fn is_pipeline_file(name: &str) -> bool {
    PIPELINE_FILES.contains(&name)
}

/// Enters the pipeline that a folder describes, if it describes one with weights, and the folders it takes.
fn pipeline(
    path: &Path,
    folder: &Folder,
    folders: &BTreeMap<PathBuf, Folder>,
    looking: &mut Looking<'_>,
    taken: &mut BTreeSet<PathBuf>,
    found: &mut Found,
) {
    let file = PIPELINE_FILES.iter().find(|file| folder.has(file));
    let Some(file) = file else {
        return;
    };
    let mut notes = Problems::new(Arc::new(path.to_owned()));
    let named = read_pipeline(looking.source, &path.join(file)).unwrap_or_else(|error| {
        notes.push(Code::ConfigInvalid, None, || format!("{file}: {error}"));
        Vec::new()
    });
    let mut components: Vec<Component> = Vec::new();
    let mut kinds: Vec<Kind> = Vec::new();
    let mut inner_notes = Vec::new();
    for PipelinePart {
        name,
        needs_weights,
    } in named
    {
        let place = if name.is_empty() {
            path.to_owned()
        } else {
            path.join(&name)
        };
        if taken.contains(&place) {
            // A hostile file may name a folder twice.
            continue;
        }
        let Some(part) = folders.get(&place) else {
            let is_link = folder
                .links
                .binary_search_by(|link| link.as_os_str().cmp(OsStr::new(&name)))
                .is_ok();
            if is_link {
                notes.push(Code::CopyNotCounted, None, || {
                    format!("component {name:?} is a link to a folder that is counted elsewhere")
                });
            } else if needs_weights {
                notes.push(Code::ComponentMissing, None, || {
                    format!("{file} names component {name:?}, which has no folder")
                });
            }
            continue;
        };
        let mut inner = Problems::new(Arc::new(place.clone()));
        let (main, mut others) = divide(sets(&place, part, looking, &mut inner), &mut inner);
        if let Some(set) = main {
            if set.kind() == Kind::Adapter && !name.is_empty() {
                // It modifies a component and is none.
                others.push(set);
                notes.push(Code::ComponentMissing, None, || {
                    format!("component {name:?} has only an adapter of its own")
                });
            } else {
                set.check_parts(&mut inner);
                kinds.push(set.kind());
                components.push(set.into_component(&name, &place, part));
            }
            inner_notes.extend(inner.into_vec());
            enter_others(&place, part, others, found);
            taken.insert(place);
        } else if needs_weights {
            notes.push(Code::ComponentMissing, None, || {
                format!("component {name:?} has no safetensors of its own")
            });
        }
    }
    if components.is_empty() {
        found.problems.extend(notes.into_vec());
        return;
    }
    if taken.insert(path.to_owned()) {
        // One file with the whole pipeline often lies beside the component folders.
        let here = sets(path, folder, looking, &mut notes);
        let (adapters, copies): (Vec<Set>, Vec<Set>) = here
            .into_iter()
            .partition(|set| set.kind() == Kind::Adapter);
        enter_others(path, folder, adapters, found);
        for set in copies {
            notes.push(Code::CopyNotCounted, None, || {
                format!(
                    "{} lies beside the components, which are counted; it is taken for a copy of them",
                    set.describe()
                )
            });
        }
    }
    let kind = match (&components[..], &kinds[..]) {
        ([only], &[kind]) if only.name.is_empty() => kind,
        _ => Kind::Pipeline,
    };
    let mut problems = notes.into_vec();
    problems.extend(inner_notes);
    found.candidates.push(Candidate {
        path: path.to_owned(),
        kind,
        components,
        problems,
    });
}

/// A component as the pipeline's file names it.
struct PipelinePart {
    /// Its sub-folder.
    name: String,
    /// Whether a pipeline without weights for it is incomplete.
    needs_weights: bool,
}

/// Classes of pipeline components that have no weights, by the end of their name.
const WEIGHTLESS: &[&str] = &[
    "Scheduler",
    "Tokenizer",
    "TokenizerFast",
    "Processor",
    "ProcessorFast",
    "Extractor",
    "Pooling",
    "Normalize",
    "Guider",
];

fn read_pipeline(source: Source<'_>, path: &Path) -> Result<Vec<PipelinePart>, String> {
    use serde_json::Value;
    let value = json_file::read(source, path)?.unwrap_or_default();
    let part = |name: &str, class: &str| PipelinePart {
        name: name.to_owned(),
        needs_weights: !WEIGHTLESS.iter().any(|end| class.ends_with(end)),
    };
    match value {
        // diffusers: {"unet": ["diffusers", "UNet2DConditionModel"], "_class_name": ...}
        Value::Object(fields) => Ok(fields
            .iter()
            .filter(|(name, _)| is_plain_folder(name))
            .filter_map(|(name, value)| match value.as_array()?.as_slice() {
                [Value::String(_), Value::String(class)] => Some(part(name, class)),
                _ => None,
            })
            .collect()),
        // sentence-transformers: [{"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}, ...]
        Value::Array(modules) => Ok(modules
            .iter()
            .filter_map(|module| {
                let name = module.get("path")?.as_str()?;
                let class = module
                    .get("type")
                    .and_then(Value::as_str)
                    .unwrap_or_default();
                // Only the first module is sure to have weights: most others are functions.
                let mut part = part(name, class);
                part.needs_weights &= name.is_empty() || class.ends_with("Dense");
                (name.is_empty() || is_plain_folder(name)).then_some(part)
            })
            .collect()),
        _ => Err("neither an object nor a list".to_owned()),
    }
}

/// Whether a component name is a folder name and nothing more: a pipeline must not lead elsewhere.
fn is_plain_folder(name: &str) -> bool {
    !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '\\'])
}

/// Gives every note about a folder (unfinished downloads, files not read, folders that cannot be listed) to the
/// checkpoint it lies in, or to the tree if it lies in none.
fn attach_notes(source: Source<'_>, folders: &BTreeMap<PathBuf, Folder>, found: &mut Found) {
    let notes: Vec<(&PathBuf, Vec<Problem>)> = folders
        .iter()
        .map(|(path, folder)| (path, notes_of(source, path, folder)))
        .filter(|(_, notes)| !notes.is_empty())
        .collect();
    if notes.is_empty() {
        return;
    }
    let mut owners: BTreeMap<PathBuf, usize> = BTreeMap::new();
    for (ordinal, candidate) in found.candidates.iter().enumerate() {
        owners.entry(candidate.path.clone()).or_insert(ordinal);
        for component in &candidate.components {
            owners.entry(component.folder.clone()).or_insert(ordinal);
        }
    }
    for (path, notes) in notes {
        let owner = path.ancestors().find_map(|ancestor| owners.get(ancestor));
        match owner {
            Some(&owner) => found.candidates[owner].problems.extend(notes),
            None => found.problems.extend(notes),
        }
    }
}

fn notes_of(source: Source<'_>, path: &Path, folder: &Folder) -> Vec<Problem> {
    let mut all = Vec::new();
    if let Some(error) = &folder.error {
        let mut notes = Problems::new(Arc::new(path.to_owned()));
        notes.push(Code::FolderUnreadable, None, || error.clone());
        all.extend(notes.into_vec());
    }
    for (names, code) in [
        (&folder.unfinished, Code::UnfinishedDownload),
        (&folder.not_read, Code::NotRead),
    ] {
        for name in names {
            let file = path.join(name);
            let size = source.length(&file);
            let mut notes = Problems::new(Arc::new(file));
            notes.push(code, None, || {
                let size =
                    size.map_or_else(|error| error.to_string(), |bytes| counted(bytes, "byte"));
                match code {
                    Code::NotRead => format!("{size} in a format that is not read"),
                    _ => format!("{size} of an unfinished, hidden or locked download"),
                }
            });
            all.extend(notes.into_vec());
        }
    }
    all
}
