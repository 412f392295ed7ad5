"""`pondera compare`: models side by side, and what each difference buys and costs."""

import json
import sys
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from collections.abc import Iterable
from typing import Any

from pondera._asked import ASKED, add_asked
from pondera._compare import compare
from pondera._talk import say, say_error, say_slips
from pondera._text import Screen
from pondera.commands.command import Command
from pondera.commands.show import add_assume, add_changes


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="+", help="a model folder, a config.json or a built-in model"
    )
    add_asked(parser, several=False)
    group = parser.add_argument_group("files, changes and output")
    add_set(group)
    group.add_argument("--gpu-file", metavar="TOML", help="your own GPUs over the built-in ones")
    add_assume(parser)
    group.add_argument("-o", "--output", metavar="FILE", help="write it to this file: .html, .txt or .json")
    group.add_argument("--all", action="store_true", help="a line for every row, where all are the same too")
    group.add_argument("--json", action="store_true", help="print JSON, schema pondera.compare/1")


def add_set(group: ArgumentParser | _ArgumentGroup) -> None:
    """Declare the argument that sets fields of the first target's config."""
    add_changes(
        group,
        "the first target with a field of its config changed, as one more model; a field given again "
        "begins another one",
    )


def run(options: Namespace) -> int:
    """Compare and print.

    Returns:
        0, or 1 if a target could not be opened or weights and config of one disagree.
    """
    asked = {one.name: getattr(options, one.name) for one in ASKED}
    made = compare(
        *options.targets,
        set=minds(options.changes),
        assume=options.assume,
        gpu_file=options.gpu_file,
        **asked,
    )
    for name, why in made.failures.items():
        say_error(f"{name}: {why}")
    for model in made.to_dict()["models"]:
        say_slips(model["variant"]["changes"] if model["variant"] else [])
    if options.output:
        made.save(options.output)
        say(f"pondera: wrote {options.output}")
    if options.json:
        sys.stdout.write(json.dumps(made.to_dict(), separators=(",", ":")) + "\n")
    elif not options.output:
        lines = made.lines(Screen.of(sys.stdout), all_rows=options.all)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if made.failures or made.disagrees else 0


def minds(changes: Iterable[tuple[str, Any]]) -> list[dict[str, Any]]:
    """The fields of each other mind: one that is given again begins another mind."""
    found: list[dict[str, Any]] = []
    for field, value in changes:
        if not found or field in found[-1]:
            found.append({})
        found[-1][field] = value
    return found


COMMAND = Command(
    name="compare",
    summary="set models side by side, and tell what each difference costs",
    description="""\
Set models side by side: parameters by role, layers, heads, experts, windows, rope and reach, the cache over
the length of a text, operations, and what fits on which GPU. What differs is marked, with a line on what it
buys and costs against the first model; what is the same is folded into one line.

  pondera compare llama-2-7b llama-3.1-8b                        two models
  pondera compare ./mine qwen3-8b --gpu h100 --context 32k       where they fit for requests of 32k tokens
  pondera compare llama-3.1-8b --set num_key_value_heads=4       the same body with another mind
  pondera compare qwen3-8b qwen3-14b qwen3-32b -o sizes.html     as a page

"On its own" means: in the first model, with everything else as it is.

exit code: 0 all is well, 1 a target could not be opened or weights and config of one disagree (the others are
compared still), 2 nothing could be compared""",
    configure=configure,
    run=run,
)
