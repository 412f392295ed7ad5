"""`pondera check`: hold weights against their configs."""

import json
import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from pondera._native import Model, PonderaError
from pondera._show_view import disagreement_lines
from pondera._talk import say_error
from pondera._text import Screen
from pondera.commands.command import Command
from pondera.commands.show import add_assume


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths", metavar="PATH", nargs="+", help="a model folder with weights and config.json"
    )
    add_assume(parser)
    parser.add_argument("--json", action="store_true", help="print JSON, a list of schema pondera.show/1")


def run(options: Namespace) -> int:
    """Check every path.

    Returns:
        0 if weights and config agree everywhere, 1 if some disagree or could not be compared, 2 if nothing
        could be opened.
    """
    shown: list[dict[str, Any]] = []
    failed = 0
    for path in options.paths:
        try:
            shown.append(Model.open(path, assume=options.assume).to_dict())
        except (PonderaError, OSError) as error:
            say_error(str(error))
            failed += 1
    if options.json:
        sys.stdout.write(json.dumps(shown, separators=(",", ":")) + "\n")
    else:
        screen = Screen.of(sys.stdout)
        for one in shown:
            sys.stdout.writelines(f"{line}\n" for line in _lines(screen, one))
    if not shown:
        return 2
    return 1 if failed or any(map(_disagrees, shown)) else 0


def _disagrees(shown: dict[str, Any]) -> bool:
    serious = any(one["severity"] != "info" for one in shown["disagreements"])
    return serious or shown["unknown"] is not None or shown["checkpoint"] is None


def _lines(screen: Screen, shown: dict[str, Any]) -> list[str]:
    if shown["unknown"] is not None:
        return screen.prose(f"{shown['name']}: not compared: {shown['unknown']}", "  ", "yellow")
    if shown["checkpoint"] is None:
        return screen.prose(f"{shown['name']}: not compared: there are no weights", "  ", "yellow")
    verdict = "weights and config disagree" if _disagrees(shown) else "weights and config agree"
    return [f"{shown['name']}: {verdict}", *disagreement_lines(screen, shown["disagreements"])]


COMMAND = Command(
    name="check",
    summary="hold the weights of models against their configs",
    description="""\
Compare every tensor of a model folder with those its config.json asks for, and say what likely explains
each difference.

exit code: 0 they agree, 1 they disagree or could not be compared, 2 nothing could be opened""",
    configure=configure,
    run=run,
)
