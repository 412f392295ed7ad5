"""Targets that mean a repo of the Hub: `org/name`, `org/name@revision:sub/folder` and `hf://org/name@revision/sub`.

Nothing is asked of the network here. A local path of the same name goes before a repo, unless the text begins
with `hf://`.
"""

from __future__ import annotations

import os
import re

from pondera._hub.failure import HubError

SCHEME = "hf://"

_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?"
_REPO = re.compile(rf"{_NAME}/{_NAME}")
_SHORT = re.compile(r"(?P<repo>[^@:]+)(?:@(?P<revision>[^:]+))?(?::(?P<folder>.+))?", re.DOTALL)
# Revisions of requests and of converted weights have slashes of their own, which need not be quoted.
_LONG = re.compile(
    r"(?P<repo>[^/@:]+/[^/@:]+)(?:@(?P<revision>refs/(?:pr|convert)/[^/:]+|[^/:]+))?(?:[/:](?P<folder>.+))?/?",
    re.DOTALL,
)
_BARE = re.compile(r"refs/(?:pr|convert)/[A-Za-z0-9._-]+|[A-Za-z0-9._-]+")
_OTHER_KINDS = ("datasets/", "spaces/", "buckets/")
# What looks like a repo with one of these endings is a file that is not there.
_FILES = (".safetensors", ".json", ".toml", ".gguf", ".bin")


class HubTarget:
    """A repo, a revision and a folder in it, as they were asked for.

    Attributes:
        repo: As `org/name`.
        revision: A branch, a tag or a commit; the default branch if None.
        folder: A folder in the repo, without a slash at its ends; empty for all of it.
    """

    __slots__ = ("folder", "repo", "revision")

    def __init__(self, repo: str, revision: str | None = None, folder: str = "") -> None:
        self.repo = repo
        self.revision = revision or None
        self.folder = folder

    @property
    def root(self) -> str:
        """The address of the repo, with which the paths of its files begin."""
        from urllib.parse import quote

        if self.revision is None:
            return f"{SCHEME}{self.repo}"
        bare = _BARE.fullmatch(self.revision) is not None
        return f"{SCHEME}{self.repo}@{self.revision if bare else quote(self.revision, safe='')}"

    @property
    def address(self) -> str:
        """The whole of it as one text, which is the same wherever it is read."""
        return f"{self.root}/{self.folder}" if self.folder else self.root

    def __str__(self) -> str:
        revision = f"@{self.revision}" if self.revision else ""
        folder = f":{self.folder}" if self.folder else ""
        return f"{self.repo}{revision}{folder}"

    def __repr__(self) -> str:
        return f"HubTarget({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HubTarget) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))


def hub_target(target: object, revision: str | None = None) -> HubTarget | None:
    """What a target asks of the Hub; None if it is something else: a path that is there, a name, an object.

    Args:
        target: A target as users give it.
        revision: A revision given apart from it.

    Raises:
        HubError: It begins with `hf://` and is no repo, or there are two revisions.
    """
    if isinstance(target, HubTarget):
        return target
    if not isinstance(target, str):
        return None
    if target.startswith(SCHEME):
        return _with(_parse_long(target), revision, target)
    if not _looks_like(target) or os.path.lexists(target):
        return None
    match = _SHORT.fullmatch(target)
    assert match is not None
    return _with(
        HubTarget(match["repo"], match["revision"], _folder(match["folder"], target)), revision, target
    )


def is_repo(name: str) -> bool:
    """Whether a repo can have this name, by the Hub's own rules."""
    return (
        _REPO.fullmatch(name) is not None
        and len(name) <= 96
        and "--" not in name
        and ".." not in name
        and not name.endswith((".git", ".ipynb"))
    )


def _looks_like(text: str) -> bool:
    match = _SHORT.fullmatch(text)
    if match is None or not is_repo(match["repo"]):
        return False
    return match["revision"] is not None or not match["repo"].lower().endswith(_FILES)


def _parse_long(target: str) -> HubTarget:
    rest = target.removeprefix(SCHEME).removeprefix("models/")
    if rest.startswith(_OTHER_KINDS):
        kind = rest.partition("/")[0]
        raise HubError(f"{target}: weights are in repos of models, not of {kind}; name hf://org/name")
    match = _LONG.fullmatch(rest)
    if match is None or not is_repo(match["repo"]):
        raise HubError(
            f"{target}: not a repo of the Hub; write hf://org/name, hf://org/name@revision or .../folder"
        )
    from urllib.parse import unquote

    revision = match["revision"]
    return HubTarget(match["repo"], revision and unquote(revision), _folder(match["folder"], target))


def _folder(text: str | None, target: str) -> str:
    folder = (text or "").strip("/")
    if "\0" in folder or folder != folder.encode(errors="replace").decode():
        raise HubError(f"{target}: not a folder of a repo: it is no text; write it as sub/folder")
    if any(part in ("", ".", "..") for part in folder.split("/")) and folder:
        raise HubError(f"{target}: not a folder of a repo: {folder!r}; write it as sub/folder")
    return folder


def _with(target: HubTarget, revision: str | None, text: str) -> HubTarget:
    if revision and target.revision and revision != target.revision:
        raise HubError(f"{text}: names a revision, and {revision!r} was given too; leave one of them out")
    revision = revision or target.revision
    if revision and (not revision.isprintable() or ".." in revision or revision.strip("./") == ""):
        # In an address these would lead to another revision, or elsewhere.
        raise HubError(f"{text}: no revision can be called {revision!r}; name a branch, a tag or a commit")
    return HubTarget(target.repo, revision, target.folder)
