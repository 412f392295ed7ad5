//! Sums over pieces are those of the files, whatever these are called and however they are packed.

use super::stored;
use crate::architecture::Architecture;
use crate::checkpoint::{Role, scan};
use crate::parallel::Control;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const BYTES: &[(&str, u64)] = &[
    ("BF16", 2),
    ("F32", 4),
    ("F8_E4M3", 1),
    ("U8", 1),
    ("I32", 4),
];

/// Writes a file of these tensors, with a hole for their data.
fn write(folder: &Path, tensors: &[(String, &str, Vec<u64>)]) -> u64 {
    let mut header = serde_json::Map::new();
    let mut end = 0;
    for (name, dtype, shape) in tensors {
        let size = BYTES.iter().find(|(known, _)| known == dtype).unwrap().1;
        let begin = end;
        end += shape.iter().product::<u64>() * size;
        header.insert(
            name.clone(),
            json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}),
        );
    }
    let text = Value::Object(header).to_string();
    let path = folder.join("model.safetensors");
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text.as_bytes());
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().write(true).open(&path).unwrap();
    file.set_len(bytes.len() as u64 + end).unwrap();
    end
}

fn config(tied: bool) -> Value {
    json!({"model_type": "mixtral", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
        "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 256, "num_local_experts": 4,
        "num_experts_per_tok": 2, "tie_word_embeddings": tied})
}

fn names(architecture: &Architecture) -> Vec<(String, Vec<u64>)> {
    let mut all = Vec::new();
    for template in &architecture.templates {
        template.names(|name, _| all.push((name.to_owned(), template.shape.clone())));
    }
    all
}

fn sum(folder: &Path, architecture: &Architecture) -> (u64, u128, Vec<super::Piece>, usize) {
    let checkpoint = scan(folder, 1, &Control::default()).unwrap();
    let mut notes = Vec::new();
    let pieces = stored(&checkpoint, architecture, &mut notes);
    let total = pieces.iter().map(super::Piece::total).sum();
    (total, checkpoint.total().bytes, pieces, notes.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_sum_to_the_checkpoint(
        picks in prop::collection::vec((0..BYTES.len(), any::<bool>(), 0..5_u8), 64),
        prefixed in any::<bool>(),
    ) {
        let architecture = Architecture::from_config(config(false), None).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut tensors = Vec::new();
        for (at, (name, shape)) in names(&architecture).into_iter().enumerate() {
            let (dtype, keep, side) = picks[at % picks.len()];
            let name = if prefixed { format!("language_model.{name}") } else { name };
            if !keep && at % 3 == 0 {
                continue;
            }
            if side == 1 && shape.len() == 2 {
                // Packed and scaled as publishers do it.
                let base = name.strip_suffix(".weight").unwrap();
                tensors.push((format!("{base}.weight_packed"), "I32", vec![shape[0], shape[1] / 8]));
                tensors.push((format!("{base}.weight_scale"), "BF16", vec![shape[0], 1]));
            } else if side == 2 && shape.len() == 2 {
                tensors.push((format!("{name}_scale_inv"), "F32", vec![1, 1]));
                tensors.push((name, "F8_E4M3", shape));
            } else if side == 3 {
                tensors.push((format!("model.strange.{at}.thing"), BYTES[dtype].0, vec![3, 5]));
                tensors.push((name, BYTES[dtype].0, shape));
            } else {
                tensors.push((name, BYTES[dtype].0, shape));
            }
        }
        let written = write(folder.path(), &tensors);
        let (total, all, ..) = sum(folder.path(), &architecture);
        prop_assert_eq!(total, written);
        prop_assert_eq!(u128::from(total), all);
    }
}

#[test]
fn scales_go_with_their_weights_and_layers_that_are_alike_together() {
    let architecture = Architecture::from_config(config(false), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut tensors = Vec::new();
    for (name, shape) in names(&architecture) {
        if name.contains(".1.block_sparse_moe.experts") {
            let base = name.strip_suffix(".weight").unwrap();
            tensors.push((
                format!("{base}.weight_packed"),
                "I32",
                vec![shape[0], shape[1] / 8],
            ));
            tensors.push((format!("{base}.weight_scale"), "BF16", vec![shape[0], 2]));
            tensors.push((format!("{base}.weight_shape"), "I32", vec![2]));
        } else {
            tensors.push((name, "BF16", shape));
        }
    }
    write(folder.path(), &tensors);
    let (.., pieces, notes) = sum(folder.path(), &architecture);
    assert_eq!(notes, 0);
    let of: Vec<_> = pieces
        .iter()
        .filter(|piece| piece.pattern.ends_with("experts.*.w1.weight"))
        .collect();
    let layers = |at: usize| -> Vec<u32> { of[at].layers.as_ref().unwrap().iter().collect() };
    assert_eq!(of.len(), 2);
    assert_eq!(
        (layers(0), of[0].each, of[0].bytes),
        (vec![0, 2], 4, 128 * 64 * 2)
    );
    // 32 bytes of weights and 4 of scales for each of 128 rows, and 8 of a shape.
    assert_eq!(
        (layers(1), of[1].each, of[1].bytes),
        (vec![1], 4, 128 * (32 + 4) + 8)
    );
    assert_eq!(of[1].elements, 128 * 64);
}

#[test]
fn a_copy_of_a_tied_head_is_left_out_and_noted() {
    let architecture = Architecture::from_config(config(true), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut tensors: Vec<_> = names(&architecture)
        .into_iter()
        .map(|(name, shape)| (name, "BF16", shape))
        .collect();
    tensors.push(("lm_head.weight".to_owned(), "BF16", vec![256, 64]));
    let written = write(folder.path(), &tensors);
    let (total, _, pieces, notes) = sum(folder.path(), &architecture);
    assert_eq!(total, written - 256 * 64 * 2);
    assert_eq!(notes, 1);
    assert!(pieces.iter().all(|piece| piece.role != Role::Head));
}

/// The bytes and warnings of a subject that is opened from a folder.
fn opened(folder: &Path) -> (u64, Vec<String>) {
    let target = folder.to_str().unwrap();
    let model = crate::model::Model::open(target, None, 1, &Control::default()).unwrap();
    let subject = crate::subject::Subject::of(&model).unwrap();
    let total = subject.stored.iter().map(super::Piece::total).sum();
    (total, subject.warnings)
}

#[test]
fn what_an_unfinished_download_lacks_is_counted_as_if_it_were_there_and_told() {
    let architecture = Architecture::from_config(config(false), None).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // Four bytes a number, which no config says: only the tensors that are there can tell.
    let tensors: Vec<_> = names(&architecture)
        .into_iter()
        .map(|(name, shape)| (name, "F32", shape))
        .collect();
    let written = write(folder.path(), &tensors);
    fs::write(folder.path().join("config.json"), config(false).to_string()).unwrap();
    assert_eq!(opened(folder.path()), (written, Vec::new()));
    // The same in shards, of which one is not there.
    let here: Vec<_> = tensors
        .iter()
        .filter(|(name, ..)| !name.contains("layers.1."))
        .cloned()
        .collect();
    let left = write(folder.path(), &here);
    assert!(left < written);
    let shard = |number: u8| format!("model-0000{number}-of-00002.safetensors");
    fs::rename(
        folder.path().join("model.safetensors"),
        folder.path().join(shard(1)),
    )
    .unwrap();
    let weight_map: serde_json::Map<_, _> = tensors
        .iter()
        .map(|(name, ..)| {
            (
                name.clone(),
                json!(shard(1 + u8::from(name.contains("layers.1.")))),
            )
        })
        .collect();
    let index = json!({"weight_map": weight_map}).to_string();
    fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    for target in [folder.path().to_owned(), folder.path().join(shard(1))] {
        let (total, warnings) = opened(&target);
        assert_eq!(total, written, "{}", target.display());
        assert_eq!(warnings.len(), 1);
        assert!(
            warnings[0].contains("tensors that the config asks for are not in the files"),
            "{warnings:?}"
        );
    }
    let (_, warnings) = opened(folder.path());
    assert!(warnings[0].contains(&shard(2)), "{warnings:?}");
}
