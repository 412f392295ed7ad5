"""The page of a report: what its templates are filled with."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from pondera._compare import Comparison
from pondera._compare.html import comparison_html
from pondera._fit_view import layout, where
from pondera._heat import Heat
from pondera._map import Map, draw
from pondera._native import Fit, role_meanings
from pondera._numbers import plural
from pondera._picture.heat import draw_heat, draw_heat_in_parts
from pondera._picture.memory import draw_memory, draw_memory_in_parts
from pondera._picture.place import NARROW
from pondera._report.estimate import Estimate, assumptions, origins
from pondera._report.headline import asked, headline
from pondera._report.page import Part, page
from pondera._report.render import picture, render
from pondera._report.subject import Subject
from pondera._show_view import disagreement_words, facts
from pondera._text import Screen

_WIDE = 880
"""How wide pictures are on a wide page."""


def document(
    subjects: Sequence[Subject],
    comparison: Comparison | None,
    failures: Mapping[str, str],
    *,
    uncompared: str = "",
) -> str:
    """The whole page of a report.

    Args:
        subjects: What is known of each target.
        comparison: The models side by side, if they are several.
        failures: Targets that could not be opened, and why.
        uncompared: Why several cannot be compared.
    """
    sections = [_section(number, subject) for number, subject in enumerate(subjects, 1)]
    pairs = list(_pairs(subjects))
    compared = Markup(comparison_html(comparison, with_map=False)) if comparison else None
    body = render(
        "report.html",
        sections=sections,
        failures=failures,
        pairs=pairs,
        compared=compared,
        uncompared=uncompared,
        disagreement_words=disagreement_words,
    )
    titles = [subject.title for subject in subjects]
    parts = [_contents(section) for section in sections]
    contents = [
        Part("summary", "Summary"),
        *([Part("compared", "Side by side")] if len(subjects) > 1 else []),
    ]
    contents += parts if len(parts) > 1 else parts[0].parts
    return page(
        ", ".join(titles) if len(titles) < 4 else f"{', '.join(titles[:3])} and {len(titles) - 3} more",
        body,
        kicker="Pondera report",
        description=_description(subjects),
        contents=contents,
    )


def framed(html: str) -> str:
    """A page in a frame, for notebooks: it keeps to itself."""
    return str.__str__(render("frame.html", html=escape(html)))


def _description(subjects: Sequence[Subject]) -> str:
    if len(subjects) == 1:
        return "How heavy it is, what it is made of, and where it fits."
    return f"How heavy these {plural(len(subjects), 'model')} are, what they are made of, and where they fit."


def _section(number: int, subject: Subject) -> dict[str, Any]:
    estimates = [Estimate.of(fit) for fit in subject.fits]
    would = Estimate.of(subject.would) if subject.would else None
    shown = subject.shown
    assumed = [*assumptions([*subject.fits, *([subject.would] if subject.would else [])])]
    if not assumed:
        assumed = [{**one, "gpus": ""} for one in shown["assumptions"]]
    return {
        "id": f"model-{number}",
        "title": subject.title,
        "subject": subject,
        "headline": headline(subject),
        "asked": " with ".join(reversed(asked(subject.fits[0]))) if subject.fits else "",
        "shown": shown,
        "facts": [(label or "in all", words) for label, words in facts(shown)] if shown["roles"] else [],
        "map": picture(subject.map.svg),
        "map_lines": subject.map.lines(Screen(width=80)),
        "total": subject.facts.total,
        "roles": subject.map.to_dict()["roles"],
        "bytes_unknown": subject.map.to_dict()["bytes_unknown"],
        "storage": subject.map.to_dict()["storage"],
        "meanings": dict(role_meanings()),
        "memory": _memory([*subject.fits, *([subject.would] if subject.would else [])]),
        "heat": _heat(subject.heat),
        "heat_layout": _laid_out(subject),
        "estimates": estimates,
        "origins": origins(estimates) if len(estimates) > 1 else [],
        "would": would,
        "would_layout": layout(subject.would) if subject.would else "",
        "assumed": assumed,
        "warnings": list(dict.fromkeys(one for fit in subject.fits for one in fit.warnings)),
    }


def _memory(fits: Sequence[Fit]) -> list[list[Markup]]:
    """The memory of deployments in stacked bars: for a wide page in parts, and for a narrow one."""
    if not fits:
        return []
    shown = [fit.to_dict() for fit in fits]
    wide = draw_memory_in_parts(shown, width=_WIDE)
    narrow = draw_memory(shown, width=NARROW, framed=False)
    return [[*map(picture, wide)], [picture(narrow)]]


def _heat(heat: Heat | None) -> list[list[Markup]]:
    """Levels over contexts and requests, likewise."""
    if heat is None:
        return []
    wide = draw_heat_in_parts(heat, width=_WIDE)
    narrow = draw_heat(heat, width=NARROW, framed=False)
    return [[*map(picture, wide)], [picture(narrow)]]


def _laid_out(subject: Subject) -> str:
    """On what GPUs the levels are, where these are others than were asked for."""
    return f"{where(subject.would)}{layout(subject.would)}" if subject.would and subject.elsewhere else ""


def _contents(section: Mapping[str, Any]) -> Part:
    parts = [("map", "Map"), ("made", "What it is made of"), ("fits", "Where it fits")]
    if section["subject"].heat:
        parts.append(("heat", "Contexts and requests"))
    if section["assumed"]:
        parts.append(("assumed", "What was assumed"))
    inner = [Part(f"{section['id']}-{name}", title) for name, title in parts]
    return Part(section["id"], section["title"], inner)


def _facing(one: Subject, other: Subject) -> Map:
    """A model facing another one, or itself with another mind."""
    return draw(one.model, set=other.fields) if other.fields else draw(one.model, other.model)


def _pairs(subjects: Sequence[Subject]) -> Iterator[dict[str, Any]]:
    """The maps of the first model facing each other one."""
    drawn = [one for one in subjects if one.facts.total["tensors"]]
    for number, other in enumerate(drawn[1:], 1):
        yield {
            "id": f"pair-{number}",
            "title": f"{drawn[0].title} and {other.title}",
            "map": picture(_facing(drawn[0], other).svg),
        }
