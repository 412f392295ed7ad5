//! What changed from version to version, in one place.
//!
//! Each field names the file of vLLM it was read in. The versions are the first releases that have it: those between were
//! compared one by one, except 0.15, of which only binaries are published and which counts as 0.14.

use crate::deployment::Share;
use crate::engine::Version;

/// How layers whose pages differ in size come to share one pool (`unify_kv_cache_spec_page_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unify {
    /// Not at all.
    Refuse,
    /// Smaller pages get blocks of more tokens, where the sizes divide.
    Blocks,
    /// The same, and other pages are padded, but those of latent attention (0.24, where the kernel indexes by the stride of
    /// blocks, as `FlashAttention` does; 0.26 for states).
    Pad,
}

/// What a state keeps for prefixes where prefix caching is asked for (`models/config.py:MambaModelConfig`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatePrefix {
    /// Nothing: prefix caching is switched off.
    Never,
    /// A state per block in models of Mamba; in others prefix caching is switched off.
    AllOrNever,
    /// A state per block in models of Mamba; in others a second state.
    AllOrAlign,
    /// A second state.
    Align,
}

/// How the first attention blocks of latent attention are sized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LatentBlock {
    /// By the platform, which forces `FlashMLA`'s 64 or CUTLASS's 128, whatever is asked
    /// (0.11, `platforms/cuda.py:check_and_update_config`).
    Forced,
    /// The same, but multiples are left as asked, and Blackwell has that of `FlashInfer` (0.16, the same function).
    Multiple,
    /// By the kernel that comes first and can (0.18, `platforms/interface.py:update_block_size_for_backend`).
    Preferred,
}

/// How groups with pages of several sizes are packed into blocks, in models with compressed entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// A page of each size that the first group has, as often as the most frequent size of any group
    /// (0.20, `_get_kv_cache_config_deepseek_v4`).
    Tuples,
    /// Pages of each size, as many as the group with most of them has (0.26, `_get_kv_cache_config_packed`).
    Buckets,
    /// All pages of the group that needs most bytes (0.29, `_get_kv_cache_bytes_per_block`), as in all other models.
    Widest,
}

/// The rules of a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a change of a release, independent of the others"
)]
pub struct Rules {
    /// The share of a GPU that is taken by default (`config/cache.py:CacheConfig.gpu_memory_utilization`).
    pub utilization: Share,
    /// Whether the tokens it prints are the concurrency times the context, and not a share of the blocks
    /// (`v1/core/kv_cache_utils.py:_report_kv_cache_config`).
    pub tokens_by_concurrency: bool,
    /// Whether an estimate of captured graphs is taken from the cache (`envs.py:VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS`).
    pub graphs_within: bool,
    /// How pages of different sizes come together.
    pub unify: Unify,
    /// Groups are as large as the largest kind of layer if it has fewer than so many times the layers of the smallest
    /// (`_get_kv_cache_groups_uniform_page_size`), as a fraction.
    pub even_groups: Option<(u64, u64)>,
    /// How compressed entries are packed; not at all before there were such models.
    pub compressed: Option<Packing>,
    /// Whether window layers hold what every batch in flight may bring, and not that of one batch
    /// (`config/vllm.py:max_in_flight_tokens`).
    pub in_flight: bool,
    /// Whether window layers have the smallest block of the kernel, whatever is asked, until pages are brought to one size
    /// (`layers/attention/attention.py:_largest_kernel_block_within`).
    pub small_windows: bool,
    /// Whether chunked layers are kept as such, and not as full attention
    /// (`envs.py:VLLM_ALLOW_CHUNKED_LOCAL_ATTN_WITH_HYBRID_KV_CACHE`).
    pub chunked: bool,
    /// Whether values narrower than keys are stored as such, and not padded (`models/mimo_v2_flash.py`,
    /// `kv_cache_interface.py:SlidingWindowSpec.head_size_v`).
    pub narrow_values: bool,
    /// Whether prefix caching is on by default in models with states (`config/model.py:is_prefix_caching_supported`).
    pub hybrid_prefix: bool,
    /// What states keep for prefixes.
    pub state_prefix: StatePrefix,
    /// Whether a hybrid's blocks are multiples of the asked block too, and not only of the kernel's
    /// (`platforms/interface.py:_align_hybrid_block_size`).
    pub align_to_block: bool,
    /// Whether a hybrid of latent attention and states has blocks of multiples of 128 (the same function).
    pub align_latent: bool,
    /// Whether states of gated delta nets give out one more for a prefix while they are computed, where `FlashInfer`
    /// computes them (`layers/mamba/gdn/qwen_gdn_linear_attn.py`).
    pub prefill_checkpoints: bool,
    /// How blocks of latent attention are sized.
    pub latent_block: LatentBlock,
    /// The dtype that Nemotron-H keeps its states in where the config says none: bytes of a number; `None` for the
    /// model's (`models/config.py:NemotronHForCausalLMConfig`).
    pub nemotron_state: Option<u64>,
    /// Whether Qwen 3.5 keeps its states in the dtype that its config says
    /// (`models/config.py:Qwen3_5ForConditionalGenerationConfig`).
    pub qwen_state: bool,
    /// Whether the cache of sparse latent attention is FP8 unless said (`models/config.py:DeepseekV32ForCausalLM`).
    pub sparse_fp8: bool,
    /// Whether it is so on Blackwell of compute capability 12 (`layers/attention/mla_attention.py`, kernel
    /// `FLASHINFER_MLA_SPARSE_SM120`).
    pub sparse_fp8_on_12: bool,
    /// Whether a checkpoint of `ModelOpt` can ask for an FP8 cache (`utils/torch_utils.py:resolve_kv_cache_dtype_string`).
    pub modelopt_cache: bool,
    /// Whether a checkpoint of compressed-tensors can (`layers/attention/attention.py:_init_kv_cache_quant`).
    pub compressed_cache: bool,
    /// Whether the cache may be kept with a scale per token and head, or in NVFP4 (`config/cache.py:CacheDType`).
    pub scaled_cache: bool,
    /// Whether it may be kept in 4-bit integers (the same).
    pub int4_cache: bool,
    /// Whether a step by default has no more tokens than all sequences of the longest request together: not in 0.11, but in
    /// 0.12 (`engine/arg_utils.py`).
    pub capped_batches: bool,
    /// Whether GPUs of 160 GiB and more take 16384 tokens at once (`engine/arg_utils.py:get_batch_defaults`).
    pub large_batches: bool,
    /// Whether the block that is never given out counts when it is checked that one request fits
    /// (`v1/core/kv_cache_planning.py:get_kv_cache_configs`).
    pub null_block: bool,
    /// Whether the second model runner is the default for dense models, which keeps one more batch in flight in a
    /// pipeline (`config/vllm.py:use_v2_model_runner`), and for all others.
    pub second_runner: (bool, bool),
}

impl Rules {
    /// Those of a version.
    #[must_use]
    pub fn of(version: &Version) -> Self {
        let from = |minor: u32, patch: u32| version.at_least(&[0, minor, patch]);
        Self {
            utilization: Share(if from(20, 0) { 920_000 } else { 900_000 }),
            tokens_by_concurrency: from(20, 1),
            graphs_within: from(20, 0),
            unify: if from(24, 0) {
                Unify::Pad
            } else if from(12, 0) {
                Unify::Blocks
            } else {
                Unify::Refuse
            },
            even_groups: if from(18, 0) {
                Some((3, 2))
            } else if from(12, 0) {
                Some((5, 4))
            } else {
                None
            },
            compressed: if from(29, 0) {
                Some(Packing::Widest)
            } else if from(26, 0) {
                Some(Packing::Buckets)
            } else if from(20, 0) {
                Some(Packing::Tuples)
            } else {
                None
            },
            in_flight: from(26, 0),
            small_windows: from(25, 0) && !from(30, 0),
            chunked: from(14, 0),
            narrow_values: from(20, 0),
            hybrid_prefix: from(26, 0),
            state_prefix: if from(28, 0) {
                StatePrefix::Align
            } else if from(16, 0) {
                StatePrefix::AllOrAlign
            } else if from(11, 1) {
                StatePrefix::AllOrNever
            } else {
                StatePrefix::Never
            },
            align_to_block: from(20, 0),
            align_latent: from(27, 0),
            prefill_checkpoints: from(33, 0),
            latent_block: if from(18, 0) {
                LatentBlock::Preferred
            } else if from(11, 1) {
                LatentBlock::Multiple
            } else {
                LatentBlock::Forced
            },
            nemotron_state: if from(20, 0) {
                Some(4)
            } else if from(13, 0) {
                Some(2)
            } else {
                None
            },
            qwen_state: from(17, 0),
            sparse_fp8: !from(11, 1),
            sparse_fp8_on_12: from(24, 0),
            modelopt_cache: from(14, 0),
            compressed_cache: from(16, 0),
            scaled_cache: from(20, 0),
            int4_cache: from(25, 0),
            capped_batches: from(12, 0),
            large_batches: from(28, 0),
            null_block: from(29, 0),
            second_runner: (from(26, 0), from(29, 0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Rules, Unify};
    use crate::engine::Version;

    #[test]
    fn releases_change_what_they_changed() {
        let of = |text| Rules::of(&Version::parse(text).unwrap());
        assert!(!of("0.20.0").tokens_by_concurrency);
        assert!(of("0.20.1").tokens_by_concurrency);
        assert!(!of("0.19.1").graphs_within);
        assert_eq!(of("0.11.0").unify, Unify::Refuse);
        assert_eq!(of("0.33.0").unify, Unify::Pad);
        assert_eq!(of("0.17.1").even_groups, Some((5, 4)));
    }
}
