"""A connection that is closed where it brings no whole request in time, so that none is held for nothing."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from pondera.ui.work import MOST_SECONDS

PATIENCE = MOST_SECONDS + 10
"""Seconds for a request to come, to be answered, and for the answer to be read, all on this machine."""


class Connection(H11Protocol):
    """HTTP as uvicorn has it, but not waiting for ever for whoever begins a request or never does."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to look whether requests come."""
        super().connection_made(transport)
        self._seen: object = None
        self._looks = self.loop.call_later(PATIENCE, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """Looks no more."""
        self._looks.cancel()
        super().connection_lost(exc)

    def _look(self) -> None:
        """Closes the connection if its last request is the one that was there the last time, or none."""
        if self.cycle is self._seen:
            # What is not read yet would hold a connection that is closed in peace.
            self.transport.abort()
            return
        self._seen = self.cycle
        self._looks = self.loop.call_later(PATIENCE, self._look)
