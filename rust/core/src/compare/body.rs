//! Rows of the body: parameters in all, active and by role, and how they are stored.

use super::row::{Cell, Row, Unit};
use super::seen::Seen;
use crate::checkpoint::Role;

/// The key of the row of a role begins with this.
pub const ROLE: &str = "role.";

/// The rows, in order.
pub fn rows(seen: &[Seen<'_>]) -> Vec<Row> {
    let row = |key: &str, label: &str, unit, read: &dyn Fn(&Seen<'_>) -> Cell| {
        Row::new(key, label, unit, seen.iter().map(read).collect())
    };
    let mut rows = vec![
        row("parameters", "parameters", Unit::Parameters, &|one| match (
            &one.entry.model.checkpoint,
            &one.mind,
        ) {
            (None, Err(why)) => Cell::Missing(why.clone()),
            _ => Cell::Number(one.total.parameters.into()),
        }),
        row(
            "active",
            "of them for each token",
            Unit::Parameters,
            &|one| {
                // Which of its weights a token goes through, only the mind says.
                one.of_mind(|_| Cell::Number(one.total.active.into()))
            },
        ),
        row(
            "bytes",
            "bytes of weights",
            Unit::Bytes,
            &|one| match &one.weighed.bytes_unknown {
                Some(why) => Cell::Missing(why.clone()),
                None => Cell::Number(one.total.bytes.into()),
            },
        ),
        row("storage", "stored as", Unit::Text, &|one| {
            let name = one.weighed.storage.clone();
            name.map_or(Cell::None, Cell::Text)
        }),
    ];
    rows.extend(Role::ALL.into_iter().map(|role| {
        let key = format!("{ROLE}{}", role.name());
        let label = role.name().replace('_', " ");
        row(&key, &label, Unit::Parameters, &|one| {
            let roles = one.weighed.sums.roles();
            Cell::maybe(roles.get(&role).map(|sum| sum.parameters))
        })
    }));
    rows
}
