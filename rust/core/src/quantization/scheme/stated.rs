//! What a config states about how its weights are stored.
//!
//! Read here is what decides bytes: bits, groups, scales, and which modules were left as they are. Where a statement is not
//! understood, that is noted and the weights are taken to be in the config's dtype: the files then hold less.

use super::layout::{Layout, Term};
use super::names::Names;
use super::table::{self, ABSMAX, ABSMAX_8, EVERY_LINEAR, Exl, LINEARS, NESTED};
use super::{Plan, Rule, Scheme, Touches, dtype_bytes};
use crate::architecture::Architecture;
use crate::architecture::config::Assumption;
use crate::checkpoint::Role;
use crate::quantization::format::{BYTE, Format, HALF_BYTE, MXFP4, MXFP8, NVFP4};
use serde_json::Value;

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

    fn found(&self, name: impl Into<String>, rules: Vec<Rule>) -> Option<Found> {
        let kept = self.kept();
        let unread = kept.unread().to_vec();
        Some(Found {
            scheme: Scheme {
                name: name.into(),
                plan: Plan::Rules(rules, kept),
            },
            unread,
        })
    }

    /// Every linear module of the decoder and of towers in one layout, but those that are named.
    fn modules(&self, name: impl Into<String>, layout: Layout) -> Option<Found> {
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
            "fbgemm_fp8" => self.modules(
                "fp8-channel",
                Layout::of(vec![Term::Rows(BYTE), Term::Row(4)]),
            ),
            "compressed-tensors" | "compressed_tensors" => self.compressed_tensors(),
            "modelopt" | "modelopt_fp4" | "modelopt_mxfp8" | "modelopt_mixed" => self.modelopt(),
            "gptq" | "gptqmodel" | "gptq_marlin" => self.gptq()?,
            "auto-round" | "auto_round" | "intel/auto-round" | "autoround" => {
                match self.text(&["packing_format"]).as_deref() {
                    Some(format) if format.contains("awq") => self.awq()?,
                    _ => self.gptq()?,
                }
            }
            "awq" | "awq_marlin" => self.awq()?,
            "bitsandbytes" => Some(self.bitsandbytes()),
            "mxfp4" => self.found(
                "mxfp4",
                // transformers 4.57, integrations/mxfp4.py: the experts of gpt-oss and nothing else.
                vec![Rule {
                    touches: touches(&[Role::Expert], true),
                    layout: Layout::of(vec![Term::Rows(MXFP4)]).multiples_of(32),
                }],
            ),
            "hqq" => Some(self.hqq()),
            "torchao" => self.torchao(),
            "mlx" => self.mlx(),
            "quark" => self.quark(),
            "exl2" | "exl3" => self.exl(method),
            // Bytes and a 16-bit scale for each output (EETQ, from memory).
            "eetq" => self.modules("int8", Layout::of(vec![Term::Rows(BYTE), Term::Row(2)])),
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
        self.found(name, rules)
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
        match sides.as_deref() {
            Some(&[rows, columns]) => (
                "fp8-block",
                Layout::of(vec![
                    Term::Rows(BYTE),
                    Term::Tile {
                        rows,
                        columns,
                        // vLLM 0.33, models/deepseek_v4/quant_config.py:is_scale_e8m0: a byte beside experts in fp4.
                        bytes: if self.experts_in_fp4 { 1 } else { 4 },
                    },
                ]),
            ),
            _ => {
                let inputs =
                    u64::from(self.text(&["activation_scheme"]).as_deref() == Some("static"));
                (
                    "fp8",
                    Layout::of(vec![Term::Rows(BYTE), Term::Tensor(4 + 4 * inputs)]),
                )
            }
        }
    }

    /// What compressed-tensors writes for one group of its config.
    fn group(&self, group: &Value) -> Option<(String, Layout)> {
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
                let side = |at: usize| {
                    weights
                        .get("block_structure")
                        .and_then(|sides| sides.get(at))
                        .and_then(Value::as_u64)
                        .unwrap_or(128)
                };
                Term::Tile {
                    rows: side(0),
                    columns: side(1),
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

    fn compressed_tensors(&self) -> Option<Found> {
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
        self.found(name?, rules)
    }

    fn modelopt(&self) -> Option<Found> {
        if self.stated.get("quantized_layers").is_some() {
            return self.by_layer();
        }
        let algorithm = self.text(&["quant_algo"]).unwrap_or_default();
        if let Some((name, layout)) = self.algorithm(&algorithm) {
            return self.modules(name, layout);
        }
        self.compressed_tensors()
    }

    /// What `ModelOpt` writes for one of its algorithms (vLLM 0.19, quantization/modelopt.py).
    fn algorithm(&self, name: &str) -> Option<(String, Layout)> {
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
    fn by_layer(&self) -> Option<Found> {
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
            let Some((name, layout)) = self.algorithm(&algorithm) else {
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

    /// Bits and group of GPTQ and AWQ. A group of -1 is a whole row.
    fn grid(&self) -> Result<(u64, u64), String> {
        let bits = self.count(&["bits", "w_bit"]).unwrap_or(4);
        if !(1..=16).contains(&bits) {
            return Err(format!(
                "quantization_config: {bits} bits per weight cannot be; state 2 to 8"
            ));
        }
        let group = self
            .stated
            .get("group_size")
            .or_else(|| self.stated.get("q_group_size"))
            .and_then(Value::as_i64)
            .unwrap_or(128);
        Ok((bits, u64::try_from(group).unwrap_or(0)))
    }

    fn decoder(&self, name: String, terms: Vec<Term>) -> Option<Found> {
        let mut rules = vec![Rule {
            touches: touches(LINEARS, true),
            layout: Layout::of(terms.clone()),
        }];
        if self.flag("lm_head") {
            rules.push(Rule {
                touches: touches(&[Role::Head], true),
                layout: Layout::of(terms),
            });
        }
        self.found(name, rules)
    }

    fn gptq(&self) -> Result<Option<Found>, String> {
        let (bits, group) = self.grid()?;
        let terms = vec![
            Term::Words(bits),
            Term::Group {
                weights: group,
                bytes: 2,
            },
            Term::Zeros { bits, group },
            Term::Column(4),
        ];
        Ok(self.decoder(named_grid("gptq", bits, group), terms))
    }

    fn awq(&self) -> Result<Option<Found>, String> {
        let (bits, group) = self.grid()?;
        let terms = vec![
            Term::OutputWords(bits),
            Term::Group {
                weights: group,
                bytes: 2,
            },
            Term::Zeros { bits, group },
        ];
        Ok(self.decoder(named_grid("awq", bits, group), terms))
    }

    fn bitsandbytes(&self) -> Found {
        let eight = self.flag("load_in_8bit") || self.flag("_load_in_8bit");
        let doubled = self.flag("bnb_4bit_use_double_quant");
        let (name, terms) = if eight {
            ("int8-bnb", vec![Term::Rows(BYTE), Term::Row(4)])
        } else if doubled {
            let sides = Term::Tensor(64 + 1024 + 4);
            (
                "nf4-dq",
                vec![
                    Term::Run(HALF_BYTE),
                    Term::Run(ABSMAX_8),
                    Term::Run(NESTED),
                    sides,
                ],
            )
        } else {
            let sides = Term::Tensor(64);
            ("nf4", vec![Term::Run(HALF_BYTE), Term::Run(ABSMAX), sides])
        };
        let name = if !eight && self.text(&["bnb_4bit_quant_type"]).as_deref() == Some("fp4") {
            name.replace("nf4", "fp4")
        } else {
            name.to_owned()
        };
        self.unfused(name, Layout::of(terms))
    }

    /// Every `nn.Linear` but those that are named; no experts that are fused in a parameter.
    fn unfused(&self, name: impl Into<String>, layout: Layout) -> Found {
        let kept = self.kept();
        Found {
            unread: kept.unread().to_vec(),
            scheme: Scheme {
                name: name.into(),
                plan: Plan::Rules(
                    vec![Rule {
                        touches: touches(self.roles, false),
                        layout,
                    }],
                    kept,
                ),
            },
        }
    }

    fn hqq(&self) -> Found {
        let weights = self
            .stated
            .pointer("/quant_config/weight_quant_params")
            .unwrap_or(self.stated);
        let number = |key: &str| weights.get(key).and_then(Value::as_u64);
        let bits = number("nbits")
            .filter(|bits| (1..=8).contains(bits))
            .unwrap_or(4);
        let group = number("group_size")
            .filter(|&group| group > 0)
            .unwrap_or(64);
        // Bytes hold 8, 4, 2 or 1 bits; ten weights of 3 bits go to a word.
        let packed = match bits {
            3 => Format {
                name: "words",
                weights: 10,
                bytes: 4,
                note: "",
            },
            bits => Format {
                name: "bytes",
                weights: 8 / bits.next_power_of_two(),
                bytes: 1,
                note: "",
            },
        };
        let scales = Format {
            name: "scales",
            weights: group,
            bytes: 2 * self.number,
            note: "",
        };
        let name = if (bits, group) == (4, 64) {
            "hqq".to_owned()
        } else {
            format!("hqq {bits} bits g{group}")
        };
        self.unfused(name, Layout::of(vec![Term::Run(packed), Term::Run(scales)]))
    }

    /// torchao states a class and its fields, or a word of older versions.
    fn torchao(&self) -> Option<Found> {
        let kind = self.stated.get("quant_type")?;
        let words = kind.to_string().to_ascii_lowercase().replace('_', "");
        let group = [
            "/quant_type/default/_data/group_size",
            "/quant_type_kwargs/group_size",
        ]
        .iter()
        .find_map(|place| self.stated.pointer(place)?.as_u64())
        .unwrap_or(128);
        let (name, layout) = if words.contains("int4") {
            let mut layout = Layout::of(vec![
                Term::Rows(HALF_BYTE),
                Term::Group {
                    weights: group,
                    bytes: 4,
                },
            ])
            .multiples_of(group.max(1));
            layout.padding = [8, 1024];
            ("int4wo", layout)
        } else if words.contains("int8weightonly") || words.contains("int8dynamic") {
            ("int8wo", Layout::of(vec![Term::Rows(BYTE), Term::Row(10)]))
        } else if words.contains("float8") {
            ("fp8", Layout::of(vec![Term::Rows(BYTE), Term::Row(4)]))
        } else {
            return None;
        };
        Some(self.unfused(name, layout))
    }

    fn mlx(&self) -> Option<Found> {
        let bits = self.count(&["bits"])?;
        let group = self.count(&["group_size"]).unwrap_or(64);
        let mode = self.text(&["mode"]).unwrap_or_else(|| "affine".to_owned());
        let fields = self.stated.as_object()?;
        let own: Vec<(&str, u64, u64)> = fields
            .iter()
            .filter_map(|(module, entry)| {
                let bits = entry.get("bits")?.as_u64()?;
                let group = entry.get("group_size").and_then(Value::as_u64);
                Some((module.as_str(), bits, group.unwrap_or(64)))
            })
            .collect();
        let left: Vec<&str> = fields
            .iter()
            .filter(|(_, entry)| entry.as_bool() == Some(false))
            .map(|(module, _)| module.as_str())
            .collect();
        let touched = |only: Names| Touches {
            roles: MLX_ROLES,
            fused: true,
            tables: true,
            without_experts: false,
            only,
        };
        let mut rules = Vec::new();
        let mut grids: Vec<(u64, u64)> =
            own.iter().map(|&(_, bits, group)| (bits, group)).collect();
        grids.sort_unstable();
        grids.dedup();
        for grid in grids {
            let modules = own
                .iter()
                .filter(|&&(_, bits, group)| (bits, group) == grid);
            rules.push(Rule {
                touches: touched(Names::new(modules.map(|(module, ..)| *module))),
                layout: mlx_layout(&mode, grid.0, grid.1, self.number),
            });
        }
        let mut all = touched(Names::default());
        all.roles = table::MLX_ROLES;
        rules.push(Rule {
            touches: all,
            layout: mlx_layout(&mode, bits, group, self.number),
        });
        let name = match (mode.as_str(), group) {
            ("affine", 64) => format!("mlx-{bits}"),
            ("affine", group) => format!("mlx-{bits} g{group}"),
            (mode, _) => format!("mlx {mode}"),
        };
        Some(Found {
            scheme: Scheme {
                name,
                plan: Plan::Rules(rules, Names::new(left)),
            },
            unread: Vec::new(),
        })
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
        self.modules(name, layout)
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

/// What mlx-lm quantizes where a config names a module: routers too.
const MLX_ROLES: &[Role] = &[
    Role::Attention,
    Role::State,
    Role::Mlp,
    Role::Router,
    Role::Expert,
    Role::SharedExpert,
    Role::Mtp,
    Role::Head,
];

fn mlx_layout(mode: &str, bits: u64, group: u64, number: u64) -> Layout {
    let terms = match mode {
        "mxfp4" => vec![Term::Rows(MXFP4)],
        "mxfp8" => vec![Term::Rows(MXFP8)],
        "nvfp4" => vec![Term::Rows(NVFP4)],
        _ => vec![
            Term::Words(bits),
            Term::Group {
                weights: group,
                bytes: 2 * number,
            },
        ],
    };
    Layout::of(terms).multiples_of(group.max(1))
}

/// NVFP4 with so many bytes of scales for a whole matrix.
fn nvfp4(scales: u64) -> (String, Layout) {
    (
        "nvfp4".to_owned(),
        Layout::of(vec![Term::Rows(NVFP4), Term::Tensor(scales)]).multiples_of(16),
    )
}

/// The name that a grid has in the table of schemes, or one that says it.
fn named_grid(method: &str, bits: u64, group: u64) -> String {
    match (method, bits, group) {
        ("gptq", 4, 32 | 64 | 128) => format!("int4-g{group}"),
        ("awq", 4, 128) => "awq".to_owned(),
        (method, bits, 0) => format!("{method} {bits} bits"),
        (method, bits, group) => format!("{method} {bits} bits g{group}"),
    }
}
