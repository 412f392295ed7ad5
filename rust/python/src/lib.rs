//! `pondera._native`: the core, seen from Python.
//!
//! Functions here convert their arguments, let go of the interpreter, call the core and convert the result. They
//! compute nothing.

#![expect(
    clippy::doc_markdown,
    reason = "comments on what Python sees are its docstrings, which name exceptions bare"
)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "arguments come from Python by value"
)]

mod architecture;
mod arrow;
mod checkpoint;
mod compare;
mod errors;
mod fit;
mod given;
mod hardware;
mod hub;
mod hub_cache;
mod run;
mod scheme;
mod solve;
mod sweep;
mod table;

/// Scans allocate on threads that live for milliseconds. The system's allocator gives each of them an arena of its
/// own, which costs page faults on every scan; this one keeps the pages.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The compiled half of `pondera`.
#[pyo3::pymodule]
mod _native {
    #[pymodule_export]
    use super::architecture::{
        Architecture, Disagreement, Model, RoleCount, WhatIf, built_in_models, explain_field,
        explain_number, map_facts, model_types,
    };
    #[pymodule_export]
    use super::checkpoint::{
        Checkpoint, Problem, ShardFile, Tally, Tree, disk_bytes, distinct, no_checkpoint,
        problem_codes, role_meanings, role_names, scan, scan_tree,
    };
    #[pymodule_export]
    use super::compare::compare_facts;
    #[pymodule_export]
    use super::errors::{NoCheckpoint, PonderaError, SeveralCheckpoints};
    #[pymodule_export]
    use super::fit::{Fit, Question, engines, fit, question};
    #[pymodule_export]
    use super::hardware::{Gpu, gpu, gpu_vendors, gpus, parse_bytes, parse_count};
    #[pymodule_export]
    use super::hub::HubScan;
    #[pymodule_export]
    use super::hub_cache::{CachedRepo, CachedRevision, HubCache, scan_cache};
    #[pymodule_export]
    use super::scheme::{cache_formats, planned_weights, weight_schemes};
    #[pymodule_export]
    use super::solve::{
        Answer, best_quantization, cheapest_gpu, max_concurrency, max_context, min_gpus,
    };
    #[pymodule_export]
    use super::sweep::{Sweep, fit_many, grid, sweep};
    #[pymodule_export]
    use super::table::Table;
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("COMPARE_MOST", pondera::compare::MOST)?;
        module.add("DEBUG_BUILD", cfg!(debug_assertions))?;
        module.add("FIT_SCHEMA", pondera::fit::SCHEMA)?;
        module.add("GPUS_SCHEMA", pondera::hardware::SCHEMA)?;
        module.add("OFFERS_SCHEMA", pondera::solve::OFFERS_SCHEMA)?;
        module.add("FITS_SCHEMA", pondera::fit::SEVERAL_SCHEMA)?;
        module.add("MAP_SCHEMA", pondera::map::SCHEMA)?;
        module.add("SCAN_SCHEMA", pondera::checkpoint::SCHEMA)?;
        module.add("SHOW_SCHEMA", pondera::model::SCHEMA)
    }
}
