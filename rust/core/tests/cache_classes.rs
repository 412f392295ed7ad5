//! Caches of small models that were run for real with transformers, against what the engine sets aside: every byte of
//! every layer.
//!
//! A handful of runs lies in `tests/golden/transformers_caches.json`, with where each is from. Prompts of models that gather
//! several tokens in one entry end where most of them wait, for that is what has to be set aside. Where the folder of all
//! runs lies beside the project, they are all held against.

use pondera::architecture::Architecture;
use pondera::architecture::layer::{Layer, Reach};
use pondera::deployment::{Deployment, Options, Settings};
use pondera::engine::{self, Rank};
use pondera::hardware::Gpu;
use pondera::memory::ledger::Account;
use pondera::memory::stage::Stage;
use pondera::memory::store::{Kept, Store};
use pondera::model::Model;
use pondera::model::builtin::ALL;
use pondera::subject::Subject;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was measured of one cache.
#[derive(Debug)]
struct Measured {
    batch: u64,
    tokens: u64,
    dtype: String,
    encoder_tokens: Option<u64>,
    /// Bytes of each layer that holds any; nothing where one tensor holds something of all layers.
    layers: BTreeMap<u64, u64>,
    total: u64,
    /// Bytes of the memory behind, if that was measured.
    storage: Option<u64>,
    /// Whether the prompt alone went through.
    prefill: bool,
}

/// A model that was run.
#[derive(Debug)]
struct Case {
    name: String,
    transformers: String,
    config: Value,
    measured: Vec<Measured>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn number(value: &Value, key: &str) -> u64 {
    value[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} in {value}"))
}

fn golden() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/golden/transformers_caches.json")).unwrap();
    let cases: Value = serde_json::from_str(&text).unwrap();
    let cases = cases["cases"].as_array().unwrap().iter().map(|case| Case {
        name: case["name"].as_str().unwrap().to_owned(),
        transformers: case["transformers"].as_str().unwrap().to_owned(),
        config: case["config"].clone(),
        measured: case["measured"]
            .as_array()
            .unwrap()
            .iter()
            .map(|measured| Measured {
                batch: number(measured, "batch"),
                tokens: number(measured, "tokens"),
                dtype: measured["dtype"].as_str().unwrap().to_owned(),
                encoder_tokens: measured["encoder_tokens"].as_u64(),
                layers: measured["layers"]
                    .as_object()
                    .unwrap()
                    .iter()
                    .map(|(layer, bytes)| (layer.parse().unwrap(), bytes.as_u64().unwrap()))
                    .collect(),
                total: number(measured, "total_bytes"),
                storage: measured["storage_bytes"].as_u64(),
                prefill: measured["prefill"].as_bool().unwrap(),
            })
            .collect(),
    });
    cases.collect()
}

/// All runs, if they lie beside the project.
fn beside() -> Vec<Case> {
    let Ok(folder) = fs::read_dir(root().join("../shared/tiny")) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = folder
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        Case {
            name: path.file_stem().unwrap().to_string_lossy().into_owned(),
            transformers: case["transformers"].as_str().unwrap().to_owned(),
            config: case["config"].clone(),
            measured: case["cache"]
                .as_array()
                .unwrap()
                .iter()
                .map(of_run)
                .collect(),
        }
    };
    paths.into_iter().map(read).collect()
}

fn of_run(run: &Value) -> Measured {
    let mut layers = BTreeMap::new();
    for part in run["layers"].as_array().unwrap() {
        let bytes = number(part, "bytes");
        if bytes > 0 {
            *layers.entry(number(part, "layer")).or_default() += bytes;
        }
    }
    let is_cross = |part: &Value| part["part"] == "cross";
    let encoder = run["layers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|part| is_cross(part));
    Measured {
        batch: number(run, "batch"),
        tokens: number(run, "tokens"),
        dtype: run["dtype"].as_str().unwrap().to_owned(),
        encoder_tokens: encoder.and_then(|part| part["shapes"][0][2][2].as_u64()),
        layers: if run["cache_class"] == "list" {
            BTreeMap::new()
        } else {
            layers
        },
        total: number(run, "total_bytes"),
        storage: run["storage_bytes"].as_u64(),
        prefill: run["via"] == "forward(use_cache=True), prefill",
    }
}

/// A model of a config in a dtype, and how it is run.
struct Run {
    subject: Subject,
    deployment: Deployment,
    settings: Settings,
    encoder_tokens: Option<u64>,
}

impl Run {
    /// `None` if the config is of no model that is known.
    fn of(case: &Case, measured: &Measured) -> Option<Self> {
        let mut config = case.config.clone();
        for part in ["", "/text_config"] {
            if let Some(fields) = config.pointer_mut(part).and_then(Value::as_object_mut) {
                fields.remove("torch_dtype");
                fields.insert("dtype".to_owned(), measured.dtype.as_str().into());
            }
        }
        let architecture = Architecture::from_config(config.clone(), None).ok()?;
        let subject = Subject::of(&Model {
            name: case.name.clone(),
            checkpoint: None,
            config: Some(Arc::new(config)),
            architecture: Ok(Arc::new(architecture)),
            disagreements: Vec::new(),
            processor: None,
        })
        .unwrap();
        let engine = format!("transformers=={}", case.transformers);
        let deployment = Deployment {
            gpu: Arc::new(Gpu::of_size("test", 1 << 36)),
            engine: engine::find(&engine, &mut Vec::new()).unwrap(),
            weights: None,
            cache: None,
            context: Some(measured.tokens),
            concurrency: measured.batch,
            options: Options {
                eager: true,
                ..Options::default()
            },
        };
        let settings = deployment
            .engine
            .settle(&subject, &deployment, &mut Vec::new())
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        Some(Self {
            subject,
            deployment,
            settings,
            encoder_tokens: measured.encoder_tokens,
        })
    }

    /// Each layer of the decoder by itself, with one of its stores or all of them.
    fn layers(&self, whole: bool) -> Vec<(&Layer, Vec<Store>)> {
        let mut found = Vec::new();
        for layer in self.subject.architecture.decoder() {
            let mut stores = Store::of(layer, 1);
            if self.encoder_tokens.is_none() {
                // What was not seen is not kept: these ran without an image.
                stores.retain(|store| !matches!(store, Store::Cross { .. }));
            }
            if whole {
                found.push((layer, stores));
            } else {
                found.extend(stores.into_iter().map(|store| (layer, vec![store])));
            }
        }
        found
    }

    fn rank<'a>(&'a self, stage: &'a Stage, layers: Vec<(&'a Layer, Vec<Store>)>) -> Rank<'a> {
        let (layers, stores): (_, Vec<_>) = layers
            .into_iter()
            .map(|(layer, stores)| (layer, stores.into()))
            .unzip();
        Rank {
            subject: &self.subject,
            deployment: &self.deployment,
            settings: &self.settings,
            stage,
            layers,
            stores: stores.into(),
            kept: Kept {
                format: self.settings.cache,
                model_bytes: self.settings.model_bytes,
                encoder_tokens: self.encoder_tokens.unwrap_or(0),
            },
        }
    }

    fn reserved(&self, layers: Vec<(&Layer, Vec<Store>)>) -> u64 {
        let stage = Stage {
            index: 0,
            of: 1,
            layers: 0..1,
        };
        let plan = self
            .deployment
            .engine
            .cache(&[self.rank(&stage, layers)])
            .unwrap();
        plan.reserved(self.settings.context, self.settings.concurrency)
            .into_iter()
            .sum()
    }
}

/// Models whose class does with its cache something else than to write token by token.
const OTHERWISE: &[(&str, &str)] = &[(
    "diffusion_gemma",
    "one run draws a block of tokens, which it does not keep before it is done",
)];

/// Checks a case and tells how many caches were compared.
fn check(case: &Case) -> usize {
    let mut compared = 0;
    for measured in &case.measured {
        let place = format!(
            "{} in transformers {}, {} tokens in {}",
            case.name, case.transformers, measured.tokens, measured.dtype
        );
        let Some(run) = Run::of(case, measured) else {
            break;
        };
        let by_layer = |whole: bool| -> Vec<u64> {
            run.layers(whole)
                .into_iter()
                .map(|layer| run.reserved(vec![layer]))
                .collect()
        };
        let held: Vec<u64> = by_layer(true)
            .into_iter()
            .filter(|bytes| *bytes > 0)
            .collect();
        let expected: Vec<u64> = measured.layers.values().copied().collect();
        if held.len() == expected.len() {
            assert_eq!(held, expected, "{place}");
        } else if !expected.is_empty() {
            // Two attentions in one layer are two layers to the class.
            assert_eq!(by_layer(false), expected, "{place}");
        }
        assert_eq!(run.reserved(run.layers(true)), measured.total, "{place}");
        compared += 1;
        let Some(storage) = measured.storage.filter(|_| measured.prefill) else {
            continue;
        };
        // Positions are all the same memory, seen several times, until the next token.
        if storage < measured.total {
            continue;
        }
        let stage = Stage {
            index: 0,
            of: 1,
            layers: 0..1,
        };
        let mut account = Account::default();
        let rank = run.rank(&stage, run.layers(true));
        run.deployment.engine.activations(&rank, &mut account);
        let behind: u64 = account
            .0
            .iter()
            .filter(|part| part.name == "prompt behind windows")
            .map(|part| part.bytes)
            .sum();
        assert_eq!(measured.total + behind, storage, "behind slices: {place}");
    }
    compared
}

#[test]
fn caches_are_held_to_the_byte() {
    let cases = golden();
    assert!(cases.len() >= 30);
    for case in &cases {
        assert!(check(case) > 0, "{} was not compared", case.name);
    }
}

#[test]
fn so_are_all_that_lie_beside() {
    let cases = beside();
    let mut known = 0;
    for case in &cases {
        if OTHERWISE.iter().any(|(name, _)| *name == case.name) {
            continue;
        }
        known += check(case);
    }
    if !cases.is_empty() {
        assert!(known >= 400, "{known} caches were compared");
    }
}

/// Bytes of one entry of every window: the classes keep one less than is of use to the next token, which sees itself too.
fn one_of_each_window(stores: &[Store], kept: &Kept) -> u64 {
    let windowed = stores.iter().filter(|store| match store {
        Store::KeyValue { reach, .. } | Store::Latent { reach, .. } => *reach != Reach::Full,
        Store::Compressed { .. } => true,
        _ => false,
    });
    windowed.map(|store| store.row(kept)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn caches_grow_with_tokens_and_sequences_and_hold_what_is_needed(
        at in 0..ALL.len(),
        version in select(vec!["4.57.1", "5.4", "5.16", "5.23"]),
        tokens in 1_u64..200_000,
        more in 1_u64..5_000,
        batch in 1_u64..64,
    ) {
        let model = &ALL[at];
        let case = Case {
            name: model.name.clone(),
            transformers: version.to_owned(),
            config: model.config.clone(),
            measured: Vec::new(),
        };
        let run = |tokens: u64, batch: u64| {
            let measured = Measured {
                batch,
                tokens,
                dtype: "bfloat16".to_owned(),
                encoder_tokens: Some(7),
                layers: BTreeMap::new(),
                total: 0,
                storage: None,
                prefill: false,
            };
            let run = Run::of(&case, &measured).unwrap();
            (run.reserved(run.layers(true)), run)
        };
        let (here, one) = run(tokens, batch);
        prop_assert!(run(tokens + more, batch).0 >= here);
        prop_assert!(run(tokens, batch + 1).0 > here || here == 0);
        if version == "5.23" {
            let stage = Stage { index: 0, of: 1, layers: 0..1 };
            let rank = one.rank(&stage, one.layers(true));
            let less: u64 = rank
                .stores
                .iter()
                .map(|stores| one_of_each_window(stores, &rank.kept))
                .sum();
            prop_assert!(here + less * batch >= rank.needed(tokens, batch));
        }
    }
}
