//! How weights are stored, in a word, and where a config says otherwise than its files.
//!
//! ```text
//!  files ─ numbers of the tensors ─┐
//!                                  ├─► a word ─ fit, map, compare
//!  config ─ Scheme, dtype ─────────┘
//! ```

use super::disagreement::{Disagreement, Kind, Severity};
use crate::architecture::Architecture;
use crate::architecture::template::Template;
use crate::checkpoint::{Checkpoint, Group, Kind as CheckpointKind, Role};
use crate::dtype::Dtype;
use crate::quantization::config::states_beside;
use crate::quantization::scheme::{SCHEMES, Scheme, Weight, is_stated};
use serde_json::Value;
use std::collections::BTreeMap;

/// A dtype with less than one weight in so many is not worth a word: vectors that are kept in 32 bits.
const WORTH: u128 = 100;

/// How a body is stored: by the scheme that its config states where its tensors are packed, or else by the numbers that
/// most of them are.
#[must_use]
pub fn of_body(body: &Checkpoint, scheme: Option<&Scheme>) -> String {
    if let Some(plain) = plain(body) {
        return plain;
    }
    match (scheme, &body.quantization) {
        (Some(scheme), method) if !scheme.is_plain() || method.is_none() => scheme.name.clone(),
        (_, Some(method)) => method.clone(),
        (_, None) => "a scheme that is not known".to_owned(),
    }
}

/// How a config stores its weights: by its scheme, or in its dtype.
#[must_use]
pub fn of_config(scheme: &Scheme, mind: &Architecture) -> String {
    let stated = mind.dtype.as_deref().filter(|_| scheme.is_plain());
    let name = stated.map(|name| name.strip_prefix("torch.").unwrap_or(name));
    name.and_then(word)
        .map_or_else(|| scheme.name.clone(), str::to_owned)
}

/// What numbers are called among schemes, by one of their names.
fn word(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    SCHEMES
        .iter()
        .find(|row| row.name == name || row.aliases.contains(&name.as_str()))
        .map(|row| row.name)
        .filter(|name| matches!(*name, "fp32" | "fp16" | "bf16"))
}

fn is_plain(group: &Group) -> bool {
    group.form.elements() == Some(group.parameters)
        && matches!(
            group.form.dtype.known(),
            Some(Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
        )
}

/// The dtypes of a body that has nothing but ordinary numbers, that of most weights first.
fn plain(body: &Checkpoint) -> Option<String> {
    let mut sums: BTreeMap<&str, u128> = BTreeMap::new();
    for group in body.groups.iter().filter(|group| group.parameters > 0) {
        if !is_plain(group) {
            return None;
        }
        *sums.entry(group.form.dtype.name()).or_default() += group.tally().parameters;
    }
    let total: u128 = sums.values().sum();
    let mut sums: Vec<(&str, u128)> = sums.into_iter().collect();
    sums.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let words: Vec<String> = sums
        .into_iter()
        .enumerate()
        .filter(|(at, (_, sum))| *at == 0 || sum.saturating_mul(WORTH) >= total)
        .map(|(_, (name, _))| word(name).map_or_else(|| name.to_ascii_lowercase(), str::to_owned))
        .collect();
    (!words.is_empty()).then(|| words.join(" and "))
}

/// Where a config states a quantization that its tensors do not have, or has none where they are packed.
#[must_use]
pub fn compare(body: &Checkpoint, mind: &Architecture, config: &Value) -> Option<Disagreement> {
    if body.kind == CheckpointKind::Adapter {
        return None;
    }
    if let Some(numbers) = plain(body) {
        let scheme = Scheme::of_config(config, mind, &mut Vec::new()).ok()?;
        let touches = |template: &Template| {
            let weight = Weight {
                template,
                layer: None,
                architecture: mind,
            };
            scheme.store(&weight).touched
        };
        if !mind.templates.iter().any(touches) {
            return None;
        }
        let name = &scheme.name;
        let cause = format!(
            "the config says that weights are stored as {name}, and all of them are {numbers}, without scales or packed \
             weights: it is the config of a quantized copy, or the weights were expanded and it was kept"
        );
        return found(body, is_plain, cause);
    }
    if is_stated(config) || states_beside(&body.path) {
        return None;
    }
    let is_packed =
        |group: &Group| group.parameters > 0 && group.form.elements() != Some(group.parameters);
    let cause = format!(
        "weights are packed ({}), and the config states no quantization: engines that go by the config cannot load them; \
         it is the config of the model before it was quantized",
        of_body(body, None)
    );
    found(body, is_packed, cause)
}

/// A disagreement about all weights of a kind, named by the first of them.
fn found(body: &Checkpoint, is_of: impl Fn(&Group) -> bool, cause: String) -> Option<Disagreement> {
    let matrices = || {
        // Tables and heads are mostly left as they are.
        let is_matrix = |group: &&Group| {
            group.form.shape.len() > 1
                && group.parameters > 0
                && !matches!(group.role, Role::Embedding | Role::Head)
        };
        body.groups
            .iter()
            .filter(is_matrix)
            .filter(|group| is_of(group))
    };
    let first = matrices().max_by_key(|group| group.tally().parameters)?;
    Some(Disagreement {
        severity: Severity::Warning,
        kind: Kind::Storage,
        pattern: first.form.pattern.text().to_owned(),
        count: matrices().map(|group| group.count).sum(),
        example: first.form.pattern.text().replace('*', "0"),
        expected: None,
        found: None,
        cause,
    })
}

#[cfg(test)]
mod tests;
