//! The pools of SGLang: one of tokens, one of tokens within a window, one of states.
//!
//! Sources: SGLang 0.5.23, `model_executor/pool_configurator.py:DefaultPoolConfigurator, HybridSWAPoolConfigurator` and
//! `mem_cache/kv_cache_configurator.py:_handle_max_mamba_cache`; 0.5.3, `model_executor/model_runner.py:
//! profile_max_num_token, set_num_token_hybrid`.

use crate::engine::{CachePlan, Pool, Rank};
use crate::memory::store::{Store, scaled_key};

/// Of a token within a window, for each that is kept whole: `swa_full_tokens_ratio`, in tenths.
pub(super) const WINDOW_TENTHS: u64 = 8;

/// How many states there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum States {
    /// So many, whatever is free (0.5.3, or where no prefixes are kept and the number of sequences is said).
    Fixed(u64),
    /// Nine nineteenths of what is free; so many for each request (`mamba_full_memory_ratio` of 0.9).
    Share {
        /// States that a request holds at once.
        each: u64,
    },
}

/// Bytes that the layers of a stage keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// Per token of layers in the pool of tokens.
    pub(super) token: u64,
    /// Per token of layers in the pool of a window.
    pub(super) windowed: u64,
    /// The longest window of these.
    pub(super) window: u64,
    /// Of the states of a sequence.
    pub(super) state: u64,
}

impl Kept {
    /// What the layers of a rank keep. `windows` says whether there is a pool of tokens within a window.
    pub(super) fn of(rank: &Rank<'_>, windows: bool) -> Self {
        let mut kept = Self::default();
        for store in rank.stores.iter().flatten() {
            let row = store.row(&rank.kept);
            let reach = match *store {
                Store::KeyValue { reach, .. } => reach.saturates().filter(|_| windows),
                Store::Indexer { width, ratio } => {
                    let bytes = scaled_key(width).div_ceil(ratio.max(1));
                    kept.token = kept.token.saturating_add(bytes);
                    continue;
                }
                Store::State { .. } => {
                    kept.state = kept.state.saturating_add(store.needed(1, &rank.kept));
                    continue;
                }
                Store::Latent { .. } | Store::Compressed { .. } | Store::Cross { .. } => None,
            };
            match reach {
                None => kept.token = kept.token.saturating_add(row),
                Some(window) => {
                    kept.windowed = kept.windowed.saturating_add(row);
                    kept.window = kept.window.max(window);
                }
            }
        }
        kept
    }

    /// Bytes of so many tokens in both pools. Without layers that see everything the pool of a window is the only one.
    fn bytes(&self, tokens: u64) -> u64 {
        let within = if self.token == 0 {
            tokens
        } else {
            tokens.saturating_mul(WINDOW_TENTHS) / 10
        };
        let full = tokens.saturating_mul(self.token);
        full.saturating_add(within.saturating_mul(self.windowed))
    }

    /// Tokens that fit so many bytes, in whole pages.
    fn tokens(&self, bytes: u64, page: u64) -> u64 {
        let (ten, windowed) = if self.token == 0 {
            (0, self.windowed.saturating_mul(10))
        } else {
            let windowed = self.windowed.saturating_mul(WINDOW_TENTHS);
            (self.token.saturating_mul(10), windowed)
        };
        let tenths = ten.saturating_add(windowed);
        let tokens = u128::from(bytes) * 10 / u128::from(tenths.max(1));
        u64::try_from(tokens).unwrap_or(u64::MAX) / page * page
    }
}

/// The pools on the stages of a pipeline.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) stages: Vec<Kept>,
    pub(super) states: States,
    pub(super) page: u64,
    /// Tokens of a chunk of a prompt, which lie in the pool of a window until it has moved on.
    pub(super) chunk: u64,
}

impl Plan {
    /// Tokens that the pool of tokens must have for so many requests: those themselves, or what makes the pool of a
    /// window large enough.
    fn wanted(&self, kept: &Kept, context: u64, concurrency: u64) -> u64 {
        let page = self.page.max(1);
        let pages = |tokens: u64| tokens.div_ceil(page).saturating_mul(page);
        let all = pages(context).saturating_mul(concurrency);
        if kept.windowed == 0 {
            return all;
        }
        let each = pages(context.min(kept.window)).saturating_mul(concurrency);
        let moving = context.min(self.chunk);
        let within = each.saturating_add(pages(moving)).min(all);
        if kept.token == 0 {
            within
        } else {
            let enough = within.saturating_mul(10).div_ceil(WINDOW_TENTHS);
            pages(enough).max(all)
        }
    }

    /// Bytes of states, and the rest, of so many bytes.
    fn split(&self, kept: &Kept, bytes: u64) -> (u64, u64) {
        if kept.state == 0 {
            return (0, bytes);
        }
        let slots = match self.states {
            States::Fixed(slots) => slots,
            States::Share { .. } => {
                let share = u128::from(bytes) * 9 / 19;
                let share = u64::try_from(share).unwrap_or(u64::MAX);
                (share / kept.state).saturating_sub(1)
            }
        };
        // One more is there for padding.
        let taken = slots.saturating_add(1).saturating_mul(kept.state);
        (slots, bytes.saturating_sub(taken))
    }
}

impl CachePlan for Plan {
    /// What the engine must have free to hold so many requests: where states take a share, both of the shares must do.
    fn reserved(&self, context: u64, concurrency: u64) -> Vec<u64> {
        self.stages
            .iter()
            .map(|kept| {
                let tokens = kept.bytes(self.wanted(kept, context, concurrency));
                if kept.state == 0 {
                    return tokens;
                }
                match self.states {
                    States::Fixed(slots) => slots
                        .max(concurrency)
                        .saturating_add(1)
                        .saturating_mul(kept.state)
                        .saturating_add(tokens),
                    States::Share { each } => {
                        let slots = each.saturating_mul(concurrency).saturating_add(1);
                        let states = slots.saturating_mul(kept.state);
                        let by_states = of(states, 19, 9);
                        by_states.max(of(tokens, 19, 10))
                    }
                }
            })
            .collect()
    }

    fn pool(&self, bytes: &[u64], context: u64, _concurrency: u64) -> Pool {
        let page = self.page.max(1);
        let mut tokens = u64::MAX;
        let mut requests = u64::MAX;
        for (kept, &bytes) in self.stages.iter().zip(bytes) {
            let (slots, rest) = self.split(kept, bytes);
            if kept.token > 0 || kept.windowed > 0 {
                tokens = tokens.min(kept.tokens(rest, page));
            }
            if kept.state > 0 {
                let each = match self.states {
                    States::Fixed(_) => 1,
                    States::Share { each } => each.max(1),
                };
                requests = requests.min(slots / each);
            }
        }
        if tokens == u64::MAX {
            // Nothing grows with the tokens: as many as the states let in.
            tokens = match requests {
                u64::MAX => 0,
                requests => requests.saturating_mul(context),
            };
        }
        let by_states = requests.saturating_mul(context);
        Pool {
            tokens,
            blocks: (page > 1).then_some(tokens / page),
            concurrency: Some((tokens.min(by_states), context)),
        }
    }
}

/// `value · times / by`, rounded up.
fn of(value: u64, times: u64, by: u64) -> u64 {
    let product = u128::from(value) * u128::from(times);
    u64::try_from(product.div_ceil(u128::from(by))).unwrap_or(u64::MAX)
}
