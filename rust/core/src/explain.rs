//! Plain answers: what a field of a config determines, and what a number of parameters says and does not say.

use crate::architecture::config::ConfigError;
use crate::architecture::field::{EXPLANATIONS, explanation};
use crate::architecture::{Architecture, Change, Class};
use crate::quantization::format::whole_models;
use serde::Serialize;
use serde_json::Value;

/// What is said of a field.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FieldAnswer {
    /// The field.
    pub field: String,
    /// What it determines: by trying if there is a config, else in most models.
    pub class: Option<Class>,
    /// One paragraph.
    pub text: String,
    /// Its value in the config.
    pub value: Option<Value>,
    /// What the least step up costs there.
    pub cost: Option<Change>,
}

/// What is said of a number of parameters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NumberAnswer {
    /// Parameters.
    pub parameters: u64,
    /// One paragraph.
    pub text: String,
    /// What they weigh, format by format.
    pub weights: Vec<Weight>,
}

/// What parameters weigh in one format.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Weight {
    /// The format.
    pub format: &'static str,
    /// What it is.
    pub note: &'static str,
    /// Bytes.
    pub bytes: u64,
}

/// Says what a field determines, and what it costs in a config, if one is given.
///
/// # Errors
/// If the field is neither known nor read for the config, or the config cannot be derived.
pub fn field(
    name: &str,
    config: Option<&Value>,
    assume: Option<&str>,
) -> Result<FieldAnswer, ConfigError> {
    let known = explanation(name);
    let mut answer = FieldAnswer {
        field: name.to_owned(),
        class: known.map(|known| known.class),
        text: known.map_or_else(String::new, |known| known.text.to_owned()),
        value: None,
        cost: None,
    };
    let Some(config) = config else {
        if known.is_none() {
            let names: Vec<_> = EXPLANATIONS.iter().map(|one| one.names[0]).collect();
            return Err(ConfigError::new(
                name,
                format!(
                    "no such field is explained; name a model to try it on, or one of: {}",
                    names.join(", ")
                ),
            ));
        }
        return Ok(answer);
    };
    let classes = Architecture::classify(config, assume)?;
    let last = |field: &str| field.rsplit('.').next().unwrap_or(field).to_owned();
    let names: Vec<&str> = known.map_or_else(|| vec![name], |known| known.names.to_vec());
    let here = classes
        .iter()
        .find(|one| one.field == name || names.contains(&last(&one.field).as_str()));
    match here {
        Some(here) => {
            answer.field.clone_from(&here.field);
            answer.class = Some(here.class);
            answer.value = Some(here.value.clone());
            answer.cost = Architecture::cost(config, &here.field, assume)?;
            if known.is_none() {
                let text = match here.class {
                    Class::Structural => {
                        "It decides the names or shapes of tensors: another value needs other weights."
                    }
                    Class::Runtime => {
                        "It changes no tensor, but what is remembered or computed: another value runs on the same weights."
                    }
                    Class::Inert => "It changes neither size nor memory.",
                };
                text.clone_into(&mut answer.text);
            }
        }
        None if known.is_none() => {
            return Err(ConfigError::new(
                name,
                "the config does not have it, or nothing about size or memory depends on it",
            ));
        }
        None => {}
    }
    Ok(answer)
}

/// A number of parameters as people write it: `30B`, `1.5b`, `350M`, `1T`, `7_000_000_000`.
///
/// `None` if it is none.
#[must_use]
pub fn parse_parameters(text: &str) -> Option<u64> {
    let text = text.trim().replace([',', '_'], "");
    let (digits, scale) = match text.chars().last()?.to_ascii_lowercase() {
        'k' => (&text[..text.len() - 1], 3),
        'm' => (&text[..text.len() - 1], 6),
        'b' | 'g' => (&text[..text.len() - 1], 9),
        't' => (&text[..text.len() - 1], 12),
        _ => (text.as_str(), 0),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() && fraction.is_empty()
        || !all_digits(whole)
        || !all_digits(fraction)
        || fraction.len() > scale
    {
        return None;
    }
    let padded = format!("{whole}{fraction}{}", "0".repeat(scale - fraction.len()));
    padded.parse().ok().filter(|&number| number > 0)
}

/// Says what a number of parameters weighs, and what that number does not say.
#[must_use]
pub fn number(parameters: u64) -> NumberAnswer {
    let weights = whole_models()
        .filter_map(|format| {
            Some(Weight {
                format: format.name,
                note: format.note,
                bytes: format.size(parameters)?,
            })
        })
        .collect();
    NumberAnswer {
        parameters,
        text: "A number of parameters is neither a size nor an ability. What it weighs depends on the format. What it \
               remembers (the cache, per token and per user) depends on layers, heads of keys and values, windows and states, \
               which models of one size do very differently. What it computes per token depends on how many of its parameters \
               a token visits: with experts that is a small part. GGUF mixes such as Q4_K_M keep some tensors in larger blocks, \
               so whole files are some per cent larger than the row of their main block."
            .to_owned(),
        weights,
    }
}

#[cfg(test)]
mod tests {
    use super::{field, number, parse_parameters};
    use serde_json::json;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, expected) in [
            ("30B", Some(30_000_000_000)),
            ("1.5b", Some(1_500_000_000)),
            ("350M", Some(350_000_000)),
            ("0.5B", Some(500_000_000)),
            ("1T", Some(1_000_000_000_000)),
            ("671B", Some(671_000_000_000)),
            ("7,000", Some(7000)),
            (".5k", Some(500)),
            ("12", Some(12)),
            ("0", None),
            ("", None),
            ("B", None),
            ("1.2345K", None),
            ("-3B", None),
            ("30BB", None),
            ("llama", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(parse_parameters(text), expected, "{text}");
        }
    }

    #[test]
    fn thirty_billion_weigh_what_arithmetic_says() {
        let answer = number(30_000_000_000);
        let bytes = |name: &str| {
            answer
                .weights
                .iter()
                .find(|one| one.format == name)
                .unwrap()
                .bytes
        };
        assert_eq!(bytes("fp32"), 120_000_000_000);
        assert_eq!(bytes("bf16"), 60_000_000_000);
        assert_eq!(bytes("fp8"), 30_000_000_000);
        // 117,187,500 blocks of 256 weights.
        assert_eq!(bytes("Q4_K"), 117_187_500 * 144);
    }

    #[test]
    fn a_field_that_nobody_knows_is_an_error() {
        assert!(
            field("num_unicorns", None, None)
                .unwrap_err()
                .message
                .contains("num_hidden_layers")
        );
        let config = json!({"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_hidden_layers": 2,
            "intermediate_size": 16, "vocab_size": 10});
        assert!(field("num_unicorns", Some(&config), None).is_err());
    }
}
