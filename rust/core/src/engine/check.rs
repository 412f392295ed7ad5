//! Which layouts a model allows: what every engine refuses alike.

use super::Engine;
use crate::architecture::Architecture;
use crate::architecture::layer::{FeedForward, Layer, Mixer, Stack};
use crate::deployment::{Deployment, FitError, Reason, Settings};
use crate::memory::layout::Parallel;
use crate::wording::grouped;

/// Numbers that no deployment reaches, so that sums stay far from the end of 64 bits.
pub const MOST: u64 = 1 << 40;

/// That a number is not one of those that a deployment may have.
pub fn out_of_range(field: &str, value: impl std::fmt::Display) -> String {
    format!(
        "{field} must be between 1 and {}, not {value}",
        grouped(MOST)
    )
}

/// Refuses a deployment whose numbers or layout cannot be.
///
/// # Errors
/// With the first reason found, in one sentence that says what to change.
pub fn check(
    engine: &dyn Engine,
    deployment: &Deployment,
    architecture: &Architecture,
) -> Result<(), FitError> {
    check_numbers(engine, deployment)?;
    let Parallel {
        tensor,
        pipeline,
        expert,
        ..
    } = deployment.options.parallel;
    let layers = architecture.decoder().count() as u64;
    if pipeline > 1 && pipeline > layers {
        return Err(FitError::new(
            Reason::Layers,
            format!(
                "pipeline_parallel is {pipeline}, but the model has {layers} layers to deal out"
            ),
        ));
    }
    for layer in architecture
        .layers
        .iter()
        .filter(|layer| layer.stack == Stack::Decoder)
    {
        heads(layer, tensor)?;
        widths(layer, deployment.options.parallel)?;
    }
    experts(architecture, expert, deployment.options.parallel)
}

/// Refuses a deployment whose numbers cannot be, whatever the model.
///
/// # Errors
/// With the first reason found.
pub fn check_numbers(engine: &dyn Engine, deployment: &Deployment) -> Result<(), FitError> {
    numbers(deployment)?;
    let made = engine.gpus(deployment);
    if let Some(gpus) = deployment.options.gpus
        && gpus != made
    {
        return Err(FitError::new(
            Reason::Gpus,
            format!(
                "gpus is {gpus}, but the parallel layout takes {made}; leave one of them out or make them agree"
            ),
        ));
    }
    Ok(())
}

/// Refuses more requests at one time in a replica than the engine runs sequences: the others would wait, and need no
/// memory until their turn comes.
///
/// # Errors
/// If there are more.
pub fn check_sequences(engine: &dyn Engine, settings: &Settings) -> Result<(), FitError> {
    let Settings {
        concurrency,
        sequences,
        ..
    } = *settings;
    if settings.runs(concurrency) {
        return Ok(());
    }
    Err(FitError::new(
        Reason::Value,
        format!(
            "{concurrency} requests are to run at one time in a replica, but {} runs {sequences} there and lets the others \
             wait; ask for fewer, or give it a max_sequences of {concurrency}",
            engine.name()
        ),
    ))
}

fn numbers(deployment: &Deployment) -> Result<(), FitError> {
    let Parallel {
        tensor,
        pipeline,
        expert,
        data,
        context,
    } = deployment.options.parallel;
    let optional = |value: Option<u64>| value.unwrap_or(1);
    for (name, value) in [
        ("tensor_parallel", tensor),
        ("pipeline_parallel", pipeline),
        ("expert_parallel", expert),
        ("data_parallel", data),
        ("context_parallel", context),
        ("gpus", optional(deployment.options.gpus)),
        ("concurrency", deployment.concurrency),
        ("context", optional(deployment.context)),
        (
            "max_batched_tokens",
            optional(deployment.options.batched_tokens),
        ),
        ("max_sequences", optional(deployment.options.sequences)),
        ("block_size", optional(deployment.options.block)),
    ] {
        if value == 0 || value > MOST {
            return Err(FitError::new(Reason::Value, out_of_range(name, value)));
        }
    }
    if let Some(share) = deployment.options.memory_utilization
        && (share.0 == 0 || share > crate::deployment::Share::ONE)
    {
        return Err(FitError::new(
            Reason::Value,
            format!("gpu_memory_utilization must be above 0 and at most 1, not {share}"),
        ));
    }
    Ok(())
}

fn heads(layer: &Layer, ranks: u64) -> Result<(), FitError> {
    for mixer in &layer.mixers {
        let (queries, kv) = match *mixer {
            Mixer::Attention {
                heads, kv_heads, ..
            }
            | Mixer::Cross {
                heads, kv_heads, ..
            } => (heads, Some(kv_heads)),
            Mixer::Latent { heads, .. }
            | Mixer::Compressed { heads, .. }
            | Mixer::State { heads, .. } => (heads, None),
            Mixer::Stateless => continue,
        };
        let place = format!("layer {} has", layer.number);
        if !queries.is_multiple_of(ranks) {
            return Err(FitError::new(
                Reason::Heads,
                format!(
                    "tensor_parallel is {ranks}, but {place} {queries} heads, which do not divide by it; use a divisor of {queries}"
                ),
            ));
        }
        if let Some(kv) = kv.filter(|&kv| kv > 0)
            && !kv.is_multiple_of(ranks)
            && !ranks.is_multiple_of(kv)
        {
            return Err(FitError::new(
                Reason::KvHeads,
                format!(
                    "tensor_parallel is {ranks}, but {place} {kv} heads of keys and values: neither divides by the other"
                ),
            ));
        }
    }
    Ok(())
}

fn widths(layer: &Layer, parallel: Parallel) -> Result<(), FitError> {
    let ranks = parallel.tensor;
    let refuse = |width: u64, ranks: u64, what: &str| {
        if width.is_multiple_of(ranks) {
            return Ok(());
        }
        Err(FitError::new(
            Reason::Width,
            format!(
                "layer {} has {what} of inner width {width}, which does not divide by {ranks} ranks",
                layer.number
            ),
        ))
    };
    for network in &layer.feed_forward {
        match *network {
            FeedForward::Dense { width } => refuse(width, ranks, "a feed-forward network")?,
            FeedForward::Experts {
                width,
                shared_width,
                ..
            } => {
                if parallel.expert == 1 {
                    refuse(width, parallel.expert_ranks(), "experts")?;
                }
                refuse(shared_width, ranks, "shared experts")?;
            }
        }
    }
    Ok(())
}

fn experts(architecture: &Architecture, dealt: u64, parallel: Parallel) -> Result<(), FitError> {
    if dealt == 1 {
        return Ok(());
    }
    let fewest = architecture
        .decoder()
        .flat_map(|layer| &layer.feed_forward)
        .filter_map(|network| match *network {
            FeedForward::Experts { experts, .. } => Some(experts),
            FeedForward::Dense { .. } => None,
        })
        .min();
    let Some(fewest) = fewest else {
        return Err(FitError::new(
            Reason::Experts,
            format!("expert_parallel is {dealt}, but the model has no experts; leave it out"),
        ));
    };
    if dealt > fewest {
        return Err(FitError::new(
            Reason::Experts,
            format!("expert_parallel is {dealt}, but a layer has only {fewest} experts"),
        ));
    }
    let ranks = parallel.expert_ranks();
    if !ranks.is_multiple_of(dealt) {
        return Err(FitError::new(
            Reason::Experts,
            format!(
                "expert_parallel is {dealt}, but tensor_parallel times data_parallel is {ranks}, which does not divide by it"
            ),
        ));
    }
    Ok(())
}
