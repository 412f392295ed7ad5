"""`pondera scan`: weigh every checkpoint at the paths given."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path

from pondera._cache_view import cache_problems, cache_view, write_cache_csv
from pondera._hub.local_cache import scan_cache
from pondera._hub.target import SCHEME
from pondera._native import Checkpoint, PonderaError, Problem, Tree, distinct, no_checkpoint
from pondera._numbers import plural
from pondera._scan import CONCURRENCY, Scanned, scan_many, scan_tree
from pondera._scan_data import BY, By, write_csv, write_json
from pondera._scan_stream import CsvStream, JsonStream, TextStream
from pondera._talk import ProgressBar, say, say_error
from pondera._text import Screen
from pondera._views import checkpoint_view, problem_list, tree_view
from pondera.commands.command import Command, UsageError

MOST_THREADS = 1024
COMMENT = "#"
"""What a line of `--from` begins with that names nothing."""


def configure(parser: ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        type=path_text,
        help="a model folder, a folder of many, a .safetensors file, an index of some, or a repo of the Hub",
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
    _hub(parser)


def _hub(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("repos of the Hub")
    group.add_argument(
        "--cache",
        action="store_true",
        help="every model of the Hub's cache on this machine; PATH if not yours",
    )
    group.add_argument(
        "--revision", metavar="NAME", help="a branch, a tag or a commit, of the one repo that is named"
    )
    group.add_argument("--offline", action="store_true", default=None, help="only what was read before")
    group.add_argument(
        "--with-base", action="store_true", help="with each adapter the model that it was trained for"
    )
    group.add_argument(
        "--from",
        metavar="FILE",
        dest="source",
        help="repos and paths, one a line, written as they come; - for standard input",
    )
    group.add_argument(
        "--concurrency",
        metavar="N",
        type=thread_count,
        default=CONCURRENCY,
        help=f"with --from: how many are read at one time ({CONCURRENCY})",
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
    if options.cache:
        return _run_cache(options)
    if options.source is not None:
        return _run_many(options)
    if not options.paths:
        raise UsageError("the following arguments are required: PATH; see pondera scan --help")
    if options.revision is not None and len(options.paths) > 1:
        raise UsageError("--revision is of one repo; write org/name@revision where there are several")
    trees, failures = _scan_all(options)
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


def _scan_all(options: Namespace) -> tuple[list[Tree], dict[str, str]]:
    """The scans that gave a checkpoint, and for each other path what went wrong."""
    trees: list[Tree] = []
    failures: dict[str, str] = {}
    left = list(options.paths)
    asked = set(left)
    while left:
        path = left.pop(0)
        try:
            tree = _scan_one(path, options)
        except (PonderaError, OSError) as error:
            failures[path] = _reason(path, error)
            continue
        trees.append(tree)
        asked.add(tree.path)
        bases = [base for base in map(_base, tree) if base] if options.with_base else []
        # A base may be an adapter itself, and name the next.
        left += [base for base in dict.fromkeys(bases) if base not in asked]
        asked.update(bases)
    return trees, failures


def _base(checkpoint: Checkpoint) -> str | None:
    """The target that an adapter was trained for: for one of the Hub a repo, and no path of this machine."""
    base = checkpoint.base
    elsewhere = base and checkpoint.path.startswith(SCHEME) and not base.startswith(SCHEME)
    return f"{SCHEME}{base}" if elsewhere else base


def _reason(path: str, error: Exception) -> str:
    """What went wrong, without the path in front."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    # The core words a name that is not Unicode in Unicode.
    worded = os.fsencode(path).decode(errors="replace")
    return str(error).removeprefix(f"{worded}: ")


def _scan_one(path: str, options: Namespace) -> Tree:
    with ProgressBar("files", "looking for models") as bar:
        tree = scan_tree(
            path,
            threads=options.threads,
            progress=bar.update if bar.wanted else None,
            revision=options.revision if path in options.paths else None,
            offline=options.offline,
        )
    if not tree:
        raise no_checkpoint(tree)
    return tree


def _run_cache(options: Namespace) -> int:
    """Print what the cache of the Hub holds."""
    given = "--from" if options.source else "--revision" if options.revision else ""
    given = given or ("--with-base" if options.with_base else "")
    if given:
        raise UsageError(f"{given} does not go with --cache, which lists all that is there")
    if len(options.paths) > 1:
        raise UsageError("--cache takes one folder; the user's own cache if none is named")
    if options.by not in (None, "role") or (options.by and not options.csv):
        raise UsageError("--by goes with --cache only as --by role --csv; the others always tell the roles")
    with ProgressBar("files", "looking for models") as bar:
        cache = scan_cache(
            options.paths[0] if options.paths else None,
            threads=options.threads,
            progress=bar.update if bar.wanted else None,
        )
    if options.json:
        sys.stdout.write(cache.to_json() + "\n")
    elif options.csv:
        write_cache_csv(sys.stdout, cache, by_role=options.by == "role")
    else:
        lines = cache_view(Screen.of(sys.stdout), cache, all_problems=options.problems)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 1 if any(problem.severity == "error" for problem in cache_problems(cache)) else 0


def _run_many(options: Namespace) -> int:
    """Scan what a file names, and print each as soon as it is done."""
    given = "--revision" if options.revision else "--with-base" if options.with_base else ""
    if given:
        raise UsageError(f"{given} does not go with --from; write org/name@revision, and each on its line")
    out = sys.stdout
    if not (options.json or options.csv) and options.by:
        raise UsageError("--by goes with --from only as --json or --csv")
    targets = [*options.paths, *_lines(options.source)]
    if not targets:
        raise UsageError(f"--from {options.source}: names nothing; write a repo or a path on each line")
    stream = (
        JsonStream(out, options.by)
        if options.json
        else CsvStream(out, options.by)
        if options.csv
        else TextStream(out)
    )
    failed = broken = done = 0
    with ProgressBar("repos", "asking the Hub") as bar:
        for one in scan_many(targets, concurrency=options.concurrency, offline=options.offline):
            done += 1
            if one.tree is None:
                failed += 1
                stream.fail(one.target, _report(one))
            else:
                stream.add(one.tree)
                broken += any(problem.severity == "error" for problem in _problems([one.tree]))
            # Rows on a terminal tell as much as a bar.
            if bar.wanted and not out.isatty():
                bar.update(done, len(targets))
    stream.end()
    if failed:
        say(f"pondera: {plural(failed, 'target')} of {len(targets):,} gave nothing")
    return 2 if failed == done else 1 if failed or broken else 0


def _report(one: Scanned) -> str:
    assert one.error is not None
    why = _reason(one.target, one.error)
    say_error(f"{one.target}: {why}")
    return why


def _lines(source: str) -> list[str]:
    """What the lines of a file name; empty ones and comments name nothing."""
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"--from {source}: is no text in UTF-8 ({error.reason}); write one target a line"
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith(COMMENT)]


def _problems(trees: Sequence[Tree]) -> Iterator[Problem]:
    for tree in trees:
        yield from tree.problems
        for checkpoint in tree:
            yield from checkpoint.problems


COMMAND = Command(
    name="scan",
    summary="weigh models: tensors, parameters and bytes by role",
    description="""\
Weigh every model at or below the paths, by the headers of their safetensors files alone. Where there is no
such path, org/name, org/name@revision and org/name:sub/folder are repos of the Hub, of which nothing but
headers and small files is fetched; hf://org/name is one whatever lies here.

One model is shown by role; several as a list, and by role if asked with --by.

With --cache it is every revision of every model that huggingface_hub keeps here, with what each takes on disk
and which downloads are not finished.

--csv has a row per model; --by makes it a row per role, dtype, layer or tensor of each.

exit code: 0 all is well, 1 a model has an error or one of several paths gave nothing (all else is printed
still), 2 nothing could be scanned""",
    configure=configure,
    run=run,
)
