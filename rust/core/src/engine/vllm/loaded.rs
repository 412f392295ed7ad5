//! What vLLM loads beside the tensors of a checkpoint, as its log counts it: what PyTorch has allocated once the model is
//! there (`v1/worker/gpu_model_runner.py:load_model`).

use super::fitted;
use super::rope;
use super::start::Start;
use crate::architecture::layer::Mixer;
use crate::checkpoint::Role;
use crate::engine::Rank;
use crate::memory::allocation::counted;
use crate::memory::fused::{self, Fusing};
use crate::memory::ledger::{Ledger, Origin};
use crate::memory::split::Split;
use crate::memory::weights::WeightRules;

/// Intermediate sizes of experts in MXFP4 are rounded up to a multiple of this
/// (0.19, `model_executor/layers/fused_moe/oracle/mxfp4.py:mxfp4_round_up_hidden_size_and_intermediate_size`).
const MXFP4_MULTIPLE: u64 = 64;

/// Adds what is loaded beside the tensors.
pub fn add(rank: &Rank<'_>, start: Start, rules: WeightRules, ledger: &mut dyn Ledger) {
    let (deployment, architecture) = (rank.deployment, rank.architecture());
    let pieces = rank.subject.held(deployment);
    let tensors = fused::tensors(
        &pieces,
        architecture,
        rank.stage,
        deployment.options.parallel,
        rules,
        Fusing::All,
    );
    let (over, count) = fused::rounding(&tensors);
    ledger.add(
        "rounding of the allocator",
        over,
        Origin::Mechanism,
        "c10/cuda/CUDACachingAllocator.cpp, measured on an H100 with torch 2.11; tensors as vLLM fuses them",
        &|| format!("what {count} tensors are counted for beyond their bytes"),
    );
    for table in rope::tables(architecture, &rank.layers, rank.settings.model_bytes) {
        ledger.add(
            "rotations",
            counted(table.total()),
            Origin::Exact,
            "vLLM 0.19 model_executor/layers/rotary_embedding/*.py: cosines and sines of every position",
            &|| {
                format!(
                    "{} positions · {} numbers · {} bytes",
                    table.positions, table.dims, table.bytes
                )
            },
        );
    }
    latent(rank, ledger);
    if super::numbers::is_mxfp4(rank) {
        mxfp4(rank, start, ledger);
    }
}

/// The up-projection of latent attention, once more in the two halves that are multiplied into queries and outputs.
fn latent(rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    let ranks = rank.deployment.options.parallel.tensor.max(1);
    let (mut numbers, mut layers) = (0_u64, 0_u64);
    for mixer in rank.layers.iter().flat_map(|layer| &layer.mixers) {
        if let Mixer::Latent {
            heads,
            rank: width,
            nope_dim,
            value_dim,
            ..
        } = *mixer
        {
            let one = heads
                .div_ceil(ranks)
                .saturating_mul(nope_dim.saturating_add(value_dim))
                .saturating_mul(width);
            numbers = numbers.saturating_add(one);
            layers += 1;
        }
    }
    let bytes = rank.settings.model_bytes;
    ledger.add(
        "absorbed projections",
        numbers.saturating_mul(bytes),
        Origin::Mechanism,
        "vLLM 0.19 model_executor/layers/attention/mla_attention.py:process_weights_after_loading; that they are copies is told \
         by the one row of DeepSeek-V2-Lite, which is 0.44 % off without them",
        &|| format!("{numbers} numbers in {layers} layers · {bytes} bytes"),
    );
}

/// How experts in MXFP4 lie for their kernels.
fn mxfp4(rank: &Rank<'_>, start: Start, ledger: &mut dyn Ledger) {
    let deployment = rank.deployment;
    let pieces = rank.subject.held(deployment);
    let bytes = pieces
        .iter()
        .filter(|piece| piece.role == Role::Expert && piece.shape.len() > 2)
        .fold(0_u64, |sum, piece| {
            let each = Split::of(piece).bytes(piece, None, deployment.options.parallel, 1);
            sum.saturating_add(each.saturating_mul(rank.stage.times(piece, false)))
        });
    let width = super::numbers::expert_width(rank);
    let padded = width.next_multiple_of(MXFP4_MULTIPLE);
    let part = |count: u64, of: u64| {
        let product = u128::from(bytes) * u128::from(count) / u128::from(of.max(1));
        u64::try_from(product).unwrap_or(u64::MAX)
    };
    ledger.add(
        "width of experts",
        part(padded.saturating_sub(width), width),
        Origin::Exact,
        "vLLM 0.19 model_executor/layers/fused_moe/oracle/mxfp4.py rounds it up to a multiple of 64",
        &|| format!("{bytes} bytes · ({padded} - {width}) / {width}"),
    );
    let layout = fitted::mxfp4_layout(&start);
    ledger.add(
        "layout of experts",
        part(layout, 10_000),
        Origin::Fitted,
        "fitted to one row of gpt-oss-20b for each version: see engine/vllm/fitted.rs",
        &|| format!("{bytes} bytes · {layout} / 10000"),
    );
}
