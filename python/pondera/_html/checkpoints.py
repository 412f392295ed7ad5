"""Checkpoints and trees of them in a notebook."""

from collections.abc import Iterable
from pathlib import PurePath

from pondera._html.frame import bar, block, heading, hover, note, picture, table, words
from pondera._map import draw
from pondera._native import Checkpoint, PonderaError, Problem, Tree
from pondera._numbers import both_bytes, exact_count, plural, share, short_count

LISTED_PROBLEMS = 10


def checkpoint_html(checkpoint: Checkpoint) -> str:
    """A checkpoint: its roles with their share of the bytes as bars, what is wrong, and its map."""
    facts = [
        checkpoint.kind,
        checkpoint.quantization,
        plural(checkpoint.shards, "shard"),
        plural(checkpoint.tensors, "tensor"),
        f"{exact_count(checkpoint.parameters)} parameters",
        both_bytes(checkpoint.stored_bytes),
    ]
    largest = max((tally.bytes for tally in checkpoint.roles.values()), default=0)
    rows = [
        [
            words(role),
            exact_count(tally.tensors),
            hover(short_count(tally.parameters), exact_count(tally.parameters)),
            hover(both_bytes(tally.bytes), f"{exact_count(tally.bytes)} bytes"),
            share(tally.bytes, checkpoint.stored_bytes),
            bar(tally.bytes, largest),
        ]
        for role, tally in checkpoint.roles.items()
    ]
    total = [
        "total",
        exact_count(checkpoint.tensors),
        short_count(checkpoint.parameters),
        both_bytes(checkpoint.stored_bytes),
        share(checkpoint.stored_bytes, checkpoint.stored_bytes),
        "",
    ]
    titles = ["role", "tensors", "parameters", "bytes", "share", ""]
    return block(
        heading(checkpoint.name, checkpoint.path, facts),
        table(titles, rows, total, left={0, 5}),
        _problems(checkpoint.problems),
        _map(checkpoint),
    )


def _map(checkpoint: Checkpoint) -> str:
    """The map as its tensors are, or why there is none: its config may be gone or damaged."""
    try:
        return picture(draw(checkpoint).svg)
    except (PonderaError, OSError) as error:
        return note(f"no map: {error}")


def tree_html(tree: Tree) -> str:
    """A tree: a row for each checkpoint, with bars of their bytes, and what is wrong."""
    stored = sum(checkpoint.stored_bytes for checkpoint in tree)
    largest = max((checkpoint.stored_bytes for checkpoint in tree), default=0)
    rows = [
        [
            hover(words(_place(checkpoint, tree)), checkpoint.path),
            words(" ".join(filter(None, (checkpoint.kind, checkpoint.quantization)))),
            exact_count(checkpoint.shards),
            exact_count(checkpoint.tensors),
            hover(short_count(checkpoint.parameters), exact_count(checkpoint.parameters)),
            hover(both_bytes(checkpoint.stored_bytes), f"{exact_count(checkpoint.stored_bytes)} bytes"),
            bar(checkpoint.stored_bytes, largest),
        ]
        for checkpoint in tree
    ]
    total = [
        "total",
        "",
        exact_count(sum(checkpoint.shards for checkpoint in tree)),
        exact_count(sum(checkpoint.tensors for checkpoint in tree)),
        short_count(sum(checkpoint.parameters for checkpoint in tree)),
        both_bytes(stored),
        "",
    ]
    titles = ["model", "kind", "shards", "tensors", "parameters", "bytes", ""]
    problems = [*tree.problems, *(problem for checkpoint in tree for problem in checkpoint.problems)]
    return block(
        heading(plural(len(tree), "checkpoint"), tree.path, [f"{both_bytes(tree.disk_bytes)} on disk"]),
        table(titles, rows, total, left={0, 1, 6}),
        _problems(problems),
    )


def _place(checkpoint: Checkpoint, tree: Tree) -> str:
    """Where a checkpoint is, from the tree's path; in the Hub's cache, where paths say little, its name."""
    path = PurePath(checkpoint.path)
    if checkpoint.name != path.name or not path.is_relative_to(tree.path):
        return checkpoint.name
    place = path.relative_to(tree.path)
    return str(place) if place.parts else checkpoint.name


def _problems(problems: Iterable[Problem]) -> str:
    """The first errors and warnings as a list; the others are counted."""
    serious = [problem for problem in problems if problem.severity != "info"]
    serious.sort(key=lambda problem: problem.severity)
    items = [
        f"<li><b>{problem.severity}</b>: {words(str(problem))}</li>" for problem in serious[:LISTED_PROBLEMS]
    ]
    if len(serious) > LISTED_PROBLEMS:
        items.append(f"<li>and {len(serious) - LISTED_PROBLEMS:,} more</li>")
    return f"<ul>{''.join(items)}</ul>" if items else ""
