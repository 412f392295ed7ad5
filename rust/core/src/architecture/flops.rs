//! Floating-point operations of one token of a decoder.
//!
//! Two per parameter a token goes through (one multiplication, one addition), tables of embeddings aside, and those
//! of attention over what is kept: scores and weighted sum, 2 heads (`key_dim` + `value_dim`) per token in reach
//! (Kaplan et al. 2020, appendix; `PaLM`, appendix B). Latent attention over a cache goes over the compressed vector: 2 heads
//! (2 rank + `rope_dim`); a prompt is read with keys and values of their own for every head where that takes less: 2 heads
//! (`nope_dim` + `rope_dim` + `value_dim`). Making either is the same matrix, once per token (DeepSeek-V2, section 2.1;
//! vLLM 0.19, `layers/attention/mla_attention.py`: "compute friendly" and "data-movement friendly"). A recurrent state is updated and read once: 4 per number.

use super::Architecture;
use super::layer::{Mixer, Reach, Stack};
use super::place;
use super::template::Routing;
use crate::checkpoint::Role;

/// How many entries a mixer looks at.
#[derive(Clone, Copy)]
enum Span {
    /// As many as it keeps.
    Reach(Reach),
    /// One for so many tokens, and a window of single ones.
    Entries { ratio: u64, window: u64 },
    /// The same number at every token.
    Fixed(u64),
}

impl Span {
    /// When `tokens` tokens came before.
    fn at(self, tokens: u64) -> u64 {
        match self {
            Self::Reach(reach) => reach.kept(tokens),
            Self::Entries { ratio, window } => tokens
                .checked_div(ratio)
                .unwrap_or(0)
                .saturating_add(tokens.min(window)),
            Self::Fixed(entries) => entries,
        }
    }

    /// The sum over the tokens of a prompt: of `at(0)` to `at(tokens - 1)`.
    fn until(self, tokens: u64) -> u128 {
        let n = u128::from(tokens);
        // 0 + 1 + ... + (n - 1)
        let triangle = |n: u128| n * n.saturating_sub(1) / 2;
        // Up to a window each sees one more, then all of it.
        let windowed = |window: u64| {
            let window = u128::from(window);
            if n <= window {
                triangle(n)
            } else {
                triangle(window) + (n - window) * window
            }
        };
        match self {
            Self::Reach(reach) => reach.saturates().map_or_else(|| triangle(n), windowed),
            Self::Entries { ratio, window } => {
                // Each number of entries below n / ratio is there for `ratio` tokens, the last for the rest.
                let ratio = u128::from(ratio);
                let entries = n.checked_div(ratio).unwrap_or(0);
                let whole = triangle(entries).saturating_mul(ratio);
                whole + (n - entries * ratio) * entries + windowed(window)
            }
            Self::Fixed(entries) => n.saturating_mul(u128::from(entries)),
        }
    }
}

impl Mixer {
    /// Operations of one token when `tokens` tokens came before, beside those with parameters.
    #[must_use]
    pub fn flops(&self, tokens: u64, encoder_tokens: u64) -> u64 {
        let (each, span) = self.looks_at(encoder_tokens);
        each.saturating_mul(span.at(tokens))
    }

    /// The same for all tokens of a prompt of so many.
    #[must_use]
    pub fn flops_of_prompt(&self, tokens: u64, encoder_tokens: u64) -> u64 {
        let (each, span) = self.looks_at(encoder_tokens);
        let each = self.expanded().map_or(each, |expanded| expanded.min(each));
        let all = u128::from(each).saturating_mul(span.until(tokens));
        u64::try_from(all).unwrap_or(u64::MAX)
    }

    /// Operations for each entry that is looked at where latent attention makes keys and values for every head.
    fn expanded(&self) -> Option<u64> {
        let Self::Latent {
            heads,
            rope_dim,
            nope_dim,
            value_dim,
            ..
        } = *self
        else {
            return None;
        };
        let width = nope_dim.saturating_add(rope_dim).saturating_add(value_dim);
        Some(heads.saturating_mul(2).saturating_mul(width))
    }

    /// Operations for each entry that is looked at, and how many there are.
    fn looks_at(&self, encoder_tokens: u64) -> (u64, Span) {
        let product = |numbers: &[u64]| {
            numbers
                .iter()
                .fold(1_u64, |product, &n| product.saturating_mul(n))
        };
        match *self {
            Self::Attention {
                heads,
                key_dim,
                value_dim,
                reach,
                ..
            } => (
                product(&[2, heads, key_dim.saturating_add(value_dim)]),
                Span::Reach(reach),
            ),
            Self::Latent {
                heads,
                rank,
                rope_dim,
                reach,
                ..
            } => (
                product(&[2, heads, rank.saturating_mul(2).saturating_add(rope_dim)]),
                Span::Reach(reach),
            ),
            Self::Compressed {
                heads,
                key_dim,
                ratio,
                window,
                ..
            } => (
                product(&[4, heads, key_dim]),
                Span::Entries { ratio, window },
            ),
            Self::State {
                convolution,
                recurrent,
                ..
            } => (
                recurrent
                    .saturating_mul(4)
                    .saturating_add(convolution.kept().saturating_mul(2)),
                Span::Fixed(1),
            ),
            Self::Cross {
                heads,
                head_dim,
                tokens,
                ..
            } => (
                product(&[4, heads, head_dim]),
                Span::Fixed(tokens.unwrap_or(encoder_tokens)),
            ),
            Self::Stateless => (0, Span::Fixed(0)),
        }
    }

    /// Whether an indexer picks which tokens it looks at.
    #[must_use]
    pub const fn is_picked(&self) -> bool {
        match *self {
            Self::Attention { indexer_dim, .. }
            | Self::Latent { indexer_dim, .. }
            | Self::Compressed { indexer_dim, .. } => indexer_dim > 0,
            Self::State { .. } | Self::Cross { .. } | Self::Stateless => false,
        }
    }
}

impl Architecture {
    /// Operations of one token that the text model writes when `tokens` tokens came before; of one that it reads, if it
    /// writes none. `None` if they are more than 64 bits count.
    ///
    /// Towers for images and sound, encoders beside a decoder, and layers that predict further tokens are left out.
    #[must_use]
    pub fn flops_per_token(&self, tokens: u64, encoder_tokens: u64) -> Option<u64> {
        let all = self
            .active_in_body()
            .saturating_add(self.head_parameters())
            .saturating_mul(2)
            .saturating_add(self.mixing(|mixer| mixer.flops(tokens, encoder_tokens)));
        (all < u64::MAX).then_some(all)
    }

    /// The fewest operations that read a prompt of so many tokens: all of its tokens go through the layers, and the last
    /// one through the head. What mixers do whose tokens an indexer picks is left out. `None` if they are more than 64 bits
    /// count.
    #[must_use]
    pub fn flops_of_prompt(&self, tokens: u64, encoder_tokens: u64) -> Option<u64> {
        let mixing = self.mixing(|mixer| {
            if mixer.is_picked() {
                0
            } else {
                mixer.flops_of_prompt(tokens, encoder_tokens)
            }
        });
        let all = self
            .active_in_body()
            .saturating_mul(tokens)
            .saturating_add(self.head_parameters())
            .saturating_mul(2)
            .saturating_add(mixing);
        (all < u64::MAX).then_some(all)
    }

    /// The sum over the mixers of the decoder.
    pub(crate) fn mixing(&self, flops: impl Fn(&Mixer) -> u64) -> u64 {
        self.decoder()
            .flat_map(|layer| &layer.mixers)
            .fold(0_u64, |sum, mixer| sum.saturating_add(flops(mixer)))
    }

    /// Parameters that a token of the text model goes through, the head aside.
    fn active_in_body(&self) -> u64 {
        let outside = [
            Role::Vision,
            Role::Audio,
            Role::Projector,
            Role::Mtp,
            Role::Head,
        ];
        let writes = self.decoder().next().is_some();
        self.sum(|template| {
            let read_once = writes && template.part.is_some_and(|part| part != Stack::Decoder);
            template.routing != Routing::Lookup && !outside.contains(&template.role) && !read_once
        })
        .active
    }

    /// Parameters that make logits.
    fn head_parameters(&self) -> u64 {
        let writes = self.decoder().next().is_some();
        let own = self
            .sum(|template| {
                let read_once = writes && template.part.is_some_and(|part| part != Stack::Decoder);
                template.role == Role::Head && template.routing != Routing::Lookup && !read_once
            })
            .active;
        // A tied head is no tensor of its own, and is multiplied with all the same; a class without a head has none.
        match (self.hidden_size, self.vocab_size) {
            (Some(hidden), Some(vocabulary)) if !self.has_head() && !self.is_bare() => {
                own.saturating_add(hidden.saturating_mul(vocabulary))
            }
            _ => own,
        }
    }

    /// Whether it has a head of its own. A bias alone is that of a tied one.
    pub(crate) fn has_head(&self) -> bool {
        self.templates
            .iter()
            .any(|template| template.role == Role::Head && template.shape.len() > 1)
    }

    /// Whether its class makes no logits.
    pub(crate) fn is_bare(&self) -> bool {
        self.class.as_deref().is_some_and(place::is_bare)
    }
}

#[cfg(test)]
mod tests {
    use super::Span;
    use crate::architecture::layer::{Mixer, Reach};

    #[test]
    fn a_prompt_is_read_with_expanded_keys_where_that_takes_less() {
        // DeepSeek-V3: 128 heads of 128 + 64 and 128 numbers, a compressed vector of 512.
        let mixer = |rank| Mixer::Latent {
            heads: 128,
            rank,
            rope_dim: 64,
            nope_dim: 128,
            value_dim: 128,
            reach: Reach::Full,
            indexer_dim: 0,
            indexer_ratio: 1,
        };
        let pairs = 1000 * 999 / 2;
        let prompt = mixer(512).flops_of_prompt(1000, 0);
        assert_eq!(prompt, 2 * 128 * (128 + 64 + 128) * pairs);
        // Writing goes over what is kept.
        assert_eq!(mixer(512).flops(1000, 0), 2 * 128 * (2 * 512 + 64) * 1000);
        // A vector that is narrower than a head is cheaper in any case.
        assert_eq!(
            mixer(64).flops_of_prompt(1000, 0),
            2 * 128 * (2 * 64 + 64) * pairs
        );
    }

    #[test]
    fn sums_over_a_prompt_are_those_of_its_tokens() {
        for tokens in [0, 1, 2, 7, 8, 9, 31, 32, 33, 100] {
            for span in [
                Span::Reach(Reach::Full),
                Span::Reach(Reach::Sliding(8)),
                Span::Reach(Reach::Chunked(32)),
                Span::Fixed(5),
                Span::Entries {
                    ratio: 4,
                    window: 8,
                },
                Span::Entries {
                    ratio: 0,
                    window: 8,
                },
                Span::Entries {
                    ratio: 128,
                    window: 3,
                },
            ] {
                let slow: u128 = (0..tokens).map(|token| u128::from(span.at(token))).sum();
                assert_eq!(span.until(tokens), slow, "{tokens}");
            }
        }
    }
}
