//! What of a GPU the start of vLLM depends on beside its memory.

use super::start::{Sampler, Start};
use crate::architecture::config::Assumption;
use crate::deployment::Deployment;
use crate::hardware::Gpu;

const MIB: u64 = 1 << 20;

/// Notes what of the start is taken from other GPUs or versions.
pub fn note(deployment: &Deployment, start: Start, notes: &mut Vec<Assumption>) {
    let gpu = &deployment.gpu;
    if !is_hopper(gpu) {
        notes.push(Assumption::new(
            "overhead",
            "that of an H100",
            format!(
                "what vLLM and its libraries take beside tensors is known from logs of H100s only, not of {}",
                gpu.name
            ),
        ));
    }
    if start.sampler == Sampler::FlashInfer {
        notes.push(Assumption::new(
            "activations",
            "by the engine's source",
            "no published log that prints them is of this version; the newest compared with is of 0.19",
        ));
    }
}

/// Whether it is of the Hopper generation.
#[must_use]
pub fn is_hopper(gpu: &Gpu) -> bool {
    gpu.compute_capability == Some((9, 0))
}

/// Bytes that torch keeps as cuBLAS's workspace after the first product of matrices.
///
/// 32 MiB on Hopper: measured on an H100 with torch 2.11 (benches/gpu). Before Hopper two buffers of 4 MiB and eight of
/// 16 KiB (torch 2.11, `aten/src/ATen/cuda/CublasHandlePool.cpp:parseChosenWorkspaceSize`), which is taken for all others.
#[must_use]
pub const fn cublas_workspace(capability: Option<(u8, u8)>) -> u64 {
    match capability {
        Some((9, 0)) => 32 * MIB,
        _ => (2 * 4096 + 8 * 16) * 1024,
    }
}

/// Bytes of the buffer that Inductor clears between its timings, as large as the second-level cache: 50 MiB, measured on
/// an H100 with torch 2.11. Other GPUs have caches of other sizes, which the catalogue does not state.
pub const TIMING_BUFFER: u64 = 50 * MIB;

/// Multiprocessors of a GPU, or those of an H100 where the catalogue does not state them.
#[must_use]
pub fn multiprocessors(gpu: &Gpu) -> u64 {
    gpu.multiprocessors.unwrap_or(132)
}
