//! What requests need of the cache, by kind: for those who ask how it comes about.

use super::ledger::{Ledger, Origin};
use super::store::Store;
use crate::engine::Rank;

const SOURCE: &str = "what is still of use to the next token of each layer";

/// Writes down what the asked requests need on a rank: a part for each kind of store, and shape of it.
pub fn account(rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    let mut kinds: Vec<(Store, u64)> = Vec::new();
    for store in rank.stores.iter().flatten() {
        match kinds.iter_mut().find(|(known, _)| known == store) {
            Some((_, layers)) => *layers = layers.saturating_add(1),
            None => kinds.push((*store, 1)),
        }
    }
    let (context, requests) = (rank.settings.context, rank.settings.concurrency);
    for (store, layers) in kinds {
        let need = rank.need(&store, context);
        let all = need.bytes().saturating_mul(layers).saturating_mul(requests);
        ledger.add(name(&store), all, Origin::Exact, SOURCE, &|| {
            let entries = match store {
                Store::State { .. } => format!("{} bytes of state", need.bytes()),
                _ => format!("{} entries x {} bytes", need.entries, need.row),
            };
            format!("{layers} layers x {entries} x {requests} requests")
        });
    }
}

/// What a store is called.
const fn name(store: &Store) -> &'static str {
    match store {
        Store::KeyValue { .. } => "keys and values",
        Store::Latent { .. } => "latents",
        Store::Compressed { .. } => "compressed entries",
        Store::Indexer { .. } => "indexer keys",
        Store::State { .. } => "recurrent states",
        Store::Cross { .. } => "keys and values of an encoder",
    }
}
