"""A map as text: what each layer sees, what is inside it, what the model is made of and remembers."""

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from pondera._map.axis import axis_of
from pondera._map.cards import Card, cards_of, rest_words
from pondera._map.cells import scattered
from pondera._map.facts import Facts
from pondera._map.inks import ROLE_WORDS
from pondera._map.layer import mixer_words
from pondera._map.memory import encoder_words
from pondera._map.stacks import By
from pondera._map.text_layers import layers_view
from pondera._numbers import binary_bytes, exact_count, share, short_count
from pondera._text import Column, Row, Screen, display_width, printable, table

_MOST_CELLS = 256
_MARKS = (4096, 32_768, 131_072)
_WIDE = 120
"""Characters in a row from which on two models stand beside each other."""

_LONGEST = 30
"""Characters of the longest bar."""

_BESIDE = "  │  "
_STYLED = re.compile("\x1b\\[[0-9]*m")


def map_view(screen: Screen, facts: Sequence[Facts], by: By) -> list[str]:
    """The lines of a map.

    Args:
        screen: What they must fit.
        facts: One model, or two.
        by: What parts are listed by.
    """
    axis = axis_of(list(facts))
    gap = _BESIDE if screen.unicode else _BESIDE.replace("│", "|")
    if len(facts) == 2 and screen.width >= _WIDE:
        half = replace(screen, width=(screen.width - len(gap)) // 2)
        scale = _Scale.of(facts, by)
        left, right = (_sections(half, one, by, axis, scale) for one in facts)
        return [line for pair in zip(left, right, strict=True) for line in _beside(*pair, half, gap)]
    lines: list[str] = []
    for one in facts:
        if lines:
            lines += ["", screen.paint(("─" if screen.unicode else "-") * min(screen.width, 80), "dim"), ""]
        lines += [
            line for section in _sections(screen, one, by, axis, _Scale.of([one], by)) for line in section
        ]
    return lines


def _beside(left: Sequence[str], right: Sequence[str], half: Screen, gap: str) -> Iterator[str]:
    """Lines of two models beside each other."""
    for one, other in zip_longest(left, right, fillvalue=""):
        room = half.width - display_width(_STYLED.sub("", one))
        yield f"{one}{' ' * max(room, 0)}{half.paint(gap, 'dim')}{other}".rstrip()


@dataclass(frozen=True, slots=True)
class _Scale:
    """What bars are long by, of one model or of two that face each other.

    Attributes:
        role: The largest role.
        kept: The most bytes that one remembers.
    """

    role: int
    kept: int

    @classmethod
    def of(cls, facts: Sequence[Facts], by: By) -> "_Scale":
        curves = [one.memory["curve"] for one in facts if one.memory and one.memory["curve"]]
        return cls(
            max((int(role[by]) for one in facts for role in one.shown["roles"].values()), default=0),
            max((max(curve[-1]["bytes"], 1) for curve in curves), default=1),
        )


def _sections(screen: Screen, facts: Facts, by: By, axis: tuple[int, int], scale: _Scale) -> list[list[str]]:
    """The lines of a map by what they tell: as many lists for every model, so that they can face."""
    layers: list[str] = []
    inside: list[str] = []
    if facts.main.layers:
        layers = [*layers_view(screen, facts, axis), ""]
    if facts.main.layers and facts.unknown is None:
        for cards in cards_of(facts):
            for card in cards:
                inside += _inside(screen, card)
        rest = rest_words(facts)
        inside += [*_wrap(screen, rest), ""] if rest else [""]
    return [
        [*_heading(screen, facts), ""],
        layers,
        inside,
        [*_parts(screen, facts, by, scale), ""],
        _memory(screen, facts, scale),
        _serious(screen, facts),
    ]


def _heading(screen: Screen, facts: Facts) -> list[str]:
    total, shown = facts.total, facts.shown
    parts = [
        "adapter" if facts.is_adapter else shown["class"] or shown["model_type"],
        f"{'?' if facts.is_blank else short_count(total['parameters'])} parameters",
    ]
    if facts.unknown is None and total["active"] != total["parameters"]:
        parts.append(f"{short_count(total['active'])} used per token")
    if not shown["bytes_unknown"]:
        parts.append(f"{binary_bytes(total['bytes'])} {shown['storage'] or 'stored'}")
    if facts.context:
        parts.append(f"{exact_count(facts.context)} tokens of context")
    dot = " · " if screen.unicode else " - "
    words = dot.join(part for part in parts if part)
    changed = _wrap(screen, f"with {facts.changed}") if facts.changed else []
    return [
        screen.paint(screen.cut(_plain(facts.title), screen.width), "bold"),
        *(screen.paint(line, "yellow") for line in changed),
        *_wrap(screen, words),
    ]


def _plain(text: str) -> str:
    return printable(text[:1000])


def _wrap(screen: Screen, text: str) -> list[str]:
    text = _plain(text)
    width = min(screen.width, 100)
    # Characters that take two columns are counted as one where lines are broken.
    width //= 2 if display_width(text) > len(text) else 1
    return textwrap.wrap(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)


def _inside(screen: Screen, card: Card) -> list[str]:
    lines = [screen.paint(screen.cut(_plain(card.title), screen.width), "bold")]
    if card.width:
        lines.append(f"  residual stream, {exact_count(card.width)} wide")
    for mixer in card.kind["mixers"]:
        lines += [*_wrap(screen, mixer_words(mixer)), *_heads(screen, mixer)]
    for part in card.kind["feed_forward"]:
        if part["kind"] == "dense":
            lines.append(f"  feed-forward, {exact_count(part['width'])} wide")
            continue
        many, wide = exact_count(part["experts"]), exact_count(part["width"])
        words = f"{part['chosen']} of {many} experts, each {wide} wide"
        if part["shared_width"]:
            words += f", and one for all, {exact_count(part['shared_width'])} wide"
        lines += [*_wrap(screen, words), *_experts(screen, part["experts"], part["chosen"])]
    return lines


def _heads(screen: Screen, mixer: Mapping[str, Any]) -> list[str]:
    heads, groups = mixer.get("heads") or 0, mixer.get("kv_heads") or 1
    if not 0 < heads <= _MOST_CELLS or heads % groups:
        return []
    cell = "▪" if screen.unicode else "o"
    words = [cell * (heads // groups)] * groups
    return _rows(" ".join(words) if heads > groups > 1 else cell * heads, screen)


def _experts(screen: Screen, experts: int, chosen: int) -> list[str]:
    if experts > _MOST_CELLS:
        return []
    lit = scattered(min(chosen, experts), experts)
    on, off = ("■", "·") if screen.unicode else ("#", ".")
    return _rows("".join(on if at in lit else off for at in range(experts)), screen)


def _rows(cells: str, screen: Screen) -> list[str]:
    """Cells in lines; groups are kept whole where they are narrower than a line."""
    width = 64 if screen.width >= 72 else max(screen.width - 8, 8) // 8 * 8
    lines = [""]
    for word in cells.split(" "):
        for at in range(0, len(word), width):
            piece = word[at : at + width]
            if lines[-1] and len(lines[-1]) + 1 + len(piece) > width:
                lines.append(piece)
            else:
                lines[-1] = f"{lines[-1]} {piece}".strip()
    return [f"    {line}" for line in lines]


def _parts(screen: Screen, facts: Facts, by: By, scale: _Scale) -> list[str]:
    if facts.is_blank:
        return ["what it is made of is not known"]
    roles = sorted(facts.shown["roles"].items(), key=lambda one: -one[1][by])
    columns = [
        Column("made of", "label"),
        Column(by),
        Column("share"),
        Column("", "label", optional=1, style="cyan"),
    ]
    room = min(screen.width - 36, _LONGEST)
    rows = [
        Row(
            [
                ROLE_WORDS.get(role, role),
                facts.say(one[by], by),
                share(one[by], facts.size(by)),
                screen.bar(one[by], scale.role, room),
            ]
        )
        for role, one in roles
        if one["tensors"]
    ]
    return table(screen, columns, rows, Row(["total", facts.say(facts.size(by), by), "100.0%", ""], "bold"))


def _memory(screen: Screen, facts: Facts, scale: _Scale) -> list[str]:
    curve = facts.memory["curve"] if facts.memory else []
    if not curve:
        return [
            "it keeps nothing between tokens" if facts.unknown is None else "what it remembers is not known"
        ]
    wanted = {*_MARKS, facts.context or curve[-1]["tokens"]}
    points = [point for point in curve if point["tokens"] in wanted]
    room = min(screen.width - 30, _LONGEST)
    rows = [
        Row(
            [
                exact_count(point["tokens"]),
                binary_bytes(point["bytes"]),
                screen.bar(point["bytes"], scale.kept, room),
            ]
        )
        for point in points
    ]
    columns = [Column("remembers after"), Column("bytes"), Column("", "label", style="cyan")]
    words = encoder_words(facts)
    return [*table(screen, columns, rows), *(_wrap(screen, words) if words else [])]


def _serious(screen: Screen, facts: Facts) -> list[str]:
    lines: list[str] = []
    style = "dim" if facts.is_adapter else "yellow"
    lines += [screen.paint(line, style) for line in _wrap(screen, facts.mystery)]
    if changes := facts.changes():
        style = "" if facts.shown["same_body"] else "red"
        lines += [screen.paint(line, style) for line in _wrap(screen, facts.verdict())]
        lines += [line for words in changes for line in _wrap(screen, words)]
    lines += [screen.paint(line, "dim") for words in facts.assumed() for line in _wrap(screen, words)]
    for words in facts.disagreements():
        lines += [screen.paint(line, "red") for line in _wrap(screen, words)]
    return lines
