//! Layouts that vLLM refuses, beside those that every engine does.

use super::compressed;
use super::kinds::{self, Kinds};
use super::rules::Rules;
use crate::deployment::{Deployment, FitError, Reason};
use crate::hardware::Vendor;
use crate::memory::store::Store;
use crate::subject::Subject;

/// Refuses what vLLM is not described for.
///
/// # Errors
/// With the kind of chip.
pub fn vendor(vendor: Vendor) -> Result<(), FitError> {
    match vendor {
        Vendor::Nvidia | Vendor::Amd | Vendor::Intel | Vendor::Any | Vendor::Other => Ok(()),
        Vendor::Apple | Vendor::Amazon | Vendor::Cpu | Vendor::Google => Err(FitError::new(
            Reason::Engine,
            format!(
                "vllm is described for GPUs of NVIDIA, AMD and Intel, not for {vendor}; choose another engine"
            ),
        )),
    }
}

/// Experts are either cut like the rest, or dealt out over all ranks of all replicas (vLLM 0.19,
/// `layers/fused_moe/config.py:FusedMoEParallelConfig.make`).
///
/// # Errors
/// If they would be dealt out over some of the ranks.
pub fn experts(deployment: &Deployment) -> Result<(), FitError> {
    let parallel = deployment.options.parallel;
    let all = parallel.expert_ranks();
    if parallel.expert == 1 || parallel.expert == all {
        return Ok(());
    }
    Err(FitError::new(
        Reason::Experts,
        format!(
            "expert_parallel is {}, but vLLM deals experts out over all ranks or none: use 1 or tensor_parallel times \
             data_parallel, {all}",
            parallel.expert
        ),
    ))
}

/// Decode context parallelism lies within tensor parallelism (vLLM 0.19,
/// `config/model.py:verify_with_parallel_config`, `config/parallel.py`).
///
/// # Errors
/// If the ranks or the model do not allow it.
pub fn context_parallel(
    subject: &Subject,
    deployment: &Deployment,
    kinds: Kinds,
) -> Result<(), FitError> {
    let parallel = deployment.options.parallel;
    let (ranks, over) = (parallel.tensor, parallel.context);
    if over == 1 {
        return Ok(());
    }
    let refuse = |reason, message| Err(FitError::new(reason, message));
    if !ranks.is_multiple_of(over) {
        return refuse(
            Reason::Value,
            format!(
                "context_parallel is {over}, but vLLM deals tokens out within tensor_parallel, {ranks}, which does not \
                 divide by it"
            ),
        );
    }
    if kinds.windows || kinds.states {
        return refuse(
            Reason::Engine,
            "context_parallel must be 1 in vLLM for models with windows or states".to_owned(),
        );
    }
    if kinds.latent {
        return Ok(());
    }
    let heads = kv_heads(subject).unwrap_or(1).max(1);
    if ranks <= heads || over > ranks / heads {
        return refuse(
            Reason::KvHeads,
            format!(
                "context_parallel is {over}, but with {heads} heads of keys and values and tensor_parallel {ranks} \
                 vLLM has {} ranks with the same heads to deal tokens out to",
                ranks / heads
            ),
        );
    }
    Ok(())
}

fn kv_heads(subject: &Subject) -> Option<u64> {
    kinds::stores(&subject.architecture, 1)
        .iter()
        .flatten()
        .filter_map(|store| match *store {
            Store::KeyValue { heads, .. } => Some(heads),
            _ => None,
        })
        .max()
}

/// Refuses models with compressed entries where the version has none, or the block is not the kernel's.
///
/// # Errors
/// With what to change.
pub fn compressed(rules: &Rules, deployment: &Deployment, kinds: Kinds) -> Result<(), FitError> {
    if !kinds.compressed {
        return Ok(());
    }
    if rules.compressed.is_none() {
        return Err(FitError::new(
            Reason::Engine,
            "this version of vLLM has no compressed attention (DeepSeek V4); use 0.20 or newer",
        ));
    }
    match deployment.options.block {
        None | Some(compressed::BLOCK) => Ok(()),
        Some(asked) => Err(FitError::new(
            Reason::Value,
            format!(
                "block_size is {asked}, but compressed attention is described for blocks of {} alone",
                compressed::BLOCK
            ),
        )),
    }
}
