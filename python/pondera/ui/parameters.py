"""Parameters of a query: what they are, and how a query is read by them."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl

from pondera._asked import DEFAULT, Asked, parts, value_of
from pondera._native import PonderaError, parse_count
from pondera._text import shortened
from pondera.commands.show import json_or_text
from pondera.ui.refused import Refused

MOST_QUERY = 8192
"""Bytes of a query."""

MOST_PARAMETERS = 96
"""Parameters of a query."""

MOST_VALUE = 200
"""Characters of a value, but that of a field of the config."""

MOST_GPUS = 32
MOST_CELLS = 64 * 64 * MOST_GPUS * 2
"""GPUs and cells of one heatmap."""

SET = "set."
"""What stands before the name of a field of the config."""

_DEEPEST = 32
"""Levels of lists and objects in the value of a field."""

_YES = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter.

    Attributes:
        name: Its name.
        help: What it is.
        kind: `asked` is a keyword of `fit`, a `number` is whole and between `least` and `most`, a `count` may
            be written 32k, `names` stand between commas, and a `choice` is one of `choices`.
        least: The least number, or how many times it must be there.
        most: The largest number, or how many names there may be.
        default: What holds if it is not given; None if nothing does.
        choices: The words that may be chosen.
        required: Whether it must be given.
        several: Whether it may be given several times; its value is then a list.
        asked: The keyword of `fit`.
        example: A value.
    """

    name: str
    help: str
    kind: Literal["asked", "number", "count", "flag", "names", "choice"]
    least: int = 0
    most: int = 0
    default: Any = None
    choices: tuple[str, ...] = ()
    required: bool = False
    several: bool = False
    asked: Asked | None = None
    example: Any = None

    def read(self, text: str) -> Any:  # noqa: ANN401
        """The value of a text.

        Raises:
            Refused: The text is no such value.
        """
        if not text:
            raise Refused(422, f"{self.name} is empty; give it a value or leave it out", self.name)
        if self.kind != "names" and len(text) > MOST_VALUE:
            raise Refused(
                422, f"{self.name} has {len(text)} characters; {MOST_VALUE} are the most", self.name
            )
        try:
            return self._value(text)
        except ArgumentTypeError as error:
            raise Refused(422, f"{self.name} {error}", self.name) from error
        except PonderaError as error:
            raise Refused(422, f"{self.name}: {error}", self.name) from error

    def _value(self, text: str) -> Any:  # noqa: ANN401
        if self.kind == "flag" or (self.asked and self.asked.kind == "flag"):
            if self.asked and text == DEFAULT:
                return None
            if text not in _YES:
                raise ArgumentTypeError(f"must be true or false, not {text!r}")
            return _YES[text]
        if self.asked:
            return value_of(self.asked, text)
        if self.kind == "choice":
            if text not in self.choices:
                raise ArgumentTypeError(f"must be one of {', '.join(self.choices)}, not {text!r}")
            return text
        if self.kind == "names":
            names = parts(text)
            if len(names) > self.most or any(len(name) > MOST_VALUE for name in names):
                raise ArgumentTypeError(
                    f"has {len(names)} names; {self.most} of at most {MOST_VALUE} characters may be given"
                )
            return names
        return self._number(text)

    def _number(self, text: str) -> int:
        digits = text.isascii() and text.isdigit()
        if self.kind == "number" and not digits:
            raise ArgumentTypeError(f"must be a whole number, not {text!r}")
        value = parse_count(text)
        if not self.least <= value <= self.most:
            raise ArgumentTypeError(f"must be between {self.least:,} and {self.most:,}, not {value:,}")
        return value


@dataclass(frozen=True, slots=True)
class Address:
    """One address that answers.

    Attributes:
        path: The path.
        summary: What it answers.
        parameters: What may be asked.
        fields: Whether fields of the config may be changed.
        media: The kinds of its answer.
    """

    path: str
    summary: str
    parameters: tuple[Parameter, ...] = ()
    fields: bool = False
    media: tuple[str, ...] = ("application/json",)

    def named(self, name: str) -> Parameter | None:
        """The parameter of a name."""
        return next((one for one in self.parameters if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked at an address.

    Attributes:
        values: The values of parameters by name: those that were given, and defaults.
        asked: Those among them that are keywords of `fit`; what was left open is left out.
        changes: Fields of the config with their values.
    """

    values: Mapping[str, Any]
    asked: Mapping[str, Any] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)


def read(address: Address, query: bytes) -> Question:
    """What a query asks of an address.

    Raises:
        Refused: It is too long, is no query, or names what is not known; or a value cannot be read.
    """
    values: dict[str, Any] = {}
    changes: dict[str, Any] = {}
    for name, text in _pairs(query):
        parameter = address.named(name)
        again = parameter is not None and parameter.several
        if (name in values and not again) or (name.removeprefix(SET) in changes and name.startswith(SET)):
            raise Refused(400, f"{shortened(name, MOST_VALUE)} is given twice; give it once", name)
        if name.startswith(SET) and address.fields:
            changes[name.removeprefix(SET)] = _field(name, text)
            continue
        if parameter is None:
            raise Refused(400, _unknown(address, name), name)
        value = parameter.read(text)
        values[name] = [*values.get(name, []), value] if again else value
    for one in address.parameters:
        if one.required and one.name not in values:
            raise Refused(400, f"{one.name} is missing; give it, such as {one.name}={one.example}", one.name)
        if one.default is not None:
            values.setdefault(one.name, one.default)
    asked = {
        one.name: values[one.name]
        for one in address.parameters
        if one.kind == "asked" and values.get(one.name) is not None
    }
    return Question(values, asked, changes)


def _pairs(query: bytes) -> list[tuple[str, str]]:
    if len(query) > MOST_QUERY:
        raise Refused(414, f"the query has {len(query)} bytes; {MOST_QUERY} are the most")
    if not query:
        return []
    try:
        return parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
        )
    except UnicodeDecodeError as error:
        raise Refused(400, "the query is not UTF-8, written with per cent signs") from error
    except ValueError as error:
        raise Refused(
            400, f"the query must be at most {MOST_PARAMETERS} parameters written name=value, between &"
        ) from error


def _field(name: str, text: str) -> Any:  # noqa: ANN401
    if name == SET:
        raise Refused(400, f"{SET} must be followed by a field, as in {SET}num_hidden_layers=40", name)
    value = json_or_text(text)
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Refused(422, f"{shortened(name, MOST_VALUE)} has half of a letter of Unicode", name) from None
    if _nested(value, _DEEPEST):
        raise Refused(
            422, f"{shortened(name, MOST_VALUE)} nests deeper than {_DEEPEST} levels, as no config does", name
        )
    return value


def _nested(value: object, left: int) -> bool:
    """Whether lists and objects nest deeper than that."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(left == 0 or _nested(one, left - 1) for one in inside)


def _unknown(address: Address, name: str) -> str:
    known = ", ".join(one.name for one in address.parameters)
    fields = f", and {SET}FIELD for a field of the config" if address.fields else ""
    there = f"there are {known}{fields}" if known else "it takes none"
    return f"{address.path} has no parameter {shortened(name, MOST_VALUE)!r}; {there}"


def about(sentence: str, question: Question) -> str | None:
    """The parameter that a sentence of the core is about: sentences about one begin with its name."""
    first = sentence.split(" ", 1)[0].rstrip(":,")
    if first in question.changes:
        return SET + first
    return first if first in question.values else None
