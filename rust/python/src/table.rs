//! `Table`: columns as NumPy arrays and as an Arrow stream.

use crate::arrow;
use numpy::ndarray::ArrayView1;
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods};
use pondera::table::{Column, Table as Core};
use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyDict, PyString, PyTuple};
use std::sync::Arc;

/// A table of columns.
///
/// `table["name"]` is a NumPy array; the table itself is an Arrow stream, so `polars.DataFrame(table)`,
/// `pyarrow.table(table)`, `pandas.DataFrame.from_arrow(table)` and DuckDB take it as it is. Tables are equal by value
/// and cannot be hashed, as arrays cannot.
#[pyclass(frozen, module = "pondera")]
pub struct Table(pub Arc<Core>);

#[pymethods]
impl Table {
    /// Names of the columns, in order.
    #[getter]
    fn columns<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.columns().iter().map(|(name, _)| name))
    }

    fn __len__(&self) -> usize {
        self.0.rows()
    }

    /// One column as a NumPy array.
    ///
    /// Whole numbers are `uint64`, or `int64` where they may be negative, and yes and no are `bool`; these are the memory of
    /// the table itself and cannot be written to. A column with missing values is `int64` with -1 for missing; texts and
    /// shapes are object arrays of `str` and of tuples.
    fn __getitem__<'py>(slf: &Bound<'py, Self>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let core = &slf.get().0;
        let column = core.column(name).ok_or_else(|| {
            let known: Vec<_> = core.columns().iter().map(|(name, _)| &**name).collect();
            PyKeyError::new_err(format!(
                "no column {name:?}; there are {}",
                known.join(", ")
            ))
        })?;
        to_numpy(slf, column)
    }

    /// All columns as a dict of NumPy arrays.
    fn to_dict<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyDict>> {
        let columns = PyDict::new(slf.py());
        for (name, column) in slf.get().0.columns() {
            columns.set_item(name, to_numpy(slf, column)?)?;
        }
        Ok(columns)
    }

    /// The Arrow stream of the table, by the Arrow `PyCapsule` interface. A requested schema is not negotiated.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_stream__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyCapsule>> {
        // The interface asks producers that cannot cast to give their own schema.
        drop(requested_schema);
        arrow::stream(py, &self.0)
    }

    /// The Arrow schema of the table, by the Arrow `PyCapsule` interface.
    fn __arrow_c_schema__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyCapsule>> {
        arrow::schema(py, &self.0)
    }

    fn __repr__(&self) -> String {
        let names: Vec<_> = self.0.columns().iter().map(|(name, _)| &**name).collect();
        format!("Table({} rows: {})", self.0.rows(), names.join(", "))
    }

    fn _repr_html_(slf: &Bound<'_, Self>) -> PyResult<String> {
        html(slf.as_any(), "table_html")
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other
            .cast::<Self>()
            .is_ok_and(|other| *self.0 == *other.get().0)
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>,))> {
        crate::checkpoint::reduce(slf.as_any(), &*slf.get().0)
    }

    #[staticmethod]
    fn _from_bytes(bytes: &[u8]) -> PyResult<Self> {
        crate::checkpoint::restore(bytes).map(|core| Self(Arc::new(core)))
    }
}

/// Renders an object for a notebook by the function of this name in `pondera._html`.
pub fn html(object: &Bound<'_, PyAny>, function: &str) -> PyResult<String> {
    object
        .py()
        .import("pondera._html")?
        .call_method1(function, (object,))?
        .extract()
}

/// The memory of a column as an array that keeps the table alive and cannot be written to.
fn view<'py, T: Element>(table: &Bound<'py, Table>, values: &[T]) -> Bound<'py, PyAny> {
    // SAFETY: the values belong to the table, which the array holds on to, and whose columns never change or move.
    let array =
        unsafe { PyArray1::borrow_from_array(&ArrayView1::from(values), table.clone().into_any()) };
    // Nobody else has the array yet.
    array.readwrite().make_nonwriteable();
    array.into_any()
}

/// A column of this table.
fn to_numpy<'py>(table: &Bound<'py, Table>, column: &Column) -> PyResult<Bound<'py, PyAny>> {
    let py = table.py();
    let objects = |items: Vec<Py<PyAny>>| PyArray1::from_vec(py, items).into_any();
    Ok(match column {
        Column::Unsigned(values) => view(table, values),
        Column::Signed(values) => view(table, values),
        Column::Flags(values) => view(table, values),
        Column::Optional(values) => values
            .iter()
            .map(|value| value.map_or(-1, i64::from))
            .collect::<Vec<_>>()
            .into_pyarray(py)
            .into_any(),
        Column::Text(texts) => objects(
            texts
                .iter()
                .map(|text| PyString::new(py, text).into_any().unbind())
                .collect(),
        ),
        Column::Category { codes, values } => {
            let values: Vec<_> = values
                .iter()
                .map(|value| PyString::new(py, value).into_any().unbind())
                .collect();
            objects(
                codes
                    .iter()
                    .map(|&code| values[code as usize].clone_ref(py))
                    .collect(),
            )
        }
        Column::Lists { items, ends } => {
            let mut from = 0;
            let rows = ends.iter().map(|&end| {
                let row = PyTuple::new(py, &items[from..end]);
                from = end;
                row.map(|row| row.into_any().unbind())
            });
            objects(rows.collect::<PyResult<_>>()?)
        }
    })
}
