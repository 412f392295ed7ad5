//! The weights of a model as pieces: tensors that are alike in all that memory depends on.

use crate::architecture::Architecture;
use crate::architecture::layer::Stack;
use crate::architecture::template::{Numbers, Routing, Template};
use crate::checkpoint::Role;
use crate::quantization::scheme::{Scheme, Weight};
use std::sync::Arc;

/// Tensors of one name pattern with one size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The name, with `*` where numbers stand.
    pub pattern: Arc<str>,
    /// What they are for.
    pub role: Role,
    /// The shape without quantization.
    pub shape: Vec<u64>,
    /// The stack whose layers they belong to.
    pub part: Option<Stack>,
    /// The layers they are in; nothing outside layers.
    pub layers: Option<Numbers>,
    /// How many there are in each layer, or in all outside layers.
    pub each: u64,
    /// Weights of one.
    pub elements: u64,
    /// Bytes of one, with its scales and zero points.
    pub bytes: u64,
    /// Which part of it a token goes through.
    pub routing: Routing,
}

impl Piece {
    /// The same in 16 bits, if it is stored in 32.
    #[must_use]
    pub fn halved(&self) -> Self {
        let is_float = self.elements.checked_mul(4) == Some(self.bytes);
        Self {
            bytes: if is_float { self.bytes / 2 } else { self.bytes },
            ..self.clone()
        }
    }

    /// Whether it belongs to an encoder of images or sounds, or to what joins one to the text.
    #[must_use]
    pub fn is_of_tower(&self) -> bool {
        matches!(self.role, Role::Vision | Role::Audio | Role::Projector)
            || matches!(self.part, Some(Stack::Vision | Stack::Audio))
    }

    /// Bytes of all of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let layers = self
            .layers
            .as_ref()
            .map_or(1, |numbers| numbers.len() as u64);
        layers.saturating_mul(self.each).saturating_mul(self.bytes)
    }
}

/// The pieces of a model whose tensors are stored in a scheme.
#[must_use]
pub fn planned(architecture: &Architecture, scheme: &Scheme) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for template in &architecture.templates {
        let (layers, inner) = split(template);
        let each = inner.iter().fold(1_u64, |count, numbers| {
            count.saturating_mul(numbers.len() as u64)
        });
        let piece = |layers: Option<Numbers>, bytes: u64| Piece {
            pattern: template.pattern.as_str().into(),
            role: template.role,
            shape: template.shape.clone(),
            part: template.part,
            layers,
            each,
            elements: template.elements().unwrap_or(u64::MAX),
            bytes,
            routing: template.routing,
        };
        let bytes = |layer| {
            scheme.bytes(&Weight {
                template,
                layer,
                architecture,
            })
        };
        match layers {
            Some(numbers) if scheme.varies_by_layer() => {
                pieces.extend(
                    by_size(numbers, |layer| bytes(Some(layer)))
                        .into_iter()
                        .map(|(size, layers)| piece(Some(Numbers::Listed(layers.into())), size)),
                );
            }
            layers => {
                let size = bytes(layers.and_then(|numbers| numbers.iter().next()));
                pieces.push(piece(layers.cloned(), size));
            }
        }
    }
    pieces
}

/// The numbers of a template's layers, if it has any, and those inside a layer.
fn split(template: &Template) -> (Option<&Numbers>, &[Numbers]) {
    match template.numbers.split_first() {
        Some((layers, inner)) if template.in_layer => (Some(layers), inner),
        _ => (None, &template.numbers),
    }
}

/// Layers by the size that tensors have there, in the order of the first of each.
fn by_size(numbers: &Numbers, size: impl Fn(u32) -> u64) -> Vec<(u64, Vec<u32>)> {
    let mut groups: Vec<(u64, Vec<u32>)> = Vec::new();
    for number in numbers.iter() {
        let bytes = size(number);
        match groups.iter_mut().find(|(known, _)| *known == bytes) {
            Some((_, layers)) => layers.push(number),
            None => groups.push((bytes, vec![number])),
        }
    }
    groups
}
