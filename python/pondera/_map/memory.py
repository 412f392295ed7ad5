"""What models of a map remember: the bytes of their caches over the context, both axes logarithmic."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._map.axis import Axis
from pondera._map.axis import tokens_text as short
from pondera._map.facts import Facts
from pondera._map.inks import MIXERS
from pondera._numbers import binary_bytes, exact_count
from pondera._svg import Sheet, number, text_width, track, wrapped

_LINES = ("ink", "alarm")
"""Inks of the lines, where there are two models."""

_DASHES = ("", "6 3")
_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_TICKS = 6
"""So many steps of the axis of bytes have a line each; of more, every other one."""
_LEFT = 46
_MARKS = (4096, 32_768, 131_072)


_LINE = 13
"""Between the middles of two lines of text."""


@dataclass(frozen=True, slots=True)
class _Label:
    """A number beside a dot: where it begins, how wide it is, and the height of its middle."""

    left: float
    width: float
    middle: float

    def meets(self, left: float, width: float, middle: float) -> bool:
        """Whether a text that is there would touch it."""
        beside = left + width < self.left or self.left + self.width < left
        return not beside and abs(middle - self.middle) < _LINE


def draw_memory(
    sheet: Sheet, facts: Sequence[Facts], left: float, top: float, width: float, height: float
) -> float:
    """Draws the curves; gives the line below them and what is said there.

    Args:
        sheet: Where.
        facts: One model, or two.
        left: The left end, labels of the axis with it.
        top: The upper end.
        width: How wide it is.
        height: How high it is, with the axis below it.
    """
    curves = [one.memory["curve"] if one.memory else [] for one in facts]
    if not any(curves):
        words = "It reads its whole input at once and keeps nothing between tokens."
        if facts[0].unknown:
            words = facts[0].blank
        rows = wrapped(words, 11, width - 24, 2)
        sheet.rect(left, top, width, 20 + 16 * len(rows), "panel", radius=4)
        for at, row in enumerate(rows):
            sheet.text(left + 12, top + 22 + 16 * at, row, 11, ink="soft")
        return top + 20 + 16 * len(rows)
    points = [point for curve in curves for point in curve]
    first = min(point["tokens"] for point in points)
    last = max(point["tokens"] for point in points)
    axis = Axis(first, last, left + _LEFT, width - _LEFT - 8)
    low, high = _range(facts, points)
    bottom = top + height - 18

    def y(count: float) -> float:
        share = (_power(max(count, 4**low)) - low) / (high - low)
        return bottom - (bottom - top) * share

    _grid(sheet, axis, low, high, top, bottom)
    said: list[_Label] = []
    inks = _LINES if len(facts) > 1 else ("soft",)
    lines = [_draw_weights(sheet, one, axis, y, (low, high), inks[at]) for at, one in enumerate(facts)]
    for at, (one, curve) in enumerate(zip(facts, curves, strict=True)):
        if not curve:
            continue
        ink = _LINES[at] if len(facts) > 1 else "ink"
        track_ = [(axis.at(point["tokens"]), y(point["bytes"])) for point in curve]
        if len(facts) == 1:
            area = [*track_, (track_[-1][0], bottom), (track_[0][0], bottom)]
            sheet.path(track(area, closed=True), fill="panel")
            _kinds(sheet, curve, axis, y, low)
        with sheet.group(f"{one.full_title}: bytes it remembers after so many tokens"):
            sheet.path(track(track_), stroke=ink, width=2.2, dash=_DASHES[at])
        rival = curves[1 - at] if len(curves) > 1 else []
        said += _marks(sheet, one, axis, y, ink, rival, said)
    for at, one in enumerate(facts):
        if (line := lines[at]) is not None:
            said += _name_weights(sheet, one, axis, line, inks[at], said)
    below = top + height + 14
    for one in facts:
        words = encoder_words(one)
        if words:
            words = f"{one.full_title}: {words}" if len(facts) > 1 else words
            sheet.text(left, below, words, 10.5, ink="soft", room=width)
            below += 14
    return below


def encoder_words(facts: Facts) -> str:
    """What the output of an encoder takes in memory, in words; nothing where there is none."""
    memory = facts.memory or {}
    giver = facts.reader or next(iter(facts.sides), None)
    name = giver.words if giver else "the encoder"
    if each := memory.get("bytes_per_encoder_token"):
        return f"and {binary_bytes(each)} for each token of {name}"
    if fixed := memory.get("cross_bytes"):
        given = f"{exact_count(facts.given)} tokens of " if facts.given else ""
        return f"{binary_bytes(fixed)} of it for {given}{name}"
    return ""


def _range(facts: Sequence[Facts], points: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """The powers of four that the axis of bytes goes from and to: five of them make a unit."""
    counts = [point["bytes"] for point in points if point["bytes"]] or [1]
    # So low that every kind of layers is to be seen over half of the context at least.
    curves = [one.memory["curve"] for one in facts if one.memory and one.memory["curve"]]
    kinds = [count for curve in curves for count in curve[len(curve) // 2]["kinds"].values() if count]
    least = min([min(counts), *kinds])
    most = max(counts)
    weights = [one.total["bytes"] for one in facts if not one.shown["bytes_unknown"]]
    most = max([most, *(count for count in weights if count <= 100 * most)])
    high = math.ceil(_power(most) + 0.03)
    return max(min(math.floor(_power(least)), high - 2), high - 10), high


def _power(count: int | float) -> float:
    """The power of four that so many bytes are."""
    return math.log2(count) / 2


def _grid(sheet: Sheet, axis: Axis, low: int, high: int, top: float, bottom: float) -> None:
    for power in range(high, low - 1, -1 if high - low <= _TICKS else -2):
        y = bottom - (bottom - top) * (power - low) / (high - low)
        sheet.line([(axis.left, y), (axis.left + axis.width, y)], "rule", width=0.8)
        unit, rest = divmod(power, 5)
        words = f"{4**rest} {_UNITS[unit]}" if unit < len(_UNITS) else f"4^{power} B"
        sheet.text(axis.left - 6, y + 3.5, words, 10, ink="soft", anchor="end")
    for tick in axis.ticks(38):
        sheet.line([(axis.at(tick), bottom), (axis.at(tick), bottom + 3)], "rule")
        sheet.text(axis.at(tick), bottom + 14, short(tick), 10, ink="soft", anchor="middle")


def _kinds(
    sheet: Sheet, curve: Sequence[Mapping[str, Any]], axis: Axis, y: Callable[[float], float], low: int
) -> None:
    """A thin line for each kind, where there are several."""
    names = list(dict.fromkeys(name for point in curve for name in point["kinds"]))
    if len(names) < 2:
        return
    named: list[_Label] = []
    for name in names:
        look = MIXERS.get(name, MIXERS["none"])
        points = [
            (axis.at(point["tokens"]), y(point["kinds"].get(name, 0)))
            for point in curve
            if point["kinds"].get(name, 0) >= 4**low
        ]
        if not points:
            continue
        last = curve[-1]["kinds"].get(name, 0)
        with sheet.group(f"{name} layers: {exact_count(last)} bytes at the end"):
            sheet.path(track(points), stroke=look.ink, width=1.6)
            # What grows is named where it begins, what does not at the other end, clear of where they cross.
            flat = points[len(points) // 2][1] - points[-1][1] < 4
            first = len(points) * 5 // 6 if flat else len(points) // 6
            # What is no mixer has no letter.
            word = look.letter if name in MIXERS else name
            wide = max(text_width(word, 10.5), 12)
            clear = [
                (x, at)
                for x, at in (*points[first:], *points[:first])
                if not any(label.meets(x - wide / 2, wide, at) for label in named)
            ]
            x, at = clear[0] if clear else points[first]
            sheet.rect(x - wide / 2, at - 6, wide, 12, "paper", radius=2.5, opacity=0.9)
            sheet.text(x, at + 3.7, word, 10, bold=True, anchor="middle")
            named.append(_Label(x - wide / 2, wide, at))


def _draw_weights(
    sheet: Sheet, one: Facts, axis: Axis, y: Callable[[float], float], span: tuple[int, int], ink: str
) -> float | None:
    """A line where the weights are, for the eye to compare with; gives where, if it is to be seen."""
    weights = one.total["bytes"]
    if one.shown["bytes_unknown"] or not 4 ** span[0] <= weights <= 4 ** span[1]:
        return None
    at = y(weights)
    with sheet.group(f"{one.full_title}: the weights take {exact_count(weights)} bytes"):
        sheet.line([(axis.left, at), (axis.left + axis.width, at)], ink, dash="2 3")
    return at


def _name_weights(
    sheet: Sheet, one: Facts, axis: Axis, at: float, ink: str, said: Sequence[_Label]
) -> list[_Label]:
    """Says on the line of the weights what they take, where nothing else is written; gives that."""
    words = f"weights {binary_bytes(one.total['bytes'])}"
    wide = text_width(words, 10) + 6
    # At the left, or behind what is in the way.
    begins = sorted([axis.left + 5, *(label.left + label.width + 5 for label in said)])
    free = [
        begin
        for begin in begins
        if begin + wide <= axis.left + axis.width and not any(label.meets(begin, wide, at) for label in said)
    ]
    if not free:
        return []
    sheet.rect(free[0], at - 6.5, wide, 13, "paper", radius=2)
    sheet.text(free[0] + 3, at + 3.5, words, 10, ink=ink)
    return [_Label(free[0], wide, at)]


def _marks(
    sheet: Sheet,
    one: Facts,
    axis: Axis,
    y: Callable[[float], float],
    ink: str,
    rival: Sequence[Mapping[str, Any]],
    taken: Sequence[_Label],
) -> list[_Label]:
    """Dots with their bytes at usual lengths, on the side of the line where the other one is not.

    Gives the numbers, which keep clear of those that are taken.
    """
    curve = one.memory["curve"] if one.memory else []
    wanted = {mark for mark in _MARKS if mark <= (one.context or mark)} | {one.context}
    wanted -= {_MARKS[-1]} if one.context and one.context > _MARKS[-1] else set()
    others = {point["tokens"]: point["bytes"] for point in rival}
    edge, said = axis.left + axis.width + 4, -1
    labels = []
    # The end says most, so it is the first to have room.
    for point in reversed(curve):
        if point["tokens"] not in wanted:
            continue
        x, at = axis.at(point["tokens"]), y(point["bytes"])
        words = binary_bytes(point["bytes"])
        hover = (
            f"{one.full_title}, {exact_count(point['tokens'])} tokens: {exact_count(point['bytes'])} bytes"
        )
        with sheet.group(hover):
            dot = f"M{number(x - 3)} {number(at)}a3 3 0 1 0 6 0a3 3 0 1 0 -6 0"
            sheet.path(dot, fill=ink, stroke="paper", width=1)
            wide = text_width(words, 10.5)
            above = point["bytes"] >= others.get(point["tokens"], 0)
            # First where the line is not, then behind the dot and below it.
            places = [(x - wide, at - 6), (x + 3, at + 14)]
            free = [
                (begin, line)
                for begin, line in (places if above else reversed(places))
                if axis.left <= begin
                and begin + wide <= edge
                and not any(label.meets(begin, wide, line - 3.5) for label in taken)
            ]
            if not free or point["bytes"] == said:
                continue
            begin, line = free[0]
            edge, said = begin - 4, point["bytes"]
            sheet.rect(begin - 1, line - 9, wide, 11.5, "paper", radius=2, opacity=0.75)
            sheet.text(begin, line, words, 10.5, bold=True, ink=ink)
            labels.append(_Label(begin, wide, line - 3.5))
    return labels
