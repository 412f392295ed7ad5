//! Logical parameters: what every stored tensor counts for.
//!
//! An ordinary tensor counts its elements; a buffer that is never learned counts none; packed tensors and the
//! scales beside them go by the tables of [`crate::quantization::packing`].

use super::assemble::{Roles, split};
use super::body::{Group, ShardFile};
use super::form::Form;
use super::problem::{Code, Problem, Problems};
use crate::dtype::Dtype;
use crate::quantization::config::{Grid, QuantizationConfig};
use crate::quantization::packing::{
    CACHE_SCALES, Logical, PACKINGS, Packing, SIDES, can_be_served,
};
use foldhash::HashMap;
use std::path::Path;
use std::sync::Arc;

/// The forms of one component by the text of their name pattern.
type ByName<'g> = HashMap<&'g str, Vec<&'g Form>>;

/// Sets `parameters` of every group of a component; the packing scheme that its tensors show, if any does.
pub fn count_parameters(
    groups: &mut Vec<Group>,
    files: &mut [ShardFile],
    roles: &mut Roles,
    component: u32,
    config: Option<&QuantizationConfig>,
    folder: &Path,
    problems: &mut Vec<Problem>,
) -> Option<String> {
    if groups
        .iter()
        .all(|group| group.component != component || !can_be_served(&group.form))
    {
        // Nothing but ordinary floats: no tensor is packed and none serves another.
        for group in groups
            .iter_mut()
            .filter(|group| group.component == component)
        {
            let form = &group.form;
            let counts = !is_cache_scale(form) && !roles.is_buffer(&form.pattern);
            group.parameters = if counts {
                form.elements().unwrap_or(0)
            } else {
                0
            };
        }
        return None;
    }
    let default = QuantizationConfig::default();
    let config = config.unwrap_or(&default);
    let by_name = names(groups, component);
    let mut scheme = None;
    let mut assumed: Vec<(String, &'static str)> = Vec::new();
    // Groups whose tensors must be looked at one by one.
    let mut mixed: Vec<usize> = Vec::new();
    let mut counts: Vec<(usize, u64)> = Vec::new();
    for (id, group) in groups.iter().enumerate() {
        if group.component != component {
            continue;
        }
        let form = &*group.form;
        let elements = form.elements().unwrap_or(0);
        let parameters = if is_side(form, &by_name) || roles.is_buffer(&form.pattern) {
            0
        } else if let Some((packing, stem)) = packing_of(form, &by_name) {
            scheme.get_or_insert(packing.scheme);
            if is_mixed(stem, &by_name) || !config.modules.is_empty() {
                mixed.push(id);
            }
            let siblings = |suffix: &str| sibling(stem, suffix, &by_name);
            let logical = packing.count(form, &siblings, config.grid);
            if let Some(why) = logical.as_ref().and_then(|logical| logical.assumed) {
                assumed.push((form.pattern.text().to_owned(), why));
            }
            logical.map_or(elements, |logical| logical.parameters)
        } else {
            if form.shape.len() > 1 && form.dtype.known().is_some_and(Dtype::is_float8) {
                scheme.get_or_insert("fp8");
            }
            elements
        };
        counts.push((id, parameters));
    }
    if !mixed.is_empty() {
        assumed.retain(|(pattern, _)| {
            !mixed
                .iter()
                .any(|&id| groups[id].form.pattern.text() == pattern)
        });
    }
    for (id, parameters) in counts {
        groups[id].parameters = parameters;
    }
    if !mixed.is_empty() {
        count_one_by_one(groups, files, component, &mixed, config, &mut assumed);
    }
    if !assumed.is_empty() {
        assumed.sort_unstable();
        assumed.dedup();
        let mut notes = Problems::new(Arc::new(folder.to_owned()));
        for (pattern, why) in assumed {
            notes.push(Code::PackingAssumed, Some(&pattern), || {
                format!("packed weights counted with {why}")
            });
        }
        problems.extend(notes.into_vec());
    }
    scheme.map(str::to_owned)
}

fn names(groups: &[Group], component: u32) -> ByName<'_> {
    let mut by_name: ByName<'_> = HashMap::default();
    for group in groups.iter().filter(|group| group.component == component) {
        by_name
            .entry(group.form.pattern.text())
            .or_default()
            .push(&group.form);
    }
    by_name
}

fn sibling<'g>(stem: &str, suffix: &str, by_name: &ByName<'g>) -> Option<&'g Form> {
    by_name
        .get(&*format!("{stem}{suffix}"))
        .and_then(|forms| forms.first().copied())
}

fn is_cache_scale(form: &Form) -> bool {
    let small = form.elements().is_some_and(|elements| elements <= 1024);
    let name = form.pattern.text();
    small && CACHE_SCALES.iter().any(|suffix| name.ends_with(suffix))
}

/// Whether a tensor serves another one that is there and can be served.
fn is_side(form: &Form, by_name: &ByName<'_>) -> bool {
    if is_cache_scale(form) {
        return true;
    }
    let name = form.pattern.text();
    SIDES.iter().any(|side| {
        let Some(stem) = name.strip_suffix(side.suffix) else {
            return false;
        };
        side.serves.iter().any(|served| {
            by_name
                .get(&*format!("{stem}{served}"))
                .is_some_and(|forms| forms.iter().any(|form| can_be_served(form)))
        })
    })
}

/// How a tensor is packed, with the part of its name that its siblings share.
fn packing_of<'f>(form: &'f Form, by_name: &ByName<'_>) -> Option<(&'static Packing, &'f str)> {
    let name = form.pattern.text();
    PACKINGS.iter().find_map(|packing| {
        if !packing.fits(name, form) {
            return None;
        }
        let stem = name.strip_suffix(packing.suffix)?;
        let siblings = |suffix: &str| sibling(stem, suffix, by_name);
        if packing
            .needs()
            .is_some_and(|needed| siblings(needed).is_none())
        {
            return None;
        }
        Some((packing, stem))
    })
}

/// Whether tensors of one pattern have siblings of several forms: then each must be counted by its own.
fn is_mixed(stem: &str, by_name: &ByName<'_>) -> bool {
    [
        ".scales",
        ".qzeros",
        ".g_idx",
        ".weight_scale",
        ".scale",
        ".q_invperm",
    ]
    .iter()
    .filter_map(|suffix| by_name.get(&*format!("{stem}{suffix}")))
    .any(|forms| forms.len() > 1)
}

/// Counts tensors whose siblings or whose stated grids differ from one to the next.
fn count_one_by_one(
    groups: &mut Vec<Group>,
    files: &mut [ShardFile],
    component: u32,
    mixed: &[usize],
    config: &QuantizationConfig,
    assumed: &mut Vec<(String, &'static str)>,
) {
    // Every tensor of the component by its full name: only packed checkpoints of mixed layout pay for this.
    let by_tensor: HashMap<String, Arc<Form>> = files
        .iter()
        .filter(|file| file.component == component)
        .flat_map(|file| {
            file.tensors.iter().map(|tensor| {
                let form = &groups[file.group(tensor)].form;
                let name = form.pattern.name(tensor.numbers(form, &file.numbers));
                (name, Arc::clone(form))
            })
        })
        .collect();
    let logical = |group: &Group, numbers: &[u32]| -> Option<Logical> {
        let name = group.form.pattern.name(numbers);
        PACKINGS.iter().find_map(|packing| {
            let stem = name.strip_suffix(packing.suffix)?;
            if !packing.fits(&name, &group.form) {
                return None;
            }
            let siblings = |suffix: &str| by_tensor.get(&*format!("{stem}{suffix}")).map(|f| &**f);
            let grid: Grid = config.grid_of(stem);
            packing.count(&group.form, &siblings, grid)
        })
    };
    let notes = std::cell::RefCell::new(assumed);
    split(
        groups,
        files,
        |_, id| mixed.contains(&id),
        |_, group, tensor, numbers| {
            let numbers = tensor.numbers(&group.form, numbers);
            let elements = group.form.elements().unwrap_or(0);
            let counted = logical(group, numbers);
            if let Some(why) = counted.as_ref().and_then(|logical| logical.assumed) {
                notes
                    .borrow_mut()
                    .push((group.form.pattern.text().to_owned(), why));
            }
            let parameters = counted.map_or(elements, |logical| logical.parameters);
            (parameters != group.parameters).then(|| Group {
                parameters,
                ..group.clone()
            })
        },
    );
}
