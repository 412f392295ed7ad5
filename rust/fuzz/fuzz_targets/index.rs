//! Index files: a scan of two small shards with an index of any bytes, against what `serde_json` reads in it.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pondera::checkpoint::{Code, scan};
use pondera::parallel::Control;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::{fmt, fs};

const SHARDS: [&str; 2] = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
const NAMES: [&str; 2] = ["a.1", "b"];
/// Problems of one code are listed up to this number.
const LISTED: usize = 50;

/// A folder with two shards of one tensor each, made once; the index is written anew for each input.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let shared = Path::new("/dev/shm");
    let parent = if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() };
    let folder = tempfile::tempdir_in(parent).unwrap().keep();
    for (shard, name) in SHARDS.iter().zip(NAMES) {
        let header = format!(r#"{{"{name}":{{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}}}"#);
        let mut file = (header.len() as u64).to_le_bytes().to_vec();
        file.extend_from_slice(header.as_bytes());
        file.push(0);
        fs::write(folder.join(shard), file).unwrap();
    }
    folder
});

/// The text of an index, with every entry of its map in order.
struct Index {
    total: Option<u64>,
    entries: Option<Vec<(String, String)>>,
}

struct Entries(Vec<(String, String)>);

macro_rules! from_map {
    ($type:ty, $map:ident, $body:block) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Reader;
                impl<'de> Visitor<'de> for Reader {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, mut $map: A) -> Result<$type, A::Error> $body
                }
                deserializer.deserialize_map(Reader)
            }
        }
    };
}

from_map!(Entries, map, {
    let mut entries = Vec::new();
    while let Some(entry) = map.next_entry()? {
        entries.push(entry);
    }
    Ok(Entries(entries))
});

from_map!(Index, map, {
    let mut index = Index {
        total: None,
        entries: None,
    };
    while let Some(key) = map.next_key::<String>()? {
        match &*key {
            "weight_map" if index.entries.is_some() => return Err(A::Error::custom("two maps")),
            "weight_map" => index.entries = Some(map.next_value::<Entries>()?.0),
            "metadata" => index.total = map.next_value::<Value>()?["total_size"].as_u64(),
            _ => drop(map.next_value::<Value>()?),
        }
    }
    Ok(index)
});

fuzz_target!(|input: &[u8]| {
    let path = FOLDER.join("model.safetensors.index.json");
    fs::write(&path, input).unwrap();
    let checkpoint = scan(&path, 1, &Control::default()).unwrap();
    let found = |code| checkpoint.problems.iter().filter(|problem| problem.code == code).count();
    let index = match serde_json::from_slice::<Index>(input) {
        Ok(index) => index,
        // The one number that is JSON and that `serde_json` does not take.
        Err(error) if error.to_string().starts_with("number out of range") => return,
        Err(error) => {
            assert!(found(Code::IndexInvalid) > 0, "{error}");
            return;
        }
    };
    let Some(entries) = index.entries else {
        assert!(found(Code::IndexInvalid) > 0, "no map");
        return;
    };
    let named: BTreeSet<&str> = entries.iter().map(|(_, file)| &**file).collect();
    let listed: BTreeSet<&str> = entries.iter().map(|(name, _)| &**name).collect();
    let here = |file: &str| SHARDS.iter().position(|shard| *shard == file);
    let expect = |code, number: usize| assert_eq!(found(code), number.min(LISTED), "{code:?}");
    expect(Code::IndexInvalid, entries.len() - listed.len());
    expect(Code::ShardMissing, named.iter().filter(|file| here(file).is_none()).count());
    let held: Vec<usize> = named.iter().filter_map(|file| here(file)).collect();
    let (mut missing, mut misplaced) = (0, 0);
    for (name, file) in &entries {
        let Some(shard) = here(file) else { continue };
        if NAMES[shard] != name {
            let elsewhere = held.iter().any(|&other| NAMES[other] == name);
            *(if elsewhere { &mut misplaced } else { &mut missing }) += 1;
        }
    }
    expect(Code::TensorMissing, missing);
    expect(Code::TensorMisplaced, misplaced);
    expect(Code::TensorUnlisted, held.iter().filter(|&&shard| !listed.contains(NAMES[shard])).count());
    let complete = held.len() == named.len();
    let wrong = index.total.is_some_and(|total| total != held.len() as u64);
    expect(Code::TotalSizeWrong, usize::from(complete && wrong));
});
