//! Statements of every publisher, against bytes counted by hand and totals that were published.

use super::super::{Scheme, Weight, account};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::model::builtin;
use serde_json::{Value, json};

fn base() -> Value {
    json!({"model_type": "llama", "hidden_size": 512, "intermediate_size": 384, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 4, "vocab_size": 1000, "torch_dtype": "bfloat16"})
}

fn read(key: &str, stated: Value) -> (Scheme, Architecture, Vec<Assumption>) {
    let mut config = base();
    config[key] = stated;
    let architecture = Architecture::from_config(config.clone(), None).unwrap();
    let mut notes = Vec::new();
    let scheme = Scheme::of_config(&config, &architecture, &mut notes).unwrap();
    (scheme, architecture, notes)
}

fn bytes(scheme: &Scheme, architecture: &Architecture, name: &str, layer: u32) -> u64 {
    let template = architecture
        .templates
        .iter()
        .find(|template| template.pattern.ends_with(name))
        .unwrap();
    scheme.bytes(&Weight {
        template,
        layer: template.in_layer.then_some(layer),
        architecture,
    })
}

#[test]
#[expect(clippy::too_many_lines, reason = "one case for each publisher")]
fn statements_give_the_bytes_that_their_libraries_write() {
    let weights = 384 * 512_u64;
    let half = weights / 2;
    let zeros = |group: u64| 512 / group * (384 * 4 / 32) * 4;
    let ct = |format: &str, weights: Value| {
        json!({"quant_method": "compressed-tensors", "format": format, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}})
    };
    let cases = [
        (
            json!({"quant_method": "fp8", "weight_block_size": [128, 128]}),
            "fp8-block",
            weights + 12 * 4,
        ),
        (
            json!({"quant_method": "fp8", "activation_scheme": "static", "weight_block_size": null}),
            "fp8",
            weights + 8,
        ),
        (
            json!({"quant_method": "fbgemm_fp8", "modules_to_not_convert": []}),
            "fp8-channel",
            weights + 384 * 4,
        ),
        (
            ct(
                "float-quantized",
                json!({"num_bits": 8, "type": "float", "strategy": "channel", "symmetric": true}),
            ),
            "fp8-channel",
            weights + 384 * 2,
        ),
        (
            ct(
                "int-quantized",
                json!({"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": true}),
            ),
            "int8",
            weights + 384 * 2,
        ),
        (
            ct(
                "pack-quantized",
                json!({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128,
                "symmetric": true}),
            ),
            "w4a16",
            half + 384 * 4 * 2 + 8,
        ),
        (
            ct(
                "pack-quantized",
                json!({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32,
                "symmetric": false, "actorder": "group"}),
            ),
            "compressed-tensors int4 g32",
            half + 384 * 16 * 2 + zeros(32) + 8 + 512 * 4,
        ),
        (
            ct(
                "nvfp4-pack-quantized",
                json!({"num_bits": 4, "type": "float", "strategy": "tensor_group",
                "group_size": 16}),
            ),
            "nvfp4",
            half + weights / 16 + 8,
        ),
        (
            json!({"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": true}),
            "int4-g128",
            half + 384 * 4 * 2 + zeros(128) + 512 * 4,
        ),
        // One group, 3 bits: 48 words along the inputs, 36 words of zero points.
        (
            json!({"quant_method": "gptq", "bits": 3, "group_size": -1}),
            "gptq 3 bits",
            weights * 3 / 8 + 384 * 2 + 36 * 4 + 512 * 4,
        ),
        (
            json!({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}),
            "awq",
            half + 384 * 4 * 2 + zeros(128),
        ),
        (
            json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "nf4"}),
            "nf4",
            half + weights / 64 * 4 + 64,
        ),
        (
            json!({"quant_method": "bitsandbytes", "load_in_4bit": true, "bnb_4bit_quant_type": "fp4",
            "bnb_4bit_use_double_quant": true}),
            "fp4-dq",
            half + weights / 64 + weights / 64 / 256 * 4 + 64 + 1028,
        ),
        (
            json!({"quant_method": "bitsandbytes", "load_in_8bit": true}),
            "int8-bnb",
            weights + 384 * 4,
        ),
        (
            json!({"quant_method": "hqq", "quant_config": {"weight_quant_params": {"nbits": 4, "group_size": 64}}}),
            "hqq",
            half + weights / 64 * 4,
        ),
        (
            json!({"quant_method": "torchao", "quant_type": {"default": {"_type": "Int8WeightOnlyConfig"}}}),
            "int8wo",
            weights + 384 * 10,
        ),
        (
            json!({"producer": {"name": "modelopt"}, "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}),
            "nvfp4",
            half + weights / 16 + 8,
        ),
        (
            json!({"quant_method": "modelopt", "quant_algo": "FP8"}),
            "fp8",
            weights + 8,
        ),
        (
            json!({"quant_method": "quark", "global_quant_config": {"weight": {"dtype": "fp8_e4m3",
            "qscheme": "per_tensor"}}, "exclude": ["lm_head"]}),
            "fp8",
            weights + 8,
        ),
        (
            json!({"quant_method": "exl3", "bits": 4.25, "head_bits": 6}),
            "exl3-4.25bpw",
            weights * 425 / 800 + 2 * (384 + 512),
        ),
    ];
    for (stated, name, expected) in cases {
        let (scheme, architecture, notes) = read("quantization_config", stated.clone());
        assert_eq!(scheme.name, name, "{stated}");
        assert_eq!(
            bytes(&scheme, &architecture, "gate_proj.weight", 1),
            expected,
            "{stated}"
        );
        assert_eq!(
            bytes(&scheme, &architecture, "embed_tokens.weight", 0),
            1000 * 512 * 2,
            "{stated}"
        );
        assert!(notes.is_empty(), "{stated}: {notes:?}");
    }
}

#[test]
fn mlx_quantizes_tables_and_lets_modules_differ() {
    let stated = json!({"bits": 4, "group_size": 64, "model.layers.0.mlp.gate_proj": {"bits": 8, "group_size": 32},
        "lm_head": false});
    let (scheme, architecture, _) = read("quantization", stated);
    assert_eq!(scheme.name, "mlx-4");
    let of = |name: &str, layer| bytes(&scheme, &architecture, name, layer);
    assert_eq!(of("gate_proj.weight", 0), 384 * (512 + 16 * 4));
    assert_eq!(of("gate_proj.weight", 1), 384 * (256 + 8 * 4));
    assert_eq!(of("embed_tokens.weight", 0), 1000 * (256 + 8 * 4));
    assert_eq!(of("lm_head.weight", 0), 1000 * 512 * 2);
}

#[test]
fn what_is_listed_stays_as_it_was() {
    let stated = json!({"quant_method": "compressed-tensors", "format": "float-quantized",
        "ignore": ["lm_head", "model.layers.0.mlp.gate_proj", r"re:.*\.1\.self_attn\.q_proj$"],
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 8, "type": "float",
            "strategy": "tensor"}}}});
    let (scheme, architecture, _) = read("quantization_config", stated);
    let of = |name: &str, layer| bytes(&scheme, &architecture, name, layer);
    assert_eq!(
        [0, 1].map(|layer| of("gate_proj.weight", layer)),
        [384 * 512 * 2, 384 * 512 + 2]
    );
    assert_eq!(
        [0, 1].map(|layer| of("q_proj.weight", layer)),
        [512 * 512 + 2, 512 * 512 * 2]
    );
}

#[test]
fn what_is_not_known_is_noted_and_counted_in_the_dtype() {
    let (scheme, architecture, notes) =
        read("quantization_config", json!({"quant_method": "vptq"}));
    assert!(scheme.is_plain());
    assert_eq!(
        bytes(&scheme, &architecture, "gate_proj.weight", 0),
        384 * 512 * 2
    );
    assert!(notes.iter().any(|note| note.reason.contains("vptq")));
    let (_, _, notes) = read(
        "quantization_config",
        json!({"quant_method": "fp8", "modules_to_not_convert": ["re:(?=x)"]}),
    );
    assert!(notes.iter().any(|note| note.value == "re:(?=x)"));
    let mut config = base();
    config["quantization_config"] = json!({"quant_method": "gptq", "bits": 99});
    let architecture = Architecture::from_config(config.clone(), None).unwrap();
    assert!(Scheme::of_config(&config, &architecture, &mut Vec::new()).is_err());
}

#[test]
fn a_config_without_a_dtype_is_noted() {
    let mut config = base();
    config.as_object_mut().unwrap().remove("torch_dtype");
    let architecture = Architecture::from_config(config.clone(), None).unwrap();
    let mut notes = Vec::new();
    Scheme::of_config(&config, &architecture, &mut notes).unwrap();
    assert_eq!(notes[0].field, "dtype");
    config["torch_dtype"] = json!("float32");
    let architecture = Architecture::from_config(config.clone(), None).unwrap();
    let scheme = Scheme::of_config(&config, &architecture, &mut Vec::new()).unwrap();
    assert_eq!(scheme.name, "fp32");
}

/// Bytes of built-in models whose published files are known byte for byte: `DeepSeek-V3.2`, `Kimi-K2.5` and `gpt-oss-20b`
/// by headers of their files (the corpus' `real_headers`), the others by the layout that transformers gives them.
#[test]
fn configs_of_published_models_give_their_published_bytes() {
    for (name, stored, in_float32) in [
        // Norms, keys of indexers and corrections of routers, which its files hold in 32 bits.
        ("deepseek-v3.2", 689_471_107_200_u64, 2_150_912),
        // Corrections of routers.
        ("kimi-k2.5", 595_148_192_736, 46_080),
        ("gpt-oss-20b", 13_761_264_768, 0),
        ("kimi-k2", 1_029_173_203_808, 0),
    ] {
        let mut config = builtin::find(name).unwrap().config.clone();
        if name == "kimi-k2.5" {
            // As its config.json states it for the text model, which the built-in one leaves out.
            config["text_config"]["quantization_config"] = json!({
                "quant_method": "compressed-tensors", "format": "pack-quantized",
                "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*",
                    r"re:.*mlp\.(gate|up|gate_up|down)_proj.*"],
                "config_groups": {"group_0": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int",
                    "strategy": "group", "group_size": 32, "symmetric": true}}}});
        }
        let architecture = Architecture::from_config(config.clone(), None).unwrap();
        let scheme = Scheme::of_config(&config, &architecture, &mut Vec::new()).unwrap();
        let planned: u64 = account(&scheme, &architecture)
            .iter()
            .map(|line| line.bytes)
            .sum();
        assert_eq!(planned + in_float32, stored, "{name}");
    }
}
