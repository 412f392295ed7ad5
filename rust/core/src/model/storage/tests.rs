use crate::model::{Kind, Model};
use crate::parallel::Control;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn config(fields: &Value) -> Value {
    let mut config = json!({
        "model_type": "llama", "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 10, "tie_word_embeddings": true,
        "max_position_embeddings": 64,
    });
    for (name, value) in fields.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

const TENSORS: &[(&str, &[u64])] = &[
    ("model.embed_tokens.weight", &[10, 16]),
    ("model.layers.0.input_layernorm.weight", &[16]),
    ("model.layers.0.post_attention_layernorm.weight", &[16]),
    ("model.layers.0.self_attn.q_proj.weight", &[16, 16]),
    ("model.layers.0.self_attn.k_proj.weight", &[8, 16]),
    ("model.layers.0.self_attn.v_proj.weight", &[8, 16]),
    ("model.layers.0.self_attn.o_proj.weight", &[16, 16]),
    ("model.layers.0.mlp.gate_proj.weight", &[32, 16]),
    ("model.layers.0.mlp.up_proj.weight", &[32, 16]),
    ("model.layers.0.mlp.down_proj.weight", &[16, 32]),
    ("model.norm.weight", &[16]),
];

/// A file of tensors, each with its dtype and the bytes of one of its numbers.
fn write(folder: &Path, tensors: &[(String, &str, u64, Vec<u64>)]) {
    let mut header = serde_json::Map::new();
    let mut at = 0;
    for (name, dtype, bytes, shape) in tensors {
        let end = at + shape.iter().product::<u64>() * bytes;
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [at, end]}),
        );
        at = end;
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    file.extend(vec![0; usize::try_from(at).unwrap()]);
    fs::write(folder.join("model.safetensors"), file).unwrap();
}

fn all(dtype: &'static str, bytes: u64) -> Vec<(String, &'static str, u64, Vec<u64>)> {
    let tensor =
        |(name, shape): &(&str, &[u64])| ((*name).to_owned(), dtype, bytes, shape.to_vec());
    TENSORS.iter().map(tensor).collect()
}

fn open(fields: &Value, tensors: &[(String, &str, u64, Vec<u64>)]) -> Model {
    let folder = tempfile::tempdir().unwrap();
    fs::write(
        folder.path().join("config.json"),
        config(fields).to_string(),
    )
    .unwrap();
    write(folder.path(), tensors);
    Model::open(
        folder.path().to_str().unwrap(),
        None,
        1,
        &Control::default(),
    )
    .unwrap()
}

/// What `map` and `fit` call the way in which weights are stored.
fn said(model: &Model) -> [String; 2] {
    let map: Value = serde_json::from_str(&model.map_json()).unwrap();
    let subject = crate::subject::Subject::of(model).unwrap();
    [map["storage"].as_str().unwrap().to_owned(), subject.label]
}

#[test]
fn files_say_themselves_in_what_they_are_stored() {
    for fields in [json!({}), json!({"torch_dtype": "bfloat16"})] {
        assert_eq!(said(&open(&fields, &all("F32", 4))), ["fp32", "fp32"]);
        assert_eq!(said(&open(&fields, &all("F16", 2))), ["fp16", "fp16"]);
    }
    let float = json!({"torch_dtype": "float32"});
    assert_eq!(said(&open(&float, &all("BF16", 2))), ["bf16", "bf16"]);
    // The table, 160 of 2,512 weights, is worth a word; norms are not.
    let mut mixed = all("BF16", 2);
    (mixed[0].1, mixed[0].2) = ("F32", 4);
    assert_eq!(
        said(&open(&float, &mixed)),
        ["bf16 and fp32", "bf16 and fp32"]
    );
}

#[test]
fn a_config_without_files_is_stored_in_its_own_dtype() {
    for (stated, word) in [
        ("float16", "fp16"),
        ("torch.float16", "fp16"),
        ("half", "fp16"),
        ("bfloat16", "bf16"),
        ("float32", "fp32"),
    ] {
        let config = config(&json!({"torch_dtype": stated}));
        let model = Model::of("it".to_owned(), None, Some(config), None);
        assert_eq!(said(&model), [word, word], "{stated}");
    }
}

#[test]
fn a_quantization_that_no_tensor_has_is_a_disagreement() {
    for stated in [
        json!({"quant_method": "gptq", "bits": 4, "group_size": 16}),
        json!({"quant_method": "awq", "bits": 4, "group_size": 16}),
        json!({"quant_method": "fp8", "weight_block_size": [16, 16]}),
    ] {
        let model = open(&json!({"quantization_config": stated}), &all("BF16", 2));
        let [one] = &model.disagreements[..] else {
            panic!("{stated}: {:?}", model.disagreements);
        };
        assert_eq!(one.kind, Kind::Storage);
        assert!(one.cause.contains("bf16"), "{}", one.cause);
        assert_eq!(said(&model), ["bf16", "bf16"]);
    }
    assert!(open(&json!({}), &all("BF16", 2)).disagreements.is_empty());
    // A method that touches none of this model's weights asks for no others.
    let experts = json!({"quantization_config": {"quant_method": "mxfp4"}});
    assert!(open(&experts, &all("BF16", 2)).disagreements.is_empty());
}

#[test]
fn packed_weights_of_a_config_that_is_silent_are_a_disagreement() {
    let mut packed = all("BF16", 2);
    packed.retain(|(name, ..)| !name.contains("gate_proj"));
    let begin = "model.layers.0.mlp.gate_proj";
    packed.push((format!("{begin}.qweight"), "I32", 4, vec![2, 32]));
    packed.push((format!("{begin}.qzeros"), "I32", 4, vec![1, 4]));
    packed.push((format!("{begin}.scales"), "F16", 2, vec![1, 32]));
    packed.push((format!("{begin}.g_idx"), "I32", 4, vec![16]));
    let kinds = |fields: &Value| -> Vec<Kind> {
        let model = open(fields, &packed);
        model.disagreements.iter().map(|one| one.kind).collect()
    };
    assert!(kinds(&json!({})).contains(&Kind::Storage));
    let stated =
        json!({"quantization_config": {"quant_method": "gptq", "bits": 4, "group_size": 16}});
    assert!(!kinds(&stated).contains(&Kind::Storage));
}
