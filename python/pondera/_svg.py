"""A small module to draw with: shapes, words and patterns on a sheet that is written out as SVG.

Colours are names of inks, each with a value for light pages and one for dark ones. They are set by classes,
and a media query turns them over, so one file serves both; a sheet for one kind of page alone has no query,
for programs that know none. Nothing here knows about models.
"""

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Literal

from pondera._text import printable, shortened

Theme = Literal["auto", "light", "dark"]
Anchor = Literal["start", "middle", "end"]

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,'Noto Sans','DejaVu Sans',sans-serif"

_WIDE_CHARS = frozenset("mwMW%@—…∞")
_NARROW_CHARS = frozenset("ijlI.,:;'|!·`")
_SMALL_CHARS = frozenset('frt()[]{}-/ \\"*')


@dataclass(frozen=True, slots=True)
class Ink:
    """A colour.

    Attributes:
        light: Its value on light pages.
        dark: Its value on dark ones.
    """

    light: str
    dark: str


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern over an ink, which tells two fills apart without their colours.

    Attributes:
        size: Side of the square that repeats.
        path: Lines in it.
        ink: Their ink.
        width: Their width.
    """

    size: int
    path: str
    ink: str
    width: float = 1.2


def safe(text: str, most: int = 400) -> str:
    """A text as it may stand in SVG: what steers or hides is written out, what is too long is cut."""
    return escape(shortened(text, most))


def text_width(text: str, size: float) -> float:
    """About how wide a text is, in a wide one of the fonts that may be taken."""
    return size * sum(map(_char_width, text))


def cut(text: str, size: float, width: float) -> str:
    """The text in at most so much width; what does not fit is left out at its end."""
    text = printable(text[:1000])
    if text_width(text, size) <= width:
        return text
    room = width - text_width("…", size)
    end = 0
    for char in text:
        room -= size * _char_width(char)
        if room < 0:
            break
        end += 1
    return text[:end].rstrip() + "…" if end else ""


def wrapped(text: str, size: float, width: float, lines: int) -> list[str]:
    """The text in at most so many lines of at most so much width."""
    words = printable(text[:2000]).split()
    rows: list[str] = []
    for at, word in enumerate(words):
        if rows and text_width(f"{rows[-1]} {word}", size) <= width:
            rows[-1] = f"{rows[-1]} {word}"
        elif len(rows) < lines:
            rows.append(word)
        else:
            rows[-1] = " ".join([rows[-1], *words[at:]])
            break
    return [cut(row, size, width) for row in rows]


def _char_width(char: str) -> float:
    if char in _NARROW_CHARS:
        return 0.32
    if char in _SMALL_CHARS:
        return 0.40
    if char in _WIDE_CHARS or ord(char) > 0x2E80:
        return 1.0
    if char.isupper():
        return 0.68
    return 0.6


def number(value: float) -> str:
    """A number with at most two digits behind the point."""
    shown = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if shown in ("-0", "") else shown


class Sheet:
    """A sheet that is drawn on, from the top left corner."""

    def __init__(
        self,
        title: str,
        desc: str,
        inks: Mapping[str, Ink],
        patterns: Mapping[str, Pattern] | None = None,
        key: str = "",
    ) -> None:
        """An empty sheet.

        Args:
            title: What it shows, for who cannot see it.
            desc: The same at length.
            inks: The inks by name.
            patterns: The patterns by name.
            key: What tells it from other sheets of the same title.
        """
        self._title = title
        self._desc = desc
        self._inks = inks
        self._patterns = patterns or {}
        self._items: list[str] = []
        self._used: dict[str, None] = {}
        self._filled: dict[tuple[str, str], None] = {}
        # What is drawn stays apart from other sheets in one page: ids and classes are named after what it is.
        self._name = f"pm{zlib.crc32(f'{title}{key}'.encode('utf-8', 'replace')):08x}"

    def rect(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: str | None,
        *,
        pattern: str | None = None,
        stroke: str | None = None,
        radius: float = 0,
        dash: str = "",
        opacity: float = 1,
        hover: str = "",
    ) -> None:
        """A rectangle; with a pattern, in the ink with the pattern over it."""
        place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
        if radius:
            place += f' rx="{number(radius)}"'
        self._shape("rect", place, fill, pattern, stroke, 1, dash, opacity, hover)

    def cells(
        self,
        places: Sequence[tuple[float, float]],
        width: float,
        height: float,
        fill: str,
        *,
        stroke: str = "",
    ) -> None:
        """Rectangles of one size, each from its top left corner."""
        side = f"h{number(width)}v{number(height)}h{number(-width)}z"
        d = "".join(f"M{number(x)} {number(y)}{side}" for x, y in places)
        if d:
            self.path(d, fill=fill, stroke=stroke or None)

    def path(
        self,
        d: str,
        *,
        fill: str | None = None,
        pattern: str | None = None,
        stroke: str | None = None,
        width: float = 1,
        dash: str = "",
        opacity: float = 1,
        hover: str = "",
    ) -> None:
        """A path, filled or drawn."""
        self._shape("path", f'd="{d}"', fill, pattern, stroke, width, dash, opacity, hover)

    def line(
        self, points: Sequence[tuple[float, float]], stroke: str, *, width: float = 1, dash: str = ""
    ) -> None:
        """Straight lines from point to point."""
        self.path(track(points), stroke=stroke, width=width, dash=dash)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float = 11.5,
        *,
        ink: str = "ink",
        bold: bool = False,
        anchor: Anchor = "start",
        turned: bool = False,
        room: float = 0,
        hover: str = "",
    ) -> None:
        """A line of text whose baseline begins, ends or has its middle at a point.

        Args:
            x: Where.
            y: Where.
            text: The text.
            size: Its size.
            ink: Its ink.
            bold: Whether it is bold.
            anchor: Which end of it is at the point.
            turned: Whether it reads upwards.
            room: How wide it may be; any width, if 0.
            hover: What is shown when the mouse is over it.
        """
        shown = cut(text, size * (1.06 if bold else 1), room) if room else text
        extra = f' text-anchor="{anchor}"' if anchor != "start" else ""
        extra += ' font-weight="600"' if bold else ""
        extra += f' transform="rotate(-90 {number(x)} {number(y)})"' if turned else ""
        self._used[ink] = None
        if not shown:
            return
        inside = safe(shown) + (f"<title>{safe(hover, 2000)}</title>" if hover else "")
        self._items.append(
            f'<text class="f-{ink}" x="{number(x)}" y="{number(y)}" font-size="{number(size)}"{extra}>'
            f"{inside}</text>"
        )

    @contextmanager
    def group(self, hover: str = "", label: str = "") -> Iterator[None]:
        """All that is drawn inside belongs together: it shows a text when the mouse is over it."""
        named = f' role="group" aria-label="{safe(label)}"' if label else ""
        self._items.append(f"<g{named}>")
        if hover:
            self._items.append(f"<title>{safe(hover, 2000)}</title>")
        yield
        self._items.append("</g>")

    def _shape(
        self,
        tag: str,
        place: str,
        fill: str | None,
        pattern: str | None,
        stroke: str | None,
        width: float,
        dash: str,
        opacity: float,
        hover: str,
    ) -> None:
        classes, extra = [], ""
        if fill and pattern:
            self._filled[fill, pattern] = None
            self._used[fill] = self._used[self._patterns[pattern].ink] = None
            extra += f' fill="url(#{self._name}-{fill}-{pattern})"'
        elif fill:
            self._used[fill] = None
            classes.append(f"f-{fill}")
        else:
            extra += ' fill="none"'
        if stroke:
            self._used[stroke] = None
            classes.append(f"s-{stroke}")
            extra += f' stroke-width="{number(width)}"' if width != 1 else ""
        extra += f' stroke-dasharray="{dash}"' if dash else ""
        extra += f' opacity="{number(opacity)}"' if opacity != 1 else ""
        named = f' class="{" ".join(classes)}"' if classes else ""
        end = f"><title>{safe(hover, 2000)}</title></{tag}>" if hover else "/>"
        self._items.append(f"<{tag}{named} {place}{extra}{end}")

    def lay_under(self, width: float, height: float, fill: str, stroke: str, radius: float) -> None:
        """Lays a rectangle under all that is drawn: the paper, once its height is known."""
        drawn, self._items = self._items, []
        self.rect(0.5, 0.5, width - 1, height - 1, fill, stroke=stroke, radius=radius)
        self._items += drawn

    def svg(self, width: float, height: float, theme: Theme = "auto") -> str:
        """The sheet as a whole SVG document.

        Args:
            width: Its width.
            height: Its height.
            theme: For which pages: both kinds, or one alone.
        """
        wide, high = number(width), number(height)
        scope = self._name if theme == "auto" else f"{self._name}-{theme}"
        size = f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{scope}" {size} role="img" '
            f'font-family="{FONT}" style="max-width:100%;height:auto">',
            f"<title>{safe(self._title)}</title>",
            f"<desc>{safe(self._desc, 4000)}</desc>",
            f"<style>{self._style(theme, scope)}</style>",
        ]
        if self._filled:
            parts.append(f"<defs>{''.join(self._pattern(scope, *one) for one in self._filled)}</defs>")
        # Patterns go by the theme as well, or a dark picture would take those of a light one before it.
        items = [item.replace(f"url(#{self._name}-", f"url(#{scope}-") for item in self._items]
        return "\n".join([*parts, *items, "</svg>"]) + "\n"

    def _style(self, theme: Theme, scope: str) -> str:
        used = sorted(self._used)

        def rules(dark: bool) -> str:
            values = {name: self._inks[name].dark if dark else self._inks[name].light for name in used}
            return "".join(
                f".{scope} .f-{name}{{fill:{value}}}.{scope} .s-{name}{{stroke:{value}}}"
                for name, value in values.items()
            )

        if theme == "auto":
            # Paper is light, whatever its reader prefers on a screen.
            return f"{rules(False)}@media screen and (prefers-color-scheme:dark){{{rules(True)}}}"
        return rules(theme == "dark")

    def _pattern(self, scope: str, fill: str, name: str) -> str:
        one = self._patterns[name]
        side = f'width="{one.size}" height="{one.size}"'
        return (
            f'<pattern id="{scope}-{fill}-{name}" {side} patternUnits="userSpaceOnUse">'
            f'<rect class="f-{fill}" {side}/><path class="s-{one.ink}" d="{one.path}" fill="none" '
            f'stroke-width="{number(one.width)}"/></pattern>'
        )


def track(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """The path from point to point."""
    d = "M" + "L".join(f"{number(x)} {number(y)}" for x, y in points)
    return f"{d}Z" if closed else d
