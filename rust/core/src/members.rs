//! JSON objects whose members keep their order.

use serde::{Serialize, Serializer};

/// A JSON object whose members keep their order.
#[derive(Debug)]
pub struct Members<K, V>(pub Vec<(K, V)>);

impl<K: Serialize, V: Serialize> Serialize for Members<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}
