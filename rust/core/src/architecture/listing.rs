//! An architecture as tables: a row per tensor, and a row per thing a layer remembers.

use super::Architecture;
use super::cache::Cache;
use super::layer::{Reach, StateDtype};
use crate::checkpoint::Role;
use crate::table::{Column, Table, Texts};
use serde_json::{Map, Value, json};

impl Architecture {
    /// One row per tensor, in the order the family lists them. Columns: `name`, `role`, `shape` (as stored without
    /// quantization), `parameters`, `stack` (as `model.layers`, empty outside all layers), `layer` (missing outside).
    #[must_use]
    pub fn tensors(&self) -> Table {
        let rows = usize::try_from(self.total().tensors).unwrap_or(0);
        let mut names = Texts::default();
        names.joined.reserve(rows.saturating_mul(56));
        let (mut roles, mut stack_codes) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
        let mut parameters: Vec<u64> = Vec::with_capacity(rows);
        let mut layers: Vec<Option<u32>> = Vec::with_capacity(rows);
        let (mut items, mut ends) = (Vec::new(), Vec::with_capacity(rows));
        let mut stacks = vec![String::new()];
        for template in &self.templates {
            let elements = template.elements().unwrap_or(u64::MAX);
            let stack = template.stack().unwrap_or_default();
            let code = stacks
                .iter()
                .position(|known| known == stack)
                .unwrap_or_else(|| {
                    stacks.push(stack.to_owned());
                    stacks.len() - 1
                });
            template.names(|name, layer| {
                names.joined.push_str(name);
                names.end_row();
                roles.push(template.role as u32);
                // There are no more stacks than templates.
                stack_codes.push(u32::try_from(code).unwrap_or(0));
                parameters.push(elements);
                layers.push(layer);
                items.extend_from_slice(&template.shape);
                ends.push(items.len());
            });
        }
        let role_names = Role::ALL.map(|role| role.name().to_owned()).to_vec();
        Table::new(
            names.ends.len(),
            vec![
                ("name", Column::Text(names)),
                (
                    "role",
                    Column::Category {
                        codes: roles,
                        values: role_names,
                    },
                ),
                ("shape", Column::Lists { items, ends }),
                ("parameters", Column::Unsigned(parameters)),
                (
                    "stack",
                    Column::Category {
                        codes: stack_codes,
                        values: stacks,
                    },
                ),
                ("layer", Column::Optional(layers)),
            ],
        )
    }

    /// One row per thing that a layer keeps while tokens are written; layers that keep nothing have a row of kind
    /// `none`. Columns: `layer`, `kind`, `window` (missing without one), `per_token` (numbers per token or entry),
    /// `ratio` (tokens per entry), `state` (numbers in the dtype of the cache), `float32` (numbers always in 32
    /// bits), `shared_with` (the layer whose cache it uses).
    #[must_use]
    pub fn cache_layers(&self) -> Table {
        let mut kinds = Texts::default();
        let mut numbers: [Vec<u64>; 5] = Default::default();
        let (mut windows, mut shared) = (Vec::new(), Vec::new());
        let mut row = |layer: u32, cache: &Cache| {
            let facts = cache.facts();
            kinds.joined.push_str(cache.name());
            kinds.end_row();
            let values = [
                u64::from(layer),
                facts.per_token,
                facts.ratio,
                facts.state,
                facts.float32,
            ];
            for (column, value) in numbers.iter_mut().zip(values) {
                column.push(value);
            }
            windows.push(
                facts
                    .window
                    .map(|window| u32::try_from(window).unwrap_or(u32::MAX)),
            );
            shared.push(facts.shared_with);
        };
        for layer in self.decoder() {
            let caches = layer.caches();
            if caches.is_empty() {
                row(layer.number, &Cache::None);
            }
            for cache in &caches {
                row(layer.number, cache);
            }
        }
        let [layers, per_token, ratio, state, float32] = numbers;
        Table::new(
            layers.len(),
            vec![
                ("layer", Column::Unsigned(layers)),
                ("kind", Column::Text(kinds)),
                ("window", Column::Optional(windows)),
                ("per_token", Column::Unsigned(per_token)),
                ("ratio", Column::Unsigned(ratio)),
                ("state", Column::Unsigned(state)),
                ("float32", Column::Unsigned(float32)),
                ("shared_with", Column::Optional(shared)),
            ],
        )
    }
}

/// What a cache is made of, field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheFacts {
    /// Tokens after which it grows no more.
    pub window: Option<u64>,
    /// Numbers per token or entry.
    pub per_token: u64,
    /// Tokens per entry; 0 where nothing grows with tokens.
    pub ratio: u64,
    /// Numbers of a state in the dtype of the cache.
    pub state: u64,
    /// Numbers of a state always in 32 bits.
    pub float32: u64,
    /// The layer whose cache it uses.
    pub shared_with: Option<u32>,
}

impl Cache {
    /// Its kind and what it is made of, under the names that JSON has for them.
    pub(crate) fn told(&self) -> Map<String, Value> {
        let facts = self.facts();
        [
            ("kind", json!(self.name())),
            ("window", json!(facts.window)),
            ("per_token", json!(facts.per_token)),
            ("ratio", json!(facts.ratio)),
            ("state", json!(facts.state)),
            ("float32", json!(facts.float32)),
            ("shared_with", json!(facts.shared_with)),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
    }

    /// What it is made of.
    #[must_use]
    pub fn facts(&self) -> CacheFacts {
        let none = CacheFacts::default();
        match *self {
            Self::None => none,
            Self::KeyValue { width, reach } | Self::Latent { width, reach } => CacheFacts {
                window: match reach {
                    Reach::Full => None,
                    Reach::Sliding(window) | Reach::Chunked(window) => Some(window),
                },
                per_token: width,
                ratio: 1,
                ..none
            },
            Self::Compressed {
                width,
                ratio,
                window,
            } => CacheFacts {
                window: Some(window),
                per_token: width,
                ratio,
                ..none
            },
            Self::Indexer { width, ratio } => CacheFacts {
                per_token: width,
                ratio,
                ..none
            },
            Self::State {
                convolution,
                recurrent,
                dtype,
            } => match dtype {
                StateDtype::Cache => CacheFacts {
                    state: convolution.saturating_add(recurrent),
                    ..none
                },
                StateDtype::Float32 => CacheFacts {
                    state: convolution,
                    float32: recurrent,
                    ..none
                },
            },
            Self::Cross { width, .. } => CacheFacts {
                per_token: width,
                ..none
            },
            Self::Shared { layer } => CacheFacts {
                shared_with: Some(layer),
                ..none
            },
        }
    }
}
