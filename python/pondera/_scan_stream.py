"""Scans of many targets, written as they come: as rows for people, as CSV, or as one JSON object.

Nothing is kept of a scan that was written but its part of the totals.
"""

import json
from typing import TextIO

from pondera._native import SCAN_SCHEMA, Tree
from pondera._numbers import decimal_bytes, exact_count, plural, short_count
from pondera._scan_data import TOTALS, By, csv_rows, csv_writer, not_scanned, report_of
from pondera._text import Screen, display_width, printable
from pondera._views import worst, worst_style

# Characters of the columns behind the name, and between two of them.
_WIDTHS = (8, 12, 10, 24)
_GAP = "  "


class JsonStream:
    """One JSON object of the schema `pondera.scan/1`, checkpoint by checkpoint."""

    def __init__(self, stream: TextIO, by: By | None) -> None:
        self._stream = stream
        self._by = by
        self._first = True
        self._totals = dict.fromkeys(TOTALS, 0)
        self._problems: list[object] = []
        stream.write(f'{{"schema":{json.dumps(SCAN_SCHEMA)},"checkpoints":[')

    def add(self, tree: Tree) -> None:
        """Write the checkpoints of a scan."""
        report = report_of(tree, self._by)
        for checkpoint in report["checkpoints"]:
            self._stream.write("" if self._first else ",")
            self._stream.write(json.dumps(checkpoint, separators=(",", ":")))
            self._first = False
        for name, count in report["totals"].items():
            self._totals[name] += count
        self._problems += report["problems"]
        self._stream.flush()

    def fail(self, target: str, why: str) -> None:
        """Note a target that gave nothing."""
        self._problems.append(not_scanned(target, why))

    def end(self) -> None:
        """Write what is told of all together."""
        rest = {"totals": self._totals, "problems": self._problems}
        self._stream.write("]," + json.dumps(rest, separators=(",", ":"))[1:] + "\n")


class CsvStream:
    """CSV, a row per checkpoint or per what it is by."""

    def __init__(self, stream: TextIO, by: By | None) -> None:
        self._stream = stream
        self._by = by
        # The columns of tensors are known with the first of them.
        self._writer = csv_writer(stream, None, by) if by != "tensor" else None

    def add(self, tree: Tree) -> None:
        """Write the rows of a scan."""
        for checkpoint in tree:
            self._writer = self._writer or csv_writer(self._stream, checkpoint, self._by)
            self._writer.writerows(csv_rows(checkpoint, self._by))
        self._stream.flush()

    def fail(self, target: str, why: str) -> None:
        """A target that gave nothing has no row."""

    def end(self) -> None:
        """The titles are there even if there are no rows."""
        self._writer = self._writer or csv_writer(self._stream, None, self._by)


class TextStream:
    """A row per checkpoint for people, in columns of fixed widths, and their sum."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._screen = screen = Screen.of(stream)
        self._width = max(screen.width - sum(_WIDTHS) - len(_WIDTHS) * len(_GAP), 20)
        self._count = self._parameters = self._bytes = 0
        stream.write(
            screen.paint(self._line("model", "tensors", "parameters", "bytes", "worst problem"), "dim") + "\n"
        )
        self._rule()

    def _rule(self) -> None:
        rule = ("─" if self._screen.unicode else "-") * self._screen.width
        self._stream.write(self._screen.paint(rule, "dim") + "\n")

    def _line(self, name: str, *cells: str) -> str:
        name = self._screen.cut(printable(name), self._width)
        numbers = [cell.rjust(width) for cell, width in zip(cells[:-1], _WIDTHS, strict=False)]
        padding = " " * (self._width - display_width(name))
        return _GAP.join([name + padding, *numbers, cells[-1]]).rstrip()

    def add(self, tree: Tree) -> None:
        """Write the rows of a scan."""
        for checkpoint in tree:
            line = self._line(
                checkpoint.name,
                exact_count(checkpoint.tensors),
                short_count(checkpoint.parameters),
                decimal_bytes(checkpoint.stored_bytes),
                worst(self._screen, checkpoint.problems),
            )
            self._stream.write(self._screen.paint(line, worst_style(checkpoint.problems)) + "\n")
            self._count += 1
            self._parameters += checkpoint.parameters
            self._bytes += checkpoint.stored_bytes
        self._stream.flush()

    def fail(self, target: str, why: str) -> None:
        """What went wrong is said elsewhere."""

    def end(self) -> None:
        """Write the sum."""
        self._rule()
        name = plural(self._count, "checkpoint")
        line = self._line(name, "", short_count(self._parameters), decimal_bytes(self._bytes), "")
        self._stream.write(self._screen.paint(line, "bold") + "\n")
