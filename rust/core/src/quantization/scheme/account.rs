//! What a scheme touches and what it leaves, by role, in bytes.

use super::{Scheme, Weight};
use crate::architecture::Architecture;
use crate::checkpoint::Role;
use serde::Serialize;

/// The tensors of one role, those that were quantized or those that were not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The role.
    pub role: Role,
    /// Whether the scheme quantizes them.
    pub touched: bool,
    /// How many tensors.
    pub tensors: u64,
    /// Their weights.
    pub parameters: u64,
    /// Their bytes, scales and zero points included.
    pub bytes: u64,
}

/// What a scheme makes of a model, by role in the order of display, what it quantizes first.
#[must_use]
pub fn account(scheme: &Scheme, architecture: &Architecture) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    let mut add = |role: Role, touched: bool, tensors: u64, elements: u64, bytes: u64| {
        let place = lines
            .iter()
            .position(|line| line.role == role && line.touched == touched)
            .unwrap_or_else(|| {
                lines.push(Line {
                    role,
                    touched,
                    tensors: 0,
                    parameters: 0,
                    bytes: 0,
                });
                lines.len() - 1
            });
        let line = &mut lines[place];
        line.tensors = line.tensors.saturating_add(tensors);
        line.parameters = line
            .parameters
            .saturating_add(elements.saturating_mul(tensors));
        line.bytes = line.bytes.saturating_add(bytes.saturating_mul(tensors));
    };
    for template in &architecture.templates {
        let mut one = |layer: Option<u32>, tensors: u64| {
            let stored = scheme.store(&Weight {
                template,
                layer,
                architecture,
            });
            add(
                template.role,
                stored.touched,
                tensors,
                template.elements().unwrap_or(u64::MAX),
                stored.bytes,
            );
        };
        let count = template.count().unwrap_or(u64::MAX);
        match template.numbers.first().filter(|_| template.in_layer) {
            Some(layers) if scheme.varies_by_layer() && !layers.is_empty() => {
                let each = count / layers.len() as u64;
                layers.iter().for_each(|layer| one(Some(layer), each));
            }
            layers => one(layers.and_then(|layers| layers.iter().next()), count),
        }
    }
    lines.sort_by_key(|line| (line.role, !line.touched));
    lines
}
