//! What a picture of a model tells: its layers one by one with what each is made of and weighs, what lies outside them,
//! and what it remembers over the length of a text. JSON of the schema `pondera.map/1`.
//!
//! The sums are those of the pieces that estimates are made of: of a checkpoint, what its files hold; of a config, what
//! the scheme it states makes of its tensors. Nothing is drawn here.

mod memory;
mod parts;
mod weighed;
mod width;
mod words;

pub(crate) use parts::{Sum, Sums};
pub(crate) use weighed::{Weighed, planned};

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::{Layer, Stack};
use crate::architecture::rope::{Rope, Turn};
use crate::checkpoint::{Checkpoint, Role};
use crate::members::Members;
use crate::model::{Disagreement, Model};
use parts::Place;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.map/1";

#[derive(Serialize)]
struct Map<'a> {
    schema: &'static str,
    name: &'a str,
    model_type: Option<&'a str>,
    class: Option<&'a str>,
    /// Why the mind is not known.
    unknown: Option<String>,
    /// `checkpoint` where the sums are those of files, `config` where they are worked out.
    source: &'static str,
    /// What a checkpoint is: a model, an adapter and so on.
    kind: Option<&'static str>,
    /// The scheme or dtype of the weights, in a word.
    storage: Option<String>,
    /// Why bytes are not known.
    bytes_unknown: Option<String>,
    /// What was taken to hold of how weights are stored.
    assumptions: Vec<Assumption>,
    total: Sum,
    hidden_size: Option<u64>,
    vocab_size: Option<u64>,
    context: Option<u64>,
    /// Whether no head is stored, and the config has none of its own.
    tied_head: bool,
    rope: Option<&'a Rope>,
    turns: &'a [Turn],
    flops_per_token: Option<u64>,
    roles: Members<&'static str, Sum>,
    /// Bytes by dtype for each role, of a checkpoint.
    dtypes: Value,
    /// What lies outside all layers.
    outside: Vec<Outside>,
    stacks: Vec<Tower>,
    memory: Value,
    disagreements: &'a [Disagreement],
}

/// The tensors of one role that lie outside layers.
#[derive(Serialize)]
struct Outside {
    role: &'static str,
    /// The stack they go with, where that is known.
    stack: Option<&'static str>,
    #[serde(flatten)]
    sum: Sum,
}

/// The layers of a stack.
#[derive(Serialize)]
struct Tower {
    name: String,
    /// The pattern of its layers in a line; nothing where the mind is not known.
    pattern: Option<String>,
    #[serde(flatten)]
    sum: Sum,
    /// The kinds of layers it has: layers of one kind are alike in all that is told.
    kinds: Vec<Value>,
    layers: Vec<Numbered>,
}

/// A layer: its number, and the place of its kind in the list.
#[derive(Clone, Serialize)]
struct Numbered {
    number: u32,
    kind: usize,
}

impl Model {
    /// What a picture of the model tells, as JSON text of the schema `pondera.map/1`.
    #[must_use]
    pub fn map_json(&self) -> String {
        let mind = self.architecture.as_deref().ok();
        let Weighed {
            sums,
            storage,
            bytes_unknown,
            assumptions,
        } = self.weighed();
        let map = Map {
            schema: SCHEMA,
            name: &self.name,
            model_type: mind.map(|mind| mind.model_type.as_str()),
            class: mind.and_then(|mind| mind.class.as_deref()),
            unknown: self.architecture.as_ref().err().map(ToString::to_string),
            source: if self.checkpoint.is_some() {
                "checkpoint"
            } else {
                "config"
            },
            kind: self.checkpoint.as_ref().map(|body| body.kind.name()),
            storage,
            bytes_unknown,
            assumptions,
            total: sums.total(),
            hidden_size: mind.and_then(|mind| mind.hidden_size),
            vocab_size: mind.and_then(|mind| mind.vocab_size),
            context: mind.and_then(|mind| mind.context),
            tied_head: mind.is_some_and(ties_head) && !sums.has_head(),
            rope: mind.and_then(|mind| mind.rope.as_ref()),
            turns: mind.map_or(&[], |mind| &mind.turns),
            flops_per_token: mind.and_then(|mind| mind.flops_per_token(0, 0)),
            roles: Members(
                sums.roles()
                    .into_iter()
                    .map(|(role, sum)| (role.name(), sum))
                    .collect(),
            ),
            dtypes: self.checkpoint.as_deref().map_or(Value::Null, dtypes),
            outside: outside(&sums),
            stacks: towers(mind, &sums),
            memory: mind.map_or(Value::Null, memory::memory),
            disagreements: &self.disagreements,
        };
        // Every part is plain data with text keys.
        serde_json::to_string(&map).unwrap_or_default()
    }
}

/// Whether an architecture writes tokens with the table that it reads them by.
pub(crate) fn ties_head(mind: &Architecture) -> bool {
    let embeds = mind
        .templates
        .iter()
        .any(|template| template.role == Role::Embedding);
    mind.decoder().next().is_some() && embeds && !mind.has_head()
}

fn dtypes(body: &Checkpoint) -> Value {
    let mut roles: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for group in &body.groups {
        let bytes = u64::try_from(group.tally().bytes).unwrap_or(u64::MAX);
        let of_role = roles.entry(group.role.name()).or_default();
        let sum = of_role.entry(group.form.dtype.name()).or_default();
        *sum = sum.saturating_add(bytes);
    }
    json!(roles)
}

fn outside(sums: &Sums) -> Vec<Outside> {
    sums.places()
        .filter_map(|(place, roles)| match place {
            Place::Outside(stack) => Some((stack, roles)),
            Place::Layer(..) => None,
        })
        .flat_map(|(stack, roles)| {
            roles.iter().map(move |(role, sum)| Outside {
                role: role.name(),
                stack: stack.map(Stack::name),
                sum: *sum,
            })
        })
        .collect()
}

/// The stacks in order: those of the mind, and those that only the body has.
fn towers(mind: Option<&Architecture>, sums: &Sums) -> Vec<Tower> {
    let mut numbers: BTreeMap<(usize, &str), BTreeSet<u32>> = BTreeMap::new();
    // Those of the mind stand in their own order before any other.
    let rank = |name: &str| {
        let known = Stack::ALL.iter().position(|stack| stack.name() == name);
        known.unwrap_or(Stack::ALL.len())
    };
    let layers = mind.map_or(&[][..], |mind| &mind.layers);
    for layer in layers {
        let name = layer.stack.name();
        numbers
            .entry((rank(name), name))
            .or_default()
            .insert(layer.number);
    }
    for (place, _) in sums.places() {
        if let Place::Layer(name, number) = place {
            numbers
                .entry((rank(name), name))
                .or_default()
                .insert(*number);
        }
    }
    let mut of_mind: HashMap<(&str, u32), Vec<&Layer>> = HashMap::new();
    for layer in layers {
        let key = (layer.stack.name(), layer.number);
        of_mind.entry(key).or_default().push(layer);
    }
    numbers
        .into_iter()
        .map(|((_, name), numbers)| {
            let mut kinds: Vec<Value> = Vec::new();
            let mut known: HashMap<String, usize> = HashMap::new();
            let mut sum = Sum::default();
            let listed = numbers
                .into_iter()
                .map(|number| {
                    let own = sums.layer(name, number);
                    for one in own.values() {
                        sum.add(one);
                    }
                    let same = of_mind.get(&(name, number)).map_or(&[][..], Vec::as_slice);
                    let width = mind
                        .zip(Stack::from_name(name))
                        .and_then(|(mind, stack)| width::width(mind, stack, number));
                    let kind = words::kind(same, &own, width);
                    let place = *known.entry(kind.to_string()).or_insert_with(|| {
                        kinds.push(kind);
                        kinds.len() - 1
                    });
                    Numbered {
                        number,
                        kind: place,
                    }
                })
                .collect();
            Tower {
                name: name.to_owned(),
                pattern: mind
                    .zip(Stack::from_name(name))
                    .map(|(mind, stack)| mind.pattern(stack)),
                sum,
                kinds,
                layers: listed,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
