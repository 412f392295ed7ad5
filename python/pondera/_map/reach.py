"""What each layer of a map can look back at: a row for each layer, over the context on a logarithmic axis."""

from collections.abc import Mapping
from typing import Any

from pondera._map.axis import Axis, tokens_text
from pondera._map.facts import Facts, Run, mixer_kinds, parts_of
from pondera._map.inks import LIT, MIXERS
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
    ticks = [] if facts.endless else axis.ticks(42)
    for tick in ticks:
        sheet.line([(axis.at(tick), top), (axis.at(tick), ground + 3)], "rule", width=0.8)
    at = ground
    named: set[str] = set()
    for run in facts.main.runs:
        at -= row * run.count
        _draw_run(sheet, facts, run, axis, at, row)
        _name(sheet, facts, run, axis, at, row * run.count, named)
    _draw_numbers(sheet, facts, axis, ground, row)
    for tick in ticks:
        sheet.text(axis.at(tick), ground + 14, tokens_text(tick), 10, ink="soft", anchor="middle")
    words = "how many tokens back" if facts.memory else "how many tokens away"
    middle, below = axis.left + axis.width / 2, 14 if facts.endless else 27
    words = "its whole input" if facts.endless else words
    sheet.text(middle, ground + below, words, 10, ink="soft", anchor="middle")
    return top


def _draw_run(sheet: Sheet, facts: Facts, run: Run, axis: Axis, top: float, row: float) -> None:
    mixers = run.kind["mixers"]
    own = [mixer for mixer in mixers if mixer["kind"] != "cross"]
    cross = [mixer for mixer in mixers if mixer["kind"] == "cross"]
    height = row * run.count
    with sheet.group(": ".join(filter(None, [run.span, run.lack, _words(run.kind)]))):
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
        if height >= 7.5 and kinds:
            _letters(sheet, axis, kinds, top, height)
        if run.lack:
            sheet.rect(axis.left, top, axis.width, height, "paper", opacity=0.7)
            sheet.rect(axis.left, top, axis.width, height, None, stroke="vermilion", dash="3 2")
            if height >= 11:
                middle = axis.left + axis.width / 2
                words = f"✗ {run.lack}"
                sheet.text(
                    middle, top + height / 2 + 4, words, 11, ink="vermilion", bold=True, anchor="middle"
                )


def _name(
    sheet: Sheet, facts: Facts, run: Run, axis: Axis, top: float, height: float, named: set[str]
) -> None:
    """Says how far the layers see, on the first of each kind that has room."""
    mixers = [mixer for mixer in run.kind["mixers"] if mixer["kind"] != "cross"]
    if len(mixers) != 1 or height < 11 or run.lack:
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
    size = min(10.5, height - 0.6)
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
