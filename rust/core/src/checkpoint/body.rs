//! The checkpoint itself: every tensor of one model, and the sums over them.

use super::discover::Kind;
use super::form::{Form, Tensor};
use super::header::Metadata;
use super::problem::{Problem, Severity};
use super::role::{Role, layer_stack};
use super::shard::FileId;
use super::tally::Tally;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Tensors that differ only in the numbers of their names, with what is known of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Name pattern, dtype, shape and bytes.
    pub form: Arc<Form>,
    /// Index of the component they are in.
    pub component: u32,
    /// What they do in the model.
    pub role: Role,
    /// Logical parameters of one of them.
    pub parameters: u64,
    /// How many there are.
    pub count: u64,
}

impl Group {
    /// One of its tensors.
    #[must_use]
    pub fn one(&self) -> Tally {
        Tally {
            tensors: 1,
            parameters: u128::from(self.parameters),
            bytes: u128::from(self.form.bytes),
        }
    }

    /// The sum over the group.
    #[must_use]
    pub fn tally(&self) -> Tally {
        Tally {
            tensors: self.count,
            parameters: u128::from(self.parameters) * u128::from(self.count),
            bytes: u128::from(self.form.bytes) * u128::from(self.count),
        }
    }
}

/// One file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// Where it is.
    #[serde(with = "crate::os_path")]
    pub path: Arc<PathBuf>,
    /// Length of the file.
    pub file_bytes: u64,
    /// Length of its header, the length field included; 0 if there is none.
    pub header_bytes: u64,
    /// Which file it is, links followed.
    pub id: Option<FileId>,
    /// Index of its component.
    pub component: u32,
    /// The groups its tensors are in, as indices into the checkpoint's list.
    pub groups: Vec<u32>,
    /// Its tensors in the order of the header; `Tensor::form` is an index into the file's `groups`.
    pub tensors: Vec<Tensor>,
    /// The numbers in their names.
    pub numbers: Vec<u32>,
}

/// The body of a model: every tensor on disk, tallied by role, dtype and layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Restored")]
pub struct Checkpoint {
    /// The folder or file it was read from.
    #[serde(with = "crate::os_path")]
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// The quantization method that its configuration states or its tensors show.
    pub quantization: Option<String>,
    /// Names of the component folders of a pipeline; one empty name for a model.
    pub components: Vec<String>,
    /// Tensors by form and role.
    pub groups: Vec<Group>,
    /// Its files in path order.
    pub files: Vec<ShardFile>,
    /// What its first file states about itself.
    pub metadata: Metadata,
    /// The model that an adapter was trained for, as its configuration names it.
    pub base: Option<String>,
    /// The configurations that lie beside weights that are not on this machine.
    pub beside: Option<Beside>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// Small files by name, with their text.
pub type Beside = BTreeMap<String, Vec<u8>>;

/// A checkpoint as it comes out of bytes that anyone may have written: every index in it is checked before it is used.
#[derive(Deserialize)]
struct Restored {
    #[serde(with = "crate::os_path")]
    path: PathBuf,
    kind: Kind,
    quantization: Option<String>,
    components: Vec<String>,
    groups: Vec<Group>,
    files: Vec<ShardFile>,
    metadata: Metadata,
    base: Option<String>,
    beside: Option<Beside>,
    problems: Vec<Problem>,
}

impl TryFrom<Restored> for Checkpoint {
    type Error = &'static str;

    fn try_from(restored: Restored) -> Result<Self, Self::Error> {
        if !restored.is_sound() {
            return Err("the parts of the checkpoint do not belong together");
        }
        Ok(Self {
            path: restored.path,
            kind: restored.kind,
            quantization: restored.quantization,
            components: restored.components,
            groups: restored.groups,
            files: restored.files,
            metadata: restored.metadata,
            base: restored.base,
            beside: restored.beside,
            problems: restored.problems,
        })
    }
}

impl Restored {
    fn is_sound(&self) -> bool {
        let has_component = |ordinal: u32| (ordinal as usize) < self.components.len();
        let mut counts = vec![0_u64; self.groups.len()];
        for file in &self.files {
            let known = |&id: &u32| (id as usize) < self.groups.len();
            // A file may list a group that splitting has emptied, of which no tensor is left.
            if !has_component(file.component) {
                return false;
            }
            for tensor in &file.tensors {
                let Some(id) = file.groups.get(tensor.form as usize).filter(|id| known(id)) else {
                    return false;
                };
                let form = &self.groups[*id as usize].form;
                let end = (tensor.numbers as usize).checked_add(form.pattern.arity());
                if end.is_none_or(|end| end > file.numbers.len()) {
                    return false;
                }
                counts[*id as usize] += 1;
            }
        }
        self.groups
            .iter()
            .zip(counts)
            .all(|(group, count)| has_component(group.component) && group.count == count)
    }
}

/// A layer: the stack it belongs to and its number there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Layer {
    /// The component and name of the stack, as `model.layers`, or `None` for tensors outside all layers.
    pub stack: Option<String>,
    /// The number in the stack.
    pub number: u32,
}

/// What the paths of repositories of the Hub begin with.
const HUB: &str = "hf://";

/// How many digits of a commit a name shows.
const COMMIT_SHOWN: usize = 12;

/// An address without most of its commit, if it has one.
fn with_short_commit(address: &str) -> String {
    let Some((repo, rest)) = address.split_once('@') else {
        return address.to_owned();
    };
    let end = rest.find('/').unwrap_or(rest.len());
    let is_commit = end == 40 && rest[..end].bytes().all(|byte| byte.is_ascii_hexdigit());
    let shown = if is_commit { COMMIT_SHOWN } else { end };
    format!("{repo}@{}{}", &rest[..shown], &rest[end..])
}

impl Checkpoint {
    /// The format of its files. GGUF will be another.
    #[must_use]
    pub const fn format(&self) -> &'static str {
        "safetensors"
    }

    /// A name for people: `org/model@revision` in the hub's cache layout and, with the folder, on the Hub itself; else
    /// the last part of the path.
    #[must_use]
    pub fn name(&self) -> String {
        if let Some(address) = self.path.to_str().and_then(|path| path.strip_prefix(HUB)) {
            return with_short_commit(address);
        }
        let parts: Vec<_> = self
            .path
            .components()
            .map(|part| part.as_os_str().to_string_lossy())
            .collect();
        let cached = parts.windows(3).find_map(|window| {
            let repository = window[0].strip_prefix("models--")?;
            (window[1] == "snapshots").then(|| {
                let revision: String = window[2].chars().take(COMMIT_SHOWN).collect();
                format!("{}@{revision}", repository.replace("--", "/"))
            })
        });
        cached.unwrap_or_else(|| {
            parts
                .last()
                .map_or_else(String::new, |part| part.clone().into_owned())
        })
    }

    /// A file's path from the checkpoint's folder.
    #[must_use]
    pub fn file_name(&self, file: &ShardFile) -> String {
        let relative = file.path.strip_prefix(&self.path).ok();
        let relative = relative.filter(|path| !path.as_os_str().is_empty());
        relative
            .or_else(|| file.path.file_name().map(std::path::Path::new))
            .unwrap_or(&file.path)
            .to_string_lossy()
            .into_owned()
    }

    /// The sum over all tensors.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.groups.iter().map(Group::tally).sum()
    }

    /// Length of all files, headers included.
    #[must_use]
    pub fn file_bytes(&self) -> u128 {
        self.files
            .iter()
            .map(|file| u128::from(file.file_bytes))
            .sum()
    }

    /// The worst thing that was found, if anything was.
    #[must_use]
    pub fn severity(&self) -> Option<Severity> {
        self.problems.iter().map(Problem::severity).max()
    }

    /// Sums by role, in the order of [`Role::ALL`]; roles without tensors are left out.
    #[must_use]
    pub fn by_role(&self) -> Vec<(Role, Tally)> {
        let mut tallies = [Tally::default(); Role::ALL.len()];
        for group in &self.groups {
            tallies[group.role.index()] += group.tally();
        }
        Role::ALL
            .into_iter()
            .zip(tallies)
            .filter(|(_, tally)| tally.tensors > 0)
            .collect()
    }

    /// Sums by dtype name.
    #[must_use]
    pub fn by_dtype(&self) -> BTreeMap<&str, Tally> {
        let mut tallies: BTreeMap<&str, Tally> = BTreeMap::new();
        for group in &self.groups {
            *tallies.entry(group.form.dtype.name()).or_default() += group.tally();
        }
        tallies
    }

    /// Sums by layer, tensors outside all layers first, then stack by stack in number order.
    #[must_use]
    pub fn by_layer(&self) -> Vec<(Layer, Tally)> {
        // Where each group keeps its layer number, if it has one.
        let places: Vec<Option<(String, usize)>> =
            self.groups.iter().map(|group| self.stack(group)).collect();
        let mut stacks: BTreeMap<&str, BTreeMap<u32, Tally>> = BTreeMap::new();
        let mut outside = Tally::default();
        for file in &self.files {
            for tensor in &file.tensors {
                let id = file.group(tensor);
                let group = &self.groups[id];
                match &places[id] {
                    Some((stack, ordinal)) => {
                        let number = tensor.numbers(&group.form, &file.numbers)[*ordinal];
                        *stacks.entry(stack).or_default().entry(number).or_default() += group.one();
                    }
                    None => outside += group.one(),
                }
            }
        }
        let mut layers = Vec::new();
        if outside.tensors > 0 {
            layers.push((
                Layer {
                    stack: None,
                    number: 0,
                },
                outside,
            ));
        }
        for (stack, numbers) in stacks {
            layers.extend(numbers.into_iter().map(|(number, tally)| {
                let layer = Layer {
                    stack: Some(stack.to_owned()),
                    number,
                };
                (layer, tally)
            }));
        }
        layers
    }

    /// The stack a group's tensors belong to, and which of their numbers is the layer.
    #[must_use]
    pub fn stack(&self, group: &Group) -> Option<(String, usize)> {
        let pattern = group.form.pattern.text();
        let (end, ordinal) = layer_stack(pattern)?;
        // A literal star of the name itself is not a number.
        if ordinal >= group.form.pattern.arity() {
            return None;
        }
        let component = &self.components[group.component as usize];
        let stack = if component.is_empty() {
            pattern[..end].to_owned()
        } else {
            format!("{component}/{}", &pattern[..end])
        };
        Some((stack, ordinal))
    }

    /// Every tensor with its file and group, file by file in path order.
    pub fn tensors(&self) -> impl Iterator<Item = (&ShardFile, &Group, &Tensor)> {
        let groups = &self.groups;
        self.files.iter().flat_map(move |file| {
            file.tensors
                .iter()
                .map(move |tensor| (file, &groups[file.group(tensor)], tensor))
        })
    }
}

impl ShardFile {
    /// The index of a tensor's group in the checkpoint's list.
    #[inline]
    #[must_use]
    pub fn group(&self, tensor: &Tensor) -> usize {
        self.groups[tensor.form as usize] as usize
    }

    /// Where a tensor's data begins in the file.
    #[must_use]
    pub fn data_offset(&self, tensor: &Tensor) -> u64 {
        self.header_bytes.saturating_add(tensor.begin)
    }
}
