"""Heads and experts of a layer as cells: as large as they can be in the room there is."""

import math
from functools import cache
from hashlib import sha256

from pondera._map.inks import MIXERS
from pondera._svg import Sheet

MOST_CELLS = 2048
"""More of them are not drawn one by one."""

_LARGEST_CELL = 11.0
_SMALLEST_CELL = 2.2
_HEADS_ROOM = 40.0
EXPERTS_ROOM = 58.0
"""How high experts may be together."""


def draw_groups(
    sheet: Sheet, left: float, top: float, room: float, heads: int, groups: int, kind: str
) -> float:
    """Query heads as cells in the groups that share keys and values, which are the bars below them."""
    look = MIXERS[kind]
    if heads > MOST_CELLS:
        return top
    if groups == 1 or heads % groups:
        bottom, wide = draw_grid(sheet, (left, top), room, heads, look.ink)
        if kind not in ("latent", "state"):
            sheet.rect(left, bottom, wide, 3, "deep")
            bottom += 5
        return bottom
    per = heads // groups
    cell, per_row, gap = _group_size(room, per, groups)
    pitch = _pitch(cell)
    corners = [
        (left + group % per_row * (per * pitch + gap), top + group // per_row * (pitch + 5))
        for group in range(groups)
    ]
    sheet.cells([(x + head * pitch, y) for x, y in corners for head in range(per)], cell, cell, look.ink)
    sheet.cells([(x, y + pitch) for x, y in corners], per * pitch - (pitch - cell), 3, "deep")
    return top + math.ceil(groups / per_row) * (pitch + 5) + 3


def _pitch(cell: float) -> float:
    return cell + 1 if cell > 4 else cell + 0.6


def _group_size(width: float, per: int, groups: int) -> tuple[float, int, float]:
    """The largest cells with which all groups have room, groups in a row, and the gap between them."""
    cell = _LARGEST_CELL
    while True:
        pitch, gap = _pitch(cell), 3 if cell > 4 else 2
        per_row = int((width + gap) // (per * pitch + gap))
        if per_row and math.ceil(groups / per_row) * (pitch + 5) <= _HEADS_ROOM:
            return cell, _even(groups, per_row), gap
        if cell <= _SMALLEST_CELL:
            return cell, max(per_row, 1), gap
        cell = max(cell - 0.4, _SMALLEST_CELL)


def _even(count: int, per_row: int) -> int:
    """How many of so many are in a row, at most `per_row`, so that rows are of one length if they can be."""
    rows = math.ceil(count / per_row)
    even = next((rows_ for rows_ in range(rows, 2 * rows) if count % rows_ == 0), rows)
    return math.ceil(count / even)


def draw_grid(
    sheet: Sheet,
    corner: tuple[float, float],
    room: float,
    count: int,
    ink: str,
    lit: frozenset[int] = frozenset(),
    height: float = _HEADS_ROOM,
) -> tuple[float, float]:
    """So many cells in rows, some of them lit; gives the line below them and how wide they are."""
    left, top = corner
    cell = _LARGEST_CELL
    while True:
        pitch = _pitch(cell)
        per_row = _even(count, max(int((room + 1) // pitch), 1))
        if math.ceil(count / per_row) * pitch <= height or cell <= _SMALLEST_CELL:
            break
        cell = max(cell - 0.3, _SMALLEST_CELL)
    corners = [(left + at % per_row * pitch, top + at // per_row * pitch) for at in range(count)]
    sheet.cells([corner for at, corner in enumerate(corners) if at not in lit], cell, cell, ink)
    if lit:
        sheet.cells(
            [corners[at] for at in sorted(lit)], cell, cell, "yellow", stroke="lit" if cell > 3 else ""
        )
    return top + math.ceil(count / per_row) * pitch + 2, min(count, per_row) * pitch - (pitch - cell)


@cache
def scattered(count: int, of: int) -> frozenset[int]:
    """So many of so many places, spread as if by chance: which ones a token visits, nobody knows before."""
    # The order of their hashes is the same everywhere, and falls into no rows.
    return frozenset(sorted(range(of), key=lambda place: sha256(b"%d" % place).digest())[:count])
