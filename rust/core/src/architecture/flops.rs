//! Floating-point operations of one token of a decoder.
//!
//! Two per parameter a token goes through (one multiplication, one addition), tables of embeddings aside, and those
//! of attention over what is kept: scores and weighted sum, 2 heads (`key_dim` + `value_dim`) per token in reach
//! (Kaplan et al. 2020, appendix; `PaLM`, appendix B). Latent attention is counted as decoding does it, over the
//! compressed vector: 2 heads (2 rank + `rope_dim`). A recurrent state is updated and read once: 4 per number.

use super::Architecture;
use super::layer::{Mixer, Stack};
use super::place;
use super::template::Routing;
use crate::checkpoint::Role;

impl Mixer {
    /// Operations of one token when `tokens` tokens came before, beside those with parameters.
    #[must_use]
    pub fn flops(&self, tokens: u64, encoder_tokens: u64) -> u64 {
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
            } => product(&[
                2,
                heads,
                key_dim.saturating_add(value_dim),
                reach.kept(tokens),
            ]),
            Self::Latent {
                heads,
                rank,
                rope_dim,
                reach,
                ..
            } => product(&[
                2,
                heads,
                rank.saturating_mul(2).saturating_add(rope_dim),
                reach.kept(tokens),
            ]),
            Self::Compressed {
                heads,
                key_dim,
                ratio,
                window,
                ..
            } => {
                let entries = tokens
                    .checked_div(ratio)
                    .unwrap_or(0)
                    .saturating_add(tokens.min(window));
                product(&[4, heads, key_dim, entries])
            }
            Self::State {
                convolution,
                recurrent,
                ..
            } => recurrent
                .saturating_mul(4)
                .saturating_add(convolution.kept().saturating_mul(2)),
            Self::Cross {
                heads,
                head_dim,
                tokens,
                ..
            } => product(&[4, heads, head_dim, tokens.unwrap_or(encoder_tokens)]),
            Self::Stateless => 0,
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
        let outside = [Role::Vision, Role::Audio, Role::Projector, Role::Mtp];
        let writes = self.decoder().next().is_some();
        let active = self
            .sum(|template| {
                let read_once = writes && template.part.is_some_and(|part| part != Stack::Decoder);
                template.routing != Routing::Lookup
                    && !outside.contains(&template.role)
                    && !read_once
            })
            .active;
        // A tied head is no tensor of its own, and is multiplied with all the same; a class without a head has none.
        let has_head = self
            .templates
            .iter()
            .any(|template| template.role == Role::Head);
        let bare = self.class.as_deref().is_some_and(place::is_bare);
        let head = match (has_head || bare, self.hidden_size, self.vocab_size) {
            (false, Some(hidden), Some(vocabulary)) => hidden.saturating_mul(vocabulary),
            _ => 0,
        };
        let attention = self
            .layers
            .iter()
            .filter(|layer| layer.stack == Stack::Decoder)
            .flat_map(|layer| &layer.mixers)
            .fold(0_u64, |sum, mixer| {
                sum.saturating_add(mixer.flops(tokens, encoder_tokens))
            });
        let all = active
            .saturating_add(head)
            .saturating_mul(2)
            .saturating_add(attention);
        (all < u64::MAX).then_some(all)
    }
}
