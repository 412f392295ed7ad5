"""The map of one mind."""

from pondera._map.axis import Axis, axis_of, draw_rope
from pondera._map.cards import draw_cards
from pondera._map.facts import Facts
from pondera._map.inks import INKS, PATTERNS
from pondera._map.key import draw_key
from pondera._map.memory import draw_memory
from pondera._map.parts import draw_parts
from pondera._map.reach import draw_reach
from pondera._map.sheet import (
    EDGE,
    INSIDE,
    WIDTH,
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
from pondera._svg import Sheet, Theme

_TALL = 344
"""How high the towers may be."""

_BODY = 226.0
"""How wide all towers may be together."""

_REACH = 312.0
_SPAN = 196.0
_RIGHT = 552.0
"""Where the columns begin."""


def draw_single(facts: Facts, by: By, theme: Theme) -> str:
    sheet = Sheet(f"Map of {facts.full_title}", facts.describe(), INKS, PATTERNS)
    y = draw_head(sheet, facts, EDGE, 44, INSIDE)
    y = _draw_stats(sheet, facts, y + 34)
    top = y + 34
    ground = top + 18 + _TALL
    scale, aspect = best_scale(facts, by, _BODY, _TALL - 14)
    width = towers_width(facts, by, scale, aspect)
    draw_title(sheet, EDGE, top, _BODY, "The body", f"area = {by}")
    left = EDGE + _BODY - width
    stand = draw_towers(sheet, facts, by, left, ground, scale, aspect)
    if facts.main.name == "decoder":
        sheet.text(stand.left, ground + 15, "↑ tokens in", 10.5, ink="soft")
        sheet.text(stand.left, stand.roof - 5, "↑ next token out", 10.5, ink="soft")
    draw_scale_square(sheet, by, scale, EDGE, ground + 30)
    seen = facts.main.layers > 0 and facts.unknown is None
    if seen:
        axis = Axis(*axis_of([facts]), _REACH, _SPAN)
        draw_title(sheet, _REACH - 24, top, _SPAN, "What each layer sees")
        ends = draw_reach(sheet, facts, axis, ground, _TALL - 8)
        draw_zoom(sheet, stand, _REACH - 26, *ends)
        draw_rope(sheet, facts, axis, ground + 36)
    right = _RIGHT if seen else _REACH
    wide = WIDTH - EDGE - right
    draw_title(sheet, right, top, wide, "What it remembers", "in 16 bits")
    below = draw_memory(sheet, [facts], right, top + 18, wide, 178)
    y = max(top + 224, below + 12) if facts.memory else below + 28
    draw_title(sheet, right, y, wide, "What it is made of")
    y = draw_parts(sheet, facts, by, right, y + 20, wide)
    if seen:
        y = draw_key(sheet, [facts], right, y + 10, wide)
    y = max(y, ground + 68) + 18
    if facts.main.layers and facts.shown["hidden_size"]:
        words = f"{facts.main.pattern}; bars on one scale" if facts.main.pattern else "bars on one scale"
        draw_title(sheet, EDGE, y, INSIDE, "Inside a layer", words)
        y = draw_cards(sheet, facts, EDGE, y + 12, INSIDE) + 4
    y = draw_changes(sheet, facts, EDGE, y + 6, INSIDE)
    y = draw_disagreements(sheet, facts, EDGE, y + 6, INSIDE)
    y = draw_foot(sheet, [facts], y + 8)
    sheet.lay_under(WIDTH, y + 16, "paper", "rule", 10)
    return sheet.svg(WIDTH, y + 16, theme)


def _draw_stats(sheet: Sheet, facts: Facts, top: float) -> float:
    total = facts.total
    stats = [("?" if facts.is_blank else short_count(total["parameters"]), "parameters")]
    if facts.unknown is None and total["parameters"]:
        active = share(total["active"], total["parameters"])
        if total["active"] != total["parameters"]:
            stats.append((short_count(total["active"]), f"used per token, {active}"))
        else:
            stats.append(("all of them", "used per token"))
    if not facts.shown["bytes_unknown"]:
        stats.append((binary_bytes(total["bytes"]), f"of weights, {facts.shown['storage'] or 'as stored'}"))
    if facts.context:
        stats.append((exact_count(facts.context), "tokens of context"))
    memory = facts.memory
    if memory and memory["bytes_per_token"]:
        stats.append((binary_bytes(memory["bytes_per_token"]), "of memory per token"))
    elif memory and memory["curve"]:
        stats.append((binary_bytes(memory["curve"][-1]["bytes"]), "of memory, however long"))
    each = INSIDE / 5
    for at, (count, words) in enumerate(stats):
        sheet.text(EDGE + at * each, top, count, 19, bold=True, room=each - 6)
        sheet.text(EDGE + at * each, top + 16, words, 11, ink="soft", room=each - 6)
    return top + 16
