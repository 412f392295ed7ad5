//! Scans as JSON, schema `pondera.scan/1`. Whole numbers only: bytes are bytes.

use super::body::{Checkpoint, Layer};
use super::problem::Problem;
use super::scan::Tree;
use super::tally::Tally;
use crate::members::Members;
use serde::Serialize;

/// The name and version of the schema.
pub const SCHEMA: &str = "pondera.scan/1";

#[derive(Serialize)]
struct Scan<'a> {
    schema: &'static str,
    checkpoints: Vec<One<'a>>,
    totals: Totals,
    problems: Vec<Listed<'a>>,
}

#[derive(Serialize)]
pub(super) struct One<'a> {
    path: String,
    name: String,
    format: &'static str,
    kind: &'static str,
    quantization: Option<&'a str>,
    base: Option<&'a str>,
    components: &'a [String],
    shards: usize,
    tensors: u64,
    parameters: u128,
    stored_bytes: u128,
    file_bytes: u128,
    roles: Members<&'static str, Tally>,
    dtypes: Members<&'a str, Tally>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Members<String, Tally>>,
    problems: Vec<Listed<'a>>,
}

#[derive(Serialize)]
struct Totals {
    checkpoints: usize,
    shards: usize,
    tensors: u64,
    parameters: u128,
    stored_bytes: u128,
    file_bytes: u128,
    disk_bytes: u128,
}

#[derive(Serialize)]
pub(super) struct Listed<'a> {
    code: &'static str,
    severity: &'static str,
    path: String,
    tensor: Option<&'a str>,
    message: &'a str,
}

/// What a report has beside the sums by role and dtype.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detail {
    /// Sums by layer.
    pub layers: bool,
}

pub(super) fn listed(problems: &[Problem]) -> Vec<Listed<'_>> {
    problems
        .iter()
        .map(|problem| Listed {
            code: problem.code.name(),
            severity: problem.severity().name(),
            path: problem.path.to_string_lossy().into_owned(),
            tensor: problem.tensor.as_deref(),
            message: &problem.message,
        })
        .collect()
}

impl Checkpoint {
    pub(super) fn report(&self, detail: Detail) -> One<'_> {
        let total = self.total();
        One {
            path: self.path.to_string_lossy().into_owned(),
            name: self.name(),
            format: self.format(),
            kind: self.kind.name(),
            quantization: self.quantization.as_deref(),
            base: self.base.as_deref(),
            components: if self.components.len() > 1 {
                &self.components
            } else {
                &[]
            },
            shards: self.files.len(),
            tensors: total.tensors,
            parameters: total.parameters,
            stored_bytes: total.bytes,
            file_bytes: self.file_bytes(),
            roles: Members(
                self.by_role()
                    .into_iter()
                    .map(|(role, tally)| (role.name(), tally))
                    .collect(),
            ),
            dtypes: Members(self.by_dtype().into_iter().collect()),
            layers: detail.layers.then(|| {
                Members(
                    self.by_layer()
                        .into_iter()
                        .map(|(layer, tally)| (layer.to_string(), tally))
                        .collect(),
                )
            }),
            problems: listed(&self.problems),
        }
    }

    /// One checkpoint as a JSON object: an element of `checkpoints` of the schema.
    #[must_use]
    pub fn to_json(&self, detail: Detail) -> String {
        text(&self.report(detail))
    }
}

impl Tree {
    /// The whole scan as JSON.
    #[must_use]
    pub fn to_json(&self, detail: Detail) -> String {
        let total = self.total();
        text(&Scan {
            schema: SCHEMA,
            checkpoints: self
                .checkpoints
                .iter()
                .map(|checkpoint| checkpoint.report(detail))
                .collect(),
            totals: Totals {
                checkpoints: self.checkpoints.len(),
                shards: self.checkpoints.iter().map(|c| c.files.len()).sum(),
                tensors: total.tensors,
                parameters: total.parameters,
                stored_bytes: total.bytes,
                file_bytes: self.checkpoints.iter().map(|c| c.file_bytes()).sum(),
                disk_bytes: self.disk_bytes(),
            },
            problems: listed(&self.problems),
        })
    }
}

/// Maps with text keys, numbers and texts always serialize.
pub(super) fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.stack {
            Some(stack) => write!(f, "{stack}.{}", self.number),
            None => f.write_str("outside"),
        }
    }
}
