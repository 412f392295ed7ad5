"""`pondera show`: body and mind of one model in one page."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace, _ArgumentGroup
from math import isinf
from typing import Any, NoReturn

from pondera._native import Model, PonderaError
from pondera._show_view import model_view
from pondera._talk import say_slips
from pondera._text import Screen
from pondera.commands.command import Command


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="TARGET", help="a model folder, a config.json or a built-in model")
    add_assume(parser)
    add_changes(parser, "show the model with a field of its config changed; may be given several times")
    parser.add_argument("--json", action="store_true", help="print JSON, schema pondera.show/1")


def add_assume(parser: ArgumentParser) -> None:
    """Declare the argument that names a model type to take where the config's own is unknown."""
    parser.add_argument(
        "--assume", metavar="TYPE", help="take this model type where that of the config is not known"
    )


def add_changes(parser: ArgumentParser | _ArgumentGroup, help: str) -> None:
    """Declare the argument that changes a field of the config, once for each field."""
    parser.add_argument(
        "--set",
        metavar="FIELD=VALUE",
        dest="changes",
        action="append",
        type=change,
        default=[],
        help=help,
    )


def change(text: str) -> tuple[str, Any]:
    """A field and its value: JSON, or a text as it stands.

    Raises:
        ArgumentTypeError: There is no equals sign, or nothing before it.
    """
    field, equals, value = text.partition("=")
    if not field or not equals:
        raise ArgumentTypeError(f"must be FIELD=VALUE, not {text!r}")
    return field, json_or_text(value)


def json_or_text(text: str) -> Any:  # noqa: ANN401
    """The value of a JSON text, or the text as it stands: `NaN` is no JSON, nor is what nests too deep."""
    try:
        return json.loads(text, parse_constant=_no_number, parse_float=_finite, parse_int=_whole)
    except (ValueError, RecursionError):
        return text


def _finite(text: str) -> float:
    value = float(text)
    if isinf(value):
        # No number of 64 bits: a config has none such.
        raise ValueError(f"{text} is too large")
    return value


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number of JSON")


def run(options: Namespace) -> int:
    """Show the model.

    Returns:
        0, or 1 if body and mind disagree.
    """
    model = Model.open(options.target, assume=options.assume)
    shown = model.to_dict()
    changes: list[dict[str, Any]] = []
    if options.changes:
        if model.architecture is None:
            raise PonderaError(f"{model.name}: {model.unknown}")
        changed, answer = model.what_if(dict(options.changes))
        changes = answer.changes
        say_slips(changes)
        shown = {**changed.to_dict(), "changes": changes}
    if options.json:
        sys.stdout.write(json.dumps(shown, separators=(",", ":")) + "\n")
    else:
        lines = model_view(Screen.of(sys.stdout), shown, changes)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    serious = {one["severity"] for one in shown["disagreements"]} - {"info"}
    return 1 if serious else 0


COMMAND = Command(
    name="show",
    summary="show a model: what it is made of, and what it remembers",
    description="""\
Show one model: parameters by role, the pattern of its layers, heads, experts, rope, and what the cache
needs at some contexts. From a folder with weights, also where these and the config disagree.

exit code: 0 all is well, 1 weights and config disagree, 2 nothing could be shown""",
    configure=configure,
    run=run,
)
