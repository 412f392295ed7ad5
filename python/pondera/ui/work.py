"""Work in a few threads: bounded in number and in time, and dropped when nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, TypeVar

from pondera._native import PonderaError
from pondera._talk import say_error
from pondera.ui.refused import Refused

Answer = TypeVar("Answer")

THREADS = 4
"""Work that is done at one time."""

MOST_WAITING = 64
"""Work that is done or waits for a thread."""

MOST_SECONDS = 20
"""What one request may take. Every question is bounded, so that this is far beyond what any of them does."""


class Gone(Exception):  # noqa: N818 - nobody is there to be told of an error
    """Whoever asked went away."""


class Work:
    """The threads."""

    def __init__(self, seconds: float = MOST_SECONDS, waiting: int = MOST_WAITING) -> None:
        """Starts none yet.

        Args:
            seconds: What one request may take.
            waiting: How many may be in work or wait.
        """
        self._threads = ThreadPoolExecutor(THREADS, "pondera-ui")
        self._seconds = seconds
        self._most = waiting
        self._waiting = 0
        self._lock = Lock()

    async def do(self, call: Callable[[], Answer], receive: Callable[[], Awaitable[Any]]) -> Answer:
        """Does something in a thread.

        Args:
            call: What to do.
            receive: What tells that whoever asked went away, as ASGI has it.

        Raises:
            Refused: It cannot be answered, takes too long, or there is too much to do already.
            Gone: Nobody waits for it; if it had not begun, it never will.
        """
        with self._lock:
            if self._waiting >= self._most:
                raise Refused(503, f"{self._most} requests are in work already; ask again when they are done")
            self._waiting += 1
        begun = self._threads.submit(_told, call)
        # What is too slow keeps its place until it ends: there are never more than these.
        begun.add_done_callback(self._done)
        work = asyncio.wrap_future(begun)
        leaving = asyncio.ensure_future(_leaving(receive))
        try:
            done, _ = await asyncio.wait(
                (work, leaving), timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            leaving.cancel()
        if work in done:
            return work.result()
        # What has begun in a thread cannot be stopped; what it says at last is not looked at.
        begun.cancel()
        work.cancel()
        if leaving in done:
            raise Gone
        raise Refused(503, f"this takes more than {self._seconds:g} s; ask for less")

    def _done(self, work: Future[Any]) -> None:
        with self._lock:
            self._waiting -= 1

    def close(self) -> None:
        """Ends what has not begun."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def _leaving(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _told(call: Callable[[], Answer]) -> Answer:
    """What a call gives, every error of it as a sentence."""
    try:
        return call()
    except Refused:
        raise
    except PonderaError as error:
        raise Refused(422, str(error)) from error
    except BaseException as error:
        # A fault of this program, a panic of the core among them: told where the server runs.
        say_error(f"a request failed: {type(error).__name__}: {error}")
        raise Refused(
            500, "something is wrong in pondera itself; the terminal it runs in says more"
        ) from None
