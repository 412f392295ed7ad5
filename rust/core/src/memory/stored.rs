//! The weights of a model as its files hold them: every byte of a checkpoint, by the weight it is or serves.

use super::body::Piece;
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::Stack;
use crate::architecture::template::{Numbers, Routing, Template};
use crate::checkpoint::{Checkpoint, Group, Role};
use crate::model::naming::{self, Expected, Prefix};
use crate::wording::counted;
use foldhash::HashMap;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tensors that go together: those of a template, or of a name that the class does not have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The template at this place of the architecture's list.
    Template(usize),
    /// Tensors of this name pattern and role, in the stack of this name if they lie in layers.
    Other(Arc<str>, Role, Option<String>),
}

/// What is stored of a kind in one layer.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    bytes: u64,
    elements: u64,
    tensors: u64,
}

/// The pieces of a model as its files hold them. Their sum is that of the checkpoint, but for a copy of a tied head, which
/// nobody loads.
#[must_use]
pub fn stored(
    checkpoint: &Checkpoint,
    architecture: &Architecture,
    notes: &mut Vec<Assumption>,
) -> Vec<Piece> {
    let expected = naming::expected(architecture);
    let prefix = naming::best_prefix(&naming::stored(checkpoint, &expected), &expected);
    let places: HashMap<*const Template, usize> = architecture
        .templates
        .iter()
        .enumerate()
        .map(|(place, template)| (std::ptr::from_ref(template), place))
        .collect();
    let copy = copied_head(architecture);
    let mut sums: BTreeMap<(Kind, Option<u32>), Sum> = BTreeMap::new();
    let mut shapes: HashMap<Arc<str>, Vec<u64>> = HashMap::default();
    let (mut unknown, mut example, mut copied) = (0_u64, String::new(), 0_u64);
    naming::each(checkpoint, |name, group| {
        let (kind, layer) = match weight_of(name, prefix, &expected) {
            Some(found) => match places.get(&std::ptr::from_ref(found.template)) {
                Some(&place) => (Kind::Template(place), found.layer),
                None => return,
            },
            None if copy.is_some_and(|shape| is_copy(group, shape)) => {
                copied = copied.saturating_add(group.form.bytes);
                return;
            }
            None => {
                unknown += 1;
                if example.is_empty() {
                    name.clone_into(&mut example);
                }
                other(checkpoint, group, name, &mut shapes)
            }
        };
        let sum = sums.entry((kind, layer)).or_default();
        sum.bytes = sum.bytes.saturating_add(group.form.bytes);
        sum.elements = sum.elements.saturating_add(group.parameters);
        sum.tensors += 1;
    });
    if copied > 0 {
        notes.push(Assumption::new(
            "head",
            counted(copied, "byte"),
            "a copy of the embedding is stored as the head, which the config ties to it; it is not loaded",
        ));
    }
    if unknown > 0 {
        notes.push(Assumption::new(
            "weights",
            example,
            format!(
                "{} of the checkpoint are not among those of the class (this is the first); they are counted by their names",
                counted(unknown, "tensor")
            ),
        ));
    }
    pieces(sums, architecture, &shapes)
}

/// The weight that a tensor is or serves.
fn weight_of<'e, 'a>(
    name: &str,
    prefix: Prefix,
    expected: &'e HashMap<String, Expected<'a>>,
) -> Option<&'e Expected<'a>> {
    let known = |name: &str| {
        let other = naming::renamed(name, prefix);
        other
            .and_then(|other| expected.get(&other))
            .or_else(|| expected.get(name))
    };
    known(name).or_else(|| naming::weights_of(name).find_map(|weight| known(&weight)))
}

/// The shape that a copy of the head would have, if the head is the table of embeddings.
fn copied_head(architecture: &Architecture) -> Option<&[u64]> {
    let has_head = architecture
        .templates
        .iter()
        .any(|template| template.role == Role::Head);
    let table = architecture
        .templates
        .iter()
        .find(|template| template.role == Role::Embedding && template.routing == Routing::Lookup)?;
    (!has_head).then_some(&table.shape)
}

fn is_copy(group: &Group, shape: &[u64]) -> bool {
    group.role == Role::Head && *group.form.shape == *shape
}

/// What is not of the class, by its own name.
fn other(
    checkpoint: &Checkpoint,
    group: &Group,
    name: &str,
    shapes: &mut HashMap<Arc<str>, Vec<u64>>,
) -> (Kind, Option<u32>) {
    let pattern: Arc<str> = group.form.pattern.text().into();
    shapes
        .entry(Arc::clone(&pattern))
        .or_insert_with(|| group.form.shape.to_vec());
    let (stack, layer) = match checkpoint.stack(group) {
        Some((stack, ordinal)) => {
            let number = name
                .split('.')
                .filter_map(|part| part.parse().ok())
                .nth(ordinal);
            (number.is_some().then_some(stack), number)
        }
        None => (None, None),
    };
    (Kind::Other(pattern, group.role, stack), layer)
}

/// Layers in which a kind has the same sum become one piece.
fn pieces(
    sums: BTreeMap<(Kind, Option<u32>), Sum>,
    architecture: &Architecture,
    shapes: &HashMap<Arc<str>, Vec<u64>>,
) -> Vec<Piece> {
    let mut groups: Vec<(Kind, Sum, Option<Vec<u32>>)> = Vec::new();
    let mut begin = 0;
    for ((kind, layer), sum) in sums {
        if groups.get(begin).is_none_or(|(known, ..)| *known != kind) {
            begin = groups.len();
        }
        let alike = groups[begin..].iter_mut().find(|(_, known, layers)| {
            known.bytes == sum.bytes
                && known.elements == sum.elements
                && layers.is_some() == layer.is_some()
        });
        match (alike, layer) {
            (Some((_, _, Some(layers))), Some(layer)) => layers.push(layer),
            _ => groups.push((kind, sum, layer.map(|layer| vec![layer]))),
        }
    }
    groups
        .into_iter()
        .map(|(kind, sum, layers)| piece(&kind, sum, layers, architecture, shapes))
        .collect()
}

fn piece(
    kind: &Kind,
    sum: Sum,
    layers: Option<Vec<u32>>,
    architecture: &Architecture,
    shapes: &HashMap<Arc<str>, Vec<u64>>,
) -> Piece {
    let layers = layers.map(|layers| Numbers::Listed(layers.into()));
    match kind {
        Kind::Template(place) => {
            let template = &architecture.templates[*place];
            let outer = usize::from(template.in_layer);
            let count = template
                .numbers
                .iter()
                .skip(outer)
                .fold(1_u64, |count, numbers| {
                    count.saturating_mul(numbers.len() as u64)
                });
            // Where some are missing, or differ, they are one.
            let each = if count > 0
                && sum.bytes.is_multiple_of(count)
                && sum.elements.is_multiple_of(count)
            {
                count
            } else {
                1
            };
            Piece {
                pattern: template.pattern.as_str().into(),
                role: template.role,
                shape: template.shape.clone(),
                part: template.part,
                layers,
                each,
                elements: sum.elements / each,
                bytes: sum.bytes / each,
                routing: template.routing,
            }
        }
        Kind::Other(pattern, role, stack) => {
            let kin = architecture
                .templates
                .iter()
                .find(|template| template.role == *role && (stack.is_none() || template.in_layer));
            let each = sum.tensors.max(1);
            let each = if sum.bytes.is_multiple_of(each) && sum.elements.is_multiple_of(each) {
                each
            } else {
                1
            };
            Piece {
                pattern: Arc::clone(pattern),
                role: *role,
                shape: shapes.get(pattern).cloned().unwrap_or_default(),
                part: layers
                    .as_ref()
                    .map(|_| part_of(stack.as_deref(), *role, architecture)),
                layers,
                each,
                elements: sum.elements / each,
                bytes: sum.bytes / each,
                routing: kin.map_or(Routing::Always, |template| template.routing),
            }
        }
    }
}

/// The stack that layers of a name belong to: that of the class's layers of this name, or else what their role tells.
fn part_of(stack: Option<&str>, role: Role, architecture: &Architecture) -> Stack {
    let last = |name: &str| name.rsplit('.').next().map(str::to_owned);
    let same = |exact: bool| {
        architecture.templates.iter().find(|template| {
            let known = template.stack();
            if exact {
                known == stack && known.is_some()
            } else {
                template.role == role && known.and_then(last) == stack.and_then(last)
            }
        })
    };
    same(true)
        .or_else(|| same(false))
        .and_then(|template| template.part)
        .unwrap_or(match role {
            Role::Mtp => Stack::Prediction,
            Role::Vision => Stack::Vision,
            Role::Audio => Stack::Audio,
            Role::Projector => Stack::Other,
            _ => Stack::Decoder,
        })
}

mod absent;
#[cfg(test)]
mod tests;

pub use absent::complete;
