"""Plain text for a terminal or a pipe: a screen that knows what it can show, and tables that fit it.

Nothing here knows about checkpoints. A table never wraps a row: columns that are marked optional go first,
then names are cut in the middle.
"""

import os
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, TextIO

PIPED_WIDTH = 120
"""Characters a row may take when the output is not a terminal."""

_STYLES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "cyan": "36"}
_GAP = "  "
_USUAL_WIDTH = 80
_BAR_WIDTHS = (8, 30)
_HARD_LEAST = 8
_CUT = ("text", "list")
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, slots=True)
class Screen:
    """What the output can show.

    Attributes:
        width: Characters in a row.
        terminal: Whether someone is looking; if not, long lines of prose are left whole for `grep`.
        colour: Whether ANSI colours are wanted.
        unicode: Whether block characters and the ellipsis can be written.
    """

    width: int = PIPED_WIDTH
    terminal: bool = False
    colour: bool = False
    unicode: bool = True

    @classmethod
    def of(cls, stream: TextIO) -> "Screen":
        """The screen behind a stream.

        Colours need a terminal, no `NO_COLOR` (https://no-color.org) and a `TERM` other than `dumb`.
        """
        terminal = stream.isatty()
        # Whatever is piped on may be kept, so it must not depend on the terminal of the moment.
        width = _terminal_width(stream) if terminal else PIPED_WIDTH
        plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
        try:
            "█…─·✗".encode(stream.encoding or "ascii")
        except (UnicodeEncodeError, LookupError):
            unicode = False
        else:
            unicode = True
        return cls(max(width, 40), terminal, terminal and not plain, unicode)

    def wrapping(self) -> "Screen":
        """The screen with prose wrapped in a pipe too: a page to read has no lines for `grep`."""
        return replace(self, terminal=True)

    def paint(self, text: str, style: str) -> str:
        """The text in a style (`bold`, `dim`, `red`, `yellow`, `cyan`, or none), if colours are wanted."""
        if not self.colour or not style or not text:
            return text
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"

    def cut(self, text: str, width: int) -> str:
        """The text in at most so many characters, what does not fit left out of its middle."""
        if display_width(text) <= width:
            return text
        mark = "…" if self.unicode else "~"
        # The end of a name says at least as much as its beginning: `model.laye…down_proj.weight`.
        tail = _take(text[::-1], width // 2)[::-1]
        return _take(text, width - 1 - display_width(tail)) + mark + tail

    def cut_list(self, text: str, width: int) -> str:
        """As many whole parts between commas as so many characters take, and a mark for what is left out."""
        if display_width(text) <= width:
            return text
        parts = text.split(", ")
        mark = "…" if self.unicode else "~"
        while parts := parts[:-1]:
            shorter = f"{', '.join(parts)}, {mark}"
            if display_width(shorter) <= width:
                return shorter
        return self.cut(text.split(", ")[0], width)

    def bar(self, part: int, largest: int, width: int) -> str:
        """A bar of blocks as long as the part is of the largest; what is there at all shows as a sliver."""
        if part <= 0 or largest <= 0:
            return ""
        if not self.unicode:
            return "#" * max(1, round(part * width / largest))
        eighths = max(1, (part * width * 8 + largest // 2) // largest)
        return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()

    def prose(self, text: str, indent: str = "", style: str = "") -> list[str]:
        """A sentence, wrapped to a terminal's width, whole in a pipe; further lines are indented."""
        text = printable(text)
        if not self.terminal:
            return [self.paint(text, style)]
        lines = textwrap.wrap(
            text, self.width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
        )
        return [self.paint(line, style) for line in lines]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Attributes:
        title: What stands above it.
        kind: `text` is left-aligned and may be cut, `list` too but behind one of its commas, `label` is
            left-aligned and whole, `number` is right-aligned and whole, `bar` has whole numbers for cells and
            takes the room that is left.
        least: Characters that a text column keeps while there are optional columns to give up.
        optional: 0 if the column must stay; else, when room is short, the highest number goes first.
        style: Style of its cells.
    """

    title: str
    kind: Literal["text", "list", "label", "number", "bar"] = "number"
    least: int = 12
    optional: int = 0
    style: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        cells: A cell per column; a whole number for a bar.
        style: Style of all its cells, or none.
        accents: Styles of single cells by position.
    """

    cells: Sequence[str | int]
    style: str = ""
    accents: Mapping[int, str] = field(default_factory=dict)


def table(
    screen: Screen, columns: Sequence[Column], rows: Sequence[Row], total: Row | None = None
) -> list[str]:
    """The lines of a table: a line of titles, a rule, the rows, and below another rule the total.

    Args:
        screen: What it must fit.
        columns: The columns; the first is the one to cut if names are long.
        rows: The rows.
        total: The sum over the rows, if there is one.

    Returns:
        Lines of at most `screen.width` characters, unless the numbers that must stay are wider.
    """
    everything = [*rows, total] if total else list(rows)
    text = [[printable(cell) if isinstance(cell, str) else cell for cell in row.cells] for row in everything]
    natural = [
        _BAR_WIDTHS[1]
        if column.kind == "bar"
        else max(display_width(cell) for cell in [column.title, *(str(cells[at]) for cells in text)])
        for at, column in enumerate(columns)
    ]
    widths = _fit(screen.width, columns, natural)
    shown = sorted(widths)
    largest = {
        at: max((cells[at] for cells in text[: len(rows)] if isinstance(cells[at], int)), default=0)
        for at in shown
        if columns[at].kind == "bar"
    }

    def line(cells: Sequence[str | int], row: Row) -> str:
        parts = []
        for at in shown:
            column, width, cell = columns[at], widths[at], cells[at]
            if isinstance(cell, int):
                cell = screen.bar(cell, int(largest[at]), width)
            cell = (screen.cut_list if column.kind == "list" else screen.cut)(cell, width)
            padding = " " * (width - display_width(cell))
            painted = screen.paint(cell, row.accents.get(at) or row.style or column.style)
            parts.append(padding + painted if column.kind == "number" else painted + padding)
        return _GAP.join(parts).rstrip()

    rule = screen.paint(
        ("─" if screen.unicode else "-") * (sum(widths.values()) + len(_GAP) * (len(shown) - 1)), "dim"
    )
    titles = Row([column.title for column in columns], "dim")
    lines = [line(titles.cells, titles), rule]
    lines += [line(cells, row) for cells, row in zip(text, rows, strict=False)]
    if total:
        lines += [rule, line(text[-1], total)]
    return lines


def _terminal_width(stream: TextIO) -> int:
    """Characters in a row of the terminal behind this very stream, or as `COLUMNS` says."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdigit() and int(stated):
        return int(stated)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_WIDTH
    except OSError:
        return _USUAL_WIDTH


def printable(text: str) -> str:
    """The text with control characters written out: names come from files, and must not steer a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def shortened(text: str, most: int) -> str:
    """The text with control characters written out, and cut if it is longer than so many characters."""
    shown = printable(text[: most + 1])
    return shown if len(shown) <= most else shown[: most - 1] + "…"


def display_width(text: str) -> int:
    """Columns that a text takes on a terminal: East Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(map(_char_width, text))


def _char_width(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _take(text: str, width: int) -> str:
    """As many characters from the front as the width takes."""
    if text.isascii():
        return text[:width]
    end = 0
    for char in text:
        width -= _char_width(char)
        if width < 0:
            break
        end += 1
    return text[:end]


def _fit(width: int, columns: Sequence[Column], natural: Sequence[int]) -> dict[int, int]:
    """The columns to show, by position, with their widths."""
    least = {
        at: min(natural[at], column.least)
        if column.kind in _CUT
        else (_BAR_WIDTHS[0] if column.kind == "bar" else natural[at])
        for at, column in enumerate(columns)
    }

    def room() -> int:
        return width - sum(least.values()) - len(_GAP) * (len(least) - 1)

    optional = [at for at, column in enumerate(columns) if column.optional]
    optional.sort(key=lambda at: columns[at].optional)
    while room() < 0 and optional:
        del least[optional.pop()]
    for at in [at for at in least if columns[at].kind in _CUT]:
        least[at] -= min(max(-room(), 0), max(least[at] - _HARD_LEAST, 0))
    # What is left over goes to the names first, from left to right, then to the bar.
    for at in sorted(least, key=lambda at: (columns[at].kind == "bar", at)):
        least[at] += min(max(room(), 0), natural[at] - least[at])
    return least
