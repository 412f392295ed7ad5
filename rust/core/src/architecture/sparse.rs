//! Experts as DeepSeek's configs describe them, and which layers have them.
//!
//! Source: transformers `models/deepseek_v3`, and the model code that DeepSeek publishes beside its checkpoints.

use super::config::{Fields, Result};
use super::feed_forward::Experts;
use super::mixture;
use serde_json::Value;

/// What a config that leaves out a field about experts gets from its class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    /// `n_routed_experts`.
    pub experts: u64,
    /// `num_experts_per_tok`.
    pub chosen: u64,
    /// `moe_intermediate_size`.
    pub width: u64,
    /// `n_shared_experts`.
    pub shared: u64,
    /// `first_k_dense_replace`.
    pub dense: u64,
}

/// Experts by the usual fields, with shared ones as one network of their joint width.
///
/// # Errors
/// If a field is wrong.
pub fn experts<'n>(fields: &Fields<'_>, hidden: u64, defaults: &Defaults) -> Result<Experts<'n>> {
    let experts = fields.repeats_or(
        "n_routed_experts|num_experts|num_local_experts",
        defaults.experts,
    )?;
    let chosen = fields.size_or("num_experts_per_tok|num_experts_per_token", defaults.chosen)?;
    let width = fields.size_or("moe_intermediate_size", defaults.width)?;
    let shared = fields.repeats_or("n_shared_experts|num_shared_experts", defaults.shared)?;
    Ok(Experts {
        shared: (shared > 0).then_some((shared * width, "shared_experts.")),
        ..Experts::new(hidden, experts, chosen, width)
    })
}

/// Whether each layer has experts: `mlp_layer_types`, or all from `first_k_dense_replace` on whose number
/// `moe_layer_freq` divides, or for which it has a 1 if it is a list.
///
/// # Errors
/// If a field is wrong.
pub fn sparse_layers(fields: &Fields<'_>, layers: u64, dense: u64) -> Result<Vec<bool>> {
    let dense = match fields.opt_count("first_k_dense_replace")? {
        Some(dense) => dense,
        None if fields.has("mlp_layer_types") => dense,
        None => fields.count_or("first_k_dense_replace", dense)?,
    };
    let name = "moe_layer_freq";
    if fields.value(name).is_some_and(Value::is_array) {
        let listed = fields.opt_counts(name)?.unwrap_or_default();
        if (listed.len() as u64) < layers {
            let message = format!("has {} items for {layers} layers", listed.len());
            return Err(fields.error(name, message));
        }
        return mixture::sparse_layers(fields, layers, |layer| {
            let has = |at: usize| listed.get(at).is_some_and(|&has| has > 0);
            layer >= dense && usize::try_from(layer).is_ok_and(has)
        });
    }
    let period = fields.opt_size(name)?.unwrap_or(1);
    mixture::sparse_layers(fields, layers, |layer| {
        layer >= dense && layer.is_multiple_of(period)
    })
}
