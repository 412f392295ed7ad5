//! What one layer makes of each token on its way through it, as widths: the numbers that formulas for activations are
//! made of, whatever engine runs the layer.
//!
//! What this module does not do: it says nothing of which of these live at one time, for that is the engine's doing.
//! [`Block::plain`] is the bare minimum of it.

use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer};
use crate::checkpoint::Role;

/// A part of a layer that makes numbers of tokens, with its widths on one rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// Attention.
    Attention {
        /// Query heads.
        heads: u64,
        /// Numbers of all queries.
        query: u64,
        /// Numbers of all keys.
        key: u64,
        /// Numbers of all values.
        value: u64,
        /// Numbers of all heads' outputs.
        output: u64,
        /// Numbers of a key head, and of a value head.
        head: (u64, u64),
        /// Numbers of the compressed vector that keys and values are made of, with its rotary key; 0 without one.
        latent: u64,
    },
    /// A recurrent state.
    State {
        /// Numbers of all projections into it.
        projected: u64,
        /// Channels of its convolution.
        channels: u64,
    },
    /// One network for all tokens.
    Dense {
        /// Its inner width.
        width: u64,
    },
    /// Experts.
    Experts {
        /// How many there are.
        experts: u64,
        /// How many each token visits.
        chosen: u64,
        /// The inner width of one.
        width: u64,
        /// The inner width of what every token visits beside them.
        shared: u64,
    },
}

/// The blocks of a layer on one of so many ranks.
#[must_use]
pub fn blocks(architecture: &Architecture, layer: &Layer, ranks: u64) -> Vec<Block> {
    let share = |numbers: u64| numbers.div_ceil(ranks.max(1));
    let mixers = layer.mixers.iter().filter_map(|mixer| {
        Some(match *mixer {
            Mixer::Attention {
                heads,
                kv_heads,
                key_dim,
                value_dim,
                ..
            } => {
                let kv = super::store::local_heads(kv_heads, ranks);
                Block::Attention {
                    heads: share(heads),
                    query: share(heads).saturating_mul(key_dim),
                    key: kv.saturating_mul(key_dim),
                    value: kv.saturating_mul(value_dim),
                    output: share(heads).saturating_mul(value_dim),
                    head: (key_dim, value_dim),
                    latent: 0,
                }
            }
            Mixer::Latent {
                heads,
                rank,
                rope_dim,
                nope_dim,
                value_dim,
                ..
            } => {
                let key_dim = nope_dim.saturating_add(rope_dim);
                let query = share(heads).saturating_mul(key_dim);
                let value = share(heads).saturating_mul(value_dim);
                Block::Attention {
                    heads: share(heads),
                    query,
                    key: query,
                    value,
                    output: value,
                    head: (key_dim, value_dim),
                    latent: rank.saturating_add(rope_dim),
                }
            }
            Mixer::Compressed { heads, key_dim, .. } => {
                let query = share(heads).saturating_mul(key_dim);
                Block::Attention {
                    heads: share(heads),
                    query,
                    key: key_dim,
                    value: 0,
                    output: query,
                    head: (key_dim, key_dim),
                    latent: 0,
                }
            }
            Mixer::Cross {
                heads, head_dim, ..
            } => {
                let query = share(heads).saturating_mul(head_dim);
                Block::Attention {
                    heads: share(heads),
                    query,
                    key: 0,
                    value: 0,
                    output: query,
                    head: (head_dim, head_dim),
                    latent: 0,
                }
            }
            Mixer::State { convolution, .. } => Block::State {
                projected: share(projected(architecture, layer)),
                channels: convolution.on_rank(ranks).channels,
            },
            Mixer::Stateless => return None,
        })
    });
    let networks = layer.feed_forward.iter().map(|network| match *network {
        FeedForward::Dense { width } => Block::Dense {
            width: share(width),
        },
        FeedForward::Experts {
            experts,
            chosen,
            width,
            shared_width,
        } => Block::Experts {
            experts,
            chosen,
            width: share(width),
            shared: share(shared_width),
        },
    });
    mixers.chain(networks).collect()
}

/// Rows of all matrices of a layer's state that take the residual stream.
fn projected(architecture: &Architecture, layer: &Layer) -> u64 {
    let hidden = architecture.hidden_size.unwrap_or(0);
    architecture
        .templates
        .iter()
        .filter(|template| {
            template.role == Role::State
                && template.in_layer
                && template.part == Some(layer.stack)
                && template
                    .numbers
                    .first()
                    .is_some_and(|numbers| numbers.iter().any(|number| number == layer.number))
        })
        .filter_map(|template| match *template.shape.as_slice() {
            [rows, columns] if columns == hidden => Some(rows),
            _ => None,
        })
        .fold(0, u64::saturating_add)
}

impl Block {
    /// Numbers per token that no engine can do without, the residual stream and its normed copy beside: what comes in
    /// and goes out of the inner part together.
    #[must_use]
    pub const fn plain(&self, hidden: u64) -> u64 {
        let stream = hidden.saturating_mul(2);
        let inner = match *self {
            Self::Attention {
                query,
                key,
                value,
                output,
                ..
            } => query
                .saturating_add(key)
                .saturating_add(value)
                .saturating_add(output),
            Self::State {
                projected,
                channels,
            } => projected.saturating_add(channels),
            // Gate and up in one, and their product.
            Self::Dense { width } => width.saturating_mul(3),
            Self::Experts {
                chosen,
                width,
                shared,
                ..
            } => {
                let routed = width.saturating_mul(3).saturating_add(hidden);
                let all = routed.saturating_mul(chosen);
                let beside = shared.saturating_mul(3);
                if all > beside { all } else { beside }
            }
        };
        stream.saturating_add(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Block;

    #[test]
    fn the_widest_part_of_a_llama_is_its_network() {
        // Llama 3.1 8B: 4096 wide, 32 heads and 8 of keys and values of 128, 14336 within.
        let attention = Block::Attention {
            heads: 32,
            query: 4096,
            key: 1024,
            value: 1024,
            output: 4096,
            head: (128, 128),
            latent: 0,
        };
        assert_eq!(attention.plain(4096), 8192 + 10_240);
        assert_eq!(Block::Dense { width: 14_336 }.plain(4096), 8192 + 43_008);
    }
}
