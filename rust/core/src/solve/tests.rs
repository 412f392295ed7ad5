//! Searches held against hand-made sums, borders and brute force.

use super::plain_engine::{BLOCK, Plain, deployment as on};
use super::{
    Answer, Bound, Change, Memory, Precision, Prices, best_quantization, cheapest_gpu,
    max_concurrency, max_context, min_gpus, nearest,
};
use crate::deployment::{Deployment, Share};
use crate::fit::{OnStage, fit};
use crate::hardware::Catalogue;
use crate::memory::layout::Parallel;
use crate::model::Model;
use crate::quantization::scheme::Scheme;
use crate::subject::Subject;
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;

/// Llama with 4 layers, 8 heads of 16, 4 of keys and values: a token takes 4 x 2 x 4 x 16 x 2 = 1024 bytes.
fn small(context: u64) -> Subject {
    let config = json!({
        "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 128,
        "intermediate_size": 256, "num_hidden_layers": 4, "num_attention_heads": 8,
        "num_key_value_heads": 4, "head_dim": 16, "vocab_size": 512, "max_position_embeddings": context,
        "rms_norm_eps": 1e-6, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    });
    subject(config)
}

fn mixture() -> Subject {
    let config = json!({
        "model_type": "mixtral", "architectures": ["MixtralForCausalLM"], "hidden_size": 128,
        "intermediate_size": 256, "num_hidden_layers": 3, "num_attention_heads": 4,
        "num_key_value_heads": 2, "head_dim": 32, "vocab_size": 512, "max_position_embeddings": 4096,
        "num_local_experts": 4, "num_experts_per_tok": 2, "rms_norm_eps": 1e-6,
        "tie_word_embeddings": false, "torch_dtype": "bfloat16",
    });
    subject(config)
}

fn subject(config: serde_json::Value) -> Subject {
    Subject::of(&Model::of("test".to_owned(), None, Some(config), None)).unwrap()
}

/// Bytes of the weights of `small`: table and head 2 x 512 x 128; per layer queries and outputs 2 x 128 x 128, keys and
/// values 2 x 64 x 128, feed-forward 3 x 128 x 256, norms 2 x 128; the last norm 128; two bytes each.
const WEIGHTS: u64 =
    2 * (2 * 512 * 128 + 4 * (2 * 128 * 128 + 2 * 64 * 128 + 3 * 128 * 256 + 256) + 128);

/// Bytes of a token of `small`.
const TOKEN: u64 = 1024;

fn found(answer: &Answer) -> (u64, &Bound) {
    let limit = answer.limit().expect("something fits");
    assert!(limit.fit.fits());
    (limit.value, &limit.binds)
}

#[test]
fn the_context_ends_where_the_next_block_has_no_room() {
    let room = 100 * BLOCK * TOKEN + 7;
    let answer = max_context(&small(1 << 20), &on(WEIGHTS + room, Plain::default())).unwrap();
    assert_eq!(found(&answer), (100 * BLOCK, &Bound::Cache));
    assert_eq!(answer.limit().unwrap().memory, Memory::Holds(100 * BLOCK));
    assert_eq!(answer.fit().settings.context, 100 * BLOCK);
    // With three requests each has a third of the blocks.
    let deployment = Deployment {
        concurrency: 3,
        ..on(WEIGHTS + room, Plain::default())
    };
    let answer = max_context(&small(1 << 20), &deployment).unwrap();
    assert_eq!(found(&answer), (33 * BLOCK, &Bound::Cache));
}

#[test]
fn the_context_of_the_model_binds_and_memory_is_told_beside() {
    let room = 100 * BLOCK * TOKEN;
    let answer = max_context(&small(1000), &on(WEIGHTS + room, Plain::default())).unwrap();
    assert_eq!(found(&answer), (1000, &Bound::ModelContext));
    assert_eq!(answer.limit().unwrap().memory, Memory::Holds(1600));
    let refusing = Plain {
        longest: 500,
        ..Plain::default()
    };
    let answer = max_context(&small(1000), &on(WEIGHTS + room, refusing)).unwrap();
    assert_eq!(found(&answer).0, 500);
    assert_eq!(answer.binds().name(), "refused");
    assert_eq!(answer.limit().unwrap().memory, Memory::Unknown);
}

#[test]
fn activations_bind_where_they_grow_more_than_the_cache() {
    let engine = Plain {
        per_token: 40_000,
        ..Plain::default()
    };
    let answer = max_context(&small(1 << 20), &on(WEIGHTS + 41_024 * 64, engine)).unwrap();
    // Up to a border of blocks only activations grow: 64 tokens take 64 (1024 + 40000).
    assert_eq!(found(&answer), (64, &Bound::Activations));
}

#[test]
fn the_gpu_binds_where_the_budget_does_not() {
    let engine = Plain {
        beyond: 10 * BLOCK * TOKEN,
        ..Plain::default()
    };
    let answer = max_context(&small(1 << 20), &on(WEIGHTS + 100 * BLOCK * TOKEN, engine)).unwrap();
    assert_eq!(found(&answer), (90 * BLOCK, &Bound::Memory));
}

#[test]
fn what_does_not_fit_at_all_says_what_is_in_the_way() {
    let model = small(4096);
    for (bytes, bound) in [
        (WEIGHTS - 1, Bound::Weights),
        (WEIGHTS, Bound::Cache),
        (WEIGHTS + BLOCK * TOKEN - 1, Bound::Cache),
    ] {
        let answer = max_context(&model, &on(bytes, Plain::default())).unwrap();
        assert!(answer.limit().is_none());
        assert_eq!(*answer.binds(), bound);
        assert!(!answer.fit().fits());
    }
    let engine = Plain {
        per_token: 1 << 30,
        ..Plain::default()
    };
    let answer = max_context(&model, &on(WEIGHTS + (1 << 20), engine)).unwrap();
    assert_eq!(*answer.binds(), Bound::Activations);
}

#[test]
fn requests_end_with_the_cache_or_with_the_sequences_of_the_engine() {
    let deployment = Deployment {
        context: Some(100),
        ..on(WEIGHTS + 50 * 7 * BLOCK * TOKEN, Plain::default())
    };
    // A request of 100 tokens takes 7 blocks.
    let answer = max_concurrency(&small(4096), &deployment).unwrap();
    assert_eq!(found(&answer), (50, &Bound::Cache));
    let mut few = deployment;
    few.options.sequences = Some(20);
    let answer = max_concurrency(&small(4096), &few).unwrap();
    assert_eq!(found(&answer), (20, &Bound::Sequences));
    assert_eq!(answer.limit().unwrap().memory, Memory::Holds(50));
}

#[test]
fn what_takes_no_more_with_length_ends_only_with_the_numbers() {
    let config = json!({
        "model_type": "mamba", "architectures": ["MambaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2,
        "state_size": 16, "conv_kernel": 4, "expand": 2, "time_step_rank": 4, "vocab_size": 128,
        "torch_dtype": "bfloat16",
    });
    let answer = max_context(&subject(config), &on(10 << 20, Plain::default())).unwrap();
    assert_eq!(found(&answer), (crate::engine::MOST, &Bound::Numbers));
    assert_eq!(answer.limit().unwrap().memory, Memory::Endless);
}

/// The fewest GPUs by trying every layout there is.
fn brute_force(subject: &Subject, deployment: &Deployment, most: u64) -> Option<(u64, u64)> {
    let mut best: Option<(u64, u64)> = None;
    for tensor in 1..=8 {
        for pipeline in 1..=most {
            for data in 1..=most {
                for expert in 1..=most {
                    let mut candidate = deployment.clone();
                    candidate.options.parallel = Parallel {
                        tensor,
                        pipeline,
                        expert,
                        data,
                        context: 1,
                    };
                    let gpus = tensor * pipeline * data;
                    if gpus > most || (expert != 1 && expert != tensor * data) {
                        continue;
                    }
                    if let Ok(fit) = fit(subject, &candidate)
                        && fit.fits()
                    {
                        let bytes = fit.stages.iter().map(OnStage::total).max().unwrap();
                        let this = (gpus, bytes);
                        best = Some(best.map_or(this, |known| known.min(this)));
                    }
                }
            }
        }
    }
    best
}

#[test]
fn the_fewest_gpus_are_those_of_brute_force() {
    const MOST: u64 = 12;
    for (model, weights) in [(small(4096), WEIGHTS), (mixture(), 2_600_000)] {
        for eighths in [1, 2, 3, 5, 7, 9, 16] {
            for context in [16, 512, 4096] {
                let deployment = Deployment {
                    context: Some(context),
                    concurrency: 4,
                    ..on(weights * eighths / 8, Plain::default())
                };
                let expected = brute_force(&model, &deployment, MOST);
                let answer = min_gpus(&model, &deployment, MOST).unwrap();
                let got = answer.limit().map(|limit| {
                    let totals = limit.fit.stages.iter().map(OnStage::total);
                    (limit.value, totals.max().unwrap())
                });
                assert_eq!(got, expected, "{eighths} {context}");
                if let Some(limit) = answer.limit() {
                    assert_eq!(limit.fit.gpus, limit.value);
                    assert_eq!(limit.value == 1, limit.binds == Bound::Least);
                } else {
                    assert!(answer.binds().is_bytes());
                }
            }
        }
    }
}

#[test]
fn quantization_is_the_least_that_fits() {
    let mut model = small(4096);
    // As if it were stored in 32 bits.
    let wide = Scheme::named("fp32").unwrap();
    model.stored = Arc::new(model.pieces(Some(&wide)).into_owned());
    let with = |bytes| {
        let deployment = Deployment {
            context: Some(16),
            ..on(bytes, Plain::default())
        };
        best_quantization(&model, &deployment).unwrap()
    };
    let block = BLOCK * TOKEN;
    let Precision::Found { scheme, binds, .. } = with(2 * WEIGHTS + block) else {
        panic!("it fits as it is");
    };
    assert!(scheme.is_none());
    assert_eq!(binds, Bound::Least);
    let Precision::Found { scheme, binds, fit } = with(WEIGHTS + block) else {
        panic!("it fits in 16 bits");
    };
    assert_eq!(scheme.unwrap().name, "bf16");
    assert_eq!(binds, Bound::Weights);
    assert!(fit.fits());
    let Precision::Nothing(nothing) = with(1000) else {
        panic!("nothing fits in a kilobyte");
    };
    assert_eq!(nothing.binds, Bound::Weights);
}

#[test]
fn prices_are_exact_and_checked() {
    let catalogue = Catalogue::built_in();
    let read = |text: &str| Prices::parse(text, catalogue);
    let prices = read("H100-SXM-80GB = 2.99\n\"NVIDIA L40S\" = \"0.861\"\nrtx-4090 = 1").unwrap();
    let listed: Vec<_> = prices
        .iter()
        .map(|priced| (priced.gpu.name.as_str(), priced.each.0))
        .collect();
    assert_eq!(
        listed,
        [
            ("H100-SXM-80GB", 2_990_000),
            ("L40S", 861_000),
            ("RTX-4090", 1_000_000)
        ]
    );
    let shown: Vec<_> = prices
        .iter()
        .map(|priced| priced.each.to_string())
        .collect();
    assert_eq!(shown, ["2.99", "0.861", "1.00"]);
    assert!(prices.iter().all(|priced| priced.assumed.is_none()));
    let loose = read("h100 = 1").unwrap();
    let said: Vec<_> = loose
        .iter()
        .map(|priced| priced.assumed.as_deref())
        .collect();
    assert!(said.len() == 1 && said[0].is_some(), "{said:?}");
    for (text, part) in [
        ("", "no prices"),
        ("H900 = 1", "no GPU is known"),
        ("L40S = -1", "above 0"),
        ("L40S = 0", "above 0"),
        ("L40S = 1.2345678", "six decimals"),
        ("L40S = inf", "above 0"),
        ("L40S = 1e3", "above 0"),
        ("L40S = 1\n\"NVIDIA L40S\" = 2", "second price"),
        ("L40S = [1]", "above 0"),
        ("L40S", "write lines such as"),
    ] {
        let error = read(text).unwrap_err().to_string();
        assert!(
            error.contains(part) || part == "six decimals" && error.contains("6 decimals"),
            "{text}: {error}"
        );
    }
}

#[test]
fn the_cheapest_is_price_times_the_fewest() {
    let catalogue = Catalogue::built_in();
    let model = Model::open(
        "llama-3.1-8b",
        None,
        1,
        &crate::parallel::Control::default(),
    )
    .unwrap();
    let model = Subject::of(&model).unwrap();
    let deployment = Deployment {
        context: Some(4096),
        ..on(1, Plain::default())
    };
    // 16 GB of weights: one H100, one L40S, one RTX 4090 (24 GiB), two of 12 GiB.
    let prices = Prices::parse(
        "H100-SXM-80GB = 2.99\nL40S = 0.86\nRTX-3060-12GB = 0.4299\nRTX-4090 = 0.87",
        catalogue,
    )
    .unwrap();
    let offers = cheapest_gpu(&model, &deployment, &prices, 16);
    let listed: Vec<_> = offers
        .iter()
        .map(|offer| {
            let gpus = offer.answer.as_ref().unwrap().limit().unwrap().value;
            (offer.gpu.name.as_str(), gpus, offer.total().unwrap().0)
        })
        .collect();
    assert_eq!(
        listed,
        [
            ("RTX-3060-12GB", 2, 859_800),
            ("L40S", 1, 860_000),
            ("RTX-4090", 1, 870_000),
            ("H100-SXM-80GB", 1, 2_990_000)
        ]
    );
}

#[test]
fn the_nearest_all_fit_and_change_one_thing() {
    let model = small(4096);
    let deployment = Deployment {
        context: Some(4096),
        concurrency: 4,
        ..on(WEIGHTS + 3 * 4096 * TOKEN, Plain::default())
    };
    assert!(!fit(&model, &deployment).unwrap().fits());
    let alternatives = nearest(&model, &deployment, Catalogue::built_in());
    assert!(
        alternatives
            .iter()
            .all(|alternative| alternative.fit.fits())
    );
    let changes: Vec<_> = alternatives.into_iter().map(|a| a.change).collect();
    assert_eq!(changes[0], Change::Context(3072));
    assert_eq!(changes[1], Change::Concurrency(3));
    assert!(matches!(changes[2], Change::Gpus(2, _)));
    assert!(changes.contains(&Change::Cache("fp8")));
    assert!(matches!(changes.last(), Some(Change::Gpu(..))));
}

#[test]
fn nothing_is_nearer_than_what_fits() {
    let model = small(4096);
    let deployment = on(WEIGHTS + 4096 * TOKEN, Plain::default());
    assert!(fit(&model, &deployment).unwrap().fits());
    assert!(nearest(&model, &deployment, Catalogue::built_in()).is_empty());
}

/// Shares that are too small for the cache and too large for the memory that the engine holds beyond them.
#[test]
fn the_nearest_share_of_the_memory_is_found_both_ways() {
    let model = small(4096);
    let needed = WEIGHTS + 4096 * TOKEN;
    let with = |share: u32, bytes: u64| {
        let mut deployment = on(bytes, Plain::default());
        deployment.options.memory_utilization = Some(Share(share));
        let changes = nearest(&model, &deployment, Catalogue::built_in());
        let share = changes.iter().find_map(|one| match one.change {
            Change::Utilization(share) => Some(share),
            _ => None,
        });
        let asked = |share| {
            let mut asked = deployment.clone();
            asked.options.memory_utilization = Some(share);
            asked
        };
        assert!(share.is_none_or(|share| fit(&model, &asked(share)).unwrap().fits()));
        share
    };
    assert_eq!(with(500_000, 2 * needed - 2), Some(Share(510_000)));
    assert_eq!(with(100_000, needed * 10 / 8), Some(Share(800_000)));
    assert_eq!(with(900_000, needed - 1), None);
}

/// Eight ranks keep each of four heads of keys and values twice; two stages of four ranks do not.
#[test]
fn another_layout_on_as_many_gpus_comes_first_and_no_other_number_of_gpus() {
    let model = small(4096);
    let deployment = |tensor: u64| {
        let mut deployment = on(WEIGHTS / 4 + 16 * 4096 * TOKEN / 5, Plain::default());
        deployment.concurrency = 16;
        deployment.options.parallel.tensor = tensor;
        deployment
    };
    let asked = deployment(4);
    assert!(!fit(&model, &asked).unwrap().fits());
    let changes = nearest(&model, &asked, Catalogue::built_in());
    let kinds: Vec<_> = changes.iter().map(|one| one.change.name()).collect();
    assert!(!kinds.contains(&"parallel"), "{kinds:?}");
    assert!(kinds.contains(&"gpus"), "{kinds:?}");
    let asked = deployment(8);
    assert!(!fit(&model, &asked).unwrap().fits());
    let changes = nearest(&model, &asked, Catalogue::built_in());
    let Change::Layout(parallel) = changes[0].change else {
        panic!("{changes:?}");
    };
    assert_eq!(parallel.tensor * parallel.pipeline, 8);
    assert!(parallel.pipeline > 1);
    let kinds: Vec<_> = changes.iter().map(|one| one.change.name()).collect();
    assert!(!kinds.contains(&"gpus"), "{kinds:?}");
}

proptest! {
    /// What is found fits; one token, or one request, more does not, unless the model or the engine ends there.
    #[test]
    fn borders_hold(
        room in 0_u64..20_000_000,
        per_token in 0_u64..3000,
        beyond in 0_u64..100_000,
        requests in 1_u64..40,
        tensor in prop::sample::select(vec![1_u64, 2, 4]),
        pipeline in 1_u64..=4,
        utilization in 500_000_u32..=1_000_000,
    ) {
        let model = small(8192);
        let engine = Plain { per_token, beyond, sequences: 64, ..Plain::default() };
        let mut deployment = Deployment {
            context: Some(1000),
            concurrency: requests,
            ..on(WEIGHTS / tensor / pipeline + room, engine)
        };
        deployment.options.parallel.tensor = tensor;
        deployment.options.parallel.pipeline = pipeline;
        deployment.options.memory_utilization = Some(Share(utilization));
        let fits = |change: &dyn Fn(&mut Deployment)| {
            let mut changed = deployment.clone();
            change(&mut changed);
            fit(&model, &changed).is_ok_and(|fit| fit.fits())
        };
        let context = max_context(&model, &deployment).unwrap();
        let at = |tokens| fits(&|changed| changed.context = Some(tokens));
        match context.limit() {
            None => prop_assert!(!at(1)),
            Some(limit) => {
                prop_assert!(limit.fit.fits() && at(limit.value) && at(limit.value.div_ceil(2)));
                prop_assert_eq!(limit.binds == Bound::ModelContext, limit.value == 8192);
                if limit.value < 8192 {
                    prop_assert!(!at(limit.value + 1) && !at(8192));
                }
            }
        }
        let most = max_concurrency(&model, &deployment).unwrap();
        let at = |requests| fits(&|changed| changed.concurrency = requests);
        match most.limit() {
            None => prop_assert!(!at(1)),
            Some(limit) => {
                prop_assert!(limit.fit.fits() && at(limit.value) && at(limit.value.div_ceil(2)));
                if limit.binds == Bound::Sequences {
                    prop_assert!(limit.value == 64 && !at(65));
                } else {
                    prop_assert!(!at(limit.value + 1) && !at(10 * limit.value));
                }
            }
        }
    }
}
