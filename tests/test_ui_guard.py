"""Who may ask the server of `pondera ui`, and what every answer carries."""

import http.client
import json
import socket
from urllib.parse import urlsplit

import pytest

from pondera.ui.guard import HEADERS
from ui_server import served

PATHS = ("/", "/api/targets", "/api/fit?gpu=l4", "/static/index.html", "/openapi.json", "/nothing")


@pytest.fixture(scope="module")
def address():
    with served("llama-3.1-8b") as address:
        yield address


def ask(address, path, method="GET", body=None, **headers):
    """An answer to exactly these headers: status, headers by name in small letters, and body."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=20)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in {"host": place.netloc, **headers}.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                connection.putheader(name.replace("_", "-"), one)
    connection.endheaders(body)
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, content


def said(address, path, *arguments, **headers):
    status, _, content = ask(address, path, *arguments, **headers)
    return status, json.loads(content)["error"]["message"]


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "[::1]", "LOCALHOST"])
def test_names_of_this_machine_are_let_in(address, name):
    port = urlsplit(address).port
    assert ask(address, "/api/targets", host=f"{name}:{port}")[0] == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "127.0.0.1.evil.example:{port}",
        "localhost.:{port}",
        "localhost@evil.example:{port}",
        "0.0.0.0:{port}",
        "127.0.0.1:{port}, evil.example",
        "127.0.0.1:{port}\u00a0",
        "",
    ],
)
def test_other_names_are_turned_away(address, host):
    """A name of a stranger that points to this machine is sent as `Host`: that is how rebinding shows."""
    for path in PATHS:
        status, sentence = said(address, path, host=host.format(port=urlsplit(address).port))
        assert status == 403
        assert "Host" in sentence


def test_the_host_is_told_once(address):
    # HTTP/1.1 must name one; what reads requests refuses those that do not, before anything else.
    assert ask(address, "/api/targets", host=None)[0] == 400
    assert ask(address, "/api/targets", host=[urlsplit(address).netloc, "evil.example"])[0] in (400, 403)


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "http://127.0.0.1", "https://{host}", "http://{host}.evil.example", ""],
)
def test_pages_of_other_origins_are_turned_away(address, origin):
    host = urlsplit(address).netloc
    for path in PATHS:
        assert said(address, path, origin=origin.format(host=host))[0] == 403
    assert ask(address, "/api/targets", origin=f"http://{host}")[0] == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "none, cross-site"])
def test_requests_that_other_sites_make_are_turned_away(address, site):
    for path in PATHS:
        for mode in ("cors", "no-cors", "navigate"):
            # A frame is no page of its own.
            answer = said(address, path, sec_fetch_site=site, sec_fetch_mode=mode, sec_fetch_dest="iframe")
            assert answer[0] == 403
    assert ask(address, "/api/targets", sec_fetch_site="same-origin")[0] == 200
    assert ask(address, "/api/targets", sec_fetch_site="none")[0] == 200


def test_a_link_to_the_page_may_be_followed(address):
    """And only to the page: what it shows stands in its query, and an answer of its own is for nobody else."""
    follows = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask(address, "/?gpu=h100", **follows)[0] != 403
    for path in PATHS[1:]:
        assert ask(address, path, **follows)[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"])
def test_nothing_is_written(address, method):
    for path in PATHS:
        status, headers, content = ask(address, path, method)
        assert (status, headers["allow"]) == (405, "GET, HEAD")
        assert "GET or HEAD" in json.loads(content)["error"]["message"]
        assert "access-control-allow-origin" not in headers


def test_a_body_is_refused(address):
    assert said(address, "/api/targets", "GET", b"x", content_length="1")[0] == 413
    assert said(address, "/api/targets", "GET", b"0\r\n\r\n", transfer_encoding="chunked")[0] == 413


def test_head_is_get_without_content(address):
    for path in PATHS[1:]:
        whole, short = ask(address, path), ask(address, path, "HEAD")
        assert (short[0], short[2]) == (whole[0], b"")
        assert short[1]["content-length"] == whole[1]["content-length"] == str(len(whole[2]))


def test_every_answer_carries_its_headers(address):
    for path in PATHS:
        for headers in ({}, {"host": "evil.example"}):
            _, found, _ = ask(address, path, **headers)
            assert HEADERS.items() <= found.items()
            assert not [name for name in found if name.startswith("access-control")]
            assert "server" not in found
    policy = dict(part.split(" ", 1) for part in HEADERS["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../serve.py",
        "/static/..%2fserve.py",
        "/static/%2e%2e/serve.py",
        "/static//etc/passwd",
        "/static/%2fetc%2fpasswd",
        "/static/index.html/",
        "/static/index.html%00.js",
        "/static/",
        "/static",
        "//etc/passwd",
        "/../../../../etc/passwd",
        "/api/fit/",
        "/API/fit",
        "/docs",
        "http://evil.example/",
        "/" + "a" * 5000,
        "/%E2%80%AE%3Cscript%3E",
    ],
)
def test_no_path_leads_out(address, path):
    status, _, content = ask(address, path)
    assert status in (404, 414)
    assert json.loads(content)["error"]["message"].isprintable()
    assert b"root:" not in content
    assert b"import" not in content


@pytest.mark.parametrize(
    "raw",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /\x7f HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 20000 + b"\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nContent-Length: 8\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"\xff" * 200 + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_does_not_end_the_server(address, raw):
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        answer = b""
        try:
            connection.sendall(raw)
            connection.shutdown(socket.SHUT_WR)
            while part := connection.recv(65536):
                answer += part
        except (ConnectionResetError, BrokenPipeError):
            pass
    assert not answer or answer.split(b" ")[1] in (b"400", b"403", b"431")
    assert ask(address, "/api/targets")[0] == 200


def test_only_loopback_is_bound(address):
    """All of 127/8 is this machine on Linux: what is bound to any address would answer there too."""
    port = urlsplit(address).port
    with pytest.raises(OSError, match=r"refused|timed out|assign"):
        socket.create_connection(("127.0.0.2", port), timeout=5)
