"""Checkpoints, trees and tables as small HTML tables, for notebooks.

Self-contained: inline styles, no scripts, and the colours of the page itself, so that light and dark work.
"""

from collections.abc import Iterable, Sequence
from html import escape
from pathlib import PurePath

from pondera._map import draw
from pondera._native import Architecture, Checkpoint, Fit, Problem, Sweep, Table, Tree
from pondera._numbers import binary_bytes, both_bytes, exact_count, plural, share, short_count
from pondera._scan_data import shape_text

LISTED_PROBLEMS = 10
END_ROWS = 5
"""How many rows a table shows at its beginning and at its end."""

_TABLE = "border-collapse:collapse;font-variant-numeric:tabular-nums"
_CELL = "padding:2px 10px;border:0;white-space:nowrap;background:none"
_RULE = "border-bottom:1px solid currentColor"
_TRACK = "display:inline-block;width:120px;height:9px"
_BAR = "display:block;height:9px;border-radius:2px;background:currentColor;opacity:.55"
_FAINT = "opacity:.65"


def architecture_html(architecture: Architecture) -> str:
    """An architecture: a heading, its roles with their share of the parameters as bars, and its map."""
    facts = [
        architecture.class_name or architecture.family,
        f"{exact_count(architecture.parameters)} parameters",
        f"{exact_count(architecture.active_parameters)} active",
        architecture.pattern(),
    ]
    largest = max((count.parameters for count in architecture.roles.values()), default=0)
    rows = [
        [
            escape(role),
            exact_count(count.tensors),
            _hover(short_count(count.parameters), exact_count(count.parameters)),
            _hover(short_count(count.active_parameters), exact_count(count.active_parameters)),
            share(count.parameters, architecture.parameters),
            _bar(count.parameters, largest),
        ]
        for role, count in architecture.roles.items()
    ]
    total = [
        "total",
        exact_count(sum(count.tensors for count in architecture.roles.values())),
        short_count(architecture.parameters),
        short_count(architecture.active_parameters),
        "100.0%",
        "",
    ]
    titles = ["role", "tensors", "parameters", "active", "share", ""]
    table = _table(titles, rows, total, left={0, 5})
    return _block(_heading(architecture.model_type, "", facts), table, draw(architecture).svg)


def checkpoint_html(checkpoint: Checkpoint) -> str:
    """A checkpoint: a heading, its roles with their share of the bytes as bars, and what is wrong."""
    facts = [
        checkpoint.kind,
        checkpoint.quantization,
        plural(checkpoint.shards, "shard"),
        plural(checkpoint.tensors, "tensor"),
        f"{exact_count(checkpoint.parameters)} parameters",
        both_bytes(checkpoint.stored_bytes),
    ]
    largest = max((tally.bytes for tally in checkpoint.roles.values()), default=0)
    rows = [
        [
            escape(role),
            exact_count(tally.tensors),
            _hover(short_count(tally.parameters), exact_count(tally.parameters)),
            _hover(both_bytes(tally.bytes), f"{exact_count(tally.bytes)} bytes"),
            share(tally.bytes, checkpoint.stored_bytes),
            _bar(tally.bytes, largest),
        ]
        for role, tally in checkpoint.roles.items()
    ]
    total = [
        "total",
        exact_count(checkpoint.tensors),
        short_count(checkpoint.parameters),
        both_bytes(checkpoint.stored_bytes),
        share(checkpoint.stored_bytes, checkpoint.stored_bytes),
        "",
    ]
    titles = ["role", "tensors", "parameters", "bytes", "share", ""]
    return _block(
        _heading(checkpoint.name, checkpoint.path, facts),
        _table(titles, rows, total, left={0, 5}),
        _problems(checkpoint.problems),
    )


def fit_html(fit: Fit) -> str:
    """An estimate: a heading with the verdict, and its components with their share of the GPU as bars."""
    verdict = "fits" if fit.fits else "does not fit"
    spare = f"{binary_bytes(abs(fit.headroom))} {'to spare' if fit.fits else 'too much'}"
    facts = [f"{verdict}, {spare}", f"{fit.gpus} x {fit.gpu}", fit.engine, fit.storage]
    shown = fit.to_dict()
    rows = [
        [
            escape(name.replace("_", " ")),
            _hover(binary_bytes(shown[name]), f"{exact_count(shown[name])} bytes"),
            share(shown[name], fit.usable),
            _bar(min(shown[name], fit.usable), fit.usable),
        ]
        for name in shown["parts"]
    ]
    total = ["total", binary_bytes(fit.total), share(fit.total, fit.usable), ""]
    titles = ["per GPU", "bytes", "of the GPU", ""]
    return _block(_heading(fit.model, "", facts), _table(titles, rows, total, left={0, 3}))


def sweep_html(sweep: Sweep) -> str:
    """A sweep: how many points, and a row for each axis."""
    shown = f"where {sweep.condition}" if sweep.condition else ""
    groups = {name: number for number, group in enumerate(sweep.linked, 1) for name in group}
    rows = [
        [
            escape(name),
            exact_count(len(values)),
            escape(_some(values)),
            f"moves with group {groups[name]}" if name in groups else "",
        ]
        for name, values in sweep.axes.items()
    ]
    heading = _heading("Sweep", "", [f"{exact_count(sweep.points)} points", *filter(None, [shown])])
    return _block(heading, _table(["axis", "how many", "values", ""], rows, None, left={0, 2, 3}))


def _some(values: Sequence[object]) -> str:
    """The first values and the last one."""
    texts = ["default" if value is None else str(value) for value in values]
    return ", ".join(texts if len(texts) <= END_ROWS else [*texts[: END_ROWS - 1], "…", texts[-1]])


def tree_html(tree: Tree) -> str:
    """A tree: a row for each checkpoint, with bars of their bytes, and what is wrong."""
    stored = sum(checkpoint.stored_bytes for checkpoint in tree)
    largest = max((checkpoint.stored_bytes for checkpoint in tree), default=0)
    rows = [
        [
            _hover(escape(_place(checkpoint, tree)), checkpoint.path),
            escape(" ".join(filter(None, (checkpoint.kind, checkpoint.quantization)))),
            exact_count(checkpoint.shards),
            exact_count(checkpoint.tensors),
            _hover(short_count(checkpoint.parameters), exact_count(checkpoint.parameters)),
            _hover(both_bytes(checkpoint.stored_bytes), f"{exact_count(checkpoint.stored_bytes)} bytes"),
            _bar(checkpoint.stored_bytes, largest),
        ]
        for checkpoint in tree
    ]
    total = [
        "total",
        "",
        exact_count(sum(checkpoint.shards for checkpoint in tree)),
        exact_count(sum(checkpoint.tensors for checkpoint in tree)),
        short_count(sum(checkpoint.parameters for checkpoint in tree)),
        both_bytes(stored),
        "",
    ]
    titles = ["model", "kind", "shards", "tensors", "parameters", "bytes", ""]
    problems = [*tree.problems, *(problem for checkpoint in tree for problem in checkpoint.problems)]
    return _block(
        _heading(plural(len(tree), "checkpoint"), tree.path, [f"{both_bytes(tree.disk_bytes)} on disk"]),
        _table(titles, rows, total, left={0, 1, 6}),
        _problems(problems),
    )


def table_html(table: Table) -> str:
    """A table: its first and last five rows."""
    count = len(table)
    shown = range(count) if count <= 2 * END_ROWS else [*range(END_ROWS), *range(count - END_ROWS, count)]
    columns = {name: table[name] for name in table.columns}
    rows = [[escape(_plain(values[row])) for values in columns.values()] for row in shown]
    if len(rows) < count:
        rows.insert(END_ROWS, ["⋮" for _ in columns])
    left = {at for at, values in enumerate(columns.values()) if values.dtype == object}
    return _block(
        _table([escape(name) for name in columns], rows, None, left),
        f'<div style="{_FAINT}">{plural(count, "row")}, {plural(len(columns), "column")}</div>',
    )


def _block(*parts: str) -> str:
    return f'<div style="font-size:13px;line-height:1.45">{"".join(parts)}</div>'


def _heading(name: str, path: str, facts: Iterable[str | None]) -> str:
    return (
        f'<div><b>{escape(name)}</b> <span style="{_FAINT}">{escape(path)}</span></div>'
        f"<div>{escape(' · '.join(filter(None, facts)))}</div>"
    )


def _table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], total: Sequence[str] | None, left: set[int]
) -> str:
    """An HTML table of cells that are HTML already; columns not in `left` are aligned right."""

    def line(tag: str, cells: Sequence[str], style: str = "") -> str:
        aligned = (
            f'<{tag} style="{_CELL};text-align:{"left" if at in left else "right"}{style}">{cell}</{tag}>'
            for at, cell in enumerate(cells)
        )
        return f'<tr style="background:none">{"".join(aligned)}</tr>'

    body = [line("td", cells) for cells in rows]
    if total:
        body.append(line("th", total, ";border-top:1px solid currentColor"))
    return (
        f'<table style="{_TABLE}"><thead>{line("th", titles, f";{_RULE}")}</thead>'
        f"<tbody>{''.join(body)}</tbody></table>"
    )


def _bar(part: int, largest: int) -> str:
    """A bar whose length is the part of the largest, in tenths of a per cent."""
    thousandths = part * 1000 // largest if largest else 0
    width = f"{thousandths // 10}.{thousandths % 10}%"
    return f'<span style="{_TRACK}"><span style="{_BAR};width:{width}"></span></span>'


def _hover(html: str, title: str) -> str:
    return f'<span title="{escape(title)}">{html}</span>'


def _place(checkpoint: Checkpoint, tree: Tree) -> str:
    """Where a checkpoint is, from the tree's path; in the Hub's cache, where paths say little, its name."""
    path = PurePath(checkpoint.path)
    if checkpoint.name != path.name or not path.is_relative_to(tree.path):
        return checkpoint.name
    place = path.relative_to(tree.path)
    return str(place) if place.parts else checkpoint.name


def _plain(value: object) -> str:
    return shape_text(value) if isinstance(value, tuple) else str(value)


def _problems(problems: Iterable[Problem]) -> str:
    """The first errors and warnings as a list; the others are counted."""
    serious = [problem for problem in problems if problem.severity != "info"]
    serious.sort(key=lambda problem: problem.severity)
    items = [
        f"<li><b>{problem.severity}</b>: {escape(str(problem))}</li>" for problem in serious[:LISTED_PROBLEMS]
    ]
    if len(serious) > LISTED_PROBLEMS:
        items.append(f"<li>and {len(serious) - LISTED_PROBLEMS:,} more</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""
