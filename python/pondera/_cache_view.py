"""What the cache of the Hub holds, in a terminal and as CSV: a row for each revision of each repository."""

import csv
from collections.abc import Iterator
from typing import Any, TextIO

from pondera._native import CachedRepo, CachedRevision, HubCache, Problem
from pondera._numbers import both_bytes, decimal_bytes, plural, short_count
from pondera._text import Column, Row, Screen, printable, table
from pondera._views import problem_list, worst, worst_style

COMMIT_SHOWN = 12
"""How many digits of a commit are shown."""

COLUMNS = (
    "repo",
    "commit",
    "refs",
    "checkpoints",
    "tensors",
    "parameters",
    "stored_bytes",
    "disk_bytes",
    "own_bytes",
    "errors",
    "warnings",
)
"""The columns of a row per revision."""

ROLE_COLUMNS = ("repo", "commit", "role", "tensors", "parameters", "bytes")
"""The columns of a row per role."""


def cache_view(screen: Screen, cache: HubCache, *, all_problems: bool) -> list[str]:
    """The lines for a cache: a row for each revision with its roles below, the sum, and what is wrong.

    Args:
        screen: What the lines must fit.
        cache: The cache.
        all_problems: Whether to list every problem rather than the first errors and warnings.
    """
    count = f"{len(cache.repos):,} {'repository' if len(cache.repos) == 1 else 'repositories'}"
    lines = [screen.paint(f"{count} in {printable(cache.path)}", "bold")]
    if not cache.repos:
        return lines
    rows = [row for repo in cache.repos for row in _rows(screen, repo)]
    shared = any(len(repo.revisions) > 1 for repo in cache.repos)
    columns = [
        Column("repository", "text", least=20),
        Column("revision", "list", least=12),
        Column("parameters", optional=1),
        Column("weights"),
        Column("on disk"),
    ]
    if shared:
        columns.append(Column("own", optional=2))
    marked = any(mark for _, mark, _, _ in rows)
    if marked:
        columns.append(Column("worst problem", "label"))
    last = len(columns) - 1
    styled = [
        Row(
            [*(cells if shared else cells[:-1]), *([mark] if marked else [])],
            accents={last: style} if marked else {},
        )
        for cells, mark, style, _ in rows
    ]
    # Revisions that share files have a sum that nothing takes.
    total = [
        "total",
        "",
        "",
        "",
        decimal_bytes(cache.disk_bytes),
        *([""] if shared else []),
        *([""] if marked else []),
    ]
    drawn = table(screen, columns, styled, Row(total, "bold"))
    lines += ["", *drawn[:2]]
    for line, (*_, roles) in zip(drawn[2:], rows, strict=False):
        lines += [line, *(screen.prose(f"  {roles}", "  ", "dim") if roles else [])]
    lines += drawn[2 + len(rows) :]
    lines += screen.prose(
        f"on disk {both_bytes(cache.disk_bytes)}: a file that several revisions share counts once", "  "
    )
    if shared and "own" in drawn[0]:
        lines += screen.prose("own: what no other revision has, which its removal would free", "  ", "dim")
    return lines + problem_list(screen, cache_problems(cache), cache.path, all_problems=all_problems)


def _rows(screen: Screen, repo: CachedRepo) -> Iterator[tuple[list[str], str, str, str]]:
    """Cells, worst problem, its style and roles of each revision; one row for a repository without any."""
    missing = f"! {plural(len(repo.incomplete), 'unfinished file')}" if repo.incomplete else ""
    if not repo.revisions:
        yield [repo.name, "", "", "", decimal_bytes(repo.disk_bytes), ""], missing, "yellow", ""
    for at, revision in enumerate(repo.revisions):
        name = repo.name if at == 0 else ""
        problems = [problem for one in revision.checkpoints for problem in one.problems]
        mark, style = worst(screen, problems), worst_style(problems)
        if not mark:
            mark, style = (missing, "yellow") if missing else ("", "")
        if not mark and not revision.checkpoints:
            mark, style = "no safetensors", "dim"
        sums = [short_count(revision.parameters), decimal_bytes(revision.stored_bytes)]
        cells = [
            name,
            _revision(revision),
            *(sums if revision.checkpoints else ["", ""]),
            decimal_bytes(revision.disk_bytes),
            decimal_bytes(revision.own_bytes) if len(repo.revisions) > 1 else "",
        ]
        yield cells, mark, style, _roles(screen, revision)


def _revision(revision: CachedRevision) -> str:
    return ", ".join([*revision.refs, revision.commit[:COMMIT_SHOWN]])


def _roles(screen: Screen, revision: CachedRevision) -> str:
    """The roles, the heaviest first."""
    dot = " · " if screen.unicode else " | "
    heaviest = sorted(revision.roles.items(), key=lambda item: -item[1].bytes)
    return dot.join(f"{role} {decimal_bytes(tally.bytes)}" for role, tally in heaviest)


def cache_problems(cache: HubCache) -> Iterator[Problem]:
    """All that is wrong in a cache."""
    yield from cache.problems
    for repo in cache.repos:
        for revision in repo.revisions:
            for checkpoint in revision.checkpoints:
                yield from checkpoint.problems


def write_cache_csv(stream: TextIO, cache: HubCache, *, by_role: bool) -> None:
    """Write a cache as CSV: a row for each revision, or for each role of each."""
    writer = csv.DictWriter(stream, ROLE_COLUMNS if by_role else COLUMNS, lineterminator="\n")
    writer.writeheader()
    for repo in cache.repos:
        for revision in repo.revisions:
            writer.writerows(_role_rows(repo, revision) if by_role else [_row(repo, revision)])


def _row(repo: CachedRepo, revision: CachedRevision) -> dict[str, Any]:
    severities = [problem.severity for one in revision.checkpoints for problem in one.problems]
    return {
        "repo": repo.name,
        "commit": revision.commit,
        "refs": " ".join(revision.refs),
        "checkpoints": len(revision.checkpoints),
        "tensors": sum(one.tensors for one in revision.checkpoints),
        "parameters": revision.parameters,
        "stored_bytes": revision.stored_bytes,
        "disk_bytes": revision.disk_bytes,
        "own_bytes": revision.own_bytes,
        "errors": severities.count("error"),
        "warnings": severities.count("warning"),
    }


def _role_rows(repo: CachedRepo, revision: CachedRevision) -> Iterator[dict[str, Any]]:
    for role, tally in revision.roles.items():
        yield {
            "repo": repo.name,
            "commit": revision.commit,
            "role": role,
            "tensors": tally.tensors,
            "parameters": tally.parameters,
            "bytes": tally.bytes,
        }
