"""What a sweep looks like in a terminal: counts, rankings, and a map of what fits."""

from __future__ import annotations

import json
from itertools import groupby
from typing import TYPE_CHECKING, Any

from pondera._asked import DEFAULT, TITLES
from pondera._numbers import binary_bytes, plural, share, short_count, signed_bytes, tokens
from pondera._text import Column, Row, display_width, table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pondera._text import Screen

_RESULTS = ("total_bytes", "usable_bytes", "headroom_bytes")
_HEADROOM = "headroom_bytes"
_RESULT_TITLES = {
    "total_bytes": "total",
    "usable_bytes": "usable",
    "headroom_bytes": "to spare",
    "target": "model",
}
_GIVEN_UP = {"usable_bytes": 3, "point": 2, "total_bytes": 1}
"""Columns that a narrow screen does without, the highest number first."""
_MARKS = (
    ("█", "#", "cyan"),
    ("▓", "+", "yellow"),
    ("▒", "=", "yellow"),
    ("░", "-", "yellow"),
    ("·", ".", "dim"),
)
"""Cells of a map: all fit, two thirds or more, one third or more, some, none; plain in the second place."""
_MARK_WORDS = ("all", "two thirds or more", "one third or more", "some", "none")
_WIDEST_CELL = 6
_LISTED = 8


def sweep_view(screen: Screen, told: Mapping[str, Any]) -> list[str]:
    """The lines for a sweep.

    Args:
        screen: What the lines must fit.
        told: What is told of it, in schema `pondera.sweep/1`.
    """
    screen = screen.wrapping()
    lines = _heading(screen, told)
    varied = [name for name, values in told["axes"].items() if len(values) > 1]
    if "top" in told:
        lines += _section(screen, f"the best by {_ranking(told['top'])}", varied, told["top"])
    for best in told["per"]:
        title = f"the best for each {_title(best['axis'])}, by {_ranking(best)}"
        lines += _section(screen, title, varied, best, first=best["axis"])
    if "pareto" in told:
        front = told["pareto"]
        goals = [("least", name) for name in front["minimise"]] + [
            ("most", name) for name in front["maximise"]
        ]
        title = f"no other point is better in {', '.join(f'{way} {_title(name)}' for way, name in goals)}"
        lines += _section(screen, title, varied, front, more=[name for _, name in goals])
    for frontier in told["frontiers"]:
        title = f"the largest {_title(frontier['axis'])} that fits, for all others combined"
        lines += _section(screen, title, varied, frontier)
        missing = frontier["combinations"] - frontier["found"]
        if missing:
            lines += screen.prose(
                f"  with {plural(missing, 'combination')} of the others none fits", "    ", "dim"
            )
    for counts in told["counts"]:
        lines += [
            "",
            screen.paint(f"how many fit by {_title(counts['axis'])}:", "bold"),
            *_counts(screen, counts),
        ]
    if "heatmap" in told:
        lines += ["", *_heatmap(screen, told["heatmap"])]
    return lines


def _heading(screen: Screen, told: Mapping[str, Any]) -> list[str]:
    axes = told["axes"]
    models = axes["target"]
    dot = " · " if screen.unicode else " | "
    lines = [screen.paint(models[0] if len(models) == 1 else plural(len(models), "model"), "bold")]
    same = [f"{_title(name)} {_shown(name, values[0])}" for name, values in axes.items() if len(values) == 1]
    varied = [f"{len(values):,} {_title(name)}" for name, values in axes.items() if len(values) > 1]
    lines += screen.prose(f"  {dot.join(same[len(models) == 1 :])}", "  ") if same[len(models) == 1 :] else []
    lines += screen.prose(
        f"  {plural(told['all_points'], 'point')}{': ' if varied else ''}{' x '.join(varied)}", "    "
    )
    for group in told["linked"]:
        lines += screen.prose(f"  moving together: {', '.join(map(_title, group))}", "    ")
    if told["where"]:
        lines += screen.prose(f"  {told['points']:,} where {told['where']}", "    ")
    impossible = told["points"] - told["possible"]
    if impossible:
        why = ", ".join(f"{reason} {count:,}" for reason, count in _most_first(told["refused"]))
        lines += screen.prose(f"  {impossible:,} cannot be: {why}", "    ")
    share_of = f" ({share(told['fits'], told['points'])})" if told["points"] else ""
    verdict = f"  {told['fits']:,} fit{share_of}" if told["fits"] else "  none fits"
    return [*lines, screen.paint(verdict, "bold" if told["fits"] else "red")]


def _most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _ranking(rank: Mapping[str, Any]) -> str:
    return f"{_title(rank['by'])}, the {'largest' if rank['largest'] else 'smallest'} first"


def _section(
    screen: Screen,
    title: str,
    varied: Sequence[str],
    found: Mapping[str, Any],
    first: str | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """A title and a table of points, if there are any."""
    rows = found["rows"]
    if not rows:
        return []
    axes = sorted(varied, key=lambda name: name != first)
    results = [*_RESULTS, *(name for name in (found.get("by"), *more) if name)]
    names = dict.fromkeys([*axes, *(_full(rows[0], name) for name in results), "point"])
    columns = [_column(name, rows) for name in names]
    cells = [Row([_shown(name, row[name]) for name in names]) for row in rows]
    lines = ["", *screen.prose(f"{title}:", "  ", "bold"), *table(screen, columns, cells)]
    left = found.get("found", len(rows)) - len(rows)
    if left:
        lines += screen.prose(f"  and {left:,} more; --top N shows as many", "    ", "dim")
    return lines


def _full(row: Mapping[str, Any], name: str) -> str:
    """The name of a column as rows have it: bytes may be named without `_bytes`."""
    return name if name in row else f"{name}_bytes"


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Column:
    texts = any(isinstance(row[name], (str, list, dict)) for row in rows)
    return Column(_title(name), "text" if texts else "number", optional=_GIVEN_UP.get(name, 0))


def _title(name: str) -> str:
    """What stands above a column, or for an axis in a sentence."""
    return TITLES.get(name) or _RESULT_TITLES.get(name) or _RESULT_TITLES.get(f"{name}_bytes") or _words(name)


def _words(name: str) -> str:
    return name.removesuffix("_bytes").replace("_", " ") if name.endswith("_bytes") else name


def _shown(name: str, value: Any) -> str:  # noqa: ANN401
    """A value of a column as people read it."""
    if value is None:
        return DEFAULT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        if name.endswith("_bytes"):
            return signed_bytes(value)
        readers: dict[str, Callable[[int], str]] = {
            "context": tokens,
            "cache_memory": binary_bytes,
            "parameters": short_count,
            "active_parameters": short_count,
            "point": str,
        }
        return readers.get(name, "{:,}".format)(value)
    return f"{value:g}" if isinstance(value, float) else json.dumps(value)


def _counts(screen: Screen, counts: Mapping[str, Any]) -> list[str]:
    axis = counts["axis"]
    columns = [
        Column(_title(axis), "text"),
        Column("points", optional=2),
        Column("can be", optional=3),
        Column("fit"),
        Column("of those", optional=1),
        Column("", "bar", optional=4),
    ]
    cells = [
        Row(
            [
                _shown(axis, row["value"]),
                f"{row['points']:,}",
                f"{row['possible']:,}",
                f"{row['fits']:,}",
                share(row["fits"], row["points"]),
                row["fits"],
            ]
        )
        for row in counts["rows"]
    ]
    lines = table(screen, columns, cells)
    left = counts["found"] - len(counts["rows"])
    return [
        *lines,
        *(screen.prose(f"  and {left:,} more; --top N shows as many", "    ", "dim") if left else []),
    ]


def _heatmap(screen: Screen, heatmap: Mapping[str, Any]) -> list[str]:
    """Maps of what fits: contexts across, requests down, a cell for how many of those that can be fit."""
    across = [_range("context", bounds) for bounds in heatmap["context"]]
    down = [_range("concurrency", bounds) for bounds in heatmap["concurrency"]]
    counts = {count for one in heatmap["maps"] for row in one["possible"] for count in row if count}
    lines = [
        *screen.prose("what fits, by context (across) and requests at one time (down):", "  ", "bold"),
        *_cells_words(screen, heatmap, counts),
    ]
    for one in heatmap["maps"]:
        lines += ["", *([screen.paint(one["gpu"], "bold")] if one["gpu"] else [])]
        lines += _map(screen, across, down, one)
    used = {_level(*pair) for one in heatmap["maps"] for pair in _pairs(one)}
    plain = 0 if screen.unicode else 1
    words = ("fits", "", "", "", "does not") if counts == {1} else _MARK_WORDS
    legend = [
        f"{_MARKS[level][plain]} {words[level]}"
        for level in sorted(level for level in used if level is not None)
    ]
    if None in used:
        legend.append("blank: none can be")
    return [*lines, "", *screen.prose(f"  {'  '.join(legend)}", "  ", "dim")]


def _cells_words(screen: Screen, heatmap: Mapping[str, Any], counts: set[int]) -> list[str]:
    """What a cell stands for."""
    words = []
    if counts and counts != {1}:
        least, most = min(counts), max(counts)
        words.append(
            f"of {least:,}{'' if least == most else f' to {most:,}'} deployments in each cell that can be"
        )
    together = heatmap["together"]
    nouns = {"context": "context", "concurrency": "number of requests"}
    taken = [_together(together[what], noun) for what, noun in nouns.items() if together[what] > 1]
    if taken:
        words.append(f"a cell is up to {' and '.join(taken)}, and is named by the first")
    if heatmap["maps"][0]["gpu"] is None:
        words.append("all GPUs together; with 4 or fewer each has a map of its own")
    return screen.prose(f"  {'; '.join(words)}", "    ", "dim") if words else []


def _together(count: int, noun: str) -> str:
    first, *rest = noun.split(" ")
    return " ".join([f"{count:,}", f"{first}s", *rest])


def _range(name: str, bounds: Sequence[Any]) -> str:
    """The first value of those taken together."""
    return _shown(name, bounds[0])


def _map(screen: Screen, across: Sequence[str], down: Sequence[str], one: Mapping[str, Any]) -> list[str]:
    label = max(map(display_width, down))
    room = (screen.width - label - 2) // len(across)
    widest = max(map(display_width, across)) + 1
    width = max(1, min(room, max(widest, 2), _WIDEST_CELL)) if room < widest else widest
    # Where not every label has room, there is one for every so many cells.
    every = -(-widest // width)
    head = "".join(text.rjust(width * every) for text in across[every - 1 :: every])
    plain = 0 if screen.unicode else 1
    lines = [screen.paint(" " * (label + 2) + head, "dim")]
    filled = max(width - 1, 1) if width > 2 else width
    for text, fits, possible in zip(down, one["fits"], one["possible"], strict=True):
        levels = [_level(fit, all_) for fit, all_ in zip(fits, possible, strict=True)]
        cells = [
            (" " * width, "")
            if level is None
            else ((_MARKS[level][plain] * filled).rjust(width), _MARKS[level][2])
            for level in levels
        ]
        drawn = "".join(
            screen.paint("".join(cell for cell, _ in run), style)
            for style, run in groupby(cells, key=lambda cell: cell[1])
        )
        lines.append(f"{screen.paint(text.rjust(label), 'dim')}  {drawn}".rstrip())
    return lines


def _pairs(one: Mapping[str, Any]) -> list[tuple[int, int]]:
    rows = zip(one["fits"], one["possible"], strict=True)
    return [pair for fits, points in rows for pair in zip(fits, points, strict=True)]


def _level(fits: int, possible: int) -> int | None:
    """The place of a cell's mark; none where nothing can be."""
    if possible == 0:
        return None
    if fits == 0:
        return 4
    if fits == possible:
        return 0
    return 1 if 3 * fits >= 2 * possible else (2 if 3 * fits >= possible else 3)
