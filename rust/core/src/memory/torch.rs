//! Memory that PyTorch takes beside what tensors hold, whatever engine runs on it. What one tensor takes is in
//! [`super::allocation`].
//!
//! Sources: PyTorch, `c10/cuda/CUDACachingAllocator.cpp` (`kSmallBuffer`, `kLargeBuffer`) and
//! `aten/src/ATen/cuda/CUDABlas.cpp` (`at::cuda::getChosenWorkspaceSize`). The values are from memory.

/// What is asked of the driver for tensors of up to 1 MiB.
pub const SMALL_SEGMENT: u64 = 2 << 20;
/// What is asked of the driver for tensors of up to 10 MiB; for larger ones a multiple of 2 MiB.
pub const LARGE_SEGMENT: u64 = 20 << 20;

/// Where the figures are from.
pub const ALLOCATOR: &str = "PyTorch, c10/cuda/CUDACachingAllocator.cpp";
/// Where the workspace is from.
pub const WORKSPACE: &str = "PyTorch, at::cuda::getChosenWorkspaceSize";

/// Bytes of cuBLAS's workspace: two buffers of 4 MiB and eight of 16 KiB (`CUBLAS_WORKSPACE_CONFIG` of
/// `:4096:2:16:8`), or 32 MiB on Hopper.
#[must_use]
pub const fn workspace(compute_capability: Option<(u8, u8)>) -> u64 {
    match compute_capability {
        Some((9, 0)) => 32 << 20,
        _ => 2 * (4096 << 10) + 8 * (16 << 10),
    }
}

const _: () = assert!(workspace(None) == 8_519_680);
