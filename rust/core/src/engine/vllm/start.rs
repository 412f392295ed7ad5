//! What changes from version to version in how vLLM measures itself at its start.
//!
//! It loads the weights, runs one step of dummy tokens and one round of sampling, and takes the peak for activations
//! (`v1/worker/gpu_worker.py:determine_available_memory`, `v1/worker/gpu_model_runner.py:profile_run`).

use crate::engine::Version;

/// How the dummy round of sampling cuts off all but the most likely tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sampler {
    /// By `torch.sort` (0.11 and 0.16, `v1/sample/ops/topk_topp_sampler.py:apply_top_k_top_p`).
    Sort,
    /// In place, by a kernel in Triton, for 8 sequences and more (0.17 to 0.19, `v1/sample/ops/topk_topp_triton.py`).
    Triton,
    /// By `FlashInfer` (0.21 on, `envs.py:VLLM_USE_FLASHINFER_SAMPLER`).
    FlashInfer,
}

/// The way of one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a change of a release, independent of the others"
)]
pub struct Start {
    /// How it samples.
    pub sampler: Sampler,
    /// Whether the workspaces of experts are kept once they have been taken (`v1/worker/workspace.py`, read in 0.16; in
    /// 0.14 experts without quantization may still take theirs anew at each call).
    pub keeps_workspaces: bool,
    /// Experts take at most so many tokens at once (`envs.py:VLLM_FUSED_MOE_CHUNK_SIZE`, up to 0.17).
    pub expert_tokens: Option<u64>,
    /// Whether what an encoder gives is filled up to the budget (0.11 and 0.12, `profile_run`).
    pub fills_encoder: bool,
    /// Whether graphs are captured on trial within what is measured, so that what remains of it counts (0.18 to 0.26,
    /// `profile_cudagraph_memory`).
    pub trial_within: bool,
    /// Whether it is 0.18 or later, from which on rows of logs show more between ranks.
    pub recent: bool,
}

impl Start {
    /// That of a version.
    #[must_use]
    pub fn of(version: &Version) -> Self {
        let from = |minor: u32| version.at_least(&[0, minor]);
        Self {
            sampler: match () {
                () if from(21) => Sampler::FlashInfer,
                () if from(17) => Sampler::Triton,
                () => Sampler::Sort,
            },
            keeps_workspaces: from(14),
            expert_tokens: (!from(18)).then_some(16_384),
            fills_encoder: !from(13),
            trial_within: from(18) && !from(27),
            recent: from(18),
        }
    }
}

impl Sampler {
    /// Bytes per logit beside the logits themselves, at the peak, and how they come about.
    #[must_use]
    pub const fn bytes_per_logit(self, sequences: u64) -> (u64, &'static str) {
        match self {
            // Below 8 sequences the kernel is not worth its start.
            Self::Triton if sequences < 8 => Self::Sort.bytes_per_logit(sequences),
            // Measured in plain torch 2.11 on an H100: 38.02 with logits of 2 bytes.
            Self::Sort => (
                36,
                "a copy in float32 (4), and torch.sort: values (4), indices (8) and its own buffers (20)",
            ),
            // Measured likewise: 14.02 with logits of 2 bytes.
            Self::Triton => (12, "a copy in float32 (4), probabilities (4) and noise (4)"),
            Self::FlashInfer => (
                12,
                "a copy in float32 (4), what the cut leaves (4) and probabilities (4)",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sampler, Start};
    use crate::engine::Version;

    #[test]
    fn releases_change_how_they_start() {
        let of = |text| Start::of(&Version::parse(text).unwrap());
        assert_eq!(of("0.16.0").sampler, Sampler::Sort);
        assert_eq!(of("0.20.2").sampler, Sampler::Triton);
        assert_eq!(of("0.33.0").sampler, Sampler::FlashInfer);
        assert!(of("0.26.0").trial_within && !of("0.27.0").trial_within);
        assert_eq!(Sampler::Triton.bytes_per_logit(4).0, 36);
        assert_eq!(Sampler::Triton.bytes_per_logit(8).0, 12);
    }
}
