"""`pondera explain`: what a config field determines, or what a number of parameters weighs."""

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from typing import Any

from pondera._native import Model, PonderaError, explain_field, explain_number
from pondera._numbers import binary_bytes, decimal_bytes, exact_count
from pondera._show_view import change_lines
from pondera._text import Column, Row, Screen, table
from pondera.commands.command import Command
from pondera.commands.show import add_assume


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "subject", metavar="FIELD", help="a field of a config.json, or a number of parameters such as 30B"
    )
    parser.add_argument(
        "target",
        metavar="TARGET",
        nargs="?",
        help="a model folder, config.json or built-in model to try it on",
    )
    add_assume(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """Explain it.

    Returns:
        0.

    Raises:
        PonderaError: There is no such field.
    """
    answer = explain_number(options.subject)
    screen = Screen.of(sys.stdout)
    if answer is not None:
        lines = _number_lines(screen, answer)
    else:
        architecture = None
        if options.target is not None:
            model = Model.open(options.target, assume=options.assume)
            architecture = model.architecture
            if architecture is None:
                raise PonderaError(f"{model.name}: {model.unknown}")
        answer = explain_field(options.subject, architecture)
        lines = _field_lines(screen, answer)
    if options.json:
        lines = [json.dumps(answer, separators=(",", ":"))]
    sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


def _number_lines(screen: Screen, answer: Mapping[str, Any]) -> list[str]:
    columns = [
        Column("format", "label"),
        Column("bytes"),
        Column(""),
        Column("what it is", "text", style="dim", optional=1),
    ]
    rows = [
        Row([one["format"], decimal_bytes(one["bytes"]), f"({binary_bytes(one['bytes'])})", one["note"]])
        for one in answer["weights"]
    ]
    heading = screen.paint(f"{exact_count(answer['parameters'])} parameters", "bold")
    return [heading, "", *table(screen, columns, rows), "", *screen.prose(answer["text"])]


def _field_lines(screen: Screen, answer: Mapping[str, Any]) -> list[str]:
    value = "" if answer["value"] is None else f" = {json.dumps(answer['value'])}"
    lines = [screen.paint(f"{answer['field']}{value}", "bold") + f"  {answer['class'] or ''}".rstrip(), ""]
    lines += screen.prose(answer["text"])
    if answer["cost"]:
        lines += ["", *change_lines(screen, [answer["cost"]])]
    return lines


COMMAND = Command(
    name="explain",
    summary="say what a config field or a number such as 30B means",
    description="""\
Say in one paragraph what a field of a config determines. With a model, also its value there, whether another
value runs on the same weights, and what the next step up costs. With a number such as 30B, what so many
parameters weigh in common formats, and what the number does not say.""",
    configure=configure,
    run=run,
)
