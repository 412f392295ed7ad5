//! Bytes that one pass reads on a GPU.

use crate::architecture::Architecture;
use crate::architecture::layer::{Mixer, Stack};
use crate::architecture::template::Routing;
use crate::checkpoint::Role;
use crate::deployment::Settings;
use crate::memory::body::Piece;
use crate::memory::layout::Parallel;
use crate::memory::stage::Stage;
use crate::memory::store::{Kept, Store};
use serde::Serialize;

/// Bytes that one pass reads on one GPU of a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Touched {
    /// Weights that every token goes through.
    pub always: u64,
    /// Rows of tables that tokens are looked up in.
    pub rows: u64,
    /// Weights of experts: what tokens that choose independently and evenly touch in expectation, rounded up.
    pub experts: u64,
    /// Caches and states of the requests, as far as they are needed.
    pub cache: u64,
}

impl Touched {
    /// Weights of all kinds.
    #[must_use]
    pub const fn weights(&self) -> u64 {
        self.always
            .saturating_add(self.rows)
            .saturating_add(self.experts)
    }

    /// Weights and caches.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.weights().saturating_add(self.cache)
    }

    /// Adds what `tokens` tokens touch of a piece that takes `bytes` here. Towers, encoders and layers that predict further
    /// tokens are not on the way of a token.
    pub(super) fn add(
        &mut self,
        piece: &Piece,
        bytes: u64,
        is_head: bool,
        tokens: u64,
        parallel: Parallel,
    ) {
        let outside = [Role::Vision, Role::Audio, Role::Projector, Role::Mtp];
        if outside.contains(&piece.role) || piece.part.is_some_and(|part| part != Stack::Decoder) {
            return;
        }
        match piece.routing {
            Routing::Always => self.always = self.always.saturating_add(bytes),
            Routing::Lookup if is_head => self.always = self.always.saturating_add(bytes),
            Routing::Lookup => {
                let entries = piece.shape.first().copied().unwrap_or(1).max(1);
                // What the ranks hold of the looked-up rows together is as much as one of them in the mean.
                let rows = share(bytes, u128::from(tokens.min(entries)), u128::from(entries));
                self.rows = self.rows.saturating_add(rows);
            }
            Routing::Routed { chosen, of } => {
                let seen = tokens.saturating_mul(parallel.data);
                let touched = share_of_experts(chosen, of, seen);
                let bytes = share(bytes, touched, 1 << 64);
                self.experts = self.experts.saturating_add(bytes);
            }
        }
    }
}

impl Piece {
    /// Whether a router chooses who goes through it.
    pub(super) const fn is_routed(&self) -> bool {
        matches!(self.routing, Routing::Routed { .. })
    }
}

/// `bytes * part / whole`, rounded up, of a part that is not more than the whole.
fn share(bytes: u64, part: u128, whole: u128) -> u64 {
    let product = u128::from(bytes).saturating_mul(part);
    u64::try_from(product.div_ceil(whole)).unwrap_or(u64::MAX)
}

/// The share of the experts of a layer that at least one of `tokens` tokens chooses, in expectation, in units of 2^-64:
/// `1 - (1 - chosen / of)^tokens`, for tokens that choose `chosen` different ones of `of`, independently and evenly.
///
/// An expert is missed by one token with probability `1 - chosen / of` and by all with its power, and expectations add.
/// The power is taken by squaring on integers, each product rounded down, so that it is short of the true one by less
/// than 2 `tokens` units.
#[must_use]
pub fn share_of_experts(chosen: u64, of: u64, tokens: u64) -> u128 {
    const ONE: u128 = 1 << 64;
    if of == 0 || chosen == 0 || tokens == 0 {
        return 0;
    }
    if chosen >= of {
        return ONE;
    }
    // Below one, so that products fit 128 bits.
    let mut square = (u128::from(of - chosen) << 64) / u128::from(of);
    let mut missed: Option<u128> = None;
    let mut left = tokens;
    while left > 0 {
        if left & 1 == 1 {
            missed = Some(missed.map_or(square, |missed| (missed * square) >> 64));
        }
        square = (square * square) >> 64;
        left >>= 1;
    }
    ONE - missed.unwrap_or(0)
}

/// Bytes of the caches of so many requests that a pass reads on a GPU: what is still of use to the next token. Ranks that
/// share a sequence read their part. Of layers with an indexer only its own keys are counted.
pub(super) fn cache(
    architecture: &Architecture,
    stage: &Stage,
    parallel: Parallel,
    settings: &Settings,
    requests: u64,
) -> u64 {
    let kept = Kept {
        format: settings.cache,
        model_bytes: settings.model_bytes,
        encoder_tokens: settings.encoder_tokens,
    };
    let one = stage.decoder(architecture).fold(0_u64, |sum, layer| {
        let picked = layer.mixers.iter().any(Mixer::is_picked);
        Store::of(layer, parallel.tensor)
            .iter()
            .filter(|store| !picked || matches!(store, Store::Indexer { .. }))
            .fold(sum, |sum, store| {
                sum.saturating_add(store.needed(settings.context, &kept))
            })
    });
    one.saturating_mul(requests)
        .div_ceil(parallel.context.max(1))
}

#[cfg(test)]
mod tests {
    use super::share_of_experts;

    /// Every way in which `tokens` tokens can choose `chosen` of `of` experts: how many experts are touched, on average,
    /// as (sum, ways).
    fn brute_force(chosen: u64, of: u64, tokens: u64) -> (u64, u64) {
        let choices: Vec<u64> = (0_u64..1 << of)
            .filter(|set| u64::from(set.count_ones()) == chosen)
            .collect();
        let mut unions = vec![0_u64];
        for _ in 0..tokens {
            unions = unions
                .iter()
                .flat_map(|union| choices.iter().map(move |choice| union | choice))
                .collect();
        }
        let sum = unions
            .iter()
            .map(|union| u64::from(union.count_ones()))
            .sum();
        (sum, unions.len() as u64)
    }

    #[test]
    fn the_expectation_is_that_of_all_choices() {
        for of in 1..=6 {
            for chosen in 1..=of {
                for tokens in 1..=4 {
                    let (sum, ways) = brute_force(chosen, of, tokens);
                    let share = share_of_experts(chosen, of, tokens);
                    // share / 2^64 = sum / (ways of), up to rounding.
                    let exact = (u128::from(sum) << 64) / u128::from(ways * of);
                    assert!(
                        share.abs_diff(exact) <= 2 * u128::from(tokens),
                        "{chosen} of {of}, {tokens}: {share} {exact}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_share_ends_at_all() {
        assert_eq!(share_of_experts(8, 8, 1), 1 << 64);
        assert_eq!(share_of_experts(8, 256, 0), 0);
        assert_eq!(share_of_experts(8, 256, u64::MAX), 1 << 64);
        assert_eq!(share_of_experts(2, 8, 1), 1 << 62);
    }
}
