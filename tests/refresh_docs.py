"""Writes the generated parts of docs/ anew: `python -m tests.refresh_docs`.

A generated part stands between `<!-- table: NAME -->` and `<!-- end -->`.
"""

import re
from collections.abc import Callable
from pathlib import Path

from pondera import _native

DOCS = Path(__file__).resolve().parents[1] / "docs"
COMMAND = "python -m tests.refresh_docs"


def codes() -> str:
    """The table of problem codes, as the extension has it."""
    rows = [f"| `{code}` | {severity} | {meaning} |" for code, severity, meaning in _native.problem_codes()]
    return "\n".join(["| code | severity | meaning |", "|---|---|---|", *rows])


TABLES: dict[str, dict[str, Callable[[], str]]] = {"problems.md": {"codes": codes}}
"""For each page its generated tables by name."""


def refreshed(page: str) -> str:
    """The text of a page with its tables made anew.

    Raises:
        LookupError: The page lacks the place for a table.
    """
    text = (DOCS / page).read_text()
    for name, table in TABLES[page].items():
        place = re.compile(rf"(<!-- table: {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        if not place.search(text):
            raise LookupError(f"{page} has no place for the table {name}")
        # A function, so that a backslash in the table stays one.
        text = place.sub(lambda found, table=table: f"{found[1]}{table()}\n", text)
    return text


def main() -> None:
    """Write every page that has changed."""
    for page in TABLES:
        text = refreshed(page)
        if text != (DOCS / page).read_text():
            (DOCS / page).write_text(text)
            print(f"docs/{page} written")


if __name__ == "__main__":
    main()
