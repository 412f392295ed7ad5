//! Bytes by hand, and sizes that others published.

use super::{SCHEMES, Scheme, Weight, account, by_precision};
use crate::architecture::Architecture;
use crate::checkpoint::Role;
use crate::model::builtin;
use serde_json::json;

fn model(name: &str) -> Architecture {
    Architecture::from_config(builtin::find(name).unwrap().config.clone(), None).unwrap()
}

fn total(scheme: &Scheme, architecture: &Architecture) -> u64 {
    account(scheme, architecture)
        .iter()
        .map(|line| line.bytes)
        .sum()
}

/// Bits per weight of Llama 3.1 8B as llama.cpp publishes them (`tools/quantize/README.md` at 311c2c9f).
const LLAMA_8B: &[(&str, u64)] = &[
    ("iq1_s", 20042),
    ("iq1_m", 21460),
    ("iq2_xxs", 23824),
    ("iq2_xs", 25882),
    ("iq2_s", 27403),
    ("iq2_m", 29294),
    ("iq3_xxs", 32548),
    ("iq3_xs", 34977),
    ("iq3_s", 36606),
    ("iq3_m", 37628),
    ("iq4_xs", 44597),
    ("iq4_nl", 46818),
    ("q2_k_s", 29697),
    ("q2_k", 31593),
    ("q3_k_s", 36429),
    ("q3_k_l", 42979),
    ("q4_k_s", 46672),
    ("q4_k_m", 48944),
    ("q5_k_s", 55704),
    ("q5_k_m", 57036),
    ("q6_k", 65633),
    ("q8_0", 85008),
    ("gguf-f16", 160_005),
];

#[test]
fn gguf_mixes_have_the_bits_that_llama_cpp_publishes() {
    let architecture = model("llama-3.1-8b");
    let parameters = architecture.total().parameters;
    let mut wrong = Vec::new();
    for &(name, published) in LLAMA_8B {
        let bytes = total(&Scheme::named(name).unwrap(), &architecture);
        let bits = u128::from(bytes) * 80_000 / u128::from(parameters);
        if bits.abs_diff(u128::from(published)) > 1 {
            wrong.push((name, bits, published));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// One matrix of 384 outputs and 512 inputs, among what a decoder has beside it.
fn small() -> Architecture {
    Architecture::from_config(
        json!({"model_type": "llama", "hidden_size": 512, "intermediate_size": 384, "num_hidden_layers": 1,
            "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 1000, "torch_dtype": "bfloat16"}),
        None,
    )
    .unwrap()
}

fn bytes(scheme: &Scheme, architecture: &Architecture, name: &str) -> u64 {
    let template = architecture
        .templates
        .iter()
        .find(|template| template.pattern.ends_with(name))
        .unwrap();
    scheme.bytes(&Weight {
        template,
        layer: Some(0),
        architecture,
    })
}

#[test]
fn each_scheme_takes_what_a_hand_counts() {
    let architecture = small();
    let (rows, columns) = (384_u64, 512_u64);
    let weights = rows * columns;
    let half = weights / 2;
    // Groups of a row, and words of 32 bits that hold the 384 outputs' zero points in 4 bits.
    let groups = |size: u64| rows * (columns / size);
    let zeros = |size: u64| (columns / size) * (384 * 4 / 32) * 4;
    let expected = [
        ("fp32", weights * 4),
        ("bf16", weights * 2),
        ("fp16", weights * 2),
        ("fp8", weights + 4),
        ("fp8-channel", weights + rows * 2),
        ("fp8-block", weights + 3 * 4 * 4),
        ("int8", weights + rows * 2),
        ("W8A8", weights + rows * 2),
        ("int8-bnb", weights + rows * 4),
        ("int8wo", weights + rows * (2 + 8)),
        ("mxfp8", weights + groups(32)),
        ("int4-g32", half + groups(32) * 2 + zeros(32) + columns * 4),
        ("int4-g64", half + groups(64) * 2 + zeros(64) + columns * 4),
        (
            "int4_g128",
            half + groups(128) * 2 + zeros(128) + columns * 4,
        ),
        ("AWQ", half + groups(128) * 2 + zeros(128)),
        ("w4a16", half + groups(128) * 2 + 8),
        ("nvfp4", half + groups(16) + 4 + 4),
        ("mxfp4", half + groups(32)),
        ("nf4", half + weights / 64 * 4 + 16 * 4),
        (
            "nf4-dq",
            half + weights / 64 + weights / 64 / 256 * 4 + 16 * 4 + 256 * 4 + 4,
        ),
        ("hqq", half + weights / 64 * 4),
        // Padded to 1024 inputs.
        ("int4wo", 384 * (1024 / 2) + 384 * (1024 / 128) * 4),
        ("mlx-8", weights + groups(64) * 4),
        ("mlx-6", weights * 6 / 8 + groups(64) * 4),
        ("mlx-4", half + groups(64) * 4),
        ("mlx-3", weights * 3 / 8 + groups(64) * 4),
        ("exl2-4.65bpw", (weights * 465).div_ceil(800)),
        ("exl3-4.0bpw", half + rows * 2 + columns * 2),
        ("q8_0", weights / 32 * 34),
        ("q6_k", weights / 256 * 210),
        ("q5_0", weights / 32 * 22),
        ("q4_0", weights / 32 * 18),
        ("iq4_xs", weights / 256 * 136),
        ("tq1_0", weights / 256 * 54),
    ];
    for (name, by_hand) in expected {
        let scheme = Scheme::named(name).unwrap();
        assert_eq!(
            bytes(&scheme, &architecture, "gate_proj.weight"),
            by_hand,
            "{name}"
        );
    }
}

#[test]
fn bits_of_large_matrices_are_those_that_papers_state() {
    // QLoRA section 3, the OCP specification and the arithmetic of the libraries, in ten-thousandths of a bit.
    let architecture = Architecture::from_config(
        json!({"model_type": "llama", "hidden_size": 8192, "intermediate_size": 8192, "num_hidden_layers": 1,
            "num_attention_heads": 64, "vocab_size": 1000, "torch_dtype": "bfloat16"}),
        None,
    )
    .unwrap();
    let weights = u128::from(8192_u64 * 8192);
    for (name, stated) in [
        ("fp8", 80_000),
        ("fp8-block", 80_020),
        ("mxfp8", 82_500),
        ("int8", 80_020),
        ("int8-bnb", 80_039),
        ("int4-g128", 41_602),
        ("awq", 41_563),
        ("w4a16", 41_250),
        ("nvfp4", 45_000),
        ("mxfp4", 42_500),
        ("nf4", 45_000),
        ("nf4-dq", 41_270),
        ("hqq", 45_000),
        ("int4wo", 42_500),
        ("mlx-4", 45_000),
    ] {
        let scheme = Scheme::named(name).unwrap();
        let bits = u128::from(bytes(&scheme, &architecture, "gate_proj.weight")) * 80_000 / weights;
        assert!(
            bits.abs_diff(stated) <= 3,
            "{name}: {bits}, stated {stated}"
        );
    }
}

#[test]
fn what_is_kept_is_kept_by_every_library_its_own_way() {
    let architecture = small();
    let whole =
        |name: &str, tensor: &str| bytes(&Scheme::named(name).unwrap(), &architecture, tensor);
    for name in ["fp8", "int4-g128", "nf4", "nvfp4", "hqq"] {
        for tensor in ["embed_tokens.weight", "lm_head.weight"] {
            assert_eq!(whole(name, tensor), 1000 * 512 * 2, "{name}");
        }
        assert_eq!(whole(name, "input_layernorm.weight"), 512 * 2, "{name}");
    }
    assert_eq!(
        whole("mlx-4", "embed_tokens.weight"),
        1000 * (512 / 2 + 8 * 4)
    );
    assert_eq!(whole("mlx-4", "lm_head.weight"), 1000 * (512 / 2 + 8 * 4));
    assert_eq!(
        whole("exl3-3.0bpw", "lm_head.weight"),
        1000 * 512 * 6 / 8 + 2 * (1000 + 512)
    );
    assert_eq!(whole("q4_0", "embed_tokens.weight"), 1000 * 512 / 32 * 18);
    assert_eq!(whole("q4_0", "lm_head.weight"), 1000 * 512 / 256 * 210);
    assert_eq!(whole("q4_0", "input_layernorm.weight"), 512 * 4);
    // 384 inputs: no blocks of 256.
    assert_eq!(whole("q4_k_s", "down_proj.weight"), 512 * 384 / 32 * 22);
    assert_eq!(whole("mxfp4", "down_proj.weight"), 512 * 384 / 32 * 17);
}

#[test]
fn experts_are_what_mxfp4_touches_where_there_are_some() {
    let architecture = model("mixtral-8x7b");
    let lines = account(&Scheme::named("mxfp4").unwrap(), &architecture);
    let touched: Vec<Role> = lines
        .iter()
        .filter(|line| line.touched)
        .map(|line| line.role)
        .collect();
    assert_eq!(touched, [Role::Expert]);
    // Experts fused in one parameter are no modules that bitsandbytes would replace.
    let fused = account(&Scheme::named("nf4").unwrap(), &model("gpt-oss-20b"));
    assert!(
        fused
            .iter()
            .all(|line| !line.touched || line.role != Role::Expert)
    );
}

fn thousandths_of_a_gib(bytes: u64) -> u128 {
    (u128::from(bytes) * 1000 + (1 << 29)) >> 30
}

/// File sizes in GiB that engines log or publishers state, as (model, mix, thousandths of a GiB, allowance).
/// Llama 3.1 8B and Qwen3 32B as llama.cpp logs its `model size`; the first to two digits.
#[test]
fn gguf_files_are_as_large_as_logged() {
    for (name, mix, logged, allowance) in [
        ("llama-3.1-8b", "q4_0", 4330_u128, 5_u128),
        // Its log counts 21.603; 12 MiB more are unexplained, as in the notes of whoever read the log.
        ("qwen3-32b", "q5_k_m", 21_603, 13),
    ] {
        let bytes = total(&Scheme::named(mix).unwrap(), &model(name));
        let gib = thousandths_of_a_gib(bytes);
        assert!(gib.abs_diff(logged) <= allowance, "{name} {mix}: {gib}");
    }
    let llama_2_13b = Architecture::from_config(
        json!({"model_type": "llama", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
            "num_attention_heads": 40, "vocab_size": 32000}),
        None,
    )
    .unwrap();
    let bytes = total(&Scheme::named("q8_0").unwrap(), &llama_2_13b);
    assert_eq!(thousandths_of_a_gib(bytes), 12_881);
}

#[test]
fn names_are_found_in_any_case_and_unknown_ones_get_a_hint() {
    for (name, expected) in [
        ("Q4_K_M", "q4_k_m"),
        ("q4-k-m", "q4_k_m"),
        ("GPTQ", "int4-g128"),
        ("float16", "fp16"),
        ("EXL3-4.25bpw", "exl3-4.25bpw"),
        ("exl2-6", "exl2-6bpw"),
    ] {
        assert_eq!(Scheme::named(name).unwrap().name, expected);
    }
    let error = Scheme::named("fp9").unwrap_err();
    assert!(
        error.contains("did you mean") && error.contains("fp8"),
        "{error}"
    );
    let begins = Scheme::named("q4").unwrap_err();
    assert!(begins.contains("did you mean q4_"), "{begins}");
    // One line, not the whole table.
    let unlike = Scheme::named("nothing like it").unwrap_err();
    assert!(
        unlike.contains("such as bf16") && unlike.len() < 250,
        "{unlike}"
    );
    for bad in ["", "exl3-0.5bpw", "exl3-9bpw", "exl2-4.x", "q4_k_xl_ultra"] {
        assert!(Scheme::named(bad).is_err(), "{bad}");
    }
}

#[test]
fn the_table_is_sound() {
    let mut names: Vec<String> = SCHEMES
        .iter()
        .flat_map(|row| std::iter::once(row.name).chain(row.aliases.iter().copied()))
        .map(|name| name.replace('_', "-"))
        .collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]));
    let large = model("llama-3.1-70b");
    for row in SCHEMES {
        assert!(
            !row.source.is_empty() && !row.summary.is_empty(),
            "{}",
            row.name
        );
        let scheme = row.scheme();
        assert_eq!(scheme.name, row.name);
        // What the table ranks by is what matrices take, within scales of rows and of whole matrices. Mixes give some
        // tensors other types.
        if row.library != "llama.cpp" {
            let bits = bytes(&scheme, &large, "gate_proj.weight") * 8000 / (8192 * 28672);
            let ranked = row.bits.0 * 1000 / row.bits.1;
            assert!(
                bits.abs_diff(ranked) <= 10,
                "{}: {bits}, {ranked}",
                row.name
            );
        }
    }
    let order: Vec<(u64, u64)> = by_precision().iter().map(|row| row.bits).collect();
    assert!(
        order
            .windows(2)
            .all(|pair| pair[0].0 * pair[1].1 >= pair[1].0 * pair[0].1)
    );
}

#[test]
fn every_scheme_counts_every_tensor_once() {
    // Every model with some schemes, every scheme with some models.
    for (at, built_in) in builtin::ALL.iter().enumerate() {
        let architecture = Architecture::from_config(built_in.config.clone(), None).unwrap();
        let all = architecture.total();
        for (place, row) in SCHEMES.iter().enumerate() {
            if place % 7 != at % 7 {
                continue;
            }
            let lines = account(&row.scheme(), &architecture);
            let sum = |of: fn(&super::Line) -> u64| lines.iter().map(of).sum::<u64>();
            let case = format!("{} {}", built_in.name, row.name);
            assert_eq!(sum(|line| line.parameters), all.parameters, "{case}");
            assert_eq!(sum(|line| line.tensors), all.tensors, "{case}");
            assert!(sum(|line| line.bytes) <= all.parameters * 4, "{case}");
        }
    }
}
