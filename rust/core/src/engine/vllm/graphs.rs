//! Captured graphs: up to 0.19 they come on top of what vLLM may take, from 0.20 on an estimate is taken from the cache.

use super::fitted;
use crate::architecture::layer::FeedForward;
use crate::engine::{Rank, Version};
use crate::memory::ledger::{Ledger, Origin};
use crate::size::format_bytes;

/// Adds what captured graphs take, or what vLLM takes them to.
pub fn add(rank: &Rank<'_>, version: &Version, within: bool, ledger: &mut dyn Ledger) {
    if rank.deployment.options.eager {
        return;
    }
    let layers = rank.layers.len() as u64;
    let experts = rank
        .layers
        .iter()
        .flat_map(|layer| &layer.feed_forward)
        .any(|network| matches!(network, FeedForward::Experts { .. }));
    let settings = rank.settings;
    let most = most(version, rank.deployment.gpu.compute_capability);
    let count = count(settings.sequences, settings.batched_tokens, most);
    ledger.add(
        "graphs",
        fitted::graphs(count, layers, experts),
        Origin::Fitted,
        "fitted to published logs of vLLM 0.19 on H100s; that other counts of graphs take their part of it is an assumption",
        &|| {
            let what = if within {
                "what vLLM expects of"
            } else {
                "what is taken by"
            };
            let more = if experts {
                format!(" + {}", format_bytes(fitted::GRAPHS_EXPERTS.value))
            } else {
                String::new()
            };
            format!(
                "{what} {count} graphs: {count} / {} · ({} + {layers} layers · {}{more})",
                fitted::GRAPHS,
                format_bytes(fitted::GRAPHS_ALWAYS.value),
                format_bytes(fitted::GRAPHS_LAYER.value),
            )
        },
    );
}

/// The most tokens of a step that is captured (0.33 and 0.26, `config/vllm.py:_set_cudagraph_sizes`).
fn most(version: &Version, capability: Option<(u8, u8)>) -> u64 {
    if version.at_least(&[0, 33]) && matches!(capability, Some((10, _))) {
        1024
    } else {
        512
    }
}

/// How many graphs are captured: of each size once for mixed steps, and, up to as many as there are sequences, once more
/// for steps of decoding alone (0.19, `config/vllm.py:_set_cudagraph_sizes`, `v1/cudagraph_dispatcher.py`).
fn count(sequences: u64, tokens: u64, most: u64) -> u64 {
    let largest = sequences.saturating_mul(2).min(most).min(tokens);
    let up_to = |end: u64| {
        let small = [1, 2, 4].into_iter();
        let sizes = small
            .chain((8..256).step_by(8))
            .chain((256..=most).step_by(16));
        sizes.filter(|size| *size <= end).count() as u64
    };
    up_to(largest) + up_to(largest.min(sequences))
}

#[cfg(test)]
mod tests {
    use super::{count, most};
    use crate::engine::Version;
    use crate::engine::vllm::fitted;

    #[test]
    fn sizes_are_those_of_the_engine() {
        // 1, 2, 4, 8 to 248 by 8, 256 to 512 by 16.
        assert_eq!(count(1024, 8192, 512), fitted::GRAPHS);
        assert_eq!(count(256, 2048, 512), 51 + 35);
        assert_eq!(count(1, 2048, 512), 2 + 1);
        assert_eq!(count(16, 8, 512), 4 + 4);
        assert_eq!(count(1024, 8192, 1024), 2 * 83);
    }

    #[test]
    fn larger_steps_are_captured_on_blackwell_alone() {
        let of = |version, capability| most(&Version::parse(version).unwrap(), capability);
        assert_eq!(of("0.33.0", Some((10, 0))), 1024);
        assert_eq!(of("0.33.0", Some((9, 0))), 512);
        assert_eq!(of("0.26.0", Some((10, 0))), 512);
    }
}
