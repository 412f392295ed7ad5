//! Memory that the driver sets aside for threads of the kernel that cuts off logits.
//!
//! The kernel is compiled for each vocabulary. What of it does not fit the registers lies in memory, and the driver then
//! sets that aside for as many threads as the whole GPU can have: 2048 on each multiprocessor. The first 1024 bytes of each
//! are there from the start. Measured on an H100 (driver 580, torch 2.11, Triton 3.6): with 49155 and with 49159 entries
//! the memory outside torch grows by 224 MiB, with 49154 by 126 MiB and with 49156 by 2 MiB, where this law says 222.75,
//! 123.75 and 0. Only vocabularies that do not divide by 4 spill so much: the others load four logits at once.

/// What is there for every thread from the start.
const THREAD: u64 = 1024;
/// Threads that can be on a multiprocessor.
const THREADS: u64 = 2048;

/// Vocabularies and the bytes that a thread of their kernel spills, as the driver states them (`CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES`
/// of the compiled kernel), measured on an H100. Sorted.
const MEASURED: &[(u64, u64)] = &[
    (32_003, 1008),
    (49_153, 1888),
    (49_154, 1504),
    (49_155, 1888),
    (49_158, 1504),
    (49_159, 1888),
    (50_257, 1696),
    (51_865, 1536),
    (128_257, 1408),
    (128_258, 1240),
    (151_643, 1712),
    (256_001, 1544),
];

/// Bytes that a thread spills: measured, or of the nearest vocabulary of its kind, which is odd or even.
pub fn bytes_per_thread(vocabulary: u64) -> u64 {
    if vocabulary.is_multiple_of(4) {
        return THREAD;
    }
    MEASURED
        .iter()
        .filter(|(known, _)| known % 2 == vocabulary % 2)
        .min_by_key(|(known, _)| known.abs_diff(vocabulary))
        .map_or(THREAD, |(_, bytes)| *bytes)
}

/// Bytes that are set aside for a vocabulary on a GPU of so many multiprocessors.
pub fn bytes(vocabulary: u64, multiprocessors: u64) -> u64 {
    bytes_per_thread(vocabulary)
        .saturating_sub(THREAD)
        .saturating_mul(THREADS)
        .saturating_mul(multiprocessors)
}

#[cfg(test)]
mod tests {
    use super::{MEASURED, bytes};

    #[test]
    fn the_law_gives_what_was_measured() {
        const MIB: u64 = 1 << 20;
        for (vocabulary, measured) in [(49_155, 224), (49_159, 224), (49_154, 126), (49_156, 2)] {
            assert!(
                bytes(vocabulary, 132).abs_diff(measured * MIB) <= 3 * MIB,
                "{vocabulary}"
            );
        }
        assert!(MEASURED.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
