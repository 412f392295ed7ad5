"""Scans as data for other programs: JSON of the schema `pondera.scan/1`, and CSV.

Whole numbers throughout: bytes are bytes. The JSON of one path is that of `Tree.to_json`.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, TextIO

from pondera._native import SCAN_SCHEMA, Checkpoint, Tally, Tree, disk_bytes

By = Literal["role", "dtype", "layer", "tensor"]
TOTALS = ("checkpoints", "shards", "tensors", "parameters", "stored_bytes", "file_bytes", "disk_bytes")
"""What the JSON sums over all checkpoints."""
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


def write_json(
    stream: TextIO, trees: Sequence[Tree], by: By | None, failures: Mapping[str, str] = {}
) -> None:
    """Write several scans as one JSON object: checkpoints one after another, totals summed.

    Args:
        stream: Where to.
        trees: The scans, no checkpoint in two of them.
        by: What to sum by beside role and dtype, or `tensor` for the table of tensors.
        failures: Paths that gave nothing, and why; each is a problem `path-not-scanned`.
    """
    scans = [report_of(tree, by) for tree in trees]
    checkpoints = [checkpoint for scan in scans for checkpoint in scan["checkpoints"]]
    problems = [not_scanned(path, why) for path, why in failures.items()]
    totals = {name: sum(scan["totals"][name] for scan in scans) for name in scans[0]["totals"]}
    document = {
        "schema": SCAN_SCHEMA,
        "checkpoints": checkpoints,
        # A file that several checkpoints have counts once on disk, whatever paths they were found by.
        "totals": totals | {"disk_bytes": disk_bytes(trees)},
        "problems": problems + [problem for scan in scans for problem in scan["problems"]],
    }
    stream.write(json.dumps(document, separators=(",", ":")) + "\n")


def report_of(tree: Tree, by: By | None) -> dict[str, Any]:
    """A scan as a dict of the schema, with layers or tensors if it is by these."""
    report: dict[str, Any] = json.loads(tree.to_json(layers=by == "layer"))
    if by == "tensor":
        for checkpoint, told in zip(tree, report["checkpoints"], strict=True):
            told["table"] = list(tensors(checkpoint))
    return report


def not_scanned(path: str, why: str) -> dict[str, Any]:
    """The problem of a path that gave nothing."""
    return {"code": "path-not-scanned", "severity": "error", "path": path, "tensor": None, "message": why}


def write_csv(stream: TextIO, trees: Sequence[Tree], by: By | None) -> None:
    """Write several scans as CSV: a row per checkpoint, or per role, dtype, layer or tensor of each.

    The line of titles is there even if there are no rows.
    """
    checkpoints = [checkpoint for tree in trees for checkpoint in tree]
    writer = csv_writer(stream, checkpoints[0] if checkpoints else None, by)
    for checkpoint in checkpoints:
        writer.writerows(csv_rows(checkpoint, by))


def csv_writer(stream: TextIO, first: Checkpoint | None, by: By | None) -> "csv.DictWriter[str]":
    """What writes rows of checkpoints, the line of titles written.

    Args:
        stream: Where to.
        first: A checkpoint, which tells the columns of tables of tensors.
        by: What the rows are by, or None for one per checkpoint.
    """
    titles: Iterable[str]
    if by is None:
        titles = CHECKPOINT_COLUMNS
    elif by == "tensor":
        titles = ["path", *(first.table().columns if first is not None else ())]
    else:
        titles = ["path", by, "tensors", "parameters", "bytes"]
    writer = csv.DictWriter(stream, list(titles), lineterminator="\n")
    writer.writeheader()
    return writer


def csv_rows(checkpoint: Checkpoint, by: By | None) -> Iterable[dict[str, Any]]:
    """The rows of one checkpoint."""
    if by is None:
        return [_checkpoint_row(checkpoint)]
    return _tensor_rows(checkpoint) if by == "tensor" else _sum_rows(checkpoint, by)


CHECKPOINT_COLUMNS = (
    "path",
    "name",
    "format",
    "kind",
    "quantization",
    "shards",
    "tensors",
    "parameters",
    "stored_bytes",
    "file_bytes",
    "errors",
    "warnings",
)
"""The columns of a row per checkpoint."""


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
