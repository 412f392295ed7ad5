//! Rows of one deployment but for the context and the requests, which may be any.

use super::batch::Batch;
use super::hot::{Hot, Place};
use super::memo::{Body, Cell, Memo, Open, Placed, Source, is_number};
use crate::deployment::Reason;
use std::sync::Arc;

/// How many answers are looked through before the tables are asked.
const MOST_KNOWN: usize = 8;

/// One row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    /// Its number.
    pub number: u32,
    /// Tokens, if said.
    pub context: Option<u64>,
    /// Requests at one time, over all replicas.
    pub concurrency: u64,
}

/// A row that may be.
#[derive(Clone, Copy, Debug)]
struct Running {
    number: u32,
    tokens: u64,
    /// Requests of a replica.
    requests: u64,
}

/// What is the same for several contexts.
type Known = (u64, u64, Result<Arc<Placed>, Reason>);

/// Rows sorted by what lies beside their caches, and room to work in.
#[derive(Debug, Default)]
pub(super) struct Singles {
    known: Vec<Known>,
    alike: Vec<(Arc<Placed>, Vec<Running>)>,
    refused: Vec<(u32, Reason)>,
    /// Lists that are not in use.
    spare: Vec<Vec<Running>>,
    reserved: Vec<Vec<u64>>,
}

impl Singles {
    /// Adds the rows to a batch, and their numbers to `order` as they were added.
    pub fn add(
        &mut self,
        (source, memo): (&Source, &mut Memo),
        cell: &Cell,
        rows: impl Iterator<Item = Row>,
        (batch, order): (&mut Batch, &mut Vec<u32>),
    ) {
        for row in rows {
            let place = Hot::place(row.context);
            match cell {
                Cell::Unknown(reason) => self.refused.push((row.number, *reason)),
                _ if !is_number(place, row.concurrency) => {
                    self.refused.push((row.number, Reason::Value));
                }
                Cell::Refused(reason) => self.refused.push((row.number, *reason)),
                Cell::Open(open) => self.sort((source, memo), open, place, row),
            }
        }
        for (number, reason) in self.refused.drain(..) {
            batch.refused(reason, 1);
            order.push(number);
        }
        if let Cell::Open(open) = cell {
            for (placed, mut rows) in self.alike.drain(..) {
                if let Ok(body) = &placed.body {
                    add(&mut self.reserved, open, body, &rows, batch);
                    order.extend(rows.iter().map(|row| row.number));
                }
                rows.clear();
                self.spare.push(rows);
            }
        }
        self.known.clear();
    }

    /// Sorts a row to those alike.
    fn sort(&mut self, (source, memo): (&Source, &mut Memo), open: &Open, place: Place, row: Row) {
        let placed = match place {
            Place::At(context) if !open.reads_requests() => {
                let covers = |known: &&Known| known.0 <= context && context <= known.1;
                if let Some((_, _, placed)) = self.known.iter().find(covers) {
                    placed.clone()
                } else {
                    let known = memo.placed_between(source, open, context);
                    let placed = known.2.clone();
                    if self.known.len() == MOST_KNOWN {
                        self.known.clear();
                    }
                    self.known.push(known);
                    placed
                }
            }
            _ => memo.placed(source, open, place, row.concurrency),
        };
        let requests = open.requests_of(row.concurrency);
        let placed = placed.and_then(|placed| placed.with(requests).map(|_| ()).map(|()| placed));
        let placed = match placed {
            Ok(placed) => placed,
            Err(reason) => return self.refused.push((row.number, reason)),
        };
        let running = Running {
            number: row.number,
            tokens: row.context.unwrap_or(placed.settings.context),
            requests,
        };
        // Few are told apart at a time: those that came last are looked at.
        let near = self.alike.len().saturating_sub(MOST_KNOWN);
        let found = self.alike[near..].iter_mut().rev();
        let mut found = found.filter(|(known, _)| Arc::ptr_eq(known, &placed));
        if let Some((_, rows)) = found.next() {
            rows.push(running);
        } else {
            let mut rows = self.spare.pop().unwrap_or_default();
            rows.push(running);
            self.alike.push((placed, rows));
        }
    }
}

/// Adds rows with the same beside their caches.
fn add(lists: &mut Vec<Vec<u64>>, open: &Open, body: &Body, rows: &[Running], batch: &mut Batch) {
    lists.resize_with(body.stages.len(), Vec::new);
    for list in lists.iter_mut() {
        list.clear();
    }
    for row in rows {
        body.laid.reserve(row.tokens, &[row.requests], lists);
    }
    if let ([stage], [list]) = (&*body.stages, &**lists) {
        batch.on_one_stage(open, stage, list);
        if batch.wants_pools() {
            for row in rows {
                batch.pool(body.pool(row.tokens, row.requests));
            }
        }
        return;
    }
    for (at, row) in rows.iter().enumerate() {
        batch.placed(open, body, (row.tokens, row.requests), |stage| {
            lists[stage].get(at).copied().unwrap_or(0)
        });
    }
}
