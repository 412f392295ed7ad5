//! What lives at one time while transformers runs a forward pass: the layers one after another, each tensor until the
//! name that holds it goes.
//!
//! Counted after the forward methods of `models/llama/modeling_llama.py`, `integrations/sdpa_attention.py`,
//! `integrations/moe.py` and `masking_utils.py` of transformers 5.23.0, and the same files of 4.57.1; the loop over
//! experts of 4.57 after `models/mixtral/modeling_mixtral.py`. Attention is PyTorch's scaled dot product in a kernel
//! that holds no scores, but in classes without it.

use crate::architecture::layer::Reach;
use crate::memory::forward::Block;

/// A forward pass.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    /// Sequences.
    pub sequences: u64,
    /// Tokens of each that go through at once.
    pub step: u64,
    /// Tokens of each that are seen by the last.
    pub context: u64,
    /// The width of the residual stream.
    pub hidden: u64,
    /// Bytes of a number of the model's dtype.
    pub model_bytes: u64,
    /// Whether all experts of a layer run at once (from 5.0 on) or one after another.
    pub grouped: bool,
    /// Bytes of every score together, where scores are held.
    pub scores: Option<u64>,
    /// Bytes of a number that an expert gave once it is weighed.
    pub weighed: u64,
    /// Numbers of the tables of rotations for each token, which all layers look into: cosines and sines for each kind of
    /// reach.
    pub tables: u64,
    /// Whether latent attention expands its compressed vectors after they were cached.
    pub latent: bool,
}

/// One of several moments at which memory may be at its most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// When it is.
    pub name: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// How they come about.
    pub formula: String,
}

impl Moment {
    /// The later one where both are alike.
    #[must_use]
    pub fn larger(self, other: Self) -> Self {
        if other.bytes >= self.bytes {
            other
        } else {
            self
        }
    }
}

impl Pass {
    /// Tokens that go through at once.
    #[must_use]
    pub const fn tokens(&self) -> u64 {
        self.sequences.saturating_mul(self.step)
    }

    /// Whether attention that reaches so far needs a mask: a causal mask is left to the kernel if no more is seen than
    /// goes through (`masking_utils.py:_ignore_causal_mask_sdpa`).
    #[must_use]
    pub const fn has_mask(&self, reach: Reach) -> bool {
        if self.scores.is_some() {
            return true;
        }
        match reach {
            Reach::Full => self.step < self.context,
            Reach::Sliding(window) | Reach::Chunked(window) => {
                self.context >= window || self.step < self.context
            }
        }
    }

    /// Bytes of one mask: a truth value for each token and each that it may see, of one sequence for all. Where scores
    /// are held it is a number for each, of every sequence.
    #[must_use]
    pub const fn mask(&self) -> u64 {
        let pairs = self.step.saturating_mul(self.context);
        if self.scores.is_some() {
            pairs
                .saturating_mul(self.sequences)
                .saturating_mul(self.model_bytes)
        } else {
            pairs
        }
    }

    /// The largest moment of a block.
    #[must_use]
    pub fn of(&self, block: &Block, masked: bool) -> Moment {
        match *block {
            Block::Attention {
                heads,
                query,
                key,
                value,
                output,
                head,
                latent,
            } => self.attention([heads, query, key, value, output, latent], head, masked),
            Block::State {
                projected,
                channels,
            } => self.moment(
                "mixing with a state",
                &[(3, self.hidden), (1, projected), (2, channels)],
                0,
                "3 hidden + projections + 2 channels",
            ),
            Block::Dense { width } => self.moment(
                "feed-forward",
                &[(4, self.hidden), (3, width)],
                0,
                "4 hidden (looked up, input, residual, normed) + 3 inner (gate, up, product)",
            ),
            Block::Experts {
                experts,
                chosen,
                width,
                shared,
            } => self.experts(experts, chosen, width, shared),
        }
    }

    /// The norms, which compute in 32 bits.
    #[must_use]
    pub fn norm(&self) -> Moment {
        let bytes = self
            .hidden
            .saturating_mul(self.model_bytes.saturating_mul(2).saturating_add(8));
        self.per_token("norm", bytes, "2 hidden, and 2 of them in 32 bits")
    }

    /// The head, of the last token of each sequence only: logits, the same in 32 bits, and what is drawn from.
    #[must_use]
    pub fn head(&self, vocabulary: u64, ranks: u64) -> Moment {
        let stream = self
            .tokens()
            .saturating_mul(self.hidden)
            .saturating_mul(self.model_bytes);
        let row = vocabulary.saturating_mul(self.model_bytes.saturating_add(8));
        // Each rank gathers what the others made of its share.
        let share = if ranks > 1 {
            vocabulary.div_ceil(ranks).saturating_mul(self.model_bytes)
        } else {
            0
        };
        let rows = self.sequences.saturating_mul(row.saturating_add(share));
        Moment {
            name: "logits",
            bytes: stream.saturating_add(rows),
            formula: format!(
                "{} tokens x {} hidden x {} B + {} rows x {vocabulary} entries x ({} + 4 + 4) B",
                self.tokens(),
                self.hidden,
                self.model_bytes,
                self.sequences,
                self.model_bytes
            ),
        }
    }

    fn attention(&self, widths: [u64; 6], head: (u64, u64), masked: bool) -> Moment {
        let [heads, query, key, value, output, latent] = widths;
        // What was looked up, what comes in, and that normed. The first stays until the last layer.
        let stream = (3, self.hidden);
        let rotating = if latent > 0 {
            let expanded = if self.latent { key } else { 0 };
            self.moment(
                "attention, expanding keys and values",
                &[
                    stream,
                    (2, query),
                    (2, latent),
                    (2, key),
                    (1, value),
                    (1, expanded),
                ],
                0,
                "3 hidden + 2 queries + 2 latents + 2 keys + values",
            )
        } else {
            self.moment(
                "attention, rotating queries",
                &[stream, (4, query), (1, key), (1, value)],
                0,
                "3 hidden + 4 queries + keys + values",
            )
        };
        // Keys and values that are cached count there. They are copied to all heads unless the kernel knows groups.
        let fits_kernel = !masked && head.0 == head.1 && head.0 <= 256;
        let groups = key < query || value < output;
        let repeated = if groups && (self.scores.is_some() || !fits_kernel) {
            query.saturating_add(output)
        } else {
            0
        };
        let seen = self.sequences.saturating_mul(self.context);
        let copies = seen
            .saturating_mul(repeated)
            .saturating_mul(self.model_bytes);
        let pairs = self
            .sequences
            .saturating_mul(self.step)
            .saturating_mul(self.context);
        let scores = if let Some(each) = self.scores {
            pairs.saturating_mul(heads).saturating_mul(each)
        } else if masked {
            // The kernel takes a mask of numbers.
            self.mask().saturating_mul(self.model_bytes)
        } else {
            0
        };
        let kernel = self.moment(
            "attention, in the kernel",
            &[stream, (1, query), (2, output)],
            copies
                .saturating_add(scores)
                .saturating_add(self.tokens().saturating_mul(heads).saturating_mul(4)),
            "3 hidden + queries + 2 outputs, with copies of keys and values and masks or scores",
        );
        rotating.larger(kernel)
    }

    fn experts(&self, experts: u64, chosen: u64, width: u64, shared: u64) -> Moment {
        let stream = (4, self.hidden);
        let beside = self.moment(
            "shared expert",
            &[(5, self.hidden), (3, shared)],
            0,
            "5 hidden + 3 inner",
        );
        let router = experts.saturating_mul(self.model_bytes.saturating_add(4));
        let visited = if self.grouped {
            let opening = self.moment(
                "experts, opening",
                &[
                    stream,
                    (chosen, self.hidden),
                    (chosen.saturating_mul(4), width),
                ],
                self.tokens().saturating_mul(router),
                "4 hidden + chosen x (hidden + 4 inner)",
            );
            let closing = self.moment(
                "experts, closing",
                &[stream, (chosen.saturating_mul(2), self.hidden)],
                self.tokens().saturating_mul(
                    chosen
                        .saturating_mul(2)
                        .saturating_mul(self.hidden)
                        .saturating_mul(self.weighed)
                        .saturating_add(router),
                ),
                "4 hidden + chosen x 2 hidden, and chosen x 2 hidden as they are weighed",
            );
            opening.larger(closing)
        } else {
            // Which token visits which expert, as 64-bit numbers for each of them.
            let visits = experts.saturating_mul(chosen).saturating_mul(8);
            let each = self
                .hidden
                .saturating_mul(2)
                .saturating_add(width.saturating_mul(3));
            let evenly = self
                .tokens()
                .saturating_mul(chosen)
                .div_ceil(experts.max(1))
                .saturating_mul(each)
                .saturating_mul(self.model_bytes);
            self.moment(
                "experts, one after another",
                &[(5, self.hidden)],
                self.tokens()
                    .saturating_mul(router.saturating_add(visits))
                    .saturating_add(evenly),
                "5 hidden, 8 B for each expert and choice, and an even share of the tokens in one expert",
            )
        };
        if shared > 0 {
            visited.larger(beside)
        } else {
            visited
        }
    }

    fn moment(
        &self,
        name: &'static str,
        widths: &[(u64, u64)],
        beside: u64,
        words: &'static str,
    ) -> Moment {
        let numbers = widths.iter().fold(0_u64, |sum, &(times, width)| {
            sum.saturating_add(times.saturating_mul(width))
        });
        let numbers = numbers.saturating_add(self.tables);
        let moment = self.per_token(
            name,
            numbers.saturating_mul(self.model_bytes),
            &format!(
                "{numbers} numbers x {} B ({words}, and rotations)",
                self.model_bytes
            ),
        );
        if beside == 0 {
            return moment;
        }
        Moment {
            bytes: moment.bytes.saturating_add(beside),
            formula: format!("{} + {beside}", moment.formula),
            ..moment
        }
    }

    fn per_token(&self, name: &'static str, bytes: u64, words: &str) -> Moment {
        Moment {
            name,
            bytes: self.tokens().saturating_mul(bytes),
            formula: format!("{} tokens x {words}", self.tokens()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Pass;
    use crate::architecture::layer::Reach;
    use crate::memory::forward::Block;

    const LLAMA: Pass = Pass {
        sequences: 2,
        step: 1000,
        context: 1000,
        hidden: 4096,
        model_bytes: 2,
        grouped: true,
        scores: None,
        weighed: 4,
        tables: 256,
        latent: true,
    };

    #[test]
    fn the_widest_moment_of_a_llama_is_its_network() {
        let network = LLAMA.of(&Block::Dense { width: 14_336 }, false);
        assert_eq!(network.bytes, 2000 * 2 * (256 + 4 * 4096 + 3 * 14_336));
        let attention = Block::Attention {
            heads: 32,
            query: 4096,
            key: 1024,
            value: 1024,
            output: 4096,
            head: (128, 128),
            latent: 0,
        };
        let rotating = LLAMA.of(&attention, false);
        assert_eq!(
            rotating.bytes,
            2000 * 2 * (3 * 4096 + 2 * 128 + 4 * 4096 + 2048)
        );
        assert!(LLAMA.of(&attention, true).bytes > rotating.bytes);
    }

    #[test]
    fn a_mask_is_made_where_a_window_is_passed_or_a_prompt_comes_in_pieces() {
        assert!(!LLAMA.has_mask(Reach::Full));
        assert!(!LLAMA.has_mask(Reach::Sliding(1001)));
        assert!(LLAMA.has_mask(Reach::Sliding(1000)));
        let pieces = Pass { step: 100, ..LLAMA };
        assert!(pieces.has_mask(Reach::Full));
    }
}
