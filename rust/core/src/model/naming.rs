//! Which stored tensor is which weight of the class: prefixes, packed names, and what serves another.

use crate::architecture::Architecture;
use crate::architecture::template::Template;
use crate::checkpoint::{Checkpoint, Group, is_buffer};
use crate::quantization::packing::{CACHE_SCALES, PACKINGS, SIDES};
use foldhash::HashMap;

/// Prefixes that one and the same model may be stored under: what its publisher wrote, what a library writes.
const PREFIXES: &[(&str, &str)] = &[
    ("", "model."),
    ("model.", ""),
    ("", "transformer."),
    ("transformer.", ""),
    ("", "bert."),
    ("", "roberta."),
    ("bert.", ""),
    ("roberta.", ""),
    ("model.language_model.", "language_model.model."),
    ("language_model.model.", "model.language_model."),
    ("model.", "model.language_model."),
    ("model.language_model.", "model."),
    ("model.", "language_model.model."),
    ("language_model.model.", "model."),
    ("language_model.", "model.language_model."),
    ("model.language_model.", "language_model."),
    ("language_model.", ""),
    ("", "language_model."),
    ("base_model.model.", ""),
    ("module.", ""),
];

/// A change of prefix, from what is stored to what the class has.
pub type Prefix = Option<(&'static str, &'static str)>;

/// A tensor that the config asks for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The template it is one of.
    pub template: &'a Template,
    /// The layer it lies in.
    pub layer: Option<u32>,
}

/// Every tensor that the config asks for, by name.
#[must_use]
pub fn expected(architecture: &Architecture) -> HashMap<String, Expected<'_>> {
    let mut expected = HashMap::default();
    for template in &architecture.templates {
        template.names(|name, layer| {
            expected.insert(name.to_owned(), Expected { template, layer });
        });
    }
    expected
}

/// A name with `*` where numbers stand.
#[must_use]
pub fn pattern_of(name: &str) -> String {
    name.split('.')
        .map(|part| {
            if !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()) {
                "*"
            } else {
                part
            }
        })
        .collect::<Vec<_>>()
        .join(".")
}

/// A name under another prefix, if it has the one that is changed.
#[must_use]
pub fn renamed(name: &str, prefix: Prefix) -> Option<String> {
    let (from, to) = prefix?;
    name.strip_prefix(from).map(|rest| format!("{to}{rest}"))
}

/// The weights of a checkpoint by the names they have without quantization; what only serves others is left out.
pub fn stored<'c>(
    checkpoint: &'c Checkpoint,
    expected: &HashMap<String, Expected<'_>>,
) -> Vec<(String, &'c Group)> {
    let mut found = Vec::new();
    each(checkpoint, |name, group| {
        if expected.contains_key(name) {
            found.push((name.to_owned(), group));
        } else if group.parameters > 0 || !(serves(name) || is_buffer(group.form.pattern.text())) {
            found.push((unpacked(name).unwrap_or_else(|| name.to_owned()), group));
        }
    });
    found
}

/// Calls `visit` with the name and the group of every tensor, file by file.
pub fn each<'c>(checkpoint: &'c Checkpoint, mut visit: impl FnMut(&str, &'c Group)) {
    let mut name = String::new();
    for (file, group, tensor) in checkpoint.tensors() {
        name.clear();
        let numbers = tensor.numbers(&group.form, &file.numbers);
        group.form.pattern.write_name(numbers, &mut name);
        visit(&name, group);
    }
}

fn serves(name: &str) -> bool {
    SIDES.iter().any(|side| name.ends_with(side.suffix))
        || CACHE_SCALES.iter().any(|suffix| name.ends_with(suffix))
}

/// The name that a packed weight has without packing.
fn unpacked(name: &str) -> Option<String> {
    PACKINGS
        .iter()
        .filter(|packing| packing.suffix != ".weight")
        .find_map(|packing| {
            let base = name.strip_suffix(packing.suffix)?;
            // Fused experts have no `.weight`.
            Some(if packing.suffix.starts_with('.') {
                format!("{base}.weight")
            } else {
                base.to_owned()
            })
        })
}

/// The names that the weight of a tensor may have without quantization, of the tensor itself and of what it serves.
pub fn weights_of(name: &str) -> impl Iterator<Item = String> + '_ {
    let plain = |name: String| unpacked(&name).unwrap_or(name);
    let served = SIDES.iter().filter_map(move |side| {
        let base = name.strip_suffix(side.suffix)?;
        Some(
            side.serves
                .iter()
                .map(move |end| plain(format!("{base}{end}"))),
        )
    });
    std::iter::once(plain(name.to_owned())).chain(served.flatten())
}

/// The change of prefix by which most names become known, if more become known than without one.
#[must_use]
pub fn best_prefix(found: &[(String, &Group)], expected: &HashMap<String, Expected<'_>>) -> Prefix {
    let plain = found
        .iter()
        .filter(|(name, _)| expected.contains_key(name))
        .count();
    if plain * 10 >= found.len() * 9 {
        return None;
    }
    let known = |&(from, to): &(&str, &str)| {
        found
            .iter()
            .filter(|(name, _)| {
                let other = name.strip_prefix(from).map(|rest| format!("{to}{rest}"));
                expected.contains_key(name)
                    || other.is_some_and(|other| expected.contains_key(&other))
            })
            .count()
    };
    let (best, count) = PREFIXES
        .iter()
        .map(|pair| (*pair, known(pair)))
        .max_by_key(|(_, count)| *count)?;
    (count > plain).then_some(best)
}
