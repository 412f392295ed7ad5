"""Scans as data for other programs: JSON of the schema `pondera.scan/1`, and CSV.

Whole numbers throughout: bytes are bytes. The JSON of one path is that of `Tree.to_json`.
"""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal, TextIO

from pondera._native import SCAN_SCHEMA, Checkpoint, Tally, Tree

By = Literal["role", "dtype", "layer", "tensor"]
BY: tuple[By, ...] = ("role", "dtype", "layer", "tensor")


def sums(checkpoint: Checkpoint, by: By) -> dict[str, Tally]:
    """The sums by `role`, `dtype` or `layer`."""
    tallies: dict[str, Tally] = getattr(checkpoint, f"{by}s")
    return tallies


def tensors(checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    """The table of tensors row by row, in plain Python values; `layer` is None outside all layers."""
    columns = {name: values.tolist() for name, values in checkpoint.table().to_dict().items()}
    columns["layer"] = [None if layer < 0 else layer for layer in columns["layer"]]
    for values in zip(*columns.values(), strict=True):
        yield dict(zip(columns, values, strict=True))


def shape_text(shape: Sequence[int]) -> str:
    """A shape as `4096x1024`; empty for a scalar."""
    return "x".join(map(str, shape))


def write_json(stream: TextIO, trees: Sequence[Tree], by: By | None) -> None:
    """Write several scans as one JSON object: checkpoints one after another, totals summed."""
    scans = [json.loads(tree.to_json(layers=by == "layer")) for tree in trees]
    checkpoints = [checkpoint for scan in scans for checkpoint in scan["checkpoints"]]
    if by == "tensor":
        for checkpoint, report in zip((one for tree in trees for one in tree), checkpoints, strict=True):
            report["table"] = list(tensors(checkpoint))
    document = {
        "schema": SCAN_SCHEMA,
        "checkpoints": checkpoints,
        "totals": {name: sum(scan["totals"][name] for scan in scans) for name in scans[0]["totals"]},
        "problems": [problem for scan in scans for problem in scan["problems"]],
    }
    stream.write(json.dumps(document, separators=(",", ":")) + "\n")


def write_csv(stream: TextIO, trees: Sequence[Tree], by: By | None) -> None:
    """Write several scans as CSV: a row per checkpoint, or per role, dtype, layer or tensor of each."""
    checkpoints = [checkpoint for tree in trees for checkpoint in tree]
    rows: Iterator[dict[str, Any]]
    if by is None:
        rows = map(_checkpoint_row, checkpoints)
    elif by == "tensor":
        rows = (row for checkpoint in checkpoints for row in _tensor_rows(checkpoint))
    else:
        rows = (row for checkpoint in checkpoints for row in _sum_rows(checkpoint, by))
    writer = csv.writer(stream, lineterminator="\n")
    for number, row in enumerate(rows):
        if number == 0:
            writer.writerow(row)
        writer.writerow(row.values())


def _checkpoint_row(checkpoint: Checkpoint) -> dict[str, Any]:
    severities = [problem.severity for problem in checkpoint.problems]
    return {
        "path": checkpoint.path,
        "name": checkpoint.name,
        "format": checkpoint.format,
        "kind": checkpoint.kind,
        "quantization": checkpoint.quantization,
        "shards": checkpoint.shards,
        "tensors": checkpoint.tensors,
        "parameters": checkpoint.parameters,
        "stored_bytes": checkpoint.stored_bytes,
        "file_bytes": checkpoint.file_bytes,
        "errors": severities.count("error"),
        "warnings": severities.count("warning"),
    }


def _sum_rows(checkpoint: Checkpoint, by: By) -> Iterator[dict[str, Any]]:
    for key, tally in sums(checkpoint, by).items():
        yield {
            "path": checkpoint.path,
            by: key,
            "tensors": tally.tensors,
            "parameters": tally.parameters,
            "bytes": tally.bytes,
        }


def _tensor_rows(checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
    for row in tensors(checkpoint):
        yield {"path": checkpoint.path, **row, "shape": shape_text(row["shape"])}
