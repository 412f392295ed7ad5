"""What is given to answers on several models: the targets, and the keywords of `fit`."""

from collections.abc import Callable, Iterable, Mapping
from os import PathLike
from typing import Any, TypeVar

from pondera._asked import ASKED
from pondera._native import Architecture, Checkpoint, Model, PonderaError, WhatIf

Given = TypeVar("Given")
Made = TypeVar("Made")

Target = str | PathLike[str] | Mapping[str, Any] | Checkpoint | Architecture | Model
"""What a model may be given as."""

_LONGEST = 1000
"""Characters of what a target is called where it could not be opened."""


def opened(target: Target, assume: str | None) -> Model | Architecture:
    """A target, opened.

    Args:
        target: The target.
        assume: A model type to take where that of a config is not known.

    Raises:
        PonderaError: It cannot be opened.
        FileNotFoundError: There is no such path and no built-in model of that name.
    """
    if isinstance(target, (Model, Architecture)):
        return target
    if isinstance(target, Mapping):
        return Architecture.from_config(target, assume=assume)
    return Model.open(target.path if isinstance(target, Checkpoint) else target, assume=assume)


def with_mind(model: Model | Architecture, fields: Mapping[str, Any]) -> tuple[Model | Architecture, WhatIf]:
    """A model with another mind, and what that changes.

    Where it needs other weights, those there are do not count.

    Args:
        model: The model.
        fields: Fields of its config by name, with their values.

    Raises:
        PonderaError: The model's mind is not known, or the changed config cannot be.
    """
    if isinstance(model, Architecture):
        answer = model.what_if(dict(fields))
        return answer.architecture, answer
    if model.architecture is None:
        raise PonderaError(f"{model.name}: {model.unknown}")
    changed, answer = model.what_if(dict(fields))
    return (changed if answer.same_body or model.checkpoint is None else answer.architecture), answer


def minds_of(changes: Mapping[str, Any] | Iterable[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """What each other mind changes.

    Raises:
        PonderaError: One changes nothing.
    """
    if changes is None:
        return []
    several = [changes] if isinstance(changes, Mapping) else list(changes)
    minds = [dict(one) for one in several]
    if not all(minds):
        raise PonderaError("set names no field; write set={'num_key_value_heads': 4}")
    return minds


def each(
    targets: Iterable[Given], make: Callable[[Given], Made], least: int = 1
) -> tuple[list[Made], dict[str, str]]:
    """What is made of each target: one that cannot be opened never loses the others.

    Args:
        targets: The targets.
        make: What opens one.
        least: How many there must be.

    Returns:
        What was made, and why not of the others, by their names.

    Raises:
        PonderaError: Too few can be opened; where several cannot, the message has all of them.
        FileNotFoundError: One cannot: there is no such path and no built-in model of that name.
    """
    made: list[Made] = []
    failures: dict[str, Exception] = {}
    for target in targets:
        try:
            made.append(make(target))
        except (PonderaError, OSError) as error:
            failures[str(target)[:_LONGEST]] = error
    if len(made) < least and failures:
        first, *others = failures.values()
        if not others:
            raise first
        raise PonderaError("; ".join(map(str, failures.values())))
    return made, {name: failure_words(name, error) for name, error in failures.items()}


def failure_words(name: str, error: Exception) -> str:
    """What went wrong with a target, without the name that it begins with."""
    words = (isinstance(error, OSError) and error.strerror) or str(error)
    return words.removeprefix(f"{name}: ")


def check_keywords(function: str, asked: Mapping[str, Any]) -> None:
    """Sees that keywords are those of `fit`.

    Raises:
        TypeError: One is none of them.
    """
    for name in asked.keys() - {one.name for one in ASKED}:
        raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
