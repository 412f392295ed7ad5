"""Who is let in: whoever sits at this machine, and no page of another site that their browser has open.

A server on loopback is reached by every page of the web that the browser shows. `Host` must be our own, so
that a name of a stranger that points here (DNS rebinding) is turned away; `Origin` and `Sec-Fetch-Site` tell
of requests that other pages make. One thing is allowed from elsewhere: to follow a link to the page itself,
since a view can be sent. There is no CORS, and nothing is written: only GET and HEAD are known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pondera._talk import say_error
from pondera._text import shortened
from pondera.ui.answers import as_json
from pondera.ui.refused import Refused

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_METHODS = ("GET", "HEAD")
_MOST_PATH = 256

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # Pictures carry the colours of light and dark pages with them, as a style element.
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
"""What every answer carries."""


class Guard:
    """Lets requests in that belong here, and gives every answer its headers."""

    def __init__(self, application: Application, port: int) -> None:
        """Stands before an application.

        Args:
            application: What is behind it.
            port: The port that it listens at.
        """
        self._application = application
        # A browser leaves the usual port out.
        ends = (f":{port}", "") if port == 80 else (f":{port}",)
        self._hosts = tuple(f"{name}{end}" for name in ("127.0.0.1", "localhost", "[::1]") for end in ends)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, as ASGI has it."""
        if scope["type"] != "http":
            return
        begun = False

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                named = {name.encode(): value.encode() for name, value in HEADERS.items()}
                kept = [one for one in message.get("headers", []) if one[0].lower() not in named]
                message = {**message, "headers": [*kept, *named.items()]}
            elif scope["method"] == "HEAD":
                message = {**message, "body": b""}
            await send(message)

        try:
            self._check(scope)
            await self._application(scope, receive, sending)
        except Refused as refused:
            if not begun:
                await _refuse(refused, sending)
        except Exception as error:
            say_error(f"a request failed: {type(error).__name__}: {error}")
            if not begun:
                await _refuse(Refused(500, "something is wrong in pondera itself"), sending)

    def _check(self, scope: Scope) -> None:
        """Raises `Refused` for what does not belong here."""
        headers: dict[bytes, list[bytes]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value)

        def only(name: str) -> str | None:
            values = headers.get(name.encode(), [])
            if len(values) > 1:
                raise Refused(400, f"the header {name} is there {len(values)} times; send it once")
            return values[0].decode("latin-1") if values else None

        host = only("host")
        if host is None or host.lower() not in self._hosts:
            told = "is missing" if host is None else f"is {shortened(host, 100)!r}"
            raise Refused(403, f"the header Host {told}; it must be one of {', '.join(self._hosts)}")
        origin = only("origin")
        if origin is not None and origin.lower() not in (f"http://{one}" for one in self._hosts):
            raise Refused(403, f"a page of {shortened(origin, 100)!r} may not ask here")
        site = only("sec-fetch-site")
        if site not in (None, "same-origin", "none") and not _follows_link(scope, only):
            raise Refused(
                403, f"a page of another site may not ask here (Sec-Fetch-Site is {shortened(site, 100)!r})"
            )
        if scope["method"] not in _METHODS:
            raise Refused(405, f"{shortened(scope['method'], 40)} is not known here; ask by GET or HEAD")
        if headers.get(b"transfer-encoding") or only("content-length") not in (None, "0"):
            raise Refused(413, "a request has no body here; put what you ask into the query")
        if len(scope["path"]) > _MOST_PATH:
            raise Refused(414, f"the path has {len(scope['path'])} characters; {_MOST_PATH} are the most")


def _follows_link(scope: Scope, only: Callable[[str], str | None]) -> bool:
    """Whether somebody came from elsewhere to look at the page itself, not in a frame of another one."""
    return (
        scope["path"] == "/"
        and scope["method"] == "GET"
        and only("sec-fetch-mode") == "navigate"
        and only("sec-fetch-dest") == "document"
    )


async def _refuse(refused: Refused, send: Send) -> None:
    kind, body = as_json(refused.to_dict())
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    if refused.status == 405:
        headers.append((b"allow", ", ".join(_METHODS).encode()))
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
