"""The memory of one GPU as a stacked bar: components to scale, and where memory and the engine's room end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._fit_view import band_words
from pondera._map.inks import Look
from pondera._numbers import binary_bytes, exact_count
from pondera._picture.inks import COMPONENTS, FILLED, OUTSIDE, SPARE
from pondera._svg import Sheet, text_width

HEIGHT = 34.0
"""How high a bar is, without what is written above and below it."""

_LETTER = 12.0
"""How wide a stretch must be for the letter on it."""

_REST = {
    SPARE.words: "what the asked requests leave of the room for the cache",
    OUTSIDE.words: "the engine does not take it, and requests get none of it",
    FILLED.words: "it fills its budget, whatever is asked, and that is more than there is",
}
"""What stretches beside the components are."""


@dataclass(frozen=True, slots=True)
class Bar:
    """What a bar is drawn from.

    Attributes:
        shown: The estimate in schema `pondera.fit/1`.
    """

    shown: Mapping[str, Any]

    @property
    def total(self) -> int:
        """Bytes of all components."""
        return int(self.shown["total"])

    @property
    def usable(self) -> int:
        """Bytes that the GPU has."""
        return int(self.shown["usable"])

    @property
    def headroom(self) -> int:
        """Bytes to spare, negative if it does not fit."""
        return int(self.shown["headroom"])

    @property
    def held(self) -> int:
        """Bytes that the engine takes whatever is asked, where these are too much; 0 elsewhere."""
        if self.shown["binds"] != "memory":
            return 0
        return int(self.shown["stages"][self.shown["fullest_stage"]]["held"])

    @property
    def gap(self) -> tuple[int, int]:
        """The stretch that is to spare or too much: as long as the headroom, wherever that ends."""
        if self.held:
            return self.held + self.headroom, self.held
        return min(self.total, self.total + self.headroom), max(self.total, self.total + self.headroom)

    @property
    def room(self) -> int:
        """Where the room ends that the engine takes of the GPU; where its memory does, if it takes all."""
        return self.usable if self.held else min(max(self.total + self.headroom, 0), self.usable)

    @property
    def end(self) -> int:
        """Where the bar ends."""
        return max(self.total, self.usable, self.held, 1)

    def words(self) -> str:
        """How much there is to spare, or too much."""
        by = binary_bytes(abs(self.headroom))
        return f"{by} to spare" if self.shown["fits"] else f"{by} too much"


def rest_of(bar: Bar) -> list[tuple[Look, int, int]]:
    """What lies between the components and the end of the bar: how it looks, and where it begins and ends."""
    if bar.held:
        return [(FILLED, bar.total, bar.held)]
    stretches = [(SPARE, bar.total, bar.room), (OUTSIDE, max(bar.room, bar.total), bar.usable)]
    return [(look, begin, end) for look, begin, end in stretches if begin < end]


def draw_bar(sheet: Sheet, bar: Bar, left: float, top: float, width: float, whole: int) -> None:
    """Draws a bar.

    Args:
        sheet: Where.
        bar: The bar.
        left: Its left end.
        top: Its upper edge.
        width: How long `whole` is.
        whole: Bytes of the scale.
    """

    def x(count: int) -> float:
        return left + width * count / whole

    sheet.rect(left, top, x(bar.usable) - left, HEIGHT, "panel")
    for look, begin, end in rest_of(bar):
        count = f"{exact_count(end - begin)} bytes ({binary_bytes(end - begin)})"
        hover = f"{look.words}: {count}; {_REST[look.words]}"
        sheet.rect(x(begin), top, x(end) - x(begin), HEIGHT, look.ink, pattern=look.pattern, hover=hover)
    begin = 0
    for name, look in COMPONENTS.items():
        size = int(bar.shown[name])
        if size:
            with sheet.group(_told(bar.shown, name), look.words):
                _draw_component(sheet, bar.shown, name, x, begin, top)
            begin += size
    _draw_end(sheet, bar, x, top)


def _draw_component(
    sheet: Sheet, shown: Mapping[str, Any], name: str, x: Callable[[int], float], begin: int, top: float
) -> None:
    """A component: a rectangle for each of its parts, and its name over them as far as there is room."""
    look, size = COMPONENTS[name], int(shown[name])
    left, right = x(begin), x(begin + size)
    at = begin
    for part, count in shown["parts"][name].items():
        place = x(at), top, x(at + count) - x(at), HEIGHT
        sheet.rect(*place, look.ink, pattern=look.pattern, hover=_part(shown, name, part, count))
        if at > begin and x(at + count) - x(at) > 3 and x(at) - left > 3:
            sheet.line([(x(at), top), (x(at), top + HEIGHT)], "paper", width=0.6)
        at += count
    if begin and right - left > 1.5:
        sheet.line([(left, top), (left, top + HEIGHT)], "paper", width=1.2)
    # Where the memory ends within it, the name goes on the longer side of that line.
    end = x(int(shown["usable"]))
    if left < end < right:
        left, right = (left, end) if end - left >= right - end else (end, right)
    _write(sheet, look, size, left, right, top)


def _write(sheet: Sheet, look: Look, size: int, left: float, right: float, top: float) -> None:
    """Writes on a stretch what there is room for."""
    lines = _label(look, size, right - left)
    if not lines:
        return
    middle, high = (left + right) / 2, 13.5 * len(lines) + 2
    if look.pattern:
        wide = max(text_width(line, 11) for line in lines) + 5
        sheet.rect(middle - wide / 2, top + (HEIGHT - high) / 2, wide, high, look.ink, radius=3)
    for row, line in enumerate(lines):
        y = top + HEIGHT / 2 + 4 + 13.5 * (row - (len(lines) - 1) / 2)
        sheet.text(middle, y, line, 11, ink=look.on, bold=row == 0, anchor="middle")


def _label(look: Look, size: int, width: float) -> list[str]:
    """What is written on a stretch: its name and bytes, its letter, or nothing."""
    lines = [look.words, binary_bytes(size)]
    if max(text_width(line, 11.5) for line in lines) * 1.06 + 10 <= width:
        return lines
    return [look.letter] if width >= _LETTER else []


def _draw_end(sheet: Sheet, bar: Bar, x: Callable[[int], float], top: float) -> None:
    """The line where the memory ends, where the engine's room does, and what is to spare or too much."""
    end, room = x(bar.usable), x(bar.room)
    low, high = x(bar.gap[0]), x(bar.gap[1])
    fits = bool(bar.shown["fits"])
    if not fits:
        low = max(low, x(0))
        sheet.rect(low, top, high - low, HEIGHT, None, stroke="vermilion")
    if room < end - 0.5:
        hover = f"the room that the engine takes ends: {exact_count(bar.room)} bytes"
        with sheet.group(hover):
            sheet.line([(room, top - 3), (room, top + HEIGHT + 3)], "ink", width=1.2, dash="3 2")
    with sheet.group(f"usable memory ends: {exact_count(bar.usable)} bytes"):
        sheet.line([(end, top - 6), (end, top + HEIGHT + 6)], "ink", width=2.4)
    if high - low > 0.5:
        ink = "soft" if fits else "vermilion"
        y = top + HEIGHT + 7
        sheet.line([(low, y - 3), (low, y), (high, y), (high, y - 3)], ink)


def _told(shown: Mapping[str, Any], name: str) -> str:
    """A component in words: its bytes, how sure they are, and its parts."""
    size = int(shown[name])
    sure = band_words(shown["band"].get(name))
    parts = ", ".join(f"{part} {binary_bytes(count)}" for part, count in shown["parts"][name].items())
    words = f"{COMPONENTS[name].words}: {exact_count(size)} bytes ({binary_bytes(size)}), {sure}"
    return f"{words}. {parts}" if len(shown["parts"][name]) > 1 else words


def _part(shown: Mapping[str, Any], name: str, part: str, count: int) -> str:
    """A part in words: its bytes, the formula, how sure that is, and its source."""
    words = f"{COMPONENTS[name].words}, {part}: {exact_count(count)} bytes ({binary_bytes(count)})"
    for one in shown["reasons"]:
        if one["component"] == name and one["name"] == part:
            return f"{words} = {one['formula']}. {one['origin']}: {one['source']}"
    return words


def ticks_of(whole: int, room: float) -> Sequence[int]:
    """Round numbers of bytes from 0 to the end of a scale, at most as many as there is room for."""
    step = 1
    while whole / step > max(room, 1):
        # 1, 2, 4, 8, ... of a unit are round in powers of two.
        step *= 2
    return range(0, whole + 1, step)
