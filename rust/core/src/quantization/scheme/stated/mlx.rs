//! mlx-lm: one grid for all modules, and others for those that are named.

use super::super::layout::{Layout, Term};
use super::super::names::Names;
use super::super::{Plan, Rule, Scheme, Touches, table};
use super::{Found, Reading};
use crate::checkpoint::Role;
use crate::quantization::format::{MXFP4, MXFP8, NVFP4};
use serde_json::Value;

impl Reading<'_> {
    pub(super) fn mlx(&self) -> Option<Found> {
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
