//! The small JSON files that lie beside weights, as Python writes them.
//!
//! Python's `json` module writes `Infinity`, `-Infinity` and `NaN` as bare words, and published configurations
//! have them (`"time_step_limit": [0.0, Infinity]` of Mamba 2 models). They are read as `null`.

use crate::source::Source;
use serde_json::Value;
use std::borrow::Cow;
use std::io;
use std::path::Path;

/// Longer files are refused. The longest real ones, which name thousands of modules, have about a megabyte.
pub const LIMIT: u64 = 8 << 20;

const BARE_WORDS: &[&[u8]] = &[b"Infinity", b"-Infinity", b"NaN"];

/// Reads a JSON file. `Ok(None)` if there is none; `Err` says what is wrong with it.
pub fn read(source: Source<'_>, path: &Path) -> Result<Option<Value>, String> {
    let text = match source.read(path, LIMIT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    parse(&text).map(Some)
}

/// Parses a JSON text, bare words and all. `Err` says what is wrong with it.
pub fn parse(text: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(&without_bare_words(text)).map_err(|error| error.to_string())
}

/// The text with `null` for every bare word outside strings.
fn without_bare_words(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut copied = 0;
    let mut at = 0;
    let mut in_string = false;
    while let Some(&byte) = text.get(at) {
        let mut passed = 1;
        match byte {
            // The byte behind a backslash is passed with it.
            b'\\' if in_string => passed = 2,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some(word) = BARE_WORDS.iter().find(|word| text[at..].starts_with(word)) {
                    passed = word.len();
                    out.extend_from_slice(&text[copied..at]);
                    out.extend_from_slice(b"null");
                    copied = at + passed;
                }
            }
            _ => {}
        }
        at += passed;
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[copied..]);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::without_bare_words;
    use crate::source::Source;
    use serde_json::json;

    #[test]
    fn bare_words_are_null_and_strings_are_left_alone() {
        for (text, expected) in [
            (r#"{"a": [0.0, Infinity]}"#, r#"{"a": [0.0, null]}"#),
            ("[-Infinity,NaN,-1]", "[null,null,-1]"),
            (
                r#"["NaN", "a\"NaN", "\\", NaN]"#,
                r#"["NaN", "a\"NaN", "\\", null]"#,
            ),
            ("Infinity", "null"),
            ("\"\\", "\"\\"),
            ("{}", "{}"),
        ] {
            assert_eq!(
                without_bare_words(text.as_bytes()),
                expected.as_bytes(),
                "{text}"
            );
        }
    }

    #[test]
    fn absent_is_not_an_error_and_everything_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let read = |path| super::read(Source::Disk, path);
        assert_eq!(read(&path), Ok(None));
        std::fs::write(&path, r#"{"x": NaN, "bits": 4}"#).unwrap();
        assert_eq!(read(&path), Ok(Some(json!({"x": null, "bits": 4}))));
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).is_err());
        assert_eq!(read(folder.path()), Err("not a regular file".to_owned()));
    }
}
