//! compressed-tensors: groups of modules, each with bits, granularity of scales and format.

use super::super::Rule;
use super::super::layout::{Layout, Term};
use super::super::names::Names;
use super::{Found, Reading, nvfp4, touches};
use crate::quantization::format::{BYTE, MXFP4, MXFP8};
use serde_json::Value;

impl Reading<'_> {
    /// What compressed-tensors writes for one group of its config.
    pub(super) fn group(&self, group: &Value) -> Option<(String, Layout)> {
        let weights = group.get("weights").filter(|weights| weights.is_object())?;
        let number = |key: &str| weights.get(key).and_then(Value::as_u64);
        let text = |key: &str| weights.get(key).and_then(Value::as_str);
        let bits = number("num_bits")?;
        let size = number("group_size").filter(|&size| size > 0);
        let is_float = text("type") == Some("float");
        let symmetric = weights.get("symmetric").and_then(Value::as_bool) != Some(false);
        let format = group
            .get("format")
            .and_then(Value::as_str)
            .map(str::to_owned)
            .or_else(|| self.text(&["format"]))
            .unwrap_or_default();
        let strategy = text("strategy").unwrap_or(if size.is_some() { "group" } else { "tensor" });
        let static_inputs = group
            .get("input_activations")
            .filter(|inputs| inputs.is_object())
            .is_some_and(|inputs| inputs.get("dynamic").and_then(Value::as_bool) == Some(false));
        if is_float && bits == 4 {
            return Some(match size {
                Some(32) => (
                    "mxfp4".to_owned(),
                    Layout::of(vec![Term::Rows(MXFP4)]).multiples_of(32),
                ),
                // A global scale of weights, and one of inputs.
                _ => nvfp4(8),
            });
        }
        if is_float && bits == 8 && size == Some(32) {
            return Some((
                "mxfp8".to_owned(),
                Layout::of(vec![Term::Rows(MXFP8)]).multiples_of(32),
            ));
        }
        let scale = self.number;
        let packed = format == "pack-quantized" || (format.is_empty() && !is_float && bits < 8);
        let mut terms = vec![if packed {
            Term::Words(bits)
        } else {
            Term::Rows(BYTE)
        }];
        terms.push(match (strategy, size) {
            ("channel", _) => Term::Row(scale),
            ("group" | "tensor_group", Some(weights)) => Term::Group {
                weights,
                bytes: scale,
            },
            ("block", _) => {
                let edge = |at: usize| {
                    weights
                        .get("block_structure")
                        .and_then(|sides| sides.get(at))
                        .and_then(Value::as_u64)
                        .unwrap_or(128)
                };
                Term::Tile {
                    rows: edge(0),
                    columns: edge(1),
                    bytes: scale,
                }
            }
            _ => Term::Tensor(scale),
        });
        if !symmetric {
            terms.push(match (packed, size) {
                (true, size) => Term::Zeros {
                    bits,
                    group: size.unwrap_or(0),
                },
                (false, Some(weights)) => Term::Group { weights, bytes: 1 },
                (false, None) => Term::Row(1),
            });
        }
        if packed {
            // `weight_shape`, two numbers of 32 bits (published header of Kimi-K2.5).
            terms.push(Term::Tensor(8));
            if text("actorder") == Some("group") {
                terms.push(Term::Column(4));
            }
        }
        if static_inputs {
            terms.push(Term::Tensor(scale));
        }
        let kind = if is_float { "fp" } else { "int" };
        let name = match (is_float, bits, strategy, size) {
            (true, 8, "channel", _) => "fp8-channel".to_owned(),
            (true, 8, "block", _) => "fp8-block".to_owned(),
            (true, 8, _, None) => "fp8".to_owned(),
            (false, 8, "channel", _) if !packed => "int8".to_owned(),
            (false, 4, _, Some(128)) if symmetric && packed => "w4a16".to_owned(),
            (_, _, _, Some(size)) => format!("compressed-tensors {kind}{bits} g{size}"),
            _ => format!("compressed-tensors {kind}{bits}"),
        };
        Some((
            name,
            Layout::of(terms).multiples_of(size.filter(|_| packed).unwrap_or(1)),
        ))
    }

    pub(super) fn compressed_tensors(&self) -> Option<Found> {
        let groups = self.stated.get("config_groups")?.as_object()?;
        let mut rules = Vec::new();
        let mut name = None;
        for group in groups.values() {
            let Some((this, layout)) = self.group(group) else {
                continue;
            };
            name.get_or_insert(this);
            // Classes such as `Linear` stand for every module of their kind; others are names.
            let targets: Vec<&str> = group
                .get("targets")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .filter(|target| target.starts_with("re:") || target.contains('.'))
                .collect();
            let mut touched = touches(self.roles, true);
            touched.only = Names::new(targets.iter().copied());
            rules.push(Rule {
                touches: touched,
                layout,
            });
        }
        // Groups that name their modules go before one for all.
        rules.sort_by_key(|rule| rule.touches.only.is_empty());
        Some(self.found(name?, rules))
    }
}
