//! GPTQ and AWQ: bits and a group, over the layers of the decoder.

use super::super::Rule;
use super::super::layout::{Layout, Term};
use super::super::table::LINEARS;
use super::{Found, Reading, touches};
use crate::checkpoint::Role;
use serde_json::Value;

impl Reading<'_> {
    /// Bits and group of GPTQ and AWQ. A group of -1 is a whole row.
    pub(super) fn grid(&self) -> Result<(u64, u64), String> {
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

    pub(super) fn decoder(&self, name: String, terms: Vec<Term>) -> Found {
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

    pub(super) fn gptq(&self) -> Result<Found, String> {
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

    pub(super) fn awq(&self) -> Result<Found, String> {
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
