//! Every constant of vLLM that is fitted to published server logs, with the rows it was fitted to. All rows are of H100s
//! with 80 GB; none of these numbers is known on other GPUs.

use super::start::Start;
use crate::size::format_bytes;

const MIB: u64 = 1 << 20;

/// Hundredths of GiB, as logs print them.
const fn hundredths(count: u64) -> u64 {
    count * (1 << 30) / 100
}

/// What libraries and their kernels take on the device up to the end of the first step, on one GPU: 0.13 GiB in 4 rows of
/// 0.11, 0.16 and 0.17, 0.14 in one.
pub const MODULES: u64 = hundredths(13);

/// What a trial of capturing graphs leaves behind within the measured part: 28 rows of 0.19 on one GPU print 0.24 to
/// 0.27 GiB in all, with [`MODULES`].
pub const TRIAL: u64 = hundredths(12);

/// What a stage of a pipeline other than the first prints: 0.07 GiB, one row of 0.19.
pub const LATER_STAGE: u64 = hundredths(7);

/// What several tensor-parallel ranks add, beyond what is taken before the measurement begins.
///
/// Up to 0.17: 0.55 GiB in all, one row of 0.11 with 2 ranks. From 0.18 on: 2.06 to 2.11 GiB in all, 4 rows with 2 ranks,
/// and 2.13, one row with 4. What takes it is not known; it does not scale with widths, so that the workspace of fused
/// all-reduces is not it.
#[must_use]
pub const fn ranks(start: &Start, ranks: u64) -> u64 {
    match (ranks, start.recent) {
        (0 | 1, _) => 0,
        (_, false) => hundredths(55) - MODULES,
        (2, true) => hundredths(208) - MODULES - TRIAL,
        (_, true) => hundredths(213) - MODULES - TRIAL,
    }
}

/// What a process has taken before anything is measured beyond its context of 0.51 GiB, if it is one of several: buffers
/// of NCCL. In all 1.53 GiB with 2 tensor-parallel ranks, 1.55 with 4, 1.48 with 4 stages: rows of 0.19.
#[must_use]
pub const fn before(ranks: u64, stages: u64) -> u64 {
    match (ranks, stages) {
        (0 | 1, 0 | 1) => 0,
        (0 | 1, _) => hundredths(148 - 51),
        (2, _) => hundredths(153 - 51),
        _ => hundredths(155 - 51),
    }
}

/// Captured graphs: a constant, so much per layer of the stage, and so much where there are experts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graphs {
    constant: u64,
    layer: u64,
    experts: u64,
}

/// What graphs of the default sizes up to 512 take: 33 dense rows of 0.19, mean absolute error 0.07 GiB, worst 0.24; left
/// out one model at a time, 0.09. With experts 3 rows: 1.41, 1.57 and 1.84 GiB.
pub const GRAPHS_TAKE: Graphs = Graphs {
    constant: 304 * MIB,
    layer: 18 * MIB + MIB / 2,
    experts: 727 * MIB,
};

/// What vLLM estimates beforehand that they will take: the same rows; the estimate itself is noisy (1.69 and 0.61 GiB for
/// two models with 2 ranks).
pub const GRAPHS_ESTIMATE: Graphs = Graphs {
    constant: 121 * MIB,
    layer: 21 * MIB + MIB / 4,
    experts: 512 * MIB,
};

impl Graphs {
    /// How [`Self::bytes`] comes about.
    #[must_use]
    pub fn formula(self, layers: u64, experts: bool) -> String {
        let more = if experts {
            format!(" + {} for experts", format_bytes(self.experts))
        } else {
            String::new()
        };
        format!(
            "{} + {layers} layers · {}{more}",
            format_bytes(self.constant),
            format_bytes(self.layer)
        )
    }

    /// Bytes for a stage of so many layers.
    #[must_use]
    pub const fn bytes(self, layers: u64, experts: bool) -> u64 {
        let experts = if experts { self.experts } else { 0 };
        self.constant
            .saturating_add(self.layer.saturating_mul(layers))
            .saturating_add(experts)
    }
}

/// Parts per 10,000 that experts in MXFP4 take beside their blocks and scales once they lie as the kernels of Hopper GPUs
/// want them: one row of 0.11 and one of 0.19, both of gpt-oss-20b. Most of it at 0.11 are the first scales, which stay
/// beside their copy.
#[must_use]
pub const fn mxfp4_layout(start: &Start) -> u64 {
    if start.recent { 839 } else { 659 }
}

/// Inner widths of a layer that are alive beside three in float32: one row of 0.19 prints 2.21 GiB, where a layer
/// compiled by itself takes 1.77.
pub const FLOAT_WIDTHS: u64 = 1;
