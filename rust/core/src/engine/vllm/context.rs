//! How long requests may be.

use super::settle::{Notes, note};
use crate::deployment::{Deployment, FitError, Reason};
use crate::subject::Subject;
use serde_json::Value;

/// The longest context vLLM allows, and what it takes by default (vLLM 0.19, `config/model.py:_get_and_verify_max_len`).
///
/// # Errors
/// If a longer one was asked, or neither the config nor the deployment says one.
pub fn settle(
    subject: &Subject,
    deployment: &Deployment,
    notes: &mut Notes,
) -> Result<u64, FitError> {
    let Some(stated) = subject.architecture.context else {
        return subject.context(deployment, notes);
    };
    let rope = subject.architecture.rope.as_ref();
    let kind = rope.map_or("default", |rope| rope.kind.as_str());
    let longest = match rope {
        // Gemma 3 states its context with the stretch already in it.
        Some(rope)
            if !matches!(kind, "su" | "longrope" | "llama3")
                && !subject.architecture.model_type.contains("gemma3") =>
        {
            let begin = match (kind, rope.original_context) {
                ("yarn", Some(original)) => original,
                _ => stated,
            };
            stretch(begin, rope.factor.unwrap_or(1.0))
        }
        _ => stated,
    };
    // A config may allow more to those who ask for it.
    let stated = subject.config.get("model_max_length");
    let allowed = longest.max(stated.and_then(Value::as_u64).unwrap_or(0));
    match deployment.context {
        Some(context) if context > allowed => Err(FitError::new(
            Reason::Context,
            format!(
                "context is {context}, but {} allows {allowed}; vLLM refuses more",
                subject.name
            ),
        )),
        Some(context) => Ok(context),
        None => {
            // With rotations for long contexts vLLM stays at the short one unless told.
            let short = rope
                .filter(|_| matches!(kind, "su" | "longrope"))
                .and_then(|rope| rope.original_context);
            let context = short.unwrap_or(longest);
            note(
                notes,
                "context",
                &context,
                "none was said; vLLM takes what the config allows",
            );
            Ok(context)
        }
    }
}

/// Tokens times a factor, rounded down, as Python's `int` does.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a context of tokens far below 2^53 times a factor that configs write as a fraction; never bytes"
)]
fn stretch(tokens: u64, factor: f64) -> u64 {
    if factor.is_finite() && factor > 0.0 {
        (tokens as f64 * factor) as u64
    } else {
        tokens
    }
}
