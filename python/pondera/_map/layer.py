"""The inside of a layer: its widths as bars on one scale, its heads and experts as cells."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pondera._map.cells import EXPERTS_ROOM, MOST_CELLS, draw_grid, draw_groups, scattered
from pondera._map.facts import Facts, anatomies, mixer_kind
from pondera._map.inks import MIXERS
from pondera._numbers import exact_count, plural, short_count
from pondera._svg import Sheet, text_width, wrapped

MOST_CARDS = 3
_BAR = 9.0


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
        title = f"{count} x {kind['words'] or 'layer'}"
        if text_width(title + each, 12.5) + 40 < place.width:
            sheet.text(place.left + place.width, at, each, 10.5, ink="soft", anchor="end")
        for line in wrapped(title, 12.6, place.width - 22, 2):
            sheet.text(place.left + 22, at, line, 12, bold=True)
            at += 14
    at -= 4
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
        bottom = draw_groups(sheet, place.left, top, place.width, heads, max(min(groups, heads), 1), kind)
        if kind == "latent":
            width = (mixer["rank"] + mixer["rope_dim"]) * place.scale
            sheet.rect(place.left, bottom, max(width, 2), 5, "green", pattern="dots", radius=1)
            bottom += 7
        if kind == "state":
            _state_box(sheet, place, bottom)
            bottom += 7
        lines = wrapped(mixer_words(mixer), 11, place.width, 2)
        for at, line in enumerate(lines):
            sheet.text(place.left, bottom + 11 + 13 * at, line, 11, ink="soft")
    return bottom + 7 + 13 * len(lines)


def _state_box(sheet: Sheet, place: Place, top: float) -> None:
    sheet.rect(place.left, top, min(place.width, 120), 5, "orange", pattern="waves", radius=1)


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
        shown = min(experts, MOST_CELLS)
        lit = scattered(min(chosen, shown), shown)
        bottom, _ = draw_grid(sheet, (place.left, top), place.width, shown, "pale", lit, EXPERTS_ROOM)
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
