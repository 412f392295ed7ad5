"""Heatmaps for pages that stand still: contexts across, requests upwards, a panel for each GPU."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from pondera._fit_view import asked_facts
from pondera._heat import CANNOT_BE, FITS, MOST, Heat
from pondera._map.axis import tokens_text
from pondera._map.inks import PATTERNS
from pondera._numbers import binary_bytes, plural
from pondera._picture.inks import LEVELS, PICTURE_INKS
from pondera._picture.place import WIDE, Frame, frame_of
from pondera._svg import Sheet, Theme, number, text_width, wrapped

_PANEL = 290
"""How wide a panel is at least, where there are several beside each other."""

_GAP = 26
_TALL, _LOW = 24.0, 11.0
"""How high a cell is at the most, if there are several, and at least."""

_PLOT = 210.0
"""How high a panel's cells are together, if that leaves them a good height."""

_SHORT = 120.0
"""How high they are at least: what is written beside them is so long."""

_ON = ("ink", "ink", "ink", "night", "paper")
"""Inks of words on each fifth of the ramp."""


@dataclass(frozen=True, slots=True)
class _Grid:
    """Where the cells of a panel are: the first context at the left, the fewest requests at the bottom."""

    left: float
    top: float
    wide: float
    high: float
    columns: int
    rows: int

    def x(self, column: int) -> float:
        return self.left + self.wide * column

    def y(self, row: int) -> float:
        """The upper edge of a row."""
        return self.top + self.high * (self.rows - 1 - row)

    @property
    def bottom(self) -> float:
        return self.top + self.high * self.rows


def draw_heat(
    heat: Heat, theme: Theme = "auto", *, width: int = WIDE, framed: bool = True, most: int = 32
) -> str:
    """Draws a heatmap as SVG.

    Args:
        heat: The facts.
        theme: For which pages: both kinds, or one alone.
        width: How wide the picture is; words stay as large as they are.
        framed: Whether it has paper and an edge of its own.
        most: How many values of an axis are drawn at the most. Of more, so many at even distances are, and
            the picture says so.
    """
    return _Picture(heat, range(len(heat.gpus)), frame_of(width, framed), most).drawn(theme)


def draw_heat_in_parts(heat: Heat, theme: Theme = "auto", *, width: int = WIDE, most: int = 32) -> list[str]:
    """The same as a picture for each row of panels, between which a sheet of paper may end.

    The first has the heading, and the last has what stands for what. The arguments are those of `draw_heat`.
    """
    frame = frame_of(width, framed=False)
    gpus = range(len(heat.gpus))
    each = _columns(frame, len(gpus))
    return [_Picture(heat, gpus[at : at + each], frame, most).drawn(theme) for at in gpus[::each]]


def _columns(frame: Frame, panels: int) -> int:
    """How many panels stand beside each other."""
    return max(min(panels, int((frame.inside + _GAP) // (_PANEL + _GAP))), 1)


class _Picture:
    """One picture of a panel for each GPU, which are all there are or some of them."""

    def __init__(self, heat: Heat, gpus: range, frame: Frame, most: int) -> None:
        self._heat = heat
        self._gpus = gpus
        self._frame = frame
        self._contexts = _some(len(heat.contexts), most)
        self._requests = _some(len(heat.concurrencies), most)
        part = "" if len(gpus) == len(heat.gpus) else str(gpus)
        key = f"{frame}{most}{part}{heat.levels.tobytes().hex()}{heat.contexts}{heat.concurrencies}"
        title = f"What fits of {heat.model}, by context and requests"
        self._sheet = Sheet(title, _described(heat, gpus), PICTURE_INKS, PATTERNS, key)
        labels = [f"{count:,}" for count in heat.concurrencies]
        self._label = max(text_width(label, 10.5) for label in labels) + 8

    def drawn(self, theme: Theme) -> str:
        frame, gpus = self._frame, len(self._heat.gpus)
        bottom = y = self._draw_heading(frame.edge + 16) if 0 in self._gpus else frame.edge
        columns = _columns(frame, gpus)
        each = (frame.inside - _GAP * (columns - 1)) / columns
        for gpu in self._gpus:
            column = gpu % columns
            y = bottom if column == 0 else y
            bottom = max(bottom, self._draw_panel(gpu, frame.edge + (each + _GAP) * column, y, each))
        if gpus - 1 in self._gpus:
            bottom = self._draw_notes(self._draw_legend(bottom + 16))
        return frame.finished(self._sheet, bottom, theme)

    def _draw_heading(self, y: float) -> float:
        """The model, what was asked, and what the cells are; gives the line below."""
        sheet, frame, model = self._sheet, self._frame, self._heat.model
        sheet.text(frame.edge, y, model, 16, bold=True, room=frame.inside, hover=model)
        for row in wrapped(" · ".join(self._facts()), 11.5, frame.inside, 3):
            y += 17
            sheet.text(frame.edge, y, row, 11.5, ink="soft")
        return y + 12

    def _facts(self) -> list[str]:
        """What was asked, and what the cells are."""
        heat = self._heat
        possible = np.argwhere(heat.levels != CANNOT_BE)
        facts = asked_facts(heat.explain(*possible[0].tolist()).to_dict()) if len(possible) else {}
        facts.pop("requests", None)
        return [*facts.values(), "each cell: how much of the usable memory is taken"]

    def _draw_panel(self, gpu: int, left: float, top: float, width: float) -> float:
        """The cells of a GPU; gives the line below."""
        sheet, heat = self._sheet, self._heat
        sheet.text(left, top + 14, heat.gpus[gpu], 12.5, bold=True, room=width, hover=heat.gpus[gpu])
        words = _frontier_words(heat, gpu)
        sheet.text(left, top + 29, words, 11, ink="soft", room=width, hover=words)
        rows, columns = len(self._requests), len(self._contexts)
        high = max(min(_PLOT / rows, _TALL), _SHORT / rows, _LOW)
        place = left + self._label + 13
        grid = _Grid(place, top + 40, (left + width - place) / columns, high, columns, rows)
        with sheet.group(label=heat.gpus[gpu]):
            for column, context in enumerate(self._contexts):
                for row, requests in enumerate(self._requests):
                    self._draw_cell(grid, column, row, (gpu, context, requests))
        self._draw_boundary(grid, gpu)
        self._draw_axes(grid, left)
        return grid.bottom + 34

    def _draw_cell(self, grid: _Grid, column: int, row: int, cell: tuple[int, int, int]) -> None:
        heat, sheet = self._heat, self._sheet
        level = int(heat.levels[cell])
        place = grid.x(column), grid.y(row), grid.wide - 0.8, grid.high - 0.8
        hover = _cell_words(heat, cell)
        if level > FITS:
            sheet.rect(*place, "pale", pattern="crosses" if level == CANNOT_BE else "hatch", hover=hover)
            return
        fifth = _fifth(level)
        sheet.rect(*place, f"level{fifth}", hover=hover)
        if grid.wide >= 33 and grid.high >= 14:
            x, y = place[0] + place[2] / 2, place[1] + place[3] / 2 + 3.7
            sheet.text(x, y, f"{level}%", 10.5, ink=_ON[fifth], anchor="middle")

    def _draw_boundary(self, grid: _Grid, gpu: int) -> None:
        """A thick line between what fits and what does not."""
        fits = (self._heat.levels[gpu] <= FITS)[np.ix_(self._contexts, self._requests)]
        d = []
        for column in range(grid.columns):
            for row in range(grid.rows):
                x, y = grid.x(column) - 0.4, grid.y(row) - 0.4
                if column + 1 < grid.columns and fits[column, row] != fits[column + 1, row]:
                    d.append(f"M{number(x + grid.wide)} {number(y)}v{number(grid.high)}")
                if row + 1 < grid.rows and fits[column, row] != fits[column, row + 1]:
                    d.append(f"M{number(x)} {number(y)}h{number(grid.wide)}")
        if d:
            self._sheet.path("".join(d), stroke="ink", width=2.4)

    def _draw_axes(self, grid: _Grid, left: float) -> None:
        sheet, heat = self._sheet, self._heat
        labels = [tokens_text(heat.contexts[at]) for at in self._contexts]
        widths = [text_width(label, 10.5) for label in labels]
        for column in range(0, grid.columns, ceil((max(widths) + 8) / grid.wide)):
            x, half = grid.x(column) + grid.wide / 2, widths[column] / 2
            x = max(min(x, grid.x(grid.columns) - half), grid.left + half)
            sheet.text(x, grid.bottom + 13, labels[column], 10.5, ink="soft", anchor="middle")
        sheet.text(
            grid.x(grid.columns), grid.bottom + 27, "tokens of a request →", 10, ink="soft", anchor="end"
        )
        for row in range(0, grid.rows, ceil(13 / grid.high)):
            words = f"{heat.concurrencies[self._requests[row]]:,}"
            y = grid.y(row) + grid.high / 2 + 3.5
            sheet.text(grid.left - 5, y, words, 10.5, ink="soft", anchor="end")
        sheet.text(left + 9, grid.bottom, "requests at one time →", 10, ink="soft", turned=True)

    def _draw_legend(self, y: float) -> float:
        """What stands for what; gives the line below."""
        heat, sheet, frame = self._heat, self._sheet, self._frame
        x: float = frame.edge
        step = 21 + text_width("to 100%", 11) + 12
        for fifth in range(len(LEVELS)):
            words = f"to {20 * (fifth + 1)}%"
            sheet.rect(x, y, 16, 12, f"level{fifth}", stroke="soft", radius=2)
            sheet.text(x + 21, y + 10, words, 11)
            x, y = (x + step, y) if x + 2 * step <= frame.edge + frame.inside else (frame.edge, y + 18)
        entries = [("hatch", "does not fit", bool(((heat.levels > FITS) & (heat.levels <= MOST)).any()))]
        entries.append(("crosses", "cannot be", bool((heat.levels == CANNOT_BE).any())))
        for pattern, words, there in entries:
            if there:
                wide = 21 + text_width(words, 11) + 12
                if x + wide > frame.edge + frame.inside:
                    x, y = frame.edge, y + 18
                sheet.rect(x, y, 16, 12, "pale", pattern=pattern, stroke="soft", radius=2)
                sheet.text(x + 21, y + 10, words, 11)
                x += wide
        return y + 18

    def _draw_notes(self, y: float) -> float:
        """Why some cannot be, and what is left out; gives the line below."""
        heat = self._heat
        notes = [f"cannot be ({reason}): {words}" for reason, words in heat.why().items()]
        for name, drawn, values in (
            ("contexts", self._contexts, heat.contexts),
            ("numbers of requests", self._requests, heat.concurrencies),
        ):
            if len(drawn) < len(values):
                notes.append(f"{len(drawn)} of {len(values)} {name} are drawn, at even distances")
        for note in notes[:6]:
            for row in wrapped(note, 10.5, self._frame.inside, 2):
                self._sheet.text(self._frame.edge, y + 10, row, 10.5, ink="soft", hover=note)
                y += 14
        return y


def _some(count: int, most: int) -> list[int]:
    """Places at even distances, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()  # type: ignore[no-any-return]


def _fifth(level: int) -> int:
    """Which fifth of the memory a level that fits ends in."""
    return max(-(-level // 20), 1) - 1


def _cell_words(heat: Heat, cell: tuple[int, int, int]) -> str:
    gpu, context, requests = cell
    asked = (
        f"{heat.gpus[gpu]}, {heat.contexts[context]:,} tokens, "
        f"{plural(heat.concurrencies[requests], 'request')}"
    )
    level, headroom = int(heat.levels[cell]), int(heat.headroom[cell])
    if level == CANNOT_BE:
        return f"{asked}: cannot be ({heat.reasons[heat.reason[cell]]})"
    taken = f"{level}% taken" if level < MOST else f"{MOST}% or more taken"
    spare = "to spare" if level <= FITS else "too much: does not fit"
    return f"{asked}: {taken}, {binary_bytes(abs(headroom))} {spare}"


def _frontier_words(heat: Heat, gpu: int) -> str:
    """The two ends of the boundary of a GPU, in words."""
    most = heat.frontier[gpu]
    fitting = [at for at, count in enumerate(most) if count]
    if not fitting:
        return "nothing of this fits"
    first, *rest = [
        (most[at], tokens_text(heat.contexts[at])) for at in dict.fromkeys([fitting[0], fitting[-1]])
    ]
    # More may fit than the numbers that there are cells for.
    words = f"of those shown, {plural(first[0], 'request')} of {first[1]} tokens fit"
    return words + "".join(f", {count:,} of {context}" for count, context in rest)


def _described(heat: Heat, gpus: range) -> str:
    """The picture in words, for who cannot see it: the most requests that fit, by GPU and context."""
    frontier = heat.frontier
    rows: Sequence[str] = [
        f"{heat.gpus[gpu]}: "
        + ", ".join(
            f"{context:,} tokens {most:,}" for context, most in zip(heat.contexts, frontier[gpu], strict=True)
        )
        for gpu in gpus
    ]
    title = "The most requests at one time, of those shown, that fit with so many tokens each"
    return f"{title}. {'. '.join(rows)}."
