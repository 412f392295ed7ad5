"""Pondera: how heavy is this model, what is it made of, and where does it fit?

Weigh a folder of safetensors by its headers alone:

    >>> import pondera
    >>> checkpoint = pondera.scan("Meta-Llama-3.1-8B")
    >>> checkpoint.parameters, checkpoint.stored_bytes
    (8030261248, 16060522496)
    >>> checkpoint.roles["attention"].bytes  # bytes; also .parameters and .tensors
    2684354560

`checkpoint.table()` has a row per tensor for NumPy, Polars, pandas, PyArrow and DuckDB, and `scan_tree` finds
every model below a folder. The command `pondera` does the same in a terminal.
"""

import warnings

from pondera._native import (
    DEBUG_BUILD,
    Checkpoint,
    NoCheckpoint,
    PonderaError,
    Problem,
    SeveralCheckpoints,
    ShardFile,
    Table,
    Tally,
    Tree,
    __version__,
    problem_codes,
    role_names,
    scan,
    scan_tree,
)

__all__ = [
    "Checkpoint",
    "NoCheckpoint",
    "PonderaError",
    "Problem",
    "SeveralCheckpoints",
    "ShardFile",
    "Table",
    "Tally",
    "Tree",
    "__version__",
    "problem_codes",
    "role_names",
    "scan",
    "scan_tree",
]

if DEBUG_BUILD:
    warnings.warn(
        "this pondera was built without optimisation and is many times slower than it should be; "
        "build it with `maturin develop --release`",
        RuntimeWarning,
        stacklevel=2,
    )
