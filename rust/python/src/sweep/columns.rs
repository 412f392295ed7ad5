//! Columns of deployments: a mapping of arrays, or an Arrow stream of any library.

use super::axes;
use crate::errors::PonderaError;
use arrow_array::cast::AsArray;
use arrow_array::ffi_stream::{ArrowArrayStreamReader, FFI_ArrowArrayStream};
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchReader};
use arrow_schema::DataType;
use numpy::{PyArray1, PyArrayMethods};
use pondera::sweep::{Given, Kind, What};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::ffi::PyTypeObject;
use pyo3::prelude::*;
use pyo3::types::{PyCapsule, PyDict};
use std::path::PathBuf;

/// Rows between two looks for Ctrl-C.
const ROWS: usize = 1 << 16;

/// What the columns of a table ask for.
pub fn read(table: &Bound<'_, PyAny>, gpu_file: Option<&PathBuf>) -> PyResult<Vec<(What, Given)>> {
    if table.hasattr("__arrow_c_stream__")? {
        return of_stream(table, gpu_file);
    }
    if !table.hasattr("keys")? {
        let kind = table.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "the table must be a mapping of arrays or an Arrow stream, not {kind}"
        )));
    }
    let mut all = Vec::new();
    for name in table.call_method0("keys")?.try_iter()? {
        let name = name?;
        let what = what(&name.extract::<String>()?)?;
        let given = of_array(&what, &table.get_item(&name)?, gpu_file)?;
        all.push((what, given));
    }
    Ok(all)
}

fn what(name: &str) -> PyResult<What> {
    What::named(name).ok_or_else(|| {
        let known: Vec<_> = What::REQUEST.iter().map(What::name).collect();
        PonderaError::new_err(format!(
            "the column {name:?} is no keyword of fit; leave it out, or name it as one of {}",
            known.join(", ")
        ))
    })
}

const fn is_counted(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Count | Kind::OptionalCount | Kind::OptionalBytes
    )
}

/// A column from anything that NumPy makes an array of.
fn of_array(what: &What, values: &Bound<'_, PyAny>, gpu_file: Option<&PathBuf>) -> PyResult<Given> {
    let py = values.py();
    let numpy = py.import("numpy")?;
    let uneven = || {
        PonderaError::new_err(format!(
            "the column {} must have one value for each row, in one dimension",
            what.name()
        ))
    };
    // What is masked is missing, which only the array itself knows.
    let is_masked = values.is_instance(&numpy.getattr("ma")?.getattr("MaskedArray")?)?;
    let array = if is_masked {
        values.clone()
    } else {
        match numpy.call_method1("asarray", (values,)) {
            // So NumPy refuses rows of different lengths.
            Err(error) if error.is_instance_of::<PyValueError>(py) => return Err(uneven()),
            array => array?,
        }
    };
    if array.getattr("ndim")?.extract::<usize>()? != 1 {
        return Err(uneven());
    }
    let kind: String = array.getattr("dtype")?.getattr("kind")?.extract()?;
    if is_counted(what.kind()) && !is_masked && (kind == "u" || kind == "i") {
        let least: Option<i128> = match array.len()? {
            0 => None,
            _ => Some(array.call_method0("min")?.call_method0("item")?.extract()?),
        };
        if let Some(least) = least.filter(|least| *least < 0) {
            return Err(negative(what, least));
        }
        let whole = array.call_method1("astype", ("uint64",))?;
        return Ok(Given::Counts(whole.cast::<PyArray1<u64>>()?.to_vec()?));
    }
    // A list is gone through as it is: NumPy would make texts of what is mixed.
    let rows = match array.getattr("dtype")?.getattr("kind")?.extract::<&str>() {
        Ok("U" | "S") if !values.hasattr("dtype")? => values.clone(),
        _ => array.call_method0("tolist")?,
    };
    let mut numbering = Numbering::new(py, what, gpu_file);
    let mut codes = Vec::with_capacity(array.len()?);
    for value in rows.try_iter()? {
        codes.push(numbering.code(&value?)?);
    }
    Ok(numbering.finish(codes))
}

fn negative(what: &What, least: i128) -> PyErr {
    PonderaError::new_err(format!(
        "the column {} has {least}, which is below 0",
        what.name()
    ))
}

/// Numbers values as they come.
struct Numbering<'a, 'py> {
    what: &'a What,
    gpu_file: Option<&'a PathBuf>,
    known: Bound<'py, PyDict>,
    values: Vec<pondera::sweep::Value>,
    /// The type of each: `True` and `1.0` are equal to 1, and are something else.
    types: Vec<*mut PyTypeObject>,
    rows: usize,
}

impl<'a, 'py> Numbering<'a, 'py> {
    fn new(py: Python<'py>, what: &'a What, gpu_file: Option<&'a PathBuf>) -> Self {
        Self {
            what,
            gpu_file,
            known: PyDict::new(py),
            values: Vec::new(),
            types: Vec::new(),
            rows: 0,
        }
    }

    fn code(&mut self, value: &Bound<'py, PyAny>) -> PyResult<u32> {
        self.rows += 1;
        if self.rows.is_multiple_of(ROWS) {
            value.py().check_signals()?;
        }
        let own = value.get_type_ptr();
        // What cannot be looked up is no value of any column, and is refused below.
        if let Ok(Some(code)) = self.known.get_item(value) {
            let code: u32 = code.extract()?;
            if self.types[code as usize] == own {
                return Ok(code);
            }
        }
        let read = axes::one(self.what, value, self.gpu_file)?;
        let code = u32::try_from(self.values.len())
            .map_err(|_| PonderaError::new_err("a column has too many different values"))?;
        self.values.push(read);
        self.types.push(own);
        self.known.set_item(value, code)?;
        Ok(code)
    }

    fn finish(self, codes: Vec<u32>) -> Given {
        Given::Values {
            codes,
            values: self.values,
        }
    }
}

/// Columns from an Arrow stream.
fn of_stream(table: &Bound<'_, PyAny>, gpu_file: Option<&PathBuf>) -> PyResult<Vec<(What, Given)>> {
    let capsule = table.call_method0("__arrow_c_stream__")?;
    let capsule = capsule.cast::<PyCapsule>()?;
    let pointer = capsule.pointer_checked(Some(c"arrow_array_stream"))?;
    // SAFETY: a capsule of this name holds a stream of the Arrow C interface, whose content is moved out here: what stays
    // behind is marked as released, so that the capsule frees nothing twice.
    let stream =
        unsafe { FFI_ArrowArrayStream::from_raw(pointer.cast::<FFI_ArrowArrayStream>().as_ptr()) };
    let py = table.py();
    // What makes the stream may wait for Python on other threads, from its schema to its end.
    let mut reader = py
        .detach(|| ArrowArrayStreamReader::try_new(stream))
        .map_err(|error| PonderaError::new_err(error.to_string()))?;
    let read = names_and_batches(py, &mut reader);
    py.detach(move || drop(reader));
    let (names, batches) = read?;
    names
        .into_iter()
        .enumerate()
        .map(|(place, what)| {
            let chunks: Vec<&ArrayRef> = batches.iter().map(|batch| batch.column(place)).collect();
            let given = of_chunks(py, &what, &chunks, gpu_file)?;
            Ok((what, given))
        })
        .collect()
}

/// What the columns of a stream are, and all of its batches, read on this thread as some streams want it.
fn names_and_batches(
    py: Python<'_>,
    reader: &mut ArrowArrayStreamReader,
) -> PyResult<(Vec<What>, Vec<RecordBatch>)> {
    let schema = reader.schema();
    let names = schema.fields().iter().map(|field| what(field.name()));
    let names = names.collect::<PyResult<_>>()?;
    let mut batches = Vec::new();
    while let Some(batch) = py.detach(|| reader.next()) {
        py.check_signals()?;
        batches.push(batch.map_err(|error| PonderaError::new_err(error.to_string()))?);
    }
    Ok((names, batches))
}

fn of_chunks(
    py: Python<'_>,
    what: &What,
    chunks: &[&ArrayRef],
    gpu_file: Option<&PathBuf>,
) -> PyResult<Given> {
    let is_whole = |chunk: &&ArrayRef| chunk.null_count() == 0 && chunk.data_type().is_integer();
    if is_counted(what.kind()) && chunks.iter().all(is_whole) {
        let mut counts = Vec::new();
        for chunk in chunks {
            for value in whole(chunk) {
                counts.push(u64::try_from(value).map_err(|_| negative(what, value))?);
            }
        }
        return Ok(Given::Counts(counts));
    }
    let mut numbering = Numbering::new(py, what, gpu_file);
    let mut codes = Vec::new();
    for chunk in chunks {
        code_chunk(&mut numbering, chunk, &mut codes)?;
    }
    Ok(numbering.finish(codes))
}

/// The values of an array of whole numbers; where one is missing, any.
fn whole(array: &ArrayRef) -> Vec<i128> {
    macro_rules! values {
        ($kind:ty) => {
            array
                .as_primitive::<$kind>()
                .values()
                .iter()
                .map(|&value| value.into())
                .collect()
        };
    }
    match array.data_type() {
        DataType::Int8 => values!(Int8Type),
        DataType::Int16 => values!(Int16Type),
        DataType::Int32 => values!(Int32Type),
        DataType::Int64 => values!(Int64Type),
        DataType::UInt8 => values!(UInt8Type),
        DataType::UInt16 => values!(UInt16Type),
        DataType::UInt32 => values!(UInt32Type),
        DataType::UInt64 => values!(UInt64Type),
        _ => Vec::new(),
    }
}

/// The codes of the values of an array.
fn code_chunk(
    numbering: &mut Numbering<'_, '_>,
    chunk: &ArrayRef,
    codes: &mut Vec<u32>,
) -> PyResult<()> {
    let py = numbering.known.py();
    if let DataType::Dictionary(..) = chunk.data_type() {
        let dictionary = chunk.as_any_dictionary();
        let values = dictionary.values();
        let none = py.None().into_bound(py);
        if values.is_empty() {
            for _ in 0..chunk.len() {
                codes.push(numbering.code(&none)?);
            }
            return Ok(());
        }
        // What no row has need not mean anything.
        let mut known: Vec<Option<u32>> = vec![None; values.len()];
        for (row, key) in dictionary.normalized_keys().into_iter().enumerate() {
            if row % ROWS == 0 {
                py.check_signals()?;
            }
            if chunk.is_null(row) {
                codes.push(numbering.code(&none)?);
            } else if let Some(code) = known[key] {
                codes.push(code);
            } else {
                code_chunk(numbering, &values.slice(key, 1), codes)?;
                known[key] = codes.last().copied();
            }
        }
        return Ok(());
    }
    macro_rules! objects {
        ($values:expr) => {
            for value in $values {
                codes.push(numbering.code(value.into_pyobject(py)?.as_any())?);
            }
        };
    }
    match chunk.data_type() {
        DataType::Utf8 => objects!(chunk.as_string::<i32>().iter()),
        DataType::LargeUtf8 => objects!(chunk.as_string::<i64>().iter()),
        DataType::Utf8View => objects!(chunk.as_string_view().iter()),
        DataType::Boolean => objects!(chunk.as_boolean().iter()),
        DataType::Float16 => objects!(
            chunk
                .as_primitive::<Float16Type>()
                .iter()
                .map(|value| value.map(f64::from))
        ),
        DataType::Float32 => objects!(chunk.as_primitive::<Float32Type>().iter()),
        DataType::Float64 => objects!(chunk.as_primitive::<Float64Type>().iter()),
        DataType::Null => objects!((0..chunk.len()).map(|_| None::<u64>)),
        kind if kind.is_integer() => objects!(
            whole(chunk)
                .into_iter()
                .enumerate()
                .map(|(row, value)| Some(value).filter(|_| chunk.is_valid(row)))
        ),
        other => {
            return Err(PonderaError::new_err(format!(
                "the column {} is of the Arrow type {other}, which is neither numbers, texts nor flags",
                numbering.what.name()
            )));
        }
    }
    Ok(())
}
