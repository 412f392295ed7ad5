"""What each layer of a map can look back at: a row for each layer, over the context on a logarithmic axis."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pondera._map_facts import Facts, Run, mixer_kinds, parts_of
from pondera._map_inks import LIT, MIXERS
from pondera._numbers import exact_count
from pondera._svg import Sheet, cut, number, text_width

_FADE = (0.95, 0.8, 0.65, 0.5, 0.38, 0.28, 0.2, 0.13)
"""How a state fades over the context."""

_SEES = {
    "full": "every token",
    "latent": "every token",
    "state": "a fading summary",
    "compressed": "groups of tokens",
}
"""How far layers without a window see."""

_TALLEST = 36.0
_CROSS = 13
"""Width of the column for cross attention, and the gap before it."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A logarithmic axis of tokens.

    Attributes:
        low: The tokens where it begins.
        high: And where it ends.
        left: Where `low` is.
        width: How long it is.
        mirrored: Whether it grows to the left.
    """

    low: int
    high: int
    left: float
    width: float
    mirrored: bool = False

    def at(self, tokens: int) -> float:
        """Where so many tokens are."""
        low, high = math.log2(self.low), math.log2(self.high)
        share = (math.log2(min(max(tokens, self.low), self.high)) - low) / (high - low)
        return self.left + self.width * (1 - share if self.mirrored else share)

    def ticks(self, room: float) -> list[int]:
        """Round numbers of tokens with so much room between them."""
        each = self.width / math.log2(self.high / self.low)
        step = max(1, math.ceil(room / each))
        first = math.ceil(math.log2(self.low))
        last = math.floor(math.log2(self.high))
        return [2**power for power in range(first, last + 1) if (power - 10) % step == 0]


def tokens_text(tokens: int) -> str:
    """A number of tokens in short: `128k`, `1M`, or all digits if it is not round."""
    if tokens >= 1 << 20 and tokens % (1 << 20) == 0:
        return f"{tokens >> 20}M"
    if tokens >= 1 << 10 and tokens % (1 << 10) == 0:
        return f"{tokens >> 10}k"
    return exact_count(tokens)


def axis_of(facts: list[Facts]) -> tuple[int, int]:
    """The tokens where the axis of these models begins and ends."""
    high = max(one.longest for one in facts)
    windows = [window for one in facts for window in one.windows]
    low = min([256, *(window // 4 for window in windows)])
    return max(1 << max(low, 1).bit_length() - 1, 1), max(high, 1024)


def row_height(facts: Facts, height: float) -> float:
    """How high the row of a layer is."""
    return min(height / max(facts.main.layers, 1), _TALLEST)


def draw_reach(sheet: Sheet, facts: Facts, axis: Axis, ground: float, height: float) -> float:
    """Draws the rows, the axis below them and the span of rotary positions; gives the top of the rows.

    Args:
        sheet: Where.
        facts: The model.
        axis: The axis of tokens.
        ground: Below the rows.
        height: How high all rows may be.
    """
    row = row_height(facts, height)
    layers = facts.main.layers
    top = ground - row * layers
    sheet.rect(axis.left, top, axis.width, row * layers, "panel")
    for tick in axis.ticks(42):
        sheet.line([(axis.at(tick), top), (axis.at(tick), ground + 3)], "rule", width=0.8)
    at = ground
    named: set[str] = set()
    for run in facts.main.runs:
        at -= row * run.count
        _draw_run(sheet, facts, run, axis, at, row)
        _name(sheet, facts, run, axis, at, row * run.count, named)
    _draw_numbers(sheet, facts, axis, ground, row)
    for tick in axis.ticks(42):
        sheet.text(axis.at(tick), ground + 14, tokens_text(tick), 10, ink="soft", anchor="middle")
    return top


def _draw_run(sheet: Sheet, facts: Facts, run: Run, axis: Axis, top: float, row: float) -> None:
    mixers = run.kind["mixers"]
    own = [mixer for mixer in mixers if mixer["kind"] != "cross"]
    cross = [mixer for mixer in mixers if mixer["kind"] == "cross"]
    height = row * run.count
    with sheet.group(f"{run.span}: {_words(run.kind)}"):
        each = height / max(len(own), 1)
        if not own and not cross:
            _bar(sheet, axis, "none", axis.low, top + height * 0.3, height * 0.4, whole=False)
        for at, mixer in enumerate(own):
            _draw_mixer(sheet, facts, mixer, axis, top + at * each, each)
        if cross:
            side = axis.left - 3 - _CROSS if axis.mirrored else axis.left + axis.width + 3
            look = MIXERS["cross"]
            sheet.rect(side, top, _CROSS, height, look.ink, pattern=look.pattern)
        if row >= 2.4:
            left = axis.left - (_CROSS + 3 if cross and axis.mirrored else 0)
            right = axis.left + axis.width + (_CROSS + 3 if cross and not axis.mirrored else 0)
            lines = [top + row * step for step in range(run.count + 1)]
            d = "".join(f"M{number(left)} {number(line)}H{number(right)}" for line in lines)
            sheet.path(d, stroke="paper", width=1 if row >= 5 else 0.6)
        kinds = [kind for kind in mixer_kinds(run.kind) if kind != "none"]
        if height >= 9 and kinds:
            _letters(sheet, axis, kinds, top, height)


def _name(
    sheet: Sheet, facts: Facts, run: Run, axis: Axis, top: float, height: float, named: set[str]
) -> None:
    """Says how far the layers see, on the first of each kind that has room."""
    mixers = [mixer for mixer in run.kind["mixers"] if mixer["kind"] != "cross"]
    if len(mixers) != 1 or height < 11:
        return
    mixer = mixers[0]
    window = mixer.get("window")
    words = f"the last {exact_count(window)}" if window else _SEES.get(mixer["kind"], "")
    if mixer["kind"] == "chunked" and window:
        words = f"{exact_count(window)} at a time"
    if not words or words in named:
        return
    far = min(window or axis.high, facts.longest)
    wide = text_width(words, 10.5) + 8
    free = axis.width - abs(axis.at(far) - axis.at(axis.low))
    y = top + height / 2
    begin = axis.at(far) if window and free >= wide else axis.at(axis.low)
    begin += 0 if window and free >= wide else (-17 if axis.mirrored else 17)
    if not window:
        left = begin - wide if axis.mirrored else begin
        sheet.rect(left, y - 6.5, wide, 13, "paper", radius=2.5, opacity=0.9)
    elif free < wide:
        return
    named.add(words)
    x = begin + (-4 if axis.mirrored else 4)
    sheet.text(
        x,
        y + 3.8,
        words,
        10.5,
        ink="ink" if not window else "soft",
        anchor="end" if axis.mirrored else "start",
    )


def _letters(sheet: Sheet, axis: Axis, kinds: list[str], top: float, height: float) -> None:
    size = min(10.5, height - 1)
    middle = top + height / 2
    inner = axis.left + axis.width - 9 if axis.mirrored else axis.left + 9
    outer = axis.left - 3 - _CROSS / 2 if axis.mirrored else axis.left + axis.width + 3 + _CROSS / 2
    own = [kind for kind in kinds if kind != "cross"]
    for at, kind in enumerate(own):
        x = inner + (-13 if axis.mirrored else 13) * at
        sheet.rect(x - 6, middle - size / 2 - 0.5, 12, size + 1, "paper", radius=2.5, opacity=0.9)
        sheet.text(x, middle + size * 0.36, MIXERS[kind].letter, size, bold=True, anchor="middle")
    if "cross" in kinds:
        sheet.rect(outer - 5.5, middle - size / 2 - 0.5, 11, size + 1, "paper", radius=2.5, opacity=0.9)
        sheet.text(outer, middle + size * 0.36, "X", size, bold=True, anchor="middle")


def _draw_mixer(
    sheet: Sheet, facts: Facts, mixer: Mapping[str, Any], axis: Axis, top: float, height: float
) -> None:
    kind = mixer["kind"]
    far = min(mixer.get("window") or facts.longest, facts.longest)
    if kind == "state":
        _fade(sheet, axis, axis.at(facts.longest), top, height)
    elif kind == "compressed":
        _bar(sheet, axis, kind, facts.longest, top, height)
        _bar(sheet, axis, "sliding", far, top, height)
    elif mixer.get("shared_with") is not None:
        _bar(sheet, axis, kind, far, top, height, faint=True)
    else:
        _bar(sheet, axis, kind, far, top, height)


def _bar(
    sheet: Sheet,
    axis: Axis,
    kind: str,
    far: int,
    top: float,
    height: float,
    *,
    whole: bool = True,
    faint: bool = False,
) -> None:
    look = MIXERS[kind]
    begin = axis.left + axis.width if axis.mirrored else axis.left
    end = axis.at(far) if whole else begin + (-8 if axis.mirrored else 8)
    left, width = min(begin, end), max(abs(end - begin), 2)
    sheet.rect(left, top, width, height, look.ink, pattern=look.pattern, opacity=0.45 if faint else 1)


def _fade(sheet: Sheet, axis: Axis, end: float, top: float, height: float) -> None:
    look = MIXERS["state"]
    begin = axis.left + axis.width if axis.mirrored else axis.left
    step = (end - begin) / len(_FADE)
    for at, opacity in enumerate(_FADE):
        left = begin + step * at
        # A hair wider, so that no gap shows between them.
        sheet.rect(
            min(left, left + step),
            top,
            abs(step) + 0.3,
            height,
            look.ink,
            pattern=look.pattern,
            opacity=opacity,
        )


def _draw_numbers(sheet: Sheet, facts: Facts, axis: Axis, ground: float, row: float) -> None:
    layers = facts.main.layers
    if not layers:
        return
    step = next((step for step in (1, 2, 4, 5, 8, 10, 16, 20, 32, 40, 64, 100) if step * row >= 26), layers)
    x = axis.left + axis.width + 5 if axis.mirrored else axis.left - 5
    anchor = "start" if axis.mirrored else "end"
    for layer in {*range(0, layers, step), layers - 1}:
        if layer != layers - 1 and (layers - 1 - layer) * row < 11:
            continue
        y = ground - row * (layer + 0.5) + 3.5
        sheet.text(x, y, str(layer), 9.5, ink="soft", anchor="start" if anchor == "start" else "end")


def _words(kind: Mapping[str, Any]) -> str:
    words = [_mixer_words(mixer) for mixer in kind["mixers"]]
    return "; ".join(words) or "no mixing of tokens"


def _mixer_words(mixer: Mapping[str, Any]) -> str:
    words = f"{mixer['words']}: {MIXERS[mixer['kind']].words}"
    if mixer.get("window"):
        words += f", {exact_count(mixer['window'])} tokens"
    if mixer.get("shared_with") is not None:
        words += f", with the keys and values of layer {mixer['shared_with']}"
    if mixer.get("tokens"):
        words += f", {exact_count(mixer['tokens'])} of them"
    return words


def draw_rope(sheet: Sheet, facts: Facts, axis: Axis, top: float) -> None:
    """Draws how far rotary positions were learnt and how far they are stretched, and says it below."""
    rope = facts.shown["rope"]
    room = axis.width + 28
    x, anchor = (axis.left + axis.width, "end") if axis.mirrored else (axis.left, "start")
    if not rope:
        learnt = "position" in facts.shown["roles"]
        words = "positions: a table of them" if learnt else "positions: no rotary ones are stated"
        sheet.text(
            x, top + 11, words, 10.5, ink="soft", anchor="end" if anchor == "end" else "start", room=room
        )
        return
    context = facts.context
    origin = rope["original_context"]
    if context and origin and rope["factor"] and origin < context:
        stops = [(axis.low, origin, None), (origin, context, "hatch")]
        words = [f"rope: learnt to {tokens_text(origin)}, stretched to {tokens_text(context)}"]
        tail = f"{rope['kind']} x {number(rope['factor'])}"
    else:
        stops = [(axis.low, context or axis.high, None)]
        words = [f"rope: spans {tokens_text(context)}" if context else "rope: no end is stated"]
        tail = "" if rope["kind"] == "default" else rope["kind"]
    if rope["base"]:
        tail = ", ".join(filter(None, [tail, f"base {exact_count(round(rope['base']))}"]))
    words += [tail] if tail else []
    with sheet.group("; ".join(words)):
        for begin, end, pattern in stops:
            left, right = sorted((axis.at(begin), axis.at(end)))
            if right - left > 0.5:
                sheet.rect(left, top, right - left, 4, "deep", pattern=pattern)
        at = top + 16
        for words_ in words:
            end = "end" if anchor == "end" else "start"
            sheet.text(x, at, words_, 10.5, ink="soft", anchor="end" if end == "end" else "start", room=room)
            at += 13


def draw_key(sheet: Sheet, facts: list[Facts], left: float, top: float, width: float) -> float:
    """The key of the kinds of mixers that are there; gives the line below it."""
    kinds = [kind for kind in MIXERS if any(kind in one.kinds for one in facts)]
    at, line = left, top
    for kind in kinds:
        look = MIXERS[kind]
        words = cut(look.words, 11, width - 40)
        own = text_width(words, 11) * 0.9 + 46
        if at > left and at + own > left + width:
            at, line = left, line + 18
        sheet.rect(at, line - 10, 22, 12, look.ink, pattern=look.pattern, radius=2)
        sheet.rect(at + 5.5, line - 9.5, 11, 11, "paper", radius=2.5, opacity=0.9)
        sheet.text(at + 11, line - 0.5, look.letter, 10, bold=True, anchor="middle")
        sheet.text(at + 28, line, words, 11, ink="soft")
        at += own
    if any("lit" in dict(parts_of(run.kind, "parameters")) for one in facts for run in one.main.runs):
        if at > left and at + 190 > left + width:
            at, line = left, line + 18
        sheet.rect(at, line - 10, 22, 12, LIT.ink, radius=2, stroke="lit")
        sheet.text(at + 28, line, LIT.words, 11, ink="soft")
    return line + 18
