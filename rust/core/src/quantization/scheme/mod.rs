//! What-if quantization: how many bytes each tensor takes in a scheme, and which tensors a scheme leaves as they are.
//!
//! ```text
//!  name ─ table ──────────┐
//!                         ├─► Scheme ─ matrix, layout ─► bytes of each tensor
//!  config ─ stated ───────┘          └ gguf: a type for each tensor
//! ```
//!
//! A scheme is a list of rules: which matrices it touches, and how it lays these out. What no rule touches stays in the
//! model's dtype. GGUF mixes choose a type for every tensor instead. Not modelled: what an engine pads or repacks once
//! it has loaded the tensors, and text that libraries store beside them.

mod account;
mod gguf;
mod layout;
mod matrix;
mod names;
mod stated;
mod table;
#[cfg(test)]
mod tests;

pub use account::{Line, account};
pub use layout::{Layout, Term};
pub use matrix::{Matrix, linear};
pub use stated::is_stated;
pub use table::{Row, SCHEMES, by_precision};

use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::architecture::template::Template;
use crate::checkpoint::Role;
use gguf::Mix;
use names::Names;
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

impl Weight<'_> {
    /// The name of the module whose weight it is, that of the first where a layer has several.
    fn module(&self) -> String {
        let template = self.template;
        let mut name = String::with_capacity(template.pattern.len() + 8);
        let mut numbers = template.numbers.iter().enumerate();
        for (at, piece) in template.pattern.split('*').enumerate() {
            if at > 0 {
                let number = numbers.next().and_then(|(place, numbers)| {
                    let layer = self.layer.filter(|_| place == 0 && template.in_layer);
                    layer.or_else(|| numbers.iter().next())
                });
                name.push_str(&number.unwrap_or(0).to_string());
            }
            name.push_str(piece);
        }
        if let Some(base) = name.strip_suffix(".weight") {
            name.truncate(base.len());
        }
        name
    }
}

/// Which matrices a rule touches.
#[derive(Clone, Debug)]
struct Touches {
    /// Those of these roles.
    roles: &'static [Role],
    /// Whether experts that are fused into one tensor are among them.
    fused: bool,
    /// Whether tables of embeddings are.
    tables: bool,
    /// Only in models without experts.
    without_experts: bool,
    /// Only these modules, if any are named.
    only: Names,
}

impl Touches {
    fn matrix(&self, weight: &Weight<'_>) -> Option<Matrix> {
        let role = weight.template.role;
        if self.without_experts && has_experts(weight.architecture) {
            return None;
        }
        if self.tables && role == Role::Embedding
            || role == Role::Head && self.roles.contains(&role)
        {
            return match *weight.template.shape {
                [rows, columns] => Some(Matrix {
                    count: 1,
                    rows,
                    columns,
                    fused: false,
                }),
                _ => None,
            };
        }
        if !self.roles.contains(&role) || kept_in_any_case(weight) {
            return None;
        }
        let matrix = linear(weight.template, weight.architecture)?;
        (self.fused || !matrix.fused).then_some(matrix)
    }
}

fn has_experts(architecture: &Architecture) -> bool {
    architecture
        .templates
        .iter()
        .any(|template| template.role == Role::Expert)
}

/// Matrices that nobody quantizes, by words of their names.
///
/// What joins two streams in front of a layer that predicts further tokens, and the table and the head of such a layer;
/// the weights of an indexer's heads (published headers of DeepSeek-V3.2 and GLM-4.5, `ignore` lists of Qwen3-Next); the
/// gate of a shared expert (`ModelOpt` 0.37 `_default_disabled_quantizer_cfg`, vLLM 0.19 `qwen2_moe.py`).
const KEPT: &[&str] = &[
    "eh_proj",
    "shared_head",
    "embed_tokens",
    "mtp.fc",
    "weights_proj",
    "shared_expert_gate",
];

fn kept_in_any_case(weight: &Weight<'_>) -> bool {
    let name = weight.template.pattern.as_str();
    KEPT.iter().any(|word| name.contains(word))
        // Routers of layers that predict further tokens have those layers' role.
        || (weight.template.role == Role::Mtp && name.ends_with(".gate.weight"))
}

/// Matrices that are touched, and how they are stored.
#[derive(Clone, Debug)]
struct Rule {
    touches: Touches,
    layout: Layout,
}

#[derive(Clone, Debug)]
enum Plan {
    /// Every number in so many bytes.
    Plain(u64),
    /// The first rule that touches a matrix lays it out; modules that are named stay as they are.
    Rules(Vec<Rule>, Names),
    /// A type for each tensor.
    Mix(Mix),
}

/// How weights are stored.
#[derive(Clone, Debug)]
pub struct Scheme {
    /// Its name.
    pub name: String,
    plan: Plan,
}

/// What became of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Bytes it takes, with its scales and zero points.
    pub bytes: u64,
    /// Whether it was quantized.
    pub touched: bool,
}

impl Scheme {
    /// The scheme of this name, in any case.
    ///
    /// # Errors
    /// If there is none; the message lists those there are.
    pub fn named(name: &str) -> Result<Self, String> {
        table::named(name)
    }

    /// The scheme that a config states for its weights, or else its dtype.
    ///
    /// # Errors
    /// If it states something that cannot be.
    pub fn of_config(
        config: &Value,
        architecture: &Architecture,
        notes: &mut Vec<Assumption>,
    ) -> Result<Self, String> {
        stated::of_config(config, architecture, notes)
    }

    /// What it does with which weights, in a sentence.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        SCHEMES.iter().find(|row| row.name == self.name).map_or(
            "so many bits for each weight of the decoder, 6 for the head",
            |row| row.summary,
        )
    }

    /// Whether it quantizes nothing.
    #[must_use]
    pub const fn is_plain(&self) -> bool {
        matches!(self.plan, Plan::Plain(_))
    }

    /// Whether tensors of one name differ in size from layer to layer.
    #[must_use]
    pub fn varies_by_layer(&self) -> bool {
        match &self.plan {
            Plan::Plain(_) => false,
            Plan::Rules(rules, kept) => {
                !kept.is_empty() || rules.iter().any(|rule| !rule.touches.only.is_empty())
            }
            Plan::Mix(_) => true,
        }
    }

    /// Bytes of one tensor, with its scales and zero points.
    #[must_use]
    pub fn bytes(&self, weight: &Weight<'_>) -> u64 {
        self.store(weight).bytes
    }

    /// What becomes of one tensor.
    #[must_use]
    pub fn store(&self, weight: &Weight<'_>) -> Stored {
        let kept = |bytes: u64| Stored {
            bytes: weight
                .template
                .elements()
                .unwrap_or(u64::MAX)
                .saturating_mul(bytes),
            touched: false,
        };
        match &self.plan {
            Plan::Plain(bytes) => kept(*bytes),
            Plan::Mix(mix) => mix.store(weight),
            Plan::Rules(rules, names) => rules
                .iter()
                .find_map(|rule| {
                    let matrix = rule.touches.matrix(weight)?;
                    if !rule.layout.fits(&matrix) {
                        return None;
                    }
                    let mut module = None;
                    let mut is_in = |names: &Names| {
                        names.contains(module.get_or_insert_with(|| weight.module()))
                    };
                    if !names.is_empty() && is_in(names) {
                        return None;
                    }
                    if !rule.touches.only.is_empty() && !is_in(&rule.touches.only) {
                        return None;
                    }
                    Some(Stored {
                        bytes: rule.layout.bytes(&matrix),
                        touched: true,
                    })
                })
                .unwrap_or_else(|| kept(dtype_bytes(weight.architecture).unwrap_or(2))),
        }
    }
}

/// Bytes of a number in the dtype that a config states, if it states one that is known.
#[must_use]
pub fn dtype_bytes(architecture: &Architecture) -> Option<u64> {
    let stated = architecture.dtype.as_deref()?;
    match stated
        .strip_prefix("torch.")
        .unwrap_or(stated)
        .to_ascii_lowercase()
        .as_str()
    {
        "float64" | "double" => Some(8),
        "float32" | "float" | "fp32" => Some(4),
        "bfloat16" | "float16" | "half" | "bf16" | "fp16" => Some(2),
        _ => None,
    }
}
