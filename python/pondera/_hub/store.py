"""What was fetched before: lists of files by commit, small files and headers by their hash on the Hub.

    <cache>/hub/<host>/<org>--<name>/revisions/<revision>   the commit it was last
                                    /commits/<commit>.json  the files of it
                                    /files/<etag>           a small file, whole, or a header

A header is kept with its length field and without what follows it, and every file behind a checksum.
Everything is written beside its place and moved there, so that what is found was written whole. The folder
may be removed at any time. Entries of one Hub or repo are never taken for another's.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import threading
import zlib
from pathlib import Path
from urllib.parse import quote

from pondera._hub.identity import own_cache

FORM = 1
"""The form of the lists of files; one of another form is fetched anew."""

_NAME = re.compile(r"[0-9A-Za-z_-]{16,128}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
LENGTH_FIELD = 8
CHECKSUM = 4
"""Bytes of the checksum in front of a file."""


class File:
    """A file of a repo as it was listed.

    Attributes:
        name: Its path in the repo.
        size: Its length in bytes.
        etag: The hash by which the Hub knows its content, if it told one.
    """

    __slots__ = ("etag", "name", "size")

    def __init__(self, name: str, size: int, etag: str | None) -> None:
        self.name = name
        self.size = size
        self.etag = etag


def checked(name: object, size: object, etag: object) -> File:
    """A file as a list names it, which may say anything.

    Raises:
        ValueError: It can be none: the name is no text, or the size is no length.
    """
    if not isinstance(name, str) or type(size) is not int or not 0 <= size < 1 << 63:
        raise ValueError(f"no file: {name!r}, {size!r}")
    # JSON can hold halves of letters, which no name has.
    name.encode()
    return File(name, size, etag if isinstance(etag, str) else None)


class Store:
    """What is kept of one repo."""

    def __init__(self, endpoint: str, repo: str) -> None:
        """Nothing is read or written yet.

        Args:
            endpoint: The address of the Hub.
            repo: As `org/name`.
        """
        host = quote(endpoint.partition("://")[2], safe="") or "hub"
        self.folder = own_cache() / "hub" / host / repo.replace("/", "--")
        self._files = self.folder / "files"
        # Most of what is looked for is there, or nothing is.
        self._has_files = self._files.is_dir()

    def commit_of(self, revision: str | None) -> str | None:
        """The commit that a revision was when it was last asked for."""
        text = self._read(self._revision(revision))
        commit = text.decode(errors="replace") if text else ""
        return commit if _COMMIT.fullmatch(commit) else None

    def keep_commit(self, revision: str | None, commit: str) -> None:
        """Notes the commit of a revision."""
        if self.commit_of(revision) != commit:
            self._write(self._revision(revision), commit.encode())

    def files_of(self, commit: str) -> list[File] | None:
        """The files of a commit."""
        text = self._read(self._list(commit))
        if text is None:
            return None
        try:
            told = json.loads(text)
            if told["form"] != FORM:
                return None
            return [checked(name, size, etag) for name, size, etag in told["files"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def keep_files(self, commit: str, files: list[File]) -> None:
        """Notes the files of a commit."""
        told = {"form": FORM, "files": [[file.name, file.size, file.etag] for file in files]}
        self._write(self._list(commit), json.dumps(told, separators=(",", ":")).encode())

    def forget_files(self, commit: str) -> None:
        """Forgets the files of a commit, which turned out to be others."""
        with contextlib.suppress(OSError):
            self._list(commit).unlink()

    def whole(self, file: File) -> bytes | None:
        """A small file."""
        content = self._kept(file)
        return content if content is not None and len(content) == file.size else None

    def header(self, file: File) -> bytes | None:
        """The header of a weight file, with its length field."""
        content = self._kept(file)
        if content is None or header_end(content) != len(content) or len(content) > file.size:
            return None
        return content

    def keep(self, file: File, content: bytes) -> None:
        """Keeps a small file, or a header."""
        path = self._file(file)
        if path is not None:
            self._write(path, _checksum(content), content)

    def _kept(self, file: File) -> bytes | None:
        """What was kept of a file, if it is as it was written."""
        path = self._file(file) if self._has_files else None
        entry = None if path is None else self._read(path)
        if entry is None:
            return None
        content = entry[CHECKSUM:]
        return content if _checksum(content) == entry[:CHECKSUM] else None

    def _revision(self, revision: str | None) -> Path:
        # A name may have slashes, be longer than that of a file, or differ from another only in case.
        return self.folder / "revisions" / hashlib.sha256((revision or "").encode()).hexdigest()

    def _list(self, commit: str) -> Path:
        return self.folder / "commits" / f"{commit}.json"

    def _file(self, file: File) -> Path | None:
        if file.etag is None or not _NAME.fullmatch(file.etag):
            return None
        return self._files / file.etag

    def _read(self, path: Path) -> bytes | None:
        try:
            with path.open("rb", buffering=0) as file:
                return file.read()
        except OSError:
            return None

    def _write(self, path: Path, *content: bytes) -> None:
        # Where nothing can be written, everything is fetched again next time.
        with contextlib.suppress(OSError):
            write_whole(path, *content)


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(CHECKSUM, "little")


def write_whole(path: Path, *content: bytes) -> None:
    """Write a file of some pieces so that it is there whole or not at all.

    Raises:
        OSError: It cannot be written.
    """
    # No thread that lives has this name, so that what another left may be written over.
    beside = path.with_name(f".new-{os.getpid()}-{threading.get_ident()}")
    try:
        file = beside.open("wb", buffering=0)
    except FileNotFoundError:
        # Names of private repos are nobody else's business.
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = beside.open("wb", buffering=0)
    try:
        with file:
            for piece in content:
                left = memoryview(piece)
                while left:
                    left = left[file.write(left) :]
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise


def header_end(text: bytes) -> int | None:
    """Where the header of a weight file ends that begins with these bytes."""
    if len(text) < LENGTH_FIELD:
        return None
    return LENGTH_FIELD + int.from_bytes(text[:LENGTH_FIELD], "little")


def is_content(text: bytes, file: File) -> bool:
    """Whether bytes can be a whole file, by its length and its hash where it is of a kind that is known."""
    if len(text) != file.size:
        return False
    etag = file.etag or ""
    if re.fullmatch(r"[0-9a-f]{40}", etag):
        # The hash of git's blob.
        return hashlib.sha1(b"blob %d\0" % len(text) + text, usedforsecurity=False).hexdigest() == etag
    if re.fullmatch(r"[0-9a-f]{64}", etag):
        return hashlib.sha256(text).hexdigest() == etag
    return True
