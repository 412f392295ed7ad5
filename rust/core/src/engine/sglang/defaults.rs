//! What SGLang settles by itself from the memory of a GPU.
//!
//! Sources: SGLang 0.5.3, `server_args.py:_handle_gpu_memory_settings`, and 0.5.23,
//! `arg_groups/memory_hook.py:handle_gpu_memory_settings`. Sizes are in MiB there, and halves occur, so that twice the MiB
//! are counted here.

use crate::deployment::Share;
use serde_json::Value;

/// What the defaults depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// MiB of memory of a GPU.
    pub(super) memory: u64,
    /// Tensor-parallel ranks, those of data-parallel attention among them.
    pub(super) tensor: u64,
    pub(super) pipeline: u64,
    /// Groups of ranks that attend to requests of their own; 1 without data-parallel attention.
    pub(super) attention_groups: u64,
    /// Whether the rules are those of 0.5.23.
    pub(super) newer: bool,
}

/// What graphs are captured for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Graphs {
    /// Sequences of the largest decoding step; 0 without graphs.
    pub(super) decode: u64,
    /// How many sizes of a prefilling step are captured, and whether by the rule for latent attention.
    pub(super) prefill: Option<(u64, bool)>,
}

const GIB: u64 = 1024;

impl Machine {
    /// Tokens of a chunk of a prompt, and sequences of the largest decoding step with a graph.
    pub(super) const fn chunk_and_decode(self) -> (u64, u64) {
        let few = self.tensor < 4;
        let memory = self.memory;
        if memory < 20 * GIB {
            (2048, 8)
        } else if memory < 35 * GIB {
            match (self.newer, few) {
                (true, true) => (4096, 48),
                (true, false) => (4096, 160),
                (false, true) => (2048, 16),
                (false, false) => (2048, 80),
            }
        } else if memory < 60 * GIB {
            (4096, if few { 32 } else { 160 })
        } else if memory < 160 * GIB {
            (8192, if few { 256 } else { 512 })
        } else {
            (16_384, 512)
        }
    }

    /// Twice the MiB that are kept from weights and cache.
    pub(super) fn reserved_twice(self, chunk: u64, graphs: Graphs) -> u64 {
        let ranks = self.tensor.saturating_mul(self.pipeline);
        let mut twice = 2 * 512 + 3 * chunk.max(2048) + 2 * 128 * ranks + 4 * graphs.decode;
        if self.attention_groups > 1 {
            let wide = if graphs.decode > 300 { 9 } else { 6 };
            twice += wide * graphs.decode * self.attention_groups;
        }
        twice += match graphs.prefill {
            Some((_, true)) => 2 * 1536,
            Some((sizes, false)) => 2 * 8 * sizes,
            None => 0,
        };
        if self.memory > 60 * GIB {
            twice = twice.max(2 * 10 * GIB);
        }
        twice
    }

    /// The share of memory for weights and cache: `mem_fraction_static`, to three places.
    pub(super) fn share(self, reserved_twice: u64) -> Share {
        let all = self.memory.saturating_mul(2).max(1);
        let left = all.saturating_sub(reserved_twice);
        // A thousand at the most.
        let thousandths = (left * 1000 + all / 2) / all;
        Share(u32::try_from(thousandths).unwrap_or(1000) * 1000)
    }
}

/// How many sizes of a prefilling step are captured up to so many tokens: `generate_prefill_cuda_graph_batch_sizes`.
pub(super) fn prefill_sizes(tokens: u64) -> u64 {
    [
        (4, 32, 4),
        (48, 256, 16),
        (288, 512, 32),
        (576, 1024, 64),
        (1280, 4096, 256),
        (4608, u64::MAX, 512),
    ]
    .iter()
    .map(|&(first, last, step)| {
        let end = tokens.min(last);
        if end < first {
            0
        } else {
            (end - first) / step + 1
        }
    })
    .sum()
}

/// The share of a model with a tower for images: `adjust_mem_fraction_for_vlm`.
pub(super) fn beside_tower(share: Share, config: &Value) -> Share {
    let Some(tower) = config
        .get("vision_config")
        .filter(|tower| tower.is_object())
    else {
        return share;
    };
    let number = |name: &str, otherwise: u64| {
        let stated = tower.get(name).and_then(Value::as_u64);
        stated.unwrap_or(otherwise).min(1 << 20)
    };
    let width = number("hidden_size", 1024);
    let size = u128::from(number("num_hidden_layers", 24)) * u128::from(width * width);
    let usual = 24 * 1024 * 1024;
    // A tenth less for each time that it is larger than a usual one, from 0.8 to 1.05, in millionths.
    let less = 1_100_000_u128.saturating_sub(size.saturating_mul(100_000) / usual);
    let factor = less.clamp(800_000, 1_050_000);
    let millionths = u128::from(share.0) * 95 * factor / 100_000_000;
    Share(
        u32::try_from(millionths)
            .unwrap_or(1_000_000)
            .min(1_000_000),
    )
}

#[cfg(test)]
mod tests {
    use super::{Graphs, Machine, beside_tower, prefill_sizes};
    use crate::deployment::Share;
    use serde_json::json;

    const fn machine(memory: u64, tensor: u64, newer: bool) -> Machine {
        Machine {
            memory,
            tensor,
            pipeline: 1,
            attention_groups: 1,
            newer,
        }
    }

    #[test]
    fn shares_follow_the_memory() {
        // An H100, of which nvidia-smi says 81559 MiB: 512 + 1.5 · 8192 + 128 + 2 · 256 = 13440 MiB stay.
        let graphs = Graphs {
            decode: 256,
            prefill: None,
        };
        let h100 = machine(81_559, 1, false);
        assert_eq!(h100.chunk_and_decode(), (8192, 256));
        assert_eq!(h100.reserved_twice(8192, graphs), 2 * 13_440);
        assert_eq!(h100.share(2 * 13_440), Share(835_000));
        // A card of 24 GiB with four ranks: 512 + 1.5 · 2048 + 512 + 2 · 80 = 4256 of 24564 MiB.
        let small = machine(24_564, 4, false);
        let graphs = Graphs {
            decode: 80,
            prefill: None,
        };
        assert_eq!(small.chunk_and_decode(), (2048, 80));
        assert_eq!(
            small.share(small.reserved_twice(2048, graphs)),
            Share(827_000)
        );
        assert_eq!(machine(24_564, 1, true).chunk_and_decode(), (4096, 48));
    }

    #[test]
    fn sizes_of_prefill_are_as_many_as_listed() {
        assert_eq!(prefill_sizes(3), 0);
        assert_eq!(prefill_sizes(32), 8);
        assert_eq!(prefill_sizes(64), 8 + 2);
        // 8 + 14 + 8 + 8 + 12 + 8.
        assert_eq!(prefill_sizes(8192), 58);
    }

    #[test]
    fn towers_take_a_share() {
        let share = Share(900_000);
        assert_eq!(beside_tower(share, &json!({})), share);
        let usual = json!({"vision_config": {"num_hidden_layers": 24, "hidden_size": 1024}});
        assert_eq!(beside_tower(share, &usual), Share(855_000));
        let huge = json!({"vision_config": {"num_hidden_layers": 80, "hidden_size": 4096}});
        assert_eq!(beside_tower(share, &huge), Share(684_000));
    }
}
