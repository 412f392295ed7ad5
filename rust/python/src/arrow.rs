//! Tables as Arrow streams, handed over by the Arrow `PyCapsule` interface.

use arrow_array::builder::{LargeStringBuilder, StringBuilder};
use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::types::UInt32Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, DictionaryArray, Int64Array, LargeListArray, RecordBatch,
    RecordBatchIterator, RecordBatchReader, UInt32Array, UInt64Array,
};
use arrow_buffer::{ArrowNativeType, BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{ArrowError, DataType, Field, Schema};
use pondera::table::{Column, Table};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;
use std::ptr::NonNull;
use std::sync::Arc;

/// The stream of a table: one batch.
pub fn stream<'py>(py: Python<'py>, table: &Arc<Table>) -> PyResult<Bound<'py, PyCapsule>> {
    let batch = py
        .detach(|| to_batch(table))
        .map_err(|error| refused(&error))?;
    let schema = batch.schema();
    capsule(py, Box::new(RecordBatchIterator::new([Ok(batch)], schema)))
}

/// A stream of batches.
pub fn capsule(
    py: Python<'_>,
    batches: Box<dyn RecordBatchReader + Send>,
) -> PyResult<Bound<'_, PyCapsule>> {
    let stream = FFI_ArrowArrayStream::new(batches);
    PyCapsule::new_with_value(py, stream, c"arrow_array_stream")
}

/// The schema of a table.
pub fn schema<'py>(py: Python<'py>, table: &Table) -> PyResult<Bound<'py, PyCapsule>> {
    let schema = FFI_ArrowSchema::try_from(&to_schema(table)).map_err(|error| refused(&error))?;
    PyCapsule::new_with_value(py, schema, c"arrow_schema")
}

fn refused(error: &ArrowError) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The schema of the batches of a table.
pub fn to_schema(table: &Table) -> Schema {
    let fields = table.columns().iter().map(|(name, column)| {
        let nullable = matches!(column, Column::Optional(_));
        Field::new(name, data_type(column), nullable)
    });
    Schema::new(fields.collect::<Vec<_>>())
}

fn data_type(column: &Column) -> DataType {
    match column {
        Column::Unsigned(_) => DataType::UInt64,
        Column::Signed(_) => DataType::Int64,
        Column::Flags(_) => DataType::Boolean,
        Column::Optional(_) => DataType::UInt32,
        Column::Text(_) => DataType::LargeUtf8,
        Column::Category { .. } => {
            DataType::Dictionary(Box::new(DataType::UInt32), Box::new(DataType::Utf8))
        }
        Column::Lists { .. } => DataType::LargeList(item()),
    }
}

fn item() -> Arc<Field> {
    Arc::new(Field::new("item", DataType::UInt64, false))
}

/// A table as a batch: whole numbers and codes are the memory of the table itself.
pub fn to_batch(table: &Arc<Table>) -> Result<RecordBatch, ArrowError> {
    let arrays = table
        .columns()
        .iter()
        .map(|(_, column)| to_array(table, column))
        .collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::new(to_schema(table)), arrays)
}

/// The memory of a column as a buffer that keeps the table alive.
fn view<T: ArrowNativeType>(table: &Arc<Table>, values: &[T]) -> ScalarBuffer<T> {
    let start = NonNull::from(values).cast();
    let owner: Arc<Table> = Arc::clone(table);
    // SAFETY: the values belong to the table, which the buffer holds on to, and whose columns never change or move.
    let buffer = unsafe { Buffer::from_custom_allocation(start, size_of_val(values), owner) };
    ScalarBuffer::new(buffer, 0, values.len())
}

fn to_array(table: &Arc<Table>, column: &Column) -> Result<ArrayRef, ArrowError> {
    Ok(match column {
        Column::Unsigned(values) => Arc::new(UInt64Array::new(view(table, values), None)),
        Column::Signed(values) => Arc::new(Int64Array::new(view(table, values), None)),
        Column::Flags(values) => {
            let bits = BooleanBuffer::collect_bool(values.len(), |row| values[row]);
            Arc::new(BooleanArray::new(bits, None))
        }
        Column::Optional(values) => Arc::new(UInt32Array::from(values.clone())),
        Column::Text(texts) => {
            let mut builder =
                LargeStringBuilder::with_capacity(texts.ends.len(), texts.joined.len());
            for text in texts.iter() {
                builder.append_value(text);
            }
            Arc::new(builder.finish())
        }
        Column::Category { codes, values } => {
            let mut builder = StringBuilder::new();
            for value in values {
                builder.append_value(value);
            }
            let values: Arc<dyn Array> = Arc::new(builder.finish());
            Arc::new(DictionaryArray::<UInt32Type>::try_new(
                UInt32Array::new(view(table, codes), None),
                values,
            )?)
        }
        Column::Lists { items, ends } => {
            let lengths = ends
                .iter()
                .scan(0, |from, &end| Some(end - std::mem::replace(from, end)));
            Arc::new(LargeListArray::try_new(
                item(),
                OffsetBuffer::from_lengths(lengths),
                Arc::new(UInt64Array::new(view(table, items), None)),
                None,
            )?)
        }
    })
}
