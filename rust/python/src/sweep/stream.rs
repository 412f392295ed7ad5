//! The points of a sweep as an Arrow stream: batches are worked out when they are read.

use crate::arrow::{capsule as stream_capsule, to_batch, to_schema};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::{ArrowError, SchemaRef};
use pondera::parallel::Control;
use pondera::sweep::{Condition, Run, Sweep, SweepError};
use pondera::table::Table;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::sync::Arc;

/// Points of a batch.
const BATCH: u64 = 1 << 20;

struct Batches {
    sweep: Arc<Sweep>,
    condition: Option<Arc<Condition>>,
    threads: usize,
    schema: SchemaRef,
    next: u64,
}

impl Batches {
    fn table(&self, from: u64, to: u64) -> Result<Table, SweepError> {
        let control = Control::default();
        let run = Run {
            threads: self.threads,
            control: &control,
            chunk: None,
        };
        let columns = self.sweep.columns();
        match &self.condition {
            None => self.sweep.table(from..to, &columns, run),
            Some(condition) => {
                let points = self.sweep.select(from..to, Some(condition), false, run)?;
                self.sweep.rows(&points, &columns, run)
            }
        }
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.sweep.points() {
            return None;
        }
        let from = self.next;
        self.next = from.saturating_add(BATCH).min(self.sweep.points());
        let table = self.table(from, self.next);
        Some(match table {
            Ok(table) => to_batch(&Arc::new(table)),
            Err(error) => Err(ArrowError::ComputeError(error.to_string())),
        })
    }
}

impl RecordBatchReader for Batches {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}

/// The stream of the points of a sweep for which a condition holds.
pub fn capsule(
    py: Python<'_>,
    sweep: Arc<Sweep>,
    condition: Option<Arc<Condition>>,
    threads: usize,
) -> PyResult<Bound<'_, PyCapsule>> {
    let mut batches = Batches {
        sweep,
        condition,
        threads,
        schema: SchemaRef::new(arrow_schema::Schema::empty()),
        next: 0,
    };
    let empty = batches.table(0, 0).map_err(super::sweep_error)?;
    batches.schema = Arc::new(to_schema(&empty));
    stream_capsule(py, Box::new(batches))
}
