//! A model as JSON, schema `pondera.show/1`. Whole numbers only: bytes are bytes.

use super::{Disagreement, Model};
use crate::architecture::config::Assumption;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Stack};
use crate::architecture::rope::Rope;
use crate::architecture::{Architecture, Count};
use crate::dtype::Dtype;
use crate::members::Members;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.show/1";

/// Contexts whose cache a report gives, beside the longest the config states.
pub const CONTEXTS: &[u64] = &[4096, 32_768, 131_072];

#[derive(Serialize)]
struct Shown<'a> {
    schema: &'static str,
    name: &'a str,
    model_type: Option<&'a str>,
    class: Option<&'a str>,
    family: Option<&'a str>,
    unknown: Option<String>,
    parameters: Option<u64>,
    active_parameters: Option<u64>,
    non_embedding_parameters: Option<u64>,
    dtype: Option<&'a str>,
    quantization: Option<&'a str>,
    roles: Option<Members<&'static str, Count>>,
    layers: Option<Members<&'static str, StackShown>>,
    heads: Value,
    experts: Value,
    hidden_size: Option<u64>,
    vocab_size: Option<u64>,
    context: Option<u64>,
    rope: Option<&'a Rope>,
    cache: Value,
    flops_per_token: Option<u64>,
    checkpoint: Value,
    disagreements: &'a [Disagreement],
    assumptions: &'a [Assumption],
}

impl Model {
    /// The model as JSON text, schema `pondera.show/1`.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mind = self.architecture.as_ref().ok();
        let total = mind.map(|mind| mind.total());
        let shown = Shown {
            schema: SCHEMA,
            name: &self.name,
            model_type: mind.map(|mind| mind.model_type.as_str()),
            class: mind.and_then(|mind| mind.class.as_deref()),
            family: mind.map(|mind| mind.family.as_str()),
            unknown: self.architecture.as_ref().err().map(ToString::to_string),
            parameters: total.map(|total| total.parameters),
            active_parameters: total.map(|total| total.active),
            non_embedding_parameters: mind.map(|mind| mind.non_embedding_parameters()),
            dtype: mind.and_then(|mind| mind.dtype.as_deref()),
            quantization: mind.and_then(|mind| mind.quantization.as_deref()),
            roles: mind.map(|mind| roles(mind)),
            layers: mind.map(|mind| layers(mind)),
            heads: mind.map_or(Value::Null, |mind| mind.heads()),
            experts: mind.map_or(Value::Null, |mind| mind.experts()),
            hidden_size: mind.and_then(|mind| mind.hidden_size),
            vocab_size: mind.and_then(|mind| mind.vocab_size),
            context: mind.and_then(|mind| mind.context),
            rope: mind.and_then(|mind| mind.rope.as_ref()),
            cache: mind.map_or(Value::Null, |mind| cache(mind)),
            flops_per_token: mind.and_then(|mind| mind.flops_per_token(0, 0)),
            checkpoint: self.checkpoint.as_ref().map_or(Value::Null, |body| {
                let total = body.total();
                json!({
                    "path": body.path.to_string_lossy(),
                    "parameters": u64::try_from(total.parameters).unwrap_or(u64::MAX),
                    "stored_bytes": u64::try_from(total.bytes).unwrap_or(u64::MAX),
                    "tensors": total.tensors,
                    "shards": body.files.len(),
                    "quantization": body.quantization,
                })
            }),
            disagreements: &self.disagreements,
            assumptions: mind.map_or(&[], |mind| &mind.assumptions),
        };
        // Every part is plain data with text keys.
        serde_json::to_string(&shown).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct StackShown {
    count: usize,
    pattern: String,
}

fn roles(mind: &Architecture) -> Members<&'static str, Count> {
    Members(
        mind.roles()
            .into_iter()
            .map(|(role, count)| (role.name(), count))
            .collect(),
    )
}

fn layers(mind: &Architecture) -> Members<&'static str, StackShown> {
    let stacks = Stack::ALL.into_iter().filter_map(|stack| {
        let count = mind
            .layers
            .iter()
            .filter(|layer| layer.stack == stack)
            .count();
        (count > 0).then(|| {
            (
                stack.name(),
                StackShown {
                    count,
                    pattern: mind.pattern(stack),
                },
            )
        })
    });
    Members(stacks.collect())
}

fn cache(mind: &Architecture) -> Value {
    let dtype = Dtype::Bf16;
    let longest = mind.context.unwrap_or(0);
    let mut contexts: Vec<u64> = CONTEXTS
        .iter()
        .copied()
        .filter(|&tokens| longest == 0 || tokens <= longest)
        .collect();
    if longest > 0 && !contexts.contains(&longest) {
        contexts.push(longest);
    }
    let at: Map<String, Value> = contexts
        .into_iter()
        .map(|tokens| {
            (
                tokens.to_string(),
                json!(mind.cache_bytes(tokens, 0, 1, dtype).ok()),
            )
        })
        .collect();
    let layers: Vec<Value> = mind
        .decoder()
        .flat_map(|layer: &Layer| {
            layer
                .caches()
                .into_iter()
                .map(move |cache| (layer.number, cache))
        })
        .map(|(number, cache)| {
            let mut told = cache.told();
            told.insert("layer".to_owned(), json!(number));
            Value::Object(told)
        })
        .collect();
    json!({
        "dtype": dtype.name(),
        "bytes_per_token": mind.bytes_per_token(mind.late(), dtype).ok(),
        "bytes_per_token_at_start": mind.bytes_per_token(0, dtype).ok(),
        "state_bytes_per_sequence": mind.state_bytes(dtype).ok(),
        "cross_bytes_per_sequence": mind.cross_bytes(0, dtype).ok(),
        "saturates_at": mind.saturations(),
        "bytes": at,
        "layers": layers,
    })
}

impl Architecture {
    /// Heads of the first decoder layer that has them: `heads`, `kv_heads`, `head_dim`; null without any. Where layers
    /// differ, `kinds` has those of each kind with the number of its layers.
    fn heads(&self) -> Value {
        let describe = |mixer: &Mixer| match *mixer {
            Mixer::Attention {
                heads,
                kv_heads,
                key_dim,
                value_dim,
                ..
            } => Some(
                json!({"heads": heads, "kv_heads": kv_heads, "head_dim": key_dim, "value_dim": value_dim}),
            ),
            Mixer::Latent {
                heads,
                rank,
                rope_dim,
                nope_dim,
                value_dim,
                ..
            } => Some(json!({
                "heads": heads, "latent_rank": rank, "rope_dim": rope_dim, "nope_dim": nope_dim, "value_dim": value_dim,
            })),
            Mixer::Compressed { heads, key_dim, .. } => {
                Some(json!({"heads": heads, "kv_heads": 1, "head_dim": key_dim}))
            }
            Mixer::State { .. } | Mixer::Cross { .. } | Mixer::Stateless => None,
        };
        let mut all: Vec<&Layer> = self.decoder().collect();
        if all.is_empty() {
            all = self.layers.iter().collect();
        }
        let mut kinds: Vec<(Value, u64)> = Vec::new();
        for found in all
            .iter()
            .filter_map(|layer| layer.mixers.iter().find_map(describe))
        {
            match kinds.iter_mut().find(|(known, _)| *known == found) {
                Some((_, count)) => *count += 1,
                None => kinds.push((found, 1)),
            }
        }
        let Some((mut first, _)) = kinds.first().cloned() else {
            return Value::Null;
        };
        if kinds.len() > 1 {
            let with_layers = |(mut kind, layers): (Value, u64)| {
                kind["layers"] = json!(layers);
                kind
            };
            first["kinds"] = kinds.into_iter().map(with_layers).collect();
        }
        first
    }

    /// Experts of the first layer that has them; null without any.
    fn experts(&self) -> Value {
        let describe = |part: &FeedForward| match *part {
            FeedForward::Experts {
                experts,
                chosen,
                width,
                shared_width,
            } => Some(json!({
                "experts": experts, "per_token": chosen, "width": width, "shared_width": shared_width,
            })),
            FeedForward::Dense { .. } => None,
        };
        self.layers
            .iter()
            .flat_map(|layer| &layer.feed_forward)
            .find_map(describe)
            .unwrap_or(Value::Null)
    }
}
