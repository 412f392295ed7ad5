"""Words of a comparison that text and pages share: values, titles and marks."""

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import PurePath
from typing import Any

from pondera._numbers import exact_count, plural, short_count, signed_bytes
from pondera._text import shortened

NONE = "-"
"""What stands where a model has no such thing."""

UNKNOWN = "?"
"""What stands where there is no number, and a reason is told."""

TITLES = {
    "body": "Body",
    "mind": "Mind",
    "memory": "Memory, in a 16-bit cache",
    "compute": "Compute",
    "fit": "Where they fit",
}
"""What each section is called."""

_LONGEST = 200
"""Characters of a text in a cell at the most."""


def shown(row: Mapping[str, Any], at: int) -> str:
    """The value of a model in a row, as people read it."""
    value = row["values"][at]
    if value is None:
        return UNKNOWN if row["why"][at] else NONE
    if isinstance(value, str):
        return shortened(value, _LONGEST)
    match row["unit"]:
        case "bytes":
            return signed_bytes(value)
        case "parameters" | "flops":
            return short_count(value)
        case _:
            return exact_count(value)


SAME = ("=", "=", "all the same")
DIFFERENT = ("≠", "!", "they differ")
OPEN = ("?", "?", "not known of all")
"""Marks of rows: as they are, in ASCII, and in words."""


def mark(rows: Iterable[Mapping[str, Any]]) -> tuple[str, str, str]:
    """The mark of rows that share a line: whether models differ in any, or that is not known."""
    rows = list(rows)
    if any(_differs(row) for row in rows):
        return DIFFERENT
    return SAME if all(row["same"] for row in rows) else OPEN


def _differs(row: Mapping[str, Any]) -> bool:
    """Whether models that are known have different values."""
    known = [value for value, why in zip(row["values"], row["why"], strict=True) if why is None]
    return any(value != known[0] for value in known)


def exact(row: Mapping[str, Any], at: int) -> str:
    """The same with all its digits, or why there is none."""
    value = row["values"][at]
    if value is None:
        return str(row["why"][at] or "it has none")
    if isinstance(value, str):
        return value
    unit = {"bytes": " bytes", "parameters": " parameters", "flops": " FLOPs", "tokens": " tokens"}
    return f"{exact_count(value)}{unit.get(row['unit'], '')}"


def titles(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """A short name for each model: the end of a path where that tells them apart, what a variant changes."""
    names = [str(model["name"]) for model in models]
    short = [PurePath(name).name or name for name in names]
    return [
        _changed(model["variant"]) if model["variant"] else one if short.count(one) == 1 else name
        for one, name, model in zip(short, names, models, strict=True)
    ]


def _changed(variant: Mapping[str, Any]) -> str:
    words = (f"{one['field'].rpartition('.')[2]} {json.dumps(one['to'])}" for one in variant["changes"])
    return f"with {', '.join(words)}"


def letters(count: int) -> list[str]:
    """A letter for each model."""
    return [chr(ord("A") + at) for at in range(count)]


def meanings(row: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The models of which something is told in a row, and what."""
    return [(at, text) for at, text in enumerate(row["meaning"]) if text]


def reasons(row: Mapping[str, Any]) -> list[tuple[int, str]]:
    """The models that have no number in a row, and why."""
    return [(at, text) for at, text in enumerate(row["why"]) if text]


def gpus(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, dict[str, Mapping[str, Any]]]]:
    """The rows of each GPU, by what they tell."""
    return [
        (gpu, {row["key"].rpartition(".")[2]: row for row in own})
        for gpu, own in groupby(rows, key=lambda row: row["group"])
        if gpu is not None
    ]


def placed(
    own: Mapping[str, Mapping[str, Any]], at: int, *, unicode: bool = True, short: bool = False
) -> str:
    """What is told of a model on a GPU; in short, the verdict and the bytes to spare or too much."""
    if own["fits"]["values"][at] is None:
        return shown(own["fits"], at)
    spare = signed_bytes(abs(own["headroom"]["values"][at]))
    if own["fits"]["values"][at] != "fits":
        return f"{'✗' if unicode else 'x'} {spare}{'' if short else ' too much'}"
    if short:
        return f"fits {spare}"
    requests = own["requests"]["values"][at]
    most = "" if requests is None else f", {plural(requests, 'request')}"
    return f"fits, {spare} to spare{most}"


def placed_mark(own: Mapping[str, Mapping[str, Any]]) -> tuple[str, str, str]:
    """The mark of a GPU: of all that is told of it."""
    return mark(own.values())


def verdict(change: Mapping[str, Any]) -> str:
    """Whether the same weights can wear a mind, in a sentence."""
    if change["same_body"]:
        return "the same weights can wear it"
    return "the same weights cannot wear it: it needs others"
