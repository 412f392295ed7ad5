"""What notebooks show is made of: blocks, headings, tables and bars.

Self-contained: inline styles, no scripts, and the colours of the page itself, so that light and dark work.
"""

from collections.abc import Iterable, Sequence
from html import escape

from pondera._text import shortened

FAINT = "opacity:.65"

_TABLE = "border-collapse:collapse;font-size:inherit;font-variant-numeric:tabular-nums"
_CELL = "padding:2px 10px;border:0;background:none"
_NARROW = ";white-space:nowrap"
_WIDE = ";min-width:16em;vertical-align:top;white-space:normal;overflow-wrap:anywhere"
_RULE = "border-bottom:1px solid currentColor"
_TRACK = "display:inline-block;width:120px;height:9px"
_BAR = "display:block;height:9px;border-radius:2px;background:currentColor;opacity:.55"
_LONGEST = 2000
"""Characters of a text at the most."""


def block(*parts: str) -> str:
    """The parts, one below the other."""
    return f'<div style="font-size:13px;line-height:1.45">{"".join(parts)}</div>'


def words(text: str) -> str:
    """A text as it may stand in HTML: what steers or hides is written out, what is too long is cut."""
    return escape(shortened(text, _LONGEST))


def heading(name: str, path: str, facts: Iterable[str | None]) -> str:
    """A name, where it is, and facts about it in a line."""
    return (
        f'<div><b>{words(name)}</b> <span style="{FAINT}">{words(path)}</span></div>'
        f"<div>{words(' · '.join(filter(None, facts)))}</div>"
    )


def picture(svg: str) -> str:
    """A picture, whose words were escaped where it was drawn."""
    return f'<div style="margin:8px 0">{svg}</div>'


def note(text: str) -> str:
    """A sentence that is less important."""
    return f'<div style="{FAINT}">{words(text)}</div>'


def folded(title: str, html: str) -> str:
    """What is seen when its title is clicked on."""
    return f'<details style="margin:4px 0"><summary>{words(title)}</summary>{html}</details>'


def table(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    total: Sequence[str] | None,
    left: set[int],
    wide: set[int] | None = None,
) -> str:
    """An HTML table of cells that are HTML already.

    Args:
        titles: What stands above the columns.
        rows: The rows.
        total: The last row, if there is one.
        left: Columns that are aligned left; the others are aligned right.
        wide: Columns whose cells may have several lines.
    """

    def line(tag: str, cells: Sequence[str], style: str = "") -> str:
        def styled(at: int) -> str:
            side = "left" if at in left else "right"
            return f"{_CELL}{_WIDE if wide and at in wide else _NARROW};text-align:{side}{style}"

        aligned = (f'<{tag} style="{styled(at)}">{cell}</{tag}>' for at, cell in enumerate(cells))
        return f'<tr style="background:none">{"".join(aligned)}</tr>'

    body = [line("td", cells) for cells in rows]
    if total:
        body.append(line("th", total, ";border-top:1px solid currentColor"))
    head = line("th", titles, f";{_RULE}")
    return (
        f'<div style="overflow-x:auto"><table style="{_TABLE}"><thead>{head}</thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def bar(part: int, largest: int) -> str:
    """A bar whose length is the part of the largest, in tenths of a per cent."""
    thousandths = part * 1000 // largest if largest else 0
    width = f"{thousandths // 10}.{thousandths % 10}%"
    return f'<span style="{_TRACK}"><span style="{_BAR};width:{width}"></span></span>'


def hover(html: str, title: str) -> str:
    """What is shown with a text when the mouse is over it."""
    return f'<span title="{words(title)}">{html}</span>'
