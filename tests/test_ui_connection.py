"""Connections to the page's server that bring nothing, or half of something, are closed."""

import asyncio

import pytest

pytest.importorskip("uvicorn", reason="the page's server is not installed")

from uvicorn import Config
from uvicorn.server import ServerState

from pondera.ui import connection

REQUEST = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def answered(scope, receive, send):
    """An application that says yes, and never ends at /slow."""
    if scope["path"] == "/slow":
        await asyncio.Event().wait()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]})
    await send({"type": "http.response.body", "body": b"yes"})


async def left_of(sent, again):
    """What a connection brings until it is closed, after some bytes, and others a while later."""
    config = Config(
        answered, http=connection.Connection, ws="none", timeout_keep_alive=60, log_level="critical"
    )
    config.load()
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: connection.Connection(config, state, {}), "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        for part in [sent] if again is None else [sent, again]:
            writer.write(part)
            await asyncio.sleep(connection.PATIENCE / 2)
        try:
            found = await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            found = b""
        writer.close()
    assert not state.connections
    return found


@pytest.mark.parametrize(
    ("sent", "again", "answers"),
    [
        (b"", None, 0),
        (b"GET / HT", None, 0),
        (b"GET / HT", b"TP/1.1\r\nA: ", 0),
        (b"GET /slow HTTP/1.1\r\nHost: here\r\n\r\n", None, 0),
        (REQUEST, None, 1),
        (REQUEST, b"GET /", 1),
        (REQUEST, REQUEST, 2),
    ],
)
def test_what_brings_no_whole_request_is_closed(monkeypatch, sent, again, answers):
    monkeypatch.setattr(connection, "PATIENCE", 0.4)
    assert asyncio.run(left_of(sent, again)).count(b"yes") == answers
