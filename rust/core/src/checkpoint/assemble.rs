//! Putting a checkpoint together from its files: one list of groups, roles, logical parameters, cross-checks.

use super::body::{Checkpoint, Group, ShardFile};
use super::discover::Candidate;
use super::form::{Form, Tensor};
use super::index::{Index, agrees, differences};
use super::name::{NameHasher, SeenNames, name_hash};
use super::parameters::count_parameters;
use super::problem::{Code, Problem, Problems};
use super::role::{Role, assign, mtp_marker};
use super::shard::Shard;
use crate::quantization::config::QuantizationConfig;
use std::collections::{BTreeMap, BTreeSet, HashMap};
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

/// Makes the checkpoint.
#[must_use]
pub fn assemble(gathered: Gathered) -> Checkpoint {
    let Gathered {
        candidate,
        shards,
        indexes,
    } = gathered;
    let mut problems = candidate.problems;
    let mut shards = shards;
    for (ordinal, component) in candidate.components.iter().enumerate() {
        let mut own: Vec<&mut Shard> = shards
            .iter_mut()
            .filter(|(of, _)| *of == ordinal)
            .map(|(_, shard)| shard)
            .collect();
        let agreed = match (&component.index, indexes.get(&ordinal)) {
            (Some(path), Some(index)) => check_index(path, index, &own, &mut problems),
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
    let (mut groups, mut files) = join(shards);
    for (ordinal, index) in &indexes {
        if let Some(path) = &candidate.components[*ordinal].index {
            check_total(path, index, *ordinal, &groups, &files, &mut problems);
        }
    }
    assign_roles(&mut groups, &mut files, &components);
    let mut quantization = None;
    for (ordinal, component) in candidate.components.iter().enumerate() {
        let config = match QuantizationConfig::read(&component.folder) {
            Ok(config) => config,
            Err((file, error)) => {
                let mut notes = Problems::new(Arc::new(component.folder.join(file)));
                notes.push(Code::ConfigInvalid, None, || error);
                problems.extend(notes.into_vec());
                None
            }
        };
        let scheme = count_parameters(
            &mut groups,
            &mut files,
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
    problems.sort_by(|a, b| {
        (std::cmp::Reverse(a.severity()), &a.path).cmp(&(std::cmp::Reverse(b.severity()), &b.path))
    });
    Checkpoint {
        path: candidate.path,
        kind: candidate.kind,
        quantization,
        components,
        groups,
        files,
        metadata,
        problems,
    }
}

/// Brings the shards' own lists of forms into one list of groups.
fn join(shards: Vec<(usize, Shard)>) -> (Vec<Group>, Vec<ShardFile>) {
    let mut groups: Vec<Group> = Vec::new();
    // Threads that read headers share forms by pointer, so few need a comparison by value.
    let mut by_pointer: HashMap<(usize, *const Form), u32> = HashMap::new();
    let mut by_value: HashMap<(usize, Arc<Form>), u32> = HashMap::new();
    let mut files = Vec::with_capacity(shards.len());
    for (component, shard) in shards {
        let ids: Vec<u32> = shard
            .forms
            .iter()
            .map(|form| {
                *by_pointer
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
                    })
            })
            .collect();
        let mut tensors = shard.tensors;
        for tensor in &mut tensors {
            tensor.form = ids[tensor.form as usize];
            groups[tensor.form as usize].count += 1;
        }
        files.push(ShardFile {
            path: shard.path,
            file_bytes: shard.file_bytes,
            header_bytes: shard.header_bytes,
            id: shard.id,
            component: index(component),
            tensors,
            numbers: shard.numbers,
        });
    }
    (groups, files)
}

/// Counts of files, components and groups are far below 2^32: headers end at 100 MB.
fn index(ordinal: usize) -> u32 {
    u32::try_from(ordinal).unwrap_or(u32::MAX)
}

fn assign_roles(groups: &mut Vec<Group>, files: &mut [ShardFile], components: &[String]) {
    for (ordinal, component) in components.iter().enumerate() {
        let own: Vec<usize> = (0..groups.len())
            .filter(|&id| groups[id].component as usize == ordinal)
            .collect();
        let patterns: Vec<&str> = own.iter().map(|&id| groups[id].form.pattern.text()).collect();
        let roles = assign(&patterns, component);
        for (id, role) in own.into_iter().zip(roles) {
            groups[id].role = role;
        }
    }
    assign_mtp(groups, files);
}

/// Gives role `mtp` to every tensor of a layer that a marker shows to be a multi-token-prediction layer.
fn assign_mtp(groups: &mut Vec<Group>, files: &mut [ShardFile]) {
    let markers: Vec<Option<(String, usize)>> = groups
        .iter()
        .map(|group| {
            let stack = mtp_marker(group.form.pattern.text())?;
            let ordinal = stack.matches('*').count().checked_sub(1)?;
            (ordinal < group.form.pattern.arity()).then(|| (stack.to_owned(), ordinal))
        })
        .collect();
    if markers.iter().all(Option::is_none) {
        return;
    }
    // The numbers of the marked layers, stack by stack.
    let mut layers: BTreeMap<(&str, usize), BTreeSet<u32>> = BTreeMap::new();
    for file in &*files {
        for tensor in &file.tensors {
            if let Some((stack, ordinal)) = &markers[tensor.form as usize] {
                let form = &groups[tensor.form as usize].form;
                let number = tensor.numbers(form, &file.numbers)[*ordinal];
                layers.entry((stack, *ordinal)).or_default().insert(number);
            }
        }
    }
    // For each group inside a marked stack: which of its numbers is the layer, and the marked layers.
    let inside: Vec<Option<(usize, Vec<u32>)>> = groups
        .iter()
        .map(|group| {
            let ((_, ordinal), numbers) = layers.iter().find(|((stack, ordinal), _)| {
                let rest = group.form.pattern.text().strip_prefix(stack);
                group.role != Role::Mtp
                    && *ordinal < group.form.pattern.arity()
                    && rest.is_some_and(|rest| rest.starts_with('.'))
            })?;
            Some((*ordinal, numbers.iter().copied().collect()))
        })
        .collect();
    split(groups, files, |group, tensor, numbers| {
        let (ordinal, marked) = inside[tensor.form as usize].as_ref()?;
        let number = numbers[tensor.numbers as usize + ordinal];
        marked.contains(&number).then(|| Group {
            role: Role::Mtp,
            ..group.clone()
        })
    });
}

/// Moves tensors to other groups: `choose` gives, for a tensor with its group and its file's list of numbers, the
/// group it should be in instead, if another.
pub fn split(
    groups: &mut Vec<Group>,
    files: &mut [ShardFile],
    choose: impl Fn(&Group, &Tensor, &[u32]) -> Option<Group>,
) {
    let mut made: HashMap<(u32, Role, u64), u32> = HashMap::new();
    let before = groups.len();
    for file in files {
        for tensor in &mut file.tensors {
            let id = tensor.form as usize;
            debug_assert!(id < before, "each tensor is looked at once");
            let Some(other) = choose(&groups[id], tensor, &file.numbers) else {
                continue;
            };
            let target = *made
                .entry((tensor.form, other.role, other.parameters))
                .or_insert_with(|| {
                    groups.push(Group { count: 0, ..other });
                    index(groups.len() - 1)
                });
            groups[id].count -= 1;
            groups[target as usize].count += 1;
            tensor.form = target;
        }
    }
}

/// Removes groups that splitting has emptied, so that every group has a tensor.
fn drop_empty(groups: &mut Vec<Group>, files: &mut [ShardFile]) {
    if groups.iter().all(|group| group.count > 0) {
        return;
    }
    let mut kept = 0;
    let new_ids: Vec<u32> = groups
        .iter()
        .map(|group| {
            let id = kept;
            kept += u32::from(group.count > 0);
            id
        })
        .collect();
    for tensor in files.iter_mut().flat_map(|file| &mut file.tensors) {
        tensor.form = new_ids[tensor.form as usize];
    }
    groups.retain(|group| group.count > 0);
}

/// Holds an index against the shards it names; true if they agree.
fn check_index(
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
    match std::fs::read(path) {
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
            format!("the index states total_size {stated}, its tensors have {stored} bytes")
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
    let mut repeated: Vec<Vec<bool>> = Vec::new();
    for shard in &*shards {
        let shard: &Shard = shard;
        let mut notes = Problems::new(Arc::clone(&shard.path));
        let hashes: Vec<u64> = shard
            .forms
            .iter()
            .map(|form| hasher.pattern(&form.pattern))
            .collect();
        let mut here = Vec::with_capacity(shard.tensors.len());
        for tensor in &shard.tensors {
            let form = shard.form(tensor);
            let numbers = tensor.numbers(form, &shard.numbers);
            let hash = name_hash(hashes[tensor.form as usize], numbers);
            let first = seen.insert(hash, index(places.len()), |other| {
                let (shard, tensor) = places[other as usize];
                let other = shard.form(tensor);
                other.pattern == form.pattern && tensor.numbers(other, &shard.numbers) == numbers
            });
            places.push((shard, tensor));
            here.push(first.is_some());
            if let Some(first) = first {
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
        if repeated.contains(&true) {
            let mut repeated = repeated.into_iter();
            shard.tensors.retain(|_| repeated.next() != Some(true));
        }
    }
}
