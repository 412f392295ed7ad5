//! Sizes that llama.cpp printed, and sizes counted by hand from its rules.

use super::build::Build;
use super::cells::Rules;
use crate::deployment::{Deployment, FitError, Reason};
use crate::engine::samples::{asked, changed, subject};
use crate::engine::{Version, find};
use crate::fit::{Fit, fit};
use crate::hardware::Gpu;
use crate::quantization::cache_format::CacheFormat;
use crate::quantization::scheme::Scheme;
use std::sync::Arc;

const MIB: u64 = 1 << 20;

fn on(name: &str, change: impl FnOnce(&mut Deployment)) -> Result<Fit, FitError> {
    changed("llama.cpp", name, change)
}

fn reserved(name: &str, change: impl FnOnce(&mut Deployment)) -> u64 {
    on(name, change).unwrap().on_fullest().reserved
}

fn part(fit: &Fit, name: &str) -> u64 {
    fit.stages
        .iter()
        .flat_map(|stage| &stage.parts.activations)
        .filter(|part| part.name == name)
        .map(|part| part.bytes)
        .sum()
}

/// Whole hundredths of a MiB; llama.cpp prints sizes in these.
fn printed(bytes: u64) -> u64 {
    bytes * 100 / MIB
}

#[test]
fn states_are_as_printed() {
    // What the logs say of one sequence: 62.81 MiB of Qwen3.5-35B-A3B, 149.62 MiB of Qwen3.8-27B, whose linear layers are
    // those of Qwen3.5-27B. No cell is taken away, for the difference of two and one sequences has the same cells.
    for (name, size) in [("qwen3.5-35b-a3b", 6281), ("qwen3.5-27b", 14962)] {
        let sequences = |count| reserved(name, |it| it.options.sequences = Some(count));
        let cells = |count: u64| {
            let fit = on(name, |it| {
                it.options.sequences = Some(count);
                it.context = Some(256);
            });
            fit.unwrap().on_fullest().reserved
        };
        let both = sequences(2) - sequences(1);
        let per_cell = (sequences(1) - cells(1)) / (8192 - 256);
        assert_eq!(printed(both - 8192 * per_cell), size, "{name}");
    }
}

#[test]
fn a_cache_has_as_many_cells_as_its_slots_share() {
    // Qwen3-32B: 64 layers, 8 heads of 128, 16 bits: 256 KiB per token.
    let per_token = 64 * 8 * 128 * 2 * 2;
    let of = |engine: &str, context, concurrency| {
        let fit = fit(&subject("qwen3-32b"), &asked(engine, context, concurrency));
        fit.unwrap().on_fullest().reserved
    };
    assert_eq!(of("llama.cpp", 8192, 1), 8192 * per_token);
    assert_eq!(of("llama.cpp", 8000, 1), 8192 * per_token);
    assert_eq!(of("llama.cpp", 100, 4), 512 * per_token);
    // Five slots are more than the server's own four, and have a cache each.
    assert_eq!(of("llama.cpp", 100, 5), 5 * 256 * per_token);
    // Before flash attention was on by itself, cells were padded to 32.
    assert_eq!(of("llama.cpp==b6000", 100, 1), 128 * per_token);
}

#[test]
fn windows_keep_one_window_for_each_slot_and_a_step() {
    // Gemma 3 27B: 62 layers, each sixth of them full; 16 heads of 128; a window of 1024. Four slots by themselves.
    let per_cell = 16 * 128 * 2 * 2;
    let cells = 10 * 131_072 + 52 * (4 * 1024 + 512);
    let size = |engine: &str, sequences| {
        let mut deployment = asked(engine, 131_072, 1);
        deployment.options.sequences = sequences;
        let fit = fit(&subject("gemma-3-27b"), &deployment);
        fit.unwrap().on_fullest().reserved
    };
    assert_eq!(size("llama.cpp", None), cells * per_cell);
    let one = 10 * 131_072 + 52 * (1024 + 512);
    assert_eq!(size("llama.cpp", Some(1)), one * per_cell);
    assert_eq!(size("llama.cpp==b6400", None), one * per_cell);
    // A model in which every layer has a window is read as if none had.
    let mistral = reserved("mistral-7b", |it| it.options.sequences = Some(1));
    assert_eq!(mistral, 8192 * 32 * 8 * 128 * 2 * 2);
}

#[test]
fn cells_of_a_window_are_as_printed() {
    // ggml-org/llama.cpp, issue 27680: 64000 cells, and 4352 of a window of 128, with steps of 4096 tokens and one slot.
    let rules = Rules {
        build: Build::of(&Version::parse("b10864").unwrap()),
        flash: true,
        asked: Some(1),
        step: 4096,
    };
    let cells = rules.cells(64_000, 1);
    assert_eq!((cells.each, rules.window(cells, 128)), (64_000, 4352));
}

#[test]
fn latent_attention_keeps_no_values_since_it_need_not() {
    // DeepSeek V2 Lite: 27 layers of 512 and 64 numbers; older builds keep the 512 once more.
    let of = |engine: &str| {
        let mut deployment = asked(engine, 8192, 1);
        deployment.options.sequences = Some(1);
        let fit = fit(&subject("deepseek-v2-lite"), &deployment);
        fit.unwrap().on_fullest().reserved
    };
    assert_eq!(of("llama.cpp"), 27 * 8192 * 576 * 2);
    assert_eq!(of("llama.cpp==b7000"), 27 * 8192 * (576 + 512) * 2);
}

#[test]
fn formats_of_ggml_have_their_blocks() {
    let eight = reserved("qwen3-32b", |it| {
        it.cache = CacheFormat::named("q8_0").ok();
    });
    assert_eq!(eight, 8192 * 64 * (8 * 128 / 32 * 34) * 2);
}

#[test]
fn compute_buffers_are_as_printed() {
    // Without flash attention, scores of all heads and a mask in 32 bits: 8743 MiB of Gemma 3 27B with 131072 cells, from a
    // fork without small windows, which has two masks of that size; 5252 MiB of Qwen3-32B with 40960 cells. What is
    // counted comes within 0.2 % of both.
    let fit_of = |name: &str, context| fit(&subject(name), &asked("llama.cpp==b6000", context, 1));
    let qwen = fit_of("qwen3-32b", 40_960).unwrap();
    assert_eq!(part(&qwen, "attention scores"), 5120 * MIB);
    assert_eq!(part(&qwen, "attention masks"), 80 * MIB);
    let counted = qwen.on_fullest().used.activations;
    assert!(counted.abs_diff(5252 * MIB) * 500 < 5252 * MIB, "{counted}");
    let gemma = fit_of("gemma-3-27b", 131_072).unwrap();
    assert_eq!(part(&gemma, "attention scores"), 8192 * MIB);
    let second = (131_072 - 1536) * 512 * 4;
    let counted = gemma.on_fullest().used.activations + second;
    assert!(counted.abs_diff(8743 * MIB) * 500 < 8743 * MIB, "{counted}");
}

#[test]
fn logits_of_a_whole_step_count_in_older_builds() {
    // Llama 3.1 8B: 512 tokens times 128256 entries and 4096 hidden numbers in 32 bits, 258.5 MiB.
    let of = |engine: &str| fit(&subject("llama-3.1-8b"), &asked(engine, 4096, 1)).unwrap();
    let old = of("llama.cpp==b8000");
    assert_eq!(printed(old.on_fullest().used.activations), 25_850);
    let new = of("llama.cpp");
    assert_eq!(part(&new, "logits"), 0);
    assert!(new.on_fullest().used.activations < old.on_fullest().used.activations);
}

#[test]
fn the_buffer_of_a_mixture_is_close_to_what_was_printed() {
    // ggml-org/llama.cpp, pull request 23861: 3892 MiB on the GPU, Qwen3.6-35B-A3B with 150000 tokens of context, 4096 of a
    // step, a cache in q8_0, one slot, before masks were made in 16 bits and after logits were made for few tokens. Its
    // keys and values in 16 bits were measured apart then, 294 MiB. The layers are those of Qwen3.5-35B-A3B.
    let fit = {
        let mut deployment = asked("llama.cpp==b9512", 150_000, 1);
        deployment.options.sequences = Some(1);
        deployment.options.batched_tokens = Some(4096);
        deployment.cache = CacheFormat::named("q8_0").ok();
        fit(&subject("qwen3.5-35b-a3b"), &deployment).unwrap()
    };
    let halves = part(&fit, "cache in 16 bits");
    assert_eq!(printed(halves) / 100, 293);
    // The gate of a linear layer is taken to be as wide as what goes into its convolution, for the mind does not say how
    // wide it is: up to 2 % too much.
    let counted = fit.on_fullest().used.activations - halves;
    assert!(
        counted >= 3892 * MIB && counted * 50 <= 3892 * MIB * 51,
        "{counted}"
    );
}

#[test]
fn the_table_of_embeddings_stays_on_the_host() {
    let untied = on("llama-3.1-8b", |_| ()).unwrap();
    let roles = |fit: &Fit| {
        let parts = &fit.on_fullest().parts.weights;
        parts.iter().map(|part| part.name).collect::<Vec<_>>()
    };
    assert!(!roles(&untied).contains(&"embedding"));
    assert!(roles(&untied).contains(&"head"));
    // A table that is also the head lies on both.
    let tied = on("gemma-3-27b", |_| ()).unwrap();
    assert!(roles(&tied).contains(&"embedding"));
}

#[test]
fn vectors_of_a_gguf_are_in_32_bits() {
    // Llama 3.1 8B has two norms of 4096 in each of 32 layers, and one more: 2 bytes more for each of their numbers.
    let bytes = |scheme: Option<&str>| {
        let fit = on("llama-3.1-8b", |it| {
            it.weights = scheme.map(|name| Arc::new(Scheme::named(name).unwrap()));
        });
        let parts = fit.unwrap().on_fullest().parts.weights.clone();
        let more = parts.iter().find(|part| part.name == "vectors in 32 bits");
        more.map(|part| part.bytes)
    };
    assert_eq!(bytes(None), Some(65 * 4096 * 2));
    assert_eq!(bytes(Some("fp16")), Some(65 * 4096 * 2));
    assert_eq!(bytes(Some("q4_k_m")), None);
}

#[test]
fn more_is_never_less_and_room_covers_need() {
    for name in [
        "qwen3.5-35b-a3b",
        "gemma-3-27b",
        "qwen3-32b",
        "deepseek-v2-lite",
        "gpt-oss-20b",
    ] {
        let subject = subject(name);
        for engine in ["llama.cpp==b6000", "llama.cpp==b8000", "llama.cpp"] {
            let mut last = 0;
            for context in [1, 255, 256, 257, 5000, 40_000, 200_000] {
                let mut inner = 0;
                for concurrency in [1, 2, 3, 4, 5, 9, 33] {
                    let fit = fit(&subject, &asked(engine, context, concurrency)).unwrap();
                    let stage = fit.on_fullest();
                    let what = format!("{name} {engine} {context} {concurrency}");
                    assert!(stage.reserved >= inner, "{what}");
                    // Convolutions and states are needed in no more than 32 bits.
                    assert!(stage.reserved >= stage.needed, "{what}");
                    inner = stage.reserved;
                }
                assert!(inner >= last, "{name} {engine} {context}");
                last = inner;
            }
        }
    }
}

#[test]
fn a_pool_holds_what_it_says() {
    for name in ["qwen3-32b", "gemma-3-27b", "qwen3.5-35b-a3b"] {
        let fit = on(name, |it| it.gpu = Arc::new(Gpu::of_size("80", 80 << 30))).unwrap();
        let again = on(name, |it| it.context = Some(fit.pool.tokens)).unwrap();
        let room = u64::try_from(fit.on_fullest().room).unwrap();
        assert!(again.on_fullest().reserved <= room, "{name}");
        let more = on(name, |it| it.context = Some(fit.pool.tokens + 1)).unwrap();
        assert!(more.on_fullest().reserved > room, "{name}");
    }
}

#[test]
fn stages_share_the_layers() {
    let one = on("qwen3-32b", |_| ()).unwrap();
    let two = on("qwen3-32b", |it| it.options.parallel.pipeline = 2).unwrap();
    let sum: u64 = two.stages.iter().map(|stage| stage.reserved).sum();
    assert_eq!(sum, one.on_fullest().reserved);
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    type Change = fn(&mut Deployment);
    let reason = |name: &str, change: Change| on(name, change).unwrap_err().reason;
    let refused: [(&str, Change, Reason); 8] = [
        (
            "qwen3-32b",
            |it| it.options.parallel.tensor = 2,
            Reason::Engine,
        ),
        (
            "qwen3-32b",
            |it| it.options.parallel.data = 2,
            Reason::Engine,
        ),
        (
            "qwen3-32b",
            |it| it.options.block = Some(16),
            Reason::Engine,
        ),
        (
            "qwen3-32b",
            |it| it.cache = CacheFormat::named("fp8").ok(),
            Reason::Cache,
        ),
        (
            "qwen3-32b",
            |it| it.cache = CacheFormat::named("nvfp4").ok(),
            Reason::Cache,
        ),
        ("qwen3-32b", |it| it.concurrency = 300, Reason::Value),
        (
            "qwen3-32b",
            |it| {
                it.options.sequences = Some(2);
                it.concurrency = 3;
            },
            Reason::Value,
        ),
        (
            "qwen3-32b",
            |it| {
                it.engine = find("llama.cpp==b6000", &mut Vec::new()).unwrap();
                it.cache = CacheFormat::named("q4_0").ok();
            },
            Reason::Cache,
        ),
    ];
    for (name, change, expected) in refused {
        assert_eq!(reason(name, change), expected);
    }
}
