//! What a config states about how its weights are stored.
//!
//! Read here is what decides bytes: bits, groups, scales, and which modules were left as they are. Where a statement is not
//! understood, that is noted and the weights are taken to be in the config's dtype: the files then hold less.

use super::layout::{Layout, Term};
use super::names::Names;
use super::table::{self, EVERY_LINEAR, Exl, LINEARS};
use super::{Plan, Rule, Scheme, Touches, dtype_bytes};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::checkpoint::Role;
use crate::quantization::format::{BYTE, MXFP4, NVFP4};
use serde_json::Value;

mod compressed_tensors;
mod grid;
mod mlx;
mod modelopt;
mod modules;

/// Where configs have their statement: beside the fields of the model, or in the config of its text model.
const PLACES: &[&str] = &[
    "",
    "/text_config",
    "/llm_config",
    "/language_config",
    "/thinker_config",
    "/thinker_config/text_config",
];

/// The scheme of a config.
pub(super) fn of_config(
    config: &Value,
    architecture: &Architecture,
    notes: &mut Vec<Assumption>,
) -> Result<Scheme, String> {
    let number = dtype_bytes(architecture).unwrap_or_else(|| {
        let (value, reason) = match &architecture.dtype {
            Some(stated) => (
                stated.as_str(),
                "this dtype of the config is not known; 16 bits are taken",
            ),
            None => (
                "bfloat16",
                "the config states no dtype; 16 bits are what most models are published in",
            ),
        };
        notes.push(Assumption::new("dtype", value, reason));
        2
    });
    let Some((place, key, stated)) = find(config) else {
        return plain(number);
    };
    let reading = Reading {
        stated,
        // What the config of a text model states does not hold for the towers beside it.
        roles: if place.is_empty() {
            EVERY_LINEAR
        } else {
            LINEARS
        },
        number,
        experts_in_fp4: config.get("expert_dtype").and_then(Value::as_str) == Some("fp4"),
    };
    let method = reading.method(key);
    let Some(found) = reading.scheme(&method)? else {
        notes.push(Assumption::new(
            "quantization_config",
            method.as_str(),
            format!(
                "how {method} stores its weights is not known; they are counted in {} bits each, and take less",
                number * 8
            ),
        ));
        return plain(number);
    };
    found.note(notes);
    Ok(found.scheme)
}

fn plain(number: u64) -> Result<Scheme, String> {
    Scheme::named(if number >= 4 { "fp32" } else { "bf16" })
}

/// Whether a config states how its weights are stored, understood or not.
#[must_use]
pub fn is_stated(config: &Value) -> bool {
    find(config).is_some()
}

/// The statement, with the place and the key it stands under.
fn find(config: &Value) -> Option<(&'static str, &'static str, &Value)> {
    for place in PLACES {
        let Some(part) = config.pointer(place) else {
            continue;
        };
        // mlx-lm keeps a copy, or the statement of the model it converted, under the other keys.
        for key in ["quantization", "quantization_config", "compression_config"] {
            let stated = part
                .get(key)
                .filter(|stated| stated.as_object().is_some_and(|fields| !fields.is_empty()));
            if let Some(stated) = stated {
                return Some((place, key, stated));
            }
        }
    }
    None
}

struct Reading<'c> {
    stated: &'c Value,
    /// What it may hold for.
    roles: &'static [Role],
    /// Bytes of a number that is kept, and of a scale where these follow the weights.
    number: u64,
    experts_in_fp4: bool,
}

/// A scheme with what of its statement could not be read.
struct Found {
    scheme: Scheme,
    unread: Vec<String>,
}

impl Found {
    fn note(&self, notes: &mut Vec<Assumption>) {
        if let Some(first) = self.unread.first() {
            notes.push(Assumption::new(
                "quantization_config",
                first.as_str(),
                format!(
                    "{} of the config's entries cannot be read and are passed over",
                    self.unread.len()
                ),
            ));
        }
    }
}

fn touches(roles: &'static [Role], fused: bool) -> Touches {
    Touches {
        roles,
        fused,
        tables: false,
        without_experts: false,
        only: Names::default(),
    }
}

impl Reading<'_> {
    fn text(&self, keys: &[&str]) -> Option<String> {
        keys.iter()
            .find_map(|key| self.stated.get(key)?.as_str())
            .map(str::to_ascii_lowercase)
    }

    fn count(&self, keys: &[&str]) -> Option<u64> {
        keys.iter().find_map(|key| self.stated.get(key)?.as_u64())
    }

    fn flag(&self, key: &str) -> bool {
        self.stated.get(key).and_then(Value::as_bool) == Some(true)
    }

    /// The method, as its publisher names it. `ModelOpt` and mlx-lm are told by other fields.
    fn method(&self, key: &str) -> String {
        if let Some(method) = self.text(&["quant_method"]) {
            return method;
        }
        let by_modelopt = self
            .stated
            .pointer("/producer/name")
            .and_then(Value::as_str)
            == Some("modelopt");
        if by_modelopt || self.stated.get("quant_algo").is_some() {
            return "modelopt".to_owned();
        }
        if key == "quantization" && self.count(&["bits"]).is_some() {
            return "mlx".to_owned();
        }
        if self.stated.get("config_groups").is_some() {
            return "compressed-tensors".to_owned();
        }
        if self.count(&["w_bit"]).is_some() {
            return "awq".to_owned();
        }
        "a method without a name".to_owned()
    }

    /// Modules that were left as they are.
    fn kept(&self) -> Names {
        let keys = [
            "modules_to_not_convert",
            "ignored_layers",
            "ignore",
            "exclude_modules",
            "exclude",
            "llm_int8_skip_modules",
            "skip_modules",
        ];
        let entries = keys
            .iter()
            .filter_map(|key| self.stated.get(key)?.as_array())
            .flatten()
            .filter_map(Value::as_str);
        Names::new(entries)
    }

    fn found(&self, name: impl Into<String>, rules: Vec<Rule>) -> Found {
        let kept = self.kept();
        let unread = kept.unread().to_vec();
        Found {
            scheme: Scheme {
                name: name.into(),
                plan: Plan::Rules(rules, kept),
            },
            unread,
        }
    }

    /// Every linear module of the decoder and of towers in one layout, but those that are named.
    fn modules(&self, name: impl Into<String>, layout: Layout) -> Found {
        self.found(
            name,
            vec![Rule {
                touches: touches(self.roles, true),
                layout,
            }],
        )
    }

    /// The scheme, or nothing if the method is not known.
    fn scheme(&self, method: &str) -> Result<Option<Found>, String> {
        Ok(match method {
            "fp8" | "deepseek_fp8" => self.fp8(),
            "fbgemm_fp8" => Some(self.modules(
                "fp8-channel",
                Layout::of(vec![Term::Rows(BYTE), Term::Row(4)]),
            )),
            "compressed-tensors" | "compressed_tensors" => self.compressed_tensors(),
            "modelopt" | "modelopt_fp4" | "modelopt_mxfp8" | "modelopt_mixed" => self.modelopt(),
            "gptq" | "gptqmodel" | "gptq_marlin" => Some(self.gptq()?),
            "auto-round" | "auto_round" | "intel/auto-round" | "autoround" => {
                match self.text(&["packing_format"]).as_deref() {
                    Some(format) if format.contains("awq") => Some(self.awq()?),
                    _ => Some(self.gptq()?),
                }
            }
            "awq" | "awq_marlin" => Some(self.awq()?),
            "bitsandbytes" => Some(self.bitsandbytes()),
            "mxfp4" => Some(self.found(
                "mxfp4",
                // transformers 4.57, integrations/mxfp4.py: the experts of gpt-oss and nothing else.
                vec![Rule {
                    touches: touches(&[Role::Expert], true),
                    layout: Layout::of(vec![Term::Rows(MXFP4)]).multiples_of(32),
                }],
            )),
            "hqq" => Some(self.hqq()),
            "torchao" => self.torchao(),
            "mlx" => self.mlx(),
            "quark" => self.quark(),
            "exl2" | "exl3" => self.exl(method),
            // Bytes and a 16-bit scale for each output (EETQ, from memory).
            "eetq" => Some(self.modules("int8", Layout::of(vec![Term::Rows(BYTE), Term::Row(2)]))),
            _ => None,
        })
    }

    /// `fp8` of transformers and DeepSeek: bytes with a 32-bit scale for a matrix or for each block of it.
    fn fp8(&self) -> Option<Found> {
        if self.stated.get("quantized_layers").is_some() {
            return self.by_layer();
        }
        let (name, layout) = self.fp8_layout();
        let mut rules = Vec::new();
        rules.extend(self.fp4_experts());
        rules.push(Rule {
            touches: touches(self.roles, true),
            layout,
        });
        let name = if self.experts_in_fp4 {
            format!("{name} with experts in fp4")
        } else {
            name.to_owned()
        };
        Some(self.found(name, rules))
    }

    /// Experts of DeepSeek V4, which its config says are stored in 4 bits, those of prediction layers with them.
    fn fp4_experts(&self) -> Option<Rule> {
        let mut touched = touches(&[Role::Expert, Role::Mtp], true);
        touched.only = Names::new(["experts"]);
        self.experts_in_fp4.then(|| Rule {
            touches: touched,
            layout: Layout::of(vec![Term::Rows(MXFP4)]).multiples_of(32),
        })
    }

    fn fp8_layout(&self) -> (&'static str, Layout) {
        let sides: Option<Vec<u64>> = self
            .stated
            .get("weight_block_size")
            .and_then(Value::as_array)
            .map(|sides| sides.iter().filter_map(Value::as_u64).collect());
        if let Some(&[rows, columns]) = sides.as_deref() {
            // vLLM 0.33, models/deepseek_v4/quant_config.py:is_scale_e8m0: a byte beside experts in fp4.
            let bytes = if self.experts_in_fp4 { 1 } else { 4 };
            let scales = Term::Tile {
                rows,
                columns,
                bytes,
            };
            return ("fp8-block", Layout::of(vec![Term::Rows(BYTE), scales]));
        }
        let inputs = u64::from(self.text(&["activation_scheme"]).as_deref() == Some("static"));
        (
            "fp8",
            Layout::of(vec![Term::Rows(BYTE), Term::Tensor(4 + 4 * inputs)]),
        )
    }

    fn quark(&self) -> Option<Found> {
        let weight = self.stated.pointer("/global_quant_config/weight")?;
        let weight = weight
            .as_array()
            .and_then(|several| several.first())
            .unwrap_or(weight);
        let text = |key: &str| weight.get(key).and_then(Value::as_str).unwrap_or_default();
        let group = weight
            .get("group_size")
            .and_then(Value::as_u64)
            .unwrap_or(32);
        let (name, layout) = match (text("dtype"), text("qscheme")) {
            ("fp4", _) => (
                "mxfp4",
                Layout::of(vec![Term::Rows(MXFP4)]).multiples_of(32),
            ),
            (dtype, "per_channel") if dtype.starts_with("fp8") => (
                "fp8-channel",
                Layout::of(vec![Term::Rows(BYTE), Term::Row(4)]),
            ),
            (dtype, _) if dtype.starts_with("fp8") => {
                ("fp8", Layout::of(vec![Term::Rows(BYTE), Term::Tensor(8)]))
            }
            ("int8", _) => ("int8", Layout::of(vec![Term::Rows(BYTE), Term::Row(4)])),
            ("int4" | "uint4", "per_group") => (
                "quark int4",
                Layout::of(vec![
                    Term::Words(4),
                    Term::Group {
                        weights: group,
                        bytes: self.number,
                    },
                    Term::Zeros { bits: 4, group },
                ]),
            ),
            _ => return None,
        };
        Some(self.modules(name, layout))
    }

    fn exl(&self, method: &str) -> Option<Found> {
        let fraction = |key: &str| {
            let text = self.stated.get(key)?.to_string();
            Some((table::bits_per_weight(&text)?, text))
        };
        let (bits, digits) = fraction("bits")?;
        let head = fraction("head_bits").map_or((6, 1), |(head, _)| head);
        let generation = if method == "exl2" {
            Exl::Two
        } else {
            Exl::Three
        };
        Some(Found {
            scheme: table::exl(generation, &digits, bits, head),
            unread: Vec::new(),
        })
    }
}

/// NVFP4 with so many bytes of scales for a whole matrix.
fn nvfp4(scales: u64) -> (String, Layout) {
    (
        "nvfp4".to_owned(),
        Layout::of(vec![Term::Rows(NVFP4), Term::Tensor(scales)]).multiples_of(16),
    )
}

#[cfg(test)]
mod tests;
