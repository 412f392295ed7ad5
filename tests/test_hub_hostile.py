"""A Hub, a storage or a target that means ill: no secret gets out, and neither time nor room is without bounds."""

import os
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import pondera
import writer
from pondera._hub import lane, listing, reading, wire
from pondera._hub.identity import Hub
from pondera._hub.target import hub_target
from test_hub import put, sharded

FILE = "*/resolve/*/model.safetensors"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Another try follows at once."""
    monkeypatch.setattr(wire, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(wire, "LONGEST_WAIT", 0.02)


def refused(target: str = "org/tiny", **options) -> str:
    """The one short sentence that scanning it ends with."""
    with pytest.raises(pondera.HubError) as told:
        pondera.scan(target, **options)
    message = str(told.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("token", ["hf_secret\n", "hf_\0secret", "hf_sécret", "hf_ secret", ""])
def test_a_token_that_can_be_none_is_not_quoted(hub, token):
    put(hub, "org/tiny")
    message = refused(token=token)
    assert "the token is empty or has" in message
    assert "cret" not in message
    assert hub.log() == []


def test_the_token_is_in_nothing_that_is_kept_or_shown(hub, monkeypatch):
    put(hub, "org/tiny")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    checkpoint = pondera.scan("org/tiny")
    kept = [path for path in Path("cache").rglob("*") if path.is_file()]
    assert len(kept) == 4
    assert not any(b"secret" in path.read_bytes() or "secret" in str(path) for path in kept)
    assert "secret" not in repr(checkpoint) + repr(checkpoint.to_dict()) + repr(Hub())


def test_a_password_in_the_endpoint_is_used_and_not_told(hub, monkeypatch):
    from huggingface_hub import constants

    put(hub, "org/tiny")
    hub.set(page=1)
    monkeypatch.setattr(constants, "ENDPOINT", hub.endpoint.replace("://", "://user:secret@"))
    assert pondera.scan("org/tiny").parameters == 2640
    assert any((entry["token"] or "").startswith("Basic ") for entry in hub.log())
    assert not any("secret" in str(path) for path in Path("cache").rglob("*"))
    assert f"no such repo at {hub.endpoint}," in refused("org/none")


@pytest.mark.parametrize(
    "location",
    [
        "http://h:abc/?signature=s",
        "http://h:99999/?signature=s",
        "http://[bad/?signature=s",
        "http://a..b/?signature=s",
        f"http://{'a' * 70}.com/?signature=s",
        "/\x1b[31m?signature=s",
        "ftp://h/?signature=s",
        "http://localhost:1/\xe9?signature=s",
    ],
)
def test_a_redirect_to_a_bad_address_is_one_error_that_blames_nobody_else(hub, location):
    put(hub, "org/tiny")
    hub.fault(FILE, "redirect", location=location, times=99)
    message = refused()
    assert "HF_ENDPOINT" not in message
    assert "signature" not in message


@pytest.mark.parametrize("endpoint", ["http://[bad", "http://h:abc", "hub.example", "", "ftp://hub.example"])
def test_an_endpoint_that_is_no_address(hub, monkeypatch, endpoint):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", endpoint)
    assert refused().startswith(f"HF_ENDPOINT {endpoint!r} is no web address")


@pytest.mark.parametrize(
    "headers", [{"content-range": f"bytes {'9' * 5000}-1/2"}, {"content-encoding": "z" * 3000}]
)
def test_long_headers_make_no_long_message(hub, headers):
    put(hub, "org/tiny")
    hub.fault("/storage/*", "status", status=206, body="x", headers=headers, times=99)
    assert "localhost sends" in refused()


@pytest.mark.parametrize("revision", ["..", ".", "a/../b", "%2e%2e", "x\udcff", "a\0b"])
def test_a_revision_that_would_lead_elsewhere(hub, revision):
    put(hub, "org/tiny")
    assert "no revision can be called" in refused(f"hf://org/tiny@{revision.replace('/', '%2F')}")
    if "%" not in revision:
        assert "no revision can be called" in refused("org/tiny", revision=revision)
    assert hub.log() == []


@pytest.mark.parametrize("folder", ["\udcff", "a\0b"])
def test_a_folder_that_is_no_text(folder):
    with pytest.raises(pondera.HubError, match="it is no text"):
        hub_target(f"org/tiny:{folder}")


@pytest.mark.skipif(os.name == "nt", reason="a backslash is between two folders there")
def test_a_name_with_a_backslash_is_a_name(hub):
    folder = put(hub, "org/tiny")
    (folder / "a\\b.json").write_text("{}")
    writer.write(folder / "b\\c.safetensors", {"model.norm.weight": ("F32", [3])})
    hub.set(page=1000)
    here, there = pondera.scan_tree(folder), pondera.scan_tree("org/tiny")
    assert [one.parameters for one in there] == [one.parameters for one in here] == [2640, 3]


def test_a_list_with_a_name_that_is_no_text(hub):
    put(hub, "org/tiny")
    body = '[{"type": "file", "oid": "x", "path": "\\ud800.json", "size": 1}]'
    hub.fault("*/tree/*", "status", status=200, body=body)
    assert "has an entry that is none" in refused()


@pytest.mark.parametrize(
    "files",
    ["[" * 50_000, '[["a",1e400,null]]', '[["a",-5,null]]', '[["a",1.5,null]]', '[["\\ud800",5,null]]'],
)
def test_a_kept_list_that_somebody_broke_is_fetched_again(hub, files):
    put(hub, "org/tiny")
    pondera.scan("org/tiny")
    kept = next(Path("cache").glob("hub/*/org--tiny/commits/*.json"))
    kept.write_text(f'{{"form":1,"files":{files}}}')
    hub.clear()
    assert pondera.scan("org/tiny").parameters == 2640
    assert len(hub.log()) == 2


def test_a_list_that_is_too_long(hub, monkeypatch):
    put(hub, "org/tiny")
    hub.set(page=1)
    monkeypatch.setattr(listing, "LONGEST", 200)
    assert refused() == "org/tiny: the list of its files has more than 200 bytes, which that of no model has"


def test_headers_that_are_too_long_together(hub, monkeypatch):
    folder = sharded(hub.repo("org/sharded"), shards=3)
    sizes = [file.header_bytes for file in pondera.scan(folder).files]
    small = sum(path.stat().st_size for path in folder.glob("*.json"))
    hub.clear()
    monkeypatch.setattr(reading, "MOST_BYTES", sum(sizes) + small)
    assert pondera.scan("org/sharded").shards == 3
    monkeypatch.setattr(reading, "MOST_BYTES", sum(sizes) + small - 1)
    assert refused("org/sharded").endswith("name a folder or a file of it")


class Endless(BaseHTTPRequestHandler):
    """Refuses with a page that has no end."""

    protocol_version = "HTTP/1.1"
    sent = 0

    def do_GET(self) -> None:
        """Write until nobody reads, or far more than anybody should."""
        self.send_response(404)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        try:
            for _ in range(1024):
                self.wfile.write(b"10000\r\n" + bytes(1 << 16) + b"\r\n")
                Endless.sent += 1 << 16
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_refusal_without_an_end_is_let_go_of(hub, monkeypatch):
    from huggingface_hub import constants

    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        try:
            assert "org/tiny: no such repo" in refused()
        finally:
            server.shutdown()
    # What fits in the buffers between the two is on its way when the connection is closed.
    assert Endless.sent < 32 << 20 < 1024 << 16


def test_a_list_goes_on_at_an_address_below_its_own(hub):
    put(hub, "org/tiny")
    entry = '{"type": "file", "oid": "x", "path": "other.txt", "size": 1}'
    headers = {"link": '<?cursor=0>; rel="next"'}
    hub.fault("*/tree/*", "status", status=200, body=f"[{entry}]", headers=headers)
    assert pondera.scan("org/tiny").parameters == 2640


def test_without_a_home_there_is_one_error(hub, monkeypatch):
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    put(hub, "org/tiny")
    for name in ("PONDERA_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    assert "set PONDERA_CACHE to another folder" in refused()


def test_where_the_library_hides_its_factory_its_client_makes_the_requests(hub, monkeypatch):
    import sys

    import huggingface_hub.utils

    put(hub, "org/tiny")
    monkeypatch.delattr(huggingface_hub.utils, "_http")
    monkeypatch.setitem(sys.modules, "huggingface_hub.utils._http", None)
    assert lane.shared_lane(object()) is None
