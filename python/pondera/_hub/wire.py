"""One GET over the client of `huggingface_hub`: ranges, redirects, and another try where that may help.

Requests are made on many threads over one pool of connections that stay open. The token goes to the Hub
alone: a redirect to another origin is followed with nothing but the range. Of a file never more is read than
was asked for, whatever the server sends.
"""

from __future__ import annotations

import random
import re
import threading
import time
from urllib.parse import urljoin

from pondera._hub.failure import ChangedError, HubError, UnsteadyError, refusal
from pondera._hub.identity import Hub, library, origin_of
from pondera._hub.lane import shared_lane

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

MOST_TRIES = 6
"""How often a request is made before its failure is one."""
FIRST_WAIT = 0.5
"""Seconds before the second try; each further one waits twice as long, up to `LONGEST_WAIT`."""
LONGEST_WAIT = 8.0
LONGEST_ASKED_WAIT = 300.0
"""A server that asks to wait longer than this is not waited for."""
MOST_REDIRECTS = 8
LONGEST_LIST = 64 << 20
"""Bytes of an answer of the Hub's API at the most; a list of a thousand files has a quarter of a megabyte."""
LONGEST_PAGE = 1 << 16
"""What stands in a redirect is read over if it is no longer, so that its connection stays open."""
_BUSY = (408, 429, 500, 502, 503, 504)
_KEPT_ELSEWHERE = ("range", "accept-encoding", "user-agent")
_CONTENT_RANGE = re.compile(r"bytes (\d{1,20})-(\d{1,20})/(\d{1,20}|\*)")
_QUOTA = re.compile(r"r\s*=\s*0\s*;\s*t\s*=\s*(\d+)")


class StoppedError(Exception):
    """The work was given up, by an interrupt or because another part of it failed."""


class Asked:
    """What is asked for, and what errors call it.

    Attributes:
        url: The address.
        repo: The repo it belongs to.
        revision: The revision as the user gave it.
        file: The file, if it is one.
        part: Its first byte and the one behind the last; all if None.
        length: The length of the file, where it is known.
    """

    __slots__ = ("file", "length", "part", "repo", "revision", "url")

    def __init__(
        self,
        url: str,
        repo: str,
        revision: str | None,
        file: str | None = None,
        part: tuple[int, int] | None = None,
        length: int | None = None,
    ) -> None:
        self.url = url
        self.repo = repo
        self.revision = revision
        self.file = file
        self.part = part
        self.length = length

    def __str__(self) -> str:
        return f"{self.repo}: {self.file}" if self.file else self.repo


class Answer:
    """What a GET gave.

    Attributes:
        body: Its bytes.
        etag: What the Hub says it is, if it says so.
        next: Where the rest of a list is, if there is more.
    """

    __slots__ = ("body", "etag", "next")

    def __init__(self, body: bytes, etag: str | None, next: str | None) -> None:
        self.body = body
        self.etag = etag
        self.next = next


class Wire:
    """Makes requests for one scan or many; may be shared between threads."""

    def __init__(self, hub: Hub) -> None:
        """Takes the client of `huggingface_hub`, made by whatever factory the user has set.

        Args:
            hub: Whom to ask, and as whom.
        """
        self.hub = hub
        self._client = library().get_session()
        self._lane = shared_lane(self._client)
        self._stop = threading.Event()
        # Until when nobody shall ask again, as the server wishes.
        self._quiet_until = 0.0

    def stop(self) -> None:
        """Lets every request end soon, by raising `StoppedError` where it is made."""
        self._stop.set()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stop.is_set()

    def get(self, asked: Asked) -> Answer:
        """The answer to a GET.

        Raises:
            HubError: It cannot be had.
            StoppedError: `stop` was called.
        """
        wait = FIRST_WAIT
        for tried in range(1, MOST_TRIES + 1):
            self._pause(self._quiet_until - time.monotonic())
            try:
                return self._try(asked)
            except UnsteadyError as trouble:
                if tried == MOST_TRIES:
                    raise HubError(f"{asked}: {trouble}, {tried} times over; try again later") from trouble
                if trouble.wait is None:
                    # Many threads that failed together shall not come back together.
                    self._pause(wait * random.uniform(0.75, 1.25))
                    wait = min(2 * wait, LONGEST_WAIT)
                elif trouble.wait > LONGEST_ASKED_WAIT:
                    reason = f"{trouble} and asks to wait {trouble.wait:,.0f} seconds; try again then"
                    raise HubError(f"{asked}: {reason}") from trouble
                else:
                    self._quiet_until = max(self._quiet_until, time.monotonic() + trouble.wait)
        raise AssertionError("the last try returns or raises")

    def _pause(self, seconds: float) -> None:
        if self._stop.is_set() or (seconds > 0 and self._stop.wait(seconds)):
            raise StoppedError

    def _try(self, asked: Asked) -> Answer:
        headers = dict(self.hub.headers)
        if asked.part is not None:
            begin, end = asked.part
            headers |= {"Range": f"bytes={begin}-{end - 1}", "Accept-Encoding": "identity"}
        url, etag, host = asked.url, None, self.hub.origin[1]
        for _ in range(MOST_REDIRECTS + 1):
            try:
                origin = origin_of(url)
            except ValueError as error:
                raise _no_address(asked, host) from error
            if origin != self.hub.origin:
                # Neither the token nor anything else that is meant for the Hub goes elsewhere or comes back.
                headers = {name: value for name, value in headers.items() if name.lower() in _KEPT_ELSEWHERE}
            host = origin[1]
            response = self._send(asked, url, host, headers)
            try:
                etag = etag or _etag(response.headers)
                if not response.has_redirect_location:
                    body = self._body(asked, host, response)
                    # Only lists go on elsewhere; to look costs as much as all else here.
                    rest = response.links.get("next", {}).get("url") if asked.part is None else None
                    return Answer(body, etag, rest and urljoin(url, rest))
                self._take(response.iter_raw(), LONGEST_PAGE)
                url = urljoin(url, response.headers["location"])
            except _network_errors() as error:
                raise _broken(error, host) from error
            except ValueError as error:
                raise _no_address(asked, host) from error
            finally:
                response.close()
        raise HubError(
            f"{asked}: {self.hub.endpoint} redirects more than {MOST_REDIRECTS} times; try again later"
        )

    def _send(self, asked: Asked, url: str, host: str, headers: dict[str, str]) -> Any:  # noqa: ANN401
        """The answer, its body not read: by the shorter way where there is one and it tells enough."""
        if asked.part is not None and self._lane is not None:
            try:
                reply = self._lane.get(url, headers, self.hub.timeout)
            except OSError as error:
                raise _broken(error, host) from error
            if reply is not None:
                if reply.has_redirect_location or reply.status_code in (200, 206, 416, *_BUSY):
                    return reply
                reply.close()
        return self._ask_client(asked, url, host, headers)

    def _ask_client(self, asked: Asked, url: str, host: str, headers: dict[str, str]) -> Any:  # noqa: ANN401
        from huggingface_hub.errors import OfflineModeIsEnabled

        try:
            request = self._client.build_request("GET", url, headers=headers, timeout=self.hub.timeout)
        except Exception as error:
            # Each library has an error of its own for this, which is no kind of another.
            raise _no_address(asked, host) from error
        try:
            return self._client.send(request, stream=True, follow_redirects=False)
        except OfflineModeIsEnabled as error:
            raise HubError("HF_HUB_OFFLINE is set, and the Hub may not be asked; unset it") from error
        except _network_errors() as error:
            raise _broken(error, host) from error
        except (ValueError, RuntimeError, TypeError) as error:
            # A client that was closed meanwhile, among others.
            raise HubError(f"cannot ask {host}: {error}") from error

    def _body(self, asked: Asked, host: str, response: Any) -> bytes:  # noqa: ANN401
        """What was asked for, checked against what the server says of it."""
        status = response.status_code
        if status in _BUSY:
            raise UnsteadyError(f"{host} answers {status}", _asked_wait(response.headers))
        if status == 416 and asked.part is not None:
            told = "" if asked.length is None else f", though its length was listed as {asked.length:,} bytes"
            raise ChangedError(f"{asked}: {host} has no byte {asked.part[0]:,} of it{told}; run again")
        if status not in (200, 206):
            raise refusal(asked.repo, asked.revision, asked.file, self.hub.endpoint, response)
        if asked.part is None:
            body = self._take(response.iter_bytes(), LONGEST_LIST + 1)
            if len(body) > LONGEST_LIST:
                raise HubError(
                    f"{asked}: {host} sends a list of more than {LONGEST_LIST:,} bytes; see HF_ENDPOINT"
                )
            return body
        encoding = response.headers.get("content-encoding", "identity")
        if encoding != "identity":
            raise HubError(
                f"{asked}: {host} sends a range encoded as {encoding[:100]!r}, though plain bytes were asked "
                "for"
            )
        begin, end = asked.part
        if status == 200:
            # No ranges here: the file comes from its beginning, and is let go of where the range ends.
            return self._take(response.iter_raw(), end)[begin:]
        return self._range(asked, host, response)

    def _range(self, asked: Asked, host: str, response: Any) -> bytes:  # noqa: ANN401
        assert asked.part is not None
        begin, end = asked.part
        told = response.headers.get("content-range", "").strip()
        match = _CONTENT_RANGE.fullmatch(told)
        if match is None or int(match[1]) != begin or not begin <= int(match[2]) < end:
            told = told[:100] or "no Content-Range"
            raise UnsteadyError(f"{host} sends {told!r} for bytes {begin}-{end - 1}")
        if asked.length is not None and match[3] not in ("*", str(asked.length)):
            raise ChangedError(
                f"{asked}: {host} has {match[3]} bytes of it where {asked.length} were listed; run again"
            )
        expected = int(match[2]) + 1 - begin
        body = self._take(response.iter_raw(), expected)
        if len(body) != expected:
            raise UnsteadyError(f"{host} sends {len(body):,} bytes where it announces {expected:,}")
        return body

    def _take(self, chunks: Iterable[bytes], enough: int) -> bytes:
        """The first so many bytes of a body; the connection of one that ends there stays open."""
        taken: list[bytes] = []
        got = 0
        for chunk in chunks:
            if self._stop.is_set():
                raise StoppedError
            taken.append(chunk)
            got += len(chunk)
            if got > enough:
                break
        return b"".join(taken)[:enough]


def _no_address(asked: Asked, host: str) -> HubError:
    # The address itself may hold a signature.
    return HubError(f"{asked}: {host} leads to what is no web address; try again later")


def _network_errors() -> tuple[type[Exception], ...]:
    """What the client raises where the network fails; its library is another one by version."""
    from huggingface_hub.errors import HfHubHTTPError

    return (*(base for base in HfHubHTTPError.__mro__ if base.__name__ == "HTTPError"), OSError)


def _broken(error: Exception, host: str) -> Exception:
    kind = type(error).__name__
    reason = " ".join(str(error).split())[:300] or kind
    if kind in ("UnsupportedProtocol", "LocalProtocolError", "ProxyError"):
        return HubError(f"cannot ask {host}: {reason}")
    if "Timeout" in kind:
        return UnsteadyError(f"{host} does not answer in time")
    if kind in ("ConnectError", "ConnectionRefusedError", "gaierror"):
        return UnsteadyError(f"{host} cannot be reached ({reason})")
    return UnsteadyError(f"the connection to {host} breaks ({reason})")


def _etag(headers: Any) -> str | None:  # noqa: ANN401
    """What the Hub calls a file: of a large one its hash, which the storage may call otherwise."""
    told = headers.get("x-linked-etag") or headers.get("etag")
    return told.removeprefix("W/").strip('"') if told else None


def _asked_wait(headers: Any) -> float | None:  # noqa: ANN401
    """Seconds that a busy server asks to wait."""
    told = (headers.get("retry-after") or "").strip()
    if told.isdecimal():
        return float(told[:9])
    if told:
        from email.utils import parsedate_to_datetime

        try:
            return max(parsedate_to_datetime(told).timestamp() - time.time(), 0.0)
        except (ValueError, OverflowError):
            return None
    match = _QUOTA.search(headers.get("ratelimit") or "")
    return float(match[1][:9]) if match else None
