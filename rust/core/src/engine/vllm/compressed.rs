//! DeepSeek V4: windows, compressed entries, the state of their compressors and of an indexer's, in one pool.
//!
//! The layout is that of `fp8_ds_mla`, in which `FlashMLA` reads it. Sources: vLLM 0.26, `models/deepseek_v4/attention.py`,
//! `compressor.py`, `v1/attention/backends/mla/sparse_swa.py`, and `v1/core/kv_cache_utils.py`:
//! `group_and_unify_kv_cache_specs`, `_get_kv_cache_groups_uniform_groups`; 0.33, `v1/core/kv_cache_planning.py`:
//! `_get_packed_kv_cache_groups`. No published log was at hand to hold the sums against.

use super::groups::{Group, Placed};
use super::rules::Packing;
use super::spec::{Content, Hold, Spec};
use crate::memory::store::Store;

/// Tokens of a block of what is kept for ever (`sparse_swa.py:get_preferred_block_size`).
pub const BLOCK: u64 = 256;
/// Tokens of a block of a window (`sparse_swa.py:DeepseekV4SWACache`).
const WINDOW_BLOCK: u64 = 64;
/// Pages are multiples of this.
const ALIGNMENT: u64 = 576;
/// Numbers of an entry that the kernel takes (`sparse_swa.py:get_supported_head_sizes`).
const WIDTH: u64 = 512;
/// Bytes of an entry: 448 numbers in 8 bits, 64 rotary ones in 16, 8 of scales.
const ENTRY: u64 = 448 + 128 + 8;

const _: () = assert!(ENTRY == 584);

fn page(hold: Hold, content: Content, block: u64, bytes: u64) -> Spec {
    Spec {
        hold,
        content,
        block,
        page: bytes.div_ceil(ALIGNMENT).saturating_mul(ALIGNMENT),
    }
}

/// The state of a compressor of so many numbers per entry (`compressor.py:CompressorStateCache`): sums and scores in 32
/// bits, twice where the windows of entries overlap.
fn state(numbers: u64, ratio: u64) -> Spec {
    let overlap = if ratio == 4 { 2 } else { 1 };
    let block = if ratio == 4 { 4 } else { 8 };
    let each = numbers.saturating_mul(2 * overlap * 4);
    page(
        Hold::Sliding(overlap * ratio),
        Content::State(each),
        block,
        each.saturating_mul(block),
    )
}

/// What a layer asks for one of its caches; `None` if vLLM has no kernel for it.
#[must_use]
pub fn specs(store: &Store) -> Option<Vec<Spec>> {
    match *store {
        Store::Compressed {
            width: WIDTH,
            ratio: ratio @ (0 | 1 | 4 | 128),
            window,
        } => {
            let windowed = page(
                Hold::Sliding(window),
                Content::Latent(WIDTH),
                WINDOW_BLOCK,
                WINDOW_BLOCK * ENTRY,
            );
            let mut specs = vec![windowed];
            if ratio > 1 {
                let entries = page(
                    Hold::Full,
                    Content::Latent(WIDTH),
                    BLOCK,
                    BLOCK / ratio * ENTRY,
                );
                specs.extend([entries, state(WIDTH, ratio)]);
            }
            Some(specs)
        }
        Store::Indexer { width, ratio: 4 } => {
            let row = width.saturating_add((width / 128).saturating_mul(4));
            let keys = page(
                Hold::Full,
                Content::Indexer(width),
                BLOCK,
                row.saturating_mul(BLOCK / 4),
            );
            Some(vec![keys, state(width, 4)])
        }
        _ => None,
    }
}

/// Layers that always need equally many blocks.
type Bucket = Vec<Placed>;

/// Sizes of pages in a bucket, in the order of the first of each, and the layers that have them.
fn by_page(bucket: &[Placed]) -> Vec<(u64, Bucket)> {
    let mut sizes: Vec<(u64, Bucket)> = Vec::new();
    for layer in bucket {
        let page = layer.spec.page;
        match sizes.iter_mut().find(|(size, _)| *size == page) {
            Some((_, layers)) => layers.push(*layer),
            None => sizes.push((page, vec![*layer])),
        }
    }
    sizes
}

/// How often the most frequent size of page is there.
pub fn tuples(bucket: &[Placed]) -> u64 {
    by_page(bucket)
        .iter()
        .map(|(_, layers)| layers.len() as u64)
        .max()
        .unwrap_or(0)
}

/// The size of groups, at least `least`, that pads these numbers of layers least; the largest of those
/// (`_approximate_gcd`).
fn even_size(counts: &[u64], least: u64) -> u64 {
    let least = least.max(1);
    let most = counts.iter().copied().max().unwrap_or(1).max(least);
    (least..=most)
        .rev()
        .min_by_key(|size| {
            counts
                .iter()
                .map(|count| count.next_multiple_of(*size) - count)
                .sum::<u64>()
        })
        .unwrap_or(least)
}

/// The groups of a model.
#[must_use]
pub fn groups(layers: Vec<Placed>, packing: Packing) -> Vec<Group> {
    let mut buckets: Vec<Bucket> = Vec::new();
    for layer in layers {
        let same = |bucket: &&mut Bucket| {
            bucket.first().is_some_and(|first| {
                first.spec.hold == layer.spec.hold && first.spec.block == layer.spec.block
            })
        };
        match buckets.iter_mut().find(same) {
            Some(bucket) => bucket.push(layer),
            None => buckets.push(vec![layer]),
        }
    }
    // What is kept for ever comes first and stays whole.
    buckets.sort_by_key(|bucket| bucket.first().map(|layer| layer.spec.hold) != Some(Hold::Full));
    if packing != Packing::Widest {
        pad_to_first(&mut buckets);
    }
    let balanced = |bucket: &Bucket| {
        let sizes = by_page(bucket);
        let count = sizes.first().map_or(0, |(_, layers)| layers.len());
        sizes.iter().all(|(_, layers)| layers.len() == count)
    };
    let whole = |bucket: &Bucket| match packing {
        Packing::Widest => !balanced(bucket),
        Packing::Tuples | Packing::Buckets => {
            bucket.first().map(|layer| layer.spec.hold) == Some(Hold::Full)
        }
    };
    let least = match packing {
        Packing::Widest => buckets
            .iter()
            .filter(|bucket| balanced(bucket) && by_page(bucket).len() > 1)
            .map(|bucket| tuples(bucket))
            .max(),
        Packing::Tuples | Packing::Buckets => buckets.first().map(|bucket| tuples(bucket)),
    };
    let counts: Vec<u64> = buckets
        .iter()
        .filter(|bucket| packing != Packing::Widest || balanced(bucket))
        .map(|bucket| tuples(bucket))
        .collect();
    let size = even_size(&counts, least.unwrap_or(1));
    buckets
        .into_iter()
        .flat_map(|bucket| {
            if whole(&bucket) || least.is_none() {
                return vec![Group { layers: bucket }];
            }
            let count = usize::try_from(tuples(&bucket).div_ceil(size)).unwrap_or(1);
            let sizes = by_page(&bucket);
            (0..count)
                .map(|at| Group {
                    layers: sizes
                        .iter()
                        .flat_map(|(_, layers)| layers.iter().skip(at).step_by(count).copied())
                        .collect(),
                })
                .collect()
        })
        .collect()
}

/// Pads the pages of all buckets to the next larger size that the first has.
fn pad_to_first(buckets: &mut [Bucket]) {
    let Some((first, others)) = buckets.split_first_mut() else {
        return;
    };
    let sizes: Vec<u64> = by_page(first).into_iter().map(|(size, _)| size).collect();
    for Placed { spec, .. } in others.iter_mut().flatten() {
        if let Some(size) = sizes
            .iter()
            .copied()
            .filter(|&size| size >= spec.page)
            .min()
        {
            spec.page = size;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{even_size, specs};
    use crate::memory::store::Store;

    #[test]
    fn pages_are_those_of_the_kernel() {
        let layer = |ratio| {
            let store = Store::Compressed {
                width: 512,
                ratio,
                window: 128,
            };
            specs(&store).map(|specs| specs.iter().map(|spec| spec.page).collect::<Vec<_>>())
        };
        // 64 entries of 584 bytes, 2 of them, and states of 32 KiB, all in multiples of 576.
        assert_eq!(layer(0), Some(vec![37_440]));
        assert_eq!(layer(4), Some(vec![37_440, 37_440, 32_832]));
        assert_eq!(layer(128), Some(vec![37_440, 1_728, 32_832]));
        assert_eq!(layer(16), None);
    }

    #[test]
    fn groups_are_of_the_size_that_pads_least() {
        assert_eq!(even_size(&[11, 21], 11), 11);
        // Three layers of padding and not nine.
        assert_eq!(even_size(&[10, 21, 10], 10), 11);
        assert_eq!(even_size(&[3, 5], 3), 3);
        // Two layers of padding either way.
        assert_eq!(even_size(&[4, 6], 4), 6);
    }
}
