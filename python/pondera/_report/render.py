"""The templates of pages: what they are filled with is escaped, and what steers or hides is written out.

Names come from files of others. So no text reaches a page but through `render`, unless it is `Markup`, which
is what templates made, and pictures, which are escaped where they are drawn.
"""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pondera import _numbers
from pondera._text import shortened

_LONGEST = 2000
"""Characters that a text may have in a page: more than a name or a reason needs."""

_FILTERS = (
    "binary_bytes",
    "exact_count",
    "plural",
    "share",
    "short_count",
    "signed_bytes",
    "tokens",
)


def render(template: str, **values: Any) -> Markup:  # noqa: ANN401
    """A template filled in.

    Args:
        template: Its file in the folder `templates`.
        **values: What it is filled with.
    """
    return Markup(_environment().get_template(template).render(**values))


def picture(svg: str) -> Markup:
    """A picture as it may stand in a page: `_svg.py` has escaped what is in it."""
    return Markup(svg)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pondera._report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    for name in _FILTERS:
        environment.filters[name] = getattr(_numbers, name)
    environment.filters["shortened"] = shortened
    return environment


def _finalize(value: object) -> object:
    return shortened(value, _LONGEST) if isinstance(value, str) and not isinstance(value, Markup) else value
