"""`pondera models`: the models that are known by name."""

import json
import sys
from argparse import ArgumentParser, Namespace

from pondera._native import built_in_models
from pondera._numbers import short_count
from pondera._talk import say
from pondera._text import Column, Row, Screen, table
from pondera.commands.command import Command


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("filter", metavar="TEXT", nargs="?", default="", help="only names that contain this")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: Namespace) -> int:
    """List the models.

    Returns:
        0, or 1 if none has such a name.
    """
    wanted = options.filter.lower()
    models = [
        model
        for model in built_in_models()
        if any(wanted in name.lower() for name in (model["name"], *model["aliases"]))
    ]
    if not models:
        say(f"pondera: no model has {options.filter!r} in its names; `pondera models` lists all")
    if options.json:
        sys.stdout.write(json.dumps(models, separators=(",", ":")) + "\n")
        return 0 if models else 1
    if not models:
        return 1
    columns = [
        Column("name", "label"),
        Column("type", "label"),
        Column("parameters"),
        Column("active"),
        Column("source", "text", optional=1, style="dim"),
    ]
    rows = [
        Row(
            [
                model["name"],
                model["model_type"] or "",
                "" if model["published_total"] is None else short_count(model["published_total"]),
                "" if model["published_active"] is None else short_count(model["published_active"]),
                model["source"],
            ]
        )
        for model in models
    ]
    sys.stdout.writelines(f"{line}\n" for line in table(Screen.of(sys.stdout), columns, rows))
    return 0


COMMAND = Command(
    name="models",
    summary="list the models that are known by name",
    description="""\
List the built-in models: names that may stand wherever a model folder may, with the parameters their
publishers state.

exit code: 0, or 1 if no name contains the text""",
    configure=configure,
    run=run,
)
