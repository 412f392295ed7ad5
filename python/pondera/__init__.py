"""Pondera: how heavy is this model, what is it made of, and where does it fit?

Weigh a folder of safetensors by its headers alone:

    >>> import pondera
    >>> checkpoint = pondera.scan("Meta-Llama-3.1-8B")
    >>> checkpoint.parameters, checkpoint.stored_bytes
    (8030261248, 16060522496)
    >>> checkpoint.roles["attention"].bytes  # bytes; also .parameters and .tensors
    2684354560

Read the mind of one by its config alone, or by its name:

    >>> architecture = pondera.Architecture.from_config("llama-3.1-8b")
    >>> architecture.parameters, architecture.cache_bytes(131072)
    (8030261248, 17179869184)

Ask whether it fits:

    >>> fit = pondera.fit("llama-3.1-8b", gpu="L4", engine="transformers", context="8k")
    >>> fit.fits, fit.weights, fit.cache
    (True, 16060522496, 1073741824)

Look a GPU up by any of its names; `pondera.gpus()` lists all:

    >>> gpu = pondera.gpu("h100")
    >>> gpu.name, gpu.usable_bytes, gpu.bandwidth  # bytes, bytes per second
    ('H100-SXM-80GB', 85029615042, 3350000000000)

`checkpoint.table()` has a row per tensor for NumPy, Polars, pandas, PyArrow and DuckDB, and `scan_tree` finds
every model below a folder. The command `pondera` does the same in a terminal.
"""

import warnings

from pondera._compare import Comparison, compare
from pondera._explain import explain
from pondera._hub.failure import HubError
from pondera._hub.local_cache import scan_cache
from pondera._map import Map, draw
from pondera._native import (
    DEBUG_BUILD,
    Answer,
    Architecture,
    Checkpoint,
    Disagreement,
    Fit,
    Gpu,
    HubCache,
    Model,
    NoCheckpoint,
    PonderaError,
    Problem,
    RoleCount,
    SeveralCheckpoints,
    ShardFile,
    Sweep,
    Table,
    Tally,
    Tree,
    WhatIf,
    __version__,
    built_in_models,
    engines,
    fit,
    gpu,
    gpus,
    grid,
    model_types,
    problem_codes,
    role_names,
)
from pondera._report import Report, report
from pondera._scan import Scanned, scan, scan_many, scan_tree
from pondera._solve import best_quantization, cheapest_gpu, max_concurrency, max_context, min_gpus
from pondera._sweep import fit_many, sweep

__all__ = [
    "Answer",
    "Architecture",
    "Checkpoint",
    "Comparison",
    "Disagreement",
    "Fit",
    "Gpu",
    "HubCache",
    "HubError",
    "Map",
    "Model",
    "NoCheckpoint",
    "PonderaError",
    "Problem",
    "Report",
    "RoleCount",
    "Scanned",
    "SeveralCheckpoints",
    "ShardFile",
    "Sweep",
    "Table",
    "Tally",
    "Tree",
    "WhatIf",
    "__version__",
    "best_quantization",
    "built_in_models",
    "cheapest_gpu",
    "compare",
    "draw",
    "engines",
    "explain",
    "fit",
    "fit_many",
    "gpu",
    "gpus",
    "grid",
    "max_concurrency",
    "max_context",
    "min_gpus",
    "model_types",
    "problem_codes",
    "report",
    "role_names",
    "scan",
    "scan_cache",
    "scan_many",
    "scan_tree",
    "sweep",
]

if DEBUG_BUILD:
    warnings.warn(
        "this pondera was built without optimisation and is many times slower than it should be; "
        "build it with `maturin develop --release`",
        RuntimeWarning,
        stacklevel=2,
    )
