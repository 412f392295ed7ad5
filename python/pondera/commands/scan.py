"""`pondera scan`: weigh every checkpoint at the paths given."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence

from pondera._native import PonderaError, Problem, Tree, distinct, no_checkpoint, scan_tree
from pondera._numbers import plural
from pondera._scan_data import BY, By, write_csv, write_json
from pondera._talk import ProgressBar, say, say_error
from pondera._text import Screen
from pondera._views import checkpoint_view, problem_list, tree_view
from pondera.commands.command import Command

MOST_THREADS = 1024


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="+",
        type=path_text,
        help="a model folder, a folder of many, a .safetensors file or a .safetensors.index.json",
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON, schema pondera.scan/1")
    form.add_argument("--csv", action="store_true", help="print CSV")
    parser.add_argument(
        "--by", choices=BY, help="what to sum by (a table for one model is by role if not given)"
    )
    parser.add_argument(
        "--problems", action="store_true", help="list every problem and note, not the first ten"
    )
    parser.add_argument(
        "--threads", metavar="N", type=thread_count, help="threads to read with (one per core)"
    )


def path_text(text: str) -> str:
    """A path, as it was given.

    Raises:
        ArgumentTypeError: The text is empty, as an unset variable of a shell is.
    """
    if not text:
        raise ArgumentTypeError("is empty")
    return text


def thread_count(text: str) -> int:
    """A number of threads from 1 to 1024.

    Raises:
        ArgumentTypeError: The text is no such number.
    """
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= MOST_THREADS):
        raise ArgumentTypeError(f"must be a whole number from 1 to {MOST_THREADS}, not {text!r}")
    return int(text)


def run(options: Namespace) -> int:
    """Scan and print.

    Returns:
        0 if all is well, 1 if an error was found in a checkpoint or a path gave nothing, 2 if no path gave
        anything.
    """
    trees, failures = _scan_all(options.paths, options.threads)
    for path, why in failures.items():
        say_error(f"{path}: {why}")
    if not trees:
        return 2
    left = distinct(trees)
    repeated = sum(map(len, trees)) - sum(map(len, left))
    if repeated:
        say(f"pondera: {plural(repeated, 'checkpoint')} found by more than one path; each is counted once")
    trees = [tree for tree in left if tree]
    if options.json:
        write_json(sys.stdout, trees, options.by, failures)
    elif options.csv:
        write_csv(sys.stdout, trees, options.by)
    else:
        lines = view(Screen.of(sys.stdout), trees, options.by, all_problems=options.problems)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    severities = [problem.severity for problem in _problems(trees)]
    broken = severities.count("error")
    if options.csv and broken:
        say(f"pondera: {plural(broken, 'error')} found, which CSV does not show; see them without --csv")
    return 1 if broken or failures else 0


def view(screen: Screen, trees: Sequence[Tree], by: By | None, *, all_problems: bool) -> list[str]:
    """The lines for people: one checkpoint in detail, several in a list, or both if asked what to sum by.

    Args:
        screen: What the lines must fit.
        trees: The scans, at least one checkpoint in all of them together.
        by: What to sum by, if that was asked for.
        all_problems: Whether to list every problem.
    """
    checkpoints = [checkpoint for tree in trees for checkpoint in tree]
    root = trees[0].path if len(trees) == 1 else None
    listed: list[Problem] = []
    if len(checkpoints) == 1:
        lines = checkpoint_view(screen, checkpoints[0], by or "role", all_problems=all_problems)
    elif by:
        lines = []
        for checkpoint in checkpoints:
            lines += [*checkpoint_view(screen, checkpoint, by, all_problems=all_problems), "", ""]
        lines += tree_view(screen, trees)
    else:
        lines = tree_view(screen, trees)
        listed = [problem for checkpoint in checkpoints for problem in checkpoint.problems]
    listed += [problem for tree in trees for problem in tree.problems]
    return lines + problem_list(screen, listed, root, all_problems=all_problems)


def _scan_all(paths: Sequence[str], threads: int | None) -> tuple[list[Tree], dict[str, str]]:
    """The scans that gave a checkpoint, and for each other path what went wrong."""
    trees, failures = [], {}
    for path in paths:
        try:
            trees.append(_scan_one(path, threads))
        except PonderaError as error:
            # The core words a name that is not Unicode in Unicode.
            worded = os.fsencode(path).decode(errors="replace")
            failures[path] = str(error).removeprefix(f"{worded}: ")
        except OSError as error:
            failures[path] = error.strerror or str(error)
    return trees, failures


def _scan_one(path: str, threads: int | None) -> Tree:
    with ProgressBar("files", "looking for models") as bar:
        tree = scan_tree(path, threads=threads, progress=bar.update if bar.wanted else None)
    if not tree:
        raise no_checkpoint(tree)
    return tree


def _problems(trees: Sequence[Tree]) -> Iterator[Problem]:
    for tree in trees:
        yield from tree.problems
        for checkpoint in tree:
            yield from checkpoint.problems


COMMAND = Command(
    name="scan",
    summary="weigh models: tensors, parameters and bytes by role",
    description="""\
Weigh every model at or below the paths, by the headers of their safetensors files alone.

One model is shown by role; several as a list, and by role if asked with --by.

--csv has a row per model; --by makes it a row per role, dtype, layer or tensor of each.

exit code: 0 all is well, 1 a model has an error or one of several paths gave nothing (all else is printed
still), 2 nothing could be scanned""",
    configure=configure,
    run=run,
)
