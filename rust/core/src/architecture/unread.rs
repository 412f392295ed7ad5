//! Fields that ask for a part of the model and that nobody read: a config with one is refused, for whatever would be
//! derived lacks that part. A wrong answer is worse than none.
//!
//! A family that knows such a field, and knows that it changes nothing, says so by reading it.

use super::config::{Config, Result};
use serde_json::Value;

/// Names, and the largest number that asks for nothing; sorted by name.
const ASKING: &[(&str, u64)] = &[
    ("add_bias_linear", 0),
    ("add_cross_attention", 0),
    ("add_qkv_bias", 0),
    ("altup_num_inputs", 1),
    ("attention_bias", 0),
    ("attention_out_bias", 0),
    ("attn_layer_indices", 0),
    ("audio_config", 0),
    ("bias", 0),
    ("block_configs", 0),
    ("cross_attention_layers", 0),
    ("decoder_config", 0),
    ("encoder_config", 0),
    ("hidden_size_per_layer_input", 0),
    ("hybrid_layer_pattern", 0),
    ("hybrid_override_pattern", 0),
    ("index_head_dim", 0),
    ("index_n_heads", 0),
    ("intermediate_size_per_layer", 0),
    ("intermediate_sizes", 0),
    ("kv_lora_rank", 0),
    ("layers_block_type", 0),
    ("linear_num_value_heads", 0),
    ("lm_head_bias", 0),
    ("mixer_types", 0),
    ("mlp_bias", 0),
    ("mlp_only_layers", 0),
    ("mm_hidden_size", 0),
    ("mm_vision_tower", 0),
    ("moe_num_experts", 1),
    ("moe_num_shared_experts", 0),
    ("mtp_num_hidden_layers", 0),
    ("n_routed_experts", 1),
    ("n_shared_experts", 0),
    ("num_attention_heads_per_layer", 0),
    ("num_experts", 1),
    ("num_key_value_heads_per_layer", 0),
    ("num_kv_shared_layers", 0),
    ("num_local_experts", 1),
    ("num_nextn_predict_layers", 0),
    ("num_shared_experts", 0),
    ("o_lora_rank", 0),
    ("per_layer_config", 0),
    ("q_lora_rank", 0),
    ("qk_layernorm", 0),
    ("qk_norm", 0),
    ("qkv_bias", 0),
    ("shared_expert_intermediate_size", 0),
    ("speech_config", 0),
    ("talker_config", 0),
    ("use_bias", 0),
    ("use_cla", 0),
    ("use_qk_norm", 0),
    ("use_qkv_bias", 0),
    ("vision_config", 0),
    ("visual", 0),
];

/// Refuses a config that has such a field in an object of which the family read something.
///
/// # Errors
/// If there is one.
pub fn refuse(config: &Config) -> Result<()> {
    for object in config.objects_read() {
        for (name, value) in object.entries() {
            let Ok(at) = ASKING.binary_search_by_key(&name, |(asking, _)| asking) else {
                continue;
            };
            let asks = match value {
                Value::Null => false,
                Value::Bool(flag) => *flag,
                Value::Number(number) => number
                    .as_u64()
                    .is_none_or(|number| ASKING.get(at).is_some_and(|(_, most)| number > *most)),
                Value::Array(list) => !list.is_empty(),
                Value::Object(inner) => !inner.is_empty(),
                Value::String(text) => !text.is_empty(),
            };
            if asks && !object.was_read(name) {
                return Err(object.error(
                    name,
                    "asks for a part that models of this type are not known to have",
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::ASKING;
    use crate::architecture::Architecture;
    use serde_json::json;

    #[test]
    fn the_table_is_sorted() {
        assert!(ASKING.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn what_nobody_read_is_refused_unless_it_asks_for_nothing() {
        let derive = |name: &str, value: serde_json::Value| {
            let mut config = json!({"model_type": "mixtral", "hidden_size": 64, "num_attention_heads": 4,
                "num_key_value_heads": 4, "num_hidden_layers": 1, "vocab_size": 10, "intermediate_size": 96});
            config[name] = value;
            Architecture::from_config(config, None)
        };
        for (name, value) in [
            ("kv_lora_rank", json!(512)),
            ("vision_config", json!({"hidden_size": 8})),
            ("mlp_only_layers", json!([0])),
            ("use_qk_norm", json!(true)),
        ] {
            let error = derive(name, value).unwrap_err();
            assert_eq!(error.field, name);
        }
        for (name, value) in [
            ("kv_lora_rank", json!(null)),
            ("mlp_only_layers", json!([])),
            ("num_experts", json!(8)),
            ("use_qk_norm", json!(false)),
        ] {
            assert!(derive(name, value).is_ok(), "{name}");
        }
    }
}
