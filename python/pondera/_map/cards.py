"""The inside of the layers of a map: a card for each kind; of two models, equal parts on one line."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any

from pondera._map.facts import Facts, anatomies, mixer_kind
from pondera._map.inks import MIXERS
from pondera._map.layer import Place, draw_bar, draw_feed_forward, draw_mixer
from pondera._numbers import exact_count, plural, short_count
from pondera._svg import Sheet, text_width, wrapped

_MOST = 3
"""Kinds of layers of the main tower that have a card, and cards in a row."""

_GAP = 22.0


@dataclass(frozen=True, slots=True)
class Card:
    """One kind of layers.

    Attributes:
        title: How many there are, and of what kind.
        count: How many.
        kind: What they are.
        width: How wide their residual stream is, if that is known.
    """

    title: str
    count: int
    kind: Mapping[str, Any]
    width: int | None


_Row = Callable[[Sheet, Place, float], float]
"""Draws a part of a card in its place from a line on; gives the line below it."""


def cards_of(facts: Facts) -> list[list[Card]]:
    """The cards in rows: of the most frequent kinds of the main tower, and of the towers beside it."""
    if facts.unknown is not None:
        return []
    own = [
        Card(f"{many} x {kind['words'] or 'layer'}", many, kind, kind["width"] or facts.shown["hidden_size"])
        for many, kind in anatomies(facts.main.runs)[:_MOST]
    ]
    beside = []
    for side in facts.sides:
        for many, kind in anatomies(side.runs)[:1]:
            if kind["in_config"] and kind["mixers"]:
                title = f"{side.words}: {many} x {kind['words']}"
                beside.append(Card(title, many, kind, kind["width"]))
    beside = beside[:_MOST]
    if len(own) + len(beside) <= _MOST:
        return [own + beside] if own or beside else []
    return [own, beside]


def widths_of(facts: Facts) -> list[int]:
    """Every width that is drawn as a bar."""
    widths = []
    for card in (card for row in cards_of(facts) for card in row):
        widths.append(card.width or 0)
        for part in card.kind["feed_forward"]:
            widths += [part["width"], part.get("shared_width", 0)]
        latent = [mixer for mixer in card.kind["mixers"] if mixer["kind"] == "latent"]
        widths += [mixer["rank"] + mixer["rope_dim"] for mixer in latent]
    return widths


def _parts(card: Card) -> dict[str, _Row]:
    """The parts of a card from the top, each under the name that equal parts of other cards have."""
    parts: dict[str, _Row] = {"title": partial(_draw_title, card)}
    if card.width:
        words = f"residual stream, {exact_count(card.width)} wide"
        parts["stream"] = partial(draw_bar, card.width, "deep", None, words)
    for mixer in card.kind["mixers"]:
        # Cross attention faces cross attention, whatever stands before it.
        name = "cross" if mixer["kind"] == "cross" else "mixer"
        parts[_free(name, parts)] = partial(draw_mixer, mixer)
    for part in card.kind["feed_forward"]:
        parts[_free(part["kind"], parts)] = partial(draw_feed_forward, part)
    return parts


def _free(name: str, taken: Container[str]) -> str:
    """The name, with a number behind it where it is taken."""
    if name not in taken:
        return name
    return next(one for at in count(2) if (one := f"{name} {at}") not in taken)


def _draw_title(card: Card, sheet: Sheet, place: Place, top: float) -> float:
    look = MIXERS[mixer_kind(card.kind)]
    at = top + 11
    with sheet.group(
        f"{plural(card.count, 'layer')}, each {exact_count(card.kind['parameters'])} parameters"
    ):
        sheet.rect(place.left, at - 10, 16, 12, look.ink, pattern=look.pattern, radius=2)
        sheet.rect(place.left + 2.5, at - 9.5, 11, 11, "paper", radius=2.5, opacity=0.9)
        sheet.text(place.left + 8, at - 0.5, look.letter, 10, bold=True, anchor="middle")
        each = f"{short_count(card.kind['parameters'])} each"
        if text_width(card.title + each, 12.5) + 40 < place.width:
            sheet.text(place.left + place.width, at, each, 10.5, ink="soft", anchor="end")
        for line in wrapped(card.title, 12.6, place.width - 22, 2):
            sheet.text(place.left + 22, at, line, 12, bold=True)
            at += 14
    return at - 4


def draw_cards(sheet: Sheet, facts: Facts, left: float, top: float, width: float) -> float:
    """Draws the cards of one model; gives the line below them.

    Args:
        sheet: Where.
        facts: The model.
        left: The left end.
        top: The upper end.
        width: How wide they are together.
    """
    rows = cards_of(facts)
    own = _share(width, rows)
    scale = own / max([1, *widths_of(facts)])
    bottom = top
    for number, cards in enumerate(rows):
        top = bottom
        for at, card in enumerate(cards):
            place = Place(left + at * (own + _GAP), own, scale)
            line = top
            for draw in _parts(card).values():
                line = draw(sheet, place, line)
            bottom = max(bottom, line)
        if number == 0:
            bottom = _draw_rest(sheet, facts, left, bottom, width)
        bottom += 8
    return bottom - 8


def draw_facing_cards(
    sheet: Sheet, facts: Sequence[Facts], lefts: Sequence[float], top: float, width: float
) -> float:
    """Draws the cards of models that face each other: equal parts on one line, bars on one scale.

    Args:
        sheet: Where.
        facts: The models.
        lefts: The left ends.
        top: The upper end.
        width: How wide the cards of one are together.
    """
    rows = [cards_of(one) for one in facts]
    owns = [_share(width, each) for each in rows]
    scale = min(own / max([1, *widths_of(one)]) for own, one in zip(owns, facts, strict=True))
    for at in range(max(map(len, rows), default=0)):
        faced: list[tuple[dict[str, _Row], Place]] = []
        for left, own, each in zip(lefts, owns, rows, strict=True):
            for place, card in enumerate(each[at] if at < len(each) else []):
                faced.append((_parts(card), Place(left + place * (own + _GAP), own, scale)))
        for name in _order([parts for parts, _ in faced]):
            top = max(draw(sheet, place, top) for parts, place in faced if (draw := parts.get(name)))
        if at == 0:
            rests = zip(facts, lefts, strict=True)
            top = max(_draw_rest(sheet, one, left, top, width) for one, left in rests)
        top += 8
    return top - 8


def _share(width: float, rows: Sequence[Sequence[Card]]) -> float:
    """How wide each card is, so that the longest row has so much width."""
    most = max(map(len, rows), default=1)
    return (width - _GAP * (most - 1)) / most


def _order(cards: Sequence[Mapping[str, _Row]]) -> list[str]:
    """The names of all parts: what mixes tokens before what does not."""
    names = dict.fromkeys(name for parts in cards for name in parts)
    first = ("title", "stream", "mixer", "cross")
    return sorted(names, key=lambda name: (*(not name.startswith(word) for word in first), name))


def _draw_rest(sheet: Sheet, facts: Facts, left: float, bottom: float, width: float) -> float:
    rest = rest_words(facts)
    if not rest:
        return bottom
    sheet.text(left, bottom + 12, rest, 11, ink="soft", room=width)
    return bottom + 22


def rest_words(facts: Facts) -> str:
    """The kinds of layers that have no card, in words."""
    rest: Sequence[tuple[int, Mapping[str, Any]]] = anatomies(facts.main.runs)[_MOST:]
    named = [f"{many} x {kind['words'] or 'layer'}" for many, kind in rest]
    return f"and {', '.join(named)}" if named else ""
