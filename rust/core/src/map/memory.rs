//! What a model remembers over the length of a text, in bytes of a 16-bit cache.

use crate::architecture::Architecture;
use crate::architecture::cache::Cache;
use crate::architecture::layer::Layer;
use crate::dtype::Dtype;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where the curve begins at the latest.
const FIRST: u64 = 256;

/// How many times longer its end is than its beginning, at least.
const SPAN: u64 = 64;

/// How far it goes where the config states no context.
const USUAL: u64 = 131_072;

/// The curve of the cache and its marks; null where nothing is remembered.
pub fn memory(mind: &Architecture) -> Value {
    let dtype = Dtype::Bf16;
    let caches: Vec<Cache> = mind.decoder().flat_map(Layer::caches).collect();
    if caches.is_empty() {
        return Value::Null;
    }
    let last = mind.context.unwrap_or(USUAL).max(2);
    let curve: Vec<Value> = lengths(mind, last)
        .into_iter()
        .filter_map(|tokens| {
            let bytes = mind.cache_bytes(tokens, 0, 1, dtype).ok()?;
            let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
            for cache in &caches {
                // Their sum has just been counted.
                let own = cache.bytes(tokens, 0, dtype).unwrap_or(u64::MAX);
                let sum = kinds.entry(cache.name()).or_default();
                *sum = sum.saturating_add(own);
            }
            kinds.retain(|_, bytes| *bytes > 0);
            Some(json!({"tokens": tokens, "bytes": bytes, "kinds": kinds}))
        })
        .collect();
    let open = |cache: &Cache| matches!(cache, Cache::Cross { tokens: None, .. });
    let mut told = Map::new();
    told.insert("dtype".to_owned(), json!(dtype.name()));
    told.insert(
        "bytes_per_token".to_owned(),
        json!(mind.bytes_per_token(mind.late(), dtype).ok()),
    );
    told.insert(
        "state_bytes".to_owned(),
        json!(mind.state_bytes(dtype).ok()),
    );
    told.insert(
        "cross_bytes".to_owned(),
        json!(mind.cross_bytes(0, dtype).ok()),
    );
    // What an encoder gives has no length of its own here, and is not in the curve: each of its tokens adds so much.
    told.insert(
        "bytes_per_encoder_token".to_owned(),
        json!(per_encoder_token(mind, dtype)),
    );
    told.insert("open_encoder".to_owned(), json!(caches.iter().any(open)));
    told.insert("saturates_at".to_owned(), json!(mind.saturations()));
    told.insert("curve".to_owned(), json!(curve));
    Value::Object(told)
}

/// The bytes that one more token from an encoder of open length takes; 0 where there is none.
fn per_encoder_token(mind: &Architecture, dtype: Dtype) -> Option<u64> {
    let (none, one) = (
        mind.cross_bytes(0, dtype).ok()?,
        mind.cross_bytes(1, dtype).ok()?,
    );
    one.checked_sub(none)
}

/// Powers of two, and where the curve bends or the config ends.
fn lengths(mind: &Architecture, last: u64) -> BTreeSet<u64> {
    let first = (last / SPAN)
        .checked_ilog2()
        .map_or(1, |power| 1_u64 << power)
        .min(FIRST);
    let doubled = std::iter::successors(Some(first), |tokens| tokens.checked_mul(2));
    doubled
        .take_while(|tokens| *tokens < last)
        .chain(mind.saturations())
        .chain(mind.context)
        .chain([last])
        .filter(|tokens| (first..=last).contains(tokens))
        .collect()
}
