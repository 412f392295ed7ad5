//! Rows worked out, a run of them at a time: columns of numbers.

use super::Sweep;
use super::field::{Field, Fields, code};
use super::hot::Place;
use super::memo::{Body, Cell, Memo, OnStage, Open, Placed, Source, is_number};
use crate::deployment::Reason;
use crate::engine::Pool;
use crate::fit::fullest_of;
use std::sync::Arc;

/// Columns of rows one after another. Columns that are not wanted stay empty.
#[derive(Debug, Default)]
pub(super) struct Batch {
    wanted: Fields,
    columns: [Vec<u64>; Field::ALL.len()],
    rows: usize,
}

/// A part of what lies on a stage.
type Part = fn(&OnStage) -> u64;

/// A signed number within 64 bits, at the end where it would not fit: no GPU is short of as much.
fn signed(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

impl Batch {
    /// Of these columns.
    pub fn of(wanted: Fields) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    /// How many rows there are.
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// A column, of which headroom is in two's complement.
    pub fn column(&self, field: Field) -> &[u64] {
        &self.columns[field as usize]
    }

    /// Leaves no rows.
    pub fn clear(&mut self) {
        for column in &mut self.columns {
            column.clear();
        }
        self.rows = 0;
    }

    fn add(&mut self, field: Field, value: u64, times: usize) {
        if self.wanted.has(field) {
            let column = &mut self.columns[field as usize];
            column.resize(column.len() + times, value);
        }
    }

    /// Adds rows that are refused.
    pub fn refused(&mut self, reason: Reason, times: usize) {
        for field in Field::ALL {
            let value = if field == Field::Reason {
                code(Some(reason))
            } else {
                0
            };
            self.add(field, value, times);
        }
        self.rows += times;
    }

    /// Adds the rows of a run: those of a point and the ones after it of the last digit of an order.
    pub fn run(&mut self, sweep: &Sweep, memo: &mut Memo, inner: usize, at: &[u64], count: u64) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let moves = &sweep.moves[inner];
        let mut at = at.to_vec();
        let first = at[inner];
        if moves.is_cold {
            for step in 0..count {
                at[inner] = first + step as u64;
                let cell = sweep.cell(memo, &at);
                let (context, requests) = sweep.hot(&at);
                self.point(&sweep.source, memo, &cell, context, requests);
            }
            return;
        }
        let cell = sweep.cell(memo, &at);
        if !moves.context
            && let Cell::Open(open) = &cell
            && sweep.requests_may_be
        {
            let (context, requests) = sweep.hot(&at);
            let requests = requests..requests + count;
            if !open.reads_requests() {
                return self.requests(&sweep.source, memo, open, context, requests);
            }
            if sweep.source.hot.is_rising && open.has_one_plan() {
                return self.crowd(&sweep.source, memo, open, context, requests);
            }
        }
        for step in 0..count {
            at[inner] = first + step as u64;
            let (context, requests) = sweep.hot(&at);
            self.point(&sweep.source, memo, &cell, context, requests);
        }
    }

    /// Adds the rows of one context and many numbers of requests.
    fn requests(
        &mut self,
        source: &Source,
        memo: &mut Memo,
        open: &Arc<Open>,
        context: usize,
        requests: std::ops::Range<usize>,
    ) {
        let place = source.hot.places[context];
        let count = requests.len();
        if place == Place::Out {
            return self.refused(Reason::Value, count);
        }
        let placed = match memo.placed(source, open, place, 1) {
            Ok(placed) => placed,
            Err(reason) => return self.refused(reason, count),
        };
        // Pieces in which all run at one time, or none does.
        let mut from = requests.start;
        while from < requests.end {
            let runs = |at: usize| placed.settings.runs(open.requests[at]);
            let first = runs(from);
            let to = (from + 1..requests.end).find(|&at| runs(at) != first);
            let piece = from..to.unwrap_or(requests.end);
            from = piece.end;
            match placed.with(open.requests[piece.start]) {
                Ok(body) => {
                    self.piece(source, memo, open, (&placed, body), context, piece);
                }
                Err(reason) => self.refused(reason, piece.len()),
            }
        }
    }

    /// Adds the rows of one context and many numbers of requests that change what lies beside the cache.
    fn crowd(
        &mut self,
        source: &Source,
        memo: &mut Memo,
        open: &Open,
        context: usize,
        requests: std::ops::Range<usize>,
    ) {
        let place = source.hot.places[context];
        if place == Place::Out {
            return self.refused(Reason::Value, requests.len());
        }
        for stretch in memo.beside(source, open, place, requests) {
            let beside = match stretch.beside {
                Ok(beside) => beside,
                Err(reason) => {
                    self.refused(reason, stretch.requests.len());
                    continue;
                }
            };
            let tokens = source.hot.contexts[context].unwrap_or(beside.context);
            let count = beside.stages.len();
            let reserved = memo.reserved_of(open, &beside.laid, count, tokens);
            if let ([stages], [list]) = (&*beside.stages, &*reserved.stages) {
                self.on_stages(open, stages, &list[stretch.requests.clone()]);
                if self.wants_pools() {
                    for (at, stage) in stretch.requests.zip(stages) {
                        let rooms = [stage.pool_bytes()];
                        self.pool(beside.laid.pool(&rooms, tokens, open.requests[at]));
                    }
                }
                continue;
            }
            for (row, at) in stretch.requests.enumerate() {
                let body = Body {
                    stages: beside.stages.iter().map(|stage| stage[row]).collect(),
                    laid: Arc::clone(&beside.laid),
                };
                self.placed(open, &body, (tokens, open.requests[at]), |stage| {
                    reserved.stages[stage][at]
                });
            }
        }
    }

    /// Adds rows of one stage, each with what lies there and what is set aside.
    fn on_stages(&mut self, open: &Open, stages: &[OnStage], list: &[u64]) {
        let usable = open.usable();
        let parts: [(Field, Part); 5] = [
            (Field::Weights, |stage| stage.used.weights),
            (Field::Activations, |stage| stage.used.activations),
            (Field::Overhead, |stage| stage.used.overhead),
            (Field::CudaContext, |stage| stage.used.context),
            (Field::CudaGraphs, |stage| stage.used.graphs),
        ];
        for (field, part) in parts {
            if self.wanted.has(field) {
                self.columns[field as usize].extend(stages.iter().map(part));
            }
        }
        self.add(Field::Reason, 0, list.len());
        self.same(open, list.len());
        let rows = || stages.iter().zip(list.iter().copied());
        if self.wanted.has(Field::Cache) {
            self.columns[Field::Cache as usize].extend_from_slice(list);
        }
        if self.wanted.has(Field::Total) {
            let totals = rows().map(|(stage, bytes)| stage.used.total().saturating_add(bytes));
            self.columns[Field::Total as usize].extend(totals);
        }
        if self.wanted.has(Field::Fits) {
            let fits = rows().map(|(stage, bytes)| u64::from(stage.headroom(usable, bytes) >= 0));
            self.columns[Field::Fits as usize].extend(fits);
        }
        if self.wanted.has(Field::Headroom) {
            let spare =
                rows().map(|(stage, bytes)| signed(stage.headroom(usable, bytes)).cast_unsigned());
            self.columns[Field::Headroom as usize].extend(spare);
        }
        self.rows += list.len();
    }

    /// Adds the rows of one context and requests that all run at one time.
    fn piece(
        &mut self,
        source: &Source,
        memo: &mut Memo,
        open: &Arc<Open>,
        (placed, body): (&Placed, &Body),
        context: usize,
        requests: std::ops::Range<usize>,
    ) {
        let tokens = source.hot.contexts[context].unwrap_or(placed.settings.context);
        let reserved = memo.reserved(open, body, tokens);
        let ([stage], [list]) = (&*body.stages, &*reserved.stages) else {
            for at in requests {
                self.placed(open, body, (tokens, open.requests[at]), |stage| {
                    reserved.stages[stage][at]
                });
            }
            return;
        };
        self.on_one_stage(open, stage, &list[requests.clone()]);
        if self.wants_pools() {
            let mut known = None;
            for at in requests {
                let pool = match known {
                    Some(pool) if !open.pool_reads_requests() => pool,
                    _ => body.pool(tokens, open.requests[at]),
                };
                known = Some(pool);
                self.pool(pool);
            }
        }
    }

    /// Adds rows of one stage, but for what tells of the whole cache: `list` has what is set aside for each.
    pub fn on_one_stage(&mut self, open: &Open, stage: &OnStage, list: &[u64]) {
        let count = list.len();
        let usable = open.usable();
        let used = stage.used.total();
        for (field, value) in [
            (Field::Reason, 0),
            (Field::Weights, stage.used.weights),
            (Field::Activations, stage.used.activations),
            (Field::Overhead, stage.used.overhead),
            (Field::CudaContext, stage.used.context),
            (Field::CudaGraphs, stage.used.graphs),
        ] {
            self.add(field, value, count);
        }
        self.same(open, count);
        if self.wanted.has(Field::Cache) {
            self.columns[Field::Cache as usize].extend_from_slice(list);
        }
        if self.wanted.has(Field::Total) {
            let totals = list.iter().map(|&bytes| used.saturating_add(bytes));
            self.columns[Field::Total as usize].extend(totals);
        }
        if self.wanted.has(Field::Fits) {
            let fits = &mut self.columns[Field::Fits as usize];
            match stage.most(usable) {
                Some(most) => fits.extend(list.iter().map(|&bytes| u64::from(bytes <= most))),
                None => fits.resize(fits.len() + count, 0),
            }
        }
        if self.wanted.has(Field::Headroom) {
            let spare = list
                .iter()
                .map(|&bytes| signed(stage.headroom(usable, bytes)).cast_unsigned());
            self.columns[Field::Headroom as usize].extend(spare);
        }
        self.rows += count;
    }

    /// Whether anything of the whole cache is wanted.
    pub const fn wants_pools(&self) -> bool {
        self.wanted.has(Field::CacheTokens) || self.wanted.has(Field::MaxConcurrency)
    }

    /// Adds what tells of the whole cache to a row.
    pub fn pool(&mut self, pool: Pool) {
        let most = pool
            .concurrency
            .and_then(|(pool, each)| pool.checked_div(each));
        self.add(Field::CacheTokens, pool.tokens, 1);
        self.add(Field::MaxConcurrency, most.unwrap_or(0), 1);
    }

    /// Adds what is the same for all contexts and requests.
    fn same(&mut self, open: &Open, count: usize) {
        self.add(Field::Usable, open.usable(), count);
        self.add(Field::Gpus, open.gpus, count);
        if self.wanted.has(Field::Parameters) || self.wanted.has(Field::ActiveParameters) {
            let total = open.subject.architecture.total();
            self.add(Field::Parameters, total.parameters, count);
            self.add(Field::ActiveParameters, total.active, count);
        }
    }

    /// Adds one row.
    pub fn point(
        &mut self,
        source: &Source,
        memo: &mut Memo,
        cell: &Cell,
        context: usize,
        requests: usize,
    ) {
        let place = source.hot.places[context];
        let concurrency = source.hot.concurrency[requests];
        let open = match cell {
            Cell::Unknown(reason) => return self.refused(*reason, 1),
            _ if !is_number(place, concurrency) => return self.refused(Reason::Value, 1),
            Cell::Refused(reason) => return self.refused(*reason, 1),
            Cell::Open(open) => open,
        };
        let placed = match memo.placed(source, open, place, concurrency) {
            Ok(placed) => placed,
            Err(reason) => return self.refused(reason, 1),
        };
        let body = match placed.with(open.requests[requests]) {
            Ok(body) => body,
            Err(reason) => return self.refused(reason, 1),
        };
        let tokens = source.hot.contexts[context].unwrap_or(placed.settings.context);
        let reserved = memo.reserved(open, body, tokens);
        self.placed(open, body, (tokens, open.requests[requests]), |stage| {
            reserved.stages[stage][requests]
        });
    }

    /// Adds one row of what is placed.
    pub fn placed(
        &mut self,
        open: &Open,
        body: &Body,
        (tokens, requests): (u64, u64),
        reserved: impl Fn(usize) -> u64,
    ) {
        let usable = open.usable();
        let (fullest, headroom) = fullest_of(
            body.stages
                .iter()
                .enumerate()
                .map(|(number, stage)| stage.headroom(usable, reserved(number))),
        );
        let cache = reserved(fullest);
        let used = body.stages[fullest].used;
        for (field, value) in [
            (Field::Fits, u64::from(headroom >= 0)),
            (Field::Reason, 0),
            (Field::Weights, used.weights),
            (Field::Cache, cache),
            (Field::Activations, used.activations),
            (Field::Overhead, used.overhead),
            (Field::CudaContext, used.context),
            (Field::CudaGraphs, used.graphs),
            (Field::Total, used.total().saturating_add(cache)),
            (Field::Headroom, signed(headroom).cast_unsigned()),
        ] {
            self.add(field, value, 1);
        }
        self.same(open, 1);
        if self.wants_pools() {
            self.pool(body.pool(tokens, requests));
        }
        self.rows += 1;
    }
}
