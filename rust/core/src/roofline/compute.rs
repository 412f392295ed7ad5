//! What a deployment computes in.

use crate::deployment::Deployment;
use crate::hardware::Number;
use crate::quantization::scheme::SCHEMES;
use crate::subject::Subject;
use serde::Serialize;

/// What a deployment computes in, and how fast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compute {
    /// The numbers.
    pub number: Number,
    /// Dense operations per second of one GPU.
    pub per_second: u64,
}

/// What a deployment computes in: the narrowest numbers that its weights and the hardware allow.
///
/// # Errors
/// If the catalogue has no rate for them; the message says so.
pub(super) fn of(subject: &Subject, deployment: &Deployment) -> Result<Compute, String> {
    let gpu = &deployment.gpu;
    let scheme = deployment
        .weights
        .as_ref()
        .map_or(subject.storage.as_str(), |scheme| &scheme.name);
    let plain = match (scheme, subject.architecture.dtype.as_deref()) {
        ("fp32", _) => [Number::Fp32, Number::Fp32],
        ("fp16", _) | (_, Some("float16" | "torch.float16")) => [Number::Fp16, Number::Bf16],
        _ => [Number::Bf16, Number::Fp16],
    };
    let mut candidates = narrow(scheme).into_iter().chain(plain);
    candidates
        .find_map(|number| {
            let per_second = number.rate(&gpu.flops)?;
            Some(Compute { number, per_second })
        })
        .ok_or_else(|| {
            format!(
                "operations per second of {} in {} are not known, so operations bound nothing, and nothing is said of reading",
                gpu.name,
                plain[0].name()
            )
        })
}

/// The narrow numbers of a scheme whose activations are quantized too; others unpack to the model's dtype.
fn narrow(scheme: &str) -> Option<Number> {
    SCHEMES
        .iter()
        .find(|row| row.name == scheme)
        .and_then(|row| row.activations)
}
