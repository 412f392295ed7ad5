//! Libraries that replace `nn.Linear` wherever it stands: bitsandbytes, HQQ, torchao.

use super::super::layout::{Layout, Term};
use super::super::table::{ABSMAX, ABSMAX_8, NESTED};
use super::super::{Plan, Rule, Scheme};
use super::{Found, Reading, touches};
use crate::quantization::format::{BYTE, Format, HALF_BYTE};
use serde_json::Value;

impl Reading<'_> {
    pub(super) fn bitsandbytes(&self) -> Found {
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
    pub(super) fn unfused(&self, name: impl Into<String>, layout: Layout) -> Found {
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

    pub(super) fn hqq(&self) -> Found {
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
    pub(super) fn torchao(&self) -> Option<Found> {
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
}
