//! Putting a checkpoint together from its files: one list of groups, roles, logical parameters, cross-checks.

use super::body::{Checkpoint, Group, ShardFile};
use super::discover::{Candidate, shard_unlisted};
use super::form::{Form, Tensor};
use super::header::retain_others;
use super::index::{Index, agrees, differences};
use super::name::{NameHasher, Pattern, SeenNames};
use super::parameters::count_parameters;
use super::problem::{Code, Problem, Problems};
use super::role::{Role, assign, is_buffer, layer_stack, mtp_marker};
use super::shard::Shard;
use crate::parallel::Control;
use crate::source::Source;
use crate::wording::{counted, grouped};
use foldhash::HashMap;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// A candidate with everything that was read for it.
#[derive(Debug)]
pub struct Gathered {
    /// Which files belong together.
    pub candidate: Candidate,
    /// The shards, each with the ordinal of its component.
    pub shards: Vec<(usize, Shard)>,
    /// The indexes by component.
    pub indexes: BTreeMap<usize, Index>,
}

/// Makes the checkpoint; `None` if the scan was asked to stop.
#[must_use]
pub fn assemble(
    source: Source<'_>,
    gathered: Gathered,
    roles: &mut Roles,
    control: &Control,
) -> Option<Checkpoint> {
    let Gathered {
        candidate,
        shards,
        indexes,
    } = gathered;
    let mut candidate = candidate;
    let mut problems = std::mem::take(&mut candidate.problems);
    let mut shards = shards;
    for (ordinal, component) in candidate.components.iter().enumerate() {
        if control.is_cancelled() {
            return None;
        }
        if let (Some(path), Some(index)) = (&component.index, indexes.get(&ordinal)) {
            drop_unlisted(path, index, ordinal, &mut shards, &mut problems);
        }
        let mut own: Vec<&mut Shard> = shards
            .iter_mut()
            .filter(|(of, _)| *of == ordinal)
            .map(|(_, shard)| shard)
            .collect();
        let agreed = match (&component.index, indexes.get(&ordinal)) {
            (Some(path), Some(index)) => check_index(source, path, index, &own, &mut problems),
            _ => false,
        };
        // An index that agrees, and names nothing twice, proves that no name is in two shards.
        if !agreed {
            drop_repeats(&mut own, &mut problems);
        }
    }
    let components: Vec<String> = candidate
        .components
        .iter()
        .map(|component| component.name.clone())
        .collect();
    let metadata = shards
        .first()
        .map(|(_, shard)| shard.metadata.clone())
        .unwrap_or_default();
    // Which layers each file has tensors of, form by form.
    let reach: Vec<Vec<(u32, u32)>> = shards
        .iter()
        .map(|(_, shard)| shard.forms.iter().map(|used| used.first_numbers).collect())
        .collect();
    let (mut groups, mut files) = join(shards);
    for (ordinal, index) in &indexes {
        if let Some(path) = &candidate.components[*ordinal].index {
            check_total(path, index, *ordinal, &groups, &files, &mut problems);
        }
    }
    roles.assign(&mut groups, &components);
    if groups
        .iter()
        .any(|group| roles.of(&group.form.pattern).mtp_marker)
    {
        assign_mtp(&mut groups, &mut files, &reach);
    }
    let mut quantization = None;
    for (ordinal, component) in candidate.components.iter().enumerate() {
        if control.is_cancelled() {
            return None;
        }
        let config = component.quantization(source, &mut problems);
        let scheme = count_parameters(
            &mut groups,
            &mut files,
            roles,
            u32::try_from(ordinal).unwrap_or(u32::MAX),
            config.as_ref(),
            &component.folder,
            &mut problems,
        );
        quantization = quantization
            .or_else(|| config.and_then(|config| config.method))
            .or(scheme);
    }
    drop_empty(&mut groups, &mut files);
    let base = candidate.base(source, &mut problems);
    let beside = candidate.beside(source);
    problems.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity()), &a.path).cmp(&(std::cmp::Reverse(b.severity()), &b.path))
    });
    Some(Checkpoint {
        path: candidate.path,
        kind: candidate.kind,
        quantization,
        components,
        groups,
        files,
        metadata,
        base,
        beside,
        problems,
    })
}

/// Brings the shards' own lists of forms into one list of groups.
fn join(shards: Vec<(usize, Shard)>) -> (Vec<Group>, Vec<ShardFile>) {
    let mut groups: Vec<Group> = Vec::new();
    // Threads that read headers share forms by pointer, so few need a comparison by value.
    let mut by_pointer: HashMap<(usize, *const Form), u32> = HashMap::default();
    let mut by_value: HashMap<(usize, Arc<Form>), u32> = HashMap::default();
    let mut files = Vec::with_capacity(shards.len());
    for (component, shard) in shards {
        let ids: Vec<u32> = shard
            .forms
            .iter()
            .map(|used| {
                let form = &used.form;
                let id = *by_pointer
                    .entry((component, Arc::as_ptr(form)))
                    .or_insert_with(|| {
                        *by_value
                            .entry((component, Arc::clone(form)))
                            .or_insert_with(|| {
                                groups.push(Group {
                                    form: Arc::clone(form),
                                    component: index(component),
                                    role: Role::Other,
                                    parameters: 0,
                                    count: 0,
                                });
                                index(groups.len() - 1)
                            })
                    });
                groups[id as usize].count += used.count;
                id
            })
            .collect();
        files.push(ShardFile {
            path: shard.path,
            file_bytes: shard.file_bytes,
            header_bytes: shard.header_bytes,
            id: shard.id,
            component: index(component),
            groups: ids,
            tensors: shard.tensors,
            numbers: shard.numbers,
        });
    }
    (groups, files)
}

/// Counts of files, components and groups are far below 2^32: headers end at 100 MB.
fn index(ordinal: usize) -> u32 {
    u32::try_from(ordinal).unwrap_or(u32::MAX)
}

/// The roles that sets of patterns were given: the models of a tree mostly have the same names.
#[derive(Debug, Default)]
pub struct Roles {
    known: HashMap<(String, Vec<Arc<Pattern>>), Vec<Role>>,
    alone: HashMap<Arc<Pattern>, Alone>,
}

/// What a pattern tells by itself.
#[derive(Clone, Copy, Debug)]
struct Alone {
    is_buffer: bool,
    /// Whether it shows its layer to be one for multi-token prediction.
    mtp_marker: bool,
}

impl Roles {
    /// Whether the tensors of a pattern are buffers, which are never learned.
    pub fn is_buffer(&mut self, pattern: &Arc<Pattern>) -> bool {
        self.of(pattern).is_buffer
    }

    fn of(&mut self, pattern: &Arc<Pattern>) -> Alone {
        const KEPT: usize = 1 << 14;
        if let Some(&alone) = self.alone.get(pattern) {
            return alone;
        }
        if self.alone.len() >= KEPT {
            self.alone.clear();
        }
        let alone = Alone {
            is_buffer: is_buffer(pattern.text()),
            mtp_marker: mtp_marker(pattern.text()).is_some(),
        };
        self.alone.insert(Arc::clone(pattern), alone);
        alone
    }

    /// Gives every group the role that its name has among those of its component.
    fn assign(&mut self, groups: &mut [Group], components: &[String]) {
        // A tree of nothing but different models must not fill the memory.
        const KEPT: usize = 256;
        for (ordinal, component) in components.iter().enumerate() {
            let own: Vec<usize> = (0..groups.len())
                .filter(|&id| groups[id].component as usize == ordinal)
                .collect();
            let patterns: Vec<Arc<Pattern>> = own
                .iter()
                .map(|&id| Arc::clone(&groups[id].form.pattern))
                .collect();
            if self.known.len() >= KEPT {
                self.known.clear();
            }
            let roles = self
                .known
                .entry((component.clone(), patterns))
                .or_insert_with_key(|(component, patterns)| {
                    let texts: Vec<&str> = patterns.iter().map(|pattern| pattern.text()).collect();
                    assign(&texts, component)
                });
            for (id, &role) in own.into_iter().zip(&*roles) {
                groups[id].role = role;
            }
        }
    }
}

/// Gives role `mtp` to every tensor of a layer that a marker shows to be a multi-token-prediction layer.
///
/// `reach` gives, for every file and form, the least and greatest first number of its tensors' names.
fn assign_mtp(groups: &mut Vec<Group>, files: &mut [ShardFile], reach: &[Vec<(u32, u32)>]) {
    let marks: Vec<bool> = groups
        .iter()
        .map(|group| mtp_marker(group.form.pattern.text()).is_some())
        .collect();
    // The stack of layers that each group's names lie in, and where among their numbers the layer stands.
    let stacks: Vec<Option<(String, usize)>> = groups
        .iter()
        .map(|group| {
            let pattern = &group.form.pattern;
            let (prefix, ordinal) = layer_stack(pattern.text())?;
            (ordinal < pattern.arity()).then(|| (pattern.text()[..prefix].to_owned(), ordinal))
        })
        .collect();
    // The numbers of the marked layers, stack by stack.
    let mut layers: HashMap<&str, BTreeSet<u32>> = HashMap::default();
    for file in &*files {
        if !file.groups.iter().any(|&id| marks[id as usize]) {
            continue;
        }
        for tensor in &file.tensors {
            let id = file.group(tensor);
            if let Some((stack, ordinal)) = &stacks[id]
                && marks[id]
            {
                let number = tensor.numbers(&groups[id].form, &file.numbers)[*ordinal];
                layers.entry(stack).or_default().insert(number);
            }
        }
    }
    // For each group inside a marked stack: which of its numbers is the layer, and the marked layers.
    let inside: Vec<Option<(usize, &BTreeSet<u32>)>> = groups
        .iter()
        .zip(&stacks)
        .map(|(group, stack)| {
            let (stack, ordinal) = stack.as_ref().filter(|_| group.role != Role::Mtp)?;
            Some((*ordinal, layers.get(&**stack)?))
        })
        .collect();
    // Where the layer is the first number, most files can be passed over by what layers they reach.
    let may_hold = |(file, local): (usize, usize), id: usize| {
        inside[id].is_some_and(|(ordinal, marked)| {
            let (least, greatest) = reach[file][local];
            ordinal > 0 || (least <= greatest && marked.range(least..=greatest).next().is_some())
        })
    };
    split(groups, files, may_hold, |id, group, tensor, numbers| {
        let (ordinal, marked) = inside[id]?;
        let number = numbers[tensor.numbers as usize + ordinal];
        marked.contains(&number).then(|| Group {
            role: Role::Mtp,
            ..group.clone()
        })
    });
}

/// Moves tensors to other groups. Only files with a form for which `concerns` holds, given the places of file and form
/// and the form's group, are looked at; `choose` gives, for a tensor of such a form by its group's index and its
/// file's list of numbers, the group it should be in instead, if another.
pub fn split(
    groups: &mut Vec<Group>,
    files: &mut [ShardFile],
    concerns: impl Fn((usize, usize), usize) -> bool,
    choose: impl Fn(usize, &Group, &Tensor, &[u32]) -> Option<Group>,
) {
    let mut made: HashMap<(u32, Role, u64), u32> = HashMap::default();
    for (place, file) in files.iter_mut().enumerate() {
        let concerned: Vec<bool> = file
            .groups
            .iter()
            .enumerate()
            .map(|(local, &id)| concerns((place, local), id as usize))
            .collect();
        if !concerned.contains(&true) {
            continue;
        }
        let mut known: HashMap<u32, u32> = (0..)
            .zip(&file.groups)
            .map(|(local, &id)| (id, local))
            .collect();
        for tensor in &mut file.tensors {
            let local = tensor.form as usize;
            // Forms that splitting itself has added are not looked at again.
            if concerned.get(local) != Some(&true) {
                continue;
            }
            let id = file.groups[local];
            let Some(other) = choose(id as usize, &groups[id as usize], tensor, &file.numbers)
            else {
                continue;
            };
            let target = *made
                .entry((id, other.role, other.parameters))
                .or_insert_with(|| {
                    groups.push(Group { count: 0, ..other });
                    index(groups.len() - 1)
                });
            groups[id as usize].count -= 1;
            groups[target as usize].count += 1;
            tensor.form = *known.entry(target).or_insert_with(|| {
                file.groups.push(target);
                index(file.groups.len() - 1)
            });
        }
    }
}

/// Removes groups that splitting has emptied, so that every group has a tensor.
fn drop_empty(groups: &mut Vec<Group>, files: &mut [ShardFile]) {
    // A file may still list a group that all its tensors have left; none of them refers to it any more.
    const GONE: u32 = u32::MAX;
    if groups.iter().all(|group| group.count > 0) {
        return;
    }
    let mut kept = 0;
    let new_ids: Vec<u32> = groups
        .iter()
        .map(|group| {
            if group.count == 0 {
                return GONE;
            }
            kept += 1;
            kept - 1
        })
        .collect();
    for id in files.iter_mut().flat_map(|file| &mut file.groups) {
        *id = new_ids[*id as usize];
    }
    groups.retain(|group| group.count > 0);
}

/// Drops shards that go by their names with an index that names others of them: libraries do not load them.
fn drop_unlisted(
    path: &Path,
    index: &Index,
    component: usize,
    shards: &mut Vec<(usize, Shard)>,
    problems: &mut Vec<Problem>,
) {
    let named: BTreeSet<&str> = index.files.iter().map(|(file, _)| file.as_str()).collect();
    let is_listed = |(of, shard): &(usize, Shard)| {
        let name = shard.path.file_name().and_then(|name| name.to_str());
        *of != component || name.is_none_or(|name| named.contains(name))
    };
    let own = |(of, _): &&(usize, Shard)| *of == component;
    if shards.iter().all(is_listed) || !shards.iter().filter(own).any(is_listed) {
        return;
    }
    let mut notes = Problems::new(Arc::new(path.parent().unwrap_or(path).to_owned()));
    shards.retain(|entry| {
        let listed = is_listed(entry);
        if !listed {
            shard_unlisted(&entry.1.path, path, &mut notes);
        }
        listed
    });
    problems.extend(notes.into_vec());
}

/// An index that does not agree is read whole, up to this length. The longest real ones have some 20 MB.
const INDEX_LIMIT: u64 = 512 << 20;

/// Holds an index against the shards it names; true if they agree.
fn check_index(
    source: Source<'_>,
    path: &Path,
    index: &Index,
    shards: &[&mut Shard],
    problems: &mut Vec<Problem>,
) -> bool {
    let by_file: BTreeMap<&str, &Shard> = shards
        .iter()
        .filter_map(|shard| Some((shard.path.file_name()?.to_str()?, &**shard)))
        .collect();
    if agrees(index, &by_file) {
        return true;
    }
    let (sound, broken): (BTreeMap<&str, &Shard>, BTreeMap<&str, &Shard>) = by_file
        .into_iter()
        .partition(|(_, shard)| shard.header_bytes > 0);
    let broken: Vec<&str> = broken.into_keys().collect();
    match source.read(path, INDEX_LIMIT) {
        Ok(text) => problems.extend(differences(
            &Arc::new(path.to_owned()),
            &text,
            &sound,
            &broken,
        )),
        Err(error) => {
            let mut notes = Problems::new(Arc::new(path.to_owned()));
            notes.push(Code::IndexInvalid, None, || error.to_string());
            problems.extend(notes.into_vec());
        }
    }
    false
}

/// Compares the size that an index states with what its shards hold, unless some of them are missing.
fn check_total(
    path: &Path,
    index: &Index,
    component: usize,
    groups: &[Group],
    files: &[ShardFile],
    problems: &mut Vec<Problem>,
) {
    let whole = files
        .iter()
        .filter(|file| file.component as usize == component && file.header_bytes > 0)
        .count();
    let stored: u128 = groups
        .iter()
        .filter(|group| group.component as usize == component)
        .map(|group| group.tally().bytes)
        .sum();
    if let Some(stated) = index.total_size
        && whole == index.files.len()
        && u128::from(stated) != stored
    {
        let mut notes = Problems::new(Arc::new(path.to_owned()));
        notes.push(Code::TotalSizeWrong, None, || {
            format!(
                "the index states total_size {}, its tensors have {}",
                grouped(stated),
                counted(stored, "byte")
            )
        });
        problems.extend(notes.into_vec());
    }
}

/// Reports names that several shards of one model hold, and keeps the first of each.
fn drop_repeats(shards: &mut [&mut Shard], problems: &mut Vec<Problem>) {
    if shards.len() < 2 {
        // One header has been checked for repeated names when it was read.
        return;
    }
    let hasher = NameHasher::default();
    let mut seen = SeenNames::default();
    seen.reset(shards.iter().map(|shard| shard.tensors.len()).sum());
    let mut places: Vec<(&Shard, &Tensor)> = Vec::new();
    let mut repeated: Vec<Vec<usize>> = Vec::new();
    for shard in &*shards {
        let shard: &Shard = shard;
        let mut notes = Problems::new(Arc::clone(&shard.path));
        let mut here = Vec::new();
        let patterns: Vec<u64> = shard
            .forms
            .iter()
            .map(|used| hasher.pattern(&used.form.pattern))
            .collect();
        for (ordinal, tensor) in shard.tensors.iter().enumerate() {
            let form = shard.form(tensor);
            let numbers = tensor.numbers(form, &shard.numbers);
            let hash = hasher.name(patterns[tensor.form as usize], numbers);
            let first = seen.insert(hash, index(places.len()), |other| {
                let (shard, tensor) = places[other as usize];
                let other = shard.form(tensor);
                other.pattern == form.pattern && tensor.numbers(other, &shard.numbers) == numbers
            });
            places.push((shard, tensor));
            if let Some(first) = first {
                here.push(ordinal);
                let (holder, _) = places[first as usize];
                notes.push(Code::TensorTwice, Some(&shard.name(tensor)), || {
                    format!("{} holds a tensor of this name too", holder.path.display())
                });
            }
        }
        repeated.push(here);
        problems.extend(notes.into_vec());
    }
    for (shard, repeated) in shards.iter_mut().zip(repeated) {
        if !repeated.is_empty() {
            for &ordinal in &repeated {
                let form = shard.tensors[ordinal].form as usize;
                shard.forms[form].count -= 1;
            }
            retain_others(&mut shard.tensors, &repeated);
        }
    }
}
