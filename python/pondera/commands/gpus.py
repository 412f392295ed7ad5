"""`pondera gpus`: the GPUs that are known by name."""

import json
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace

from pondera._native import GPUS_SCHEMA, Gpu, PonderaError, gpu_vendors, gpus, parse_bytes
from pondera._numbers import binary_bytes, decimal_bytes, tera
from pondera._talk import say
from pondera._text import Column, Row, Screen, table
from pondera.commands.command import Command


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "filters", metavar="TEXT", nargs="*", help="only those whose name or other name has all of these"
    )
    parser.add_argument("--vendor", choices=gpu_vendors(), help="only those of this maker")
    parser.add_argument(
        "--min-memory", metavar="SIZE", type=size, help="only those with this much usable memory, as 40GiB"
    )
    parser.add_argument(
        "--gpu-file", metavar="TOML", help="a file of your own rows, merged over the built-in ones"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, schema pondera.gpus/1")


def size(text: str) -> int:
    """Bytes from a size such as `40GiB`.

    Raises:
        ArgumentTypeError: The text is no size.
    """
    try:
        return parse_bytes(text)
    except PonderaError as error:
        raise ArgumentTypeError(str(error)) from error


def run(options: Namespace) -> int:
    """List the GPUs.

    Returns:
        0, or 1 if there is none of this kind.
    """
    chosen = [gpu for gpu in gpus(gpu_file=options.gpu_file) if _wanted(gpu, options)]
    if options.json:
        found = {"schema": GPUS_SCHEMA, "gpus": [gpu.to_dict() for gpu in chosen]}
        sys.stdout.write(json.dumps(found, separators=(",", ":")) + "\n")
    elif chosen:
        sys.stdout.writelines(f"{line}\n" for line in view(Screen.of(sys.stdout), chosen))
    if not chosen:
        say("pondera: no GPU is of this kind; `pondera gpus` lists all")
    return 0 if chosen else 1


def view(screen: Screen, chosen: list[Gpu]) -> list[str]:
    """The lines for people: a row per GPU.

    Args:
        screen: What the lines must fit.
        chosen: The GPUs.
    """
    columns = [
        Column("name", "label"),
        Column("vendor", "label", optional=3),
        Column("memory"),
        Column("usable"),
        Column("", "label"),
        Column("bandwidth"),
        Column("bf16", optional=2),
        Column("fp8", optional=2),
        Column("source", "text", optional=1, style="dim"),
    ]
    rows = [
        Row(
            [
                gpu.name,
                gpu.vendor,
                binary_bytes(gpu.nominal_bytes),
                binary_bytes(gpu.usable_bytes),
                "measured" if gpu.measured else "derived",
                "" if gpu.bandwidth is None else f"{decimal_bytes(gpu.bandwidth)}/s",
                _rate(gpu, "bf16"),
                _rate(gpu, "fp8"),
                gpu.source,
            ]
        )
        for gpu in chosen
    ]
    return list(table(screen, columns, rows))


def _wanted(gpu: Gpu, options: Namespace) -> bool:
    names = [_letters(name) for name in (gpu.name, *gpu.aliases, *gpu.default_for)]
    return (
        all(any(_letters(text) in name for name in names) for text in options.filters)
        and options.vendor in (None, gpu.vendor)
        and (options.min_memory is None or gpu.usable_bytes >= options.min_memory)
    )


def _letters(text: str) -> str:
    """A text without case and punctuation, so that `h100 sxm` is found in `H100-SXM-80GB`."""
    return "".join(filter(str.isalnum, text.lower()))


def _rate(gpu: Gpu, kind: str) -> str:
    rate = gpu.flops.get(kind)
    return "" if rate is None else tera(rate)


COMMAND = Command(
    name="gpus",
    summary="list the GPUs that are known by name",
    description="""\
List the GPUs, and what else holds a model, that are known by name: memory on the board, what of it a runtime
reports, bandwidth, and dense operations per second. --json has all fields with their sources.

--gpu-file merges your own rows over these: a row of the same name replaces one, another is added.
docs/gpus.md has the fields.

exit code: 0, 1 if there is none of this kind, or 2 if the file cannot be used""",
    configure=configure,
    run=run,
)
