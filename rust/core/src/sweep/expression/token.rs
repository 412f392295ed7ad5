//! The pieces that a condition is written with.

use crate::deployment::FitError;
use crate::sweep::refused;

/// A piece of the text, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Number(String),
    Text(String),
    Word(String),
    Sign(&'static str),
    End,
}

const SIGNS: [&str; 16] = [
    "==", "!=", "<=", ">=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]", ",",
];

/// The pieces of a text.
pub(super) fn tokens(text: &str) -> Result<Vec<(usize, Token)>, FitError> {
    let mut all = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let at = text.len() - rest.len();
        let Some(first) = rest.chars().next() else {
            all.push((at, Token::End));
            return Ok(all);
        };
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        if first == '"' || first == '\'' {
            let inside = &rest[1..];
            let Some(end) = inside.find(first) else {
                return Err(wrong(text, at, "a text that does not end"));
            };
            all.push((at, Token::Text(inside[..end].to_owned())));
            rest = &inside[end + 1..];
        } else if is_word(first) {
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let word = rest[..end].to_owned();
            all.push((
                at,
                if first.is_ascii_digit() || first == '.' {
                    Token::Number(word)
                } else {
                    Token::Word(word)
                },
            ));
            rest = &rest[end..];
        } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
            all.push((at, Token::Sign(sign)));
            rest = &rest[sign.len()..];
        } else {
            return Err(wrong(
                text,
                at,
                &format!("{first:?}, which means nothing here"),
            ));
        }
    }
}

/// What is wrong with a text, and where.
pub(super) fn wrong(text: &str, at: usize, what: &str) -> FitError {
    let place = text.get(..at).map_or(0, |before| before.chars().count()) + 1;
    refused(format!("where: {what}, at character {place} of {text:?}"))
}
