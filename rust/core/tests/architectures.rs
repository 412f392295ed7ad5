//! Architectures of the built-in models: published counts, roles, properties, and configs that were damaged.

use pondera::architecture::family::FAMILIES;
use pondera::architecture::{Architecture, WhatIf};
use pondera::checkpoint::{Role, assign};
use pondera::dtype::Dtype;
use pondera::model::builtin::{ALL, BuiltIn};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn derive(model: &BuiltIn) -> Architecture {
    Architecture::from_config(model.config.clone(), None)
        .unwrap_or_else(|error| panic!("{}: {error}", model.name))
}

#[test]
fn no_family_and_no_model_type_is_in_the_table_twice() {
    let mut names: Vec<&str> = FAMILIES.iter().map(|family| family.name).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    let mut types: Vec<&str> = FAMILIES
        .iter()
        .flat_map(|family| family.model_types)
        .copied()
        .collect();
    let count = types.len();
    types.sort_unstable();
    types.dedup();
    assert_eq!(types.len(), count, "a model type is in two families");
}

/// What publishers state is rounded: "70B" stands for 65 to 75, "70.6B" for 70.55 to 70.65.
fn within_rounding(exact: u64, stated: u64) -> bool {
    let mut unit = 1_u64;
    while stated.is_multiple_of(unit * 10) {
        unit *= 10;
    }
    exact.abs_diff(stated) <= unit
}

/// Models whose publishers state another number than their files hold, and what explains it.
const STATED_OTHERWISE: &[(&str, &str)] = &[
    (
        "gemma-7b",
        "7B by its name; the list that transformers makes of its config holds 8,537,680,896",
    ),
    (
        "glm-4.5",
        "355B; the files hold 358,337,791,296 with the prediction layer, 352.8B without",
    ),
    (
        "kimi-linear-48b-a3b",
        "48B; the published header holds 49,122,681,728",
    ),
];

#[test]
fn built_in_models_have_the_parameters_that_were_published() {
    let mut checked = 0;
    for model in ALL.iter() {
        let architecture = derive(model);
        let whole = architecture.total().parameters;
        // Publishers leave out the layers that predict further tokens.
        let without = architecture
            .sum(|template| template.role != Role::Mtp)
            .parameters;
        let explained = STATED_OTHERWISE.iter().any(|(name, _)| *name == model.name);
        if let Some(stated) = model.published.total.filter(|_| !explained) {
            assert!(
                within_rounding(whole, stated) || within_rounding(without, stated),
                "{}: {without} or {whole}, published {stated}",
                model.name
            );
            checked += 1;
        }
    }
    assert!(
        checked >= 30,
        "only {checked} models have a published total"
    );
}

#[test]
fn facts_of_well_known_models() {
    let facts: Value =
        serde_json::from_str(include_str!("../../../tests/golden/architectures.json")).unwrap();
    for fact in facts.as_array().unwrap() {
        let name = fact["model"].as_str().unwrap();
        let model = ALL
            .iter()
            .find(|model| model.name == name)
            .unwrap_or_else(|| panic!("{name} is not built in"));
        let architecture = derive(model);
        if let Some(parameters) = fact["parameters"].as_u64() {
            let without = architecture
                .sum(|template| template.role != Role::Mtp)
                .parameters;
            assert_eq!(without, parameters, "{name}");
        }
        if let Some(cache) = fact.get("cache") {
            let tokens = cache["tokens"].as_u64().unwrap();
            let bytes = architecture.cache_bytes(tokens, 0, 1, Dtype::Bf16).unwrap();
            assert_eq!(Some(bytes), cache["bytes"].as_u64(), "{name}");
        }
    }
}

#[test]
fn no_name_is_derived_twice_and_sums_are_sums_over_the_list() {
    for model in ALL.iter() {
        let architecture = derive(model);
        let mut names = BTreeSet::new();
        let mut elements = 0_u64;
        for template in &architecture.templates {
            template.names(|name, _| {
                assert!(
                    names.insert(name.to_owned()),
                    "{}: {name} twice",
                    model.name
                );
                elements += template.shape.iter().product::<u64>();
            });
        }
        let total = architecture.total();
        assert_eq!(total.parameters, elements, "{}", model.name);
        assert_eq!(total.tensors, names.len() as u64, "{}", model.name);
        assert!(total.active <= total.parameters, "{}", model.name);
        let by_layer: u64 = architecture
            .by_layer()
            .iter()
            .map(|(_, count)| count.parameters)
            .sum();
        assert_eq!(by_layer, elements, "{}", model.name);
    }
}

#[test]
fn roles_are_those_that_a_scan_would_find() {
    let mut differing: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for model in ALL.iter() {
        let templates = derive(model).templates;
        let patterns: Vec<&str> = templates
            .iter()
            .map(|template| template.pattern.as_str())
            .collect();
        for (template, scanned) in templates.iter().zip(assign(&patterns, "")) {
            // That a layer predicts further tokens is told by its number, which a pattern does not have.
            if scanned != template.role && template.role != Role::Mtp {
                let name = format!("{}: {}", model.name, template.pattern);
                differing
                    .entry(format!("{scanned:?} for {:?}", template.role))
                    .or_default()
                    .push(name);
            }
        }
    }
    assert!(differing.is_empty(), "{differing:#?}");
}

#[test]
fn one_more_layer_adds_the_tensors_of_one_layer() {
    for model in ALL.iter() {
        let before = derive(model);
        let Some(layers) = before.fields.iter().find_map(|field| {
            let usual = field
                .names
                .iter()
                .any(|name| name == "num_hidden_layers" || name == "n_layer");
            let object = if field.object.is_empty() {
                Some(&model.config)
            } else {
                model.config.get(&field.object)
            };
            let name = field
                .names
                .iter()
                .find(|name| object.is_some_and(|object| object.get(*name).is_some()))?;
            let count = object?.get(name)?.as_u64()?;
            let path = if field.object.is_empty() {
                name.clone()
            } else {
                format!("{}.{name}", field.object)
            };
            (usual && !field.object.contains("vision")).then_some((path, count))
        }) else {
            continue;
        };
        let changed = [(layers.0.clone(), json!(layers.1 + 1))];
        // Some patterns of layers do not go on by one; what they answer is an error, never half a layer.
        let Ok(after) = WhatIf::derive(&model.config, &changed, None) else {
            continue;
        };
        let names = |architecture: &Architecture| {
            let mut names = BTreeSet::new();
            for template in &architecture.templates {
                template.names(|name, _| {
                    names.insert(name.to_owned());
                });
            }
            names
        };
        let (old, new) = (names(&before), names(&after.architecture));
        let moved = before
            .templates
            .iter()
            .any(|template| template.role == Role::Mtp);
        assert!(
            after.architecture.layers.len() > before.layers.len(),
            "{}",
            model.name
        );
        if old == new {
            // Layers that share their weights in groups (ALBERT) need no more for one more.
            continue;
        }
        if !moved {
            assert!(
                old.is_subset(&new),
                "{}: {:?}",
                model.name,
                old.difference(&new).next()
            );
            assert!(old.len() < new.len(), "{}", model.name);
        }
        assert!(
            after.architecture.total().parameters > before.total().parameters,
            "{}",
            model.name
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn caches_grow_with_tokens_and_sequences(
        at in any::<Index>(),
        tokens in 0..2_000_000_u64,
        more in 0..5000_u64,
        sequences in 1..500_u64,
    ) {
        let model = at.get(&ALL);
        let architecture = derive(model);
        let bytes = |tokens, sequences| architecture.cache_bytes(tokens, 0, sequences, Dtype::Bf16).unwrap();
        prop_assert!(bytes(tokens, sequences) <= bytes(tokens + more, sequences), "{}", model.name);
        prop_assert_eq!(bytes(tokens, 1) * sequences, bytes(tokens, sequences), "{}", &model.name);
    }

    #[test]
    fn a_damaged_config_is_an_error_or_an_answer(
        at in any::<Index>(),
        damages in prop::collection::vec((any::<Index>(), damage()), 1..4),
    ) {
        let mut config = at.get(&ALL).config.clone();
        for (place, damage) in &damages {
            let mut paths = Vec::new();
            collect(&config, &mut Vec::new(), &mut paths);
            if paths.is_empty() {
                break;
            }
            let path: &Vec<String> = place.get(&paths);
            apply(&mut config, path, damage.as_ref());
        }
        if let Ok(architecture) = Architecture::from_config(config, None) {
            // Whatever was derived can be summed and shown.
            let total = architecture.total();
            prop_assert!(total.active <= total.parameters);
            let _ = architecture.cache_bytes(1 << 40, 1 << 20, 1 << 20, Dtype::F32);
            let _ = architecture.bytes_per_token(123_456, Dtype::Bf16);
            let _ = architecture.flops_per_token(1 << 40, 1 << 20);
            let _ = (architecture.roles(), architecture.saturations());
        }
    }
}

fn damage() -> impl Strategy<Value = Option<Value>> {
    let odd = vec![
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(1),
        json!(3),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(4096.0),
        json!(1e300),
        json!(2_097_152),
        json!(4_294_967_296_u64),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(""),
        json!("full_attention"),
        json!("\u{0}"),
        json!([]),
        json!([0]),
        json!([1, 2, 3]),
        json!(["a"]),
        json!([[null]]),
        json!({}),
        json!({"a": {"b": []}}),
    ];
    prop_oneof![8 => select(odd).prop_map(Some), 1 => Just(None)]
}

fn collect(value: &Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    if let Some(object) = value.as_object() {
        for (name, inner) in object {
            path.push(name.clone());
            paths.push(path.clone());
            collect(inner, path, paths);
            path.pop();
        }
    }
}

/// Puts a value at a path, or takes away what is there.
fn apply(config: &mut Value, path: &[String], damage: Option<&Value>) {
    let mut object = config;
    let (last, parents) = path.split_last().unwrap();
    for part in parents {
        let Some(inner) = object.get_mut(part) else {
            return;
        };
        object = inner;
    }
    if let Some(fields) = object.as_object_mut() {
        match damage {
            Some(value) => fields.insert(last.clone(), value.clone()),
            None => fields.remove(last),
        };
    }
}
