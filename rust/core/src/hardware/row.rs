//! A row of the catalogue's TOML, read field by field, so that an error can name the field.

use super::gpu::{Flops, Gpu, Interconnect, Memory, Usable, Vendor};
use crate::size::{SizeError, parse_bandwidth, parse_bytes, parse_operations};
use toml::{Table, Value};

/// What is wrong with a row: the field, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    pub field: String,
    pub reason: String,
}

/// A row that was read, before the rule for usable bytes.
pub struct Row {
    /// The GPU, with the nominal bytes as the usable ones where the row states none.
    pub gpu: Gpu,
    /// Whether the row states how much is usable.
    pub measured: bool,
}

const FIELDS: &[&str] = &[
    "aliases",
    "bandwidth",
    "common",
    "compute_capability",
    "context",
    "context_source",
    "default_for",
    "flops",
    "interconnect",
    "interconnect_bandwidth",
    "memory",
    "memory_kind",
    "multiprocessors",
    "name",
    "note",
    "per_node",
    "source",
    "unified",
    "usable",
    "usable_source",
    "vendor",
];
const FLOPS: &[&str] = &["bf16", "fp16", "fp32", "fp4", "fp8", "int8", "tf32"];

fn wrong(field: &str, reason: impl Into<String>) -> RowError {
    RowError {
        field: field.to_owned(),
        reason: reason.into(),
    }
}

/// Reads a row.
pub fn read(table: &Table) -> Result<Row, RowError> {
    only(table, FIELDS, "")?;
    let memory = kind(table)?;
    let nominal_bytes = size(table, "memory", parse_bytes)?
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| wrong("memory", "is missing; add the size, such as \"24GiB\""))?;
    let stated = size(table, "usable", parse_bytes)?;
    if stated.is_some_and(|usable| usable > nominal_bytes || usable == 0) {
        return Err(wrong("usable", "must be above 0 and at most `memory`"));
    }
    let usable = match (stated, text(table, "usable_source")?) {
        (Some(_), Some(source)) => Usable::Measured { source },
        (Some(_), None) => Usable::Given,
        (None, Some(_)) => return Err(wrong("usable_source", "has no `usable` beside it")),
        (None, None) => Usable::Derived { how: String::new() },
    };
    let source = required(table, "source", "say where the figures come from")?;
    let gpu = Gpu {
        name: required(table, "name", "add one such as \"RTX-4090\"")?,
        vendor: vendor(table)?,
        memory,
        nominal_bytes,
        usable_bytes: stated.unwrap_or(nominal_bytes),
        usable,
        bandwidth: size(table, "bandwidth", parse_bandwidth)?,
        flops: flops(table)?,
        interconnect: interconnect(table)?,
        per_node: per_node(table)?,
        unified: flag(table, "unified")?.unwrap_or(matches!(memory, Memory::Shared)),
        context_bytes: size(table, "context", parse_bytes)?,
        context_source: text(table, "context_source")?,
        compute_capability: compute_capability(table)?,
        multiprocessors: multiprocessors(table)?,
        aliases: texts(table, "aliases")?,
        default_for: texts(table, "default_for")?,
        common: flag(table, "common")?.unwrap_or(false),
        source,
        note: text(table, "note")?,
    };
    Ok(Row {
        gpu,
        measured: stated.is_some(),
    })
}

/// Refuses fields that are not known, for a misspelt one would be passed over.
fn only(table: &Table, known: &[&str], within: &str) -> Result<(), RowError> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(wrong(
            &format!("{within}{key}"),
            format!("is not known; the fields are {}", known.join(", ")),
        )),
        None => Ok(()),
    }
}

fn text(table: &Table, field: &str) -> Result<Option<String>, RowError> {
    match table.get(field) {
        None => Ok(None),
        Some(Value::String(text)) if !text.trim().is_empty() => Ok(Some(text.clone())),
        Some(_) => Err(wrong(
            field,
            "must be a text in quotation marks, not an empty one",
        )),
    }
}

fn required(table: &Table, field: &str, advice: &str) -> Result<String, RowError> {
    text(table, field)?.ok_or_else(|| wrong(field, format!("is missing; {advice}")))
}

fn texts(table: &Table, field: &str) -> Result<Vec<String>, RowError> {
    let must = || wrong(field, "must be a list of texts, such as [\"one\", \"two\"]");
    match table.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values
            .iter()
            .map(|value| match value {
                Value::String(text) if !text.trim().is_empty() => Ok(text.clone()),
                _ => Err(must()),
            })
            .collect(),
        Some(_) => Err(must()),
    }
}

fn flag(table: &Table, field: &str) -> Result<Option<bool>, RowError> {
    match table.get(field) {
        None => Ok(None),
        Some(Value::Boolean(flag)) => Ok(Some(*flag)),
        Some(_) => Err(wrong(field, "must be true or false")),
    }
}

/// A size or rate: a text with a unit, or a whole number of single ones.
fn size(
    table: &Table,
    field: &str,
    parse: fn(&str) -> Result<u64, SizeError>,
) -> Result<Option<u64>, RowError> {
    table
        .get(field)
        .map(|value| amount(value, field, parse))
        .transpose()
}

fn amount(
    value: &Value,
    field: &str,
    parse: fn(&str) -> Result<u64, SizeError>,
) -> Result<u64, RowError> {
    match value {
        Value::String(text) => parse(text).map_err(|error| wrong(field, error.to_string())),
        Value::Integer(number) => {
            u64::try_from(*number).map_err(|_| wrong(field, "must be 0 or more"))
        }
        _ => Err(wrong(
            field,
            "must be a text with a unit, such as \"24GiB\", or a whole number",
        )),
    }
}

fn kind(table: &Table) -> Result<Memory, RowError> {
    let name = required(
        table,
        "memory_kind",
        "add one of hbm, gddr, gddr-ecc, shared, ram",
    )?;
    Memory::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| {
            wrong(
                "memory_kind",
                "must be one of hbm, gddr, gddr-ecc, shared, ram",
            )
        })
}

fn vendor(table: &Table) -> Result<Vendor, RowError> {
    let names = Vendor::ALL.map(Vendor::name).join(", ");
    let name = required(table, "vendor", &format!("add one of {names}"))?;
    Vendor::named(&name).ok_or_else(|| wrong("vendor", format!("must be one of {names}")))
}

fn flops(table: &Table) -> Result<Flops, RowError> {
    let rates = match table.get("flops") {
        None => return Ok(Flops::default()),
        Some(Value::Table(rates)) => rates,
        Some(_) => {
            return Err(wrong(
                "flops",
                "must be a table, such as { bf16 = \"312T\" }",
            ));
        }
    };
    only(rates, FLOPS, "flops.")?;
    let rate = |name: &str| {
        rates
            .get(name)
            .map(|value| amount(value, &format!("flops.{name}"), parse_operations))
            .transpose()
    };
    Ok(Flops {
        fp32: rate("fp32")?,
        tf32: rate("tf32")?,
        bf16: rate("bf16")?,
        fp16: rate("fp16")?,
        fp8: rate("fp8")?,
        int8: rate("int8")?,
        fp4: rate("fp4")?,
    })
}

fn interconnect(table: &Table) -> Result<Option<Interconnect>, RowError> {
    let rate = size(table, "interconnect_bandwidth", parse_bandwidth)?;
    match (text(table, "interconnect")?, rate) {
        (None, None) => Ok(None),
        (Some(name), Some(bytes_per_second)) => Ok(Some(Interconnect {
            name,
            bytes_per_second,
        })),
        _ => Err(wrong(
            "interconnect",
            "and `interconnect_bandwidth` must be given together",
        )),
    }
}

fn per_node(table: &Table) -> Result<u64, RowError> {
    match table.get("per_node") {
        None => Ok(1),
        Some(Value::Integer(number)) => u64::try_from(*number)
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| wrong("per_node", "must be 1 or more")),
        Some(_) => Err(wrong("per_node", "must be a whole number")),
    }
}

fn multiprocessors(table: &Table) -> Result<Option<u64>, RowError> {
    match table.get("multiprocessors") {
        None => Ok(None),
        Some(Value::Integer(number)) => u64::try_from(*number)
            .ok()
            .filter(|number| (1..=1 << 20).contains(number))
            .map(Some)
            .ok_or_else(|| wrong("multiprocessors", "must be from 1 to 2^20")),
        Some(_) => Err(wrong("multiprocessors", "must be a whole number")),
    }
}

/// As NVIDIA writes it: `"9.0"`.
fn compute_capability(table: &Table) -> Result<Option<(u8, u8)>, RowError> {
    let Some(text) = text(table, "compute_capability")? else {
        return Ok(None);
    };
    text.split_once('.')
        .and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)))
        .map(Some)
        .ok_or_else(|| wrong("compute_capability", "must be a text such as \"9.0\""))
}
