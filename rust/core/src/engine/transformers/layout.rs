//! How transformers spreads a model, and what it refuses.
//!
//! Sources: transformers 5.23.0, `integrations/tensor_parallel.py` and the plans of the classes
//! (`models/llama/configuration_llama.py:base_model_tp_plan`); accelerate's `device_map` for stages.

use crate::architecture::config::Assumption;
use crate::architecture::layer::{Mixer, Stack};
use crate::checkpoint::Role;
use crate::deployment::{Deployment, FitError, Reason};
use crate::subject::Subject;

/// Refuses layouts that transformers does not have, and notes what it is taken to do with the rest.
///
/// # Errors
/// With the first reason found.
pub fn check(
    subject: &Subject,
    deployment: &Deployment,
    notes: &mut Vec<Assumption>,
) -> Result<(), FitError> {
    let parallel = deployment.options.parallel;
    for (name, degree) in [
        ("data_parallel", parallel.data),
        ("context_parallel", parallel.context),
    ] {
        if degree > 1 {
            return Err(FitError::new(
                Reason::Engine,
                format!(
                    "transformers has no {name}; leave it out, and ask for what one of the {degree} processes gets"
                ),
            ));
        }
    }
    if parallel.expert > 1 && parallel.expert != parallel.tensor {
        return Err(FitError::new(
            Reason::Experts,
            format!(
                "expert_parallel is {}, but transformers deals experts out to all tensor-parallel ranks, which are {}; make them equal",
                parallel.expert, parallel.tensor
            ),
        ));
    }
    if parallel.tensor > 1 && parallel.pipeline > 1 {
        return Err(FitError::new(
            Reason::Engine,
            "transformers takes either a tensor-parallel plan or a device map, not both; leave pipeline_parallel or tensor_parallel out",
        ));
    }
    if parallel.pipeline > 1 {
        notes.push(Assumption::new(
            "pipeline_parallel",
            parallel.pipeline.to_string(),
            "a device map of whole layers is taken to deal them out evenly",
        ));
    }
    if parallel.tensor > 1 {
        ranks(subject, parallel.tensor)?;
        notes.push(Assumption::new(
            "tensor_parallel",
            parallel.tensor.to_string(),
            "the class is taken to have a plan that cuts its layers as Megatron does; classes without one do not load so",
        ));
    }
    Ok(())
}

/// Nothing is padded and no head is copied: what does not divide does not run.
fn ranks(subject: &Subject, ranks: u64) -> Result<(), FitError> {
    let architecture = &subject.architecture;
    for layer in architecture
        .layers
        .iter()
        .filter(|layer| layer.stack == Stack::Decoder)
    {
        for mixer in &layer.mixers {
            if let Mixer::Attention { kv_heads, .. } | Mixer::Cross { kv_heads, .. } = *mixer
                && !kv_heads.is_multiple_of(ranks)
            {
                return Err(FitError::new(
                    Reason::KvHeads,
                    format!(
                        "tensor_parallel is {ranks}, but layer {} has {kv_heads} heads of keys and values, which transformers does not copy; use a divisor of {kv_heads}",
                        layer.number
                    ),
                ));
            }
        }
    }
    let head = architecture
        .templates
        .iter()
        .find(|template| template.role == Role::Head && template.shape.len() == 2);
    if let Some(entries) = head.and_then(|template| template.shape.first())
        && !entries.is_multiple_of(ranks)
    {
        return Err(FitError::new(
            Reason::Vocabulary,
            format!(
                "tensor_parallel is {ranks}, but the head has {entries} entries, which transformers does not pad; use a divisor of {entries}"
            ),
        ));
    }
    Ok(())
}
