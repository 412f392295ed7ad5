"""`pondera map`: the picture of one mind, or of two that face each other."""

import json
import sys
from argparse import ArgumentParser, Namespace

from pondera._map import draw
from pondera._talk import say_slips
from pondera._text import Screen
from pondera.commands.command import Command
from pondera.commands.show import add_assume, add_changes


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("target", metavar="TARGET", help="a model folder, a config.json or a built-in model")
    parser.add_argument("other", metavar="B", nargs="?", help="one that faces it on the same scale")
    parser.add_argument(
        "-o", "--output", metavar="FILE", help="write the map to this file: .svg, .png, .txt or .json"
    )
    parser.add_argument(
        "--by",
        choices=["parameters", "bytes"],
        default="parameters",
        help="what areas are in proportion to (parameters)",
    )
    parser.add_argument(
        "--theme",
        choices=["auto", "light", "dark"],
        help="for which pages a picture is; SVG serves both and PNG light ones, if not given",
    )
    parser.add_argument(
        "--fonts",
        metavar="PATH",
        action="append",
        default=[],
        help="a font file, or a folder of them, for a PNG; may be given several times",
    )
    add_changes(
        parser,
        "face the model with itself with a field of its config changed; may be given several times",
    )
    parser.add_argument("--alone", action="store_true", help="with --set, draw the changed model only")
    add_assume(parser)
    parser.add_argument("--json", action="store_true", help="print the facts as JSON, schema pondera.map/1")


def run(options: Namespace) -> int:
    """Draw the map.

    Returns:
        0, or 1 if weights and config disagree.
    """
    drawn = draw(
        options.target,
        options.other,
        by=options.by,
        assume=options.assume,
        set=dict(options.changes) or None,
        alone=options.alone,
    )
    shown = drawn.to_dict()
    say_slips(shown.get("b", shown).get("changes") or [])
    if options.output:
        drawn.save(options.output, theme=options.theme, fonts=options.fonts)
    if options.json:
        sys.stdout.write(json.dumps(drawn.to_dict(), separators=(",", ":")) + "\n")
    elif not options.output:
        sys.stdout.writelines(f"{line}\n" for line in drawn.lines(Screen.of(sys.stdout)))
    return 1 if drawn.disagrees else 0


COMMAND = Command(
    name="map",
    summary="draw a model, or two facing each other",
    description="""\
Draw the map of a model: a tower of its layers whose areas are in proportion to what they hold, what each
layer sees, what is inside it, and what the model remembers over the length of a text. Of a folder with
weights, the tensors that are there are drawn, and where they and the config disagree. Two models face each
other on one scale, and so does a model and itself with fields of its config set otherwise.

Without -o the map is printed as text. A PNG needs pondera[png].

exit code: 0 all is well, 1 weights and config disagree, 2 nothing could be drawn""",
    configure=configure,
    run=run,
)
