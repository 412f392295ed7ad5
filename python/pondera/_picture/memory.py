"""The memory of deployments as stacked bars on one scale, one for each: its GPU, of the fullest stage."""

from collections.abc import Mapping, Sequence
from typing import Any

from pondera._fit_view import asked_facts, gpus_words, layout_words
from pondera._map.inks import PATTERNS, Look
from pondera._native import PonderaError
from pondera._numbers import binary_bytes, exact_count, share
from pondera._picture.bar import HEIGHT, Bar, draw_bar, rest_of, ticks_of
from pondera._picture.inks import COMPONENTS, PICTURE_INKS
from pondera._picture.place import WIDE, Frame, frame_of
from pondera._svg import Sheet, Theme, text_width, wrapped

_SWATCH = 16.0
_BELOW = 6
"""What the last line of words needs below it."""


def draw_memory(
    fits: Sequence[Mapping[str, Any]], theme: Theme = "auto", *, width: int = WIDE, framed: bool = True
) -> str:
    """Draws the memory of deployments as SVG.

    Args:
        fits: Estimates in schema `pondera.fit/1`, at least one.
        theme: For which pages: both kinds, or one alone.
        width: How wide the picture is. Words stay as large as they are, so choose it for the place where it
            is to stand: `NARROW` for telephones.
        framed: Whether it has paper and an edge of its own; without, its words go on that of the page.

    Raises:
        PonderaError: There is no estimate.
    """
    if not fits:
        raise PonderaError("there is no estimate to draw; give one or more")
    return _pictures(fits, len(fits), theme, frame_of(width, framed))[0]


def draw_memory_in_parts(
    fits: Sequence[Mapping[str, Any]], theme: Theme = "auto", *, width: int = WIDE
) -> list[str]:
    """The same as a picture for each bar, on one scale, between which a sheet of paper may end.

    The first has the heading, and the last has the scale and what stands for what.

    Args:
        fits: Estimates in schema `pondera.fit/1`.
        theme: For which pages: both kinds, or one alone.
        width: How wide each picture is.
    """
    return _pictures(fits, 1, theme, frame_of(width, framed=False))


def _pictures(fits: Sequence[Mapping[str, Any]], each: int, theme: Theme, frame: Frame) -> list[str]:
    bars = [Bar(one) for one in fits]
    return [_Picture(bars, slice(at, at + each), frame).drawn(theme) for at in range(0, len(bars), each)]


class _Picture:
    """One picture of several bars, which are all there are or some of them."""

    def __init__(self, bars: Sequence[Bar], drawn: slice, frame: Frame) -> None:
        self._bars = bars
        self._drawn = range(len(bars))[drawn]
        self._frame = frame
        self._edge = frame.edge
        self._inside = frame.inside
        self._whole = max(bar.end for bar in bars)
        facts = [_facts(bar.shown) for bar in bars]
        self._common = {name: words for name, words in facts[0].items() if _same(facts, name)}
        self._own = [
            {name: words for name, words in one.items() if name not in self._common} for one in facts
        ]
        models = list(dict.fromkeys(str(bar.shown["model"]) for bar in bars))
        title = f"Memory of {models[0] if len(models) == 1 else 'several models'}"
        shown = bars[drawn]
        desc = " ".join(_sentence(bar) for bar in shown)
        key = f"{frame}{[bar.shown for bar in shown]}"
        self._sheet = Sheet(title, desc, PICTURE_INKS, PATTERNS, key)

    def drawn(self, theme: Theme) -> str:
        y: float = self._draw_heading(self._edge + 16) if 0 in self._drawn else self._edge
        for at in self._drawn:
            y = self._draw_row(self._bars[at], self._own[at], y)
        if len(self._bars) - 1 not in self._drawn:
            return self._frame.finished(self._sheet, y + _BELOW, theme)
        return self._frame.finished(self._sheet, self._draw_legend(self._draw_axis(y) + 14), theme)

    def _draw_heading(self, y: float) -> float:
        """The model, and what is the same for all bars; gives the line below."""
        title, *rest = [*self._common.values()] if "model" in self._common else ["", *self._common.values()]
        if title:
            self._sheet.text(self._edge, y, title, 16, bold=True, room=self._inside, hover=title)
            y += 18
        for row in wrapped(" · ".join(filter(None, rest)), 11.5, self._inside, 3):
            self._sheet.text(self._edge, y, row, 11.5, ink="soft")
            y += 15
        return y + 4

    def _draw_row(self, bar: Bar, own: Mapping[str, str], y: float) -> float:
        """A bar with what is its own, the verdict and where the memory ends; gives the line below."""
        sheet, left, right = self._sheet, self._edge, self._edge + self._inside
        y += 14
        verdict = f"{'✓ fits' if bar.shown['fits'] else '✗ does not fit'}: {bar.words()}"
        ink = "ink" if bar.shown["fits"] else "alarm"
        words = [word for word in own.values() if word]
        head = words[0] if words else ""
        beside = self._inside - text_width(verdict, 12.5) * 1.06 - 12
        if head and text_width(head, 12.5) * 1.06 > beside:
            sheet.text(left, y, head, 12.5, bold=True, room=self._inside, hover=head)
            y += 16
            head = ""
        if head:
            sheet.text(left, y, head, 12.5, bold=True)
        place = right if head else left
        sheet.text(place, y, verdict, 12.5, ink=ink, bold=True, anchor="end" if head else "start")
        for row in wrapped(" · ".join(words[1:]), 11, self._inside, 2):
            y += 14
            sheet.text(left, y, row, 11, ink="soft")
        top = y + 25
        ends = f"{binary_bytes(bar.usable)} usable"
        end = left + self._inside * bar.usable / self._whole
        x, anchor = self._frame.anchored(end, text_width(ends, 10.5))
        sheet.text(x, top - 9, ends, 10.5, ink="soft", anchor=anchor)
        draw_bar(sheet, bar, left, top, self._inside, self._whole)
        low, high = (left + self._inside * max(count, 0) / self._whole for count in bar.gap)
        x, anchor = self._frame.anchored((low + high) / 2, text_width(bar.words(), 10.5))
        ink = "soft" if bar.shown["fits"] else "alarm"
        sheet.text(x, top + HEIGHT + 18, bar.words(), 10.5, ink=ink, anchor=anchor)
        return top + HEIGHT + 24

    def _draw_axis(self, y: float) -> float:
        """The scale of all bars; gives the line below."""
        sheet, left = self._sheet, self._edge
        sheet.line([(left, y), (left + self._inside, y)], "rule")
        for tick in ticks_of(self._whole, self._inside / 56):
            x = left + self._inside * tick / self._whole
            sheet.line([(x, y), (x, y + 4)], "rule")
            words = _round_bytes(tick)
            at, anchor = self._frame.anchored(x, text_width(words, 10))
            sheet.text(at, y + 15, words, 10, ink="soft", anchor=anchor)
        return y + 18

    def _draw_legend(self, y: float) -> float:
        """What stands for what, of one bar with its bytes; gives the line below."""
        alone = self._bars[0] if len(self._bars) == 1 else None
        entries = [
            (look, int(alone.shown[name]) if alone else None)
            for name, look in COMPONENTS.items()
            if any(bar.shown[name] for bar in self._bars)
        ]
        for bar in self._bars:
            for look, begin, end in rest_of(bar):
                if all(look is not known for known, _ in entries):
                    entries.append((look, end - begin if alone else None))
        columns = max(int(self._inside // (240 if alone else 140)), 1)
        each = min(self._inside / columns, 300)
        rows = -(-len(entries) // columns)
        for at, (look, size) in enumerate(entries):
            # Down each column, so that the order of the bar is that of reading.
            place = self._edge + each * (at // rows), y + 19 * (at % rows)
            self._draw_entry(look, size, *place, each if columns == 1 else each - 20)
        return y + 19 * rows

    def _draw_entry(self, look: Look, size: int | None, x: float, y: float, room: float) -> None:
        sheet = self._sheet
        whole = self._bars[0].usable
        hover = f"{look.words}: {exact_count(size)} bytes" if size is not None else look.words
        with sheet.group(hover):
            sheet.rect(x, y, _SWATCH, 12, look.ink, pattern=look.pattern, stroke="soft", radius=2)
            words = f"{look.letter} {look.words}" if look.letter.isalpha() else look.words
            right = room - _SWATCH - 7
            if size is not None:
                count = f"{binary_bytes(size)}, {share(size, whole)}"
                wide = text_width(count, 11)
                sheet.text(x + room, y + 10, count, 11, ink="soft", anchor="end")
                right -= wide + 6
            sheet.text(x + _SWATCH + 7, y + 10, words, 11, room=right)


def _facts(shown: Mapping[str, Any]) -> dict[str, str]:
    """What an estimate is of, in words, by what each is about."""
    layout = layout_words(shown["parallel"])
    stages = len(shown["stages"])
    stage = f"stage {shown['fullest_stage'] + 1} of {stages}, the fullest" if stages > 1 else ""
    return {
        "model": str(shown["model"]),
        "gpu": gpus_words(shown["gpus"], str(shown["gpu"]["name"])),
        **asked_facts(shown),
        "layout": layout,
        "stage": stage,
    }


def _same(facts: Sequence[Mapping[str, str]], name: str) -> bool:
    return len({one[name] for one in facts}) == 1


def _sentence(bar: Bar) -> str:
    """A bar in words, for who cannot see it."""
    shown = bar.shown
    parts = ", ".join(
        f"{look.words} {exact_count(int(shown[name]))}" for name, look in COMPONENTS.items() if shown[name]
    )
    verdict = "fits" if shown["fits"] else "does not fit"
    return (
        f"{shown['model']} on {gpus_words(shown['gpus'], shown['gpu']['name'])} {verdict}, {bar.words()}: "
        f"{exact_count(bar.total)} of {exact_count(bar.usable)} bytes; {parts}."
    )


def _round_bytes(count: int) -> str:
    """A power of two, or few of them, as bytes without digits behind the point."""
    whole, _, unit = binary_bytes(count).partition(" ")
    return f"{whole.removesuffix('.00')} {unit}" if count else "0"
