"""A small Hub: the endpoints that huggingface_hub asks for, over a folder of made repos, with faults on demand.

    uvicorn hub_app:app, with HUB_ROOT naming a folder of `org/name/revision/files`

A weight file is kept apart, as the Hub keeps it: `resolve` redirects to a second host, which gives ranges of it. Faults
are set and requests are read back at `/_control` and `/_log`. Nothing of pondera is imported here.
"""

import asyncio
import fnmatch
import hashlib
import json
import os
import re
from pathlib import Path
from urllib.parse import parse_qs, quote, unquote

ROOT = Path(os.environ["HUB_ROOT"])
# How much of a long body is sent at once.
CHUNK = 1 << 16
RANGE = re.compile(r"bytes=(\d+)-(\d*)")


class State:
    """What the tests have set, and what was asked."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.faults = []
        self.repos = {}
        self.latency = 0.0
        self.page = 1000
        self.storage = os.environ.get("HUB_STORAGE", "")
        self.log = []
        self.commits = {}


state = State()
_known = {}


def is_weights(path):
    return path.suffix in (".safetensors", ".bin", ".gguf", ".pt")


def identity(path):
    """The hash by which the Hub knows a file: of git's blob, or for a large one the SHA-256 of its content.

    The content of a made weight file is a hole; its length, time and first bytes stand for it.
    """
    status = path.stat()
    key = (str(path), status.st_size, status.st_mtime_ns)
    if key not in _known:
        with path.open("rb") as file:
            head = file.read(1 << 16 if is_weights(path) else -1)
        if is_weights(path):
            _known[key] = hashlib.sha256(repr(key[1:]).encode() + head).hexdigest()
        else:
            _known[key] = hashlib.sha1(b"blob %d\0" % len(head) + head).hexdigest()
    return _known[key]


def commit_of(folder):
    """A commit that follows from the files as they were when something was last set."""
    if folder not in state.commits:
        # Two repos never have one commit, whatever their files are.
        told = f"{folder}\n" + "".join(
            f"{path.relative_to(folder)}:{identity(path)}\n" for path in files_of(folder)
        )
        state.commits[folder] = hashlib.sha1(told.encode()).hexdigest()
        _known[state.commits[folder]] = folder
    return state.commits[folder]


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


class RefusalError(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code = status, code


class Request:
    def __init__(self, scope):
        self.method = scope["method"]
        self.path = unquote(scope["raw_path"].decode().partition("?")[0])
        self.raw = scope["raw_path"].decode().partition("?")[0]
        self.query = {name: values[0] for name, values in parse_qs(scope["query_string"].decode()).items()}
        self.headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        self.host = self.headers.get("host", "")
        self.client = scope["client"]
        self.fault = None

    @property
    def token(self):
        return self.headers.get("authorization", "").removeprefix("Bearer ")


def folder_of(repo, revision, token):
    """The folder of a repo at a revision."""
    settings = state.repos.get(repo, {})
    base = ROOT / repo
    if not base.is_dir() or ".." in repo:
        if not token:
            # Without a token nobody may know whether a private repo is there.
            raise RefusalError(401, "", "Invalid username or password.")
        raise RefusalError(404, "RepoNotFound", "Repository not found")
    if settings.get("private") and token != settings["token"]:
        raise RefusalError(
            401 if not token else 404, "" if not token else "RepoNotFound", "Repository not found"
        )
    folder = _known.get(revision, base / revision)
    if not folder.is_dir() or not folder.is_relative_to(base):
        raise RefusalError(404, "RevisionNotFound", f"Invalid rev id: {revision}")
    return folder


def check_gate(repo, token):
    settings = state.repos.get(repo, {})
    if settings.get("gated") and token != settings["token"]:
        status = 403 if token else 401
        raise RefusalError(status, "GatedRepo", f"Access to model {repo} is restricted.")


async def app(scope, receive, send):
    if scope["type"] != "http":
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        return
    request = Request(scope)
    if request.path.startswith("/_"):
        await control(request, receive, send)
        return
    if request.path == "/api/agent-harnesses":
        # The library's own question, once in a while and only where certain programs run it.
        await reply(send, 404, b"{}", {})
        return
    entry = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "host": request.host,
        "range": request.headers.get("range"),
        "token": request.headers.get("authorization"),
        "cookie": request.headers.get("cookie"),
        "client": list(request.client),
        "sent": 0,
    }
    state.log.append(entry)
    if state.latency:
        await asyncio.sleep(state.latency)
    request.fault = take_fault(request)
    try:
        if request.fault and await strike(request, send):
            return
        await answer(request, send, entry)
    except RefusalError as refusal:
        headers = {"x-error-message": str(refusal)}
        if refusal.code:
            headers["x-error-code"] = refusal.code
        await reply(send, refusal.status, json.dumps({"error": str(refusal)}).encode(), headers)


def take_fault(request):
    for fault in state.faults:
        if fault.get("times", 1) > 0 and fnmatch.fnmatch(request.path, fault["path"]):
            if "host" in fault and not request.host.startswith(fault["host"]):
                continue
            fault["times"] = fault.get("times", 1) - 1
            return fault
    return None


async def strike(request, send):
    """Whether a fault was an answer of its own."""
    fault = request.fault
    if fault["kind"] == "status":
        await reply(send, fault["status"], fault.get("body", "{}").encode(), fault.get("headers", {}))
        return True
    if fault["kind"] == "loop":
        target = request.raw + ("2" if not request.raw.endswith("2") else "")
        await reply(
            send,
            302,
            b"",
            {"location": f"http://{request.host}{target[:-1] if target.endswith('22') else target}"},
        )
        return True
    if fault["kind"] == "redirect":
        await reply(send, 302, b"", {"location": fault["location"]})
        return True
    if fault["kind"] == "hang":
        await asyncio.sleep(fault["seconds"])
    return False


async def answer(request, send, entry):
    parts = request.path.strip("/").split("/")
    if parts[:1] == ["storage"]:
        await give_file(request, send, _known["stored", parts[1]], entry, {})
        return
    if parts[:2] == ["api", "models"]:
        await answer_api(request, send, parts[2:])
        return
    if "resolve" not in parts:
        raise RefusalError(404, "RepoNotFound", "no such page")
    # A revision may hold slashes, which are quoted where they stand.
    raw = request.raw.strip("/").split("/")
    at = raw.index("resolve")
    repo, revision, name = "/".join(raw[:at]), unquote(raw[at + 1]), unquote("/".join(raw[at + 2 :]))
    folder = folder_of(repo, revision, request.token)
    check_gate(repo, request.token)
    path = folder / name
    if ".." in name or not path.is_file():
        raise RefusalError(404, "EntryNotFound", "Entry not found")
    etag = identity(path)
    headers = {"x-repo-commit": commit_of(folder), "accept-ranges": "bytes", "etag": f'"{etag}"'}
    if is_weights(path) and state.storage:
        _known["stored", etag] = path
        linked = {"x-linked-size": str(path.stat().st_size), "x-linked-etag": f'"{etag}"'}
        location = f"{state.storage}/storage/{etag}?signature=s&expires=1"
        await reply(send, 302, b"Found", {**headers, **linked, "location": location})
        return
    await give_file(request, send, path, entry, headers)


async def answer_api(request, send, parts):
    for verb in ("tree", "revision"):
        if verb in parts:
            at = parts.index(verb)
            raw = request.raw.strip("/").split("/")[2:]
            repo, revision = "/".join(parts[:at]), unquote(raw[at + 1])
            below = "/".join(parts[at + 2 :]) if verb == "tree" else ""
            break
    else:
        verb, repo, revision, below = "revision", "/".join(parts), "main", ""
    folder = folder_of(repo, revision, request.token)
    if verb == "revision":
        names = [{"rfilename": str(path.relative_to(folder))} for path in files_of(folder)]
        told = {"id": repo, "sha": commit_of(folder), "siblings": names, "private": False, "tags": []}
        await reply(send, 200, json.dumps(told).encode(), {"content-type": "application/json"})
        return
    entries = list_tree(folder, below, request.query.get("recursive", "").lower() in ("1", "true"))
    begin = int(request.query.get("cursor", 0))
    page = entries[begin : begin + state.page]
    headers = {"content-type": "application/json"}
    if begin + state.page < len(entries):
        kept = "&".join(f"{name}={quote(value)}" for name, value in request.query.items() if name != "cursor")
        link = f"http://{request.host}{request.raw}?{kept}&cursor={begin + state.page}"
        headers["link"] = f'<{link}>; rel="next"'
    await reply(send, 200, json.dumps(page).encode(), headers)


def list_tree(folder, below, recursive):
    entries = []
    for path in sorted((folder / below).rglob("*") if recursive else (folder / below).iterdir()):
        name = str(path.relative_to(folder))
        if path.is_dir():
            entries.append({"type": "directory", "oid": "0" * 40, "size": 0, "path": name})
            continue
        size = path.stat().st_size
        entry = {"type": "file", "oid": identity(path), "size": size, "path": name}
        if is_weights(path):
            # The pointer of large files has a hash of its own.
            entry["lfs"] = {"oid": identity(path), "size": size, "pointerSize": 135}
            entry["oid"] = hashlib.sha1(identity(path).encode()).hexdigest()
        entries.append(entry)
    return entries


async def give_file(request, send, path, entry, headers):
    """A file, or the range of it that was asked for."""
    size = path.stat().st_size
    asked = RANGE.fullmatch(request.headers.get("range", ""))
    kind = request.fault["kind"] if request.fault else ""
    headers = {"etag": f'"{identity(path)}"', "accept-ranges": "bytes", **headers}
    begin, end, status = 0, size, 200
    if asked and kind != "ignore-range":
        begin = int(asked[1])
        end = min(int(asked[2]) + 1 if asked[2] else size, size)
        if begin >= size:
            await reply(send, 416, b"", {**headers, "content-range": f"bytes */{size}"})
            return
        status = 206
        told = begin + 7 if kind == "wrong-range" else begin
        headers["content-range"] = f"bytes {told}-{told + end - begin - 1}/{size}"
        if kind == "no-content-range":
            del headers["content-range"]
    if kind == "short":
        end = begin + max((end - begin) // 3, 1)
    headers["content-length"] = str(end - begin)
    await start(send, status, headers)
    if request.method == "HEAD":
        await send({"type": "http.response.body"})
        return
    with path.open("rb") as file:
        file.seek(begin)
        left = end - begin
        while left:
            data = file.read(min(left, CHUNK))
            if kind == "change":
                data = bytes(len(data))
            if kind == "reset":
                await send({"type": "http.response.body", "body": data[: len(data) // 2], "more_body": True})
                raise ConnectionResetError("as was asked for")
            left -= len(data)
            entry["sent"] += len(data)
            await send({"type": "http.response.body", "body": data, "more_body": left > 0})
            if left and kind == "ignore-range":
                # Whoever reads on shall be seen to.
                await asyncio.sleep(0.001)
    if end == begin:
        await send({"type": "http.response.body"})


async def start(send, status, headers):
    pairs = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": pairs})


async def reply(send, status, body, headers):
    await start(send, status, {"content-length": str(len(body)), **headers})
    await send({"type": "http.response.body", "body": body})


async def control(request, receive, send):
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    state.commits.clear()
    if request.path == "/_reset":
        state.reset()
    elif request.path == "/_control":
        for name, value in json.loads(body).items():
            setattr(state, name, value)
    elif request.path == "/_clear":
        state.log.clear()
    await reply(send, 200, json.dumps(state.log if request.path == "/_log" else []).encode(), {})


async def lifespan(receive, send):
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
