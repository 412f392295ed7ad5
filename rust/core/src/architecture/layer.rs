//! What a layer is made of and what it remembers: mixers, feed-forward networks, reach. Closed sets, so that the
//! compiler lists the places to change.

use super::shared::Shared;
use serde::{Deserialize, Serialize};

/// Which earlier tokens an attention layer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Reach {
    /// All of them.
    Full,
    /// The last so many, the current one with them.
    Sliding(u64),
    /// Those of its own chunk of so many.
    Chunked(u64),
}

/// How a number in a cache or state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StateDtype {
    /// In the dtype that the rest of the cache has.
    Cache,
    /// As 32-bit floating point numbers, whatever the rest has.
    Float32,
}

/// A causal convolution along the tokens, whose last inputs are remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Convolution {
    /// Channels; 0 without a convolution.
    pub channels: u64,
    /// How many tokens it spans. Mixing with the token before spans 2.
    pub width: u64,
    /// Channels among them that belong to groups which several heads share, and not to a head (Mamba 2: both state
    /// projections).
    pub grouped: u64,
    /// How many such groups there are.
    pub groups: u64,
    /// Whether its class in transformers keeps no more inputs than the next token needs. Most keep one more: as many as
    /// it spans.
    pub tight: bool,
    /// Whether its class in transformers computes in 32 bits, and so keeps its inputs, whatever the model's dtype.
    pub float32: bool,
}

impl Convolution {
    /// One whose channels all belong to heads.
    #[must_use]
    pub const fn new(channels: u64, width: u64) -> Self {
        Self {
            channels,
            width,
            grouped: 0,
            groups: 0,
            tight: false,
            float32: false,
        }
    }

    /// The same, whose class in transformers keeps no more inputs than the next token needs.
    #[must_use]
    pub const fn tight(self) -> Self {
        Self {
            tight: true,
            ..self
        }
    }

    /// The same, whose class in transformers computes in 32 bits.
    #[must_use]
    pub const fn in_float32(self) -> Self {
        Self {
            float32: true,
            ..self
        }
    }

    /// Numbers that have to be kept: the last inputs, without the one that comes.
    #[must_use]
    pub const fn kept(self) -> u64 {
        self.channels.saturating_mul(self.width.saturating_sub(1))
    }
}

/// What recurs in a mixer with a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Recurrence {
    /// Mamba.
    Mamba1,
    /// Mamba 2.
    Mamba2,
    /// Gated delta net.
    GatedDelta,
    /// Kimi delta attention.
    KimiDelta,
    /// Lightning attention.
    Lightning,
    /// Gated short convolution.
    ShortConvolution,
    /// RWKV time mixing.
    Rwkv,
    /// Real-gated linear recurrent unit.
    Rglru,
    /// mLSTM or sLSTM.
    Xlstm,
}

impl Recurrence {
    /// The name in use in the field.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mamba1 => "mamba",
            Self::Mamba2 => "mamba2",
            Self::GatedDelta => "gated delta net",
            Self::KimiDelta => "kimi delta attention",
            Self::Lightning => "lightning attention",
            Self::ShortConvolution => "short convolution",
            Self::Rwkv => "rwkv",
            Self::Rglru => "rg-lru",
            Self::Xlstm => "xlstm",
        }
    }
}

/// How a layer moves information between tokens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mixer {
    /// Softmax attention over keys and values.
    Attention {
        /// Query heads.
        heads: u64,
        /// Heads of keys and values.
        kv_heads: u64,
        /// Numbers per key head.
        key_dim: u64,
        /// Numbers per value head.
        value_dim: u64,
        /// Which tokens it sees.
        reach: Reach,
        /// Numbers of an indexer's key that are kept per token beside the cache; 0 without an indexer.
        indexer_dim: u64,
        /// The layer whose keys and values it uses instead of its own.
        shared_with: Option<u32>,
    },
    /// Latent attention (MLA): one compressed vector for all heads, and a rotary key.
    Latent {
        /// Query heads.
        heads: u64,
        /// Numbers of the compressed vector.
        rank: u64,
        /// Numbers of the rotary key.
        rope_dim: u64,
        /// Numbers per query and key head without the rotary part.
        nope_dim: u64,
        /// Numbers per value head.
        value_dim: u64,
        /// Which tokens it sees.
        reach: Reach,
        /// Numbers of an indexer's key that are kept beside the cache; 0 without an indexer.
        indexer_dim: u64,
        /// Tokens that share one such key.
        indexer_ratio: u64,
    },
    /// Attention over keys and values that stand for several tokens each (DeepSeek V4), beside a window.
    Compressed {
        /// Query heads.
        heads: u64,
        /// Numbers of the one key that is also the value.
        key_dim: u64,
        /// Tokens that share an entry; 0 for a layer that keeps its window only.
        ratio: u64,
        /// The last tokens, which are kept one by one.
        window: u64,
        /// Numbers of an indexer's key per entry; 0 without an indexer.
        indexer_dim: u64,
    },
    /// A state of fixed size.
    State {
        /// What recurs.
        recurrence: Recurrence,
        /// Heads of the state, where it has heads.
        heads: u64,
        /// The convolution in front of the state.
        convolution: Convolution,
        /// Numbers of the recurrent state.
        recurrent: u64,
        /// How the recurrent state is kept. The convolution's is kept in the dtype of the cache.
        dtype: StateDtype,
    },
    /// Attention over the output of an encoder or a vision tower.
    Cross {
        /// Query heads.
        heads: u64,
        /// Heads of keys and values.
        kv_heads: u64,
        /// Numbers per key and value head.
        head_dim: u64,
        /// How many tokens the encoder gives, if that is fixed.
        tokens: Option<u64>,
    },
    /// Mixing without attention and without memory: Fourier transforms, pooling, convolutions over the whole input.
    Stateless,
}

/// What a layer does to each token by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum FeedForward {
    /// One network for all tokens.
    Dense {
        /// Its inner width.
        width: u64,
    },
    /// Experts.
    Experts {
        /// How many.
        experts: u64,
        /// How many of them each token visits.
        chosen: u64,
        /// The inner width of one.
        width: u64,
        /// The inner width of what every token visits beside them; 0 if there is none.
        shared_width: u64,
    },
}

/// What a stack of layers is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stack {
    /// Writes tokens one after another, and so has a cache.
    Decoder,
    /// Reads text as a whole.
    Encoder,
    /// Sees images or video.
    Vision,
    /// Hears.
    Audio,
    /// Predicts more than one token ahead.
    Prediction,
    /// Anything else: a resampler, a projector with layers, a speech decoder.
    Other,
}

impl Stack {
    /// Every stack, in order.
    pub const ALL: [Self; 6] = [
        Self::Decoder,
        Self::Encoder,
        Self::Vision,
        Self::Audio,
        Self::Prediction,
        Self::Other,
    ];

    /// The stack of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stack| stack.name() == name)
    }

    /// One word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Decoder => "decoder",
            Self::Encoder => "encoder",
            Self::Vision => "vision",
            Self::Audio => "audio",
            Self::Prediction => "prediction",
            Self::Other => "other",
        }
    }
}

/// One layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// The stack it is in.
    pub stack: Stack,
    /// Its number there.
    pub number: u32,
    /// How it moves information between tokens; several side by side or one after another.
    pub mixers: Shared<Mixer>,
    /// What it does to each token by itself.
    pub feed_forward: Shared<FeedForward>,
}
