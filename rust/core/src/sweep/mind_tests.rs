//! Every row of a sweep over fields of a config is what `fit` says of that config.

use super::tests::{Dice, gpu, number, run};
use super::{Axis, Field, REASONS, Sweep, Target, Value, What};
use crate::architecture::WhatIf;
use crate::deployment::{FitError, Reason};
use crate::engine::samples;
use crate::fit::Fit;
use crate::model::Model;
use crate::parallel::Control;
use crate::request::Request;
use crate::subject::Subject;
use proptest::prelude::*;
use serde_json::Value as Json;
use std::sync::Arc;

/// A field and values for it, as JSON.
type Values = (&'static str, &'static [&'static str]);

/// Models of every kind of mind, with fields of theirs and values for each, of which some can be of no model.
const MINDS: &[(&str, &[Values])] = &[
    (
        "llama-3.1-8b",
        &[
            ("num_hidden_layers", &["1", "3", "40", "0"]),
            ("hidden_size", &["1024", "4096", "5120", "100"]),
            ("intermediate_size", &["8192", "14336", "999"]),
            ("num_attention_heads", &["32", "16", "7"]),
            ("num_key_value_heads", &["8", "4", "3", "null"]),
            ("head_dim", &["64", "128", "null", "\"wide\""]),
            ("vocab_size", &["32000", "128256", "0"]),
            ("max_position_embeddings", &["4096", "131072"]),
            ("tie_word_embeddings", &["true", "false"]),
            ("torch_dtype", &["\"bfloat16\"", "\"float32\""]),
            ("initializer_range", &["0.01", "0.02"]),
        ],
    ),
    (
        "qwen3-30b-a3b",
        &[
            ("num_hidden_layers", &["2", "48"]),
            ("hidden_size", &["1024", "2048"]),
            ("moe_intermediate_size", &["256", "768", "1000"]),
            ("num_experts", &["8", "64", "128", "0"]),
            ("num_experts_per_tok", &["1", "8", "9"]),
            ("intermediate_size", &["2048", "6144", "null"]),
            ("decoder_sparse_step", &["1", "2"]),
            ("mlp_only_layers", &["[]", "[0]"]),
            ("vocab_size", &["1000", "151936"]),
        ],
    ),
    (
        "deepseek-v2-lite",
        &[
            ("num_hidden_layers", &["2", "27"]),
            ("kv_lora_rank", &["256", "512"]),
            ("q_lora_rank", &["null", "768"]),
            ("qk_rope_head_dim", &["32", "64"]),
            ("n_routed_experts", &["16", "64", "3"]),
            ("first_k_dense_replace", &["0", "1", "40"]),
            ("hidden_size", &["1024", "2048"]),
        ],
    ),
    (
        "kimi-linear-48b-a3b",
        &[
            ("hidden_size", &["1024", "2304"]),
            ("num_experts", &["32", "256"]),
            ("kv_lora_rank", &["256", "512"]),
            ("vocab_size", &["1000", "163840"]),
            ("num_hidden_layers", &["8", "27"]),
        ],
    ),
    (
        "mamba-codestral-7b",
        &[
            ("num_hidden_layers", &["4", "64"]),
            ("state_size", &["64", "128"]),
            ("hidden_size", &["2048", "4096"]),
            ("vocab_size", &["1000", "32768"]),
        ],
    ),
    (
        "lfm2-1.2b",
        &[
            ("hidden_size", &["1024", "2048"]),
            ("num_hidden_layers", &["8", "16", "20"]),
            ("num_key_value_heads", &["4", "8"]),
            ("conv_L_cache", &["3", "5"]),
        ],
    ),
    (
        "gemma-3-4b",
        &[
            ("num_hidden_layers", &["6", "34", "40"]),
            ("sliding_window", &["512", "1024"]),
            ("hidden_size", &["1280", "2560"]),
            ("text_config.intermediate_size", &["5120", "10240"]),
            ("vision_config.num_hidden_layers", &["12", "27"]),
        ],
    ),
    (
        "mistral-7b",
        &[
            ("sliding_window", &["null", "1024", "4096"]),
            ("num_hidden_layers", &["8", "32"]),
            ("num_key_value_heads", &["1", "8"]),
            ("intermediate_size", &["7168", "14336"]),
        ],
    ),
    (
        "gpt-oss-20b",
        &[
            ("num_hidden_layers", &["12", "24", "30"]),
            ("num_local_experts", &["8", "32"]),
            ("sliding_window", &["128", "1024"]),
            ("hidden_size", &["1440", "2880"]),
        ],
    ),
];

const ENGINES: &[&str] = &[
    "vllm==0.11.0",
    "vllm==0.19.0",
    "vllm",
    "sglang",
    "llama.cpp",
    "tensorrt-llm",
    "transformers",
];

/// A sweep over some fields of a model on two GPUs, with one context or more and one layout or two.
fn sweep(dice: &mut Dice) -> (Arc<Subject>, Sweep) {
    let (name, fields) = MINDS[dice.roll(MINDS.len())];
    let subject = Arc::new(samples::subject(name));
    let mut points = 1;
    let mut axes = vec![
        Axis::new(
            What::Gpu,
            ["H100-SXM-80GB", "L40S"]
                .map(|name| Value::Gpu(Box::new(gpu(name))))
                .to_vec(),
        )
        .unwrap(),
    ];
    if dice.roll(2) == 0 {
        axes.push(Axis::counts(What::Context, [1000, 4096]).unwrap());
    }
    if dice.roll(2) == 0 {
        axes.push(Axis::counts(What::TensorParallel, [1, 2]).unwrap());
    }
    if dice.roll(2) == 0 {
        axes.push(Axis::texts(What::Weights, &["bf16", "fp8"]).unwrap());
    }
    for _ in 0..5 {
        let (field, values) = fields[dice.roll(fields.len())];
        let what = What::Mind(field.to_owned());
        if axes.iter().any(|axis| axis.what == what) || points * values.len() > 24 {
            continue;
        }
        points *= values.len();
        let values = values
            .iter()
            .map(|text| Value::Json((*text).to_owned()))
            .collect();
        let place = dice.roll(axes.len() + 1);
        axes.insert(place, Axis::new(what, values).unwrap());
    }
    let mut request = Request::new(gpu("H100-SXM-80GB"), ENGINES[dice.roll(ENGINES.len())]);
    request.context = Some(2048);
    request.concurrency = [1, 7][dice.roll(2)];
    let sweep = Sweep::new(
        vec![Target::new(Arc::clone(&subject), None)],
        request,
        axes,
        &[],
    );
    (subject, sweep.unwrap())
}

/// What `fit` says of the config with the fields of a point, which is derived here as for a what-if.
fn fit(subject: &Subject, sweep: &Sweep, point: u64) -> Result<(Fit, u64), FitError> {
    let fields: Vec<(String, Json)> = sweep
        .axes()
        .iter()
        .zip(sweep.at(point).unwrap())
        .filter_map(|(axis, place)| match (&axis.what, &axis.values[place]) {
            (What::Mind(name), Value::Json(text)) => {
                Some((name.clone(), serde_json::from_str(text).unwrap()))
            }
            _ => None,
        })
        .collect();
    let derived = WhatIf::derive(&subject.config, &fields, None);
    let derived = derived.map_err(|error| FitError::new(Reason::Model, error.to_string()))?;
    let mut model = Model::of(String::new(), None, Some(derived.config), None);
    model.processor.clone_from(&subject.processor);
    let changed = Subject::of(&model)?;
    let (_, request) = sweep.point(point).unwrap();
    let parameters = changed.architecture.total().parameters;
    Ok((request.fit(&changed)?, parameters))
}

fn rows_are_those_of_fit(seed: u64) {
    let (subject, sweep) = sweep(&mut Dice(seed));
    let control = Control::default();
    let table = sweep
        .table(
            0..sweep.points(),
            &sweep.columns(),
            run(2, Some(5), &control),
        )
        .unwrap();
    for point in 0..sweep.points() {
        let is = |field: Field| {
            let row = usize::try_from(point).unwrap();
            number(&table, field.name(), row)
        };
        let what = || format!("{} point {point}, seed {seed}", subject.name);
        match fit(&subject, &sweep, point) {
            Ok((fit, parameters)) => {
                let stage = fit.on_fullest();
                assert_eq!(is(Field::Reason), 0, "{}", what());
                for (field, value) in [
                    (Field::Weights, stage.used.weights),
                    (Field::Activations, stage.used.activations),
                    (Field::Overhead, stage.used.overhead),
                    (Field::CudaContext, stage.used.context),
                    (Field::CudaGraphs, stage.used.graphs),
                    (Field::Cache, stage.reserved),
                    (Field::CacheTokens, fit.pool.tokens),
                    (Field::Parameters, parameters),
                ] {
                    assert_eq!(is(field), value.into(), "{} {}", field.name(), what());
                }
                assert_eq!(is(Field::Headroom), fit.headroom, "{}", what());
            }
            Err(error) => {
                let code = REASONS.iter().position(|(known, _)| *known == error.reason);
                let code = code.unwrap() as i128 + 1;
                assert_eq!(is(Field::Reason), code, "{error} {}", what());
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn rows_of_other_minds_are_those_of_fit(seed in any::<u64>()) {
        rows_are_those_of_fit(seed);
    }
}

#[test]
fn models_that_cannot_be_have_the_reason_of_the_model() {
    let target = Target::new(Arc::new(samples::subject("llama-3.1-8b")), None);
    let heads = ["8", "7"].map(|text| Value::Json(text.to_owned()));
    let axis = Axis::new(What::Mind("num_key_value_heads".to_owned()), heads.to_vec());
    let request = Request::new(gpu("H100-SXM-80GB"), "vllm");
    let sweep = Sweep::new(vec![target], request, vec![axis.unwrap()], &[]).unwrap();
    let table = super::tests::whole(&sweep, 1, None);
    let code = REASONS
        .iter()
        .position(|(reason, _)| *reason == Reason::Model)
        .unwrap();
    assert_eq!(number(&table, Field::Reason.name(), 0), 0);
    assert_eq!(number(&table, Field::Reason.name(), 1), code as i128 + 1);
}

#[test]
fn a_field_with_a_slip_is_refused_with_the_one_it_may_mean() {
    let subject = Arc::new(samples::subject("llama-3.1-8b"));
    let sweep = |field: &str| {
        let values = ["8", "16"].map(|text| Value::Json(text.to_owned()));
        Sweep::new(
            vec![Target::new(Arc::clone(&subject), None)],
            Request::new(gpu("H100-SXM-80GB"), "vllm"),
            vec![Axis::new(What::Mind(field.to_owned()), values.to_vec()).unwrap()],
            &[],
        )
    };
    let error = sweep("num_hidden_layer").unwrap_err();
    assert!(
        error.message.contains("did you mean num_hidden_layers?"),
        "{error}"
    );
    // In the config, though nothing reads it; read, though not in the config; and like nothing that is read.
    for known in ["num_hidden_layers", "bos_token_id", "head_dim", "foo"] {
        assert_eq!(sweep(known).unwrap().points(), 2, "{known}");
    }
}
