"""What is told of a sweep, as data in schema `pondera.sweep/1`: the terminal shows the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pondera._native import PonderaError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pondera._native import Sweep, Table
    from pondera._study import Study

    Progress = Callable[[int, int], object] | None

SCHEMA = "pondera.sweep/1"
BY = "headroom_bytes"
_RANKED = 10
_ROWS = 50
_MOST_ACROSS = 32
_MOST_DOWN = 16
_MOST_MAPS = 4


def answers(sweep: Sweep, study: Study, directions: dict[str, Any], progress: Progress) -> dict[str, Any]:
    """Everything that was asked; if nothing was, a ranking, and a map where contexts and requests vary.

    Args:
        sweep: The sweep.
        study: What is asked.
        directions: The columns of `pareto`.
        progress: As for the methods of `Sweep`.
    """
    for axis in study.frontier:
        # What is too much is refused before any work.
        sweep._combinations(axis)
    told = _counted(sweep, progress)
    apart = bool(study.per or study.pareto or study.frontier or study.count_by)
    most = study.top or _ROWS
    rank: dict[str, Any] = {"by": study.by or BY, "largest": not study.smallest}
    if not apart or study.top is not None:
        best = sweep.top(study.top or _RANKED, **rank, columns=["point"], progress=progress)
        told["top"] = {**rank, "rows": _some(sweep, best, len(best))["rows"]}
    told["per"] = []
    for axis in study.per:
        best = sweep.best_per(axis, **rank, columns=["point"], progress=progress)
        told["per"].append({"axis": axis, **rank, **_some(sweep, best, most)})
    if study.pareto:
        front = sweep.pareto(**directions, columns=["point"], progress=progress)
        told["pareto"] = {**directions, **_some(sweep, front, most)}
    told["frontiers"] = [_frontier(sweep, axis, most, progress) for axis in study.frontier]
    told["counts"] = [_counts(sweep, axis, most, progress) for axis in study.count_by]
    varied = {name for name, values in sweep.axes.items() if len(values) > 1}
    mapped = {"context", "concurrency"} <= varied
    if study.heatmap and not mapped:
        raise PonderaError("a map needs several values of --context and of --concurrency")
    if mapped and (study.heatmap or not apart):
        told["heatmap"] = _heatmap(sweep, progress)
    return told


def _counted(sweep: Sweep, progress: Progress) -> dict[str, Any]:
    """What the sweep is, and how many of its points there are, can be and fit."""
    tally = sweep.tally(progress=progress)
    points, possible, fits = (int(tally[name][0]) for name in ("points", "possible", "fits"))
    refused: dict[str, int] = {}
    if points > possible:
        # Worked out point by point, so only where there is something to tell.
        reasons = sweep.tally("reason", progress=progress)
        pairs = zip(reasons["reason"].tolist(), reasons["points"].tolist(), strict=True)
        refused = {reason: count for reason, count in pairs if reason and count}
    return {
        "schema": SCHEMA,
        "axes": {name: list(values) for name, values in sweep.axes.items()},
        "linked": sweep.linked,
        "where": sweep.condition,
        "all_points": sweep.points,
        "points": points,
        "possible": possible,
        "fits": fits,
        "refused": refused,
    }


def _some(sweep: Sweep, table: Table, most: int) -> dict[str, Any]:
    """The first rows, and how many there are."""
    return {"found": len(table), "rows": [sweep[point] for point in table["point"][:most].tolist()]}


def _frontier(sweep: Sweep, axis: str, most: int, progress: Progress) -> dict[str, Any]:
    """For each combination of other axes the point of the largest value that fits, as far as there is one."""
    table = sweep.frontier(axis, columns=["point", "fits"], progress=progress)
    fitting = table["point"][table["fits"]]
    rows = [sweep[point] for point in fitting[:most].tolist()]
    return {"axis": axis, "combinations": len(table), "found": len(fitting), "rows": rows}


def _counts(sweep: Sweep, axis: str, most: int, progress: Progress) -> dict[str, Any]:
    """How many points there are, can be and fit for each value of an axis."""
    tally = sweep.tally(axis, progress=progress)
    values = sweep.axes.get(axis) or tally[axis].tolist()
    counts = [tally[name].tolist() for name in ("points", "possible", "fits")]
    rows = [
        {"value": value, "points": points, "possible": possible, "fits": fits}
        for value, points, possible, fits in zip(values[:most], *counts, strict=False)
    ]
    return {"axis": axis, "found": len(values), "rows": rows}


def _heatmap(sweep: Sweep, progress: Progress) -> dict[str, Any]:
    """How many points fit by context and requests, for each GPU if there are a few."""
    axes = sweep.axes
    across, down = _stride(axes["context"], _MOST_ACROSS), _stride(axes["concurrency"], _MOST_DOWN)
    gpus = list(axes["gpu"])
    apart = len(gpus) <= _MOST_MAPS
    by = {**({"gpu": 1} if apart else {}), "concurrency": down, "context": across}
    tally = sweep.tally(by, progress=progress)
    contexts, requests = _bins(axes["context"], across), _bins(axes["concurrency"], down)
    shape = (len(gpus) if apart else 1, len(requests), len(contexts))
    counts = {name: tally[name].reshape(shape).tolist() for name in ("points", "possible", "fits")}
    maps = [
        {"gpu": gpu, **{name: count[at] for name, count in counts.items()}}
        for at, gpu in enumerate(gpus if apart else [None])
    ]
    together = {"context": across, "concurrency": down}
    return {"context": contexts, "concurrency": requests, "together": together, "maps": maps}


def _stride(values: Sequence[Any], most: int) -> int:
    """How many values are taken together, so that there are so many at the most."""
    return -(-len(values) // most)


def _bins(values: Sequence[Any], stride: int) -> list[list[Any]]:
    """The first and the last value of each of those taken together."""
    return [[values[at], values[min(at + stride, len(values)) - 1]] for at in range(0, len(values), stride)]
