//! One fact of a mind changed on its own: the config of a model derived again with the one field changed that determines
//! the fact, everything else as it is.
//!
//! No table says which field that is. A field that has the value is changed, the config derived again, and it is taken if
//! the fact then is what it shall be. So what is said of a difference is what the config does, or nothing is said.

use super::mind::{FACTS, Fact};
use super::row::Cell;
use crate::architecture::Architecture;
use crate::architecture::config::FieldRead;
use serde_json::{Number, Value};

/// A config with one fact changed.
#[derive(Debug)]
pub struct Alone {
    /// What the changed config determines.
    pub mind: Architecture,
    /// The changed config.
    pub config: Value,
    /// Facts that had to change with it.
    pub with: Vec<&'static Fact>,
}

/// The model of a config with one fact as another model has it. Nothing, if no field of the config does that.
///
/// Other facts stay as they are where a field can hold them: heads of a stated width do not become narrower because there
/// are more of them.
#[must_use]
pub fn alone(
    mind: &Architecture,
    config: &Value,
    assume: Option<&str>,
    fact: &Fact,
    to: &Cell,
) -> Option<Alone> {
    let from = (fact.read)(mind);
    let change = |fields: &[(String, Value)]| -> Option<Alone> {
        let config = mind.changed(config, fields).ok()?;
        let after = Architecture::from_config(config.clone(), assume).ok()?;
        // A field that is only told of, and shapes nothing, is not the one that layers are made by.
        let shapes = after.layers != mind.layers || after.total() != mind.total();
        ((fact.read)(&after) == *to && (shapes || !fact.shapes)).then(|| Alone {
            with: others(mind, &after, fact),
            mind: after,
            config,
        })
    };
    let found = fields_of(mind, config, &from, to)
        .into_iter()
        .filter_map(|field| Some((change(std::slice::from_ref(&field))?, field)))
        .min_by_key(|(alone, _)| alone.with.len())?;
    let (first, field) = found;
    let mut best = first;
    let mut fields = vec![field];
    // Each fact that changed with it is put back where some field puts it back.
    for other in best.with.clone() {
        let stays = (other.read)(mind);
        for pin in fields_not_there(mind, config, &stays) {
            let mut more = fields.clone();
            more.push(pin);
            if let Some(held) = change(&more)
                && held.with.len() < best.with.len()
            {
                (best, fields) = (held, more);
                break;
            }
        }
    }
    Some(best)
}

/// The facts beside one that are not the same in two minds, but for those that only follow from others.
fn others(one: &Architecture, other: &Architecture, fact: &Fact) -> Vec<&'static Fact> {
    FACTS
        .iter()
        .filter(|known| known.key != fact.key && !known.follows)
        .filter(|known| (known.read)(one) != (known.read)(other))
        .collect()
}

/// The fields of a config that have a value, each with the value that it shall have.
fn fields_of(mind: &Architecture, config: &Value, from: &Cell, to: &Cell) -> Vec<(String, Value)> {
    let mut found: Vec<(String, Value)> = Vec::new();
    for read in &mind.fields {
        let Some((field, value)) = mind.value_of(config, read) else {
            continue;
        };
        if found.iter().any(|(known, _)| *known == field) {
            continue;
        }
        if let Some(new) = as_changed(&value, from, to) {
            found.push((field, new));
        }
    }
    found
}

/// The fields that a config may have and has not, each with the value that a fact has.
fn fields_not_there(mind: &Architecture, config: &Value, stays: &Cell) -> Vec<(String, Value)> {
    let Some(number) = stays.number().and_then(|number| u64::try_from(number).ok()) else {
        return Vec::new();
    };
    let mut found: Vec<(String, Value)> = Vec::new();
    // A fact follows from others only where the field that states it is not there.
    for read in mind.fields.iter().filter(|read| !is_stated(config, read)) {
        let Some(name) = read.names.first() else {
            continue;
        };
        let field = if read.object.is_empty() {
            name.clone()
        } else {
            format!("{}.{name}", read.object)
        };
        if !found.iter().any(|(known, _)| *known == field) {
            found.push((field, number.into()));
        }
    }
    found
}

/// Whether a config has a field, by any of its names.
fn is_stated(config: &Value, read: &FieldRead) -> bool {
    let mut object = config;
    for part in read.object.split('.').filter(|part| !part.is_empty()) {
        match object.get(part) {
            Some(inner) => object = inner,
            None => return false,
        }
    }
    let there = |name: &String| object.get(name).is_some_and(|value| !value.is_null());
    read.names.iter().any(there)
}

/// What a field becomes that has the value a fact has: what it shall be, or the other truth value.
fn as_changed(value: &Value, from: &Cell, to: &Cell) -> Option<Value> {
    match (from, to) {
        (Cell::Number(from), Cell::Number(to)) => {
            let same = match value.as_i64() {
                Some(whole) => i128::from(whole) == *from,
                #[expect(
                    clippy::cast_precision_loss,
                    reason = "a fact of a real number is below 2^53"
                )]
                None => value.as_f64() == Some(*from as f64),
            };
            let to = i64::try_from(*to).ok()?;
            same.then(|| Value::Number(Number::from(to)))
        }
        (Cell::Text(from), Cell::Text(to)) => match value {
            Value::Bool(flag) => Some(Value::Bool(!flag)),
            Value::String(text) if text == from => Some(Value::String(to.clone())),
            _ => None,
        },
        _ => None,
    }
}
