"""The map of two minds that face each other on one scale."""

from collections.abc import Callable

from pondera._map.axis import Axis, axis_of, draw_rope
from pondera._map.cards import cards_of, draw_facing_cards
from pondera._map.facts import Facts
from pondera._map.inks import INKS, PARTS, PATTERNS, ROLE_WORDS
from pondera._map.key import draw_key
from pondera._map.memory import draw_memory
from pondera._map.parts import look_of
from pondera._map.reach import draw_reach
from pondera._map.sheet import (
    EDGE,
    PAIR_WIDTH,
    draw_changes,
    draw_disagreements,
    draw_foot,
    draw_head,
    draw_scale_square,
    draw_title,
)
from pondera._map.stacks import By
from pondera._map.tower import best_scale, draw_towers, draw_zoom, towers_width
from pondera._numbers import binary_bytes, exact_count, share, short_count
from pondera._svg import Anchor, Sheet, Theme, number, text_width, wrapped

_TALL = 330
_MIDDLE = PAIR_WIDTH / 2
_INSIDE = PAIR_WIDTH - 2 * EDGE
_ROOM = 230.0
"""How wide all towers of one may be together."""

_SPAN = 290.0
_HALF = 596.0
"""How wide a column of a half is."""

_MEMORY = "memory per token"
_BAR = 250.0
_LABEL = 84.0
"""Of rows that face each other: the longest bar, and half of what is between the two."""


def draw_pair(one: Facts, other: Facts, by: By, theme: Theme) -> str:
    """The map as SVG."""
    both = [one, other]
    desc = f"{one.describe()}. Facing it: {other.describe()}"
    sheet = Sheet(f"Map of {one.full_title} facing {other.full_title}", desc, INKS, PATTERNS)
    right = PAIR_WIDTH - EDGE - _HALF
    draw_head(sheet, one, EDGE, 44, _HALF)
    y = draw_head(sheet, other, right, 44, _HALF, mirrored=True) + 34
    y = _draw_stats(sheet, one, other, y)
    y = _draw_bodies(sheet, one, other, by, y + 20) + 20
    draw_title(sheet, EDGE, y, _HALF, "What they remember", "over tokens, in 16 bits")
    bottom = draw_memory(sheet, both, EDGE, y + 16, _HALF, 176)
    draw_title(sheet, right, y, _HALF, "What they are made of", by)
    y = max(bottom, _draw_roles(sheet, one, other, by, right, y + 26)) + 14
    y = draw_key(sheet, both, EDGE, y, _INSIDE) + 16
    if any(map(cards_of, both)):
        draw_title(sheet, EDGE, y, _HALF, "Inside their layers", "bars on one scale")
        y = draw_facing_cards(sheet, both, (EDGE, right), y + 14, _HALF) + 4
    for facts in both:
        y = draw_changes(sheet, facts, EDGE, y + 6, _INSIDE)
        y = draw_disagreements(sheet, facts, EDGE, y + 6, _INSIDE)
    y = draw_foot(sheet, both, y + 10, PAIR_WIDTH)
    sheet.lay_under(PAIR_WIDTH, y + 16, "paper", "rule", 10)
    return sheet.svg(PAIR_WIDTH, y + 16, theme)


def _draw_bodies(sheet: Sheet, one: Facts, other: Facts, by: By, top: float) -> float:
    ground = top + 20 + _TALL
    plans = [best_scale(facts, by, _ROOM, _TALL - 14) for facts in (one, other)]
    scale = min((scale for scale, _ in plans if scale), default=0.0)
    sheet.text(_MIDDLE, top, f"Their bodies, area = {by}", 13, bold=True, anchor="middle")
    low, high = axis_of([one, other])
    span = {
        True: Axis(low, high, EDGE + 24, _SPAN, True),
        False: Axis(low, high, PAIR_WIDTH - EDGE - 24 - _SPAN, _SPAN),
    }
    sheet.text(EDGE, top, "What its layers see", 13, bold=True)
    sheet.text(PAIR_WIDTH - EDGE, top, "What its layers see", 13, bold=True, anchor="end")
    for facts, (_, aspect), mirrored in ((one, plans[0], True), (other, plans[1], False)):
        width = towers_width(facts, by, scale, aspect)
        left = _MIDDLE - 7 - width if mirrored else _MIDDLE + 7
        stand = draw_towers(sheet, facts, by, left, ground, scale, aspect, mirrored=mirrored)
        axis = span[mirrored]
        if facts.unknown is not None:
            anchor: Anchor = "start" if mirrored else "end"
            edge = EDGE if mirrored else PAIR_WIDTH - EDGE
            for at, row in enumerate(wrapped(facts.blank, 11, _SPAN, 2)):
                sheet.text(edge, top + 24 + 16 * at, row, 11, ink="soft", anchor=anchor)
        if not facts.main.layers or facts.unknown is not None:
            continue
        inner = axis.left + axis.width + 24 if mirrored else axis.left - 24
        ends = draw_reach(sheet, facts, axis, ground, _TALL - 8)
        draw_zoom(sheet, stand, inner, *ends, mirrored=mirrored)
        draw_rope(sheet, facts, axis, ground + 36)
        if width < 12:
            # Beside the other one it is hardly to be seen.
            end: Anchor = "end" if mirrored else "start"
            x = left + (width if mirrored else 0)
            sheet.text(x, stand.roof - 8, facts.say(facts.size(by), by), 11, anchor=end)
    # Towers beside one of them stand in the middle, so what is whose must be seen.
    sheet.line([(_MIDDLE, top + 12), (_MIDDLE, ground)], "rule", dash="3 3")
    half = _ROOM + 14
    sheet.line([(_MIDDLE - half, ground + 0.5), (_MIDDLE + half, ground + 0.5)], "rule")
    draw_scale_square(sheet, by, scale, _MIDDLE - 78, ground + 24)
    return ground + 70


def _draw_stats(sheet: Sheet, one: Facts, other: Facts, top: float) -> float:
    rows: list[tuple[str, int | None, int | None, Callable[[int], str]]] = [
        ("parameters", _parameters(one), _parameters(other), short_count),
        ("used per token", _active(one), _active(other), short_count),
        ("bytes of weights", _bytes(one), _bytes(other), binary_bytes),
        ("layers", one.main.layers, other.main.layers, exact_count),
        ("width", one.shown["hidden_size"], other.shown["hidden_size"], exact_count),
        ("tokens of context", one.context, other.context, exact_count),
        (_MEMORY, _per_token(one), _per_token(other), binary_bytes),
    ]
    at = top
    for label, left, right, say in rows:
        values = left or 0, right or 0
        words = [
            _missing(facts, label) if value is None else say(value)
            for facts, value in ((one, left), (other, right))
        ]
        _facing(sheet, at, _MIDDLE, label, values, words, (_BAR, _LABEL), ratio=True)
        at += 19
    return at


def _missing(facts: Facts, label: str) -> str:
    """What is said of a number that is not there: only memory can be none."""
    return "none" if label == _MEMORY and facts.unknown is None else "not known"


def _facing(
    sheet: Sheet,
    at: float,
    middle: float,
    label: str,
    values: tuple[int, int],
    words: list[str],
    room: tuple[float, float],
    inks: tuple[tuple[str, str | None], tuple[str, str | None]] = (("deep", None), ("vermilion", None)),
    *,
    ratio: bool = False,
) -> None:
    """A label in the middle, and to both sides a bar with its number; what is equal is drawn faintly."""
    longest, half = room
    most = max(values) or 1
    same = values[0] == values[1] and words[0] == words[1]
    with sheet.group(f"{label}: {exact_count(values[0])} against {exact_count(values[1])}"):
        sheet.text(middle, at, label, 11.5, anchor="middle", ink="soft", room=2 * half - 6)
        for side, value, text, (ink, pattern) in zip((-1, 1), values, words, inks, strict=True):
            length = longest * value / most
            begin = middle + side * half
            anchor: Anchor = "start" if side > 0 else "end"
            if value:
                left = begin if side > 0 else begin - length
                faint = ratio and same
                ink, pattern = ("pale", None) if faint else (ink, pattern)
                sheet.rect(left, at - 9, max(length, 1), 10, ink, pattern=pattern, radius=1.5)
            x = begin + side * ((length if value else 0) + 6)
            sheet.text(x, at, text, 11.5, bold=not same, ink="soft" if same else "ink", anchor=anchor)
            if ratio and value == most and min(values) and not same:
                x += side * (text_width(text, 11.5) * 1.1 + 8)
                sheet.text(x, at, _times(value, min(values)), 11, ink="soft", anchor=anchor)


def _times(more: int, less: int) -> str:
    """How many times more, in two digits."""
    tenths = (20 * more + less) // (2 * less)
    if tenths >= 100:
        return f"{exact_count((2 * more + less) // (2 * less))} x"
    return f"{number(tenths / 10)} x" if tenths > 10 else f"+{share(more - less, less)}"


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
        looks = [look_of(role, facts.kind_with(role)) for facts in (one, other)]
        inks = ((looks[0].ink, looks[0].pattern), (looks[1].ink, looks[1].pattern))
        words = [
            facts.say(size, by) if size else "none" for size, facts in zip(sizes, (one, other), strict=True)
        ]
        longest = 150.0 * max(sizes) / most
        label = ROLE_WORDS.get(role, role)
        _facing(sheet, at, left + _HALF / 2, label, sizes, words, (longest, 56.0), inks)
        at += 18
    return at


def _parameters(facts: Facts) -> int | None:
    return None if facts.is_blank else facts.total["parameters"]


def _active(facts: Facts) -> int | None:
    return facts.total["active"] if facts.unknown is None else None


def _bytes(facts: Facts) -> int | None:
    return None if facts.shown["bytes_unknown"] else facts.total["bytes"]


def _per_token(facts: Facts) -> int | None:
    return facts.memory["bytes_per_token"] if facts.memory else None
