"""Estimates and sweeps in a notebook."""

from collections.abc import Mapping, Sequence
from typing import Any

from pondera._fit_view import asked_words, band_words, spare_words, where
from pondera._heat import AXES, Heat
from pondera._html.frame import block, folded, heading, hover, note, picture, table, words
from pondera._html.tables import END_ROWS
from pondera._native import Fit, PonderaError, Sweep
from pondera._numbers import binary_bytes, exact_count, plural, share
from pondera._picture.heat import draw_heat
from pondera._picture.memory import draw_memory

_MOST_GPUS = 4
_MOST_POINTS = 1 << 16
"""Points of a sweep that a notebook works out without being asked."""

_CELLS = 16
"""How many values of an axis a heatmap draws in a notebook at the most: each cell is kept in its file."""


def fit_html(fit: Fit) -> str:
    """An estimate: the verdict, a bar of the memory, and all its parts with their formulas and sources."""
    verdict = "fits" if fit.fits else "does not fit"
    shown = fit.to_dict()
    reasons = shown["reasons"]
    rows = [
        [
            words(name.replace("_", " ")),
            _bytes(shown[name], _formulas(reasons, name)),
            share(shown[name], fit.usable),
            words(band_words(shown["band"][name])),
        ]
        for name in shown["parts"]
    ]
    total = ["total", _bytes(fit.total), share(fit.total, fit.usable), f"of {_bytes(fit.usable)} usable"]
    titles = ["per GPU", "bytes", "of the GPU", "known"]
    return block(
        heading(f"{fit.model} on {where(fit)}", "", [f"{verdict}, {spare_words(fit)}", *asked_words(fit)]),
        *(note(f"warning: {one}") for one in fit.warnings),
        picture(draw_memory([shown])),
        table(titles, rows, total, left={0, 3}),
        folded(f"{plural(len(reasons), 'part')} with formulas and sources", _parts(reasons)),
        folded(plural(len(fit.assumptions), "assumption"), _assumed(fit.assumptions)),
    )


def _bytes(count: int, more: str = "") -> str:
    exact = f"{exact_count(count)} bytes"
    return hover(binary_bytes(count), f"{exact}: {more}" if more else exact)


def _formulas(reasons: Sequence[Mapping[str, Any]], component: str) -> str:
    """What the parts of a component come of."""
    return "; ".join(f"{one['name']} = {one['formula']}" for one in reasons if one["component"] == component)


def _parts(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Every part with its formula, and how sure and from where that is."""
    rows = [
        [
            words(f"{one['component'].replace('_', ' ')}: {one['name']}"),
            _bytes(one["bytes"]),
            words(one["formula"]),
            words(f"{one['origin']}: {one['source']}"),
        ]
        for one in reasons
    ]
    return table(["part", "bytes", "formula", "source"], rows, None, left={0, 2, 3}, wide={2, 3})


def _assumed(assumptions: Sequence[Mapping[str, str]]) -> str:
    rows = [[words(one["field"]), words(str(one["value"])), words(one["reason"])] for one in assumptions]
    return table(["what", "value", "why"], rows, None, left={0, 1, 2}, wide={1, 2})


def sweep_html(sweep: Sweep) -> str:
    """A sweep: how many points, a row for each axis, and a heatmap where that can show all of it."""
    shown = f"where {sweep.condition}" if sweep.condition else ""
    groups = {name: number for number, group in enumerate(sweep.linked, 1) for name in group}
    rows = [
        [
            words(name),
            exact_count(len(values)),
            words(_some(values)),
            f"moves with group {groups[name]}" if name in groups else "",
        ]
        for name, values in sweep.axes.items()
    ]
    points = [f"{exact_count(sweep.points)} points", *filter(None, [shown])]
    return block(
        heading("Sweep", "", points),
        table(["axis", "how many", "values", ""], rows, None, left={0, 2, 3}),
        _heatmap(sweep),
    )


def _heatmap(sweep: Sweep) -> str:
    """The heatmap, if the sweep is one; what fails for another reason is left to who asks for answers."""
    counts = {name: len(values) for name, values in sweep.axes.items()}
    drawn = min(counts.get("context", 0), counts.get("concurrency", 0)) > 1
    others = [count for name, count in counts.items() if name not in AXES]
    few = counts.get("gpu", 1) <= _MOST_GPUS and sweep.points <= _MOST_POINTS
    if not drawn or not few or max(others) > 1 or sweep.linked or sweep.condition:
        return ""
    try:
        return picture(draw_heat(Heat(sweep), most=_CELLS))
    except PonderaError as error:
        return note(f"no heatmap: {error}")


def _some(values: Sequence[object]) -> str:
    """The first values and the last one."""
    texts = ["default" if value is None else str(value) for value in values]
    return ", ".join(texts if len(texts) <= END_ROWS else [*texts[: END_ROWS - 1], "…", texts[-1]])
