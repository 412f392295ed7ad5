"""Threads that do jobs for several customers, each of whom has a queue for what comes of them."""

from __future__ import annotations

import threading
from queue import SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Results = SimpleQueue[tuple[Any, Any, BaseException | None]]

HANDS = 32
"""How many jobs are done at one time: requests mostly wait, so more than there are cores."""


class Crew:
    """Threads that start when there is work and do not keep the program from ending.

    Use as a context manager.
    """

    def __init__(self, hands: int = HANDS) -> None:
        self._hands = hands
        self._jobs: SimpleQueue[tuple[Callable[[], Any], Any, Results] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def give(self, job: Callable[[], Any], name: Any, results: Results) -> None:  # noqa: ANN401
        """Have a job done; its name, what it returns and what it raises are put to the results."""
        self._jobs.put((job, name, results))
        with self._lock:
            if len(self._threads) < self._hands:
                thread = threading.Thread(target=self._work, name="pondera-hub", daemon=True)
                self._threads.append(thread)
                thread.start()

    def _work(self) -> None:
        while (work := self._jobs.get()) is not None:
            job, name, results = work
            try:
                results.put((name, job(), None))
            except BaseException as error:
                results.put((name, None, error))

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for _thread in self._threads:
            self._jobs.put(None)
