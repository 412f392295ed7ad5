"""The application: the page, its files, and every address that answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pondera._text import shortened
from pondera.ui.addresses import ADDRESSES
from pondera.ui.answers import ANSWERS, Body, as_json
from pondera.ui.guard import Application, Guard
from pondera.ui.minds import Minds
from pondera.ui.openapi import document
from pondera.ui.parameters import Address, about, read
from pondera.ui.refused import Refused
from pondera.ui.work import Gone, Work

_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}
"""Files of the page by their ending; others are not served."""

_PAGE = "index.html"


def application(minds: Minds, port: int, work: Work | None = None) -> Application:
    """The application, behind its guard.

    Args:
        minds: The models.
        port: The port that it listens at.
        work: The threads that answer.
    """
    work = work or Work()
    described = as_json(document())
    files = _files()

    async def page(request: Request) -> Response:
        return _file(files, _PAGE)

    async def static(request: Request) -> Response:
        return _file(files, request.path_params["name"])

    async def openapi(request: Request) -> Response:
        return _response(described)

    routes = [
        Route("/", page),
        Route("/static/{name}", static),
        Route("/openapi.json", openapi),
        *(Route(one.path, _answering(one, minds, work)) for one in ADDRESSES),
    ]
    handlers = {HTTPException: _unknown, Refused: _refused, Gone: _nothing}
    inside = Starlette(routes=routes, exception_handlers=handlers)
    # A path with a slash too many is unknown rather than sent elsewhere.
    inside.router.redirect_slashes = False
    return Guard(inside, port)


def _answering(address: Address, minds: Minds, work: Work) -> Callable[[Request], Awaitable[Response]]:
    answer = ANSWERS[address.path]

    async def answered(request: Request) -> Response:
        question = read(address, request.scope["query_string"])
        try:
            return _response(await work.do(partial(answer, minds, question), request.receive))
        except Refused as refused:
            refused.parameter = refused.parameter or about(refused.sentence, question)
            raise

    return answered


def _files() -> dict[str, Body]:
    """The files of the page as they are now: a request names one of them, never a path."""
    found: dict[str, Body] = {}
    with suppress(FileNotFoundError):
        for one in resources.files("pondera.ui").joinpath("static").iterdir():
            kind = _KINDS.get(f".{one.name.rpartition('.')[2]}")
            if kind and one.is_file():
                found[one.name] = (kind, one.read_bytes())
    return found


def _file(files: dict[str, Body], name: str) -> Response:
    if name not in files:
        raise Refused(404, f"the page has no file {shortened(name, 100)!r}")
    return _response(files[name])


def _response(body: Body) -> Response:
    kind, content = body
    return Response(content, headers={"content-type": kind})


async def _unknown(request: Request, error: Exception) -> Response:
    known = ", ".join(["/", *(one.path for one in ADDRESSES), "/openapi.json"])
    sentence = f"there is nothing at {shortened(request.url.path, 100)}; there are {known}"
    return await _refused(request, Refused(404, sentence))


async def _refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, Refused):
        raise error
    kind, content = as_json(error.to_dict())
    return Response(content, error.status, {"content-type": kind})


async def _nothing(request: Request, error: Exception) -> Response:
    """For nobody: whoever asked went away."""
    return Response(status_code=499)
