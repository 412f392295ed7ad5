//! Where this crate and the `safetensors` crate differ on purpose. Shared by the property tests and the fuzz targets.

use pondera::checkpoint::{Code, Problem};

/// Who accepts a file that the other rejects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepts {
    /// This crate.
    Pondera,
    /// The safetensors crate.
    Safetensors,
}

/// A case in which this crate and safetensors 0.8 differ on purpose.
pub struct Difference {
    /// Who accepts it.
    pub accepts: Accepts,
    /// As `docs/problems.md` words it, which a Python test holds against this list.
    pub what: &'static str,
    /// Why it is so.
    pub reason: &'static str,
    /// Whether a file may be such a case: by its header as JSON, where it is JSON, and by what was reported.
    pub applies: fn(&Seen<'_>) -> bool,
    /// A file that is one, as header and number of data bytes.
    pub example: (&'static str, usize),
}

/// What is known of a file on which the two readers disagree.
pub struct Seen<'a> {
    /// Its header, as far as it is there.
    pub header: &'a [u8],
    /// What this crate reports.
    pub problems: &'a [Problem],
}

impl Seen<'_> {
    fn reports(&self, code: Code) -> bool {
        self.problems.iter().any(|problem| problem.code == code)
    }

    /// Whether an entry, which need not be the last of its name, is such a value.
    fn has_entry(&self, wanted: fn(&serde_json::Value) -> bool) -> bool {
        serde_json::from_slice::<Entries>(self.header)
            .is_ok_and(|entries| entries.0.iter().any(wanted))
    }
}

/// The one list of deliberate differences. `docs/problems.md` has the same, and tests see to it.
pub const DIFFERENCES: &[Difference] = &[
    Difference {
        accepts: Accepts::Pondera,
        what: "a dtype that the format does not have",
        reason: "a newer writer may know it; the tensor is sized by its data offsets and `dtype-unknown` warns",
        applies: |seen| seen.reports(Code::DtypeUnknown),
        example: (
            r#"{"a":{"dtype":"F3","shape":[1],"data_offsets":[0,4]}}"#,
            4,
        ),
    },
    Difference {
        accepts: Accepts::Pondera,
        what: "a number beyond the range of 64-bit floats in a field that is not read",
        reason: "it is valid JSON, and a field that is not read is checked for its grammar alone",
        applies: |seen| {
            let error = serde_json::from_slice::<serde_json::Value>(seen.header).err();
            error.is_some_and(|error| error.to_string().starts_with("number out of range"))
        },
        example: (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1e400}}"#,
            4,
        ),
    },
    Difference {
        accepts: Accepts::Safetensors,
        what: "a tensor name that stands twice in one header",
        reason: "safetensors keeps the last in silence, other readers the first: the file means two things",
        applies: |seen| seen.reports(Code::TensorDuplicate),
        example: (
            r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
            4,
        ),
    },
    Difference {
        accepts: Accepts::Safetensors,
        what: "an entry written as an array, `[\"F32\", [1], [0, 4]]`",
        reason: "the format asks for an object; that safetensors takes an array is an accident of its JSON library",
        applies: |seen| seen.has_entry(serde_json::Value::is_array),
        example: (r#"{"a":["F32",[1],[0,4]]}"#, 4),
    },
    Difference {
        accepts: Accepts::Safetensors,
        what: "a dtype written as an object, `{\"F32\": null}`",
        reason: "the format asks for a string; that safetensors takes an object is an accident of its JSON library",
        applies: |seen| {
            seen.has_entry(|entry| entry.get("dtype").is_some_and(serde_json::Value::is_object))
        },
        example: (
            r#"{"a":{"dtype":{"F32":null},"shape":[1],"data_offsets":[0,4]}}"#,
            4,
        ),
    },
];

/// Whether it is right that only this one accepts a file.
pub fn allowed(accepts: Accepts, header: &[u8], problems: &[Problem]) -> bool {
    let seen = Seen { header, problems };
    DIFFERENCES
        .iter()
        .any(|difference| difference.accepts == accepts && (difference.applies)(&seen))
}

/// The values of a JSON object, with those of repeated keys.
struct Entries(Vec<serde_json::Value>);

impl<'de> serde::Deserialize<'de> for Entries {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some((_, value)) = map.next_entry::<String, _>()? {
                    entries.push(value);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}
