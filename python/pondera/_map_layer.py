"""The inside of a layer: its widths as bars on one scale, its heads and experts as cells."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._map_facts import Facts, anatomies, mixer_kind
from pondera._map_inks import MIXERS
from pondera._numbers import exact_count, plural, short_count
from pondera._svg import Sheet, text_width

MOST_CARDS = 3
_BAR = 9.0
_LARGEST_CELL = 11.0
_SMALLEST_CELL = 2.2
_HEADS_ROOM = 40.0
_EXPERTS_ROOM = 58.0
_MOST_CELLS = 2048


@dataclass(frozen=True, slots=True)
class Place:
    """Where a card is drawn.

    Attributes:
        left: Its left end.
        width: How wide it is.
        scale: The length of one number of a vector.
    """

    left: float
    width: float
    scale: float


def widths_of(facts: Facts) -> list[int]:
    """Every width that is drawn as a bar."""
    widths = [facts.shown["hidden_size"] or 0]
    for _, kind in anatomies(facts.main.runs)[:MOST_CARDS]:
        for part in kind["feed_forward"]:
            widths += [part["width"], part.get("shared_width", 0)]
        widths += [mixer["rank"] + mixer["rope_dim"] for mixer in kind["mixers"] if mixer["kind"] == "latent"]
    return widths


def draw_card(
    sheet: Sheet, facts: Facts, count: int, kind: Mapping[str, Any], place: Place, top: float
) -> float:
    """Draws the inside of one kind of layer; gives the line below it."""
    look = MIXERS[mixer_kind(kind)]
    at = top + 11
    with sheet.group(f"{plural(count, 'layer')}, each {exact_count(kind['parameters'])} parameters"):
        sheet.rect(place.left, at - 10, 16, 12, look.ink, pattern=look.pattern, radius=2)
        sheet.rect(place.left + 2.5, at - 9.5, 11, 11, "paper", radius=2.5, opacity=0.9)
        sheet.text(place.left + 8, at - 0.5, look.letter, 10, bold=True, anchor="middle")
        each = f"{short_count(kind['parameters'])} each"
        sheet.text(place.left + place.width, at, each, 10.5, ink="soft", anchor="end")
        title = f"{count} x {kind['words'] or 'layer'}"
        sheet.text(place.left + 22, at, title, 12, bold=True, room=place.width - 30 - text_width(each, 10.5))
    at += 10
    hidden = facts.shown["hidden_size"]
    if hidden:
        at = _bar(sheet, place, at, hidden, "deep", None, f"residual stream, {exact_count(hidden)} wide")
    for mixer in kind["mixers"]:
        at = _draw_mixer(sheet, place, at, mixer)
    for part in kind["feed_forward"]:
        at = _draw_feed_forward(sheet, place, at, part)
    return at


def _bar(
    sheet: Sheet, place: Place, top: float, width: int, ink: str, pattern: str | None, words: str
) -> float:
    with sheet.group(words):
        length = max(width * place.scale, 1)
        sheet.rect(place.left, top, min(length, place.width), _BAR, ink, pattern=pattern, radius=1.5)
        wide = text_width(words, 11)
        if length + 8 + wide <= place.width:
            sheet.text(place.left + length + 6, top + 8.5, words, 11, ink="soft")
            return top + _BAR + 8
        sheet.text(place.left, top + _BAR + 12, words, 11, ink="soft", room=place.width)
    return top + _BAR + 20


def _draw_mixer(sheet: Sheet, place: Place, top: float, mixer: Mapping[str, Any]) -> float:
    kind = mixer["kind"]
    heads = mixer.get("heads") or 0
    if kind == "stateless" or not heads:
        words = mixer_words(mixer)
        look = MIXERS[kind]
        sheet.rect(place.left, top, 30, _BAR, look.ink, pattern=look.pattern, radius=1.5)
        sheet.text(place.left + 38, top + 8.5, words, 11, ink="soft", room=place.width - 38)
        return top + _BAR + 10
    with sheet.group(mixer_words(mixer)):
        # A latent and a state serve all heads together.
        groups = mixer.get("kv_heads") or 1
        bottom = _draw_groups(sheet, place, top, heads, max(min(groups, heads), 1), kind)
        if kind == "latent":
            width = (mixer["rank"] + mixer["rope_dim"]) * place.scale
            sheet.rect(place.left, bottom, max(width, 2), 5, "green", pattern="dots", radius=1)
            bottom += 7
        if kind == "state":
            _state_box(sheet, place, bottom)
            bottom += 7
        sheet.text(place.left, bottom + 11, mixer_words(mixer), 11, ink="soft", room=place.width)
    return bottom + 20


def _state_box(sheet: Sheet, place: Place, top: float) -> None:
    sheet.rect(place.left, top, min(place.width, 120), 5, "orange", pattern="waves", radius=1)


def _draw_groups(sheet: Sheet, place: Place, top: float, heads: int, groups: int, kind: str) -> float:
    """Query heads as cells in the groups that share keys and values, which are the bars below them."""
    look = MIXERS[kind]
    if heads > _MOST_CELLS:
        return top
    if groups == 1 or heads % groups:
        bottom, wide = _draw_grid(sheet, place, top, heads, look.ink)
        if kind not in ("latent", "state"):
            sheet.rect(place.left, bottom, wide, 3, "deep")
            bottom += 5
        return bottom
    per = heads // groups
    cell, per_row, gap = _group_size(place.width, per, groups)
    pitch = _pitch(cell)
    for group in range(groups):
        row, column = divmod(group, per_row)
        x, y = place.left + column * (per * pitch + gap), top + row * (pitch + 5)
        for head in range(per):
            sheet.rect(x + head * pitch, y, cell, cell, look.ink, radius=1 if cell > 5 else 0)
        sheet.rect(x, y + pitch, per * pitch - (pitch - cell), 3, "deep")
    return top + math.ceil(groups / per_row) * (pitch + 5) + 3


def _pitch(cell: float) -> float:
    return cell + 1 if cell > 4 else cell + 0.6


def _group_size(width: float, per: int, groups: int) -> tuple[float, int, float]:
    """The largest cells with which all groups have room, how many groups are in a row, and the gap between them."""
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


def _draw_grid(
    sheet: Sheet,
    place: Place,
    top: float,
    count: int,
    ink: str,
    lit: frozenset[int] = frozenset(),
    room: float = 40,
) -> tuple[float, float]:
    """So many cells in rows, some of them lit; gives the line below them and how wide they are."""
    cell = _LARGEST_CELL
    while True:
        pitch = _pitch(cell)
        per_row = _even(count, max(int((place.width + 1) // pitch), 1))
        if math.ceil(count / per_row) * pitch <= room or cell <= _SMALLEST_CELL:
            break
        cell = max(cell - 0.3, _SMALLEST_CELL)
    for at in range(count):
        row, column = divmod(at, per_row)
        x, y = place.left + column * pitch, top + row * pitch
        if at in lit:
            sheet.rect(x, y, cell, cell, "yellow", stroke="lit" if cell > 3 else None)
        else:
            sheet.rect(x, y, cell, cell, ink, radius=1 if cell > 5 else 0)
    return top + math.ceil(count / per_row) * pitch + 2, min(count, per_row) * pitch - (pitch - cell)


def mixer_words(mixer: Mapping[str, Any]) -> str:
    """A mixer with its heads in a line."""
    kind = mixer["kind"]
    heads = mixer.get("heads") or 0
    if kind == "stateless":
        return "mixes without memory"
    if kind == "latent":
        width = mixer["rank"] + mixer["rope_dim"]
        words = f"{plural(heads, 'head')} read one latent of {exact_count(width)}"
        if mixer.get("indexer_dim"):
            words += ", picked by an indexer"
        return words
    if kind == "state":
        numbers = short_count(mixer["recurrent"] or mixer["convolution_channels"])
        what = f"{plural(heads, 'head')}, " if heads else ""
        return f"{mixer['recurrence']}: {what}a state of {numbers} numbers"
    groups = mixer["kv_heads"]
    dim = exact_count(mixer["key_dim"])
    if kind == "compressed":
        return f"{plural(heads, 'head')} of {dim} over one key for each {exact_count(mixer['ratio'])} tokens"
    what = "to the encoder, " if kind == "cross" else ""
    if mixer.get("shared_with") is not None:
        return f"{what}{plural(heads, 'head')} of {dim} with the keys of another layer"
    if groups == heads:
        return f"{what}{plural(heads, 'head')} of {dim}, each with its own keys and values"
    if groups == 1:
        return f"{what}{plural(heads, 'head')} of {dim} share one key and value"
    return f"{what}{plural(heads, 'head')} of {dim} share {groups} keys and values"


def _draw_feed_forward(sheet: Sheet, place: Place, top: float, part: Mapping[str, Any]) -> float:
    if part["kind"] == "dense":
        return _bar(
            sheet,
            place,
            top,
            part["width"],
            "slate",
            None,
            f"feed-forward, {exact_count(part['width'])} wide",
        )
    experts, chosen = part["experts"], part["chosen"]
    words = f"{chosen} of {exact_count(experts)} experts lit for each token"
    with sheet.group(words):
        shown = min(experts, _MOST_CELLS)
        lit = scattered(min(chosen, shown), shown)
        bottom, _ = _draw_grid(sheet, place, top, shown, "pale", lit, _EXPERTS_ROOM)
        sheet.text(place.left, bottom + 11, words, 11, ink="soft", room=place.width)
    top = _bar(
        sheet,
        place,
        bottom + 18,
        part["width"],
        "yellow",
        None,
        f"one expert, {exact_count(part['width'])} wide",
    )
    if part["shared_width"]:
        words = f"shared by all tokens, {exact_count(part['shared_width'])} wide"
        top = _bar(sheet, place, top, part["shared_width"], "slate", None, words)
    return top


def scattered(count: int, of: int) -> frozenset[int]:
    """So many of so many places, spread as if by chance: which experts a token visits, nobody knows before."""
    found: set[int] = set()
    at = of // 5
    # Steps by the golden section do not fall into rows.
    step = max(round(of * 0.382), 1)
    while len(found) < count:
        while at % of in found:
            at += 1
        found.add(at % of)
        at += step
    return frozenset(found)


def draw_cards(
    sheet: Sheet,
    facts: Facts,
    left: float,
    top: float,
    width: float,
    scale: float | None = None,
    *,
    stacked: bool = False,
) -> float:
    """Draws the most frequent kinds of layers; gives the line below the longest.

    Args:
        sheet: Where.
        facts: The model.
        left: The left end.
        top: The upper end.
        width: How wide they are together.
        scale: The length of one number of a vector; the largest with which all bars have room, if not given.
        stacked: Whether they are one below the other rather than side by side.
    """
    kinds = anatomies(facts.main.runs)
    shown = kinds[:MOST_CARDS]
    if not shown:
        return top
    columns = 1 if stacked else len(shown)
    own = (width - 22 * (columns - 1)) / columns
    if scale is None:
        scale = own / max([1, *widths_of(facts)])
    at, bottom = top, top
    for place, (count, kind) in enumerate(shown):
        x = left if stacked else left + place * (own + 22)
        bottom = max(bottom, draw_card(sheet, facts, count, kind, Place(x, own, scale), at))
        at = bottom + 6 if stacked else top
    rest = rest_words(facts)
    if rest:
        sheet.text(left, bottom + 12, rest, 11, ink="soft", room=width)
        bottom += 22
    return bottom


def rest_words(facts: Facts) -> str:
    """The kinds of layers that have no card, in words."""
    rest: Sequence[tuple[int, Mapping[str, Any]]] = anatomies(facts.main.runs)[MOST_CARDS:]
    named = [f"{count} x {kind['words'] or 'layer'}" for count, kind in rest]
    return f"and {', '.join(named)}" if named else ""
