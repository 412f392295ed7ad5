//! Tables of rotations: one for each way that positions are turned, in the dtype of the model.
//!
//! Read in vLLM 0.19, `model_executor/layers/rotary_embedding/*.py`.

use crate::architecture::Architecture;
use crate::architecture::layer::{Layer, Mixer, Reach};
use crate::architecture::rope::Turn;

/// Families whose attention asks for a table in float32 (vLLM 0.19, `model_executor/models/gpt_oss.py`).
const FLOAT: &[&str] = &["gpt_oss"];

/// A table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// Positions.
    pub positions: u64,
    /// Numbers of each.
    pub dims: u64,
    /// Bytes of a number.
    pub bytes: u64,
}

impl Table {
    /// Bytes of all of it.
    #[must_use]
    pub const fn total(self) -> u64 {
        self.positions
            .saturating_mul(self.dims)
            .saturating_mul(self.bytes)
    }
}

/// The tables of the layers of one stage.
#[must_use]
pub fn tables(architecture: &Architecture, layers: &[&Layer], bytes: u64) -> Vec<Table> {
    let bytes = if FLOAT.contains(&architecture.family.as_str()) {
        4
    } else {
        bytes
    };
    let context = architecture.context.unwrap_or(0);
    architecture
        .turns
        .iter()
        .filter_map(|turn| {
            let head = head(layers, turn.layers.as_deref())?;
            Some(Table {
                positions: positions(turn, context),
                dims: dims(turn, head),
                bytes,
            })
        })
        .collect()
}

/// Positions of a table. Stretched ones have as many as the stretched context; those of time, height and width apart have
/// four times as many, for videos.
fn positions(turn: &Turn, context: u64) -> u64 {
    let original = turn.original_context.unwrap_or(context);
    let plain = match turn.kind.as_str() {
        "linear" => scaled(context, turn.factor),
        "dynamic" if !turn.has_alpha => scaled(context, turn.factor),
        "yarn" | "deepseek_yarn" | "deepseek_llama_scaling" => scaled(original, turn.factor),
        "longrope" | "su" => context.saturating_add(original),
        _ => context,
    };
    if turn.sections {
        plain.saturating_mul(4)
    } else {
        plain
    }
}

/// A whole number times a ratio of a config, rounded down.
fn scaled(count: u64, factor: Option<f64>) -> u64 {
    let Some(factor) = factor.filter(|factor| factor.is_finite() && *factor > 0.0) else {
        return count;
    };
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "contexts are far below 2^53, and a cast of what is too large stays at the end"
    )]
    let scaled = (count as f64 * factor) as u64;
    scaled
}

/// Numbers of each position: those of a head that are turned. Gemma 4 turns a share of a head but tabulates all of it.
fn dims(turn: &Turn, head: u64) -> u64 {
    match turn.kind.as_str() {
        "proportional" => head,
        _ => scaled(head, turn.share.filter(|share| *share <= 1.0)),
    }
}

/// Numbers of a head that positions turn, in the layers of a kind; nothing where none of them is here.
fn head(layers: &[&Layer], kind: Option<&str>) -> Option<u64> {
    layers
        .iter()
        .flat_map(|layer| &layer.mixers)
        .find_map(|mixer| match *mixer {
            Mixer::Attention { key_dim, reach, .. } => {
                let is_local = !matches!(reach, Reach::Full);
                let fits = match kind {
                    Some("sliding_attention" | "chunked_attention") => is_local,
                    Some("full_attention") => !is_local,
                    _ => true,
                };
                fits.then_some(key_dim)
            }
            Mixer::Latent { rope_dim, .. } => Some(rope_dim),
            Mixer::Compressed { key_dim, .. } => Some(key_dim),
            _ => None,
        })
        // One kind of rotation may serve both kinds of layers.
        .filter(|dims| *dims > 0)
}

#[cfg(test)]
mod tests {
    use super::{Table, tables};
    use crate::architecture::Architecture;
    use serde_json::{Value, json};

    fn of(mut config: Value, rope: &Value) -> Vec<Table> {
        let base = json!({"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1,
                          "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": 1000});
        for source in [&base, rope] {
            for (name, value) in source.as_object().unwrap() {
                config[name] = value.clone();
            }
        }
        let architecture = Architecture::from_config(config, None).unwrap();
        let layers: Vec<_> = architecture.decoder().collect();
        tables(&architecture, &layers, 2)
    }

    #[test]
    fn positions_follow_the_way_they_are_stretched() {
        for (rope, positions) in [
            (json!({"rope_theta": 1e4}), 1000),
            (
                json!({"rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
                8000,
            ),
            (
                json!({"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}),
                1000,
            ),
            (
                json!({"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 500}}),
                2000,
            ),
            (
                json!({"rope_scaling": {"type": "longrope"}, "original_max_position_embeddings": 300}),
                1300,
            ),
            (
                json!({"rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]}}),
                4000,
            ),
        ] {
            let tables = of(json!({}), &rope);
            assert_eq!(
                tables,
                [Table {
                    positions,
                    dims: 16,
                    bytes: 2
                }],
                "{rope}"
            );
        }
        assert!(of(json!({}), &json!({})).is_empty());
    }
}
