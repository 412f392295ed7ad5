//! What PyTorch's caching allocator counts for a tensor.
//!
//! Sizes are rounded up to 512 bytes. From 10 MiB on a tensor gets a segment of its own, in steps of 2 MiB, of which what
//! is left over is split off only if it is more than 1 MiB (`c10/cuda/CUDACachingAllocator.cpp`). Measured on an H100
//! with torch 2.11: 11 MiB are counted as 12, 31.5 as 32, 259 as 260, but 9.5, 24.5 and 112.5 as they are.

const MIB: u64 = 1 << 20;
const STEP: u64 = 512;
const OWN_SEGMENT: u64 = 10 * MIB;
const SEGMENT_STEP: u64 = 2 * MIB;
const KEPT: u64 = MIB;

/// Bytes that are counted for a tensor of so many.
#[must_use]
pub const fn counted(bytes: u64) -> u64 {
    let bytes = bytes.div_ceil(STEP).saturating_mul(STEP);
    if bytes < OWN_SEGMENT {
        return bytes;
    }
    let segment = bytes.div_ceil(SEGMENT_STEP).saturating_mul(SEGMENT_STEP);
    if segment - bytes <= KEPT {
        segment
    } else {
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::{MIB, counted};

    #[test]
    fn it_counts_what_was_measured() {
        let half = MIB / 2;
        for (asked, measured) in [
            (19 * half, 19 * half),
            (22 * half, 24 * half),
            (49 * half, 49 * half),
            (63 * half, 64 * half),
            (162 * half, 164 * half),
            (225 * half, 225 * half),
            (518 * half, 520 * half),
            (1, 512),
            (513, 1024),
            (10_485_761, 10_486_272),
            (22_020_096, 23_068_672),
        ] {
            assert_eq!(counted(asked), measured, "{asked}");
        }
    }
}
