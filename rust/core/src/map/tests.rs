use super::SCHEMA;
use crate::architecture::Architecture;
use crate::model::{Model, builtin};
use serde_json::{Value, json};

fn map(config: &Value) -> Value {
    let model = Model::of("it".to_owned(), None, Some(config.clone()), None);
    serde_json::from_str(&model.map_json()).unwrap_or_default()
}

/// A number of every stack and of every row outside, added up.
fn added(map: &Value, field: &str) -> u64 {
    let of = |list: &str| {
        map[list]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|one| one[field].as_u64())
            .sum::<u64>()
    };
    of("stacks") + of("outside")
}

#[test]
fn every_model_is_told_whole() {
    for known in builtin::ALL.iter() {
        let map = map(&known.config);
        let mind = Architecture::from_config(known.config.clone(), None).unwrap();
        let total = mind.total();
        assert_eq!(map["schema"], SCHEMA);
        assert_eq!(
            map["total"]["parameters"], total.parameters,
            "{}",
            known.name
        );
        assert_eq!(
            added(&map, "parameters"),
            total.parameters,
            "{}",
            known.name
        );
        assert_eq!(map["total"]["active"], total.active, "{}", known.name);
        assert_eq!(added(&map, "active"), total.active, "{}", known.name);
        assert_eq!(
            map["total"]["bytes"],
            added(&map, "bytes"),
            "{}",
            known.name
        );
    }
}

#[test]
fn layers_of_a_kind_add_up_to_their_stack() {
    for known in builtin::ALL.iter() {
        let map = map(&known.config);
        for stack in map["stacks"].as_array().unwrap() {
            let sum: u64 = stack["layers"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(|layer| {
                    let kind = usize::try_from(layer["kind"].as_u64()?).ok()?;
                    stack["kinds"][kind]["parameters"].as_u64()
                })
                .sum();
            assert_eq!(stack["parameters"], sum, "{}", known.name);
        }
    }
}

#[test]
fn the_curve_is_the_cache_at_each_length_and_the_sum_of_its_kinds() {
    for known in builtin::ALL.iter() {
        let map = map(&known.config);
        let mind = Architecture::from_config(known.config.clone(), None).unwrap();
        for point in map["memory"]["curve"].as_array().into_iter().flatten() {
            let tokens = point["tokens"].as_u64().unwrap();
            let bytes = mind
                .cache_bytes(tokens, 0, 1, crate::dtype::Dtype::Bf16)
                .unwrap();
            assert_eq!(point["bytes"], bytes, "{}", known.name);
            let kinds: u64 = point["kinds"]
                .as_object()
                .unwrap()
                .values()
                .filter_map(Value::as_u64)
                .sum();
            assert_eq!(kinds, bytes, "{}", known.name);
        }
    }
}

#[test]
fn a_window_is_a_point_of_the_curve() {
    let config = json!({
        "model_type": "mistral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100, "sliding_window": 1000,
        "max_position_embeddings": 5000,
    });
    let map = map(&config);
    let tokens: Vec<u64> = map["memory"]["curve"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|point| point["tokens"].as_u64())
        .collect();
    assert!(tokens.contains(&1000), "{tokens:?}");
    assert!(tokens.contains(&5000), "{tokens:?}");
    assert_eq!(map["stacks"][0]["kinds"].as_array().unwrap().len(), 1);
    assert_eq!(map["stacks"][0]["kinds"][0]["mixers"][0]["kind"], "sliding");
}

#[test]
fn the_curve_ends_where_the_context_does() {
    for context in [1_u64, 2, 77, 4096, 1 << 40] {
        let config = json!({
            "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
            "num_attention_heads": 4, "vocab_size": 100, "max_position_embeddings": context,
        });
        let map = map(&config);
        let curve = map["memory"]["curve"].as_array().unwrap();
        assert_eq!(curve.last().unwrap()["tokens"], context.max(2));
        assert!(curve.len() >= 2, "{curve:?}");
        assert!(curve.len() < 70, "{}", curve.len());
    }
}

#[test]
fn a_method_that_is_not_known_is_an_assumption() {
    let config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100, "quantization_config": {"quant_method": "of tomorrow"},
    });
    let map = map(&config);
    let told = map["assumptions"].to_string();
    assert!(told.contains("of tomorrow"), "{told}");
}

#[test]
fn a_scheme_that_cannot_be_leaves_bytes_unknown() {
    let config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 4, "vocab_size": 100, "quantization_config": {"quant_method": "gptq", "bits": 99},
    });
    let map = map(&config);
    assert!(map["bytes_unknown"].is_string(), "{map}");
    assert_eq!(map["storage"], Value::Null);
}

#[test]
fn a_model_of_an_unknown_type_without_weights_is_not_empty_but_unknown() {
    let map = map(&json!({"model_type": "of tomorrow", "hidden_size": 64}));
    assert!(map["bytes_unknown"].is_string(), "{map}");
    let why = map["unknown"].as_str().unwrap();
    assert!(why.contains("--assume TYPE"), "{why}");
}
