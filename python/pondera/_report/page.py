"""The frame of a page that stands in one file: it loads nothing, sends nothing, and follows light and dark.

Its only script is its own, which the page's policy names by its hash: no other one would run, whatever came
into the page.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from markupsafe import Markup

from pondera._map.inks import INKS
from pondera._native import __version__
from pondera._report.render import render


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a page, as its contents list it.

    Attributes:
        id: Where it is in the page.
        title: Its heading.
        parts: The parts of it.
    """

    id: str
    title: str
    parts: Sequence["Part"] = ()


def page(
    title: str,
    body: Markup,
    *,
    kicker: str = "Pondera",
    description: str = "",
    contents: Sequence[Part] = (),
) -> str:
    """A whole page.

    Args:
        title: Its heading, of the first level; those in the body begin with the second.
        body: What is in it. A text that is no `Markup` is escaped.
        kicker: A word above the heading.
        description: A line below it.
        contents: What the list of contents has; none if it is empty.
    """
    script = Markup(_file("page.js"))
    policy = {
        "default-src": "'none'",
        "style-src": "'unsafe-inline'",
        "img-src": "data:",
        "script-src": f"'sha256-{_hash(script)}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    filled = render(
        "page.html",
        title=title,
        body=body,
        kicker=kicker,
        description=description,
        contents=contents,
        style=Markup(f"{_colours()}\n{_file('style.css')}"),
        script=script,
        # Quotes within the attribute are single ones, which need no escape.
        policy=Markup("; ".join(f"{name} {value}" for name, value in policy.items())),
        version=__version__,
    )
    # A text like others from here on: what is added to `Markup` is escaped.
    return str.__str__(filled)


def _file(name: str) -> str:
    return files("pondera._report").joinpath("templates", name).read_text(encoding="utf-8")


def _hash(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _colours() -> str:
    """The inks of the pictures as colours of the page."""
    light = "".join(f"--{name}:{ink.light};" for name, ink in INKS.items())
    dark = "".join(f"--{name}:{ink.dark};" for name, ink in INKS.items())
    return f":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"
