"""Runs the server on loopback until it is told to stop."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable

import uvicorn

from pondera._native import PonderaError
from pondera.ui.application import application
from pondera.ui.connection import Connection
from pondera.ui.minds import Minds
from pondera.ui.work import Work

ADDRESS = "127.0.0.1"
"""Where it listens, and nowhere else."""

_MOST_CONNECTIONS = 128
_MOST_HEADERS = 32 * 1024
"""Bytes of the headers of a request."""


def serve(minds: Minds, port: int, ready: Callable[[int], None]) -> None:
    """Serves until Ctrl-C.

    Args:
        minds: The models.
        port: The port; any that is free, if 0.
        ready: Called with the port when requests are taken.

    Raises:
        PonderaError: The port cannot be had.
        KeyboardInterrupt: Ctrl-C was pressed, and all is closed.
    """
    with _listening(port) as listening:
        port = listening.getsockname()[1]
        work = Work()
        config = uvicorn.Config(
            application(minds, port, work),
            # Its own parser bounds what it keeps of a request; others would take longer lines.
            http=Connection,
            ws="none",
            lifespan="off",
            loop="asyncio",
            h11_max_incomplete_event_size=_MOST_HEADERS,
            limit_concurrency=_MOST_CONNECTIONS,
            timeout_graceful_shutdown=2,
            log_level="error",
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        ready(port)
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            work.close()


def _listening(port: int) -> socket.socket:
    """A socket that listens: what connects from now on is answered as soon as the server runs."""
    # Named as TCP, so that what is accepted sends at once: asyncio asks a socket for its protocol.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_REUSEPORT"):
            # Not for Windows, where it would let two programs have one port.
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((ADDRESS, port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise PonderaError(
                f"port {port} of {ADDRESS} is taken; name another with --port, or 0 for any that is free"
            ) from error
        if error.errno == errno.EACCES:
            raise PonderaError(f"port {port} of {ADDRESS} is not for you; name one from 1024 on") from error
        raise
    return listening
