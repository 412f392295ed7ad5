"""A report on one or more models: one file of HTML that loads nothing, to read, print and mail.

What makes it is imported when it is asked for: importing `pondera` stays light.
"""

from __future__ import annotations

from os import PathLike

from pondera._native import PonderaError

# Annotations are never evaluated, and `typing` would double the time of the import.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from pondera._compare import Comparison
    from pondera._native import Gpu
    from pondera._report.subject import Subject
    from pondera._targets import Target

SCHEMA = "pondera.report/1"

_ENDINGS = (".html", ".htm")


class Report:
    """A report: as a page, and as the facts that it shows.

    A notebook shows the page in a frame.

    Attributes:
        failures: Targets that could not be opened, and why.
    """

    def __init__(
        self,
        subjects: list[Subject],
        comparison: Comparison | None,
        failures: dict[str, str],
        *,
        uncompared: str = "",
    ) -> None:
        """A report on what was found.

        Args:
            subjects: What is known of each target.
            comparison: The models side by side, if they are several that can be compared.
            failures: Targets that could not be opened, and why.
            uncompared: Why several cannot be compared.
        """
        self._uncompared = uncompared
        self._subjects = subjects
        self._comparison = comparison
        self.failures = failures
        self._html = ""

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong with targets: that one could not be opened, has no estimate, or is not sound."""
        told = dict(self.failures)
        for one in self._subjects:
            unfit = f"whether it fits could not be told: {one.unfit}" if one.unfit else ""
            if words := "; ".join(filter(None, [one.unsound, unfit])):
                told[one.name] = words
        return told

    @property
    def html(self) -> str:
        """The whole page."""
        from pondera._report.document import document

        if not self._html:
            self._html = document(
                self._subjects, self._comparison, self.failures, uncompared=self._uncompared
            )
        return self._html

    def save(self, path: str | PathLike[str]) -> None:
        """Writes the page to a file.

        Args:
            path: A path that ends with `.html` or `.htm`.

        Raises:
            PonderaError: The ending is another one.
            OSError: The file cannot be written.
        """
        from pathlib import Path

        check_ending(path)
        Path(path).write_text(self.html, encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """The facts in schema `pondera.report/1`: every part of it is in its own schema."""
        failed = [{"target": name, "error": why} for name, why in self.failures.items()]
        return {
            "schema": SCHEMA,
            "targets": [one.to_dict() for one in self._subjects],
            "comparison": self._comparison.to_dict() if self._comparison else None,
            "comparison_error": self._uncompared or None,
            "failures": failed,
        }

    def _repr_html_(self) -> str:
        from pondera._report.document import framed

        return framed(self.html)

    def __repr__(self) -> str:
        return f"Report({', '.join(one.title for one in self._subjects)})"


def check_ending(path: str | PathLike[str]) -> None:
    """Sees that a path is one of a page.

    Raises:
        PonderaError: It ends otherwise.
    """
    from pathlib import Path

    if Path(path).suffix.lower() not in _ENDINGS:
        raise PonderaError(f"{path}: a report is written to {' or '.join(_ENDINGS)}; name such a file")


def report(
    *targets: Target,
    set: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None = None,
    path: str | PathLike[str] | None = None,
    gpu: str | Gpu | Iterable[str | Gpu] | None = None,
    assume: str | None = None,
    gpu_file: str | PathLike[str] | None = None,
    **asked: Any,  # noqa: ANN401
) -> Report:
    """Reports on models in one page: what they are made of, their maps, and where they fit.

    A target that cannot be opened is told in the report, and the others are there still.

    Args:
        *targets: Targets of `fit`: folders, config files, built-in names, or what was read from one of them.
        set: Fields of the first target's config with other values: the same body with another mind, which is
            reported on as one more model. Several of them are several more.
        path: A file to write the page to.
        gpu: One or more GPUs; the common ones, if not given.
        assume: A model type to take where that of a config is not known.
        gpu_file: A TOML file of GPUs over the built-in ones.
        **asked: The other keywords of `fit`, as `engine`, `context` and `concurrency`.

    Raises:
        PonderaError: No target can be opened, a GPU is not known, a field cannot be set, or the file is not
            one of HTML.
        OSError: The file cannot be written.
        TypeError: A keyword is none of `fit`.
    """
    from pondera._fits import chosen_gpus
    from pondera._native import Gpu
    from pondera._report.subject import Asked, compare_subjects, open_subject
    from pondera._targets import check_keywords, each, minds_of

    if not targets:
        raise PonderaError("nothing to report on; give one or more targets")
    check_keywords("report", asked)
    minds = minds_of(set)
    names = [gpu] if isinstance(gpu, (str, Gpu)) else gpu
    asked = {name: value for name, value in asked.items() if value is not None}
    question = Asked(chosen_gpus(names, gpu_file), asked, assume, gpu_file)
    subjects, failures = each(targets, lambda one: open_subject(one, question))
    subjects += [open_subject(targets[0], question, mind) for mind in minds]
    comparison, uncompared = compare_subjects(subjects, question)
    made = Report(subjects, comparison, failures, uncompared=uncompared)
    if path is not None:
        made.save(path)
    return made
