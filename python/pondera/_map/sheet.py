"""What maps of one mind and of two have in common: their size, headings, the scale of areas, the foot."""

from pondera._map.facts import Facts
from pondera._map.stacks import By
from pondera._numbers import binary_bytes, exact_count, plural, short_count
from pondera._svg import Anchor, Sheet, text_width, wrapped

WIDTH = 840
PAIR_WIDTH = 1280
"""How wide the map of one model is, and that of two."""

EDGE = 28
INSIDE = WIDTH - 2 * EDGE
_MOST_WAYS = 4
"""How many ways in which body and mind disagree are told."""


def draw_title(sheet: Sheet, left: float, top: float, width: float, words: str, more: str = "") -> None:
    """A heading, and more in small letters behind it as far as there is room."""
    sheet.text(left, top, words, 13, bold=True)
    if more:
        at = left + text_width(words, 13) * 1.12 + 6
        sheet.text(at, top, more, 11, ink="soft", room=left + width - at)


def draw_head(
    sheet: Sheet, facts: Facts, left: float, top: float, width: float, *, mirrored: bool = False
) -> float:
    """The name of a model and what it is in a line; gives the line of that."""
    shown = facts.shown
    words = [
        "adapter" if facts.is_adapter else shown["class"] or shown["model_type"],
        plural(facts.main.layers, "layer") if facts.main.layers else None,
        f"{exact_count(shown['hidden_size'])} wide" if shown["hidden_size"] else None,
        f"vocabulary of {exact_count(shown['vocab_size'])}" if shown["vocab_size"] else None,
        "drawn from its weights" if shown["source"] == "checkpoint" else "drawn from its config",
    ]
    kept = [word for word in words if word]
    while len(kept) > 2 and text_width(" · ".join(kept), 12) > width:
        kept.pop(-2)
    line, ink = (f"with {facts.changed}", "alarm") if facts.changed else (" · ".join(kept), "soft")
    x = left + width if mirrored else left
    end: Anchor = "end" if mirrored else "start"
    size = 25 if text_width(facts.title, 27) <= width else 19
    sheet.text(x, top, facts.title, size, bold=True, room=width, anchor=end, hover=facts.name)
    sheet.text(x, top + 20, line, 12, ink=ink, bold=bool(facts.changed), room=width, anchor=end)
    return top + 20


def draw_scale_square(sheet: Sheet, by: By, scale: float, left: float, top: float) -> None:
    """A square of a round number, which says how large areas are."""
    if scale <= 0:
        return
    size = 1
    # Round are powers of ten, and of two where bytes are told in units of these.
    step, between = (16, (8, 4, 2)) if by == "bytes" else (10, (5, 2))
    while scale * size < 60:
        size *= step
    for more in between:
        if scale * size * more <= 260:
            size *= more
            break
    side = (scale * size) ** 0.5
    sheet.rect(left, top, side, side, None, stroke="soft")
    words = f"{_round_count(size, by)}"
    sheet.text(left + side + 7, top + side / 2 + 4, f"= {words}", 11, ink="soft")


def _round_count(size: int, by: By) -> str:
    shown = binary_bytes(size) if by == "bytes" else short_count(size)
    whole, _, unit = shown.partition(" ")
    return " ".join(filter(None, [whole.removesuffix(".00"), unit, "" if by == "bytes" else "parameters"]))


def draw_disagreements(sheet: Sheet, facts: Facts, left: float, top: float, width: float) -> float:
    """Says where body and mind disagree, if they do; gives the line below."""
    ways = facts.disagreements()
    if not ways:
        return top
    rows = []
    for words in ways[:_MOST_WAYS]:
        rows += [(words, row) for row in wrapped(words, 11, width - 24, 2)]
    more = len(ways) - _MOST_WAYS
    rows += [("", f"and {more} more")] if more > 0 else []
    title = f"✗ {facts.title}: weights and config disagree"
    if facts.changed:
        title = f"✗ where the weights of {facts.title} and this mind disagree"
    return _draw_note(sheet, title, rows, "alarm", left, top, width)


def draw_changes(sheet: Sheet, facts: Facts, left: float, top: float, width: float) -> float:
    """Says what each field of a what-if does, and whether the weights can wear it; gives the line below."""
    changes = facts.changes()
    if not changes:
        return top
    rows = [(words, row) for words in changes[:_MOST_WAYS] for row in wrapped(words, 11, width - 24, 2)]
    more = len(changes) - _MOST_WAYS
    rows += [("", f"and {more} more")] if more > 0 else []
    ink = "ink" if facts.shown["same_body"] else "alarm"
    return _draw_note(sheet, facts.verdict(), rows, ink, left, top, width)


def _draw_note(
    sheet: Sheet, title: str, rows: list[tuple[str, str]], ink: str, left: float, top: float, width: float
) -> float:
    """A title and rows, each with what is under the mouse, in a frame; gives the line below."""
    sheet.rect(left, top, width, 28 + 15 * len(rows), None, stroke=ink, radius=5)
    sheet.text(left + 12, top + 17, title, 12, ink=ink, bold=True, room=width - 24)
    for at, (words, row) in enumerate(rows):
        sheet.text(left + 12, top + 34 + 15 * at, row, 11, hover=words)
    return top + 34 + 15 * len(rows)


def draw_foot(sheet: Sheet, facts: list[Facts], top: float, width: float = WIDTH) -> float:
    """What is not known, and who drew it; gives the last line."""
    inside = width - 2 * EDGE
    assumed: dict[str, None] = {}
    for one in facts:
        for row in wrapped(one.mystery, 11, inside, 2):
            sheet.text(EDGE, top, row, 11, ink="soft" if one.is_adapter else "alarm")
            top += 15
        assumed |= dict.fromkeys(one.assumed()[:2])
    for words in assumed:
        for row in wrapped(words, 10.5, inside - 80, 2):
            sheet.text(EDGE, top, row, 10.5, ink="soft")
            top += 14
    sheet.text(width - EDGE, top, "pondera map", 10.5, ink="soft", anchor="end")
    return top
