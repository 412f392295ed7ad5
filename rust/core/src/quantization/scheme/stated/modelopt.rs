//! `ModelOpt`: one algorithm for all modules, or one for each that is named.

use super::super::layout::{Layout, Term};
use super::super::names::Names;
use super::super::{Plan, Rule, Scheme};
use super::{Found, Reading, nvfp4, touches};
use crate::quantization::format::{BYTE, MXFP8};
use serde_json::Value;

impl Reading<'_> {
    pub(super) fn modelopt(&self) -> Option<Found> {
        if self.stated.get("quantized_layers").is_some() {
            return self.by_layer();
        }
        let algorithm = self.text(&["quant_algo"]).unwrap_or_default();
        if let Some((name, layout)) = Self::algorithm(&algorithm) {
            return Some(self.modules(name, layout));
        }
        self.compressed_tensors()
    }

    /// What `ModelOpt` writes for one of its algorithms (vLLM 0.19, quantization/modelopt.py).
    pub(super) fn algorithm(name: &str) -> Option<(String, Layout)> {
        match name {
            "fp8" => Some((
                "fp8".to_owned(),
                Layout::of(vec![Term::Rows(BYTE), Term::Tensor(8)]),
            )),
            "fp8_per_channel_per_token" => Some((
                "fp8-channel".to_owned(),
                Layout::of(vec![Term::Rows(BYTE), Term::Row(4)]),
            )),
            "fp8_pb_wo" => Some((
                "fp8-block".to_owned(),
                Layout::of(vec![
                    Term::Rows(BYTE),
                    Term::Tile {
                        rows: 128,
                        columns: 128,
                        bytes: 4,
                    },
                ]),
            )),
            "nvfp4" | "nvfp4_awq" => Some(nvfp4(8)),
            "w4a16_nvfp4" => Some(nvfp4(4)),
            "mxfp8" => Some((
                "mxfp8".to_owned(),
                Layout::of(vec![Term::Rows(MXFP8)]).multiples_of(32),
            )),
            _ => None,
        }
    }

    /// `ModelOpt`'s mixed precision: an algorithm for each layer it names.
    pub(super) fn by_layer(&self) -> Option<Found> {
        let layers = self.stated.get("quantized_layers")?.as_object()?;
        let mut by_algorithm: Vec<(String, Vec<&str>)> = Vec::new();
        for (layer, entry) in layers {
            let algorithm = entry
                .get("quant_algo")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_ascii_lowercase();
            match by_algorithm
                .iter_mut()
                .find(|(known, _)| *known == algorithm)
            {
                Some((_, all)) => all.push(layer),
                None => by_algorithm.push((algorithm, vec![layer])),
            }
        }
        let mut rules = Vec::new();
        let mut names = Vec::new();
        for (algorithm, layers) in by_algorithm {
            let Some((name, layout)) = Self::algorithm(&algorithm) else {
                continue;
            };
            let mut touched = touches(self.roles, true);
            touched.only = Names::new(layers);
            names.push(name);
            rules.push(Rule {
                touches: touched,
                layout,
            });
        }
        if rules.is_empty() {
            return None;
        }
        // Beside what is named, a checkpoint may still hold what its source was stored in.
        if self.text(&["quant_method"]).as_deref() == Some("fp8") {
            let (name, layout) = self.fp8_layout();
            names.push(name.to_owned());
            rules.extend(self.fp4_experts());
            rules.push(Rule {
                touches: touches(self.roles, true),
                layout,
            });
        }
        Some(Found {
            scheme: Scheme {
                name: names.join(" and "),
                // What is ignored is ignored by the algorithms, which name what they touch.
                plan: Plan::Rules(rules, Names::default()),
            },
            unread: Vec::new(),
        })
    }
}
