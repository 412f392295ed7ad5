//! Rows of what is kept of a text, in bytes of a 16-bit cache, and of the operations that a token takes.

use super::row::{Cell, Row, Unit};
use super::seen::Seen;
use crate::architecture::Architecture;
use crate::architecture::config::ConfigError;
use crate::dtype::Dtype;
use crate::model::CONTEXTS;
use crate::wording::counted;

/// The format of the cache that is told of: most engines keep it so unless they are told otherwise.
pub const DTYPE: Dtype = Dtype::Bf16;

/// The key of the row of the cache at a length begins with this.
pub const AT: &str = "cache_at.";

/// The key of the row of what the first token takes.
pub const START: &str = "cache_per_token";

/// The key of the row of what the last token takes.
pub const LATE: &str = "cache_per_token_late";

/// The key of the row of the cache at a model's own context.
pub const WHOLE: &str = "cache_whole";

/// The key of the row of operations at a length begins with this.
pub const FLOPS_AT: &str = "flops_at.";

/// A length as people write it: `32k`.
#[must_use]
pub fn length(tokens: u64) -> String {
    if tokens > 0 && tokens.is_multiple_of(1024) {
        format!("{}k", tokens / 1024)
    } else {
        tokens.to_string()
    }
}

fn bytes(number: Result<u64, ConfigError>) -> Cell {
    match number {
        Ok(number) => Cell::Number(number.into()),
        Err(error) => Cell::Missing(error.to_string()),
    }
}

/// A number at a length, or that the context ends before.
fn within(mind: &Architecture, tokens: u64, read: impl Fn() -> Cell) -> Cell {
    match mind.context {
        Some(longest) if longest < tokens => {
            Cell::Missing(format!("its context ends at {}", counted(longest, "token")))
        }
        _ => read(),
    }
}

/// A number of a decoder; what only reads keeps nothing.
fn of_decoder(mind: &Architecture, read: impl Fn(&Architecture) -> Cell) -> Cell {
    if mind.decoder().next().is_none() {
        return Cell::None;
    }
    read(mind)
}

/// The rows of the memory.
pub fn rows(seen: &[Seen<'_>]) -> Vec<Row> {
    let row = |key: &str, label: &str, read: &dyn Fn(&Architecture) -> Cell| {
        let cells = seen
            .iter()
            .map(|one| one.of_mind(|mind| of_decoder(mind, read)))
            .collect();
        Row::new(key, label, Unit::Bytes, cells)
    };
    let fixed = |number: Result<u64, ConfigError>| match number {
        Ok(0) => Cell::None,
        other => bytes(other),
    };
    let mut rows = vec![
        row(START, "cache per token at the start", &|mind| {
            bytes(mind.bytes_per_token(0, DTYPE))
        }),
        row(
            "cache_per_token_late",
            "cache per token at the end",
            &|mind| bytes(mind.bytes_per_token(mind.late(), DTYPE)),
        ),
    ];
    rows.extend(CONTEXTS.iter().map(|&tokens| {
        let label = format!("cache at {} tokens", length(tokens));
        row(&format!("{AT}{tokens}"), &label, &|mind| {
            within(mind, tokens, || {
                bytes(mind.cache_bytes(tokens, 0, 1, DTYPE))
            })
        })
    }));
    rows.push(row(WHOLE, "cache at its whole context", &|mind| {
        mind.context.map_or_else(
            || Cell::Missing("the config states no context".to_owned()),
            |tokens| bytes(mind.cache_bytes(tokens, 0, 1, DTYPE)),
        )
    }));
    // What is told already is not told again: growth that never changes, a context that is one of the usual lengths.
    let told = |at: usize, by: &[usize]| {
        by.iter()
            .any(|&other| rows[other].values == rows[at].values)
    };
    let whole = rows.len() - 1;
    let usual: Vec<usize> = (2..whole).collect();
    let (late, whole_again) = (told(1, &[0]), told(whole, &usual));
    rows.retain(|row| !(late && row.key == LATE || whole_again && row.key == WHOLE));
    rows.push(row("state", "state of a sequence", &|mind| {
        fixed(mind.state_bytes(DTYPE))
    }));
    rows.push(row("cross", "kept of an encoder", &|mind| {
        fixed(mind.cross_bytes(0, DTYPE))
    }));
    rows
}

/// The rows of the operations.
pub fn compute_rows(seen: &[Seen<'_>]) -> Vec<Row> {
    let row = |key: &str, label: &str, read: &dyn Fn(&Architecture) -> Cell| {
        let cells = seen.iter().map(|one| one.of_mind(read)).collect();
        Row::new(key, label, Unit::Flops, cells)
    };
    let flops = |mind: &Architecture, tokens: u64| {
        mind.flops_per_token(tokens, 0).map_or_else(
            || Cell::Missing("more operations than 64 bits count".to_owned()),
            |number| Cell::Number(number.into()),
        )
    };
    let mut rows = vec![row("flops", "FLOPs of the first token", &|mind| {
        flops(mind, 0)
    })];
    rows.extend(CONTEXTS.iter().map(|&tokens| {
        let label = format!("FLOPs of a token after {}", length(tokens));
        row(&format!("{FLOPS_AT}{tokens}"), &label, &|mind| {
            of_decoder(mind, |mind| within(mind, tokens, || flops(mind, tokens)))
        })
    }));
    rows
}
