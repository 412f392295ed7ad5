//! What vLLM prints as not of torch, and what the driver takes for a process.

use super::device;
use super::fitted;
use super::spill;
use super::start::{Sampler, Start};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::layer::FeedForward;
use crate::deployment::Deployment;
use crate::engine::links::{self, Links};
use crate::engine::{Rank, step};
use crate::memory::layout::Parallel;
use crate::memory::ledger::{Ledger, Origin};
use crate::subject::Subject;

const FITTED: &str =
    "fitted to published logs of vLLM on H100s: see engine/vllm/fitted.rs for the rows";

/// Adds what a log calls non-torch.
pub fn add(rank: &Rank<'_>, start: Start, ledger: &mut dyn Ledger) {
    let parallel = rank.deployment.options.parallel;
    if rank.stage.of > 1 && !rank.stage.is_first() && parallel.tensor == 1 {
        ledger.add(
            "later stage",
            fitted::LATER_STAGE.value,
            Origin::Fitted,
            FITTED,
            &|| "0.07 GiB on a stage that is not the first".to_owned(),
        );
    } else {
        ledger.add(
            "libraries",
            fitted::MODULES.value,
            Origin::Fitted,
            FITTED,
            &|| "0.13 GiB".to_owned(),
        );
        if start.trial_within && !rank.deployment.options.eager {
            ledger.add(
                "trial of graphs",
                fitted::TRIAL.value,
                Origin::Fitted,
                FITTED,
                &|| "0.12 GiB".to_owned(),
            );
        }
    }
    // Of GPUs that no switch joins nothing was measured beyond what joining them takes.
    if parallel.tensor > 1 && Links::of(&rank.deployment.gpu) == Links::Switched {
        let between = fitted::ranks(&start);
        ledger.add("between ranks", between, Origin::Fitted, FITTED, &|| {
            format!("{between} bytes with {} ranks", parallel.tensor)
        });
    }
    spill(rank, start, ledger);
}

/// The kernel that cuts logits off keeps what does not fit its registers in memory.
fn spill(rank: &Rank<'_>, start: Start, ledger: &mut dyn Ledger) {
    let vocabulary = rank.architecture().vocab_size.unwrap_or(0);
    let samples = rank.stage.is_last() && super::numbers::generates(rank.architecture());
    if start.sampler != Sampler::Triton || rank.settings.sequences < 8 || !samples {
        return;
    }
    let multiprocessors = device::multiprocessors(&rank.deployment.gpu);
    let thread = spill::bytes_per_thread(vocabulary);
    ledger.add(
        "memory of threads",
        spill::bytes(vocabulary, multiprocessors),
        Origin::Measured,
        "vLLM 0.19 v1/sample/ops/topk_topp_triton.py, compiled for an H100 by Triton 3.6 with torch 2.11: see \
         engine/vllm/spill.rs",
        &|| format!("({thread} - 1024) bytes · 2048 threads · {multiprocessors} multiprocessors"),
    );
}

/// Adds what the driver takes for a process, and what NCCL takes before anything is measured.
pub fn context(rank: &Rank<'_>, ledger: &mut dyn Ledger) {
    step::driver(rank, ledger);
    let links = Links::of(&rank.deployment.gpu);
    let ranks = joined(rank.deployment.options.parallel, rank.architecture());
    let ranks = ranks.saturating_mul(rank.deployment.options.parallel.pipeline);
    let (origin, source) = match links {
        Links::Switched => (Origin::Fitted, FITTED),
        Links::Direct | Links::Bus => (Origin::Measured, "measured elsewhere: see engine/links.rs"),
    };
    let bytes = links.joining(ranks, fitted::JOINED.value);
    ledger.add("NCCL", bytes, origin, source, &|| {
        format!("{bytes} bytes with {ranks} ranks")
    });
}

/// Ranks of a stage that send each other what they compute: those that share tensors, and with experts those of all
/// replicas, over which experts are spread (vLLM 0.19, `model_executor/layers/fused_moe/config.py:FusedMoEParallelConfig`).
fn joined(parallel: Parallel, architecture: &Architecture) -> u64 {
    if has_experts(architecture) {
        parallel.expert_ranks()
    } else {
        parallel.tensor
    }
}

fn has_experts(architecture: &Architecture) -> bool {
    architecture
        .decoder()
        .flat_map(|layer| &layer.feed_forward)
        .any(|network| matches!(network, FeedForward::Experts { .. }))
}

/// Notes where ranks are joined as no log shows it: over other links, or those of all replicas.
pub fn note(subject: &Subject, deployment: &Deployment, notes: &mut Vec<Assumption>) {
    let parallel = deployment.options.parallel;
    let ranks = joined(parallel, &subject.architecture);
    links::note(
        &deployment.gpu,
        ranks.saturating_mul(parallel.pipeline),
        notes,
    );
    if parallel.data > 1 && has_experts(&subject.architecture) {
        notes.push(Assumption::new(
            "cuda_context",
            "that of tensor parallelism",
            format!(
                "{ranks} ranks of all replicas send each other the tokens of experts; what NCCL takes for that is taken to be what \
                 it takes for as many tensor-parallel ranks"
            ),
        ));
    }
}
