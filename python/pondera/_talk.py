"""What goes to standard error: errors, remarks and a progress bar. Standard output is for data alone."""

import contextlib
import os
import sys
import time
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from pondera._text import Screen, printable

in_program = False
"""Whether the program `pondera` runs: a library shows no progress that nobody asked for."""

_PATIENCE_SECONDS = 0.3
_BAR_WIDTH = 24
_ERASE = "\r\x1b[K"


def say(text: str) -> None:
    """Tell the user something, in one line."""
    # Where nobody listens there is nobody to tell that either.
    with contextlib.suppress(OSError, AttributeError):
        sys.stderr.write(f"{printable(text)}\n")
        sys.stderr.flush()


def say_error(text: str) -> None:
    """Tell the user what went wrong, in one line."""
    say(f"pondera: error: {text}")


def say_slips(changes: Iterable[Mapping[str, Any]]) -> None:
    """Tell the user of fields that nothing reads and whose names are nearly those of others."""
    for change in changes:
        if "did you mean" in (change["note"] or ""):
            say(f"pondera: {change['field']}: {change['note']}")


class ProgressBar:
    """A bar that appears when work takes a while and a terminal is there to show it, and leaves no trace.

    Use as a context manager, and hand `update` as the `progress` of what takes it, if it is wanted.
    """

    def __init__(self, noun: str = "", searching: str = "") -> None:
        """Nothing is drawn yet.

        Args:
            noun: What is counted; without one the bar shows per cent.
            searching: What is done while it is not known how much there is.
        """
        self._noun = noun
        self._searching = searching
        self._stream = sys.stderr
        self._begin = time.monotonic()
        self._drawn = False

    @property
    def wanted(self) -> bool:
        """Whether standard error is a terminal that can take back what was written."""
        return self._stream is not None and self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def update(self, done: int, total: int) -> None:
        """Show how much of how much is done."""
        elapsed = time.monotonic() - self._begin
        if elapsed < _PATIENCE_SECONDS or (total == 0 and not self._searching):
            return
        screen = Screen.of(self._stream)
        if total == 0:
            line = f"{self._searching}, {elapsed:.0f} s"
        else:
            bar = screen.bar(done, total, _BAR_WIDTH)
            bar += " " * (_BAR_WIDTH - len(bar))
            line = (
                f"{bar} {done:,} of {total:,} {self._noun}, {done / elapsed:,.0f} {self._noun}/s"
                if self._noun
                else f"{bar} {100 * done // total} %, {elapsed:.0f} s"
            )
        # A full last column would wrap, and a wrapped line cannot be erased.
        self._stream.write(_ERASE + screen.cut(line, screen.width - 1))
        self._stream.flush()
        self._drawn = True

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            self._stream.write(_ERASE)
            self._stream.flush()
