//! Logical parameters: what every stored tensor counts for.
//!
//! An ordinary tensor counts its elements; a buffer that is never learned counts none; packed tensors and the
//! scales beside them go by the tables of [`crate::quantization::packing`].

use super::assemble::{Roles, split};
use super::body::{Group, ShardFile};
use super::form::Form;
use super::problem::{Code, Problem, Problems};
use super::role::Role;
use crate::dtype::Dtype;
use crate::quantization::config::QuantizationConfig;
use crate::quantization::packing::{
    CACHE_SCALES, Logical, PACKINGS, Packing, SIDES, can_be_served,
};
use foldhash::{HashMap, HashSet};
use std::collections::BTreeSet;
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
    let scaled = scaled_modules(&by_name);
    let mut scheme = None;
    let mut remarks = Remarks::default();
    // Groups whose tensors must be looked at one by one.
    let mut mixed: HashSet<usize> = HashSet::default();
    let mut counts: Vec<(usize, u64)> = Vec::new();
    for (id, group) in groups.iter().enumerate() {
        if group.component != component {
            continue;
        }
        let form = &*group.form;
        let name = form.pattern.text();
        let elements = form.elements().unwrap_or(0);
        let parameters = if is_side(form, &by_name) || roles.is_buffer(&form.pattern) {
            0
        } else if let Some(all) = candidates(name, form, |name| by_name.contains_key(name)) {
            if !config.modules.is_empty() || all.iter().any(|one| one.is_mixed(&by_name)) {
                mixed.insert(id);
            }
            let counted = all.iter().find_map(|Candidate { packing, stem }| {
                let siblings = |suffix: &str| sibling(stem, suffix, &by_name);
                let logical = packing.count(form, &siblings, config.for_all())?;
                Some((packing.scheme, logical))
            });
            if !mixed.contains(&id) {
                remarks.note(name, counted.as_ref().map(|(_, logical)| logical));
            }
            counted.map_or(elements, |(counted_as, logical)| {
                scheme.get_or_insert(counted_as);
                logical.parameters
            })
        } else {
            if form.shape.len() > 1 && form.dtype.known().is_some_and(Dtype::is_float8) {
                scheme.get_or_insert("fp8");
            }
            if looks_packed(group) && (config.method.is_some() || scaled.contains(module(name))) {
                remarks.unknown.insert(name.to_owned());
            }
            elements
        };
        counts.push((id, parameters));
    }
    for (id, parameters) in counts {
        groups[id].parameters = parameters;
    }
    if !mixed.is_empty() {
        count_one_by_one(groups, files, component, &mixed, config, &mut remarks);
    }
    problems.extend(remarks.worded(config, folder));
    scheme.map(str::to_owned)
}

/// What is to be said of counts that are not certain, by name pattern.
#[derive(Default)]
struct Remarks {
    assumed: BTreeSet<(String, &'static str)>,
    unknown: BTreeSet<String>,
}

impl Remarks {
    /// Notes what is uncertain about the count of a tensor that a packing fits, given that count, if there is one.
    fn note(&mut self, name: &str, counted: Option<&Logical>) {
        match counted.map(|logical| logical.assumed) {
            Some(Some(why)) => {
                self.assumed.insert((name.to_owned(), why));
            }
            Some(None) => {}
            None => {
                self.unknown.insert(name.to_owned());
            }
        }
    }

    fn worded(self, config: &QuantizationConfig, folder: &Path) -> Vec<Problem> {
        let mut notes = Problems::new(Arc::new(folder.to_owned()));
        for (pattern, why) in self.assumed {
            notes.push(Code::PackingAssumed, Some(&pattern), || {
                format!("packed weights counted with {why}")
            });
        }
        for pattern in self.unknown {
            notes.push(Code::PackingUnknown, Some(&pattern), || {
                let why = match &config.method {
                    Some(method) => format!("the configuration states {method:?}"),
                    None => "it looks packed".to_owned(),
                };
                format!("counted by its stored elements: {why}, in a layout that is not known")
            });
        }
        notes.into_vec()
    }
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

/// A way in which a tensor may be packed, and the part of its name that its siblings share.
struct Candidate<'n> {
    packing: &'static Packing,
    stem: &'n str,
}

impl Candidate<'_> {
    /// Whether tensors of one pattern have siblings of several forms: then each must be counted by its own.
    fn is_mixed(&self, by_name: &ByName<'_>) -> bool {
        self.packing.siblings().any(|suffix| {
            by_name
                .get(&*format!("{}{suffix}", self.stem))
                .is_some_and(|forms| forms.len() > 1)
        })
    }
}

/// The ways in which a tensor may be packed, by its name, its dtype and what lies beside it; `None` if by none.
fn candidates<'n>(
    name: &'n str,
    form: &Form,
    is_here: impl Fn(&str) -> bool,
) -> Option<Vec<Candidate<'n>>> {
    let all: Vec<_> = PACKINGS
        .iter()
        .filter(|packing| packing.fits(name, form))
        .filter_map(|packing| {
            let stem = name.strip_suffix(packing.suffix)?;
            let can_be = packing.has_needed(|suffix| is_here(&format!("{stem}{suffix}")));
            can_be.then_some(Candidate { packing, stem })
        })
        .collect();
    (!all.is_empty()).then_some(all)
}

/// Whether a tensor has what packed weights have: whole numbers, two sides or more, and the size of a weight. Tables
/// that a router looks experts up in are no weights.
fn looks_packed(group: &Group) -> bool {
    /// Smaller ones are tables and masks.
    const LEAST: u64 = 1024;
    let whole = group.form.dtype.known().is_some_and(Dtype::is_whole);
    whole
        && group.form.shape.len() > 1
        && group.form.elements() >= Some(LEAST)
        && !matches!(group.role, Role::Router | Role::Position)
}

/// The part of a name before its last segment.
fn module(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(module, _)| module)
}

/// The modules that have scales.
fn scaled_modules<'g>(by_name: &ByName<'g>) -> HashSet<&'g str> {
    by_name
        .keys()
        .filter(|name| {
            name.rsplit('.')
                .next()
                .is_some_and(|last| last.contains("scale"))
        })
        .map(|name| module(name))
        .collect()
}

/// Counts tensors whose siblings or whose stated grids differ from one to the next.
fn count_one_by_one(
    groups: &mut Vec<Group>,
    files: &mut [ShardFile],
    component: u32,
    mixed: &HashSet<usize>,
    config: &QuantizationConfig,
    remarks: &mut Remarks,
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
        let all = candidates(&name, &group.form, |name| by_tensor.contains_key(name))?;
        all.iter().find_map(|Candidate { packing, stem }| {
            let siblings = |suffix: &str| by_tensor.get(&*format!("{stem}{suffix}")).map(|f| &**f);
            packing.count(&group.form, &siblings, config.for_module(stem))
        })
    };
    let remarks = std::cell::RefCell::new(remarks);
    split(
        groups,
        files,
        |_, id| mixed.contains(&id),
        |_, group, tensor, numbers| {
            let numbers = tensor.numbers(&group.form, numbers);
            let counted = logical(group, numbers);
            remarks
                .borrow_mut()
                .note(group.form.pattern.text(), counted.as_ref());
            let parameters = counted.map_or_else(
                || group.form.elements().unwrap_or(0),
                |logical| logical.parameters,
            );
            (parameters != group.parameters).then(|| Group {
                parameters,
                ..group.clone()
            })
        },
    );
}
