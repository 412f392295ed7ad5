"""The key of a map: kinds of mixers with their inks, patterns and letters."""

from pondera._map.facts import Facts, mixer_kinds, parts_of
from pondera._map.inks import LIT, MIXERS, mixer_meaning
from pondera._svg import Sheet, cut, text_width


def draw_key(sheet: Sheet, facts: list[Facts], left: float, top: float, width: float) -> float:
    """The key of the kinds of mixers that are there; gives the line below it."""
    shown = {
        kind
        for one in facts
        if one.unknown is None
        for tower in (one.main, *one.sides)
        for run in tower.runs
        for kind in mixer_kinds(run.kind)
    }
    kinds = [kind for kind in MIXERS if kind in shown]
    ahead = all(one.main.looks_ahead for one in facts)
    at, line = left, top
    for kind in kinds:
        look = MIXERS[kind]
        words = cut(mixer_meaning(kind, ahead=ahead), 11, width - 40)
        own = text_width(words, 11) * 0.9 + 46
        if at > left and at + own > left + width:
            at, line = left, line + 18
        sheet.rect(at, line - 10, 22, 12, look.ink, pattern=look.pattern, radius=2)
        sheet.rect(at + 5.5, line - 9.5, 11, 11, "paper", radius=2.5, opacity=0.9)
        sheet.text(at + 11, line - 0.5, look.letter, 10, bold=True, anchor="middle")
        sheet.text(at + 28, line, words, 11, ink="soft")
        at += own
    if any("lit" in dict(parts_of(run.kind, "parameters")) for one in facts for run in one.main.runs):
        if at > left and at + 190 > left + width:
            at, line = left, line + 18
        sheet.rect(at, line - 10, 22, 12, LIT.ink, radius=2, stroke="lit")
        sheet.text(at + 28, line, LIT.words, 11, ink="soft")
    return line + 18
