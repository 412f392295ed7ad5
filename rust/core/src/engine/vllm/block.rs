//! How many tokens a block of the cache has.

use super::compressed;
use super::kinds::Kinds;
use super::rules::{LatentBlock, Rules};
use super::spec;
use super::states::{self, Mode};
use crate::architecture::shared::Shared;
use crate::hardware::{Gpu, Vendor};
use crate::memory::store::Store;
use crate::quantization::cache_format::CacheFormat;
use crate::subject::Subject;

/// The block that holds where nothing asks for another (vLLM 0.33, `config/cache.py:CacheConfig.DEFAULT_BLOCK_SIZE`;
/// 0.11, `platforms/cuda.py:check_and_update_config`).
pub const DEFAULT: u64 = 16;

/// Blocks of attention are multiples of this (vLLM 0.19, `attention/backends/flash_attn.py` and `triton_attn.py`,
/// `get_supported_kernel_block_sizes`).
pub const KERNEL: u64 = 16;

/// The generation of an NVIDIA GPU; 0 if it is not known or not one.
fn generation(gpu: &Gpu) -> u8 {
    match (gpu.vendor, gpu.compute_capability) {
        (Vendor::Nvidia, Some((major, _))) => major,
        _ => 0,
    }
}

/// Whether the cache of sparse latent attention has the layout of `FlashMLA`: 8-bit numbers with their scales, and rotary
/// keys in 16 bits. Blackwell has plain 8-bit numbers once kernels are chosen by preference.
#[must_use]
pub fn packed_latent(rules: &Rules, gpu: &Gpu) -> bool {
    rules.latent_block != LatentBlock::Preferred || generation(gpu) != 10
}

/// The block before states are looked at.
#[must_use]
pub fn attention(
    rules: &Rules,
    kinds: Kinds,
    asked: Option<u64>,
    gpu: &Gpu,
    cache: CacheFormat,
) -> u64 {
    if kinds.compressed {
        return asked.unwrap_or(compressed::BLOCK);
    }
    let block = asked.unwrap_or(DEFAULT);
    if !kinds.latent {
        return block;
    }
    let generation = generation(gpu);
    let multiple_of = |size: u64| {
        if block.is_multiple_of(size) {
            block
        } else {
            size
        }
    };
    match rules.latent_block {
        LatentBlock::Forced => match generation {
            _ if kinds.sparse => 64,
            10 => 128,
            9 => 64,
            _ => block,
        },
        LatentBlock::Multiple => match generation {
            _ if kinds.sparse => 64,
            // FlashInfer's, and CUTLASS's where the heads are not those of DeepSeek V3.
            10 if block == 32 => 32,
            9 | 10 => multiple_of(64),
            _ => block,
        },
        LatentBlock::Preferred => match (asked, generation) {
            (Some(asked), _) => asked,
            (None, _) if kinds.sparse => 64,
            (None, 10) => 32,
            // FlashAttention's latent kernel reads 16-bit caches alone; FlashMLA comes next.
            (None, 9) if cache.bytes == cache.numbers => 64,
            (None, _) => block,
        },
    }
}

/// What the block of a hybrid has to fit: the largest state, and the bytes of a token in a layer with attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hybrid {
    /// Bytes of the largest state.
    pub state: u64,
    /// Bytes of a token in the layers whose keys and values are not windowed.
    pub token: u64,
}

impl Hybrid {
    /// Of a model with both, on one rank.
    #[must_use]
    pub fn of(
        stores: &[Shared<Store>],
        subject: &Subject,
        basis: &spec::Basis<'_>,
    ) -> Option<Self> {
        let all = || stores.iter().flatten();
        let state = all()
            .filter_map(|store| states::bytes(store, subject, basis.rules, basis.model_bytes))
            .max()?;
        let token = all()
            .filter_map(|store| spec::token(store, basis))
            .max()
            .filter(|&bytes| bytes > 0)?;
        (state > 0).then_some(Self { state, token })
    }

    /// The fewest tokens whose page holds a state, as a multiple of what the kernels take (vLLM 0.19,
    /// `models/config.py:HybridAttentionMambaModelConfig`; 0.33, `platforms/interface.py:_align_hybrid_block_size`).
    #[must_use]
    pub fn block(self, block: u64, chunk: u64, mode: Mode, align: Align) -> u64 {
        let unit = match mode {
            // A state per block ends where the kernel ends its chunks.
            Mode::PerBlock => lcm(chunk.max(1), align.kernel),
            Mode::Several(_) => lcm(align.kernel, align.checkpoint),
            Mode::Current => align.kernel,
        }
        .max(1);
        let tokens = self.state.div_ceil(self.token).max(1);
        block.max(tokens.div_ceil(unit).saturating_mul(unit))
    }
}

/// What the block of a hybrid is a multiple of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Align {
    /// For attention.
    pub kernel: u64,
    /// For states given out in the middle of a prompt.
    pub checkpoint: u64,
}

impl Align {
    /// By version, kinds of layers and GPU.
    #[must_use]
    pub fn of(rules: &Rules, kinds: Kinds, block: u64, gpu: &Gpu, wide_heads: bool) -> Self {
        let kernel = if rules.align_to_block {
            // The kernel's own size, or what was asked.
            let kernel = block.max(KERNEL);
            if kinds.latent && rules.align_latent {
                kernel.max(128)
            } else {
                kernel
            }
        } else if kinds.latent && rules.latent_block != LatentBlock::Forced {
            64
        } else if generation(gpu) == 10 && wide_heads && rules.latent_block == LatentBlock::Multiple
        {
            // FlashInfer on Blackwell takes no blocks of 16 with heads of 256 (vLLM 0.16, the same function).
            32
        } else {
            KERNEL
        };
        Self {
            kernel,
            checkpoint: if states::checkpoints(rules, kinds, gpu) {
                64
            } else {
                1
            },
        }
    }
}

const fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

const fn lcm(a: u64, b: u64) -> u64 {
    if a == 0 || b == 0 {
        1
    } else {
        (a / gcd(a, b)).saturating_mul(b)
    }
}
