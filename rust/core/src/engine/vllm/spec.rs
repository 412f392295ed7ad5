//! What one layer asks of the cache: how long tokens stay, and the bytes of a page.
//!
//! Source: vLLM 0.11 to 0.33, `v1/kv_cache_interface.py`.

use super::block;
use super::rules::Rules;
use super::states::{self, Mode};
use crate::architecture::layer::Reach;
use crate::deployment::{FitError, Reason};
use crate::hardware::Gpu;
use crate::memory::store::{Store, scaled_key};
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;

/// How long tokens stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// For ever.
    Full,
    /// While they are in a window.
    Sliding(u64),
    /// While their chunk is written.
    Chunked(u64),
    /// A state, not tokens.
    State,
    /// So many of an encoder.
    Cross(u64),
}

/// What a page holds: layers of one group have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Keys and values: heads, numbers per key and per value.
    KeyValue(u64, u64, u64),
    /// Latent vectors: numbers per token.
    Latent(u64),
    /// Keys of an indexer: numbers per key.
    Indexer(u64),
    /// A state: bytes.
    State(u64),
}

/// What a layer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// How long tokens stay.
    pub hold: Hold,
    /// What a page holds.
    pub content: Content,
    /// Tokens of a block.
    pub block: u64,
    /// Bytes of a page.
    pub page: u64,
}

/// What all layers of a model have in common.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The rules of the version.
    pub rules: &'a Rules,
    /// How keys and values are kept.
    pub cache: CacheFormat,
    /// Bytes of a number of the model's dtype.
    pub model_bytes: u64,
    /// Tokens of an encoder where the model does not fix them.
    pub encoder_tokens: u64,
    /// Whether heads of latent attention are kept expanded.
    pub expanded: bool,
    /// Whether the model attends to a few tokens that an indexer picks.
    pub sparse: bool,
    /// The GPU.
    pub gpu: &'a Gpu,
}

/// Model types with latent attention whose heads vLLM keeps expanded, values padded to the width of keys (vLLM 0.19,
/// `models/minicpm3.py`; not among those of `config/model.py:is_deepseek_mla`).
const EXPANDED: &[&str] = &["minicpm3"];

/// Whether vLLM expands the latent heads of a model.
#[must_use]
pub fn expands(model_type: &str) -> bool {
    EXPANDED.contains(&model_type)
}

/// Bytes of a token of a latent vector and its rotary key.
fn latent(rank: u64, rope_dim: u64, basis: &Basis<'_>) -> u64 {
    let eight_bits = basis.cache.bytes == basis.cache.numbers;
    if basis.sparse && eight_bits && block::packed_latent(basis.rules, basis.gpu) {
        // 8-bit numbers, a 32-bit scale for each 128, rotary keys in 16 bits: 656 of DeepSeek V3.2 (vLLM 0.19,
        // `MLAAttentionSpec.real_page_size_bytes`, layout `fp8_ds_mla`).
        rank.saturating_add((rank / 128).saturating_mul(4))
            .saturating_add(rope_dim.saturating_mul(2))
    } else {
        basis.cache.row(rank.saturating_add(rope_dim))
    }
}

fn key_value(heads: u64, key_dim: u64, value_dim: u64, basis: &Basis<'_>) -> u64 {
    let value = if basis.rules.narrow_values {
        value_dim
    } else {
        key_dim.max(value_dim)
    };
    heads.saturating_mul(
        basis
            .cache
            .row(key_dim)
            .saturating_add(basis.cache.row(value)),
    )
}

/// Bytes of a token in a layer with attention of its own; nothing for other caches.
#[must_use]
pub fn token(store: &Store, basis: &Basis<'_>) -> Option<u64> {
    match *store {
        Store::KeyValue {
            heads,
            key_dim,
            value_dim,
            ..
        } => Some(key_value(heads, key_dim, value_dim, basis)),
        Store::Latent {
            rank,
            rope_dim,
            expanded: (heads, nope, value),
            ..
        } => Some(if basis.expanded {
            let key = nope.saturating_add(rope_dim);
            key_value(heads, key, value.max(key), basis)
        } else {
            latent(rank, rope_dim, basis)
        }),
        _ => None,
    }
}

/// How blocks are laid out for the whole model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Tokens of a block of attention.
    pub attention: u64,
    /// Tokens of a block of states.
    pub state: u64,
    /// Bytes that pages of states are padded to, in hybrids.
    pub state_page: Option<u64>,
}

/// What a layer asks for one of its caches.
///
/// # Errors
/// If vLLM has nothing for it.
pub fn of(
    store: &Store,
    subject: &Subject,
    basis: &Basis<'_>,
    blocks: Blocks,
) -> Result<Spec, FitError> {
    let unknown = |what: &str| {
        FitError::new(
            Reason::Model,
            format!(
                "{}: how vLLM keeps {what} is not described; try another engine",
                subject.name
            ),
        )
    };
    let attention = |hold: Hold, content: Content, bytes: u64| {
        let block = match hold {
            Hold::Sliding(_) if basis.rules.small_windows => block::KERNEL,
            _ => blocks.attention,
        };
        Spec {
            hold,
            content,
            block,
            page: bytes.saturating_mul(block),
        }
    };
    let hold = |reach: Reach| match reach {
        Reach::Sliding(window) => Hold::Sliding(window),
        Reach::Chunked(chunk) if basis.rules.chunked => Hold::Chunked(chunk),
        Reach::Full | Reach::Chunked(_) => Hold::Full,
    };
    match *store {
        Store::KeyValue {
            heads,
            key_dim,
            value_dim,
            reach,
        } => Ok(attention(
            hold(reach),
            Content::KeyValue(heads, key_dim, value_dim),
            key_value(heads, key_dim, value_dim, basis),
        )),
        Store::Latent {
            rank,
            rope_dim,
            reach,
            expanded: (heads, nope, value),
        } => {
            if reach != Reach::Full {
                return Err(unknown("windows of latent attention"));
            }
            let bytes = token(store, basis).unwrap_or(u64::MAX);
            let content = if basis.expanded {
                Content::KeyValue(heads, nope.saturating_add(rope_dim), value)
            } else {
                Content::Latent(rank.saturating_add(rope_dim))
            };
            Ok(attention(Hold::Full, content, bytes))
        }
        Store::Indexer { width, ratio } => {
            let row = scaled_key(width);
            let entries = blocks.attention / ratio.max(1);
            Ok(Spec {
                hold: Hold::Full,
                content: Content::Indexer(width),
                block: blocks.attention,
                page: row.saturating_mul(entries),
            })
        }
        Store::Cross {
            heads,
            head_dim,
            tokens,
        } => Ok(attention(
            Hold::Cross(tokens.unwrap_or(basis.encoder_tokens)),
            Content::KeyValue(heads, head_dim, head_dim),
            key_value(heads, head_dim, head_dim, basis),
        )),
        Store::State { recurrence, .. } => {
            let bytes = states::bytes(store, subject, basis.rules, basis.model_bytes)
                .ok_or_else(|| unknown(&format!("states of {}", recurrence.name())))?;
            Ok(Spec {
                hold: Hold::State,
                content: Content::State(bytes),
                block: blocks.state,
                page: blocks.state_page.unwrap_or(bytes).max(bytes),
            })
        }
        Store::Compressed { .. } => Err(unknown("compressed attention (DeepSeek V4)")),
    }
}

/// What decides how many blocks a request takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Tokens of the request.
    pub tokens: u64,
    /// Tokens that may be on their way through the model.
    pub in_flight: u64,
    /// Ranks that the tokens of full attention are dealt out to.
    pub context_parallel: u64,
    /// How many states it has.
    pub mode: Mode,
}

impl Spec {
    /// The blocks that a request takes at most (`max_memory_usage_bytes` of each kind).
    #[must_use]
    pub fn blocks(&self, request: &Request) -> u64 {
        let block = self.block.max(1);
        let tokens = request.tokens;
        match self.hold {
            Hold::Full => tokens
                .div_ceil(request.context_parallel.max(1))
                .div_ceil(block),
            Hold::Sliding(window) => window
                .saturating_sub(1)
                .saturating_add(request.in_flight)
                .min(tokens)
                .div_ceil(block)
                .saturating_add(1),
            Hold::Chunked(chunk) => chunk
                .saturating_add(request.in_flight)
                .min(tokens)
                .div_ceil(block),
            Hold::State => match request.mode {
                Mode::Current => 1,
                Mode::Several(states) => states,
                Mode::PerBlock => tokens.div_ceil(block),
            },
            Hold::Cross(encoder) => encoder.div_ceil(block),
        }
    }
}
