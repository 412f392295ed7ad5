//! Other minds for the same body: which fields may change on the weights as they are, and which ask for new ones.
//!
//! Nothing is looked up: the config is derived again with the field changed, and the two results are compared. A
//! field that changes names or shapes is structural. One that only changes what is remembered, how far, or how much
//! of the weights a token goes through is a runtime matter. One that changes none of this is inert.

use super::Architecture;
use super::config::{Assumption, ConfigError, Result};
use crate::dtype::Dtype;
use crate::wording::distance;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a field determines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// Names or shapes of tensors: another value needs new weights.
    Structural,
    /// What is remembered or computed: another value runs on the same weights.
    Runtime,
    /// Neither size nor memory.
    Inert,
}

impl Class {
    /// `structural`, `runtime` or `inert`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Structural => "structural",
            Self::Runtime => "runtime",
            Self::Inert => "inert",
        }
    }
}

/// One field changed by itself, and what follows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The field, with the objects it lies in.
    pub field: String,
    /// What it was; null if it was missing.
    pub from: Value,
    /// What it becomes.
    pub to: Value,
    /// What it determines.
    pub class: Class,
    /// How many more parameters, or fewer.
    pub parameters: i128,
    /// How many more parameters a token goes through.
    pub active_parameters: i128,
    /// How many more bytes of a 16-bit cache one token costs, before any window is full.
    pub bytes_per_token: i128,
    /// How many more operations a token takes, beside those that grow with the context.
    pub flops_per_token: i128,
    /// What else had to change with it.
    pub note: Option<String>,
}

/// The answer to a what-if.
#[derive(Clone, Debug, PartialEq)]
pub struct WhatIf {
    /// The architecture with all fields changed.
    pub architecture: Architecture,
    /// The config with all fields changed.
    pub config: Value,
    /// Each field by itself, in the order given.
    pub changes: Vec<Change>,
    /// Whether the same weights can wear the new mind, with all fields changed together.
    pub same_body: bool,
}

impl WhatIf {
    /// Derives a config again with fields changed. A field is named as in the config, with the objects it lies in
    /// (`text_config.num_hidden_layers`), or by itself, and then means that of the text model.
    ///
    /// # Errors
    /// If the config cannot be derived as it is or with the changes.
    pub fn derive(
        config: &Value,
        fields: &[(String, Value)],
        assume: Option<&str>,
    ) -> Result<Self> {
        let before = Architecture::from_config(config.clone(), assume)?;
        let places = fields
            .iter()
            .map(|(name, value)| Ok((before.locate(config, name)?, value.clone())))
            .collect::<Result<Vec<_>>>()?;
        Self::at(&before, config, &places, assume)
    }

    /// As [`Self::derive`], with each field named by the objects it lies in, outermost first.
    pub(super) fn at(
        before: &Architecture,
        config: &Value,
        fields: &[(Vec<String>, Value)],
        assume: Option<&str>,
    ) -> Result<Self> {
        let mut all = config.clone();
        let mut changes = Vec::with_capacity(fields.len());
        for (path, value) in fields {
            let mut alone = config.clone();
            let (from, extended) = set(&mut alone, path, value)?;
            set(&mut all, path, value)?;
            let mut notes: Vec<String> = extended.into_iter().collect();
            // A field may only make sense together with the others: then it counts as structural.
            let change = match Architecture::from_config(alone, assume) {
                Ok(after) => {
                    notes.extend(before.unread(&after, path, &from, config));
                    // What the family now has to assume: that another field wins, say.
                    let new = |one: &&Assumption| !before.assumptions.contains(one);
                    notes.extend(after.assumptions.iter().filter(new).map(|one| {
                        format!("{} = {} is assumed: {}", one.field, one.value, one.reason)
                    }));
                    before.compare(&after)
                }
                Err(error) if fields.len() > 1 => {
                    notes.push(format!("no model by itself ({error})"));
                    Comparison {
                        class: Class::Structural,
                        ..Comparison::default()
                    }
                }
                Err(error) => return Err(error),
            };
            changes.push(Change {
                field: path.join("."),
                from,
                to: value.clone(),
                class: change.class,
                parameters: change.parameters,
                active_parameters: change.active,
                bytes_per_token: change.bytes_per_token,
                flops_per_token: change.flops_per_token,
                note: (!notes.is_empty()).then(|| notes.join("; ")),
            });
        }
        let architecture = Architecture::from_config(all.clone(), assume)?;
        Ok(Self {
            same_body: before.compare(&architecture).class != Class::Structural,
            architecture,
            config: all,
            changes,
        })
    }
}

/// The field that is nearly called so, of those that are read in these minds: then the name is a slip of the pen. Nothing
/// where a mind reads the field itself, or the config has it.
pub(crate) fn near<'m>(name: &str, minds: &[&'m Architecture], config: &Value) -> Option<&'m str> {
    let last = name.rsplit('.').next().unwrap_or(name);
    if is_known(name, minds, config) {
        return None;
    }
    names(minds)
        .map(|known| (distance(known, last), known.as_str()))
        .filter(|(far, known)| *far <= SLIP && known.len() > 2 * SLIP)
        .min()
        .map(|(_, known)| known)
}

/// Whether a mind reads a field of this name, or the config has it.
pub(crate) fn is_known(name: &str, minds: &[&Architecture], config: &Value) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    names(minds).any(|known| known == last) || has_key(config, last)
}

/// The names of all fields that minds read.
fn names<'m>(minds: &[&'m Architecture]) -> impl Iterator<Item = &'m String> {
    let fields = minds.iter().flat_map(|mind| &mind.fields);
    fields.flat_map(|field| &field.names)
}

/// So many letters may be wrong in a slip of the pen.
const SLIP: usize = 2;

/// Whether a config has a field of this name, in whatever object.
fn has_key(config: &Value, name: &str) -> bool {
    let mut objects = vec![config];
    while let Some(object) = objects.pop() {
        if let Some(fields) = object.as_object() {
            if fields.contains_key(name) {
                return true;
            }
            objects.extend(fields.values());
        }
    }
    false
}

/// What differs between two architectures.
#[derive(Debug)]
struct Comparison {
    class: Class,
    parameters: i128,
    active: i128,
    bytes_per_token: i128,
    flops_per_token: i128,
}

impl Default for Comparison {
    fn default() -> Self {
        Self {
            class: Class::Inert,
            parameters: 0,
            active: 0,
            bytes_per_token: 0,
            flops_per_token: 0,
        }
    }
}

impl Architecture {
    fn compare(&self, after: &Self) -> Comparison {
        let flops = |one: &Self| one.flops_per_token(0, 0).map_or(0, i128::from);
        let bytes = |one: &Self| one.bytes_per_token(0, Dtype::Bf16).map_or(0, i128::from);
        let (old, new) = (self.total(), after.total());
        // Weights that are packed otherwise have other tensors, though they stand for the same.
        let class = if self.tensor_shapes() != after.tensor_shapes()
            || self.quantization != after.quantization
        {
            Class::Structural
        } else if old.active != new.active
            || self.layers != after.layers
            || self.context != after.context
            || self.dtype != after.dtype
            || self.rope != after.rope
        {
            Class::Runtime
        } else {
            Class::Inert
        };
        Comparison {
            class,
            parameters: i128::from(new.parameters) - i128::from(old.parameters),
            active: i128::from(new.active) - i128::from(old.active),
            bytes_per_token: bytes(after) - bytes(self),
            flops_per_token: flops(after) - flops(self),
        }
    }

    /// Patterns, numbers and shapes of all tensors, in an order of their own.
    fn tensor_shapes(&self) -> Vec<Shape<'_>> {
        let mut shapes: Vec<_> = self
            .templates
            .iter()
            .map(|template| {
                let numbers = template
                    .numbers
                    .iter()
                    .map(|numbers| numbers.iter().collect())
                    .collect();
                (
                    template.pattern.as_str(),
                    numbers,
                    template.shape.as_slice(),
                )
            })
            .collect();
        shapes.sort_unstable();
        merge_layers(shapes)
    }

    /// What must be said of a field that was not there: that nothing reads it, or what was taken for it.
    fn unread(
        &self,
        after: &Self,
        path: &[String],
        from: &Value,
        config: &Value,
    ) -> Option<String> {
        let (name, parents) = path.split_last()?;
        let object = parents.join(".");
        let reads = |one: &Self| {
            one.fields.iter().any(|read| {
                let inside = read.object.strip_prefix(&object).map(|rest| {
                    let rest = rest.strip_prefix('.').unwrap_or(rest);
                    rest == name || rest.split('.').next() == Some(name)
                });
                read.object == object && read.names.contains(name) || inside == Some(true)
            })
        };
        if !reads(self) && !reads(after) {
            let full = path.join(".");
            return Some(match near(&full, &[self, after], config) {
                Some(known) => format!("not read from this config; did you mean {known}?"),
                None => format!("nothing of size or memory is read from {name}"),
            });
        }
        if !from.is_null() {
            return None;
        }
        let full = path.join(".");
        let assumed = self
            .assumptions
            .iter()
            .rev()
            .find(|one| one.field == full)?;
        Some(format!(
            "was not in the config; {} was assumed",
            assumed.value
        ))
    }

    /// A config of this architecture with fields changed, named as [`WhatIf::derive`] has them.
    pub(crate) fn changed(&self, config: &Value, fields: &[(String, Value)]) -> Result<Value> {
        let mut all = config.clone();
        for (name, value) in fields {
            set(&mut all, &self.locate(config, name)?, value)?;
        }
        Ok(all)
    }

    /// Whether the same weights can wear another mind.
    pub(crate) fn has_body_of(&self, other: &Self) -> bool {
        self.compare(other).class != Class::Structural
    }

    /// Where in a config a field lies that is named with or without the objects around it.
    fn locate(&self, config: &Value, name: &str) -> Result<Vec<String>> {
        let parts: Vec<String> = name.split('.').map(str::to_owned).collect();
        if parts.iter().any(String::is_empty) {
            return Err(ConfigError::new(
                "",
                format!("{name:?} is no name of a field"),
            ));
        }
        Ok(self.place_of(config, name, parts))
    }

    fn place_of(&self, config: &Value, name: &str, parts: Vec<String>) -> Vec<String> {
        if parts.len() > 1 {
            return parts;
        }
        // A family may read the field by another name: `n_layer` for `num_hidden_layers`.
        let alias = |object: &Map<String, Value>| {
            self.fields
                .iter()
                .map(|field| &field.names)
                .filter(|names| names.iter().any(|known| known == name))
                .flatten()
                .find(|known| object.contains_key(*known))
                .cloned()
        };
        let places = [
            "text_config",
            "llm_config",
            "language_config",
            "thinker_config",
        ];
        let inner = places
            .iter()
            .find(|place| config.get(**place).is_some_and(Value::is_object));
        if let Some(object) = config.as_object() {
            if object.contains_key(name) && inner.is_none() {
                return parts;
            }
            if let Some(place) = inner
                && let Some(nested) = config.get(*place).and_then(Value::as_object)
            {
                if !nested.contains_key(name) && object.contains_key(name) {
                    return parts;
                }
                let name = alias(nested).unwrap_or_else(|| name.to_owned());
                return vec![(*place).to_owned(), name];
            }
            if let Some(name) = alias(object) {
                return vec![name];
            }
        }
        parts
    }
}

/// The pattern of tensors, the numbers at each place of it, and their shape.
type Shape<'t> = (&'t str, Vec<Vec<u32>>, &'t [u64]);

/// Layers of equal tensors may be split over several templates by what they remember: here they are one.
fn merge_layers(shapes: Vec<Shape<'_>>) -> Vec<Shape<'_>> {
    let mut merged: Vec<Shape<'_>> = Vec::with_capacity(shapes.len());
    for (pattern, mut numbers, shape) in shapes {
        if let Some((last, before, same)) = merged.last_mut()
            && *last == pattern
            && *same == shape
            && before.get(1..) == numbers.get(1..)
            && let (Some(layers), Some(more)) = (before.first_mut(), numbers.first_mut())
        {
            layers.append(more);
            layers.sort_unstable();
            continue;
        }
        merged.push((pattern, numbers, shape));
    }
    merged
}

/// Sets a field; gives what it was, and what else was changed so that the config stays whole.
fn set(config: &mut Value, path: &[String], value: &Value) -> Result<(Value, Option<String>)> {
    let mut object = config;
    let (last, parents) = path
        .split_last()
        .ok_or_else(|| ConfigError::new("", "no field is named"))?;
    for part in parents {
        object = object
            .get_mut(part)
            .filter(|inner| inner.is_object())
            .ok_or_else(|| {
                ConfigError::new(path.join("."), format!("the config has no object {part:?}"))
            })?;
    }
    let Some(fields) = object.as_object_mut() else {
        return Err(ConfigError::new("", "a config is a JSON object"));
    };
    let from = fields
        .insert(last.clone(), value.clone())
        .unwrap_or(Value::Null);
    let note = match (
        LAYER_COUNTS.contains(&last.as_str()),
        from.as_u64(),
        value.as_u64(),
    ) {
        (true, Some(before), Some(after)) if after > before => extend_lists(fields, before, after),
        _ => None,
    };
    Ok((from, note))
}

/// Names of the field that says how many layers there are.
const LAYER_COUNTS: &[&str] = &["num_hidden_layers", "n_layer", "num_layers", "n_layers"];

/// Continues every list that has an item for each layer by its own pattern, and says so.
fn extend_lists(fields: &mut Map<String, Value>, before: u64, after: u64) -> Option<String> {
    let (Ok(before), Ok(after)) = (usize::try_from(before), usize::try_from(after.min(1 << 16)))
    else {
        return None;
    };
    let mut names = Vec::new();
    for (name, value) in fields.iter_mut() {
        let Some(items) = value
            .as_array_mut()
            .filter(|items| before > 1 && items.len() == before)
        else {
            continue;
        };
        let period = (1..=before)
            .find(|&period| (period..before).all(|at| items[at] == items[at - period]))
            .unwrap_or(before);
        for at in before..after {
            items.push(items[at - period].clone());
        }
        names.push(name.clone());
    }
    (!names.is_empty()).then(|| format!("{} continued by its own pattern", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::{Class, WhatIf};
    use crate::model::builtin;
    use serde_json::json;

    #[test]
    fn a_slip_in_a_name_is_told_with_the_field_it_may_mean() {
        let config = &builtin::find("llama-3.1-8b").unwrap().config;
        for (name, expected) in [
            (
                "num_key_value_head",
                "not read from this config; did you mean num_key_value_heads?",
            ),
            (
                "hiden_size",
                "not read from this config; did you mean hidden_size?",
            ),
            (
                "of_tomorrow",
                "nothing of size or memory is read from of_tomorrow",
            ),
            // It is in the config, so it is no slip.
            (
                "bos_token_id",
                "nothing of size or memory is read from bos_token_id",
            ),
        ] {
            let what_if = WhatIf::derive(config, &[(name.to_owned(), json!(4))], None).unwrap();
            assert_eq!(what_if.changes[0].class, Class::Inert);
            assert_eq!(what_if.changes[0].note.as_deref(), Some(expected));
        }
    }
}
