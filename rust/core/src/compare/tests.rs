use super::alone::alone;
use super::meaning::RULES;
use super::mind::{FACTS, Fact};
use super::row::Cell;
use super::{Comparison, Entry, Placed, Row, Tried};
use crate::architecture::layer::{Mixer, Reach};
use crate::architecture::{Architecture, WhatIf};
use crate::hardware::Catalogue;
use crate::model::{Model, builtin};
use crate::request::Request;
use crate::subject::Subject;
use serde_json::{Value, json};
use std::sync::Arc;

fn of_config(name: &str, config: Value) -> Entry {
    Entry {
        model: Arc::new(Model::of(name.to_owned(), None, Some(config), None)),
        assume: None,
        variant: None,
    }
}

fn entry(name: &str) -> Entry {
    of_config(name, builtin::find(name).unwrap().config.clone())
}

fn compared(names: &[&str]) -> Comparison {
    let entries: Vec<Entry> = names.iter().map(|name| entry(name)).collect();
    Comparison::of(&entries, &[]).unwrap()
}

fn meaning(comparison: &Comparison, key: &str) -> String {
    let row = comparison.row(key).unwrap_or_else(|| panic!("{key}"));
    row.meaning[1].clone().unwrap_or_default()
}

fn fact(key: &str) -> &'static Fact {
    FACTS.iter().find(|fact| fact.key == key).unwrap()
}

/// A small model of the usual kind, with some fields of its own.
fn small(fields: &Value) -> Value {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
        "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 100, "max_position_embeddings": 4096,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    });
    for (name, value) in fields.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn a_model_does_not_differ_from_itself() {
    for known in builtin::ALL.iter() {
        let comparison = compared(&[&known.name, &known.name]);
        for row in comparison.rows() {
            let missing = row.why.iter().any(Option::is_some);
            assert!(row.same || missing, "{}: {}", known.name, row.key);
            assert!(row.meaning.iter().all(Option::is_none), "{}", row.key);
        }
    }
}

#[test]
fn the_order_of_models_changes_the_direction_alone() {
    let names = [
        "llama-2-7b",
        "gemma-4-26b-a4b",
        "deepseek-v3",
        "bert-base-uncased",
    ];
    for one in names {
        for other in names {
            let (forth, back) = (compared(&[one, other]), compared(&[other, one]));
            let keys =
                |of: &Comparison| -> Vec<String> { of.rows().map(|row| row.key.clone()).collect() };
            assert_eq!(keys(&forth), keys(&back));
            for row in forth.rows() {
                let turned = back.row(&row.key).unwrap();
                let mut values = turned.values.clone();
                values.reverse();
                assert_eq!(row.values, values, "{}", row.key);
                assert_eq!(row.same, turned.same, "{}", row.key);
            }
        }
    }
}

/// Llama 2 7B has 32 KV heads of 128 numbers in 32 layers, Llama 3.1 8B has 8 (their published configs): keys and values
/// of 2 bytes are 32 x 32 x 128 x 2 x 2 = 524,288 bytes for each token, and a fourth of that. Projections to keys and
/// values that are 3,072 narrower in 32 layers are 2 x 4,096 x 3,072 x 32 = 805,306,368 weights less, 1.5 GiB in 16 bits.
#[test]
fn fewer_kv_heads_make_the_cache_a_fourth() {
    let comparison = compared(&["llama-2-7b", "llama-3.1-8b"]);
    let row = comparison.row("cache_per_token").unwrap();
    assert_eq!(row.values, [Cell::Number(524_288), Cell::Number(131_072)]);
    assert_eq!(
        meaning(&comparison, "cache_per_token"),
        "one fourth: 384.00 KiB less for each token; KV heads 8/32"
    );
    let told = meaning(&comparison, "kv_heads");
    let begin = "8 KV heads against 32: on its own cache one fourth, weights 1.50 GiB less";
    assert!(told.starts_with(begin), "{told}");
}

#[test]
fn what_is_told_of_one_fact_changes_that_one_alone() {
    let bases = [
        "llama-2-7b",
        "mixtral-8x7b",
        "qwen3-30b-a3b",
        "deepseek-v3",
        "gemma-3-1b",
    ];
    let mut told = 0;
    for base in bases {
        let config = &builtin::find(base).unwrap().config;
        let mind = Architecture::from_config(config.clone(), None).unwrap();
        for known in builtin::ALL.iter() {
            let other = Architecture::from_config(known.config.clone(), None).unwrap();
            for fact in FACTS.iter().filter(|fact| !fact.follows) {
                let to = (fact.read)(&other);
                if to == (fact.read)(&mind) {
                    continue;
                }
                let Some(changed) = alone(&mind, config, None, fact, &to) else {
                    continue;
                };
                told += 1;
                // The config itself, read again, has the fact, and no other one differs that is not named.
                let again = Architecture::from_config(changed.config, None).unwrap();
                assert_eq!((fact.read)(&again), to);
                for rest in FACTS
                    .iter()
                    .filter(|one| !one.follows && one.key != fact.key)
                {
                    let named = changed.with.iter().any(|one| one.key == rest.key);
                    assert!(
                        named || (rest.read)(&again) == (rest.read)(&mind),
                        "{base}: {} for {}",
                        rest.key,
                        fact.key
                    );
                }
            }
        }
    }
    assert!(told > 1000, "{told}");
}

#[test]
fn more_heads_do_not_make_them_narrower() {
    // Without a head_dim, 64 wide with 8 heads is 8 each; 16 heads stay 8 wide.
    let config = small(&json!({"num_key_value_heads": null}));
    let mind = Architecture::from_config(config.clone(), None).unwrap();
    let changed = alone(&mind, &config, None, fact("heads"), &Cell::Number(16)).unwrap();
    assert!(changed.with.is_empty(), "{:?}", changed.with);
    assert_eq!((fact("head_dim").read)(&changed.mind), Cell::Number(8));
    assert_eq!((fact("kv_heads").read)(&changed.mind), Cell::Number(8));
}

#[test]
fn a_larger_base_turns_more_slowly() {
    // Heads of 8 numbers: 2 pi 10^4^(6/8) = 6,283 tokens and 2 pi 10^8^(6/8) = 6.28 million.
    let entries = [
        of_config("a", small(&json!({"rope_theta": 1e4}))),
        of_config("b", small(&json!({"rope_theta": 1e8}))),
    ];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    assert_eq!(
        meaning(&comparison, "rope_base"),
        "rope base 100,000,000 against 10,000: on its own no change of cache, weights or compute; if whole heads turn, before any \
         stretching, the slowest rotation takes about 6.28 M tokens against 6.28 K"
    );
    // Heads of which a half is turned, and layers that turn in two ways, are not told so.
    for fields in [
        json!({"rope_theta": 1e8, "partial_rotary_factor": 0.5}),
        json!({"rope_theta": 1e8, "rope_local_base_freq": 1e4}),
    ] {
        let entries = [entries[0].clone(), of_config("b", small(&fields))];
        let told = meaning(&Comparison::of(&entries, &[]).unwrap(), "rope_base");
        assert!(!told.contains("slowest rotation"), "{told}");
    }
}

/// Scores of 8 heads of 8 numbers take 2 x 8 x 16 operations for each token before, in 4 layers, whatever the KV heads: what
/// is saved of the projections is less of a later token.
#[test]
fn compute_is_told_of_each_token_only_if_it_is_so_of_each() {
    let base = of_config("a", small(&json!({})));
    let told = |fields: Value, key: &str| {
        let entries = [base.clone(), of_config("b", small(&fields))];
        meaning(&Comparison::of(&entries, &[]).unwrap(), key)
    };
    // 4 x (64 x 64 x 4 + 3 x 64 x 128) + 64 x 100 weights are 170,240; 4 x 2 x 64 x 32 x 2 operations less of 340,480 are 9.6
    // per cent, and of the 4,534,784 after 4,096 tokens 0.7.
    let heads = told(json!({"num_key_value_heads": 4}), "kv_heads");
    let both = "compute for the first token 9.6 % less, after 4k 0.7 % less";
    assert!(heads.ends_with(both), "{heads}");
    // Twice the layers are not twice the operations: the head stays one.
    let layers = told(json!({"num_hidden_layers": 8}), "layers");
    let both = "compute for the first token 96.2 % more, after 4k 99.7 % more";
    assert!(layers.ends_with(both), "{layers}");
    let tied = told(json!({"tie_word_embeddings": true}), "head");
    assert!(tied.ends_with("compute for each token the same"), "{tied}");
}

/// One window keeps less at a long context and no less at the start: what all that is kept comes to is told of the length
/// at which it is so. 5 of 6 layers of Gemma 3 27B look 1,024 tokens back.
#[test]
fn a_cache_in_sum_is_told_at_its_length() {
    let comparison = compared(&["gemma-4-26b-a4b", "gemma-3-27b"]);
    let told = meaning(&comparison, "kv_heads");
    let row = comparison.row("cache_at.131072").unwrap();
    let [Cell::Number(before), Cell::Number(after)] = row.values[..] else {
        panic!("{row:?}");
    };
    let ratio = super::words::ratio(before, after);
    assert_eq!(told, format!("in sum cache at 128k {ratio}"));
    // Kimi Linear has states from the first token on, and the context of Gemma 2B has one of the usual lengths alone.
    let told = meaning(&compared(&["kimi-linear-48b-a3b", "gemma-2b"]), "kv_heads");
    assert!(told.starts_with("in sum cache at 4k "), "{told}");
}

/// A bias is no head: the embedding is multiplied with still, 2,560 x 103,424 weights.
#[test]
fn a_tied_head_with_a_bias_is_tied() {
    let config = &builtin::find("ernie-4.5-21b-a3b").unwrap().config;
    let mut biased = config.clone();
    biased["use_bias"] = json!(true);
    let entries = [of_config("a", config.clone()), of_config("b", biased)];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    assert!(comparison.row("head").unwrap().same);
    let flops = comparison.row("flops").unwrap();
    assert!(
        flops.values[1].number() > flops.values[0].number(),
        "{flops:?}"
    );
    let untied = compared(&["ernie-4.5-21b-a3b", "llama-3.1-8b"]);
    let told = meaning(&untied, "head");
    // 2 x 264,765,440 bytes are 505 MiB.
    assert!(told.contains("weights 505.00 MiB more"), "{told}");
    assert!(told.ends_with("compute for each token the same"), "{told}");
}

/// CLIP's own files state the width of its text model twice, and one of the two makes the layers.
#[test]
fn a_width_that_shapes_nothing_is_not_told_as_free() {
    let comparison = compared(&["clip-vit-large-patch14", "qwen3.5-27b"]);
    let told = meaning(&comparison, "hidden_size");
    assert!(!told.contains("no change"), "{told}");
}

/// Only 15 of the 35 layers of Gemma 3n's kin keep anything themselves; the others use what these keep.
#[test]
fn layers_that_share_a_cache_are_not_counted_as_caches() {
    let mind = entry("gemma-4-e2b").model.architecture.clone().unwrap();
    let own = mind
        .decoder()
        .flat_map(|layer| layer.mixers.iter())
        .filter(|mixer| {
            matches!(
                mixer,
                Mixer::Attention {
                    reach: Reach::Sliding(_),
                    shared_with: None,
                    ..
                }
            )
        })
        .count();
    // Its config has 20 layers that share.
    let comparison = compared(&["llama-3.1-8b", "gemma-4-e2b"]);
    let shared = comparison.row("shared_layers").unwrap();
    assert_eq!(shared.values, [Cell::None, Cell::Number(20)]);
    let told = meaning(&comparison, "window");
    assert!(
        told.starts_with(&format!("the cache of {own} layers ")),
        "{told}"
    );
}

/// A window of 2,048 instead of 1,024 tokens keeps twice as much at 4,096, in 4 layers that all have it.
#[test]
fn a_wider_window_is_told_by_what_it_costs() {
    let window = |tokens: u64| {
        let fields = json!({"model_type": "mistral", "sliding_window": tokens});
        of_config("one", small(&fields))
    };
    let comparison = Comparison::of(&[window(1024), window(2048)], &[]).unwrap();
    let told = meaning(&comparison, "window");
    let begin = "2,048 tokens of window against 1,024: on its own cache at 4k twice";
    assert!(told.starts_with(begin), "{told}");
}

#[test]
fn a_window_beyond_the_context_saves_nothing() {
    let fields = json!({"model_type": "mistral", "sliding_window": 4096});
    let entries = [
        of_config("a", small(&json!({}))),
        of_config("b", small(&fields)),
    ];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    assert_eq!(
        meaning(&comparison, "window"),
        "the cache of 4 layers stops growing at 4,096 tokens, which saves nothing at 4k against no window"
    );
}

#[test]
fn a_gpu_that_refuses_all_is_told_of() {
    let entries = [entry("llama-2-7b"), entry("qwen3-8b")];
    let tried = |reasons: [&str; 2]| Tried {
        gpu: "some".to_owned(),
        fits: reasons.map(|why| Err(why.to_owned())).into(),
    };
    for (reasons, same) in [(["no", "no"], true), (["no", "never"], false)] {
        let comparison = Comparison::of(&entries, &[tried(reasons)]).unwrap();
        let row = comparison.row("fit.some.fits").unwrap();
        assert_eq!(row.why, reasons.map(|why| Some(why.to_owned())));
        assert_eq!(row.same, same);
        assert!(comparison.row("fit.some.requests").is_some());
        assert!(comparison.row("fit_context").is_none());
    }
}

#[test]
fn a_kind_of_rope_changes_no_bytes() {
    let scaling = json!({"rope_scaling": {"rope_type": "yarn", "factor": 8.0}});
    let other = json!({"rope_scaling": {"rope_type": "linear", "factor": 8.0}});
    let entries = [
        of_config("a", small(&scaling)),
        of_config("b", small(&other)),
    ];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    assert_eq!(
        meaning(&comparison, "rope"),
        "rope linear and not yarn: on its own no change of cache, weights or compute"
    );
}

#[test]
fn a_fact_that_no_field_states_is_not_guessed() {
    let config = small(&json!({}));
    let mind = Architecture::from_config(config.clone(), None).unwrap();
    for (key, to) in [
        ("kv_heads", Cell::Number(3)),
        (
            "kv_heads",
            Cell::Text("2 in 2 layers, 4 in 2 layers".to_owned()),
        ),
        ("experts", Cell::Number(8)),
        ("layers", Cell::Number(-1)),
        ("hidden_size", Cell::None),
    ] {
        assert!(
            alone(&mind, &config, None, fact(key), &to).is_none(),
            "{key}"
        );
    }
}

#[test]
fn factors_multiply_to_the_ratio_they_explain() {
    let mut told = 0;
    for known in builtin::ALL.iter() {
        for base in ["llama-2-7b", "deepseek-v3", "qwen3-next-80b-a3b"] {
            let comparison = compared(&[base, &known.name]);
            for row in comparison
                .rows()
                .filter(|row| row.key.starts_with("cache_"))
            {
                let Some((_, why)) = row.meaning[1]
                    .as_deref()
                    .and_then(|text| text.split_once("; "))
                else {
                    continue;
                };
                told += 1;
                let (mut above, mut below) = (1_i128, 1_i128);
                for part in why.split(" x ") {
                    let (_, fraction) = part.rsplit_once(' ').unwrap();
                    let (one, other) = fraction.split_once('/').unwrap();
                    above *= one.replace(',', "").parse::<i128>().unwrap();
                    below *= other.replace(',', "").parse::<i128>().unwrap();
                }
                let [Cell::Number(before), Cell::Number(after)] = row.values[..] else {
                    panic!("{row:?}");
                };
                assert_eq!(before * above, after * below, "{}: {why}", known.name);
            }
        }
    }
    assert!(told > 100, "{told}");
}

#[test]
fn windows_save_what_they_do_not_keep() {
    let fields = json!({"model_type": "mistral", "sliding_window": 1024});
    let entries = [
        of_config("a", small(&json!({}))),
        of_config("b", small(&fields)),
    ];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    // 4 layers of 8 heads of 8 numbers twice in 2 bytes are 1,024 bytes for each token: 3,072 tokens less are 3 MiB.
    assert_eq!(
        meaning(&comparison, "window"),
        "the cache of 4 layers stops growing at 1,024 tokens, which saves 3.00 MiB at 4k against no window"
    );
    let turned = [entries[1].clone(), entries[0].clone()];
    let comparison = Comparison::of(&turned, &[]).unwrap();
    let told = meaning(&comparison, "window");
    assert!(
        told.starts_with("no window; in the first the cache of 4 layers"),
        "{told}"
    );
}

#[test]
fn more_experts_with_as_many_for_a_token_cost_weights_and_not_compute() {
    let config = |experts: u64| {
        json!({
            "model_type": "mixtral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 4,
            "num_attention_heads": 8, "num_key_value_heads": 8, "vocab_size": 100, "num_local_experts": experts,
            "num_experts_per_tok": 2, "torch_dtype": "bfloat16",
        })
    };
    let entries = [of_config("a", config(8)), of_config("b", config(16))];
    let comparison = Comparison::of(&entries, &[]).unwrap();
    let told = meaning(&comparison, "experts");
    assert!(
        told.starts_with("16 experts against 8: on its own weights "),
        "{told}"
    );
    // The router alone has a column more for each expert: 4 x 8 x 64 weights, twice as many operations.
    let flops = comparison.row("flops").unwrap();
    let [Cell::Number(before), Cell::Number(after)] = flops.values[..] else {
        panic!("{flops:?}");
    };
    assert_eq!(after - before, 2 * 4 * 8 * 64);
}

#[test]
fn another_mind_tells_whether_the_weights_can_wear_it() {
    let base = entry("llama-3.1-8b");
    let variant = |fields: &[(String, Value)]| {
        let (model, what_if) = base.model.what_if(fields, None).unwrap();
        Entry {
            model: Arc::new(model),
            assume: None,
            variant: Some(Arc::new(what_if)),
        }
    };
    let worn = variant(&[("rope_theta".to_owned(), json!(1e6))]);
    let torn = variant(&[("num_key_value_heads".to_owned(), json!(4))]);
    let comparison = Comparison::of(&[base.clone(), worn, torn], &[]).unwrap();
    let shown: Value = serde_json::from_str(&comparison.to_json()).unwrap();
    assert_eq!(shown["schema"], super::SCHEMA);
    assert_eq!(shown["models"][0]["variant"], Value::Null);
    assert_eq!(shown["models"][1]["variant"]["same_body"], true);
    assert_eq!(shown["models"][2]["variant"]["same_body"], false);
    assert_eq!(
        shown["models"][2]["name"],
        "llama-3.1-8b with num_key_value_heads=4"
    );
    let class = &shown["models"][2]["variant"]["changes"][0]["class"];
    assert_eq!(class, "structural");
}

#[test]
fn what_is_not_known_of_one_leaves_the_others() {
    let strange = of_config("strange", json!({"model_type": "of tomorrow"}));
    let comparison =
        Comparison::of(&[entry("llama-2-7b"), strange, entry("qwen3-8b")], &[]).unwrap();
    let row: &Row = comparison.row("layers").unwrap();
    assert!(matches!(&row.values[1], Cell::Missing(why) if why.contains("of tomorrow")));
    assert!(!row.same);
    assert_eq!(row.meaning[1], None);
    assert!(row.meaning[2].is_some());
}

#[test]
fn too_few_and_too_many_are_refused() {
    let one = entry("llama-2-7b");
    for count in [0, 1, super::MOST + 1] {
        let error = Comparison::of(&vec![one.clone(); count], &[]).unwrap_err();
        assert!(error.to_string().contains(&count.to_string()), "{error}");
    }
    assert!(Comparison::of(&vec![one; super::MOST], &[]).is_ok());
}

#[test]
fn every_rule_is_of_a_row_and_every_key_is_of_one_fact() {
    let gpu = Catalogue::built_in().find("H100-SXM-80GB").unwrap();
    let names = [
        "llama-3.1-8b",
        "gemma-4-26b-a4b",
        "deepseek-v3",
        "qwen3-next-80b-a3b",
        "whisper-tiny",
    ];
    let entries: Vec<Entry> = names.iter().map(|name| entry(name)).collect();
    let fits = entries
        .iter()
        .map(|one| {
            let subject = Subject::of(&one.model).unwrap();
            let request = Request::new(gpu.clone(), "vllm==0.19.0");
            let fit = request.fit(&subject).map_err(|error| error.to_string())?;
            Ok(Placed {
                subject: Arc::new(subject),
                fit,
            })
        })
        .collect();
    let tried = Tried {
        gpu: gpu.gpu.name.clone(),
        fits,
    };
    let comparison = Comparison::of(&entries, &[tried]).unwrap();
    let keys: Vec<&str> = comparison.rows().map(|row| row.key.as_str()).collect();
    for (at, key) in keys.iter().enumerate() {
        assert!(!keys[..at].contains(key), "{key}");
    }
    // Two with states tell what those of one take against the other's.
    let states = compared(&["qwen3-next-80b-a3b", "nemotron-3-nano-30b-a3b"]);
    // Where one states no rope, as Whisper, one row tells of it.
    let turned = compared(&["llama-3.1-8b", "deepseek-v3"]);
    let all = || comparison.rows().chain(states.rows()).chain(turned.rows());
    for (known, _) in RULES {
        let is_of = |key: &&str| *key == *known || known.ends_with('.') && key.starts_with(known);
        assert!(all().any(|row| is_of(&row.key.as_str())), "{known}");
        // A rule that has nothing to say of any of these is none.
        let told = |row: &Row| is_of(&row.key.as_str()) && row.meaning.iter().any(Option::is_some);
        assert!(all().any(told), "{known}");
    }
}

#[test]
fn what_if_is_the_same_as_the_config_changed() {
    let config = small(&json!({}));
    let fields = [("num_key_value_heads".to_owned(), json!(2))];
    let what_if = WhatIf::derive(&config, &fields, None).unwrap();
    let mind = Architecture::from_config(config.clone(), None).unwrap();
    let changed = alone(&mind, &config, None, fact("kv_heads"), &Cell::Number(2)).unwrap();
    assert_eq!(changed.mind.layers, what_if.architecture.layers);
    assert_eq!(changed.mind.total(), what_if.architecture.total());
}

/// Llama 2 has no `rope_theta` in its published config: what is not stated is told in one row, and not in four.
#[test]
fn a_rope_that_is_not_stated_takes_one_row() {
    let comparison = compared(&["llama-2-7b", "llama-3.1-8b"]);
    let rows: Vec<&str> = comparison
        .rows()
        .map(|row| row.key.as_str())
        .filter(|key| key.starts_with("rope"))
        .collect();
    assert_eq!(rows, ["rope"]);
    let told = "llama3, base 500,000, stretched 8 times from 8,192 tokens";
    let row = comparison.row("rope").unwrap();
    assert_eq!(row.values[1], Cell::Text(told.to_owned()));
    assert!(row.why[0].is_some() && row.why[1].is_none());
}

#[test]
fn what_is_not_known_is_not_nothing() {
    let unknown = of_config("it", json!({"model_type": "of tomorrow"}));
    let comparison = Comparison::of(&[entry("llama-2-7b"), unknown], &[]).unwrap();
    for key in ["parameters", "bytes"] {
        let why = comparison.row(key).unwrap().why[1].clone().unwrap();
        assert!(why.contains("--assume"), "{key}: {why}");
    }
}

#[test]
fn widths_and_heads_that_cannot_be_told_apart_are_told_once() {
    let comparison = compared(&["deepseek-v3", "llama-3.1-8b"]);
    let told: Vec<String> = ["kv_heads", "head_dim"]
        .into_iter()
        .filter_map(|key| comparison.row(key)?.meaning[1].clone())
        .filter(|text| text.contains("in all"))
        .collect();
    assert!(told.len() <= 1, "{told:?}");
}
