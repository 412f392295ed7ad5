"""Models side by side: body, mind, memory, compute and what fits, and what each difference buys and costs.

What makes it is imported when it is asked for: importing `pondera` stays light.
"""

from __future__ import annotations

from os import PathLike

from pondera._native import PonderaError

# Annotations are never evaluated, and `typing` would double the time of the import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from pondera._map import Map
    from pondera._native import Architecture, Gpu, Model
    from pondera._targets import Target
    from pondera._text import Screen


class Comparison:
    """Models side by side: as facts, as text for a terminal, and as a page.

    A notebook shows it as it is. The first model is the one that all others are held against.

    Attributes:
        failures: Targets that could not be opened, and why.
    """

    def __init__(
        self, facts: dict[str, Any], targets: Sequence[Model | Architecture], failures: dict[str, str]
    ) -> None:
        """A comparison that was worked out.

        Args:
            facts: What is told, in schema `pondera.compare/1`.
            targets: The models.
            failures: Targets that could not be opened, and why.
        """
        self._shown = facts
        self._targets = tuple(targets)
        self.failures = failures

    @property
    def models(self) -> tuple[str, ...]:
        """What the models are called, in order."""
        return tuple(one["name"] for one in self._shown["models"])

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Every fact: a dict of `key`, `label`, `group`, `unit`, `values`, `why`, `same` and `meaning`."""
        return [row for section in self._shown["sections"] for row in section["rows"]]

    @property
    def differences(self) -> list[dict[str, Any]]:
        """The facts in which the models differ."""
        return [row for row in self.rows if not row["same"]]

    def row(self, key: str) -> dict[str, Any]:
        """The fact of a key, as `kv_heads`.

        Raises:
            KeyError: No model has it.
        """
        for row in self.rows:
            if row["key"] == key:
                return row
        raise KeyError(key)

    @property
    def map(self) -> Map | None:
        """The maps of two models, facing each other on one scale; nothing for more."""
        from pondera._map import draw

        if len(self._targets) != 2:
            return None
        if variant := self._shown["models"][1]["variant"]:
            fields = {one["field"]: one["to"] for one in variant["changes"]}
            return draw(self._targets[0], set=fields)
        return draw(*self._targets)

    @property
    def text(self) -> str:
        """The comparison as text, 120 columns wide."""
        from pondera._text import Screen

        return "\n".join(self.lines(Screen()))

    def lines(self, screen: Screen, *, all_rows: bool = False) -> list[str]:
        """The lines of the comparison as text for a screen.

        Args:
            screen: What they must fit.
            all_rows: Whether rows in which all are the same have a line each.
        """
        from pondera._compare.text import comparison_view

        return comparison_view(screen, self.to_dict(), all_rows=all_rows)

    @property
    def html(self) -> str:
        """The comparison as a whole page that loads nothing."""
        from pondera._compare.html import comparison_page

        return comparison_page(self)

    def to_dict(self) -> dict[str, Any]:
        """The facts in schema `pondera.compare/1`."""
        failed = [{"target": name, "error": why} for name, why in self.failures.items()]
        return {**self._shown, "failures": failed}

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the comparison to a file: what it is, its ending says.

        Args:
            path: A path that ends with `.html`, `.txt` or `.json`.

        Raises:
            PonderaError: The ending is another one.
            OSError: The file cannot be written.
        """
        import json
        from pathlib import Path

        path = Path(path)
        match path.suffix.lower():
            case ".html":
                text = self.html
            case ".txt":
                text = self.text + "\n"
            case ".json":
                text = json.dumps(self.to_dict()) + "\n"
            case _:
                raise PonderaError(
                    f"{path}: a comparison is written to .html, .txt or .json; name such a file"
                )
        path.write_text(text, encoding="utf-8")

    @property
    def disagrees(self) -> bool:
        """Whether weights and config of a model disagree in more than a note."""
        return any(one["disagrees"] for one in self._shown["models"])

    def _repr_html_(self) -> str:
        from pondera._compare.html import comparison_html

        return comparison_html(self)

    def __repr__(self) -> str:
        return f"Comparison({' | '.join(self.models)})"


def compare(
    *targets: Target,
    set: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    gpu: str | Gpu | Iterable[str | Gpu] | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    **asked: Any,  # noqa: ANN401
) -> Comparison:
    """Sets models side by side, and tells what each difference buys and costs.

    A target that cannot be opened is told of, and the others are compared, if two are left.

    Args:
        *targets: Targets of `fit`: folders, config files, built-in names, or what was read from one of them.
            One is enough where fields are set.
        set: Fields of the first target's config with other values: the same body with another mind, which is
            one more model. Several of them are several more.
        gpu: One or more GPUs to try them on; the common ones, if not given.
        assume: A model type to take where that of a config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.
        **asked: The other keywords of `fit`, as `engine`, `context` and `concurrency`.

    Raises:
        PonderaError: Fewer than two models are left, there are more than 16, a GPU is not known, or there is
            no model with the fields set.
        FileNotFoundError: Fewer than two models are left, since there is nothing at a path.
        TypeError: A keyword is none of `fit`.
    """
    from pondera._compare.models import compared

    return compared(targets, set, gpu, assume, gpu_file, asked)
