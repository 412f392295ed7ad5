//! Rows of where the models fit, GPU by GPU: each estimate is one that `fit` gives.

use super::row::{Cell, Row, Unit};
use crate::fit::Fit;
use crate::solve;
use crate::subject::Subject;
use std::sync::Arc;

/// The key of a row about a GPU begins with this, and ends with what it tells.
pub const FIT: &str = "fit.";

/// A model that was placed on a GPU.
#[derive(Clone, Debug)]
pub struct Placed {
    /// The model, made ready.
    pub subject: Arc<Subject>,
    /// The estimate.
    pub fit: Fit,
}

/// Where every model was tried.
#[derive(Clone, Debug)]
pub struct Tried {
    /// What the GPU is called.
    pub gpu: String,
    /// The estimate of each model, or why there is none.
    pub fits: Vec<Result<Placed, String>>,
}

impl Tried {
    /// The estimate of a model.
    #[must_use]
    pub fn of(&self, at: usize) -> Option<&Fit> {
        let placed = self.fits.get(at)?.as_ref().ok()?;
        Some(&placed.fit)
    }
}

/// The rows, in order.
pub fn rows(tried: &[Tried]) -> Vec<Row> {
    let mut rows: Vec<Row> = context(tried).into_iter().collect();
    for one in tried {
        let row = |end: &str, label: &str, unit, read: &dyn Fn(&Placed) -> Cell| {
            let cells = one.fits.iter().map(|fit| match fit {
                Ok(placed) => read(placed),
                Err(why) => Cell::Missing(why.clone()),
            });
            let cells: Vec<Cell> = cells.collect();
            let key = format!("{FIT}{}.{end}", one.gpu);
            Row {
                group: Some(one.gpu.clone()),
                // Models that are refused for one reason do not differ.
                same: cells.windows(2).all(|two| two[0] == two[1]),
                ..Row::new(key, label, unit, cells)
            }
        };
        rows.push(row("fits", "verdict", Unit::Text, &|placed| {
            let word = if placed.fit.fits() {
                "fits"
            } else {
                "does not fit"
            };
            Cell::Text(word.to_owned())
        }));
        rows.push(row("headroom", "to spare", Unit::Bytes, &|placed| {
            Cell::Number(placed.fit.headroom)
        }));
        rows.push(row(
            "total",
            "taken on the fullest GPU",
            Unit::Bytes,
            &|placed| Cell::Number(placed.fit.on_fullest().total().into()),
        ));
        rows.push(row("requests", "requests at most", Unit::Count, &requests));
    }
    rows
}

/// How long the requests are that the models were tried with: as long as each allows, if nothing was said.
fn context(tried: &[Tried]) -> Option<Row> {
    let models = tried.first()?.fits.len();
    let cells = (0..models)
        .map(|at| {
            let fit = tried.iter().find_map(|one| one.of(at));
            fit.map_or(Cell::None, |fit| Cell::Number(fit.settings.context.into()))
        })
        .collect();
    Some(Row::new(
        "fit_context",
        "tokens of a request",
        Unit::Tokens,
        cells,
    ))
}

/// The most requests of that length that fit at one time.
fn requests(placed: &Placed) -> Cell {
    match solve::max_concurrency(&placed.subject, &placed.fit.deployment) {
        Ok(answer) => {
            let most = answer.limit().map_or(0, |limit| limit.value);
            Cell::Number(most.into())
        }
        Err(error) => Cell::Missing(error.to_string()),
    }
}
