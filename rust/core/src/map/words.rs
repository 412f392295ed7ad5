//! A kind of layer as JSON: mixers and feed-forward networks with their numbers under names that say what they are.

use super::parts::{Roles, Sum};
use crate::architecture::layer::{FeedForward, Layer, Mixer, Reach};
use crate::members::Members;
use serde_json::{Value, json};

/// All that is told of a layer but its number. Several layers of one stack and number are told as one.
pub fn kind(layers: &[&Layer], roles: &Roles, width: Option<u64>) -> Value {
    let mut sum = Sum::default();
    for one in roles.values() {
        sum.add(one);
    }
    let caches: Vec<Value> = layers
        .iter()
        .flat_map(|layer| layer.caches())
        .map(|cache| Value::Object(cache.told()))
        .collect();
    let words: Vec<String> = layers.iter().map(|layer| layer.describe(true)).collect();
    let parts = Members(
        roles
            .iter()
            .map(|(role, sum)| (role.name(), *sum))
            .collect(),
    );
    json!({
        "in_config": !layers.is_empty(),
        "words": words.join(" + "),
        "width": width,
        "mixers": layers.iter().flat_map(|layer| &layer.mixers).map(mixer).collect::<Vec<_>>(),
        "feed_forward": layers.iter().flat_map(|layer| &layer.feed_forward).map(feed_forward).collect::<Vec<_>>(),
        "caches": caches,
        "tensors": sum.tensors,
        "parameters": sum.parameters,
        "active": sum.active,
        "bytes": sum.bytes,
        "roles": parts,
    })
}

/// The word for a reach, and how many tokens it is.
const fn reach_of(reach: Reach) -> (&'static str, Option<u64>) {
    match reach {
        Reach::Full => ("full", None),
        Reach::Sliding(window) => ("sliding", Some(window)),
        Reach::Chunked(window) => ("chunked", Some(window)),
    }
}

/// A mixer: `kind` is one of `full`, `sliding`, `chunked`, `latent`, `compressed`, `state`, `cross` and `stateless`.
fn mixer(mixer: &Mixer) -> Value {
    let mut told = match *mixer {
        Mixer::Attention {
            heads,
            kv_heads,
            key_dim,
            value_dim,
            reach,
            indexer_dim,
            shared_with,
        } => {
            let (kind, window) = reach_of(reach);
            json!({
                "kind": kind, "heads": heads, "kv_heads": kv_heads, "key_dim": key_dim, "value_dim": value_dim,
                "window": window, "indexer_dim": indexer_dim, "shared_with": shared_with,
            })
        }
        Mixer::Latent {
            heads,
            rank,
            rope_dim,
            nope_dim,
            value_dim,
            reach,
            indexer_dim,
            indexer_ratio,
        } => json!({
            "kind": "latent", "heads": heads, "rank": rank, "rope_dim": rope_dim, "nope_dim": nope_dim,
            "value_dim": value_dim, "window": reach_of(reach).1, "indexer_dim": indexer_dim,
            "indexer_ratio": indexer_ratio,
        }),
        // A layer that keeps its window only is told as what it does.
        Mixer::Compressed {
            heads,
            key_dim,
            ratio: 0,
            window,
            ..
        } => json!({
            "kind": "sliding", "heads": heads, "kv_heads": 1, "key_dim": key_dim, "value_dim": 0, "window": window,
            "indexer_dim": 0, "shared_with": null,
        }),
        Mixer::Compressed {
            heads,
            key_dim,
            ratio,
            window,
            indexer_dim,
        } => json!({
            "kind": "compressed", "heads": heads, "kv_heads": 1, "key_dim": key_dim, "ratio": ratio,
            "window": window, "indexer_dim": indexer_dim,
        }),
        Mixer::State {
            recurrence,
            heads,
            convolution,
            recurrent,
            ..
        } => json!({
            "kind": "state", "recurrence": recurrence.name(), "heads": heads, "recurrent": recurrent,
            "convolution_channels": convolution.channels, "convolution_width": convolution.width,
        }),
        Mixer::Cross {
            heads,
            kv_heads,
            head_dim,
            tokens,
        } => json!({
            "kind": "cross", "heads": heads, "kv_heads": kv_heads, "key_dim": head_dim, "value_dim": head_dim,
            "tokens": tokens,
        }),
        Mixer::Stateless => json!({"kind": "stateless"}),
    };
    if let Some(object) = told.as_object_mut() {
        object.insert("words".to_owned(), json!(mixer.describe()));
    }
    told
}

fn feed_forward(part: &FeedForward) -> Value {
    match *part {
        FeedForward::Dense { width } => json!({"kind": "dense", "width": width}),
        FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width,
        } => json!({
            "kind": "experts", "experts": experts, "chosen": chosen, "width": width, "shared_width": shared_width,
        }),
    }
}
