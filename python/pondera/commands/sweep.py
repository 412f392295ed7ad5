"""`pondera sweep`: every combination of models, deployments and fields of configs, and the best of them."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from contextlib import nullcontext
from typing import Any

from pondera._asked import add_asked, parts
from pondera._native import Model, PonderaError, Sweep, gpus
from pondera._numbers import plural
from pondera._study import Study, study
from pondera._sweep import sweep
from pondera._sweep_answers import answers
from pondera._sweep_file import PointsFile
from pondera._sweep_view import sweep_view
from pondera._talk import ProgressBar, say, say_error
from pondera._text import Screen
from pondera.commands.command import Command, UsageError
from pondera.commands.scan import thread_count
from pondera.commands.show import add_assume, json_or_text

_ERRORS = (PonderaError, OSError)


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "targets", metavar="TARGET", nargs="*", help="model folders, config.json files or built-in models"
    )
    add_asked(parser, several=True)
    _points(parser)
    _told(parser)


def _points(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("which points there are")
    group.add_argument(
        "--set",
        metavar="FIELD=VALUES",
        dest="changes",
        action="append",
        type=changes,
        default=[],
        help="values of a field of the config; may be given for several fields",
    )
    group.add_argument(
        "--zip",
        metavar="AXES",
        action="append",
        type=parts,
        help="axes that move together: context,concurrency",
    )
    group.add_argument(
        "--where", metavar="CONDITION", action="append", help="only points that meet it: 'headroom > 4GiB'"
    )
    group.add_argument("--file", metavar="TOML", help="a study; options go before what it says")
    group.add_argument("--gpu-file", metavar="TOML", help="your own GPUs over the built-in ones")
    add_assume(parser)


def _told(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("what is told of them")
    group.add_argument(
        "--top",
        metavar="N",
        type=count,
        help="rows of the ranking (10), and of other tables at the most (50)",
    )
    group.add_argument("--by", metavar="COLUMN", help="what is ranked by (headroom_bytes)")
    group.add_argument("--smallest", action="store_true", help="the smallest first")
    names: dict[str, Any] = {"action": "extend", "type": parts}
    group.add_argument("--per", metavar="AXIS", help="the best for each value of an axis", **names)
    group.add_argument(
        "--pareto",
        metavar="min:COLUMN,max:COLUMN",
        help="the points that no other one is better than",
        **names,
    )
    group.add_argument(
        "--frontier", metavar="AXIS", help="the largest value that fits, for all others combined", **names
    )
    group.add_argument("--count-by", metavar="AXIS", help="how many fit for each value of an axis", **names)
    group.add_argument(
        "--heatmap", action="store_true", help="the map of contexts and requests, beside what else is asked"
    )
    group.add_argument(
        "-o", "--output", metavar="FILE", help="write all points: .parquet, .arrow, .csv or .json"
    )
    group.add_argument(
        "--threads", metavar="N", type=thread_count, help="threads to work with (one per core)"
    )
    group.add_argument("--json", action="store_true", help="print JSON, schema pondera.sweep/1")


def changes(text: str) -> tuple[str, list[Any]]:
    """A field of the config and its values, each JSON or a text as it stands.

    Raises:
        ArgumentTypeError: There is no equals sign, or nothing on one side of it.
    """
    field, equals, values = text.partition("=")
    if not field or not equals:
        raise ArgumentTypeError(f"must be FIELD=VALUES, not {text!r}")
    return field, [json_or_text(part) for part in parts(values)]


def count(text: str) -> int:
    """A number of rows.

    Raises:
        ArgumentTypeError: The text is no whole number from 1.
    """
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:10]) <= 10**9):
        raise ArgumentTypeError(f"must be a whole number from 1, not {text!r}")
    return int(text)


def run(options: Namespace) -> int:
    """Sweep and print.

    Returns:
        0 if a point fits, or 1 if none does or a target was lost.
    """
    asked = study(options)
    directions = asked.directions()
    with nullcontext() if asked.output is None else PointsFile(asked.output) as file:
        models, lost = _models(asked)
        if not models:
            return 2
        made = _sweep(models, asked)
        with ProgressBar() as bar:
            progress = bar.update if bar.wanted else None
            told = answers(made, asked, directions, progress)
        told["lost"] = lost
        if options.json:
            sys.stdout.write(json.dumps(told, separators=(",", ":")) + "\n")
        else:
            sys.stdout.writelines(f"{line}\n" for line in sweep_view(Screen.of(sys.stdout), told))
        if file is not None:
            sys.stdout.flush()
            with ProgressBar() as bar:
                written = file.write(made, bar.update if bar.wanted else None)
            say(f"pondera: {plural(written, 'point')} written to {asked.output}")
    return 0 if told["fits"] and not lost else 1


def _models(asked: Study) -> tuple[list[Model], dict[str, str]]:
    """The models that can be placed, and for each other target what is wrong with it."""
    models: list[Model] = []
    lost: dict[str, str] = {}
    for target in asked.targets:
        try:
            model = Model.open(target, assume=asked.assume)
            if len(asked.targets) > 1:
                # One that cannot be placed must not lose the others.
                sweep(model, gpu="80GiB")
            models.append(model)
        except _ERRORS as error:
            if len(asked.targets) == 1:
                raise
            lost[target] = _reason(target, error)
            say_error(f"{target}: {lost[target]}")
    return models, lost


def _reason(target: str, error: Exception) -> str:
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.removeprefix(f"{target}: ")


def _sweep(models: list[Model], asked: Study) -> Sweep:
    """The sweep; everything that was asked is an axis, of one value or several."""
    axes = asked.asked
    if "gpu" not in axes:
        common = [one.name for one in gpus(gpu_file=asked.gpu_file) if one.common]
        axes = {"gpu": common, **axes}
    where = " and ".join(asked.where if len(asked.where) < 2 else [f"({one})" for one in asked.where])
    try:
        return sweep(
            models,
            mind=asked.mind,
            zip=asked.zip,
            where=where or None,
            threads=asked.threads,
            assume=asked.assume,
            gpu_file=asked.gpu_file,
            **axes,
        )
    except (TypeError, OverflowError, ValueError) as error:
        raise UsageError(str(error)) from error


COMMAND = Command(
    name="sweep",
    summary="try many deployments at once, and name the best",
    description="""\
Try every combination of models, GPUs, engines, contexts, ... and of fields of the config, each exactly as
`pondera fit` would: how many fit, the best of them, and a map of what fits.

  pondera sweep llama-3.1-8b --context 4k..128k --concurrency 1..256           on each common GPU
  pondera sweep qwen3-8b --gpu h100,l40s --weights default,fp8 --tp 1,2,4      lists are crossed
  pondera sweep llama-3.1-70b --tp 1,2,4,8 --count-by tensor_parallel          how many fit by it
  pondera sweep llama-3.1-8b --gpu l4 --context 1k..128k:64 --frontier context the longest that fits
  pondera sweep qwen3-8b --set num_key_value_heads=2,4,8 --pareto min:total,max:max_concurrency
  pondera sweep llama-3.1-8b --concurrency 1..64+1 -o points.parquet           all points in a file
  pondera sweep --file study.toml                                              as a file says

Every option of `pondera fit` takes several values between commas, or a range: 4k..1m doubles, 4k..1m:64 has
64 values at even ratios, 8..64+8 goes by steps of 8. The word `default` leaves a value open, as if the option
were not given: weights as stored, and so on. --eager --no-eager tries both.

exit code: 0 some point fits, 1 none does or a model was lost, 2 it could not be told""",
    configure=configure,
    run=run,
)
