//! The readers of this crate against others that are slow, obvious or foreign, on generated input.
//!
//! - headers: against the `safetensors` crate, which both must accept or both reject, save for [`DIFFERENCES`];
//! - templates: the fast path of the header reader against its parser;
//! - indexes: what a scan reports against an oracle made of maps.
//!
//! `PROPTEST_CASES` sets the number of cases of each; the default keeps the whole file within seconds.

#![expect(
    clippy::similar_names,
    reason = "what is held and what is listed go by like names"
)]

mod differences;

use differences::{Accepts, DIFFERENCES, Difference, Seen, allowed};
use pondera::checkpoint::{
    Checkpoint, Code, HEADER_LIMIT, Header, HeaderReader, Metadata, NameHasher, Problem, Problems,
    Severity, ShardReader, scan,
};
use pondera::dtype::Dtype;
use pondera::parallel::Control;
use pondera::source::Source;
use proptest::prelude::*;
use proptest::sample::{Index as Place, select};
use safetensors::SafeTensors;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn config(cases: u32) -> ProptestConfig {
    let asked = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|cases| cases.parse().ok());
    ProptestConfig {
        cases: asked.unwrap_or(cases),
        // What fails is to be made a case of its own, with a name that says what went wrong.
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Headers against the safetensors crate.

/// Name, dtype, shape and data offsets of every tensor, and the metadata.
type Contents = (BTreeMap<String, (String, Vec<u64>, u64, u64)>, Metadata);

/// What safetensors makes of a file, if it accepts it.
fn by_safetensors(file: &[u8]) -> Option<Contents> {
    // With overflow checks on, offsets whose sum leaves 64 bits make it panic; without, it rejects them.
    let read = std::panic::catch_unwind(|| SafeTensors::read_metadata(file)).ok()?;
    let (_, metadata) = read.ok()?;
    let size = |size: usize| size as u64;
    let tensors = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| {
            let (begin, end) = info.data_offsets;
            let shape = info.shape.iter().copied().map(size).collect();
            (
                name,
                (info.dtype.to_string(), shape, size(begin), size(end)),
            )
        })
        .collect();
    let stated = metadata.metadata().clone().unwrap_or_default();
    Some((tensors, stated.into_iter().collect()))
}

/// What this crate makes of a file, and what it reports.
fn by_pondera(reader: &mut ShardReader, path: &Arc<PathBuf>) -> (Contents, Vec<Problem>) {
    let (shard, problems) = reader.read(Source::Disk, path);
    let tensors = shard
        .tensors
        .iter()
        .map(|tensor| {
            let form = shard.form(tensor);
            let end = tensor.begin + form.bytes;
            let info = (
                form.dtype.name().to_owned(),
                form.shape.to_vec(),
                tensor.begin,
                end,
            );
            (shard.name(tensor), info)
        })
        .collect();
    ((tensors, shard.metadata), problems)
}

fn file_of(header: &[u8], data: usize) -> Vec<u8> {
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(header);
    file.resize(file.len() + data, 0);
    file
}

/// The header of a file as far as it is there.
fn header_of(file: &[u8]) -> &[u8] {
    let Some((length, rest)) = file.split_first_chunk::<8>() else {
        return &[];
    };
    let length = usize::try_from(u64::from_le_bytes(*length)).unwrap_or(usize::MAX);
    &rest[..length.min(rest.len())]
}

/// Holds both readers against each other on one file; true if both accept it.
fn compare(
    reader: &mut ShardReader,
    path: &Arc<PathBuf>,
    file: &[u8],
) -> Result<bool, TestCaseError> {
    fs::write(&**path, file).unwrap();
    let theirs = by_safetensors(file);
    let (ours, problems) = by_pondera(reader, path);
    let rejected = problems
        .iter()
        .any(|problem| problem.severity() == Severity::Error);
    let allowed = |accepts| allowed(accepts, header_of(file), &problems);
    match theirs {
        Some(theirs) if !rejected => {
            prop_assert_eq!(ours, theirs);
            return Ok(true);
        }
        Some(_) => prop_assert!(
            allowed(Accepts::Safetensors),
            "only safetensors accepts it; {problems:?}"
        ),
        None if !rejected => prop_assert!(
            allowed(Accepts::Pondera),
            "only pondera accepts it; {problems:?}"
        ),
        None => {}
    }
    Ok(false)
}

/// A file to write cases to, and a reader that goes on learning from one case to the next as in a scan.
struct Bench {
    _folder: tempfile::TempDir,
    path: Arc<PathBuf>,
    reader: ShardReader,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = Arc::new(folder.path().join("model.safetensors"));
        Self {
            _folder: folder,
            path,
            reader: ShardReader::new(NameHasher::default()),
        }
    }

    fn compare(&mut self, file: &[u8]) -> Result<bool, TestCaseError> {
        compare(&mut self.reader, &self.path, file)
    }
}

/// White space between tokens: none, one space, or anything that JSON allows.
#[derive(Clone, Copy, Debug)]
enum Spacing {
    None,
    Single,
    Wild(u64),
}

/// Writes tokens with white space between them.
struct Writer {
    text: String,
    spacing: Spacing,
}

impl Writer {
    fn token(&mut self, token: &str) {
        match &mut self.spacing {
            Spacing::None => {}
            Spacing::Single => self.text.push(' '),
            Spacing::Wild(seed) => {
                *seed = seed
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                self.text.push_str(
                    ["", "", "", " ", "\n  ", "\t", "\r\n", "  "][(*seed >> 61) as usize],
                );
            }
        }
        self.text.push_str(token);
    }

    fn tokens(&mut self, tokens: &[&str]) {
        for token in tokens {
            self.token(token);
        }
    }
}

/// A string as JSON, with escapes where they must be or, by style, where they may be.
fn quoted(text: &str, style: u8) -> String {
    let mut out = String::from("\"");
    for (place, c) in text.chars().enumerate() {
        let escape = style > 0 && (place + usize::from(style)).is_multiple_of(3);
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' if escape => out.push_str("\\/"),
            '\n' if escape => out.push_str("\\n"),
            c if c < ' ' || escape => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = if style.is_multiple_of(2) {
                        write!(out, "\\u{unit:04x}")
                    } else {
                        write!(out, "\\u{unit:04X}")
                    };
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => (0..12_u32, select(vec!["q_proj.weight", "k_proj.weight", "norm.bias"]))
            .prop_map(|(layer, rest)| format!("model.layers.{layer}.{rest}")),
        2 => (0..4_u32, 0..4_u32).prop_map(|(a, b)| format!("{a}.{b}")),
        2 => select(vec![
            "", ".", "..", "0", "007", "a.00", "*", "a.*.1", "1234567890.x", "999999999", "é.1.ü", "😀.3", "a\"b",
            "a\\b", "a/b.1", "a\nb", "\u{0}", "__metadata", "__metadata__ ", "𝔘", "\u{202e}x", "-1", "1e3", " 1",
        ])
        .prop_map(str::to_owned),
        1 => "\\PC{0,6}",
    ]
}

/// What is wrong with an entry, if anything is.
#[derive(Clone, Debug)]
enum Fault {
    None,
    Begin(u64),
    End(u64),
    Swapped,
    Missing(usize),
    Twice(usize),
    Value(usize, &'static str),
    Whole(&'static str),
}

const FIELDS: [&str; 3] = ["dtype", "shape", "data_offsets"];

/// Texts that stand where a value of an entry should stand.
const ODD_VALUES: &[&str] = &[
    "null",
    "true",
    "\"\"",
    "\"F32\"",
    "\"f32\"",
    "\"F7\"",
    "\"\\u0046\\u0033\\u0032\"",
    "{\"F32\":null}",
    "{\"F32\":{}}",
    "{\"F32\":1}",
    "{\"F32\":null,\"F16\":null}",
    "{}",
    "[]",
    "[[]]",
    "[0]",
    "[0,4]",
    "[4]",
    "[0,4,4]",
    "[00,4]",
    "[0,04]",
    "[-0,4]",
    "[0,4.0]",
    "[0,4e0]",
    "[0,\"4\"]",
    "[null,4]",
    "[0,4,]",
    "[,4]",
    "[0 4]",
    "[1e400]",
    "[-1]",
    "[1.0]",
    "[18446744073709551615]",
    "[18446744073709551616]",
    "[4294967296,4294967296]",
    "[0,18446744073709551615,2]",
    "[18446744073709551615,2,0]",
    "[2305843009213693952]",
    "0",
    "4",
    "tru",
    "[+4]",
    "[0x4]",
    "NaN",
];

/// Fields that a reader must pass over, well formed or not.
const EXTRAS: &[(&str, &str)] = &[
    ("extra", "1"),
    ("extra", "-0.5e-7"),
    ("extra", "1e400"),
    ("extra", "-1e999999999"),
    ("extra", "0e999999"),
    ("", "\"\\ud83d\\ude00\""),
    ("x", "\"\\ud83d\""),
    ("x", "\"\\q\""),
    ("x", "{\"a\":[1,{\"b\":null}]}"),
    ("x", "[1,]"),
    ("x", "{\"a\":1,}"),
    ("x", "{\"a\":1,\"a\":2}"),
    ("DTYPE", "5"),
    ("dt\\u0079pe", "\"F32\""),
    ("x", "-"),
    ("x", "01"),
    ("x", "1."),
    ("x", ".5"),
    ("x", "nul"),
    ("x", "\"\u{7f}\u{80}\""),
    ("x", "\"\t\""),
    ("dtype ", "1"),
];

#[derive(Clone, Debug)]
struct Entry {
    name: String,
    style: u8,
    dtype: usize,
    shape: Vec<u64>,
    order: usize,
    extra: Option<(&'static str, &'static str)>,
    nested: Option<usize>,
    fault: Fault,
}

fn entry() -> impl Strategy<Value = Entry> {
    let side = prop_oneof![8 => 0..5_u64, 2 => 5..70_u64, 1 => select(vec![1 << 20, 1 << 31, 1 << 32, 1 << 61, u64::MAX])];
    let fault = prop_oneof![
        24 => Just(Fault::None),
        1 => (0..10_u64).prop_map(Fault::Begin),
        1 => prop_oneof![0..10_u64, Just(u64::MAX)].prop_map(Fault::End),
        1 => Just(Fault::Swapped),
        1 => (0..3_usize).prop_map(Fault::Missing),
        1 => (0..3_usize).prop_map(Fault::Twice),
        3 => (0..3_usize, select(ODD_VALUES)).prop_map(|(field, value)| Fault::Value(field, value)),
        1 => select(vec!["null", "[]", "{}", "5", "\"F32\"", "[\"F32\",[1],[0,4]]", "[\"U8\",[],[0,1]]", "[\"U8\",[],[0,1],1]", "tru"])
            .prop_map(Fault::Whole),
    ];
    (
        name(),
        prop_oneof![4 => Just(0), 1 => 1..6_u8],
        0..Dtype::known().count(),
        prop::collection::vec(side, 0..4),
        0..6_usize,
        prop::option::weighted(0.08, select(EXTRAS)),
        // A value nested about as deep as is allowed: 127 levels in all, two of them around it.
        prop::option::weighted(0.02, 120..130_usize),
        fault,
    )
        .prop_map(
            |(name, style, dtype, shape, order, extra, nested, fault)| Entry {
                name,
                style,
                dtype,
                shape,
                order,
                extra,
                nested,
                fault,
            },
        )
}

impl Entry {
    /// Writes the entry for data that begins at `begin`; where it ends.
    fn write(&self, writer: &mut Writer, begin: u64) -> u64 {
        writer.tokens(&[&quoted(&self.name, self.style), ":"]);
        let dtype = Dtype::known().nth(self.dtype).unwrap();
        let bits = self
            .shape
            .iter()
            .try_fold(dtype.bits(), |bits, side| bits.checked_mul(*side));
        let end = begin.saturating_add(bits.unwrap_or(8) / 8);
        let (from, to) = match self.fault {
            Fault::Begin(shift) => (begin.saturating_add(shift), end),
            Fault::End(shift) => (begin, end.saturating_add(shift)),
            Fault::Swapped => (end, begin),
            _ => (begin, end),
        };
        if let Fault::Whole(value) = self.fault {
            writer.token(value);
            return begin;
        }
        let mut fields = vec![0, 1, 2];
        fields.swap(0, self.order % 3);
        fields.swap(1, 1 + self.order / 3);
        match self.fault {
            Fault::Missing(field) => fields.retain(|other| *other != field),
            Fault::Twice(field) => fields.push(field),
            _ => {}
        }
        writer.token("{");
        for (place, field) in fields.iter().enumerate() {
            if place > 0 {
                writer.token(",");
            }
            writer.tokens(&[&quoted(FIELDS[*field], u8::from(self.style == 5)), ":"]);
            match (&self.fault, *field) {
                (Fault::Value(faulty, value), field) if *faulty == field => writer.token(value),
                (_, 0) => writer.token(&quoted(dtype.name(), self.style)),
                (_, 1) => list(writer, &self.shape),
                _ => list(writer, &[from, to]),
            }
        }
        if let Some((key, value)) = self.extra {
            let comma = if fields.is_empty() { "" } else { "," };
            writer.tokens(&[comma, &format!("\"{key}\""), ":", value]);
        }
        if let Some(depth) = self.nested {
            writer.tokens(&[
                ",",
                "\"nested\"",
                ":",
                &"[".repeat(depth),
                &"]".repeat(depth),
            ]);
        }
        writer.token("}");
        end
    }
}

fn list(writer: &mut Writer, numbers: &[u64]) {
    writer.token("[");
    for (place, number) in numbers.iter().enumerate() {
        if place > 0 {
            writer.token(",");
        }
        writer.token(&number.to_string());
    }
    writer.token("]");
}

const METADATA: &[&str] = &[
    "null",
    "{}",
    "{\"format\":\"pt\"}",
    "{\"a\":\"1\",\"a\":\"2\"}",
    "{\"\\u00e9\":\"\\n\"}",
    "{\"a\":1}",
    "{\"a\":null}",
    "{\"a\":\"b\",}",
    "[]",
    "\"pt\"",
    "5",
    "nullx",
    "{\"a\":\"\\ud800\"}",
    "{\"a\":{\"b\":\"c\"}}",
];

/// Changes to the bytes of a file.
#[derive(Clone, Debug)]
enum Mutation {
    Set(Place, u8),
    Remove(Place),
    Insert(Place, u8),
    Repeat(Place, usize),
    Cut(Place),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let byte = || prop_oneof![4 => select(b"{}[]\",:\\0123456789 \t\n-+.eEnulltrfasu_/".to_vec()), 1 => any::<u8>()];
    prop_oneof![
        (any::<Place>(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        any::<Place>().prop_map(Mutation::Remove),
        (any::<Place>(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        (any::<Place>(), 1..40_usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
        any::<Place>().prop_map(Mutation::Cut),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let length = bytes.len();
        match self {
            Self::Set(at, byte) => bytes[at.index(length)] = *byte,
            Self::Remove(at) => drop(bytes.remove(at.index(length))),
            Self::Insert(at, byte) => bytes.insert(at.index(length), *byte),
            Self::Repeat(at, many) => {
                let at = at.index(length);
                let again = bytes[at..length.min(at + many)].to_vec();
                bytes.splice(at..at, again);
            }
            Self::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// A file with a header, sound in most parts.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let spacing = prop_oneof![
        3 => Just(Spacing::None),
        1 => Just(Spacing::Single),
        1 => any::<u64>().prop_map(Spacing::Wild),
    ];
    let metadata = prop::collection::vec((select(METADATA), any::<Place>()), 0..2);
    let metadata = prop_oneof![
        4 => metadata,
        1 => prop::collection::vec((select(METADATA), any::<Place>()), 2..3),
    ];
    let whole = (
        prop::collection::vec(entry(), 0..7),
        any::<bool>(),
        spacing,
        metadata,
        prop_oneof![6 => Just(0), 1 => -3..4_i64],
        prop_oneof![12 => Just(0), 1 => -9..9_i64],
        prop_oneof![6 => Just(vec![]), 1 => prop::collection::vec(mutation(), 1..4)],
        prop_oneof![8 => Just(vec![]), 1 => prop::collection::vec(mutation(), 1..3)],
        (0..9_usize, any::<bool>()),
    );
    whole.prop_map(
        |(
            mut entries,
            shuffled,
            spacing,
            mut metadata,
            data_shift,
            length_shift,
            inner,
            outer,
            (padding, sound),
        )| {
            if sound {
                make_sound(&mut entries, &mut metadata);
            }
            let mut writer = Writer {
                text: String::new(),
                spacing,
            };
            let mut items: Vec<(usize, Option<&Entry>, &str)> =
                entries.iter().map(|entry| (0, Some(entry), "")).collect();
            // Where tensors lie need not be the order of the header.
            let mut begins = Vec::new();
            let mut scratch = Writer {
                text: String::new(),
                spacing: Spacing::None,
            };
            let mut end = 0;
            let order: Vec<usize> = if shuffled {
                (0..entries.len()).rev().collect()
            } else {
                (0..entries.len()).collect()
            };
            begins.resize(entries.len(), 0);
            for at in order {
                begins[at] = end;
                end = entries[at].write(&mut scratch, end);
            }
            for (place, begin) in begins.iter().enumerate() {
                items[place].0 = usize::try_from(*begin).unwrap();
            }
            for (value, at) in &metadata {
                items.insert(at.index(items.len() + 1), (0, None, value));
            }
            writer.token("{");
            for (place, (begin, entry, metadata)) in items.iter().enumerate() {
                if place > 0 {
                    writer.token(",");
                }
                match entry {
                    Some(entry) => drop(entry.write(&mut writer, *begin as u64)),
                    None => writer.tokens(&["\"__metadata__\"", ":", metadata]),
                }
            }
            writer.token("}");
            let mut header = writer.text.into_bytes();
            header.resize(header.len() + padding, b' ');
            for mutation in &inner {
                mutation.apply(&mut header);
            }
            // Data that would not fit the memory of a test is left out: then both must find the file too short.
            let data = usize::try_from(end)
                .ok()
                .filter(|data| *data < 1 << 16)
                .unwrap_or(0);
            let mut file = file_of(
                &header,
                data.saturating_add_signed(isize::try_from(data_shift).unwrap()),
            );
            let length = (header.len() as u64).saturating_add_signed(length_shift);
            file[..8].copy_from_slice(&length.to_le_bytes());
            for mutation in &outer {
                mutation.apply(&mut file);
            }
            file
        },
    )
}

/// Takes away what must be rejected: else a file of several entries would hardly ever be sound.
fn make_sound(entries: &mut Vec<Entry>, metadata: &mut Vec<(&'static str, Place)>) {
    let mut names = BTreeSet::new();
    entries.retain(|entry| names.insert(entry.name.clone()));
    for entry in entries {
        entry.fault = Fault::None;
        for side in &mut entry.shape {
            *side %= 70;
        }
        let dtype = Dtype::known().nth(entry.dtype).unwrap();
        if dtype.bits() < 8 && entry.shape.iter().product::<u64>() % 4 != 0 {
            entry.shape.push(4);
        }
        entry.extra = entry
            .extra
            .filter(|(_, value)| serde_json::from_str::<serde_json::Value>(value).is_ok());
    }
    metadata.truncate(1);
    metadata.retain(|(value, _)| serde_json::from_str::<Option<Metadata>>(value).is_ok());
}

#[test]
fn headers_are_accepted_as_safetensors_accepts_them() {
    let bench = std::cell::RefCell::new(Bench::new());
    let accepted = std::cell::Cell::new(0_u32);
    let all = std::cell::Cell::new(0_u32);
    let mut runner = proptest::test_runner::TestRunner::new(config(2000));
    runner
        .run(&file(), |file| {
            let both = bench.borrow_mut().compare(&file)?;
            accepted.set(accepted.get() + u32::from(both));
            all.set(all.get() + 1);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    // A generator that makes hardly any file that is accepted, or rejected, would prove little.
    assert!(
        accepted.get() * 5 > all.get(),
        "{} of {}",
        accepted.get(),
        all.get()
    );
    assert!(
        accepted.get() * 5 < all.get() * 3,
        "{} of {}",
        accepted.get(),
        all.get()
    );
}

#[test]
fn every_deliberate_difference_is_one() {
    let mut bench = Bench::new();
    for difference in DIFFERENCES {
        let (header, data) = difference.example;
        let file = file_of(header.as_bytes(), data);
        fs::write(&**bench.path, &file).unwrap();
        let (_, problems) = by_pondera(&mut bench.reader, &bench.path);
        let seen = Seen {
            header: header.as_bytes(),
            problems: &problems,
        };
        assert!((difference.applies)(&seen), "{}", difference.what);
        let rejected = problems
            .iter()
            .any(|problem| problem.severity() == Severity::Error);
        assert_eq!(
            rejected,
            difference.accepts == Accepts::Safetensors,
            "{}: {problems:?}",
            difference.what
        );
        assert_eq!(
            by_safetensors(&file).is_some(),
            difference.accepts == Accepts::Safetensors,
            "{}",
            difference.what
        );
        assert!(!difference.reason.ends_with('.'));
    }
}

#[test]
fn the_documentation_lists_the_same_differences() {
    let page =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/problems.md"))
            .unwrap();
    for Difference {
        accepts,
        what,
        reason,
        ..
    } in DIFFERENCES
    {
        let row = match accepts {
            Accepts::Pondera => format!("| {what} | accepted | rejected | {reason} |"),
            Accepts::Safetensors => format!("| {what} | rejected | accepted | {reason} |"),
        };
        assert!(
            page.contains(&row),
            "docs/problems.md lacks this row:\n{row}"
        );
    }
    let rows = page
        .lines()
        .filter(|line| line.ends_with(" |") && line.contains("| accepted |"))
        .count();
    assert_eq!(
        rows,
        DIFFERENCES.len(),
        "docs/problems.md lists a difference that is not one"
    );
}

#[test]
fn every_prefix_of_a_file_is_rejected_by_both() {
    let header =
        r#"{"__metadata__":{"a":"b"},"x.1":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
    let file = file_of(header.as_bytes(), 8);
    let mut bench = Bench::new();
    assert!(bench.compare(&file).unwrap());
    for length in 0..file.len() {
        assert!(!bench.compare(&file[..length]).unwrap(), "{length} bytes");
    }
}

#[test]
fn limits_are_those_of_safetensors() {
    let mut bench = Bench::new();
    // The header length at, and one over, what is allowed; the header itself is mostly padding.
    for (length, accepted) in [(HEADER_LIMIT, true), (HEADER_LIMIT + 1, false)] {
        let mut header = b"{}".to_vec();
        header.resize(usize::try_from(length).unwrap(), b' ');
        assert_eq!(
            bench.compare(&file_of(&header, 0)).unwrap(),
            accepted,
            "{length}"
        );
    }
    // Eight tensors that reach the end of the 64-bit range: the end of the file lies beyond it.
    let side = (1_u64 << 61) - 1;
    let entries: Vec<String> = (0..8)
        .map(|n| {
            format!(
                r#""{n}":{{"dtype":"U8","shape":[{side}],"data_offsets":[{},{}]}}"#,
                n * side,
                (n + 1) * side
            )
        })
        .collect();
    assert!(
        !bench
            .compare(&file_of(format!("{{{}}}", entries.join(",")).as_bytes(), 0))
            .unwrap()
    );
    for length in [0, 1, 7, u64::MAX, 1 << 63, u64::MAX - 7] {
        assert!(!bench.compare(&length.to_le_bytes()).unwrap());
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Templates against the parser.

/// One header as both readers must see it.
type Reading = (Option<(Vec<ReadTensor>, Metadata, u64)>, Vec<Problem>);
type ReadTensor = (String, String, Vec<u64>, u64, u64);

fn reading(reader: &mut HeaderReader, text: &[u8]) -> (Reading, Option<Header>) {
    let mut problems = Problems::new(Arc::new(PathBuf::from("x")));
    let header = reader.read(text, &mut problems);
    let seen = header.as_ref().map(|header| {
        let tensors = header.tensors.iter().map(|tensor| {
            let form = reader.forms.form(tensor.form);
            let name = reader.forms.name(tensor, &header.numbers);
            (
                name,
                form.dtype.name().to_owned(),
                form.shape.to_vec(),
                tensor.begin,
                form.bytes,
            )
        });
        (
            tensors.collect(),
            header.metadata.clone(),
            header.data_bytes,
        )
    });
    ((seen, problems.into_vec()), header)
}

/// Numbers as they stand in a name: with and without leading zeros, around the limits, and what is no number.
const NAME_NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "7",
    "9",
    "10",
    "11",
    "99",
    "100",
    "255",
    "1000",
    "4095",
    "65536",
    "99999999",
    "100000000",
    "999999999",
    "1000000000",
    "4294967295",
    "4294967296",
    "999999999999999",
    "1000000000000000",
    "18446744073709551615",
    "18446744073709551616",
    "00",
    "01",
    "007",
    "1x",
    "x1",
    "1_0",
    "-1",
    "1e3",
    "+1",
    "",
    "1 ",
    " 1",
    "*",
    "٣",
    "1\\u0030",
];

/// Offsets that are not those of the entry.
const OFFSETS: &[&str] = &[
    "0",
    "00",
    "04",
    "4",
    "4.0",
    "4e0",
    "-4",
    "999999999",
    "1000000000",
    "9999999999999999",
    "10000000000000000",
    "9223372036854775808",
    "18446744073709551612",
    "18446744073709551615",
    "18446744073709551616",
    "184467440737095516160",
    "\"4\"",
    "null",
    "",
];

#[derive(Clone, Debug)]
struct Near {
    /// Which of a few kinds of entry this is like.
    kind: usize,
    numbers: [usize; 2],
    change: Change,
}

/// How an entry differs from what its kind has led to expect.
#[derive(Clone, Debug)]
enum Change {
    None,
    /// Other separators: before the comma, after it, around the name's colon.
    Spaces(&'static str, &'static str, &'static str),
    Commas(&'static str),
    Dtype(&'static str),
    Shape(&'static str),
    Offsets(&'static str, &'static str),
    /// One more byte of data than shape and dtype say.
    Longer,
    Escaped,
    Extra(&'static str),
    Insert(Place, u8),
    Remove(Place),
}

fn near() -> impl Strategy<Value = Near> {
    let change = prop_oneof![
        40 => Just(Change::None),
        1 => select(vec![(" ", "", ""), ("", " ", ""), ("", "", " "), ("\n", "\t", "\r")])
            .prop_map(|(before, after, colon)| Change::Spaces(before, after, colon)),
        1 => select(vec!["", ",,", ";", ", ,"]).prop_map(Change::Commas),
        1 => select(vec!["F32", "I32", "F16", "F4", "F7", "f32", "", "F\\u00332"]).prop_map(Change::Dtype),
        1 => select(vec!["[]", "[1]", "[01]", "[2]", "[1,1]", "[ 1]", "[0]", "[4294967296,4294967296]"]).prop_map(Change::Shape),
        2 => (select(OFFSETS), select(OFFSETS)).prop_map(|(begin, end)| Change::Offsets(begin, end)),
        1 => Just(Change::Longer),
        1 => Just(Change::Escaped),
        1 => select(vec!["1", "01", "[1,2]", "\"}\"", "{\"data_offsets\":[0,4]}"]).prop_map(Change::Extra),
        2 => (any::<Place>(), select(b"0123456789.\",:[]{}\\ eE-".to_vec())).prop_map(|(at, byte)| Change::Insert(at, byte)),
        1 => any::<Place>().prop_map(Change::Remove),
    ];
    let number = || prop_oneof![5 => 0..13_usize, 1 => 0..NAME_NUMBERS.len()];
    (0..6_usize, [number(), number()], change).prop_map(|(kind, numbers, change)| Near {
        kind,
        numbers,
        change,
    })
}

/// Entries of a header in one text, and where the data of the next begins.
fn write_near(entries: &[Near], opening: &str) -> Vec<u8> {
    let mut text = opening.as_bytes().to_vec();
    let mut begin = 0_u64;
    for (place, near) in entries.iter().enumerate() {
        let [a, b] = near.numbers.map(|number| NAME_NUMBERS[number]);
        let name = match near.kind {
            0 => format!("h.{a}.w"),
            1 => format!("h.{a}.e.{b}.w"),
            2 => a.to_owned(),
            3 => format!("h.{a}.w.{b}"),
            4 => "h.w".to_owned(),
            // Eight numbers and two offsets are more gaps than a template may have.
            _ => format!("0.1.2.3.4.5.{a}.{b}"),
        };
        let bytes = 4 + u64::from(matches!(near.change, Change::Longer));
        let end = begin + bytes;
        let (mut dtype, mut shape) = ("F32", "[1]");
        let (mut from, mut to) = (begin.to_string(), end.to_string());
        let (mut before, mut comma, mut after, mut colon) = ("", ",", "", "");
        let mut extra = String::new();
        match &near.change {
            Change::Spaces(a, b, c) => (before, after, colon) = (a, b, c),
            Change::Commas(other) => comma = other,
            Change::Dtype(other) => dtype = other,
            Change::Shape(other) => shape = other,
            Change::Offsets(a, b) => (from, to) = ((*a).to_owned(), (*b).to_owned()),
            Change::Extra(value) => extra = format!(",\"x\":{value}"),
            _ => {}
        }
        // Escaping letters leaves the name the same.
        let name = if matches!(near.change, Change::Escaped) {
            name.replace('w', "\\u0077")
        } else {
            name
        };
        let comma = if place == 0 && comma == "," {
            ""
        } else {
            comma
        };
        let entry = format!(
            "{before}{comma}{after}\"{name}\"{colon}:{{\"dtype\":\"{dtype}\",\"shape\":{shape},\"data_offsets\":[{from},{to}]{extra}}}"
        );
        let mut entry = entry.into_bytes();
        match &near.change {
            Change::Insert(at, byte) => entry.insert(at.index(entry.len()), *byte),
            Change::Remove(at) => drop(entry.remove(at.index(entry.len()))),
            _ => {}
        }
        text.extend_from_slice(&entry);
        begin = end;
    }
    text.push(b'}');
    text
}

/// Headers one after another, as a reader meets them in a model of several shards.
fn near_headers() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let opening = prop_oneof![10 => Just("{"), 1 => select(vec!["{ ", "{,", "{ ,", "", "{\"__metadata__\":{\"a\":\"b\"},"])];
    let header = (prop::collection::vec(near(), 0..16), opening)
        .prop_map(|(entries, opening)| write_near(&entries, opening));
    prop::collection::vec(header, 1..5)
}

proptest! {
    #![proptest_config(config(1500))]

    #[test]
    fn templates_read_what_the_parser_reads(headers in near_headers()) {
        let hasher = NameHasher::default();
        let mut fast = HeaderReader::new(hasher.clone());
        let mut slow = HeaderReader::without_templates(hasher);
        for text in &headers {
            let (by_templates, left) = reading(&mut fast, text);
            let (by_parser, right) = reading(&mut slow, text);
            prop_assert_eq!(by_templates, by_parser, "{}", String::from_utf8_lossy(text));
            // The sets of names agree too, by the fingerprint that is compared with indexes.
            prop_assert_eq!(left.map(|header| header.names), right.map(|header| header.names));
        }
    }
}

#[test]
fn a_header_that_templates_read_is_read_by_them_wherever_it_is_broken() {
    // One byte of a long regular header is replaced by every byte that could matter there.
    let entries: Vec<Near> = (0..6)
        .map(|n| Near {
            kind: n % 2,
            numbers: [9 + n / 2, 3],
            change: Change::None,
        })
        .collect();
    let text = write_near(&entries, "{");
    let hasher = NameHasher::default();
    let mut fast = HeaderReader::new(hasher.clone());
    let mut slow = HeaderReader::without_templates(hasher);
    let whole = reading(&mut fast, &text).0;
    assert_eq!(whole.0.as_ref().map(|(tensors, ..)| tensors.len()), Some(6));
    assert_eq!(whole, reading(&mut slow, &text).0);
    for at in 0..text.len() {
        for byte in *b"019a,:.\"\\{}[] -" {
            let mut broken = text.clone();
            broken[at] = byte;
            let (by_templates, by_parser) =
                (reading(&mut fast, &broken).0, reading(&mut slow, &broken).0);
            assert_eq!(
                by_templates,
                by_parser,
                "{}",
                String::from_utf8_lossy(&broken)
            );
        }
    }
}

// ---------------------------------------------------------------------------------------------------------------
// Indexes against maps.

/// How the shards of a model are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Naming {
    /// `model-00001-of-00004.safetensors`: a set by its names alone.
    Parts,
    /// `a.safetensors`: a set because the index names them.
    Free,
}

#[derive(Clone, Debug)]
enum IndexChange {
    Forget(Place),
    Ghost(usize),
    Move(Place, usize),
    Repeat(Place, usize),
}

#[derive(Clone, Debug)]
struct Model {
    naming: Naming,
    /// The names that each shard holds, by their number in `POOL`.
    shards: Vec<BTreeSet<usize>>,
    changes: Vec<IndexChange>,
    /// Whether the index lists names in their order.
    sorted: bool,
    /// `metadata.total_size`, relative to the true one.
    total: Option<i64>,
    float_total: bool,
    style: u8,
}

/// Names of tensors; each has as many bytes as its place here, so that totals tell sets apart.
const POOL: &[&str] = &[
    "model.layers.2.w",
    "model.layers.10.w",
    "model.layers.10.x",
    "model.layers.1.e.0.w",
    "model.layers.1.e.1.w",
    "lm_head",
    "",
    "é.1",
    "a\"b",
    "1",
    "01",
    "1000000000",
    "a.*",
    "*.1",
    "z",
];

/// Shards that are not there.
const ABSENT: &[&str] = &[
    "model-00009-of-00009.safetensors",
    "absent.safetensors",
    "../up.safetensors",
    "sub/x.safetensors",
];

fn model() -> impl Strategy<Value = Model> {
    let shard = prop::collection::btree_set(0..POOL.len(), 0..7);
    let change = prop_oneof![
        2 => any::<Place>().prop_map(IndexChange::Forget),
        1 => (0..8_usize).prop_map(IndexChange::Ghost),
        2 => (any::<Place>(), 0..8_usize).prop_map(|(at, to)| IndexChange::Move(at, to)),
        1 => (any::<Place>(), 0..8_usize).prop_map(|(at, to)| IndexChange::Repeat(at, to)),
    ];
    (
        prop_oneof![3 => Just(Naming::Parts), 1 => Just(Naming::Free)],
        // Half of the models have no name in two shards, as real ones.
        (prop::collection::vec(shard, 1..5), any::<bool>()),
        prop_oneof![1 => Just(vec![]), 2 => prop::collection::vec(change, 1..4)],
        any::<bool>(),
        prop::option::of(prop_oneof![3 => Just(0), 1 => -3..4_i64]),
        prop::bool::weighted(0.1),
        prop_oneof![3 => Just(0_u8), 1 => 1..4_u8],
    )
        .prop_map(
            |(naming, (mut shards, disjoint), changes, sorted, total, float_total, style)| {
                if disjoint {
                    let mut taken = BTreeSet::new();
                    for shard in &mut shards {
                        shard.retain(|name| taken.insert(*name));
                    }
                }
                Model {
                    naming,
                    shards,
                    changes,
                    sorted,
                    total,
                    float_total,
                    style,
                }
            },
        )
}

impl Model {
    fn file(&self, shard: usize) -> String {
        match self.naming {
            Naming::Parts => format!(
                "model-{:05}-of-{:05}.safetensors",
                shard + 1,
                self.shards.len()
            ),
            Naming::Free => format!("{}.safetensors", ["a", "b", "c", "d"][shard]),
        }
    }

    /// A shard or, beyond the last, one that is not there.
    fn any_file(&self, number: usize) -> String {
        if number < self.shards.len() {
            self.file(number)
        } else {
            ABSENT[number % ABSENT.len()].to_owned()
        }
    }

    /// What the index lists, in order.
    fn entries(&self) -> Vec<(String, String)> {
        let mut entries: Vec<(String, String)> = Vec::new();
        for (number, shard) in self.shards.iter().enumerate() {
            for &name in shard {
                // As a writer would: each name once, in its first shard.
                if entries.iter().all(|(other, _)| other != POOL[name]) {
                    entries.push((POOL[name].to_owned(), self.file(number)));
                }
            }
        }
        if self.sorted {
            entries.sort();
        }
        for change in &self.changes {
            match change {
                IndexChange::Ghost(to) => entries.push((format!("ghost.{to}"), self.any_file(*to))),
                _ if entries.is_empty() => {}
                IndexChange::Forget(at) => drop(entries.remove(at.index(entries.len()))),
                IndexChange::Move(at, to) => {
                    let at = at.index(entries.len());
                    entries[at].1 = self.any_file(*to);
                }
                IndexChange::Repeat(at, to) => {
                    let name = entries[at.index(entries.len())].0.clone();
                    entries.push((name, self.any_file(*to)));
                }
            }
        }
        entries
    }

    fn write(&self, folder: &Path, entries: &[(String, String)], total: Option<u64>) -> String {
        for (number, shard) in self.shards.iter().enumerate() {
            let mut end = 0;
            let tensors: Vec<String> = shard
                .iter()
                .map(|&name| {
                    let begin = end;
                    end += name;
                    let quoted = quoted(POOL[name], self.style);
                    format!(r#"{quoted}:{{"dtype":"U8","shape":[{name}],"data_offsets":[{begin},{end}]}}"#)
                })
                .collect();
            let header = format!("{{{}}}", tensors.join(","));
            fs::write(
                folder.join(self.file(number)),
                file_of(header.as_bytes(), end),
            )
            .unwrap();
        }
        let map: Vec<String> = entries
            .iter()
            .map(|(name, file)| format!("{}:{}", quoted(name, self.style), quoted(file, 0)))
            .collect();
        let map = map.join(",\n");
        let metadata = match total {
            Some(total) if self.float_total => format!(r#""metadata":{{"total_size":{total}.0}},"#),
            Some(total) => format!(r#""metadata":{{"total_size":{total}}},"#),
            None => String::new(),
        };
        let index = format!("{{{metadata}\"weight_map\":{{{map}}}}}");
        fs::write(folder.join("model.safetensors.index.json"), &index).unwrap();
        index
    }
}

/// Code and what it concerns, by name or by file; how often.
type Findings = BTreeMap<(Code, String), usize>;

/// What must be found, by the definition of each code.
fn oracle(model: &Model, index: &str, entries: &[(String, String)]) -> Findings {
    let mut expected = Findings::new();
    let mut expect =
        |code, concerns: &str| *expected.entry((code, concerns.to_owned())).or_default() += 1;
    let parsed: serde_json::Value = serde_json::from_str(index).unwrap();
    // With a repeated name the map of serde_json has fewer entries than the text; each entry is held against the
    // shards all the same.
    let map = parsed["weight_map"].as_object().unwrap();
    let listed: BTreeSet<&str> = map.keys().map(String::as_str).collect();
    let named: BTreeSet<&str> = entries.iter().map(|(_, file)| file.as_str()).collect();
    let held: BTreeMap<String, BTreeSet<&str>> = (0..model.shards.len())
        .map(|number| {
            (
                model.file(number),
                model.shards[number]
                    .iter()
                    .map(|&name| POOL[name])
                    .collect(),
            )
        })
        .filter(|(file, _)| named.contains(&**file))
        .collect();
    if model.naming == Naming::Parts {
        for file in (0..model.shards.len()).map(|number| model.file(number)) {
            if !held.contains_key(&file) {
                expect(Code::ShardUnlisted, &file);
            }
        }
    }
    for file in &named {
        if !held.contains_key(*file) {
            expect(Code::ShardMissing, file);
        }
    }
    let mut before = BTreeSet::new();
    for (name, file) in entries {
        if !before.insert(name) {
            expect(Code::IndexInvalid, name);
        }
        let Some(names) = held.get(file) else {
            // The missing shard is the one finding.
            continue;
        };
        if !names.contains(&**name) {
            let elsewhere = held.values().any(|names| names.contains(&**name));
            expect(
                if elsewhere {
                    Code::TensorMisplaced
                } else {
                    Code::TensorMissing
                },
                name,
            );
        }
    }
    let mut first_held: BTreeSet<&str> = BTreeSet::new();
    for name in held.values().flatten() {
        if !first_held.insert(name) {
            expect(Code::TensorTwice, name);
        }
    }
    for name in &first_held {
        if !listed.contains(name) {
            expect(Code::TensorUnlisted, name);
        }
    }
    let stored: usize = first_held
        .iter()
        .map(|name| POOL.iter().position(|other| other == name).unwrap())
        .sum();
    let complete = named.iter().all(|file| held.contains_key(*file));
    if let Some(stated) = parsed["metadata"]["total_size"].as_u64()
        && complete
        && stated != stored as u64
    {
        expect(Code::TotalSizeWrong, "");
    }
    expected
}

/// What a scan found, in the oracle's words.
fn findings(checkpoint: &Checkpoint) -> Findings {
    let mut found = Findings::new();
    for problem in &checkpoint.problems {
        let concerns = match problem.code {
            // Where a folder holds files that the index does not name, these are checkpoints of their own.
            Code::MoreBelow => continue,
            Code::ShardMissing => problem
                .message
                .split('"')
                .nth(1)
                .unwrap_or_default()
                .to_owned(),
            Code::ShardUnlisted => problem
                .message
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_owned(),
            _ => problem.tensor.clone().unwrap_or_default(),
        };
        *found.entry((problem.code, concerns)).or_default() += 1;
    }
    found
}

#[test]
fn an_index_is_held_against_its_shards_name_by_name() {
    let seen = std::cell::RefCell::new(BTreeSet::new());
    let mut runner = proptest::test_runner::TestRunner::new(config(500));
    runner
        .run(&model(), |model| {
            let entries = model.entries();
            let here =
                |file: &str| (0..model.shards.len()).any(|number| model.file(number) == file);
            // An index of which no shard is here is taken for that of another copy, and is not held against this one.
            prop_assume!(entries.iter().any(|(_, file)| here(file)));
            let folder = tempfile::tempdir().unwrap();
            let stored: usize = model
                .shards
                .iter()
                .flatten()
                .collect::<BTreeSet<_>>()
                .into_iter()
                .sum();
            let total = model
                .total
                .map(|shift| (stored as u64).saturating_add_signed(shift));
            let index = model.write(folder.path(), &entries, total);
            let checkpoint = scan(folder.path(), 2, &Control::default()).unwrap();
            let expected = oracle(&model, &index, &entries);
            let found = findings(&checkpoint);
            seen.borrow_mut()
                .extend(found.keys().map(|(code, _)| *code));
            prop_assert_eq!(found, expected, "{}", index);
            Ok(())
        })
        .unwrap_or_else(|failure| panic!("{failure}"));
    for code in [
        Code::ShardMissing,
        Code::TensorMissing,
        Code::TensorMisplaced,
        Code::TensorTwice,
        Code::TensorUnlisted,
        Code::ShardUnlisted,
        Code::TotalSizeWrong,
        Code::IndexInvalid,
    ] {
        assert!(seen.borrow().contains(&code), "no case had {code:?}");
    }
}
