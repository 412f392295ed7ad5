"""`pondera demo`: show what a scan gives, on models made up on the spot."""

import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from pondera import demo
from pondera._native import Tree, scan_tree
from pondera._numbers import decimal_bytes, plural
from pondera._scan_data import write_json
from pondera._talk import say
from pondera._text import Screen
from pondera._views import checkpoint_view
from pondera.commands.command import Command, UsageError
from pondera.commands.scan import view

DETAILED = ("Qwen3-30B-A3B", "gpt-oss-20b")
"""The models that are shown by role too: a mixture of experts, and a packed one."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--keep", metavar="DIR", type=Path, help="write the models to this new folder and keep them"
    )
    parser.add_argument("--json", action="store_true", help="print JSON, schema pondera.scan/1")


def run(options: Namespace) -> int:
    """Write the models, scan and show them, and remove them.

    Returns:
        0; the error in one of the models is there on purpose.

    Raises:
        OSError: The models could not be written.
        UsageError: The folder to keep them in has something in it.
    """
    keep: Path | None = options.keep
    if keep and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise UsageError(f"--keep {keep}: not empty; name a new folder")
    place: AbstractContextManager[str] = (
        nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory(prefix="pondera-")
    )
    with place as folder:
        demo.build(folder)
        begin = time.perf_counter()
        tree = scan_tree(folder)
        seconds = time.perf_counter() - begin
        if options.json:
            write_json(sys.stdout, [tree], None)
        else:
            _show(tree, seconds)
    if keep:
        say(f"the models are in {keep}; try: pondera scan {keep / DETAILED[0]} --by layer")
    return 0


def _show(tree: Tree, seconds: float) -> None:
    screen = Screen.of(sys.stdout)
    files = sum(checkpoint.file_bytes for checkpoint in tree)
    say(
        f"{plural(len(tree), 'model')} of published shapes, one broken on purpose: "
        f"{decimal_bytes(files)} weighed in {1000 * seconds:.0f} ms"
    )
    say("")
    lines = view(screen, [tree], None, all_problems=False)
    for checkpoint in tree:
        if checkpoint.name in DETAILED:
            lines += ["", "", *checkpoint_view(screen, checkpoint, "role", all_problems=False)]
    sys.stdout.writelines(f"{line}\n" for line in lines)


COMMAND = Command(
    name="demo",
    summary="show what a scan gives, on models made up on the spot",
    description="""\
Write a few models of published shapes to a temporary folder, true headers over empty data,
scan them, show the list and two of them in detail, and remove them again.""",
    configure=configure,
    run=run,
)
