"""The parts of the inside of a layer: its widths as bars on one scale, its heads and experts as cells."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pondera._map.cells import EXPERTS_ROOM, MOST_CELLS, draw_grid, draw_groups, scattered
from pondera._map.inks import MIXERS
from pondera._numbers import exact_count, plural, short_count
from pondera._svg import Sheet, text_width, wrapped

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


def draw_bar(
    width: int, ink: str, pattern: str | None, words: str, sheet: Sheet, place: Place, top: float
) -> float:
    """A width as a bar, and what it is; gives the line below."""
    with sheet.group(words):
        length = max(width * place.scale, 1)
        sheet.rect(place.left, top, min(length, place.width), _BAR, ink, pattern=pattern, radius=1.5)
        wide = text_width(words, 11)
        if length + 8 + wide <= place.width:
            sheet.text(place.left + length + 6, top + 8.5, words, 11, ink="soft")
            return top + _BAR + 8
        lines = wrapped(words, 11, place.width, 2)
        for at, line in enumerate(lines):
            sheet.text(place.left, top + _BAR + 12 + 13 * at, line, 11, ink="soft")
    return top + _BAR + 7 + 13 * len(lines)


def draw_mixer(mixer: Mapping[str, Any], sheet: Sheet, place: Place, top: float) -> float:
    """A mixer with its heads; gives the line below."""
    kind = mixer["kind"]
    heads = mixer.get("heads") or 0
    if kind == "stateless" or not heads:
        words = mixer_words(mixer)
        look = MIXERS[kind]
        sheet.rect(place.left, top, 30, _BAR, look.ink, pattern=look.pattern, radius=1.5)
        lines = wrapped(words, 11, place.width - 38, 2)
        for at, line in enumerate(lines):
            sheet.text(place.left + 38, top + 8.5 + 13 * at, line, 11, ink="soft")
        return top + _BAR - 3 + 13 * len(lines)
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


def draw_feed_forward(part: Mapping[str, Any], sheet: Sheet, place: Place, top: float) -> float:
    """A feed-forward network or experts; gives the line below."""
    width = part["width"]
    if part["kind"] == "dense":
        return draw_bar(width, "slate", None, f"feed-forward, {exact_count(width)} wide", sheet, place, top)
    experts, chosen = part["experts"], part["chosen"]
    words = f"{chosen} of {exact_count(experts)} experts lit for each token"
    with sheet.group(words):
        shown = min(experts, MOST_CELLS)
        lit = scattered(min(chosen, shown), shown)
        bottom, _ = draw_grid(sheet, (place.left, top), place.width, shown, "pale", lit, EXPERTS_ROOM)
        for line in wrapped(words, 11, place.width, 2):
            sheet.text(place.left, bottom + 11, line, 11, ink="soft")
            bottom += 13
    words = f"one expert, {exact_count(width)} wide"
    top = draw_bar(width, "yellow", None, words, sheet, place, bottom + 5)
    if shared := part["shared_width"]:
        words = f"shared by all tokens, {exact_count(shared)} wide"
        top = draw_bar(shared, "slate", None, words, sheet, place, top)
    return top
