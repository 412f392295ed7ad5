//! The rules of TensorRT-LLM on models whose shapes are known.

use crate::deployment::{Deployment, FitError, Reason, Share};
use crate::engine::samples::{asked, changed, put_on, subject};
use crate::fit::{Fit, fit};
use crate::quantization::cache_format::CacheFormat;

fn on(name: &str, change: impl FnOnce(&mut Deployment)) -> Result<Fit, FitError> {
    changed("trtllm", name, change)
}

fn reserved(name: &str, change: impl FnOnce(&mut Deployment)) -> u64 {
    on(name, change).unwrap().on_fullest().reserved
}

#[test]
fn blocks_hold_thirty_two_tokens_of_all_layers() {
    // Llama 3.1 8B: 32 layers, 8 heads of 128: 128 KiB per token.
    let token = 32 * 8 * 128 * 2 * 2;
    assert_eq!(
        reserved("llama-3.1-8b", |it| it.context = Some(33)),
        64 * token
    );
    let fewer = reserved("llama-3.1-8b", |it| {
        it.context = Some(33);
        it.options.block = Some(64);
        it.concurrency = 3;
        it.cache = CacheFormat::named("fp8").ok();
    });
    assert_eq!(fewer, 3 * 64 * token / 2);
    // Four bits and a scale of eight for sixteen of them.
    let four = reserved("llama-3.1-8b", |it| {
        it.cache = CacheFormat::named("nvfp4").ok();
    });
    assert_eq!(four, 8192 * token / 32 * 9);
    // One latent, for all ranks the same.
    let latent = |tensor| reserved("deepseek-v2-lite", |it| it.options.parallel.tensor = tensor);
    assert_eq!(latent(1), 8192 * 27 * 576 * 2);
    assert_eq!(latent(4), latent(1));
}

#[test]
fn the_cache_has_nine_tenths_of_what_is_free() {
    let fit = on("llama-3.1-8b", |it| put_on(it, "H100-SXM-80GB")).unwrap();
    let stage = fit.on_fullest();
    let free = i128::from(fit.usable) - i128::from(stage.used.total());
    assert_eq!(stage.room, free * 9 / 10);
    let blocks = u64::try_from(stage.room).unwrap() / (32 * 128 * 1024);
    assert_eq!(fit.pool.blocks, Some(blocks));
    assert_eq!(fit.pool.tokens, blocks * 32);
    assert_eq!(fit.pool.concurrency, Some((blocks, 256)));
    let half = on("llama-3.1-8b", |it| {
        put_on(it, "H100-SXM-80GB");
        it.options.memory_utilization = Some(Share(450_000));
    });
    assert_eq!(half.unwrap().on_fullest().room, free * 45 / 100);
}

#[test]
fn states_are_kept_for_every_sequence() {
    let state = 30 * (32 * 128 * 128 * 4 + 8192 * 3 * 2);
    let of = |sequences| {
        reserved("qwen3.5-35b-a3b", |it| {
            it.options.sequences = Some(sequences);
        })
    };
    assert_eq!(of(8) - of(7), state);
}

#[test]
fn the_fewest_blocks_of_a_pipeline_decide() {
    let fit = on("qwen3-32b", |it| {
        put_on(it, "H100-SXM-80GB");
        it.options.parallel.pipeline = 2;
    })
    .unwrap();
    let blocks: Vec<u64> = fit
        .stages
        .iter()
        .map(|stage| u64::try_from(stage.room).unwrap() / (32 * 32 * 8 * 128 * 4))
        .collect();
    assert_eq!(fit.pool.blocks, blocks.iter().min().copied());
}

#[test]
fn more_is_never_less_and_room_covers_need() {
    for name in [
        "qwen3-32b",
        "gpt-oss-20b",
        "gemma-3-27b",
        "qwen3.5-35b-a3b",
        "deepseek-v2-lite",
    ] {
        let subject = subject(name);
        let mut last = 0;
        for context in [1, 31, 32, 33, 5000, 100_000] {
            let mut inner = 0;
            for concurrency in [1, 2, 64, 2048] {
                let fit = fit(&subject, &asked("tensorrt-llm", context, concurrency)).unwrap();
                let stage = fit.on_fullest();
                assert!(
                    stage.reserved >= inner.max(stage.needed),
                    "{name} {context} {concurrency}"
                );
                inner = stage.reserved;
            }
            assert!(inner >= last, "{name} {context}");
            last = inner;
        }
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    type Change = fn(&mut Deployment);
    let refused: [(&str, Change, Reason); 6] = [
        (
            "qwen3-32b",
            |it| it.options.parallel.context = 2,
            Reason::Engine,
        ),
        ("qwen3-32b", |it| it.options.block = Some(48), Reason::Value),
        ("qwen3-32b", |it| it.concurrency = 4096, Reason::Value),
        (
            "qwen3-32b",
            |it| it.cache = CacheFormat::named("q4_0").ok(),
            Reason::Cache,
        ),
        ("qwen3-32b", |it| put_on(it, "MI300X"), Reason::Engine),
        ("deepseek-v3.2", |_| (), Reason::Engine),
    ];
    for (name, change, expected) in refused {
        assert_eq!(on(name, change).unwrap_err().reason, expected);
    }
}
