"""What maps of one mind and of two have in common: the size of the sheet, headings, the scale of areas, the foot."""

from pondera._map_facts import By, Facts
from pondera._numbers import decimal_bytes, exact_count, plural, short_count
from pondera._svg import Anchor, Sheet, text_width, wrapped

WIDTH = 840
EDGE = 28
INSIDE = WIDTH - 2 * EDGE


def draw_title(sheet: Sheet, left: float, top: float, words: str, more: str = "") -> None:
    """A heading, and more in small letters behind it."""
    sheet.text(left, top, words, 13, bold=True)
    if more:
        at = left + text_width(words, 13) * 1.12 + 6
        sheet.text(at, top, more, 11, ink="soft", room=WIDTH - EDGE - at)


def draw_head(
    sheet: Sheet, facts: Facts, left: float, top: float, width: float, *, mirrored: bool = False
) -> float:
    """The name of a model and what it is in a line; gives the line of that."""
    shown = facts.shown
    words = [
        shown["class"] or shown["model_type"],
        plural(facts.main.layers, "layer") if facts.main.layers else None,
        f"{exact_count(shown['hidden_size'])} wide" if shown["hidden_size"] else None,
        f"vocabulary of {exact_count(shown['vocab_size'])}" if shown["vocab_size"] else None,
        "drawn from its weights" if shown["source"] == "checkpoint" else "drawn from its config",
    ]
    kept = [word for word in words if word]
    while len(kept) > 2 and text_width(" · ".join(kept), 12) > width:
        kept.pop(-2)
    x, anchor = (left + width, "end") if mirrored else (left, "start")
    end: Anchor = "end" if anchor == "end" else "start"
    size = 25 if text_width(facts.title, 27) <= width else 19
    sheet.text(x, top, facts.title, size, bold=True, room=width, anchor=end, hover=facts.name)
    sheet.text(x, top + 20, " · ".join(kept), 12, ink="soft", room=width, anchor=end)
    return top + 20


def draw_scale_square(sheet: Sheet, by: By, scale: float, left: float, top: float) -> None:
    """A square of a round number, which says how large areas are."""
    if scale <= 0:
        return
    size = 1
    while scale * size < 60:
        size *= 10
    for more in (5, 2):
        if scale * size * more <= 260:
            size *= more
            break
    side = (scale * size) ** 0.5
    sheet.rect(left, top, side, side, None, stroke="soft")
    words = f"{_round_count(size, by)}"
    sheet.text(left + side + 7, top + side / 2 + 4, f"= {words}", 11, ink="soft")


def _round_count(size: int, by: By) -> str:
    shown = decimal_bytes(size) if by == "bytes" else short_count(size)
    whole, _, unit = shown.partition(" ")
    return " ".join(filter(None, [whole.removesuffix(".00"), unit, "" if by == "bytes" else "parameters"]))


def draw_disagreements(sheet: Sheet, facts: Facts, left: float, top: float, width: float) -> float:
    """Says where body and mind disagree, if they do; gives the line below."""
    serious = [one for one in facts.shown["disagreements"] if one["severity"] != "info"]
    if not serious:
        return top
    count = min(len(serious), 4)
    sheet.rect(left, top, width, 26 + 16 * count, None, stroke="vermilion", radius=5)
    words = f"✗ weights and config disagree in {plural(len(serious), 'way')}"
    sheet.text(left + 12, top + 17, words, 12, ink="vermilion", bold=True, room=width - 24)
    for at, one in enumerate(serious[:count]):
        words = f"{one['kind']}: {plural(one['count'], 'tensor')} {one['pattern']}: {one['cause']}"
        sheet.text(left + 12, top + 33 + 16 * at, words, 11, room=width - 24, hover=words)
    return top + 32 + 16 * count


def draw_foot(sheet: Sheet, facts: list[Facts], top: float) -> float:
    """What is not known, and who drew it; gives the last line."""
    for one in facts:
        if not one.unknown:
            continue
        for row in wrapped(f"{one.title}: the config says no more: {one.unknown}", 11, INSIDE, 2):
            sheet.text(EDGE, top, row, 11, ink="vermilion")
            top += 15
    sheet.text(WIDTH - EDGE, top, "pondera map", 10.5, ink="soft", anchor="end")
    return top
