"""Threads that do jobs for several customers, each of whom has a queue for what comes of them."""

from __future__ import annotations

import _thread
from queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Results = SimpleQueue[tuple[Any, Any, BaseException | None]]

HANDS = 64
"""How many jobs are done at one time: requests mostly wait, so more than there are cores."""


class Crew:
    """Threads that start when there is work and do not keep the program from ending.

    Use as a context manager.
    """

    def __init__(self, hands: int = HANDS) -> None:
        self._hands = hands
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Any, Results] | None] = SimpleQueue()
        self._threads = 0
        self._lock = _thread.allocate_lock()

    def call_up(self, jobs: int) -> None:
        """Have threads ready for so many jobs."""
        with self._lock:
            missing = min(jobs, self._hands) - self._threads
            for _ in range(missing):
                # `threading.Thread.start` waits until the thread runs, which takes long where others work.
                _thread.start_new_thread(self._work, ())
            self._threads += max(missing, 0)

    def give(self, job: Callable[[], Any], name: Any, results: Results) -> None:  # noqa: ANN401
        """Have a job done by those that were called up.

        Args:
            job: What is done.
            name: What it is called in the results.
            results: Where its name, what it returns and what it raises are put.
        """
        self._jobs.put((job, name, results))

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            job, name, results = work
            try:
                results.put((name, job(), None))
            except BaseException as error:
                results.put((name, None, error))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *raised: object) -> None:
        for _ in range(self._threads):
            self._jobs.put(None)
