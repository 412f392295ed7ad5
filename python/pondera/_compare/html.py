"""A comparison as HTML: a part that pages and notebooks show, and a whole page."""

from collections.abc import Mapping, Sequence
from typing import Any

from pondera._compare import Comparison
from pondera._compare.cells import (
    TITLES,
    UNKNOWN,
    exact,
    gpus,
    letters,
    mark,
    meanings,
    placed,
    placed_mark,
    reasons,
    shown,
    titles,
    verdict,
)
from pondera._report.page import Part, page
from pondera._report.render import picture, render
from pondera._show_view import change_words


def comparison_html(comparison: Comparison, *, level: int = 3, with_map: bool = True) -> str:
    """A comparison as a part of a page; it brings its own style.

    Args:
        comparison: The comparison.
        level: The level of its headings.
        with_map: Whether the maps of two models are shown.
    """
    return str.__str__(_filled(comparison, level, with_map=with_map))


def comparison_page(comparison: Comparison) -> str:
    """A comparison as a whole page that loads nothing."""
    found = comparison.to_dict()
    names = titles(found["models"])
    contents = [Part("compare-models", "Models")]
    if len(names) == 2:
        contents.append(Part("compare-map", "Map"))
    contents += [Part(f"compare-{one['section']}", TITLES[one["section"]]) for one in found["sections"]]
    return page(
        _title(found["models"], names),
        _filled(comparison, 2, with_map=True, is_page=True),
        kicker="Pondera comparison",
        description="What differs, and what each difference buys and costs.",
        contents=contents,
    )


def _title(models: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    if all(model["variant"] for model in models[1:]):
        return f"{names[0]} with {'another mind' if len(names) == 2 else 'other minds'}"
    return " and ".join(names) if len(names) == 2 else f"{names[0]} and {len(names) - 1} others"


def _told(row: Mapping[str, Any], count: int) -> list[str]:
    """What a row means, and why numbers are missing; of more than two models with the letter of each."""
    marks = letters(count)
    means = [text if count == 2 else f"{marks[at]}: {text}" for at, text in meanings(row)]
    missing = [f"{UNKNOWN} {marks[at]}: {text}" for at, text in reasons(row)]
    return means + missing


def _filled(comparison: Comparison, level: int, *, with_map: bool, is_page: bool = False) -> Any:  # noqa: ANN401
    facts = comparison.to_dict()
    count = len(facts["models"])
    drawn = comparison.map if with_map else None
    return render(
        "comparison.html",
        level=level,
        is_page=is_page,
        models=facts["models"],
        failures=comparison.failures,
        marks=letters(count),
        names=titles(facts["models"]),
        sections=[
            {
                "key": one["section"],
                "title": TITLES[one["section"]],
                "rows": [row for row in one["rows"] if not row["same"]],
                "same": [row for row in one["rows"] if row["same"]],
                "gpus": gpus(one["rows"]),
                "single": [row for row in one["rows"] if row["group"] is None],
            }
            for one in facts["sections"]
        ],
        map=picture(drawn.svg) if drawn else None,
        change_words=change_words,
        verdict=verdict,
        shown=shown,
        exact=exact,
        told_of=lambda row: _told(row, count),
        placed=placed,
        placed_mark=placed_mark,
        mark=lambda row: mark([row]),
    )
