"""What each layer of a map can look back at: a row for each layer, over the context on a logarithmic axis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._map.axis import Axis, tokens_text
from pondera._map.facts import Facts, mixer_kinds
from pondera._map.inks import MIXERS, mixer_meaning
from pondera._map.stacks import Run, Tower
from pondera._numbers import exact_count
from pondera._svg import Anchor, Sheet, number, text_width

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
_CROSS = 19
"""Width of the column for cross attention."""

_CAPTION = 22
"""Room above each of two panels."""


@dataclass(frozen=True, slots=True)
class _Panel:
    """The rows of one tower.

    Attributes:
        tower: Whose layers they are.
        far: How many tokens there are to see.
        caption: What stands above them, where there are two panels.
        called: What its layers are called, where there are two panels.
    """

    tower: Tower
    far: int
    caption: str = ""
    called: str = ""


def _panels(facts: Facts) -> list[_Panel]:
    """The panels from the top: of the main tower, and of the one that reads the input for it."""
    reader = facts.reader
    if reader is None:
        return [_Panel(facts.main, facts.longest)]
    given = facts.given
    whole = "its whole input"
    if given:
        whole += f", {exact_count(given)} tokens"
    elif not facts.context:
        whole += ", of any length"
    return [
        _Panel(
            facts.main, facts.longest, f"{facts.main.words}: what it has written", f"{facts.main.words}, "
        ),
        _Panel(reader, given or facts.longest, f"{reader.words}: {whole}", f"{reader.words}, "),
    ]


def draw_reach(sheet: Sheet, facts: Facts, axis: Axis, ground: float, height: float) -> tuple[float, float]:
    """Draws the rows and the axis below them; gives the top and bottom of the rows of the main tower.

    Args:
        sheet: Where.
        facts: The model.
        axis: The axis of tokens.
        ground: Below the rows.
        height: How high all rows may be.
    """
    panels = _panels(facts)
    over = _CAPTION if len(panels) > 1 else 0
    layers = sum(panel.tower.layers for panel in panels)
    row = min((height - over * len(panels)) / max(layers, 1), _TALLEST)
    ticks = [] if facts.endless else axis.ticks(42)
    bottom = ground
    for panel in reversed(panels):
        # The last one that is drawn is the upper one, that of the main tower.
        top = bottom - row * panel.tower.layers
        ends = top, bottom
        _draw_panel(sheet, facts, panel, axis, ends, row, ticks)
        bottom = top - over
    for tick in ticks:
        sheet.line([(axis.at(tick), ground), (axis.at(tick), ground + 3)], "rule", width=0.8)
        sheet.text(axis.at(tick), ground + 14, tokens_text(tick), 10, ink="soft", anchor="middle")
    words = "how many tokens, both ways" if facts.main.looks_ahead else "how many tokens back"
    words = "tokens back; in the encoder, both ways" if len(panels) > 1 else words
    words = "its whole input" if facts.endless else words
    middle, below = axis.left + axis.width / 2, 14 if facts.endless else 27
    sheet.text(middle, ground + below, words, 10, ink="soft", anchor="middle")
    return ends


def _draw_panel(
    sheet: Sheet,
    facts: Facts,
    panel: _Panel,
    axis: Axis,
    ends: tuple[float, float],
    row: float,
    ticks: Sequence[int],
) -> None:
    top, bottom = ends
    sheet.rect(axis.left, top, axis.width, bottom - top, "panel")
    for tick in ticks:
        sheet.line([(axis.at(tick), top), (axis.at(tick), bottom)], "rule", width=0.8)
    if panel.caption:
        x = axis.left + (axis.width if axis.mirrored else 0)
        anchor: Anchor = "end" if axis.mirrored else "start"
        sheet.text(x, top - 6, panel.caption, 10.5, ink="soft", anchor=anchor, room=axis.width + 24)
    at = bottom
    named: set[str] = set()
    for run in panel.tower.runs:
        at -= row * run.count
        _draw_run(sheet, panel, run, axis, at, row)
        _name(sheet, panel, run, axis, at, row * run.count, named)
    _draw_numbers(sheet, panel.tower.layers, axis, bottom, row)


def _draw_run(sheet: Sheet, panel: _Panel, run: Run, axis: Axis, top: float, row: float) -> None:
    mixers = run.kind["mixers"]
    own = [mixer for mixer in mixers if mixer["kind"] != "cross"]
    cross = [mixer for mixer in mixers if mixer["kind"] == "cross"]
    height = row * run.count
    hover = ": ".join(filter(None, [panel.called + run.span, run.lack, _words(panel.tower, run.kind)]))
    with sheet.group(hover):
        each = height / max(len(own), 1)
        if not own and not cross:
            _bar(sheet, axis, "none", axis.low, top + height * 0.3, height * 0.4, whole=False)
        for at, mixer in enumerate(own):
            _draw_mixer(sheet, panel.far, mixer, axis, top + at * each, each)
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
                sheet.text(middle, top + height / 2 + 4, words, 11, ink="alarm", bold=True, anchor="middle")


def _name(
    sheet: Sheet, panel: _Panel, run: Run, axis: Axis, top: float, height: float, named: set[str]
) -> None:
    """Says how far the layers see, on the first of each kind that has room."""
    mixers = [mixer for mixer in run.kind["mixers"] if mixer["kind"] != "cross"]
    if len(mixers) != 1 or height < 11 or run.lack:
        return
    mixer = mixers[0]
    window = mixer.get("window")
    words = _SEES.get(mixer["kind"], "")
    if window:
        words = (
            f"{exact_count(window)} around it"
            if panel.tower.looks_ahead
            else f"the last {exact_count(window)}"
        )
    if mixer["kind"] == "chunked" and window:
        words = f"{exact_count(window)} at a time"
    if not words or words in named:
        return
    far = min(window or axis.high, panel.far)
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
    sheet: Sheet, whole: int, mixer: Mapping[str, Any], axis: Axis, top: float, height: float
) -> None:
    kind = mixer["kind"]
    far = min(mixer.get("window") or whole, whole)
    if kind == "state":
        _fade(sheet, axis, axis.at(whole), top, height)
    elif kind == "compressed":
        _bar(sheet, axis, kind, whole, top, height)
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


def _draw_numbers(sheet: Sheet, layers: int, axis: Axis, ground: float, row: float) -> None:
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


def _words(tower: Tower, kind: Mapping[str, Any]) -> str:
    words = [_mixer_words(mixer, ahead=tower.looks_ahead) for mixer in kind["mixers"]]
    return "; ".join(words) or "no mixing of tokens"


def _mixer_words(mixer: Mapping[str, Any], *, ahead: bool) -> str:
    words = f"{mixer['words']}: {mixer_meaning(mixer['kind'], ahead=ahead)}"
    if mixer.get("window"):
        words += f", {exact_count(mixer['window'])} tokens"
    if mixer.get("shared_with") is not None:
        words += f", with the keys and values of layer {mixer['shared_with']}"
    if mixer.get("tokens"):
        words += f", {exact_count(mixer['tokens'])} of them"
    return words
