"""From a target to what a scan of its files gives: the core says which bytes it lacks, and they are brought.

Bytes come from what was kept, from whole files in the cache of `huggingface_hub`, or by ranges from the Hub.
"""

from __future__ import annotations

import re
from pathlib import Path
from queue import Empty, SimpleQueue

from pondera._hub import listing
from pondera._hub.crew import Crew
from pondera._hub.failure import ChangedError, HubError
from pondera._hub.identity import library_cache
from pondera._hub.store import File, Store, header_end, is_content
from pondera._hub.wire import Asked, StoppedError, Wire
from pondera._native import HubScan, PonderaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from pondera._hub.listing import Listing
    from pondera._hub.target import HubTarget

    Progress = Callable[[int, int], object]

_HEX = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LOOK_UP_SECONDS = 0.1
MOST_BYTES = 4 << 30
"""Bytes of headers and small files of one scan at the most: all are held at one time, and a header may have a
hundred megabytes. Those of the largest models have some tens of megabytes."""


class Reading:
    """Reads one target.

    Attributes:
        listing: The files of the repo, and the commit they are of.
        scan: The core's side, which knows all that it needs once `read` returned.
    """

    def __init__(self, wire: Wire, target: HubTarget, *, tree: bool = False) -> None:
        """Finds out which files there are.

        Args:
            wire: Who asks the Hub.
            target: What to read.
            tree: Whether every model of the repo is wanted, or one.

        Raises:
            HubError: That cannot be told.
        """
        self._wire = wire
        self._target = target
        self._store = Store(wire.hub.endpoint, target.repo)
        self._library = library_cache(target.repo)
        self._has_library = self._library.is_dir()
        self._failed = False
        self._bytes = 0
        self.listing: Listing = listing.find(wire, self._store, target)
        files = [(file.name, file.size) for file in self.listing.files.values()]
        try:
            self.scan = HubScan(target.root, files, path=target.folder, tree=tree)
        except PonderaError as error:
            raise HubError(f"{target}: {error}") from error

    def read(self, crew: Crew, progress: Progress | None = None) -> HubScan:
        """Brings everything that the core needs.

        Args:
            crew: Who fetches.
            progress: Called with the number of files that were brought and of those that are wanted so far.

        Raises:
            HubError: Something cannot be had.
        """
        results: SimpleQueue[Any] = SimpleQueue()
        done = total = 0
        while wants := self.scan.wanted():
            crew.call_up(len(wants))
            # What takes longest goes first: an index may be as long as a hundred headers.
            for want in sorted(wants, key=lambda want: want[1] - want[2]):
                crew.give(lambda want=want: self._bring(*want), want, results)  # type: ignore[misc]
            total += len(wants)
            for _ in wants:
                want, content, error = self._next(results, done, total, progress)
                done += 1
                if isinstance(error, StoppedError) and not self._wire.stopped:
                    # Another one failed, and will say why.
                    continue
                if isinstance(error, ChangedError):
                    self._store.forget_files(self.listing.commit)
                if error is not None:
                    raise error
                self._give(want, content)
        return self.scan

    def _next(self, results: SimpleQueue[Any], done: int, total: int, progress: Progress | None) -> Any:  # noqa: ANN401
        while True:
            try:
                return results.get(timeout=_LOOK_UP_SECONDS)
            except Empty:
                # Python looks at signals in between. Whoever stopped the wire may have sent the crew home.
                if self._wire.stopped:
                    raise StoppedError from None
                if progress is not None:
                    progress(done, total)

    def _give(self, want: tuple[str, int, int, str], content: bytes) -> None:
        name, start, _, why = want
        end = header_end(content) if why == "header" else None
        self._bytes += min(len(content), end or len(content))
        if self._bytes > MOST_BYTES:
            raise HubError(
                f"{self._target}: its headers and small files have more than {MOST_BYTES:,} bytes; "
                "name a folder or a file of it"
            )
        self.scan.give(name, start, content)
        if why == "header-rest":
            whole = self.scan.held(name)
            if whole is not None and header_end(whole) == len(whole):
                self._store.keep(self.listing.files[name], whole)

    def _bring(self, name: str, start: int, end: int, why: str) -> bytes:
        """The bytes of a file from `start`, up to `end` or what suffices; none after a failure."""
        if self._failed:
            raise StoppedError
        try:
            return self._find(name, start, end, why)
        except BaseException:
            self._failed = True
            raise

    def _find(self, name: str, start: int, end: int, why: str) -> bytes:
        file = self.listing.files[name]
        is_header = why.startswith("header")
        if start == 0:
            kept = self._store.header(file) if is_header else self._store.whole(file)
            if kept is not None:
                return kept
        here = self._at_hand(file, start, end)
        if here is not None:
            return here
        if end <= start:
            return b""
        content = self._fetch(file, start, end)
        if not is_header:
            if not is_content(content, file):
                raise ChangedError(
                    f"{self._target}: {name}: not what was listed, by its hash or length; run again"
                )
            self._store.keep(file, content)
        elif start == 0:
            length = header_end(content)
            if length is not None and length <= len(content):
                self._store.keep(file, content[:length])
        return content

    def _at_hand(self, file: File, start: int, end: int) -> bytes | None:
        """The bytes from a whole file in the library's cache."""
        if not self._has_library:
            return None
        places = [self._library / "snapshots" / self.listing.commit / file.name]
        if file.etag is not None and _HEX.fullmatch(file.etag):
            places.insert(0, self._library / "blobs" / file.etag)
        for place in places:
            content = _part_of(place, file.size, start, end)
            if content is not None:
                return content
        return None

    def _fetch(self, file: File, start: int, end: int) -> bytes:
        hub, repo, commit = self._wire.hub, self.listing.repo, self.listing.commit
        if hub.offline:
            raise HubError(
                f"{self._target}: {file.name}: not read before, and the Hub may not be asked "
                "(HF_HUB_OFFLINE, or offline=True); read it once online"
            )
        url = hub.file_url(repo, commit, file.name)
        asked = Asked(url, repo, self._target.revision, file.name, (start, min(end, file.size)), file.size)
        answer = self._wire.get(asked)
        if _differ(answer.etag, file.etag):
            raise ChangedError(f"{self._target}: {file.name}: changed since the files were listed; run again")
        if len(answer.body) < min(end, file.size) - start:
            raise ChangedError(
                f"{self._target}: {file.name}: has {start + len(answer.body):,} bytes where {file.size:,} "
                "were listed; run again"
            )
        return answer.body


def _differ(told: str | None, listed: str | None) -> bool:
    """Whether two names of a content are of one kind and not the same."""
    if told is None or listed is None or told == listed or len(told) != len(listed):
        return False
    return bool(_HEX.fullmatch(told) and _HEX.fullmatch(listed))


def _part_of(path: Path, size: int, start: int, end: int) -> bytes | None:
    """A part of a file that must have this length; None if it is not there, or not whole."""
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) != size:
                return None
            file.seek(start)
            content = file.read(end - start)
    except (OSError, ValueError):
        return None
    return content if len(content) == min(end, size) - start else None
