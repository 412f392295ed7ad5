//! Sums over tensors by where they lie and what they are for.

use crate::architecture::layer::Stack;
use crate::architecture::template::Routing;
use crate::checkpoint::{Checkpoint, Role};
use crate::memory::body::Piece;
use serde::Serialize;
use std::collections::BTreeMap;

/// A sum over tensors. What does not fit 64 bits stays at the most they count: a picture has no use for more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// How many tensors.
    pub tensors: u64,
    /// Their weights, scales and zero points not counted.
    pub parameters: u64,
    /// Weights that one token goes through; tables that it is looked up in count in full.
    pub active: u64,
    /// Bytes, scales and zero points with them.
    pub bytes: u64,
}

impl Sum {
    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.tensors = self.tensors.saturating_add(other.tensors);
        self.parameters = self.parameters.saturating_add(other.parameters);
        self.active = self.active.saturating_add(other.active);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// The tensors of a piece in one of its layers, or all of them outside layers.
    fn of(piece: &Piece) -> Self {
        let parameters = piece.each.saturating_mul(piece.elements);
        let active = match piece.routing {
            _ if piece.role == Role::Mtp => 0,
            Routing::Always | Routing::Lookup => parameters,
            Routing::Routed { of: 0, .. } => 0,
            Routing::Routed { chosen, of } => {
                let share = u128::from(parameters) * u128::from(chosen.min(of)) / u128::from(of);
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        Self {
            tensors: piece.each,
            parameters,
            active,
            bytes: piece.each.saturating_mul(piece.bytes),
        }
    }
}

/// Where tensors lie.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Outside all layers that are numbered, with the stack they go with if that is known.
    Outside(Option<Stack>),
    /// In the layer of this number, of the stack of this name.
    Layer(String, u32),
}

/// Sums by role.
pub type Roles = BTreeMap<Role, Sum>;

/// The sums of a model.
#[derive(Clone, Debug, Default)]
pub struct Sums(BTreeMap<Place, Roles>);

impl Sums {
    /// Those of pieces.
    #[must_use]
    pub fn of_pieces(pieces: &[Piece]) -> Self {
        let mut sums = Self::default();
        for piece in pieces {
            let one = Sum::of(piece);
            match &piece.layers {
                Some(numbers) => {
                    let stack = piece.part.unwrap_or(Stack::Other).name();
                    for number in numbers.iter() {
                        sums.add(Place::Layer(stack.to_owned(), number), piece.role, &one);
                    }
                }
                None => sums.add(Place::Outside(piece.part), piece.role, &one),
            }
        }
        sums
    }

    /// Those of a body whose mind is not known: stacks have the names that its tensors give them.
    #[must_use]
    pub fn of_body(body: &Checkpoint) -> Self {
        let mut sums = Self::default();
        for (file, group, tensor) in body.tensors() {
            let place = match body.stack(group) {
                Some((stack, at)) => {
                    let numbers = tensor.numbers(&group.form, &file.numbers);
                    Place::Layer(stack, numbers.get(at).copied().unwrap_or(0))
                }
                None => Place::Outside(None),
            };
            let one = Sum {
                tensors: 1,
                parameters: group.parameters,
                // Without the mind, which of them a token goes through is not known.
                active: group.parameters,
                bytes: group.form.bytes,
            };
            sums.add(place, group.role, &one);
        }
        sums
    }

    fn add(&mut self, place: Place, role: Role, one: &Sum) {
        let roles = self.0.entry(place).or_default();
        roles.entry(role).or_default().add(one);
    }

    /// Every place with its sums.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &Roles)> {
        self.0.iter()
    }

    /// The sums of a layer; none where it has no tensors.
    #[must_use]
    pub fn layer(&self, stack: &str, number: u32) -> Roles {
        let place = Place::Layer(stack.to_owned(), number);
        self.0.get(&place).cloned().unwrap_or_default()
    }

    /// The sums over all places.
    #[must_use]
    pub fn roles(&self) -> Roles {
        let mut all = Roles::new();
        for (role, sum) in self.0.values().flatten() {
            all.entry(*role).or_default().add(sum);
        }
        all
    }

    /// The sum of everything.
    #[must_use]
    pub fn total(&self) -> Sum {
        let mut total = Sum::default();
        self.0
            .values()
            .flatten()
            .for_each(|(_, sum)| total.add(sum));
        total
    }

    /// Whether a head is among them.
    #[must_use]
    pub fn has_head(&self) -> bool {
        self.0.values().any(|roles| roles.contains_key(&Role::Head))
    }
}
