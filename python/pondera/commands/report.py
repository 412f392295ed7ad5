"""`pondera report`: one page on one or more models, to read, print and mail."""

import json
import sys
from argparse import ArgumentParser, Namespace

from pondera._asked import ASKED, add_asked
from pondera._numbers import decimal_bytes
from pondera._report import check_ending, report
from pondera._talk import say, say_error
from pondera.commands.command import Command
from pondera.commands.compare import add_set, minds
from pondera.commands.show import add_assume

_FILE = "report.html"
_STDOUT = "-"


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="+", help="a model folder, a config.json or a built-in model"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help=f"the .html file to write ({_FILE}); {_STDOUT} for standard output",
    )
    add_asked(parser, several=False)
    group = parser.add_argument_group("files and output")
    add_set(group)
    group.add_argument("--gpu-file", metavar="TOML", help="your own GPUs over the built-in ones")
    add_assume(parser)
    group.add_argument(
        "--json",
        action="store_true",
        help="print the facts as JSON, schema pondera.report/1; the page is written with -o only",
    )


def run(options: Namespace) -> int:
    """Write the report.

    Returns:
        0, or 1 if something that was asked for could not be told.
    """
    asked = {one.name: getattr(options, one.name) for one in ASKED}
    if options.output not in (None, _STDOUT):
        check_ending(options.output)
    made = report(
        *options.targets,
        set=minds(options.changes),
        assume=options.assume,
        gpu_file=options.gpu_file,
        **asked,
    )
    for name, why in made.problems.items():
        say_error(f"{name}: {why}")
    output = options.output or (None if options.json else _FILE)
    if output == _STDOUT:
        # The page says that it is UTF-8, whatever the terminal speaks.
        sys.stdout.buffer.write(made.html.encode())
    elif output:
        made.save(output)
        say(f"pondera: wrote {output}, {decimal_bytes(len(made.html.encode()))}")
    if options.json:
        sys.stdout.write(json.dumps(made.to_dict(), separators=(",", ":")) + "\n")
    return 1 if made.problems else 0


COMMAND = Command(
    name="report",
    summary="write a page on one or more models, to read, print and mail",
    description="""\
Write a report: what each model is made of, its map, where it fits, over which contexts and requests, every
number with its formula and source, and what was assumed. Of several models also how they compare.

  pondera report llama-3.1-8b -o report.html                     on the common GPUs
  pondera report ./my-model --gpu h100 --gpu l40s --context 32k  a folder, on two GPUs
  pondera report llama-3.1-8b qwen3-8b --engine sglang           two models side by side
  pondera report llama-3.1-8b --set num_key_value_heads=4        and the same body with another mind

It is one file of HTML that loads nothing and sends nothing.

exit code: 0 it is whole, 1 a target could not be opened or estimated, or its files are not sound or disagree
with its config (the page says why, and has all else), 2 nothing could be written""",
    configure=configure,
    run=run,
)
