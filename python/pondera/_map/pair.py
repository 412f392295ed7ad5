"""The map of two minds that face each other on one scale."""

from collections.abc import Mapping

from pondera._map.axis import Axis, axis_of, draw_rope
from pondera._map.facts import By, Facts
from pondera._map.inks import INKS, PARTS, PATTERNS, ROLE_WORDS
from pondera._map.layer import draw_cards, widths_of
from pondera._map.memory import draw_memory
from pondera._map.parts import look_of
from pondera._map.reach import draw_key, draw_reach, row_height
from pondera._map.sheet import (
    EDGE,
    INSIDE,
    WIDTH,
    draw_disagreements,
    draw_foot,
    draw_head,
    draw_scale_square,
    draw_title,
)
from pondera._map.tower import best_scale, draw_towers, draw_zoom, towers_width
from pondera._numbers import decimal_bytes, exact_count, short_count
from pondera._svg import Anchor, Sheet, Theme

_TALL = 316
_MIDDLE = WIDTH / 2
_ROOM = 168.0
"""How wide all towers of one may be together."""

_SPAN = 170.0
_HALF = 372.0
"""How wide a column of a half is."""

_BAR = 150.0
_LABEL = 96.0
"""Of rows that face each other: the longest bar, and half of what is between the two."""


def draw_pair(one: Facts, other: Facts, by: By, theme: Theme) -> str:
    """The map as SVG."""
    both = [one, other]
    desc = f"{one.describe()}. Facing it: {other.describe()}"
    sheet = Sheet(f"Map of {one.title} facing {other.title}", desc, INKS, PATTERNS)
    draw_head(sheet, one, EDGE, 44, _HALF)
    y = draw_head(sheet, other, WIDTH - EDGE - _HALF, 44, _HALF, mirrored=True) + 30
    y = _draw_stats(sheet, one, other, y)
    y = _draw_bodies(sheet, one, other, by, y + 20) + 24
    right = WIDTH - EDGE - _HALF
    draw_title(sheet, EDGE, y, "What they remember", "over tokens, in 16 bits")
    draw_memory(sheet, both, EDGE, y + 16, _HALF, 176)
    draw_title(sheet, right, y, "What they are made of", by)
    bottom = _draw_roles(sheet, one, other, by, right, y + 26)
    y = max(y + 196, bottom) + 14
    y = draw_key(sheet, both, EDGE, y, INSIDE) + 16
    draw_title(sheet, EDGE, y, "Inside their layers", "bars on one scale")
    scale = _HALF / max([1, *widths_of(one), *widths_of(other)])
    left_end = draw_cards(sheet, one, EDGE, y + 14, _HALF, scale, stacked=True)
    right_end = draw_cards(sheet, other, right, y + 14, _HALF, scale, stacked=True)
    y = max(left_end, right_end) + 4
    for facts in both:
        y = draw_disagreements(sheet, facts, EDGE, y + 6, INSIDE)
    y = draw_foot(sheet, both, y + 10)
    sheet.lay_under(WIDTH, y + 16, "paper", "rule", 10)
    return sheet.svg(WIDTH, y + 16, theme)


def _draw_bodies(sheet: Sheet, one: Facts, other: Facts, by: By, top: float) -> float:
    ground = top + 20 + _TALL
    plans = [best_scale(facts, by, _ROOM, _TALL - 14) for facts in (one, other)]
    scale = min((scale for scale, _ in plans if scale), default=0.0)
    sheet.text(_MIDDLE, top, "Their bodies", 13, bold=True, anchor="middle")
    low, high = axis_of([one, other])
    span = {
        True: Axis(low, high, EDGE + 16, _SPAN, True),
        False: Axis(low, high, WIDTH - EDGE - 16 - _SPAN, _SPAN),
    }
    sheet.text(EDGE, top, "What its layers see", 13, bold=True)
    sheet.text(WIDTH - EDGE, top, "What its layers see", 13, bold=True, anchor="end")
    for facts, (_, aspect), mirrored in ((one, plans[0], True), (other, plans[1], False)):
        width = towers_width(facts, by, scale, aspect)
        left = _MIDDLE - 7 - width if mirrored else _MIDDLE + 7
        stand = draw_towers(sheet, facts, by, left, ground, scale, aspect, mirrored=mirrored)
        if not facts.main.layers or facts.unknown is not None:
            continue
        axis = span[mirrored]
        inner = axis.left + axis.width + 24 if mirrored else axis.left - 24
        rows = ground - row_height(facts, _TALL - 8) * facts.main.layers
        draw_zoom(sheet, stand, inner, rows, ground, mirrored=mirrored)
        draw_reach(sheet, facts, axis, ground, _TALL - 8)
        draw_rope(sheet, facts, axis, ground + 36)
        if width < 12:
            # Beside the other one it is hardly to be seen.
            end: Anchor = "end" if mirrored else "start"
            sheet.text(
                left + (width if mirrored else 0),
                stand.roof - 8,
                facts.say(facts.size(by), by),
                11,
                anchor=end,
            )
    sheet.line([(_MIDDLE - 176, ground + 0.5), (_MIDDLE + 176, ground + 0.5)], "rule")
    draw_scale_square(sheet, by, scale, _MIDDLE - 78, ground + 18)
    return ground + 70


def _draw_stats(sheet: Sheet, one: Facts, other: Facts, top: float) -> float:
    rows: list[tuple[str, int | None, int | None, bool]] = [
        ("parameters", one.total["parameters"], other.total["parameters"], False),
        ("used per token", _active(one), _active(other), False),
        ("bytes of weights", _bytes(one), _bytes(other), True),
        ("tokens of context", one.context, other.context, False),
        ("memory per token", _per_token(one), _per_token(other), True),
    ]
    at = top
    for label, left, right, is_bytes in rows:
        words = [_words(value, label, is_bytes=is_bytes) for value in (left, right)]
        _facing(sheet, at, _MIDDLE, label, (left or 0, right or 0), words, (_BAR, _LABEL))
        at += 19
    return at


def _facing(
    sheet: Sheet,
    at: float,
    middle: float,
    label: str,
    values: tuple[int, int],
    words: list[str],
    room: tuple[float, float],
    inks: tuple[tuple[str, str | None], tuple[str, str | None]] = (("deep", None), ("vermilion", None)),
) -> None:
    """A label in the middle, and to both sides a bar with its number."""
    longest, half = room
    most = max(values) or 1
    with sheet.group(f"{label}: {exact_count(values[0])} against {exact_count(values[1])}"):
        sheet.text(middle, at, label, 11.5, anchor="middle", ink="soft", room=2 * half - 6)
        for side, value, text, (ink, pattern) in zip((-1, 1), values, words, inks, strict=True):
            length = longest * value / most
            begin = middle + side * half
            if value:
                left = begin if side > 0 else begin - length
                sheet.rect(left, at - 9, max(length, 1), 10, ink, pattern=pattern, radius=1.5)
            x = begin + side * ((length if value else 0) + 6)
            sheet.text(x, at, text, 11.5, bold=True, anchor="start" if side > 0 else "end")


def _draw_roles(sheet: Sheet, one: Facts, other: Facts, by: By, left: float, top: float) -> float:
    roles: dict[str, tuple[int, int]] = {}
    for role in PARTS:
        sizes = tuple(int(facts.shown["roles"].get(role, {}).get(by, 0)) for facts in (one, other))
        if any(sizes):
            roles[role] = (sizes[0], sizes[1])
    at = top
    shown = sorted(roles.items(), key=lambda item: -max(item[1]))[:9]
    most = max((max(sizes) for _, sizes in shown), default=1)
    for role, sizes in shown:
        looks = [look_of(role, _kind_with(facts, role)) for facts in (one, other)]
        inks = ((looks[0].ink, looks[0].pattern), (looks[1].ink, looks[1].pattern))
        words = [
            facts.say(size, by) if size else "none" for size, facts in zip(sizes, (one, other), strict=True)
        ]
        longest = 76.0 * max(sizes) / most
        label = ROLE_WORDS.get(role, role)
        _facing(sheet, at, left + _HALF / 2, label, sizes, words, (longest, 50.0), inks)
        at += 18
    return at


def _kind_with(facts: Facts, role: str) -> Mapping[str, object] | None:
    return next((run.kind for run in facts.main.runs if role in run.kind["roles"]), None)


def _active(facts: Facts) -> int | None:
    return facts.total["active"] if facts.unknown is None else None


def _bytes(facts: Facts) -> int | None:
    return None if facts.shown["bytes_unknown"] else facts.total["bytes"]


def _per_token(facts: Facts) -> int | None:
    return facts.memory["bytes_per_token"] if facts.memory else None


def _words(value: int | None, label: str, *, is_bytes: bool) -> str:
    if value is None:
        return "not known" if label != "memory per token" else "none"
    if is_bytes:
        return decimal_bytes(value)
    return exact_count(value) if label == "tokens of context" else short_count(value)
