//! Every constant of vLLM that is fitted to published server logs, with the rows it was fitted to. All rows are of H100s
//! with 80 GB; none of these numbers is known on other GPUs.

use super::start::Start;
use crate::engine::Constant;

const MIB: u64 = 1 << 20;

/// Hundredths of GiB, as logs print them.
const fn hundredths(count: u64) -> u64 {
    count * (1 << 30) / 100
}

const fn bytes(name: &'static str, value: u64, rows: &'static str) -> Constant {
    Constant {
        engine: "vllm",
        name,
        value,
        unit: "bytes",
        rows,
    }
}

/// What libraries and their kernels take on the device up to the end of the first step, on one GPU.
pub const MODULES: Constant = bytes(
    "libraries",
    hundredths(13),
    "0.13 GiB in 4 rows of 0.11, 0.16 and 0.17, 0.14 in one",
);

/// What a trial of capturing graphs leaves behind within the measured part.
pub const TRIAL: Constant = bytes(
    "trial of graphs",
    hundredths(12),
    "28 rows of 0.19 on one GPU print 0.24 to 0.27 GiB of non-torch, libraries with it",
);

/// What a stage of a pipeline other than the first prints.
pub const LATER_STAGE: Constant = bytes(
    "later stage",
    hundredths(7),
    "0.07 GiB of non-torch on a middle stage, one row of 0.19 with 4 stages",
);

/// What several tensor-parallel ranks add where switches join them, from 0.18 on. What takes it is not known; it does not
/// scale with widths, so that the workspace of fused all-reduces is not it.
pub const RANKS: Constant = bytes(
    "between ranks",
    hundredths(208) - MODULES.value - TRIAL.value,
    "non-torch of 2.06 to 2.11 GiB in 4 rows of 0.19 with 2 ranks, and 2.13 in one with 4",
);

/// The same before 0.18.
pub const RANKS_BEFORE: Constant = bytes(
    "between ranks before 0.18",
    hundredths(55) - MODULES.value,
    "non-torch of 0.55 GiB, one row of 0.11 with 2 ranks",
);

/// What a process has taken before anything is measured beyond its context, where switches join it with others: buffers
/// of NCCL.
pub const JOINED: Constant = bytes(
    "joined ranks",
    hundredths(102),
    "0.51 GiB of context among 1.53 GiB in 4 rows of 0.19 with 2 tensor-parallel ranks, 1.55 with 4, 1.48 with 4 stages",
);

/// What captured graphs of [`GRAPHS`] steps take, whatever the model.
pub const GRAPHS_ALWAYS: Constant = bytes("graphs", 304 * MIB, GRAPHS_ROWS);

/// What they take for each layer.
pub const GRAPHS_LAYER: Constant = bytes("graphs, a layer", 18 * MIB + MIB / 2, GRAPHS_ROWS);

/// What they take where there are experts.
pub const GRAPHS_EXPERTS: Constant = bytes(
    "graphs, experts",
    727 * MIB,
    "3 rows of 0.19 with experts: 1.41, 1.57 and 1.84 GiB of graphs",
);

const GRAPHS_ROWS: &str = "33 dense rows of 0.19: mean absolute error 0.07 GiB, worst 0.24; left out one model at a time, \
                           0.09. What vLLM estimates beforehand is taken to be the same";

/// Graphs that those rows captured: 51 sizes up to 512, for mixed steps and for steps of decoding alone.
pub const GRAPHS: u64 = 2 * 51;

/// Parts per 10,000 that experts in MXFP4 take beside their blocks and scales once they lie as the kernels of Hopper GPUs
/// want them.
pub const MXFP4: Constant = Constant {
    unit: "parts in 10,000",
    ..bytes(
        "layout of MXFP4",
        839,
        "the weights of one row of 0.19, of gpt-oss-20b",
    )
};

/// The same before 0.18. Most of it are the first scales, which stay beside their copy.
pub const MXFP4_BEFORE: Constant = Constant {
    unit: "parts in 10,000",
    ..bytes(
        "layout of MXFP4 before 0.18",
        659,
        "the weights of one row of 0.11, of gpt-oss-20b",
    )
};

/// Inner widths of a layer that are alive beside three in float32.
pub const FLOAT_WIDTHS: Constant = Constant {
    unit: "inner widths",
    ..bytes(
        "layer in float32",
        1,
        "one row of 0.19 prints activations of 2.21 GiB, where a layer compiled by itself takes 1.77",
    )
};

/// All of them, in the order of what they count.
pub const ALL: &[Constant] = &[
    MODULES,
    TRIAL,
    LATER_STAGE,
    RANKS,
    RANKS_BEFORE,
    JOINED,
    GRAPHS_ALWAYS,
    GRAPHS_LAYER,
    GRAPHS_EXPERTS,
    MXFP4,
    MXFP4_BEFORE,
    FLOAT_WIDTHS,
];

/// What several ranks add within what is measured, where switches join them.
#[must_use]
pub const fn ranks(start: &Start) -> u64 {
    if start.recent {
        RANKS.value
    } else {
        RANKS_BEFORE.value
    }
}

/// What so many captured graphs take on a stage of so many layers: as much for each as in the rows.
#[must_use]
pub fn graphs(count: u64, layers: u64, experts: bool) -> u64 {
    let experts = if experts { GRAPHS_EXPERTS.value } else { 0 };
    let all = GRAPHS_ALWAYS
        .value
        .saturating_add(GRAPHS_LAYER.value.saturating_mul(layers))
        .saturating_add(experts);
    let part = u128::from(all) * u128::from(count) / u128::from(GRAPHS);
    u64::try_from(part).unwrap_or(u64::MAX)
}

/// Parts per 10,000 of [`MXFP4`] or [`MXFP4_BEFORE`].
#[must_use]
pub const fn mxfp4_layout(start: &Start) -> u64 {
    if start.recent {
        MXFP4.value
    } else {
        MXFP4_BEFORE.value
    }
}
