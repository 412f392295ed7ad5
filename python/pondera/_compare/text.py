"""A comparison in a terminal: what differs with what it buys and costs, and what is the same in a line."""

from collections.abc import Mapping, Sequence
from typing import Any

from pondera._compare.cells import (
    DIFFERENT,
    SAME,
    TITLES,
    UNKNOWN,
    gpus,
    letters,
    mark,
    meanings,
    placed,
    placed_mark,
    reasons,
    shown,
    titles,
    verdict,
)
from pondera._show_view import change_lines
from pondera._text import Column, Row, Screen, display_width, shortened, table

_MOST_NAMED = 4
_WIDEST_CELL = 30
_LONGEST = 300
"""Characters of a model's name at the most."""


def comparison_view(screen: Screen, facts: Mapping[str, Any], *, all_rows: bool = False) -> list[str]:
    """The lines of a comparison.

    Args:
        screen: What they must fit.
        facts: The comparison in schema `pondera.compare/1`.
        all_rows: Whether rows in which all are the same have a line each.
    """
    screen = screen.wrapping()
    lines = _heading(screen, facts)
    for section in facts["sections"]:
        title = TITLES[section["section"]]
        lines += ["", screen.paint(title, "bold")]
        if section["section"] == "fit":
            lines += _fits(screen, facts, section["rows"])
        else:
            lines += _section(screen, facts, section["rows"], all_rows=all_rows)
    return lines


def _heading(screen: Screen, facts: Mapping[str, Any]) -> list[str]:
    models = facts["models"]
    lines: list[str] = []
    dot = " · " if screen.unicode else " - "
    for letter, model in zip(letters(len(models)), models, strict=True):
        kind = model["class"] or model["model_type"]
        source = "its files" if model["source"] == "checkpoint" else "its config"
        told = dot.join(filter(None, [kind, f"by {source}"]))
        lines += screen.prose(f"{letter}  {shortened(model['name'], _LONGEST)}{dot}{told}", "   ", "bold")
        if model["unknown"]:
            lines += screen.prose(f"   its mind is not known: {model['unknown']}", "   ", "yellow")
        if model["disagrees"]:
            lines += screen.prose(
                "   its weights and config disagree; `pondera check` tells in what", "   ", "yellow"
            )
        if variant := model["variant"]:
            lines += [f"   {line}" for line in change_lines(screen, variant["changes"])]
            lines += screen.prose(
                f"   in sum: {verdict(variant)}", "   ", "cyan" if variant["same_body"] else "yellow"
            )
    return lines


def _section(
    screen: Screen, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], *, all_rows: bool
) -> list[str]:
    listed = [row for row in rows if all_rows or not row["same"]]
    lines: list[str] = []
    if listed:
        lines += _rows(screen, facts, listed)
    lines += _missing(screen, facts, rows)
    folded = [row for row in rows if row["same"] and not all_rows]
    if folded:
        words = ", ".join(f"{row['label']} {shown(row, 0)}" for row in folded)
        lines += screen.prose(f"{_mark(screen, SAME)} the same: {words}", "    ", "dim")
    return lines


def _rows(screen: Screen, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each row, and below it what each difference buys and costs.

    Words that have no room in their column stand below the row too: numbers are never cut.
    """
    count = len(facts["models"])
    marks = letters(count)
    room = _room(screen, [row["label"] for row in rows], count)
    cells = [[shown(row, at) for at in range(count)] for row in rows]
    below = [
        [
            at
            for at, cell in enumerate(own)
            if isinstance(row["values"][at], str) and display_width(cell) > room
        ]
        for row, own in zip(rows, cells, strict=True)
    ]
    columns = [
        Column("", "label"),
        Column("", "label"),
        *(Column(title, "label") for title in _titles(facts, room)),
    ]
    lined = [
        Row(
            [_mark(screen, mark([row])), row["label"]]
            + ["" if at in low else cell for at, cell in enumerate(own)],
            accents={0: _accent(mark([row]))},
        )
        for row, own, low in zip(rows, cells, below, strict=True)
    ]
    titled = table(screen, columns, lined)
    lines = titled[:2]
    for line, row, own, low in zip(titled[2:], rows, cells, below, strict=True):
        lines.append(line)
        for at in low:
            lines += screen.prose(f"     {marks[at]}: {own[at]}", "        ")
        lines += _means(screen, facts, row)
    return lines


def _means(screen: Screen, facts: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """What a row means for each model; those of which the same is told share a line.

    Beside values that stand below their row, an arrow tells what is a meaning.
    """
    arrow = "→" if screen.unicode else "->"
    marks = letters(len(facts["models"]))
    told: dict[str, list[str]] = {}
    for at, text in meanings(row):
        told.setdefault(text, []).append(marks[at])
    lines: list[str] = []
    for text, who in told.items():
        begin = "" if len(marks) == 2 else f"{arrow} {', '.join(who)}: "
        lines += screen.prose(f"     {begin}{text}", "       " if begin else "     ", "cyan")
    return lines


def _missing(screen: Screen, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why numbers are missing; rows of which the same is told share a line."""
    marks = letters(len(facts["models"]))
    told: dict[str, list[str]] = {}
    for row in rows:
        for at, text in reasons(row):
            told.setdefault(f"{marks[at]}: {text}", []).append(row["label"])
    return [
        line
        for text, labels in told.items()
        for line in screen.prose(f"{UNKNOWN} {text} ({', '.join(labels)})", "    ", "dim")
    ]


def _fits(screen: Screen, facts: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each GPU: the verdict, what is to spare, and how many requests at most."""
    count = len(facts["models"])
    single = [row for row in rows if row["group"] is None]
    lines: list[str] = []
    for row in single:
        cells = [shown(row, at) for at in range(count)]
        words = (
            cells[0]
            if row["same"]
            else ", ".join(f"{letter} {cell}" for letter, cell in zip(letters(count), cells, strict=True))
        )
        lines += screen.prose(f"  {row['label']}: {words}", "    ")
    groups = gpus(rows)
    room = _room(screen, [gpu for gpu, _ in groups], count)
    short = any(display_width(placed(own, at)) > room for _, own in groups for at in range(count))
    if short:
        lines += screen.prose(
            "  fits with so many bytes to spare, or does not with so many too much:", "    "
        )
    columns = [
        Column("", "label"),
        Column("GPU", "label"),
        *(Column(title, "label") for title in _titles(facts, room)),
    ]
    lined = [
        Row(
            [_mark(screen, placed_mark(own)), gpu]
            + [placed(own, at, unicode=screen.unicode, short=short) for at in range(count)],
            accents={0: _accent(placed_mark(own))}
            | {at + 2: "red" for at in range(count) if own["fits"]["values"][at] != "fits"},
        )
        for gpu, own in groups
    ]
    lines += table(screen, columns, lined)
    said: dict[str, list[str]] = {}
    for gpu, own in groups:
        for at, text in reasons(own["fits"]):
            said.setdefault(f"{letters(count)[at]}: {text}", []).append(gpu)
    for text, where in said.items():
        place = "" if len(where) == len(groups) else f" ({', '.join(where)})"
        lines += screen.prose(f"     {text}{place}", "     ", "dim")
    return lines


def _room(screen: Screen, labels: Sequence[str], count: int) -> int:
    """How wide each of so many columns may be, beside a mark and labels."""
    return max((screen.width - max(map(display_width, labels)) - 3) // count - 2, 0)


def _titles(facts: Mapping[str, Any], room: int) -> list[str]:
    """What stands above the columns: names with their letters where they have room, or letters alone."""
    marks = letters(len(facts["models"]))
    named = [f"{mark} {name}" for mark, name in zip(marks, titles(facts["models"]), strict=True)]
    fits = len(named) <= _MOST_NAMED and max(map(display_width, named)) <= min(room, _WIDEST_CELL)
    return named if fits else marks


def _mark(screen: Screen, sign: tuple[str, str, str]) -> str:
    return sign[0 if screen.unicode else 1]


def _accent(sign: tuple[str, str, str]) -> str:
    return "yellow" if sign == DIFFERENT else ""
