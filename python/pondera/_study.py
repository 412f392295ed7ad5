"""What a sweep is asked: by options, by a TOML file, or by both, of which options go first."""

import tomllib
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pondera._asked import ASKED, Asked, parts, reader
from pondera._hub.target import hub_target
from pondera._native import built_in_models
from pondera.commands.command import UsageError


@dataclass(slots=True)
class Study:
    """A sweep and what is to be told of it. Names are those of keys of a study's file.

    Attributes:
        targets: Models.
        asked: Keywords of `fit`, each with its values.
        mind: Fields of the config, each with its values.
        zip: Groups of axes that move together.
        where: Conditions that points must meet, all of them.
        assume: As for `fit`.
        gpu_file: As for `fit`.
        threads: How many to work with.
        top: How many rows a ranking has, and any other table at the most.
        by: The column that is ranked by.
        smallest: Whether less of it is better.
        per: Axes for each value of which the best is told.
        pareto: Columns, each with `min:` or `max:` before it.
        frontier: Axes of which the largest value that fits is told.
        count_by: Axes for each value of which points are counted.
        heatmap: Whether a map of contexts and requests is drawn besides other answers.
        output: A file for all points.
    """

    targets: list[str] = field(default_factory=list)
    asked: dict[str, list[Any]] = field(default_factory=dict)
    mind: dict[str, list[Any]] = field(default_factory=dict)
    zip: list[list[str]] = field(default_factory=list)
    where: list[str] = field(default_factory=list)
    assume: str | None = None
    gpu_file: str | None = None
    threads: int | None = None
    top: int | None = None
    by: str | None = None
    smallest: bool = False
    per: list[str] = field(default_factory=list)
    pareto: list[str] = field(default_factory=list)
    frontier: list[str] = field(default_factory=list)
    count_by: list[str] = field(default_factory=list)
    heatmap: bool = False
    output: str | None = None

    def directions(self) -> dict[str, list[str]]:
        """The columns of `pareto` as `Sweep.pareto` takes them.

        Raises:
            UsageError: One has no direction.
        """
        found: dict[str, list[str]] = {"minimise": [], "maximise": []}
        for part in self.pareto:
            direction, colon, column = part.partition(":")
            if direction not in _DIRECTIONS or not colon or not column:
                raise UsageError(f"pareto: write min:COLUMN or max:COLUMN, not {part!r}")
            found[_DIRECTIONS[direction]].append(column)
        return found


_DIRECTIONS = {"min": "minimise", "max": "maximise"}


def study(options: Namespace) -> Study:
    """What options and the file that they name ask.

    Raises:
        UsageError: The file has a key that is not known, or a value that is not of its kind.
        OSError: The file cannot be read.
    """
    made = Study() if options.file is None else _read(Path(options.file))
    for one in ASKED:
        given = getattr(options, one.name)
        if given is not None:
            made.asked[one.name] = given
    if options.targets:
        made.targets = options.targets
    changed: dict[str, list[Any]] = {}
    for name, values in options.changes:
        changed.setdefault(name, []).extend(values)
    made.mind |= changed
    for name in _PLAIN:
        given = getattr(options, name)
        if given not in (None, False, []):
            setattr(made, name, given)
    if not made.targets:
        raise UsageError("name at least one model; see pondera sweep --help")
    return made


_PLAIN = [one.name for one in fields(Study) if one.name not in ("targets", "asked", "mind")]


def _read(path: Path) -> Study:
    """The study of a file."""
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: this is no TOML: {error}") from error
    made = Study()
    keywords = {one.name: one for one in ASKED}
    for key, value in given.items():
        try:
            if key in keywords:
                made.asked[key] = _values(keywords[key], value)
            elif key in _KEYS:
                setattr(made, key, _KEYS[key](value))
            else:
                known = ", ".join([*_KEYS, *keywords])
                raise UsageError(f"{path}: {key!r} is no key of a study; there are {known}")
        except (ArgumentTypeError, _KindError) as error:
            raise UsageError(f"{path}: {key} {error}") from error
    folder = path.parent
    made.targets = [_target(folder, target) for target in made.targets]
    made.output = None if made.output is None else str(folder / made.output)
    made.gpu_file = None if made.gpu_file is None else str(folder / made.gpu_file)
    return made


class _KindError(Exception):
    """A value is not of the kind of its key."""


def _values(one: Asked, given: Any) -> list[Any]:  # noqa: ANN401
    """The values of a keyword: texts are read as on the command line."""
    found: list[Any] = []
    for value in given if isinstance(given, list) else [given]:
        if isinstance(value, str) and one.kind != "flag":
            found += reader(one)(value)
        elif isinstance(value, bool) == (one.kind == "flag") and isinstance(value, (bool, int, float)):
            found.append(value)
        else:
            wanted = {"flag": "true or false", "share": "a number such as 0.9"}
            raise _KindError(f"must be {wanted.get(one.kind, 'a text or a number')}, not {value!r}")
    if not found:
        raise _KindError("has no values")
    return found


def _text(given: Any) -> str:  # noqa: ANN401
    if not isinstance(given, str) or not given:
        raise _KindError(f"must be a text, not {given!r}")
    return given


def _texts(given: Any) -> list[str]:  # noqa: ANN401
    return [_text(one) for one in (given if isinstance(given, list) else [given])]


def _names(given: Any) -> list[str]:  # noqa: ANN401
    return [part for text in _texts(given) for part in parts(text)]


def _groups(given: Any) -> list[list[str]]:  # noqa: ANN401
    """Groups of axes: `"a,b"`, `["a", "b"]` or `[["a", "b"], ["c", "d"]]`."""
    if isinstance(given, list) and not all(isinstance(one, list) for one in given):
        given = [given]
    return [_names(group) for group in (given if isinstance(given, list) else [given])]


def _count(given: Any) -> int:  # noqa: ANN401
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise _KindError(f"must be a whole number from 1, not {given!r}")
    return given


def _flag(given: Any) -> bool:  # noqa: ANN401
    if not isinstance(given, bool):
        raise _KindError(f"must be true or false, not {given!r}")
    return given


def _fields(given: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    if not isinstance(given, dict):
        raise _KindError(f"must be a table of fields of the config, not {given!r}")
    return {name: value if isinstance(value, list) else [value] for name, value in given.items()}


_KEYS: dict[str, Callable[[Any], Any]] = {
    "targets": _texts,
    "mind": _fields,
    "zip": _groups,
    "where": _texts,
    "assume": _text,
    "gpu_file": _text,
    "threads": _count,
    "top": _count,
    "by": _text,
    "smallest": _flag,
    "per": _names,
    "pareto": _names,
    "frontier": _names,
    "count_by": _names,
    "heatmap": _flag,
    "output": _text,
}
"""What reads the value of each key."""


def _target(folder: Path, target: str) -> str:
    """A target of a file: a path beside the file, a repo of the Hub, or the name of a built-in model."""
    beside = folder / target
    if beside.exists():
        return str(beside)
    repo = hub_target(target) if "/" in target else None
    if repo is not None:
        return repo.address
    named = {name for model in built_in_models() for name in (model["name"], *model["aliases"])}
    return target if target.lower() in {name.lower() for name in named} else str(beside)
