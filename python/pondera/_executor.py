"""The answers of a sweep, worked out in pieces by an executor: processes here, or a cluster."""

from __future__ import annotations

import pickle
import warnings
from collections import deque
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pondera._native import PonderaError, Sweep, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Progress = Callable[[int, int], object]

_LEAST = 1 << 22
"""Places of a piece at the least: about a hundredth of a second, of which sending it takes a small part."""
_MOST_PIECES = 4096
_PIECES_OF_A_WORKER = 8
_AHEAD = 4
"""Pieces under way for each worker, so that none waits for the next one."""

T = TypeVar("T")


class SweepRun:
    """A sweep whose answers come from an executor; they are those of the sweep itself."""

    def __init__(
        self,
        sweep: Sweep,
        executor: Executor,
        *,
        pieces: int | None = None,
        retries: int = 3,
        threads: int = 1,
    ) -> None:
        """Nothing is sent before an answer is asked for.

        Args:
            sweep: The sweep. It is pickled, with its models.
            executor: Any `concurrent.futures.Executor` whose workers can import pondera.
            pieces: How many the work is cut into; a number that suits the executor, if not given.
            retries: How often a piece that failed is given out anew before the run gives up.
            threads: How many a worker uses for one piece.
        """
        if pieces is not None and pieces < 1:
            raise ValueError(f"pieces must be at least 1, not {pieces}")
        if retries < 0:
            raise ValueError(f"retries must be at least 0, not {retries}")
        if threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.sweep = sweep
        self._executor = executor
        self._pieces = pieces
        self._retries = retries
        self._threads = threads
        self._written = pickle.dumps(sweep)

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
        minimise: Sequence[str] = (),
        maximise: Sequence[str] = (),
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
        """What `Sweep.table` gives for one range of points after another, of so many points each."""
        if rows < 1:
            raise ValueError(f"rows must be at least 1, not {rows}")
        spans = [(start, min(start + rows, self.sweep.points)) for start in range(0, self.sweep.points, rows)]
        names = None if columns is None else list(columns)
        work = _Work(self._executor, _table, (self._written, names, self._threads), self._retries, progress)
        waiting: dict[int, Table] = {}
        next_one = 0
        for place, table in work.results(spans):
            waiting[place] = table
            while next_one in waiting:
                yield waiting.pop(next_one)
                next_one += 1

    def _gather(self, progress: Progress | None) -> Callable[[str, int], bytes]:
        def gather(question: str, places: int) -> bytes:
            known = (self._written, question, self._threads)
            work = _Work(self._executor, _part, known, self._retries, progress)
            merged: bytes | None = None
            for _, part in work.results(self._spans(places)):
                merged = part if merged is None else Sweep._merged(question, merged, part)
            if merged is None:
                merged = self.sweep._part(question, 0, 0)
            return merged

        return gather

    def _spans(self, places: int) -> list[tuple[int, int]]:
        pieces = self._pieces
        if pieces is None:
            pieces = min(-(-places // _LEAST), _MOST_PIECES)
            pieces = max(pieces, min(places, _workers(self._executor) * _PIECES_OF_A_WORKER))
        each = max(-(-places // pieces), 1)
        return [(start, min(start + each, places)) for start in range(0, places, each)]

    def __repr__(self) -> str:
        return f"SweepRun({self.sweep!r}, {self._executor!r})"


class _Work(Generic[T]):
    """Pieces of work given out, and given out again where they fail."""

    def __init__(
        self,
        executor: Executor,
        function: Callable[..., T],
        known: tuple[Any, ...],
        retries: int,
        progress: Progress | None,
    ) -> None:
        self._executor = executor
        self._function = function
        self._known = known
        self._retries = retries
        self._progress = progress
        self._is_broken = False

    def results(self, spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, T]]:
        """The place of each piece and what came of it, as they are done."""
        to_do = deque((place, 0) for place in range(len(spans)))
        under_way: dict[Future[T], tuple[int, int]] = {}
        most = max(_workers(self._executor) * _AHEAD, 1)
        done = 0
        try:
            while to_do or under_way:
                while to_do and len(under_way) < most:
                    place, failures = to_do.popleft()
                    future = self._begin(spans[place])
                    if future is None:
                        done += 1
                        yield place, self._function(*self._known, *spans[place])
                        self._report(done, len(spans))
                    else:
                        under_way[future] = (place, failures)
                if not under_way:
                    continue
                finished, _ = wait(under_way, timeout=0.1, return_when=FIRST_COMPLETED)
                for future in finished:
                    place, failures = under_way.pop(future)
                    error = _failure(future)
                    if error is None:
                        done += 1
                        yield place, future.result()
                    else:
                        self._again(error, failures)
                        to_do.appendleft((place, failures + 1))
                self._report(done, len(spans))
        finally:
            for future in under_way:
                future.cancel()

    def _begin(self, span: tuple[int, int]) -> Future[T] | None:
        """Gives a piece out; nothing is under way where the executor takes no more."""
        if self._is_broken:
            return None
        try:
            return self._executor.submit(self._function, *self._known, *span)
        except BrokenExecutor as error:
            self._is_broken = True
            warnings.warn(
                f"the executor is broken ({error}); what is left is worked out in this process",
                RuntimeWarning,
                stacklevel=2,
            )
            return None

    def _again(self, error: BaseException, failures: int) -> None:
        """Whether a piece that failed is worth another try: what was asked amiss is so everywhere."""
        if isinstance(error, (PonderaError, TypeError, ValueError)):
            raise error
        if failures >= self._retries and not isinstance(error, BrokenExecutor):
            raise PonderaError(
                f"a piece of the sweep failed {failures + 1} times, at last with "
                f"{type(error).__name__}: {error}"
            ) from error

    def _report(self, done: int, total: int) -> None:
        if self._progress is not None:
            self._progress(done, total)


def _failure(future: Future[Any]) -> BaseException | None:
    try:
        return future.exception()
    except CancelledError as error:
        # A cluster cancels what a worker that left had taken.
        return error


def _workers(executor: Executor) -> int:
    """How many workers an executor has, where it says so."""
    most = getattr(executor, "_max_workers", None)
    return most if isinstance(most, int) and most > 0 else 16


@lru_cache(maxsize=4)
def _restored(written: bytes) -> Sweep:
    sweep: Sweep = pickle.loads(written)
    return sweep


def _part(written: bytes, question: str, threads: int, start: int, stop: int) -> bytes:
    return _restored(written)._part(question, start, stop, threads)


def _table(written: bytes, columns: list[str] | None, threads: int, start: int, stop: int) -> Table:
    return _restored(written).with_threads(threads).table(start, stop, columns=columns)
