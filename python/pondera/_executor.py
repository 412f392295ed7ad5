"""The answers of a sweep, worked out in pieces by an executor: processes here, or a cluster."""

from __future__ import annotations

import pickle
import warnings
import zlib
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from contextlib import closing
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar
from uuid import uuid4

from pondera._native import PonderaError, Sweep, Table, __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence

    Progress = Callable[[int, int], object]

_LEAST = 1 << 22
"""Points of a piece at the least, so that sending it takes a small part of its time with any engine."""
_MOST_PIECES = 4096
_PIECES_OF_A_WORKER = 8
_AHEAD = 4
"""Pieces under way for each worker, so that none waits for the next one."""
_WORKERS = 16
"""Workers of an executor that does not say how many it has."""

T = TypeVar("T")


class SweepRun:
    """A sweep whose answers come from an executor; they are those of the sweep itself.

    A piece that fails is given out again; what was asked amiss, such as a column that is not known, is raised
    at once. If the executor breaks, what is left is worked out in this process, with a `RuntimeWarning`.
    Ctrl-C, and whatever `progress` raises, cancel the pieces that no worker has begun.

    Methods take `progress`, which is called with how many pieces are done and how many there are, after each
    piece and every 100 ms.
    """

    def __init__(
        self,
        sweep: Sweep,
        executor: Executor,
        *,
        pieces: int | None = None,
        retries: int = 3,
        threads: int = 1,
        workers: int | None = None,
    ) -> None:
        """Nothing is sent before an answer is asked for.

        Args:
            sweep: The sweep. It is pickled, with its models.
            executor: Any `concurrent.futures.Executor` whose workers can import pondera, of the same version.
            pieces: How many the work is cut into; a number that suits the executor, if not given.
            retries: How often a piece that failed is given out anew before the run gives up.
            threads: How many a worker uses for one piece.
            workers: For how many workers pieces are kept under way, four for each; asked of the executor, if
                not given, and 16 if it does not say.

        Raises:
            TypeError: The executor is none.
            ValueError: A number is too small.
        """
        if not isinstance(executor, Executor):
            hint = "; give client.get_executor()" if hasattr(executor, "get_executor") else ""
            kind = type(executor).__name__
            raise TypeError(f"executor must be a concurrent.futures.Executor, not {kind}{hint}")
        for name, number, least in (
            ("pieces", pieces, 1),
            ("retries", retries, 0),
            ("threads", threads, 1),
            ("workers", workers, 1),
        ):
            if number is not None and number < least:
                raise ValueError(f"{name} must be at least {least}, not {number}")
        self.sweep = sweep
        self._executor = executor
        self._pieces = pieces
        self._retries = retries
        self._threads = threads
        self._workers = workers
        self._written = zlib.compress(pickle.dumps(sweep), 1)

    def count(self, by: str | None = None, *, progress: Progress | None = None) -> int | dict[Any, int]:
        """What `Sweep.count` gives."""
        return self.sweep.count(by, gather=self._gather(progress))

    def tally(
        self,
        by: str | Iterable[str] | Mapping[str, int] | None = None,
        *,
        progress: Progress | None = None,
    ) -> Table:
        """What `Sweep.tally` gives."""
        return self.sweep.tally(by, gather=self._gather(progress))

    def top(
        self,
        k: int = 10,
        *,
        by: str = "headroom_bytes",
        largest: bool = True,
        columns: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Table:
        """What `Sweep.top` gives."""
        return self.sweep.top(k, by=by, largest=largest, columns=columns, gather=self._gather(progress))

    def best_per(
        self,
        axis: str,
        *,
        by: str = "headroom_bytes",
        largest: bool = True,
        k: int = 1,
        columns: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Table:
        """What `Sweep.best_per` gives."""
        return self.sweep.best_per(
            axis, by=by, largest=largest, k=k, columns=columns, gather=self._gather(progress)
        )

    def pareto(
        self,
        *,
        minimise: Sequence[str] | None = None,
        maximise: Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Table:
        """What `Sweep.pareto` gives."""
        return self.sweep.pareto(
            minimise=minimise, maximise=maximise, columns=columns, gather=self._gather(progress)
        )

    def frontier(
        self, axis: str, *, columns: Sequence[str] | None = None, progress: Progress | None = None
    ) -> Table:
        """What `Sweep.frontier` gives."""
        return self.sweep.frontier(axis, columns=columns, gather=self._gather(progress))

    def tables(
        self,
        rows: int = 1 << 20,
        *,
        columns: Sequence[str] | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Table]:
        """What `Sweep.table` gives for one range of points after another, of so many points each.

        They come in order, and only few are worked out ahead of the one that is asked for.
        """
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        names = None if columns is None else list(columns)
        work = self._work(_table, (names,), progress)
        return work.in_order(_Pieces(self.sweep.points, rows))

    def _gather(self, progress: Progress | None) -> Callable[[str, int], bytes]:
        def gather(question: str, places: int) -> bytes:
            work = self._work(_part, (question,), progress)
            merged = _Merged(question)
            with closing(work.results(self._cut(places))) as results:
                for _, part in results:
                    merged.add(part)
            return merged.whole()

        return gather

    def _work(
        self, function: Callable[..., T], asked: tuple[Any, ...], progress: Progress | None
    ) -> _Work[T]:
        known = (__version__, self._written, self._threads, *asked)
        workers = self._workers or _workers(self._executor)
        return _Work(self._executor, function, known, self._retries, workers * _AHEAD, progress)

    def _cut(self, places: int) -> _Pieces:
        """The pieces of some work, whose places may stand for several points each."""
        pieces = self._pieces
        if pieces is None:
            workers = self._workers or _workers(self._executor)
            pieces = max(-(-self.sweep.points // _LEAST), workers * _PIECES_OF_A_WORKER)
            pieces = min(pieces, max(_MOST_PIECES, workers * _PIECES_OF_A_WORKER))
        return _Pieces(places, max(-(-places // pieces), 1))

    def __repr__(self) -> str:
        return f"SweepRun({self.sweep!r}, {self._executor!r})"


class _Pieces(NamedTuple):
    """The ranges of equal length that some work is cut into; the last one may be shorter."""

    places: int
    each: int

    @property
    def number(self) -> int:
        return -(-self.places // self.each)

    def span(self, piece: int) -> tuple[int, int]:
        start = piece * self.each
        return start, min(start + self.each, self.places)


class _Merged:
    """Answers of pieces: those of equally many are merged, so that each is copied but a few times."""

    def __init__(self, question: str) -> None:
        self._question = question
        self._parts: list[tuple[int, bytes]] = []

    def add(self, part: bytes) -> None:
        number = 1
        while self._parts and self._parts[-1][0] == number:
            known, other = self._parts.pop()
            part, number = Sweep._merged(self._question, other, part), number + known
        self._parts.append((number, part))

    def whole(self) -> bytes:
        _, whole = self._parts.pop()
        while self._parts:
            _, other = self._parts.pop()
            whole = Sweep._merged(self._question, other, whole)
        return whole


class _Work(Generic[T]):
    """Pieces of work given out, and given out again where they fail."""

    def __init__(
        self,
        executor: Executor,
        function: Callable[..., T],
        known: tuple[Any, ...],
        retries: int,
        most: int,
        progress: Progress | None,
    ) -> None:
        self._executor = executor
        self._function = function
        self._known = known
        self._retries = retries
        self._most = most
        self._progress = progress
        self._is_broken = False
        self._held = 0
        self._name = uuid4().hex
        self._tries = 0

    def in_order(self, pieces: _Pieces) -> Iterator[T]:
        """What came of each piece, the first one first."""
        held: dict[int, T] = {}
        following = 0
        with closing(self.results(pieces)) as results:
            for piece, result in results:
                held[piece] = result
                while following in held:
                    yield held.pop(following)
                    following += 1
                self._held = len(held)

    def results(self, pieces: _Pieces) -> Generator[tuple[int, T], None, None]:
        """Each piece and what came of it, as they are done."""
        again: deque[tuple[int, int]] = deque()
        under_way: dict[Future[T], tuple[int, int]] = {}
        begun = done = 0
        try:
            while done < pieces.number:
                # What the consumer holds back counts too; what it waits for is under way, or comes first.
                most = max(self._most - self._held, 1)
                while len(under_way) < most and (again or begun < pieces.number):
                    if again:
                        piece, failures = again.popleft()
                    else:
                        piece, failures = begun, 0
                        begun += 1
                    if self._is_broken:
                        result = self._function(*self._known, *pieces.span(piece))
                        done += 1
                        yield piece, result
                        self._report(done, pieces.number)
                        continue
                    try:
                        under_way[self._begin(pieces.span(piece))] = (piece, failures)
                    except Exception as error:
                        again.append((piece, self._failed(error, failures)))
                if not under_way:
                    continue
                finished, _ = wait(under_way, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in finished:
                    piece, failures = under_way.pop(future)
                    failure = _failure(future)
                    if failure is None:
                        done += 1
                        yield piece, future.result()
                    else:
                        again.append((piece, self._failed(failure, failures)))
                self._report(done, pieces.number)
        finally:
            for future in under_way:
                future.cancel()

    def _begin(self, span: tuple[int, int]) -> Future[T]:
        # Dask takes two calls that are alike for one, and gives the failure of the first for the second.
        self._tries += 1
        return self._executor.submit(self._function, *self._known, *span, f"{self._name}-{self._tries}")

    def _failed(self, error: BaseException, failures: int) -> int:
        """How often a piece has failed now; what was asked amiss is so everywhere, and not tried again."""
        if isinstance(error, BrokenExecutor):
            if not self._is_broken:
                self._is_broken = True
                warnings.warn(
                    f"the executor is broken ({error}); what is left is worked out in this process",
                    RuntimeWarning,
                    stacklevel=2,
                )
            return failures
        if isinstance(error, (PonderaError, TypeError, ValueError)):
            raise error
        if failures >= self._retries:
            last = f"{type(error).__name__}: {error}"
            raise PonderaError(
                f"a piece of the sweep failed {failures + 1} times, at last with {last}"
            ) from error
        return failures + 1

    def _report(self, done: int, number: int) -> None:
        if self._progress is not None:
            self._progress(done, number)


def _failure(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        # A cluster cancels what a worker that left had taken.
        return error


def _workers(executor: Executor) -> int:
    """How many pieces an executor works on at one time, where it says so."""
    most = getattr(executor, "_max_workers", None)
    if most is None:
        # Dask's executor knows its client, and that the threads of all workers.
        threads = getattr(getattr(executor, "_client", None), "nthreads", None)
        most = sum(threads().values()) if callable(threads) else None
    return most if isinstance(most, int) and most > 0 else _WORKERS


@lru_cache(maxsize=4)
def _restored(version: str, written: bytes) -> Sweep:
    if version != __version__:
        raise PonderaError(
            f"a worker has pondera {__version__}, and the sweep was made with {version}; "
            "install the same on both"
        )
    sweep: Sweep = pickle.loads(zlib.decompress(written))
    return sweep


def _part(
    version: str, written: bytes, threads: int, question: str, start: int, stop: int, name: str = ""
) -> bytes:
    return _restored(version, written)._part(question, start, stop, threads)


def _table(
    version: str,
    written: bytes,
    threads: int,
    columns: list[str] | None,
    start: int,
    stop: int,
    name: str = "",
) -> Table:
    return _restored(version, written).with_threads(threads).table(start, stop, columns=columns)
