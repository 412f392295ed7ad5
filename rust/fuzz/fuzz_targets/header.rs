//! Headers: the reader with templates against the one without, and both against the `safetensors` crate.

#![no_main]

#[expect(dead_code, reason = "only the tests of the core use what documents a difference")]
#[path = "../../core/tests/differences/mod.rs"]
mod differences;

use differences::{Accepts, allowed};
use libfuzzer_sys::fuzz_target;
use pondera::checkpoint::{HeaderReader, Metadata, NameHasher, Problem, Problems, Severity};
use safetensors::SafeTensors;
use std::path::PathBuf;
use std::sync::Arc;

/// Data beyond this is not laid out: then both would only find the file too short.
const DATA_LIMIT: u64 = 1 << 16;

type Tensor = (String, String, Vec<u64>, u64, u64);

/// Tensors, metadata and length of the data, if the text is a header at all; what was found.
fn read(reader: &mut HeaderReader, text: &[u8]) -> (Option<(Vec<Tensor>, Metadata, u64)>, Vec<Problem>) {
    let mut problems = Problems::new(Arc::new(PathBuf::from("x")));
    let header = reader.read(text, &mut problems).map(|header| {
        let tensors = header.tensors.iter().map(|tensor| {
            let form = reader.forms.form(tensor.form);
            let name = reader.forms.name(tensor, &header.numbers);
            let end = tensor.begin + form.bytes;
            (name, form.dtype.name().to_owned(), form.shape.to_vec(), tensor.begin, end)
        });
        (tensors.collect(), header.metadata, header.data_bytes)
    });
    (header, problems.into_vec())
}

/// Tensors in the order of their names, and metadata, if the `safetensors` crate accepts the file.
fn by_safetensors(file: &[u8]) -> Option<(Vec<Tensor>, Metadata)> {
    let (_, metadata) = SafeTensors::read_metadata(file).ok()?;
    let mut tensors: Vec<Tensor> = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (begin, end) = info.data_offsets;
            let shape = info.shape.iter().map(|&side| side as u64).collect();
            (name, info.dtype.to_string(), shape, begin as u64, end as u64)
        })
        .collect();
    tensors.sort();
    Some((tensors, metadata.metadata().clone().unwrap_or_default().into_iter().collect()))
}

fuzz_target!(|input: &[u8]| {
    let hasher = NameHasher::default();
    let mut fast = HeaderReader::new(hasher.clone());
    let mut slow = HeaderReader::without_templates(hasher);
    // Several headers in one input, each read twice: what is learned from one is tried on the next.
    for text in input.split(|&byte| byte == 0xff) {
        let by_parser = read(&mut slow, text);
        for _ in 0..2 {
            assert_eq!(read(&mut fast, text), by_parser);
        }
        let (header, problems) = by_parser;
        let data = header.as_ref().map_or(0, |(.., data)| *data);
        if data > DATA_LIMIT {
            continue;
        }
        let mut file = (text.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(text);
        file.resize(file.len() + data as usize, 0);
        let rejected = problems.iter().any(|problem| problem.severity() == Severity::Error);
        match (by_safetensors(&file), rejected) {
            (Some((tensors, metadata)), false) => {
                let (mut ours, own_metadata, _) = header.expect("a header without errors");
                ours.sort();
                assert_eq!((ours, own_metadata), (tensors, metadata));
            }
            (Some(_), true) => assert!(allowed(Accepts::Safetensors, text, &problems), "{problems:?}"),
            (None, false) => assert!(allowed(Accepts::Pondera, text, &problems), "{problems:?}"),
            (None, true) => {}
        }
    }
});
