"""Pondera: how heavy is this model, what is it made of, and where does it fit?"""

from pondera._native import (
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
    "scan",
    "scan_tree",
]
