//! The caches of llama.cpp: cells of a unified cache or of one stream per sequence, windows, states.
//!
//! Sources, all of llama.cpp as llama-cpp-python 0.3.36 carries it: `llama-kv-cache.cpp:llama_kv_cache`,
//! `llama-kv-cache-iswa.cpp:llama_kv_cache_iswa`, `llama-kv-cache-dsa.cpp`, `llama-memory-recurrent.cpp`,
//! `llama-hparams.cpp:n_embd_r, n_embd_s`, and `llama-model.cpp:create_memory`.

use super::build::Build;
use crate::architecture::layer::Reach;
use crate::engine::{CachePlan, Pool, Rank};
use crate::memory::store::Store;
use crate::quantization::cache_format::CacheFormat;

/// The cells of all sequences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cells {
    /// Sequences there is room for.
    pub(super) sequences: u64,
    /// Caches side by side: one that all share, or one of each.
    pub(super) streams: u64,
    /// Cells of a stream.
    pub(super) each: u64,
    /// Tokens of one step.
    pub(super) step: u64,
}

/// How cells follow from what is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) build: Build,
    pub(super) flash: bool,
    /// Slots that were asked for.
    pub(super) asked: Option<u64>,
    /// Tokens of one step, before it is cut to the context.
    pub(super) step: u64,
}

/// `value` rounded up to a multiple.
pub(super) const fn pad(value: u64, multiple: u64) -> u64 {
    value.div_ceil(multiple).saturating_mul(multiple)
}

impl Rules {
    /// Slots for so many requests, and whether they share one cache. The server takes its own number, and shares, only
    /// where none is asked for, and that has to be where more are wanted (`tools/server/server.cpp`).
    pub(super) fn slots(&self, concurrency: u64) -> (u64, bool) {
        match self.asked {
            Some(asked) => (asked.max(concurrency).max(1), false),
            None if concurrency <= self.build.slots => (self.build.slots, self.build.slots > 1),
            None => (concurrency, false),
        }
    }

    /// The cells for so many requests of so many tokens each.
    pub(super) fn cells(&self, context: u64, concurrency: u64) -> Cells {
        let (sequences, shared) = self.slots(concurrency);
        let padding = self.build.padding(self.flash);
        let (streams, tokens) = if shared {
            (1, context.saturating_mul(concurrency.max(1)))
        } else {
            (sequences, context)
        };
        let each = pad(tokens.max(1), padding);
        Cells {
            sequences,
            streams,
            each,
            step: self.step.min(each.saturating_mul(streams)),
        }
    }

    /// Cells of a stream of layers that see a window: `llama_kv_cache_iswa`.
    pub(super) fn window(&self, cells: Cells, window: u64) -> u64 {
        let sharing = if cells.streams == 1 {
            cells.sequences
        } else {
            1
        };
        let wanted = window.saturating_mul(sharing).saturating_add(cells.step);
        if self.build.coarse {
            pad(wanted.min(cells.each), 256)
        } else {
            pad(wanted, self.build.padding(self.flash)).min(cells.each)
        }
    }
}

/// Bytes that the layers of one stage keep.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Per cell, of layers that see everything.
    pub(super) full: u64,
    /// Per cell, of layers that see a window: its size and the bytes.
    pub(super) windows: Vec<(u64, u64)>,
    /// Per sequence.
    pub(super) states: u64,
}

impl Kept {
    /// What the layers of a rank keep. `values` is the widest value of the model, to which all are padded where flash
    /// attention is off; `windowed` whether windows are used at all.
    pub(super) fn of(rank: &Rank<'_>, build: Build, values: Option<u64>, windowed: bool) -> Self {
        let format = rank.settings.cache;
        let mut kept = Self::default();
        for store in rank.stores.iter().flatten() {
            kept.add(store, format, build, values, windowed);
        }
        kept
    }

    fn add(
        &mut self,
        store: &Store,
        format: CacheFormat,
        build: Build,
        values: Option<u64>,
        windowed: bool,
    ) {
        let (bytes, reach) = match *store {
            Store::KeyValue {
                heads,
                key_dim,
                value_dim,
                reach,
            } => {
                let value = values.unwrap_or(heads.saturating_mul(value_dim));
                let key = format.row(heads.saturating_mul(key_dim));
                (key.saturating_add(format.row(value)), reach)
            }
            Store::Latent {
                rank,
                rope_dim,
                reach,
                ..
            } => {
                let value = if build.latent_values {
                    format.row(rank)
                } else {
                    0
                };
                let key = format.row(rank.saturating_add(rope_dim));
                (key.saturating_add(value), reach)
            }
            Store::Indexer { width, .. } => (format.row(width), Reach::Full),
            Store::State {
                convolution,
                recurrent,
                ..
            } => {
                // Both parts are kept in 32 bits: `create_memory` asks for GGML_TYPE_F32.
                let numbers = convolution.kept().saturating_add(recurrent);
                self.states = self.states.saturating_add(numbers.saturating_mul(4));
                return;
            }
            // `settle` refuses models with these.
            Store::Compressed { .. } | Store::Cross { .. } => return,
        };
        match reach.saturates().filter(|_| windowed) {
            None => self.full = self.full.saturating_add(bytes),
            Some(window) => match self.windows.iter_mut().find(|(known, _)| *known == window) {
                Some((_, sum)) => *sum = sum.saturating_add(bytes),
                None => self.windows.push((window, bytes)),
            },
        }
    }

    fn bytes(&self, rules: &Rules, cells: Cells) -> u64 {
        let of = |each: u64, bytes: u64| each.saturating_mul(cells.streams).saturating_mul(bytes);
        self.windows
            .iter()
            .map(|&(window, bytes)| of(rules.window(cells, window), bytes))
            .fold(of(cells.each, self.full), u64::saturating_add)
            .saturating_add(cells.sequences.saturating_mul(self.states))
    }
}

/// The caches on the stages of a pipeline.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) rules: Rules,
    pub(super) stages: Vec<Kept>,
}

impl Plan {
    fn bytes(&self, cells: Cells) -> Vec<u64> {
        self.stages
            .iter()
            .map(|kept| kept.bytes(&self.rules, cells))
            .collect()
    }
}

/// More cells than any context has.
const MOST: u64 = 1 << 40;

impl CachePlan for Plan {
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        self.bytes(self.rules.cells(context, concurrency))
    }

    /// The cells that would fill the room with the slots that were asked for; llama.cpp itself takes the context it is
    /// told. Where nothing grows with the context, the one that was asked for.
    fn pool(&self, bytes: &[u64], asked: u64, concurrency: u64) -> Pool {
        let fits = |context: u64| {
            let needed = self.reserved(context, concurrency);
            needed
                .iter()
                .zip(bytes)
                .all(|(needed, room)| needed <= room)
        };
        let context = if fits(MOST) {
            asked
        } else {
            let (mut fitting, mut not) = (0, MOST);
            while not - fitting > 1 {
                let middle = fitting + (not - fitting) / 2;
                *(if fits(middle) { &mut fitting } else { &mut not }) = middle;
            }
            fitting
        };
        if context == 0 {
            return Pool::default();
        }
        let cells = self.rules.cells(context, concurrency);
        let tokens = cells.each.saturating_mul(cells.streams);
        Pool {
            tokens,
            blocks: None,
            concurrency: Some((tokens, asked)),
        }
    }
}
