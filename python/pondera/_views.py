"""What a scan looks like in a terminal: one checkpoint in detail, or many in a list."""

from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from pondera._native import Checkpoint, Problem, Tree, disk_bytes
from pondera._numbers import binary_bytes, both_bytes, decimal_bytes, exact_count, plural, share, short_count
from pondera._scan_data import By, shape_text, sums, tensors
from pondera._text import Column, Row, Screen, display_width, printable, table

LISTED_PROBLEMS = 10
"""How many errors and warnings are shown when not all are asked for."""

_SEVERITIES = {"error": "red", "warning": "yellow", "info": "dim"}


def checkpoint_view(screen: Screen, checkpoint: Checkpoint, by: By, *, all_problems: bool) -> list[str]:
    """The lines for one checkpoint: a heading, a table and what is wrong.

    Args:
        screen: What the lines must fit.
        checkpoint: The checkpoint.
        by: What the table has a row for.
        all_problems: Whether to list every problem rather than the first errors and warnings.
    """
    lines = [*_heading(screen, checkpoint), ""]
    lines += _tensor_table(screen, checkpoint) if by == "tensor" else _sum_table(screen, checkpoint, by)
    other = checkpoint.roles.get("other")
    if other and by == "role":
        named = plural(other.tensors, "tensor")
        lines += screen.prose(
            f"other: {named} whose role is not known by name; --by tensor lists them", "  ", "yellow"
        )
    return lines + problem_list(screen, checkpoint.problems, checkpoint.path, all_problems=all_problems)


def tree_view(screen: Screen, trees: Sequence[Tree]) -> list[str]:
    """The lines for several checkpoints: one row each, and their sum."""
    root = trees[0].path if len(trees) == 1 else None
    checkpoints = [checkpoint for tree in trees for checkpoint in tree]
    columns = [
        Column("model", "text", least=24),
        Column("kind", "text", least=12),
        Column("shards", optional=2),
        Column("tensors", optional=1),
        Column("parameters"),
        Column("bytes"),
        Column("", optional=3, style="dim"),
        Column("", "bar", optional=4, style="cyan"),
    ]
    rows: list[list[str | int]] = [
        [
            _place(checkpoint, root),
            " ".join(filter(None, (checkpoint.kind, checkpoint.quantization))),
            *_weight_cells([checkpoint]),
            checkpoint.stored_bytes,
        ]
        for checkpoint in checkpoints
    ]
    total = ["total", "", *_weight_cells(checkpoints), ""]
    marks = [worst(screen, checkpoint.problems) for checkpoint in checkpoints]
    if any(marks):
        columns.append(Column("worst problem", "label"))
        rows = [[*row, problem] for row, problem in zip(rows, marks, strict=True)]
        total.append("")
    last = len(columns) - 1
    styled = [
        Row(row, accents={last: worst_style(checkpoint.problems)})
        for row, checkpoint in zip(rows, checkpoints, strict=True)
    ]
    where = f" in {printable(root)}" if root else ""
    lines = [screen.paint(plural(len(checkpoints), "checkpoint") + where, "bold"), ""]
    lines += table(screen, columns, styled, Row(total, "bold"))
    on_disk = disk_bytes(trees)
    if on_disk != sum(checkpoint.file_bytes for checkpoint in checkpoints):
        lines += screen.prose(
            f"on disk {both_bytes(on_disk)}: a file that several checkpoints share counts once", "  "
        )
    return lines


def problem_list(
    screen: Screen, problems: Iterable[Problem], root: str | None, *, all_problems: bool
) -> list[str]:
    """The lines for a list of problems, worst first; none if there are none to show.

    Args:
        screen: What the lines must fit.
        problems: The problems, in any order.
        root: The path that theirs are shown from.
        all_problems: Whether to list every one rather than the first errors and warnings.
    """
    ordered = sorted(problems, key=lambda problem: list(_SEVERITIES).index(problem.severity))
    serious = [problem for problem in ordered if problem.severity != "info"]
    shown = ordered if all_problems else serious[:LISTED_PROBLEMS]
    lines = [line for problem in shown for line in _problem_lines(screen, problem, root)]
    if not all_problems:
        more = len(serious) - len(shown)
        notes = len(ordered) - len(serious)
        hidden = [f"and {more:,} more"] if more else []
        hidden += [f"{plural(notes, 'note')} not shown"] if notes else []
        if hidden:
            lines.append(screen.paint(f"{', '.join(hidden)}: --problems", "dim"))
    return ["", *lines] if lines else []


def _heading(screen: Screen, checkpoint: Checkpoint) -> list[str]:
    dot = " · " if screen.unicode else " | "
    kind = checkpoint.kind
    if checkpoint.components:
        kind += f" of {', '.join(checkpoint.components)}"
    if checkpoint.base:
        kind += f" of {checkpoint.base}"
    facts = [
        kind,
        checkpoint.quantization,
        plural(checkpoint.shards, "shard"),
        plural(checkpoint.tensors, "tensor"),
    ]
    weight = [
        f"{exact_count(checkpoint.parameters)} parameters ({short_count(checkpoint.parameters)})",
        both_bytes(checkpoint.stored_bytes),
    ]
    name, path = printable(_name(checkpoint)), printable(checkpoint.path)
    title = [screen.paint(name, "bold"), screen.paint(path, "dim")][: 1 if name == path else 2]
    fits = display_width(name) + 2 + display_width(path) <= screen.width
    return [
        *(["  ".join(title)] if fits else title),
        *screen.prose(dot.join(filter(None, facts)), "  "),
        *screen.prose(dot.join(weight), "  ", "bold"),
    ]


def _name(checkpoint: Checkpoint) -> str:
    """The checkpoint's name; the folder's own where it was given as `.` or `..`."""
    return checkpoint.name if checkpoint.name.strip("./") else Path(checkpoint.path).resolve().name


def _sum_table(screen: Screen, checkpoint: Checkpoint, by: By) -> list[str]:
    columns = [
        Column(by, "text", least=16),
        Column("tensors"),
        Column("parameters"),
        Column("exactly", optional=3, style="dim"),
        Column("bytes"),
        Column("", optional=2, style="dim"),
        Column("share"),
        Column("", "bar", optional=1, style="cyan"),
    ]

    def cells(key: str, tensors: int, parameters: int, stored: int) -> list[str | int]:
        return [
            key,
            exact_count(tensors),
            short_count(parameters),
            exact_count(parameters),
            decimal_bytes(stored),
            f"({binary_bytes(stored)})",
            share(stored, checkpoint.stored_bytes),
        ]

    rows = [
        Row(
            [*cells(key, tally.tensors, tally.parameters, tally.bytes), tally.bytes],
            "yellow" if by == "role" and key == "other" else "",
        )
        for key, tally in sums(checkpoint, by).items()
    ]
    total = cells("total", checkpoint.tensors, checkpoint.parameters, checkpoint.stored_bytes)
    return table(screen, columns, rows, Row([*total, ""], "bold"))


def _tensor_table(screen: Screen, checkpoint: Checkpoint) -> list[str]:
    columns = [
        Column("tensor", "text", least=44),
        Column("role", "label"),
        Column("dtype", "label"),
        Column("shape"),
        Column("parameters", optional=1),
        Column("bytes"),
        Column("", optional=2, style="dim"),
        Column("file", "text", least=24, optional=3, style="dim"),
    ]
    rows = [
        Row(
            [
                row["name"],
                row["role"],
                row["dtype"],
                shape_text(row["shape"]) or "scalar",
                exact_count(row["parameters"]),
                decimal_bytes(row["bytes"]),
                f"({binary_bytes(row['bytes'])})",
                row["file"],
            ],
            "yellow" if row["role"] == "other" else "",
        )
        for row in tensors(checkpoint)
    ]
    total = [
        "total",
        "",
        "",
        "",
        exact_count(checkpoint.parameters),
        decimal_bytes(checkpoint.stored_bytes),
        f"({binary_bytes(checkpoint.stored_bytes)})",
        "",
    ]
    return table(screen, columns, rows, Row(total, "bold"))


def _weight_cells(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Shards, tensors, parameters and bytes of some checkpoints together, as cells."""
    stored = sum(checkpoint.stored_bytes for checkpoint in checkpoints)
    return [
        exact_count(sum(checkpoint.shards for checkpoint in checkpoints)),
        exact_count(sum(checkpoint.tensors for checkpoint in checkpoints)),
        short_count(sum(checkpoint.parameters for checkpoint in checkpoints)),
        decimal_bytes(stored),
        f"({binary_bytes(stored)})",
    ]


def _place(checkpoint: Checkpoint, root: str | None) -> str:
    """Where a checkpoint is, from the root; in the Hub's cache, where paths say little, its name."""
    if checkpoint.name != PurePath(checkpoint.path).name:
        return _name(checkpoint)
    place = _relative(checkpoint.path, root)
    # The scanned folder itself, with others below it.
    return place if place != "." else _name(checkpoint)


def _relative(path: str, root: str | None) -> str:
    if root is None or not PurePath(path).is_relative_to(root):
        return path
    return str(PurePath(path).relative_to(root))


def worst(screen: Screen, problems: Iterable[Problem]) -> str:
    """The code of the first error, or else warning, with a mark for it, and how many more there are."""
    serious = [problem for problem in problems if problem.severity != "info"]
    if not serious:
        return ""
    mark = "!" if serious[0].severity == "warning" else "✗" if screen.unicode else "x"
    more = f" +{len(serious) - 1}" if len(serious) > 1 else ""
    return f"{mark} {serious[0].code}{more}"


def worst_style(problems: Iterable[Problem]) -> str:
    """The style of the worst problem; empty if there is none that matters."""
    severities = {problem.severity for problem in problems} - {"info"}
    return next((style for severity, style in _SEVERITIES.items() if severity in severities), "")


def _problem_lines(screen: Screen, problem: Problem, root: str | None) -> list[str]:
    place = _relative(problem.path, root)
    parts = [place if place != "." else "", problem.tensor, problem.message]
    text = ": ".join(part for part in parts if part)
    lines = screen.prose(f"{problem.severity}: {text} [{problem.code}]", "  ")
    lines[0] = lines[0].replace(
        problem.severity, screen.paint(problem.severity, _SEVERITIES[problem.severity]), 1
    )
    return lines
