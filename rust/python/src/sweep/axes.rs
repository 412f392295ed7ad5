//! Keywords of a sweep: what is one value is asked of every point, and what is several is an axis.

use crate::architecture::to_value;
use crate::errors::PonderaError;
use crate::given::{self, Given, fit_error};
use pondera::request::Request;
use pondera::sweep::{Axis, By, Kind, Value, What, has_numbers_for_ends, is_range, range, set};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyList, PyString, PyTuple};
use std::path::PathBuf;

/// What keywords ask of every point, and the axes that they span, in their order.
pub fn read(
    asked: &Bound<'_, PyDict>,
    mind: Option<&Bound<'_, PyDict>>,
    gpu_file: Option<PathBuf>,
) -> PyResult<(Request, Vec<Axis>)> {
    let mut alone = Vec::new();
    let mut axes = Vec::new();
    for (name, given) in asked {
        let name: String = name.extract()?;
        let what = what(&name)?;
        let values = values(&what, &given, gpu_file.as_ref())?;
        match values {
            Values::One(value) => alone.push((what, value)),
            Values::Several(values) => axes.push(Axis::new(what, values).map_err(fit_error)?),
        }
    }
    for (field, given) in mind.into_iter().flatten() {
        let what = What::Mind(field.extract()?);
        let values = match values(&what, &given, None)? {
            Values::One(value) => vec![value],
            Values::Several(values) => values,
        };
        axes.push(Axis::new(what, values).map_err(fit_error)?);
    }
    let of_gpus = axes.iter().find(|axis| axis.what == What::Gpu);
    let gpu = of_gpus.and_then(|axis| axis.values.first());
    let request = asked_of_all(&alone, gpu)?;
    Ok((request, axes))
}

/// What keywords ask of every row of a table, of which a column may name the GPU.
pub fn request(
    asked: &Bound<'_, PyDict>,
    gpu: Option<&Value>,
    gpu_file: Option<PathBuf>,
) -> PyResult<Request> {
    let mut alone = Vec::new();
    for (name, given) in asked {
        let what = what(&name.extract::<String>()?)?;
        let value = one(&what, &given, gpu_file.as_ref())?;
        alone.push((what, value));
    }
    asked_of_all(&alone, gpu)
}

/// What points are counted apart by: a name, several, or a mapping of names to how many values are taken together.
pub fn grouped(by: &Bound<'_, PyAny>) -> PyResult<Vec<By>> {
    if let Ok(name) = by.extract::<String>() {
        return Ok(vec![By::values(&name)]);
    }
    if let Ok(each) = by.cast::<PyDict>() {
        let entry = |(name, each): (Bound<'_, PyAny>, Bound<'_, PyAny>)| {
            let (name, each) = (name.extract()?, each.extract()?);
            Ok(By { name, each })
        };
        return each.iter().map(entry).collect();
    }
    let names = by.try_iter()?;
    names
        .map(|name| Ok(By::values(&name?.extract::<String>()?)))
        .collect()
}

/// The keyword of a name.
pub fn what(name: &str) -> PyResult<What> {
    What::named(name).ok_or_else(|| {
        let known: Vec<_> = What::REQUEST.iter().map(What::name).collect();
        PyTypeError::new_err(format!(
            "{name} is no keyword of fit; there are {}",
            known.join(", ")
        ))
    })
}

fn asked_of_all(alone: &[(What, Value)], gpu: Option<&Value>) -> PyResult<Request> {
    let said = alone.iter().find(|(what, _)| *what == What::Gpu);
    let Some(Value::Gpu(gpu)) = said.map(|(_, value)| value).or(gpu) else {
        return Err(PyTypeError::new_err("gpu is missing: name one, or several"));
    };
    let mut request = Request::new((**gpu).clone(), "vllm");
    for (what, value) in alone {
        set(&mut request, what, value);
    }
    Ok(request)
}

enum Values {
    One(Value),
    Several(Vec<Value>),
}

fn values(what: &What, given: &Bound<'_, PyAny>, gpu_file: Option<&PathBuf>) -> PyResult<Values> {
    let several = match given.cast::<PyString>() {
        Ok(text) => is_written_range(what, text.to_str()?),
        Err(_) => {
            !given.is_instance_of::<PyBytes>()
                && !given.is_instance_of::<PyDict>()
                && given.hasattr("__iter__")?
        }
    };
    if !several {
        return one(what, given, gpu_file).map(Values::One);
    }
    let mut all = Vec::new();
    if given.is_instance_of::<PyString>() {
        add(&mut all, what, given, gpu_file)?;
    } else {
        for given in given.try_iter()? {
            add(&mut all, what, &given?, gpu_file)?;
        }
    }
    Ok(Values::Several(all))
}

/// Whether a text is a range of values. Of a field of a config other texts may have two dots, too.
fn is_written_range(what: &What, text: &str) -> bool {
    match what.kind() {
        Kind::Count | Kind::OptionalCount => is_range(text),
        Kind::Json => has_numbers_for_ends(text),
        _ => false,
    }
}

/// Adds a value, or all of a range that is written as a text.
fn add(
    all: &mut Vec<Value>,
    what: &What,
    given: &Bound<'_, PyAny>,
    gpu_file: Option<&PathBuf>,
) -> PyResult<()> {
    let text: Option<String> = given.extract().ok();
    if let Some(text) = text.filter(|text| is_written_range(what, text)) {
        let numbers = range(what.name(), &text).map_err(fit_error)?;
        all.extend(numbers.into_iter().map(|number| match what.kind() {
            Kind::Json => Value::Json(number.to_string()),
            _ => Value::Count(number),
        }));
    } else {
        all.push(one(what, given, gpu_file)?);
    }
    Ok(())
}

/// One value of an axis.
pub fn one(what: &What, given: &Bound<'_, PyAny>, gpu_file: Option<&PathBuf>) -> PyResult<Value> {
    let (name, kind) = (what.name(), what.kind());
    if given.is_none() && kind.is_optional() {
        return Ok(Value::Open);
    }
    let wrong = |wanted: &str| {
        let found = given.get_type().name()?.extract::<String>()?;
        Err(PyTypeError::new_err(format!(
            "{name} must be {wanted}, not {found}"
        )))
    };
    match kind {
        Kind::Gpu => given::gpu(given, gpu_file.cloned()).map(|found| Value::Gpu(Box::new(found))),
        Kind::Name | Kind::OptionalName => match given.extract::<String>() {
            Ok(text) => what.name_value(&text).map_err(fit_error),
            Err(_) => wrong("a name"),
        },
        Kind::Count | Kind::OptionalCount => {
            given.extract::<Given>()?.count(name).map(Value::Count)
        }
        Kind::OptionalBytes => given.extract::<Given>()?.bytes(name).map(Value::Count),
        Kind::OptionalShare => {
            let share = given::share(name, Some(given))?;
            Ok(share.map_or(Value::Open, Value::Share))
        }
        // Those of NumPy too.
        Kind::Flag | Kind::OptionalFlag => match given.extract::<bool>() {
            Ok(flag) => Ok(Value::Flag(flag)),
            Err(_) => wrong("True or False"),
        },
        Kind::Json => json(name, given),
    }
}

/// A value of a config's field.
fn json(name: &str, given: &Bound<'_, PyAny>) -> PyResult<Value> {
    // What NumPy has, as Python has it.
    let given = if given.hasattr("dtype")? {
        &given.call_method0("tolist")?
    } else {
        given
    };
    match to_value(given) {
        Ok(_) if has_no_number(given)? => Err(PonderaError::new_err(format!(
            "{name}: {given} is no value that a config has; its numbers are finite"
        ))),
        Ok(value) => Ok(Value::Json(value.to_string())),
        Err(error) if error.is_instance_of::<PyTypeError>(given.py()) => {
            let why = error.value(given.py()).str()?;
            Err(PyTypeError::new_err(format!(
                "{name} must be a value that a config has: {why}"
            )))
        }
        Err(error) => Err(error),
    }
}

/// Whether a float that is no number, or is without end, is in a value that JSON can write.
fn has_no_number(given: &Bound<'_, PyAny>) -> PyResult<bool> {
    if let Ok(float) = given.cast::<PyFloat>() {
        return Ok(!float.value().is_finite());
    }
    let within = if let Ok(fields) = given.cast::<PyDict>() {
        fields.values().into_any()
    } else if given.is_instance_of::<PyList>() || given.is_instance_of::<PyTuple>() {
        given.clone()
    } else {
        return Ok(false);
    };
    for each in within.try_iter()? {
        if has_no_number(&each?)? {
            return Ok(true);
        }
    }
    Ok(false)
}
