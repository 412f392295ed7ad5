//! Times, over the headers of one folder, in one run: only reading them, reading them with several parsers, and the
//! whole scan. Prints one line of JSON per measurement, in milliseconds, best and median of the rounds.
//!
//! Usage: `headers FOLDER ROUNDS THREADS`. The measurements take turns, so that a machine that changes speed changes
//! it for all. In its turn each one runs five times in a row and its best time counts.

use pondera::checkpoint::{HeaderReader, NameHasher, Problems, scan};
use pondera::parallel::Control;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use std::error::Error;
use std::fmt;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

/// How often a measurement runs in its turn.
const RUNS: usize = 5;

/// A name and what to time.
type Measurement<'m> = (&'m str, Box<dyn Fn() + 'm>);

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, folder, rounds, threads] = &arguments[..] else {
        return Err("usage: headers FOLDER ROUNDS THREADS".into());
    };
    let (rounds, threads) = (rounds.parse::<usize>()?, threads.parse::<usize>()?);
    let folder = Path::new(folder);
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "safetensors"))
        .collect();
    files.sort();
    let headers: Vec<Vec<u8>> = files
        .iter()
        .map(|file| {
            let mut header = Vec::new();
            read_header(file, &mut header).map(|()| header)
        })
        .collect::<io::Result<_>>()?;

    let measurements: [Measurement<'_>; 8] = [
        ("read headers, 1 thread", Box::new(|| read_all(&files, 1))),
        ("read headers", Box::new(|| read_all(&files, threads))),
        (
            "parse: serde_json visitor",
            Box::new(|| each(&headers, with_serde)),
        ),
        (
            "parse: sonic-rs visitor",
            Box::new(|| each(&headers, with_sonic)),
        ),
        (
            "parse: pondera, parser only",
            Box::new(|| with_pondera(&headers, false)),
        ),
        (
            "parse: pondera, templates",
            Box::new(|| with_pondera(&headers, true)),
        ),
        ("scan, 1 thread", Box::new(|| scan_all(folder, 1))),
        ("scan", Box::new(|| scan_all(folder, threads))),
    ];
    let mut times = vec![Vec::new(); measurements.len()];
    for _ in 0..rounds {
        for ((_, run), times) in measurements.iter().zip(&mut times) {
            let turn = (0..RUNS).map(|_| {
                let start = Instant::now();
                run();
                start.elapsed().as_secs_f64() * 1e3
            });
            times.push(turn.fold(f64::INFINITY, f64::min));
        }
    }
    for ((name, _), times) in measurements.iter().zip(&mut times) {
        times.sort_by(f64::total_cmp);
        println!(
            "{}",
            serde_json::json!({"name": name, "best_ms": times[0], "median_ms": times[times.len() / 2]})
        );
    }
    Ok(())
}

/// What every reader of headers must do at least: open, read the length, read the header, close.
fn read_header(path: &Path, buffer: &mut Vec<u8>) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut length = [0; 8];
    file.read_exact(&mut length)?;
    let length = usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?;
    buffer.resize(length, 0);
    file.read_exact(buffer)
}

fn read_all(files: &[PathBuf], threads: usize) {
    std::thread::scope(|scope| {
        for first in 0..threads {
            scope.spawn(move || {
                let mut buffer = Vec::new();
                for file in files.iter().skip(first).step_by(threads) {
                    read_header(file, &mut buffer).expect("the file was read before");
                    black_box(&buffer);
                }
            });
        }
    });
}

fn each(headers: &[Vec<u8>], parse: impl Fn(&[u8]) -> usize) {
    black_box(headers.iter().map(|text| parse(text)).sum::<usize>());
}

#[derive(serde::Deserialize)]
struct Entry<'a> {
    dtype: &'a str,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Visits the members of a header one by one, without building a map.
struct Entries;

impl<'de> Visitor<'de> for Entries {
    type Value = usize;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a safetensors header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = map.next_key::<&str>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entry: Entry<'_> = map.next_value()?;
            names.push((
                name.to_owned(),
                entry.dtype.len(),
                entry.shape,
                entry.data_offsets,
            ));
        }
        Ok(black_box(names).len())
    }
}

fn with_serde(text: &[u8]) -> usize {
    serde_json::Deserializer::from_slice(text)
        .deserialize_map(Entries)
        .expect("the header is sound")
}

fn with_sonic(text: &[u8]) -> usize {
    sonic_rs::Deserializer::from_slice(text)
        .deserialize_map(Entries)
        .expect("the header is sound")
}

fn with_pondera(headers: &[Vec<u8>], templates: bool) {
    let mut reader = if templates {
        HeaderReader::new(NameHasher::default())
    } else {
        HeaderReader::without_templates(NameHasher::default())
    };
    let mut problems = Problems::new(Arc::new(PathBuf::new()));
    for text in headers {
        black_box(reader.read(text, &mut problems));
    }
}

fn scan_all(folder: &Path, threads: usize) {
    black_box(scan(folder, threads, &Control::default()).expect("the folder is sound"));
}
