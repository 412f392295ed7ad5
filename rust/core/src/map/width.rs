//! How wide the residual stream of a layer is, read off its tensors.
//!
//! A config states the width of its text model; towers beside that state theirs under many names, if at all. Every
//! matrix of a layer that reads the stream or writes to it has a side of its width. So where one size alone is a side
//! of every matrix, it is that width, and where none or several are, nothing is told.

use crate::architecture::Architecture;
use crate::architecture::layer::Stack;
use crate::architecture::template::{Routing, Template};
use std::collections::BTreeSet;

/// The width of the residual stream in the layer of this number.
pub fn width(mind: &Architecture, stack: Stack, number: u32) -> Option<u64> {
    let mut common: Option<BTreeSet<u64>> = None;
    for template in &mind.templates {
        if template.part == Some(stack) && mixes(template, number) {
            let sides: BTreeSet<u64> = template.shape.iter().copied().collect();
            common = Some(match common {
                Some(known) => known.intersection(&sides).copied().collect(),
                None => sides,
            });
        }
    }
    let common = common?;
    let first = common.first().copied()?;
    (common.len() == 1).then_some(first)
}

/// Whether tensors of this kind are matrices of that layer through which the stream goes: no tables, no vectors, and
/// no convolutions of each channel by itself, which have a side of 1.
fn mixes(template: &Template, number: u32) -> bool {
    let of_layer = template.in_layer
        && template
            .numbers
            .first()
            .is_some_and(|numbers| numbers.contains(number));
    of_layer
        && template.routing != Routing::Lookup
        && template.shape.len() >= 2
        && template.shape.iter().all(|&side| side > 1)
}

#[cfg(test)]
mod tests {
    use super::width;
    use crate::architecture::Architecture;
    use crate::architecture::layer::Stack;
    use crate::model::builtin;
    use serde_json::Value;

    /// The widths of all layers of a stack that are told.
    fn told(mind: &Architecture, stack: Stack) -> Vec<u64> {
        mind.layers
            .iter()
            .filter(|layer| layer.stack == stack)
            .filter_map(|layer| width(mind, stack, layer.number))
            .collect()
    }

    #[test]
    fn it_is_what_the_config_states_of_its_text_model() {
        let mut found = 0;
        for known in builtin::ALL.iter() {
            let mind = Architecture::from_config(known.config.clone(), None).unwrap();
            for own in told(&mind, Stack::Decoder) {
                assert_eq!(Some(own), mind.hidden_size, "{}", known.name);
                found += 1;
            }
        }
        assert!(found > 1000, "{found}");
    }

    #[test]
    fn it_is_what_the_config_states_of_its_vision_tower() {
        let mut found = 0;
        for known in builtin::ALL.iter() {
            let mind = Architecture::from_config(known.config.clone(), None).unwrap();
            let tower = &known.config["vision_config"];
            // Where both are stated, `hidden_size` is that of the text model.
            let Some(stated) = ["embed_dim", "hidden_size", "width"]
                .iter()
                .find_map(|key| tower.get(key).and_then(Value::as_u64))
            else {
                continue;
            };
            let own = told(&mind, Stack::Vision);
            assert!(
                own.iter().all(|&one| one == stated),
                "{}: {own:?}",
                known.name
            );
            found += usize::from(!own.is_empty());
        }
        assert!(found >= 10, "{found}");
    }
}
