"""Which commit a revision is, and which files it has: asked of the Hub, or found where it was noted."""

from __future__ import annotations

import json
import re
from pathlib import Path

from pondera._hub.failure import HubError
from pondera._hub.identity import library_cache
from pondera._hub.store import File, Store, checked
from pondera._hub.wire import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from pondera._hub.target import HubTarget
    from pondera._hub.wire import Wire

MOST_PAGES = 10_000
"""A list of files has no more pages than this, of a thousand each on the Hub."""
LONGEST = 256 << 20
"""Bytes of all pages at the most: what a million files take, each of which takes room here."""

_COMMIT = re.compile(r"[0-9a-f]{40}")


class Listing:
    """The files of a repo at a commit.

    Attributes:
        repo: As `org/name`.
        commit: The commit.
        files: By name.
        snapshot: The folder of the library's cache that was listed instead, if the Hub was not asked and
            nothing else was kept: there may be files missing.
    """

    def __init__(self, repo: str, commit: str, files: list[File], snapshot: Path | None = None) -> None:
        self.repo = repo
        self.commit = commit
        self.files = {file.name: file for file in files}
        self.snapshot = snapshot


def find(wire: Wire, store: Store, target: HubTarget) -> Listing:
    """The files that a target means.

    Raises:
        HubError: They cannot be told.
    """
    if wire.hub.offline:
        return _offline(store, target)
    repo, revision = target.repo, target.revision
    commit = revision if revision and _COMMIT.fullmatch(revision) else None
    if commit is None:
        commit = _commit(wire, repo, revision)
        store.keep_commit(revision, commit)
    files = store.files_of(commit)
    if files is None:
        files = _files(wire, repo, revision, commit)
        store.keep_files(commit, files)
    return Listing(repo, commit, files)


def _commit(wire: Wire, repo: str, revision: str | None) -> str:
    url = f"{wire.hub.revision_url(repo, revision)}?expand=sha"
    told = _json(wire.get(Asked(url, repo, revision)).body, repo)
    commit = told.get("sha") if isinstance(told, dict) else None
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise HubError(f"{repo}: {wire.hub.endpoint} does not tell the commit; see that it is a Hub")
    return commit


def _files(wire: Wire, repo: str, revision: str | None, commit: str) -> list[File]:
    files: list[File] = []
    url: str | None = wire.hub.tree_url(repo, commit)
    seen: set[str] = set()
    length = 0
    while url is not None:
        if url in seen or len(seen) == MOST_PAGES:
            raise HubError(f"{repo}: the list of its files has no end; try again later")
        seen.add(url)
        answer = wire.get(Asked(url, repo, revision))
        page = _json(answer.body, repo)
        if not isinstance(page, list):
            raise HubError(f"{repo}: {wire.hub.endpoint} does not list the files; see that it is a Hub")
        files += [_file(entry, repo) for entry in page if not _is_folder(entry)]
        length += len(answer.body)
        if length > LONGEST:
            raise HubError(
                f"{repo}: the list of its files has more than {LONGEST:,} bytes, which that of no model has"
            )
        url = answer.next and wire.hub.mirrored_url(answer.next)
    return files


def _is_folder(entry: Any) -> bool:  # noqa: ANN401
    return isinstance(entry, dict) and entry.get("type") != "file"


def _file(entry: Any, repo: str) -> File:  # noqa: ANN401
    try:
        large = entry.get("lfs") or {}
        name, size, etag = entry["path"], large.get("size", entry["size"]), large.get("oid", entry.get("oid"))
        return checked(name, size, etag)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise HubError(
            f"{repo}: its list of files has an entry that is none: {str(entry)[:100]!r}"
        ) from error


def _json(text: bytes, repo: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise HubError(
            f"{repo}: the Hub's answer is no JSON ({str(error)[:100]}); see HF_ENDPOINT"
        ) from error


def _offline(store: Store, target: HubTarget) -> Listing:
    repo, revision = target.repo, target.revision
    folder = library_cache(repo)
    if revision and _COMMIT.fullmatch(revision):
        commits = [revision]
    else:
        commits = [commit for commit in (store.commit_of(revision), _ref(folder, revision)) if commit]
    for commit in commits:
        files = store.files_of(commit)
        if files is not None:
            return Listing(repo, commit, files)
    for commit in commits:
        snapshot = folder / "snapshots" / commit
        if snapshot.is_dir():
            paths = [path for path in snapshot.rglob("*") if path.is_file()]
            files = [File(path.relative_to(snapshot).as_posix(), path.stat().st_size, None) for path in paths]
            return Listing(repo, commit, files, snapshot)
    raise HubError(
        f"{target}: not read before, and the Hub may not be asked (HF_HUB_OFFLINE, or offline=True); "
        "read it once online"
    )


def _ref(folder: Path, revision: str | None) -> str | None:
    """The commit that `huggingface_hub` noted for a revision."""
    name = revision or "main"
    if ".." in name.split("/"):
        return None
    try:
        commit = (folder / "refs" / name).read_text(errors="replace").strip()
    except (OSError, ValueError):
        return None
    return commit if _COMMIT.fullmatch(commit) else None
